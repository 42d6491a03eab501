import {
  type DirectiveNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLObjectType,
  type GraphQLSchema,
  isAbstractType,
  Kind,
  type SelectionSetNode,
} from 'graphql'
import { argumentValue, type Variables } from './argument-values.ts'

/** Whether a selection is part of the answer, by the variables of a request. */
export type Condition = (variables: Variables) => boolean

/** A selection set and what all has to hold for it to count. */
export interface ConditionalSet {
  readonly set: SelectionSetNode
  readonly conditions: readonly Condition[]
}

/** One place of a document where a field is selected. */
export interface Occurrence {
  readonly node: FieldNode
  readonly conditions: readonly Condition[]
}

/** Collects the fields of an answer as the executor does. */
export class FieldCollector {
  readonly #schema: GraphQLSchema
  readonly #fragments = new Map<string, FragmentDefinitionNode>()

  constructor(schema: GraphQLSchema, { definitions }: DocumentNode) {
    this.#schema = schema
    for (const definition of definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.#fragments.set(definition.name.value, definition)
    }
  }

  /**
   * What the selection sets at one place of the answer select of an object type, by the name under which a field is
   * answered. The places of one name are merged to one field.
   */
  collect(sets: readonly ConditionalSet[], type: GraphQLObjectType): Map<string, Occurrence[]> {
    const fields = new Map<string, Occurrence[]>()
    const [spread, maybeSpread] = [new Set<string>(), new Set<string>()]
    for (const { set, conditions } of sets) this.#collect(set, conditions, type, fields, spread, maybeSpread)
    return fields
  }

  #collect(
    { selections }: SelectionSetNode,
    outer: readonly Condition[],
    type: GraphQLObjectType,
    fields: Map<string, Occurrence[]>,
    spread: Set<string>,
    maybeSpread: Set<string>,
  ): void {
    for (const selection of selections) {
      const own = conditionsOf(selection.directives)
      if (own === null) continue
      const conditions = own.length === 0 ? outer : [...outer, ...own]
      if (selection.kind === Kind.FIELD) {
        const name = (selection.alias ?? selection.name).value
        const occurrences = fields.get(name)
        if (occurrences) occurrences.push({ node: selection, conditions })
        else fields.set(name, [{ node: selection, conditions }])
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        if (this.#applies(selection.typeCondition?.name.value, type)) {
          this.#collect(selection.selectionSet, conditions, type, fields, spread, maybeSpread)
        }
      } else {
        const name = selection.name.value
        const fragment = this.#fragments.get(name)
        if (!fragment || spread.has(name) || !this.#applies(fragment.typeCondition.name.value, type)) continue
        // A spread that may be left out does not stand for another that is not. The second time it is taken to be there,
        // so that fragments that spread each other take no exponential time.
        const isSecond = maybeSpread.has(name)
        if (conditions.length === 0 || isSecond) spread.add(name)
        else maybeSpread.add(name)
        this.#collect(fragment.selectionSet, isSecond ? [] : conditions, type, fields, spread, maybeSpread)
      }
    }
  }

  #applies(condition: string | undefined, type: GraphQLObjectType): boolean {
    if (condition === undefined || condition === type.name) return true
    const named = this.#schema.getType(condition)
    return isAbstractType(named) && this.#schema.isSubType(named, type)
  }
}

/** What @skip and @include say. null: the selection never counts. */
function conditionsOf(directives: readonly DirectiveNode[] | undefined): readonly Condition[] | null {
  if (!directives?.length) return []
  const conditions: Condition[] = []
  for (const { name, arguments: args } of directives) {
    const wanted = name.value === 'include' ? true : name.value === 'skip' ? false : null
    const value = args?.find((arg) => arg.name.value === 'if')?.value
    if (wanted === null || !value) continue
    const read = argumentValue(value)
    if (read.isConstant) {
      if (read.value !== wanted) return null
    } else conditions.push((variables) => read.of(variables) === wanted)
  }
  return conditions
}
