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
 * its field `of`. So a resolver can load what its fields will need in one go. Fields that @skip or @include leave out
 * are included. Each place in the document counts once, however often fragments lead to it, so this takes time in
 * proportion to the document.
 */
export function selectedFields(info: GraphQLResolveInfo, of?: string): SelectedField[] {
  const all = selectedOf(info.fieldNodes, info.returnType, info)
  if (of === undefined) return all.map(({ field, node }) => describe(field, node, info))
  const parents = all.filter(({ field }) => field.name === of)
  const [first] = parents
  if (!first) return []
  const nodes = parents.map(({ node }) => node)
  return selectedOf(nodes, first.field.type, info).map(({ field, node }) => describe(field, node, info))
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
    return getArgumentValues(field, node, info.variableValues)
  } catch {
    return {}
  }
}
