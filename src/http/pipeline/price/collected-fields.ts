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
    const spreads = new Map<string, Spreads>()
    for (const { set, conditions } of sets) this.#collect(set, conditions, type, fields, spreads)
    return fields
  }

  #collect(
    { selections }: SelectionSetNode,
    outer: readonly Condition[],
    type: GraphQLObjectType,
    fields: Map<string, Occurrence[]>,
    spreads: Map<string, Spreads>,
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
          this.#collect(selection.selectionSet, conditions, type, fields, spreads)
        }
      } else {
        const name = selection.name.value
        const fragment = this.#fragments.get(name)
        if (!fragment || !this.#applies(fragment.typeCondition.name.value, type)) continue
        const known = spreads.get(name)
        if (known?.add(conditions)) continue
        // Fragments are collected once under all conditions and once more under none, so that those that spread each
        // other take no exponential time.
        const all = new Spreads(conditions)
        spreads.set(name, all)
        this.#collect(fragment.selectionSet, all.conditions, type, fields, spreads)
      }
    }
  }

  #applies(condition: string | undefined, type: GraphQLObjectType): boolean {
    if (condition === undefined || condition === type.name) return true
    const named = this.#schema.getType(condition)
    return isAbstractType(named) && this.#schema.isSubType(named, type)
  }
}

/** The spreads of one fragment at one place of the answer: it counts if one of them does. */
class Spreads {
  /** What the selections of the fragment count by. Empty: it is always there. */
  readonly conditions: readonly Condition[]
  readonly #spreads: (readonly Condition[])[]
  /** Asked once for each request: what fragments that spread each other twice ask of each other doubles at each level. */
  readonly #known = new WeakMap<Variables, boolean>()

  constructor(conditions: readonly Condition[]) {
    this.#spreads = [conditions]
    this.conditions = conditions.length === 0 ? [] : [(variables) => this.#isThere(variables)]
  }

  /** false: the fragment may be left out by the spreads so far, and is always there by this one. */
  add(conditions: readonly Condition[]): boolean {
    if (this.conditions.length === 0) return true
    if (conditions.length === 0) return false
    this.#spreads.push(conditions)
    return true
  }

  #isThere(variables: Variables): boolean {
    const known = this.#known.get(variables)
    if (known !== undefined) return known
    const isThere = this.#spreads.some((conditions) => conditions.every((holds) => holds(variables)))
    this.#known.set(variables, isThere)
    return isThere
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
