import {
  type DocumentNode,
  type ExecutionArgs,
  type GraphQLSchema,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  print,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql'
import type { Context } from '../../resolvers/context.ts'

/**
 * A subscription whose events look the same for every client that selects the same, whatever the arguments of its root
 * field.
 */
export interface SharedOperation {
  /** The document without the arguments of the root field. */
  readonly text: string
  /** The variables that are used elsewhere than in those arguments. */
  readonly variables: readonly string[]
  /** Whether it selects a field that is not the same for every viewer. */
  readonly differsByViewer: boolean
}

/** The same for all who are shown the same. */
export function executionName(
  { text, variables, differsByViewer }: SharedOperation,
  { operationName, variableValues, contextValue }: ExecutionArgs,
): string {
  const given = variableValues ?? {}
  const values = variables.map((name) => (Object.hasOwn(given, name) ? [given[name]] : []))
  const viewers = differsByViewer ? [(contextValue as Pick<Context, 'viewer'>).viewer.id] : []
  return JSON.stringify([text, operationName ?? null, values, viewers])
}

const described = new WeakMap<DocumentNode, Map<string | null, SharedOperation | null>>()

/** The root fields whose events are shared. */
const sharedFields: ReadonlySet<string> = new Set(['priceUpdates', 'priceBatches'])

/**
 * Describes an operation whose only root field is one of prices, without directives at the field or the operation:
 * directives may read variables before there is an event. null: the operation cannot be shared.
 */
export function sharedOperation({ document, operationName = null, schema }: ExecutionArgs): SharedOperation | null {
  const byName = described.get(document) ?? new Map<string | null, SharedOperation | null>()
  described.set(document, byName)
  const known = byName.get(operationName)
  if (known !== undefined) return known
  const operation = getOperationAST(document, operationName)
  const shared = operation ? describe(document, operation, schema) : null
  byName.set(operationName, shared)
  return shared
}

function describe(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  schema: GraphQLSchema,
): SharedOperation | null {
  const [root, ...others] = operation.selectionSet.selections
  const isAlone = others.length === 0 && !operation.directives?.length
  if (!isAlone || root?.kind !== Kind.FIELD || !sharedFields.has(root.name.value) || root.directives?.length)
    return null
  const bare: DocumentNode = {
    ...document,
    definitions: document.definitions.map((definition) =>
      definition === operation
        ? { ...operation, selectionSet: { ...operation.selectionSet, selections: [{ ...root, arguments: [] }] } }
        : definition,
    ),
  }
  const variables = new Set<string>()
  let differsByViewer = false
  const types = new TypeInfo(schema)
  const visitor = visitWithTypeInfo(types, {
    VariableDefinition: () => false,
    Variable: ({ name }) => {
      variables.add(name.value)
    },
    Field: () => {
      if (types.getFieldDef()?.extensions.differsByViewer) differsByViewer = true
    },
  })
  visit(bare, visitor)
  return { text: print(bare), variables: [...variables].sort(), differsByViewer }
}
