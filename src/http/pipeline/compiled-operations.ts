import { createRequire } from 'node:module'
import {
  type DocumentNode,
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
import { LRUCache } from 'lru-cache'
import { documentBytes } from './document-bytes.ts'

// Its ES modules name their own files in a way that Node does not resolve.
const { compileQuery } = createRequire(import.meta.url)('graphql-jit') as typeof GraphQLJit

export type CompiledOperation = (
  root: unknown,
  context: unknown,
  variables: Record<string, unknown>,
) => ExecutionResult | Promise<ExecutionResult>

export interface Compilable {
  readonly document: DocumentNode
  readonly node: OperationDefinitionNode
  /** 0: it is not to be compiled. */
  compilableFields: number
  /** Since it could have been compiled for the last time. */
  runs: number
}

export const compilable = (document: DocumentNode, node: OperationDefinitionNode): Compilable => ({
  ...{ document, node },
  compilableFields: compilableFields(document, node),
  runs: 0,
})

/** So many times an operation is interpreted first: compiling it takes as long as a hundred runs. */
const runsBeforeCompiling = 10
/** Of one operation with its fragments spread: the code of more would take long to make. */
const maxFields = 300
/** Of all that are compiled, with the documents that they keep, by estimate. */
const maxBytes = 32 * 1024 * 1024
/** Measured on functions that have run: 14 KB with 2 fields, 30 to 55 with 20, 260 with 200. */
const bytesPerFunction = 10_000
const bytesPerField = 2500

/** Operations that are asked for again and again, as functions of their own; those used longest ago make room for others. */
export class CompiledOperations {
  readonly #schema: GraphQLSchema
  readonly #functions = new LRUCache<Compilable, CompiledOperation>({ maxSize: maxBytes })

  constructor(schema: GraphQLSchema) {
    this.#schema = schema
  }

  /** To be called once for each run. undefined: it is to be interpreted. */
  find(operation: Compilable): CompiledOperation | undefined {
    const known = this.#functions.get(operation)
    if (known || operation.compilableFields === 0) return known
    operation.runs++
    if (operation.runs < runsBeforeCompiling) return undefined
    operation.runs = 0
    const { document, node, compilableFields } = operation
    const compiled = compileQuery(this.#schema, document, node.name?.value)
    if (!('query' in compiled)) {
      operation.compilableFields = 0
      return undefined
    }
    const run = compiled.query as CompiledOperation
    const size = bytesPerFunction + bytesPerField * compilableFields + documentBytes(document)
    this.#functions.set(operation, run, { size })
    return run
  }
}

/**
 * How many fields an operation has, with its fragments spread; 0 where it is not to be compiled. What is compiled gives without
 * errors what the interpreter gives; what it gives with errors may differ. So nothing is compiled that can't be run again
 * (mutations), and nothing of what graphql-jit 0.8 reads otherwise than graphql 17: @skip and @include (order of fields),
 * variables inside of other values, variables that a resolver reads ahead from `info`, introspection, names of two underscores.
 */
export function compilableFields(document: DocumentNode, node: OperationDefinitionNode): number {
  if (node.operation === OperationTypeNode.MUTATION || node.directives?.length) return 0
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
  }
  let fields = 0
  const isCompilable = ({ selections }: SelectionSetNode, isRoot: boolean): boolean =>
    selections.every((selection) => {
      if (selection.directives?.length) return false
      if (selection.kind === Kind.INLINE_FRAGMENT) return isCompilable(selection.selectionSet, isRoot)
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const fragment = fragments.get(selection.name.value)
        return fragment !== undefined && !fragment.directives?.length && isCompilable(fragment.selectionSet, isRoot)
      }
      const { name, alias, arguments: args, selectionSet } = selection
      if (++fields > maxFields || alias?.value.startsWith('__')) return false
      if (name.value.startsWith('__') && name.value !== '__typename') return false
      if (args?.some(({ value }) => hasVariable(value) && !(isRoot && value.kind === Kind.VARIABLE))) return false
      return !selectionSet || isCompilable(selectionSet, false)
    })
  return isCompilable(node.selectionSet, true) ? fields : 0
}

function hasVariable(value: ValueNode): boolean {
  if (value.kind === Kind.LIST) return value.values.some(hasVariable)
  if (value.kind === Kind.OBJECT) return value.fields.some((field) => hasVariable(field.value))
  return value.kind === Kind.VARIABLE
}
