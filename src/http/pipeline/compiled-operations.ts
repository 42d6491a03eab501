import { createRequire } from 'node:module'
import {
  type DocumentNode,
  type ExecutionResult,
  type FragmentDefinitionNode,
  GraphQLFloat,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql'
import type * as GraphQLJit from 'graphql-jit'
import { LRUCache } from 'lru-cache'
import { WrittenList } from '../../resolvers/written-list.ts'
import { documentBytes } from './document-bytes.ts'

// Node cannot resolve the imports between graphql-jit's own ES modules.
const { compileQuery } = createRequire(import.meta.url)('graphql-jit') as typeof GraphQLJit

export type CompiledOperation = (
  root: unknown,
  context: unknown,
  variables: Record<string, unknown>,
) => ExecutionResult | Promise<ExecutionResult>

export interface Compilable {
  readonly document: DocumentNode
  readonly node: OperationDefinitionNode
  /** 0: the operation must not be compiled. */
  compilableFields: number
  /** How often it was interpreted since it was last compiled. */
  runs: number
}

export const compilable = (document: DocumentNode, node: OperationDefinitionNode): Compilable => ({
  document,
  node,
  compilableFields: compilableFields(document, node),
  runs: 0,
})

/** How often an operation is interpreted before it is compiled: compiling takes as long as a hundred runs. */
const runsBeforeCompiling = 10
/** Fields of one operation with its fragments spread: to compile more would take long. */
const maxFields = 300
/** Size of all compiled operations with the documents that they keep, by estimate. */
const maxBytes = 32 * 1024 * 1024
/** Measured on functions that have run: 14 KB for 2 fields, 30 to 55 KB for 20, 260 KB for 200. */
const bytesPerFunction = 10_000
const bytesPerField = 2500

/** Lets a list that is written already pass as its only entry. Other scalars of numbers let everything pass. */
const customSerializers = {
  Float: (value: unknown): unknown => (value instanceof WrittenList ? value : GraphQLFloat.serialize(value)),
}

/** null: it cannot be compiled. */
export function compile(schema: GraphQLSchema, document: DocumentNode, name?: string): CompiledOperation | null {
  const compiled = compileQuery(schema, document, name, { customSerializers })
  return 'query' in compiled ? (compiled.query as CompiledOperation) : null
}

/** Compiles operations that are asked for again and again. The least recently used make room for others. */
export class CompiledOperations {
  readonly #schema: GraphQLSchema
  readonly #functions = new LRUCache<Compilable, CompiledOperation>({ maxSize: maxBytes })

  constructor(schema: GraphQLSchema) {
    this.#schema = schema
  }

  /** Size of what is compiled, by estimate. */
  get bytes(): number {
    return this.#functions.calculatedSize
  }

  /** The operation is compiled in its next run: interpreting it is costlier than compiling. */
  hurry(operation: Compilable): void {
    operation.runs = runsBeforeCompiling
  }

  /** To be called once for each run. undefined: this run is interpreted. */
  find(operation: Compilable): CompiledOperation | undefined {
    const known = this.#functions.get(operation)
    if (known || operation.compilableFields === 0) return known
    operation.runs++
    if (operation.runs < runsBeforeCompiling) return undefined
    operation.runs = 0
    const { document, node, compilableFields } = operation
    const run = compile(this.#schema, document, node.name?.value)
    if (!run) {
      operation.compilableFields = 0
      return undefined
    }
    const size = bytesPerFunction + bytesPerField * compilableFields + documentBytes(document)
    this.#functions.set(operation, run, { size })
    return run
  }
}

/**
 * Counts the fields of an operation with its fragments spread. 0: the operation must not be compiled.
 *
 * A compiled operation gives the result of the interpreter, unless it has errors: those may differ, so the operation is
 * then interpreted again. So mutations are not compiled, which must not run twice. Nor is anything that graphql-jit 0.8
 * reads otherwise than graphql 17: @skip and @include (order of fields), variables inside of other values,
 * introspection, names with two underscores. Nor one with a variable `coerced`: `selectedFields` tells by this name
 * whether variables come from graphql-jit.
 */
export function compilableFields(document: DocumentNode, node: OperationDefinitionNode): number {
  if (node.operation === OperationTypeNode.MUTATION || node.directives?.length) return 0
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
  }
  if (node.variableDefinitions?.some(({ variable }) => variable.name.value === 'coerced')) return 0
  let fields = 0
  const isCompilable = ({ selections }: SelectionSetNode): boolean =>
    selections.every((selection) => {
      if (selection.directives?.length) return false
      if (selection.kind === Kind.INLINE_FRAGMENT) return isCompilable(selection.selectionSet)
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const fragment = fragments.get(selection.name.value)
        return fragment !== undefined && !fragment.directives?.length && isCompilable(fragment.selectionSet)
      }
      const { name, alias, arguments: args, selectionSet } = selection
      if (++fields > maxFields || alias?.value.startsWith('__')) return false
      if (name.value.startsWith('__') && name.value !== '__typename') return false
      if (args?.some(({ value }) => hasVariable(value) && value.kind !== Kind.VARIABLE)) return false
      return !selectionSet || isCompilable(selectionSet)
    })
  return isCompilable(node.selectionSet) ? fields : 0
}

function hasVariable(value: ValueNode): boolean {
  if (value.kind === Kind.LIST) return value.values.some(hasVariable)
  if (value.kind === Kind.OBJECT) return value.fields.some((field) => hasVariable(field.value))
  return value.kind === Kind.VARIABLE
}
