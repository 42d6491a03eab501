import { type DocumentNode, getOperationAST, Kind, type OperationDefinitionNode, print, visit } from 'graphql'

/**
 * A subscription whose events look the same for every client that selects the same, whatever the arguments of its root
 * field.
 */
export interface SharedOperation {
  /** The document without the arguments of the root field. */
  readonly text: string
  /** The variables that are used elsewhere than in those arguments. */
  readonly variables: readonly string[]
}

const described = new WeakMap<DocumentNode, Map<string | null, SharedOperation | null>>()

/**
 * Describes an operation whose only root field is `field`, without directives at the field or the operation: directives
 * may read variables before there is an event. null: the operation cannot be shared.
 */
export function sharedOperation(
  document: DocumentNode,
  operationName: string | null,
  field: string,
): SharedOperation | null {
  const byName = described.get(document) ?? new Map<string | null, SharedOperation | null>()
  described.set(document, byName)
  const known = byName.get(operationName)
  if (known !== undefined) return known
  const operation = getOperationAST(document, operationName)
  const shared = operation ? describe(document, operation, field) : null
  byName.set(operationName, shared)
  return shared
}

function describe(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  fieldName: string,
): SharedOperation | null {
  const [root, ...others] = operation.selectionSet.selections
  const isAlone = others.length === 0 && !operation.directives?.length
  if (!isAlone || root?.kind !== Kind.FIELD || root.name.value !== fieldName || root.directives?.length) return null
  const bare: DocumentNode = {
    ...document,
    definitions: document.definitions.map((definition) =>
      definition === operation
        ? { ...operation, selectionSet: { ...operation.selectionSet, selections: [{ ...root, arguments: [] }] } }
        : definition,
    ),
  }
  const variables = new Set<string>()
  visit(bare, {
    VariableDefinition: () => false,
    Variable: ({ name }) => {
      variables.add(name.value)
    },
  })
  return { text: print(bare), variables: [...variables].sort() }
}
