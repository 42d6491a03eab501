import {
  type FieldNode,
  type GraphQLField,
  type GraphQLObjectType,
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

/**
 * The fields that an operation selects of the object which the current resolver gives, with their arguments: what will be
 * needed can be loaded in one go. Those that @skip or @include leave out are among them.
 */
export function selectedFields(info: GraphQLResolveInfo): SelectedField[] {
  const type = getNamedType(info.returnType)
  if (!isObjectType(type)) return []
  return info.fieldNodes.flatMap((node) => (node.selectionSet ? collect(node.selectionSet, type, info) : []))
}

function collect(selections: SelectionSetNode, type: GraphQLObjectType, info: GraphQLResolveInfo): SelectedField[] {
  return selections.selections.flatMap((selection) => {
    if (selection.kind === 'InlineFragment') return collect(selection.selectionSet, type, info)
    if (selection.kind === 'FragmentSpread') {
      const fragment = info.fragments[selection.name.value]
      return fragment ? collect(fragment.selectionSet, type, info) : []
    }
    const field = type.getFields()[selection.name.value]
    return field ? [{ name: field.name, args: argumentsOf(field, selection, info) }] : []
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
