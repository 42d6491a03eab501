import {
  type FieldNode,
  type GraphQLField,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  getArgumentValues,
  getNamedType,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from 'graphql'

export interface SelectedField {
  readonly name: string
  readonly args: Readonly<Record<string, unknown>>
}

/** A field and the place in the document that selects it. */
interface Selected {
  readonly field: GraphQLField<unknown, unknown>
  readonly node: FieldNode
}

/**
 * The fields, with their arguments, that an operation selects of the object that the current resolver returns, or of
 * what `path` leads to from there. So a resolver can load what its fields will need in one go. Fields that @skip or @include leave out
 * are included. Each place in the document counts once, however often fragments lead to it, so this takes time in
 * proportion to the document.
 */
export function selectedFields(info: GraphQLResolveInfo, path: readonly string[] = []): SelectedField[] {
  let selected = selectedOf(info.fieldNodes, info.returnType, info)
  for (const name of path) {
    const parents = selected.filter(({ field }) => field.name === name)
    const [first] = parents
    if (!first) return []
    selected = selectedOf(
      parents.map(({ node }) => node),
      first.field.type,
      info,
    )
  }
  return selected.map(({ field, node }) => describe(field, node, info))
}

/** What the nodes of one field select of the type that the field returns. */
function selectedOf(nodes: readonly FieldNode[], returns: GraphQLOutputType, info: GraphQLResolveInfo): Selected[] {
  const type = getNamedType(returns)
  const selected: Selected[] = []
  if (!isObjectType(type)) return selected
  const spread = new Set<string>()
  const collect = ({ selections }: SelectionSetNode): void => {
    for (const selection of selections) {
      if (selection.kind === Kind.INLINE_FRAGMENT) collect(selection.selectionSet)
      else if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const name = selection.name.value
        const fragment = info.fragments[name]
        if (!fragment || spread.has(name)) continue
        spread.add(name)
        collect(fragment.selectionSet)
      } else {
        const field = type.getFields()[selection.name.value]
        if (field) selected.push({ field, node: selection })
      }
    }
  }
  for (const { selectionSet } of nodes) if (selectionSet) collect(selectionSet)
  return selected
}

const describe = (field: GraphQLField<unknown, unknown>, node: FieldNode, info: GraphQLResolveInfo): SelectedField => ({
  name: field.name,
  args: argumentsOf(field, node, info),
})

/** An invalid argument is ignored here: execution of the field itself reports it. */
function argumentsOf(
  field: GraphQLField<unknown, unknown>,
  node: FieldNode,
  info: GraphQLResolveInfo,
): Readonly<Record<string, unknown>> {
  try {
    return getArgumentValues(field, node, variablesOf(info))
  } catch {
    return {}
  }
}

/** graphql-jit has the coerced values where graphql has them below `coerced`. */
function variablesOf({ variableValues }: GraphQLResolveInfo): GraphQLResolveInfo['variableValues'] {
  return 'coerced' in variableValues ? variableValues : { sources: {}, coerced: variableValues }
}
