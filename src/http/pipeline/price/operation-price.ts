import {
  type DocumentNode,
  type GraphQLField,
  type GraphQLNamedOutputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isAbstractType,
  isLeafType,
  isListType,
  isObjectType,
  type OperationDefinitionNode,
} from 'graphql'
import type { Interval } from '../../../domain/time/interval.ts'
import { rowsOfEvent, rowsOfOperation } from '../../../resolvers/context.ts'
import { nameOfArgs, observedName } from '../../../schema/price/names.ts'
import type { Observed } from '../../../schema/price/observed.ts'
import {
  type Begins,
  type Passed,
  type Price,
  type PricedArgs,
  type Pricing,
  pricingOf,
  refused,
  type SelectedPrice,
} from '../../../schema/price/price.ts'
import { weights } from '../../../schema/price/weights.ts'
import { argumentsOf, type Variables, variablesWithDefaults } from './argument-values.ts'
import { type Condition, type ConditionalSet, FieldCollector, type Occurrence } from './collected-fields.ts'
import { introspectedLengths } from './introspected-lengths.ts'

/** What a price depends on beside the document. */
export interface Circumstances {
  readonly variables: Variables
  /** Interpreted operations take more for each field. */
  readonly isInterpreted: boolean
  readonly facts: PricingFacts
}

export interface PricingFacts {
  /** Epoch milliseconds. */
  now(): number
  reachDays(interval: Interval): number | null
  hasLoaded(name: string): boolean
  hasComputed(series: string, name: string, bytes: number): boolean
  observed(name: string): Observed | undefined
}

/** CPU in microseconds, by how an operation is executed. */
interface Weight {
  readonly compiled: number
  readonly interpreted: number
}

/** A price that is being made. */
interface Making extends Circumstances {
  /** What is left of the rows that execution will charge. */
  rowsLeft: number
  /** What it has asked for. */
  readonly asked: Set<string>
}

/** Rows that execution charges for the entries of a list. */
const rowsPerValue = 1 / 4
const fieldsPerRow = 3

const nothing: Weight = { compiled: 0, interpreted: 0 }
const objectWeight: Weight = { compiled: weights.object, interpreted: weights.interpretedObject }
const leafWeight: Weight = { compiled: weights.leaf, interpreted: weights.interpretedLeaf }
const instantWeight: Weight = {
  compiled: weights.instant,
  interpreted: weights.interpretedLeaf + weights.instant - weights.leaf,
}
const numberWeight: Weight = { compiled: weights.columnNumber, interpreted: weights.interpretedNumber }
const plus = (one: Weight, other: Weight): Weight => ({
  compiled: one.compiled + other.compiled,
  interpreted: one.interpreted + other.interpreted,
})

/** The fields of one object type at one place of an answer. */
class PricedSelection {
  readonly type: string
  /** How many fields there are, with those below them. */
  readonly size: number
  /** Of the fields that always cost the same. */
  readonly #constant: Weight
  readonly fields: readonly PricedField[]

  constructor(type: string, constant: Weight, constantFields: number, fields: readonly PricedField[]) {
    this.type = type
    this.size = fields.reduce((sum, { size }) => sum + size, constantFields)
    this.#constant = constant
    this.fields = fields
  }

  micros(passed: Passed, of: Making, times: number): number {
    let micros = of.isInterpreted ? this.#constant.interpreted : this.#constant.compiled
    for (const field of this.fields) micros += field.micros(passed, of, times)
    return micros
  }
}

const noPassed: Passed = {}

class PricedField {
  readonly field: GraphQLField<unknown, unknown>
  /** As in Query.quote. */
  readonly qualifiedName: string
  readonly isList: boolean
  readonly pricing: Pricing | undefined
  readonly args: (variables: Variables) => PricedArgs
  /** One of these is true if the field is part of the answer. Empty: it is. */
  readonly #conditions: readonly Condition[]
  /** Completing the field, or each entry of its list. */
  readonly #weight: Weight
  /** By the types that it can have; the dearest counts. */
  readonly below: readonly PricedSelection[]
  /** With the fields below it. */
  readonly size: number
  readonly #rowsPerEntry: number

  constructor(options: {
    parent: string
    field: GraphQLField<unknown, unknown>
    pricing: Pricing | undefined
    occurrences: readonly Occurrence[]
    weight: Weight
    below: readonly PricedSelection[]
  }) {
    const { parent, field, pricing, occurrences, weight, below } = options
    this.field = field
    this.qualifiedName = `${parent}.${field.name}`
    this.isList = isListType(getNullableType(field.type))
    this.pricing = pricing
    this.args = pricing ? argumentsOf(field, (occurrences[0] as Occurrence).node) : () => ({})
    const isAlways = occurrences.some(({ conditions }) => conditions.length === 0)
    this.#conditions = isAlways
      ? []
      : occurrences.map(
          ({ conditions }) =>
            (variables) =>
              conditions.every((holds) => holds(variables)),
        )
    this.#weight = weight
    this.below = below
    this.size = 1 + Math.max(0, ...below.map(({ size }) => size))
    const perEntry = below.length === 0 ? rowsPerValue : Math.ceil((this.size - 1) / fieldsPerRow)
    this.#rowsPerEntry = this.isList ? perEntry : 0
  }

  isSelected(variables: Variables): boolean {
    return this.#conditions.length === 0 || this.#conditions.some((holds) => holds(variables))
  }

  micros(passed: Passed, of: Making, times: number): number {
    if (!this.isSelected(of.variables)) return 0
    const weight = of.isInterpreted ? this.#weight.interpreted : this.#weight.compiled
    const price = this.pricing?.(new AskedField(this, passed, of, times))
    const asked = price?.entries ?? 1
    const fits = this.#shareThatFits((price?.rows ?? 0) + asked * this.#rowsPerEntry, of, times)
    if (fits === 0) return refused.micros
    const entries = fits * asked
    const below = this.#belowMicros(entries, price, of, times)
    const entryMicros = (!of.isInterpreted && price?.entryMicros) || weight
    return fits * (price?.micros ?? 0) + entries * entryMicros + below + (this.isList ? weight : 0)
  }

  /** Which share of so many fields execution will pay for, as each is charged its rows. */
  #shareThatFits(rows: number, of: Making, times: number): number {
    if (rows * times <= of.rowsLeft) {
      of.rowsLeft -= rows * times
      return 1
    }
    const fitting = Math.floor(of.rowsLeft / rows)
    of.rowsLeft -= rows * fitting
    return fitting / times
  }

  #belowMicros(entries: number, price: Price | undefined, of: Making, times: number): number {
    const passes = price?.passes ?? noPassed
    let [sum, dearest] = [0, 0]
    for (const selection of this.below) {
      const count = price?.types ? (price.types[selection.type] ?? 0) * (entries / (price.entries || 1)) : entries
      if (count === 0) continue
      const micros = count * selection.micros(passes, of, times * count)
      sum += micros
      dearest = Math.max(dearest, micros)
    }
    return price?.types ? sum : dearest
  }
}

/** What a field's price function is told. */
class AskedField {
  readonly passed: Passed
  readonly times: number
  readonly #field: PricedField
  readonly #of: Making
  #args: PricedArgs | undefined

  constructor(field: PricedField, passed: Passed, of: Making, times: number) {
    this.#field = field
    this.passed = passed
    this.times = times
    this.#of = of
  }

  get args(): PricedArgs {
    this.#args ??= this.#field.args(this.#of.variables)
    return this.#args
  }

  get argsName(): string {
    return nameOfArgs(this.#field.field.args, this.args)
  }

  get nowMs(): number {
    return this.#of.facts.now()
  }

  reachDays(interval: Interval): number | null {
    return this.#of.facts.reachDays(interval)
  }

  isFirst(name: string): boolean {
    const { asked } = this.#of
    if (asked.has(name)) return false
    asked.add(name)
    return true
  }

  hasLoaded(name: string): boolean {
    return this.#of.facts.hasLoaded(name)
  }

  hasComputed(series: string, name: string, bytes: number): boolean {
    return this.#of.facts.hasComputed(series, name, bytes)
  }

  get observed(): Observed | undefined {
    const { field, qualifiedName } = this.#field
    return this.#of.facts.observed(observedName(qualifiedName, field.args, this.args))
  }

  *selected(path: readonly string[] = []): Generator<SelectedPrice> {
    const { variables } = this.#of
    let parents: PricedField[] = [this.#field]
    for (const name of path) {
      parents = parents
        .flatMap(({ below }) => below.flatMap(({ fields }) => fields))
        .filter((each) => each.field.name === name)
    }
    for (const { below } of parents) {
      for (const { fields } of below) {
        for (const field of fields) {
          if (field.pricing && field.isSelected(variables))
            yield { name: field.field.name, args: field.args(variables) }
        }
      }
    }
  }
}

/** CPU that an operation takes, in microseconds. */
export interface OperationCost {
  /**
   * To execute a query or mutation, or to begin a subscription with its first events, without what any request takes.
   */
  readonly micros: number
  /** Of a subscription: to execute one event, and to hand it to the client and write it. */
  readonly eventMicros: number
  readonly deliveryMicros: number
  readonly standing: StandingCost
}

/** What a subscription takes each time that all its places have an event, in microseconds of CPU. */
export interface StandingCost {
  /** To hand events to the client and to write them. */
  readonly places: number
  /** To execute them once for all who are shown the same. */
  readonly documents: number
  /** To execute those of a live series, with its indicators. */
  readonly series: number
}

const nothingStands: StandingCost = { places: 0, documents: 0, series: 0 }

/**
 * The price of one operation of a document that is valid. It is made once for a document; asking it for a request with
 * its variables takes about a microsecond for a quote. The price of a document is that of the same with its fragments
 * spread in place.
 */
export class OperationPrice {
  /** What parsing and validating the document takes, and executing it for the first time. */
  readonly newDocumentMicros: number
  readonly #selection: PricedSelection
  readonly #isSubscription: boolean
  readonly #withDefaults: (given: Variables) => Variables

  constructor(schema: GraphQLSchema, document: DocumentNode, node: OperationDefinitionNode) {
    const builder = new PriceBuilder(schema, document)
    const root = schema.getRootType(node.operation)
    this.#selection = root
      ? builder.selection([{ set: node.selectionSet, conditions: [] }], root)
      : new PricedSelection('', nothing, 0, [])
    this.#isSubscription = node.operation === 'subscription'
    this.#withDefaults = variablesWithDefaults(node)
    this.newDocumentMicros = weights.newDocument + weights.newField * builder.fields + weights.pair * builder.pairs
  }

  cost(circumstances: Circumstances): OperationCost {
    const variables = this.#withDefaults(circumstances.variables)
    const of: Circumstances = { ...circumstances, variables }
    if (this.#isSubscription) return this.#costOfEvents(of)
    const micros = this.#selection.micros(noPassed, making(of, rowsOfOperation), 1)
    return { micros, eventMicros: 0, deliveryMicros: 0, standing: nothingStands }
  }

  #costOfEvents(of: Circumstances): OperationCost {
    let [micros, eventMicros, deliveryMicros] = [0, 0, 0]
    const standing = { ...nothingStands }
    for (const field of this.#selection.fields) {
      if (!field.isSelected(of.variables)) continue
      const price = field.pricing?.(new AskedField(field, noPassed, making(of, rowsOfEvent), 1))
      const begin = price?.micros ?? 0
      const { places, executes, perRound, events } = price?.begins ?? asTheyCome
      const execution = Math.max(0, field.micros(noPassed, making(of, rowsOfEvent), 1) - begin)
      const delivery = (weights.delivery * places) / perRound
      standing.places += perRound * delivery
      standing[executes] += perRound * execution
      eventMicros += execution
      deliveryMicros += delivery
      // Those that it begins with are executed for it alone: each says when it was sent.
      micros += begin + events * (delivery + execution)
    }
    return { micros, eventMicros, deliveryMicros, standing }
  }
}

/** Of a subscription whose root field says nothing else: one event after the other. */
const asTheyCome: Begins = { places: 1, executes: 'documents', perRound: 1, events: 1 }

const making = (of: Circumstances, rowsLeft: number): Making => ({ ...of, rowsLeft, asked: new Set() })

const pairsOf = (count: number): number => (count * (count - 1)) / 2

class PriceBuilder {
  /** Places where fields are selected, and pairs of places that are answered as one. */
  fields = 0
  pairs = 0
  readonly #schema: GraphQLSchema
  readonly #collector: FieldCollector

  constructor(schema: GraphQLSchema, document: DocumentNode) {
    this.#schema = schema
    this.#collector = new FieldCollector(schema, document)
  }

  selection(sets: readonly ConditionalSet[], type: GraphQLObjectType): PricedSelection {
    let constant = nothing
    let constantFields = 0
    const fields: PricedField[] = []
    for (const occurrences of this.#collector.collect(sets, type).values()) {
      this.fields += occurrences.length
      this.pairs += pairsOf(occurrences.length)
      const [first] = occurrences as [Occurrence]
      const field = this.#schema.getField(type, first.node.name.value)
      if (!field) continue
      const named = getNamedType(field.type)
      const weight = weightOf(named, field)
      const pricing = pricingOf(field) ?? introspection(type, field)
      const isAlways = occurrences.some(({ conditions }) => conditions.length === 0)
      if (isLeafType(named) && !pricing && isAlways) {
        constant = plus(constant, weight)
        constantFields++
      } else
        fields.push(
          new PricedField({
            parent: type.name,
            field,
            pricing,
            occurrences,
            weight,
            below: this.#below(named, occurrences),
          }),
        )
    }
    return new PricedSelection(type.name, constant, constantFields, fields)
  }

  #below(named: GraphQLNamedOutputType, occurrences: readonly Occurrence[]): PricedSelection[] {
    const sets = occurrences.flatMap(({ node, conditions }) =>
      node.selectionSet ? [{ set: node.selectionSet, conditions }] : [],
    )
    if (sets.length === 0) return []
    if (isObjectType(named)) return [this.selection(sets, named)]
    const types = isAbstractType(named) ? this.#schema.getPossibleTypes(named) : []
    return types.map((type) => this.selection(sets, type))
  }
}

function weightOf(named: GraphQLNamedOutputType, { type }: GraphQLField<unknown, unknown>): Weight {
  if (!isLeafType(named)) return objectWeight
  if (isListType(getNullableType(type))) return numberWeight
  return named.name === 'DateTime' ? instantWeight : leafWeight
}

/** Lists that describe the schema. */
function introspection(parent: GraphQLObjectType, { name }: GraphQLField<unknown, unknown>): Pricing | undefined {
  const entries = parent.name.startsWith('__') ? introspectedLengths[name] : undefined
  return entries === undefined ? undefined : () => ({ micros: 0, entries })
}
