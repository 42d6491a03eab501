import { createRequire } from 'node:module'
import {
  type ExecutionResult,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql'
import type * as GraphQLJit from 'graphql-jit'
import type { PreparedOperation } from './prepared-documents.ts'

// Its ES modules name their own files in a way that Node does not resolve.
const { compileQuery } = createRequire(import.meta.url)('graphql-jit') as typeof GraphQLJit

/** Takes root value, context and variables, and changes none of them. */
export type CompiledOperation = (
  root: unknown,
  context: unknown,
  variables: Record<string, unknown>,
) => ExecutionResult | Promise<ExecutionResult>

/** Fields of an operation with its fragments spread: the code that is made of more would take long to make. */
const maxFields = 300

/**
 * An operation as a function of its own, or undefined where it had better be interpreted. What such a function gives without
 * errors is what the interpreter gives; what it gives with errors may differ. So nothing is compiled that can't be run again
 * (mutations), and nothing of what graphql-jit 0.8 reads otherwise than graphql 17: @skip and @include (order of fields),
 * variables inside of other values, variables that a resolver reads ahead from `info`, introspection.
 */
export function compileOperation(
  schema: GraphQLSchema,
  { document, node }: PreparedOperation,
): CompiledOperation | undefined {
  if (node.operation !== OperationTypeNode.QUERY) return undefined
  const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION)
  if (!isPlain(node, new Map(fragments.map((fragment) => [fragment.name.value, fragment])))) return undefined
  const compiled = compileQuery(schema, document, node.name?.value)
  return 'query' in compiled ? (compiled.query as CompiledOperation) : undefined
}

function isPlain(operation: OperationDefinitionNode, fragments: ReadonlyMap<string, FragmentDefinitionNode>): boolean {
  let fields = 0
  const isPlainSelection = ({ selections }: SelectionSetNode, isRoot: boolean): boolean =>
    selections.every((selection) => {
      if (selection.directives?.length) return false
      if (selection.kind === Kind.INLINE_FRAGMENT) return isPlainSelection(selection.selectionSet, isRoot)
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const fragment = fragments.get(selection.name.value)
        return fragment !== undefined && !fragment.directives?.length && isPlainSelection(fragment.selectionSet, isRoot)
      }
      const { name, alias, arguments: args, selectionSet } = selection
      if (++fields > maxFields || alias?.value.startsWith('__')) return false
      if (name.value.startsWith('__') && name.value !== '__typename') return false
      if (args?.some(({ value }) => hasVariable(value) && !(isRoot && value.kind === Kind.VARIABLE))) return false
      return !selectionSet || isPlainSelection(selectionSet, false)
    })
  return !operation.directives?.length && isPlainSelection(operation.selectionSet, true)
}

function hasVariable(value: ValueNode): boolean {
  if (value.kind === Kind.LIST) return value.values.some(hasVariable)
  if (value.kind === Kind.OBJECT) return value.fields.some((field) => hasVariable(field.value))
  return value.kind === Kind.VARIABLE
}
