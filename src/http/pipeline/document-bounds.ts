import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type SelectionSetNode,
} from 'graphql'
import { introspectedLengths } from './price/introspected-lengths.ts'

/** Pairs of fields that are answered under the same name at one place: validation compares each with each. */
const mostPairs = 5000
/** Fields, with every fragment spread wherever it is used. */
const mostFields = 10_000
/** Entries of introspection. The query by which tools read a schema asks for 76,000 by this count, and takes 25 ms. */
const mostIntrospected = 500_000
/** Documents that go deeper exceed the limit of depth, or spread fragments in a circle. */
const mostLevels = 50

/**
 * Refuses documents that would take long to validate, or that are short and expand to a long one, before they are
 * validated. Throws BAD_USER_INPUT. Its own time is proportional to the fields that it counts.
 */
export function refuseCostly(document: DocumentNode): void {
  const count = new DocumentCount(document)
  for (const definition of document.definitions) {
    if (definition.kind === Kind.OPERATION_DEFINITION) count.add([definition.selectionSet])
  }
  // Validation looks at unused fragments too.
  for (const unused of count.unusedFragments()) count.add([unused.selectionSet])
}

class DocumentCount {
  readonly #fragments = new Map<string, FragmentDefinitionNode>()
  readonly #used = new Set<string>()
  #fields = 0
  #pairs = 0
  #introspected = 0

  constructor({ definitions }: DocumentNode) {
    for (const definition of definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.#fragments.set(definition.name.value, definition)
    }
  }

  *unusedFragments(): Iterable<FragmentDefinitionNode> {
    for (const [name, fragment] of this.#fragments) if (!this.#used.has(name)) yield fragment
  }

  /** `sets`: all selections at one place of the answer. `times`: how often there is such a place. */
  add(sets: readonly SelectionSetNode[], times = 1, isIntrospection = false, level = 0): void {
    if (level > mostLevels) return
    const fields = new Map<string, FieldNode[]>()
    const spread = new Set<string>()
    for (const set of sets) this.#collect(set, fields, spread)
    this.#pairs += pairsOf(spread.size)
    for (const [name, nodes] of fields) {
      this.#fields += nodes.length
      this.#pairs += pairsOf(nodes.length)
      const field = nodes[0]?.name.value ?? name
      const isInside = isIntrospection || field === '__schema' || field === '__type'
      const entries = isInside ? times * (introspectedLengths[field] ?? 1) : 1
      if (isInside) this.#introspected += entries
      this.#check()
      const below = nodes.flatMap(({ selectionSet }) => selectionSet ?? [])
      if (below.length > 0) this.add(below, entries, isInside, level + 1)
    }
  }

  /** Collects fields by the name under which they are answered, from each fragment once. */
  #collect({ selections }: SelectionSetNode, fields: Map<string, FieldNode[]>, spread: Set<string>): void {
    for (const selection of selections) {
      if (selection.kind === Kind.INLINE_FRAGMENT) this.#collect(selection.selectionSet, fields, spread)
      else if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const name = selection.name.value
        const fragment = this.#fragments.get(name)
        if (!fragment || spread.has(name)) continue
        spread.add(name)
        this.#used.add(name)
        this.#collect(fragment.selectionSet, fields, spread)
      } else {
        const name = (selection.alias ?? selection.name).value
        const nodes = fields.get(name)
        if (nodes) nodes.push(selection)
        else fields.set(name, [selection])
      }
    }
  }

  #check(): void {
    if (this.#pairs > mostPairs) {
      throw costly(`names the same field, or spreads fragments at one place, too often: merge what is asked for twice`)
    }
    if (this.#fields > mostFields) throw costly(`selects more than ${mostFields} fields`)
    if (this.#introspected > mostIntrospected) throw costly('asks for too much of the schema at once')
  }
}

const pairsOf = (count: number): number => (count * (count - 1)) / 2

const costly = (what: string): GraphQLError =>
  new GraphQLError(`The document ${what}`, { extensions: { code: 'BAD_USER_INPUT' } })
