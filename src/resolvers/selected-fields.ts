import {
  type FieldNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  getArgumentValues,
  getNamedType,
  isObjectType,
  type SelectionSetNode,
} from 'graphql'

export interface SelectedField {
  readonly name: string
  readonly args: Readonly<Record<string, unknown>>
}

/** A field where it is selected. */
interface Selected {
  readonly field: GraphQLField<unknown, unknown>
  readonly node: FieldNode
}

/**
 * The fields that an operation selects of the object which the current resolver gives, or below the field `of` it, with their
 * arguments: what will be needed can be loaded in one go. Those that @skip or @include leave out are among them.
 */
export function selectedFields(info: GraphQLResolveInfo, of?: string): SelectedField[] {
  const all = info.fieldNodes.flatMap((node) => selectedOf(node, info.returnType, info))
  const wanted =
    of === undefined
      ? all
      : all.flatMap(({ field, node }) => (field.name === of ? selectedOf(node, field.type, info) : []))
  return wanted.map(({ field, node }) => ({ name: field.name, args: argumentsOf(field, node, info) }))
}

function selectedOf({ selectionSet }: FieldNode, returns: GraphQLOutputType, info: GraphQLResolveInfo): Selected[] {
  const type = getNamedType(returns)
  return selectionSet && isObjectType(type) ? collect(selectionSet, type, info) : []
}

function collect(selections: SelectionSetNode, type: GraphQLObjectType, info: GraphQLResolveInfo): Selected[] {
  return selections.selections.flatMap((selection) => {
    if (selection.kind === 'InlineFragment') return collect(selection.selectionSet, type, info)
    if (selection.kind === 'FragmentSpread') {
      const fragment = info.fragments[selection.name.value]
      return fragment ? collect(fragment.selectionSet, type, info) : []
    }
    const field = type.getFields()[selection.name.value]
    return field ? [{ field, node: selection }] : []
  })
}

/** An argument that can't be read is reported when its own field is executed. */
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
