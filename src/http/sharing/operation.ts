import { type DocumentNode, getOperationAST, Kind, type OperationDefinitionNode, print, visit } from 'graphql'

/** A subscription whose events look the same for all who ask so, whatever the arguments of its root field are. */
export interface SharedOperation {
  /** Of the document, without the arguments of the root field. */
  readonly text: string
  /** The variables that go into more than those arguments. */
  readonly variables: readonly string[]
}

const shared = new WeakMap<DocumentNode, Map<string | null, SharedOperation | null>>()

/**
 * null: it can't be said that it can be shared. It can where `field` is the one root field, asked for without directives (which
 * may look at variables before there is an event).
 */
export function sharedOperation(
  document: DocumentNode,
  operationName: string | null,
  field: string,
): SharedOperation | null {
  const known = shared.get(document) ?? new Map<string | null, SharedOperation | null>()
  shared.set(document, known)
  const found = known.get(operationName)
  if (found !== undefined) return found
  const operation = getOperationAST(document, operationName)
  const described = operation ? describe(document, operation, field) : null
  known.set(operationName, described)
  return described
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
