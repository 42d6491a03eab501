import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
} from 'graphql'
import type { Asked } from './measured-app.ts'

/** What is there to ask for. */
export interface Known {
  readonly symbols: readonly string[]
  /** Global ids of things that are in the database, and of quotes and instruments. */
  readonly ids: readonly string[]
  readonly jobs: readonly string[]
}

/** The same numbers for the same seed: a linear congruential generator with the constants of Numerical Recipes. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const maxFields = 60
const maxDepth = 5
/** Lists of lists of charts would take seconds each. */
const mostEntries = 30

/**
 * An operation at random over the whole schema: fields, arguments, aliases, fragments, directives and variables. One in
 * twenty arguments is out of bounds or unknown. `at`: its number.
 */
export function generatedOperation(schema: GraphQLSchema, known: Known, at: number): Asked {
  const random = randomFrom(at * 7919 + 1)
  for (let i = 0; i < 10; i++) random()
  return new Writer(schema, known, random).operation(at)
}

/** A subscription of prices or candles at random, as `generatedOperation` makes others. */
export function generatedSubscription(schema: GraphQLSchema, known: Known, at: number): GeneratedSubscription {
  const random = randomFrom(at * 7919 + 3)
  for (let i = 0; i < 10; i++) random()
  return new Writer(schema, known, random).subscription(at)
}

export interface GeneratedSubscription extends Asked {
  /** With how many events, or entries of lists, it begins. */
  readonly first: number
}

class Writer {
  readonly #schema: GraphQLSchema
  readonly #known: Known
  readonly #random: () => number
  readonly #definitions: string[] = []
  readonly #fragments: string[] = []
  readonly #variables: Record<string, unknown> = {}
  readonly #hasDirectives: boolean
  #fieldsLeft = maxFields
  #aliases = 0

  constructor(schema: GraphQLSchema, known: Known, random: () => number) {
    this.#schema = schema
    this.#known = known
    this.#random = random
    this.#hasDirectives = this.#chance(0.15)
  }

  operation(at: number): Asked {
    const isMutation = this.#chance(0.03)
    const root = (isMutation ? this.#schema.getMutationType() : this.#schema.getQueryType()) as GraphQLObjectType
    // Jobs that are due at once would run beside what is measured.
    const fields = Object.values(root.getFields()).filter(({ name }) => !isMutation || /Analysis|Job/.test(name))
    const count = isMutation ? 1 : this.#logarithmic(1, 5)
    const selected = Array.from({ length: count }, () => this.#field(this.#pick(fields), 0, 1))
    const definitions = this.#definitions.length > 0 ? `(${this.#definitions.join(', ')})` : ''
    const query = [
      `${isMutation ? 'mutation' : 'query'} Generated${at}${definitions} { ${selected.join(' ')} }`,
      ...this.#fragments,
    ].join(' ')
    return { query, variables: this.#variables }
  }

  subscription(at: number): GeneratedSubscription {
    const { symbols } = this.#known
    const ofPrices = Array.from({ length: this.#logarithmic(1, 100) }, () => this.#pick(symbols))
    const unique = [...new Set(ofPrices)]
    const [field, first, type] = this.#pick([
      [`priceUpdates(symbols: ${JSON.stringify(unique)})`, unique.length, 'PriceUpdate'],
      [`priceBatches(symbols: ${JSON.stringify(unique)}, batchMs: 1000)`, unique.length, 'PriceUpdate'],
      [
        `candleUpdates(symbol: "${this.#pick(symbols)}", interval: ${this.#pick(['MINUTE_1', 'HOUR_1', 'DAY_1'])})`,
        1,
        'CandleUpdate',
      ],
    ] as const)
    const query = `{ ${field} ${this.#selection(type, 1, first)} }`
    const definitions = this.#definitions.length > 0 ? `(${this.#definitions.join(', ')})` : ''
    const whole = [`subscription Generated${at}${definitions} ${query}`, ...this.#fragments].join(' ')
    return { query: whole, variables: this.#variables, first }
  }

  #chance(share: number): boolean {
    return this.#random() < share
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random() * values.length)] as T
  }

  /** Small numbers are as likely as great ones. */
  #logarithmic(least: number, most: number): number {
    return Math.round(Math.exp(Math.log(least) + this.#random() * (Math.log(most) - Math.log(least))))
  }

  /** `entries`: how many there are of the object that has the field, about. */
  #field(field: GraphQLField<unknown, unknown>, depth: number, entries: number): string {
    const args = field.args
      .filter((arg) => isRequiredArgument(arg) || this.#chance(0.4) || arg.name === 'last')
      .map((arg) => this.#argument(arg, entries))
    const alias = args.length > 0 || this.#chance(0.1) ? `a${this.#aliases++}: ` : ''
    const directive =
      this.#hasDirectives && this.#chance(0.2) ? ` @${this.#pick(['include', 'skip'])}(if: ${this.#condition()})` : ''
    const isList = isListType(getNullableType(field.type))
    const below = isList ? entries * mostEntries : entries
    const type = getNamedType(field.type)
    const selection = isLeafType(type) ? '' : ` ${this.#selection(type.name, depth + 1, below)}`
    return `${alias}${field.name}${args.length > 0 ? `(${args.join(', ')})` : ''}${directive}${selection}`
  }

  #condition(): string {
    const value = this.#chance(0.5)
    return this.#chance(0.5) ? this.#variable('Boolean!', value) : String(value)
  }

  #selection(typeName: string, depth: number, entries: number): string {
    const type = this.#schema.getType(typeName)
    if (!isObjectType(type)) {
      const types = this.#schema.getPossibleTypes(type as never).filter(() => this.#chance(0.5))
      return `{ __typename ${types.map(({ name }) => `... on ${name} ${this.#selection(name, depth, entries)}`).join(' ')} }`
    }
    const fields = Object.values(type.getFields())
    const leaves = fields.filter((field) => isLeafType(getNamedType(field.type)))
    const others = fields.filter((field) => !isLeafType(getNamedType(field.type)))
    const isAtEnd = depth >= maxDepth || this.#fieldsLeft <= 0 || entries > mostEntries * mostEntries
    const parts: string[] = []
    const leafCount = Math.min(leaves.length, this.#logarithmic(1, 8))
    if (leaves.length > 0)
      for (let i = 0; i < leafCount; i++) parts.push(this.#field(this.#pick(leaves), depth, entries))
    if (others.length > 0 && (!isAtEnd || leaves.length === 0)) {
      const otherCount =
        Math.min(others.length, this.#logarithmic(1, 4)) - (leaves.length > 0 && this.#chance(0.4) ? 1 : 0)
      for (let i = 0; i < otherCount; i++) parts.push(this.#field(this.#pick(others), depth, entries))
    }
    this.#fieldsLeft -= parts.length
    if (parts.length === 0) parts.push('__typename')
    const body = `{ ${[...new Set(parts)].join(' ')} }`
    if (!this.#chance(0.1)) return body
    const name = `F${this.#fragments.length}`
    this.#fragments.push(`fragment ${name} on ${typeName} ${body}`)
    return `{ ...${name} }`
  }

  #argument(arg: GraphQLArgument, entries: number): string {
    const value = this.#value(String(arg.type), arg.name, entries)
    const text = this.#chance(0.4) ? this.#variable(String(arg.type), value) : this.#literal(arg.type, value)
    return `${arg.name}: ${text}`
  }

  #variable(type: string, value: unknown): string {
    const name = `v${this.#definitions.length}`
    this.#definitions.push(`$${name}: ${type}`)
    this.#variables[name] = value
    return `$${name}`
  }

  #literal(type: GraphQLArgument['type'], value: unknown): string {
    if (value === null) return 'null'
    const nullable = getNullableType(type)
    if (isListType(nullable)) {
      return `[${(value as unknown[]).map((each) => this.#literal(nullable.ofType, each)).join(', ')}]`
    }
    if (isInputObjectType(nullable)) {
      const fields = nullable.getFields()
      const parts = Object.entries(value as object).map(
        ([name, each]) => `${name}: ${this.#literal(fields[name]?.type as GraphQLArgument['type'], each)}`,
      )
      return `{ ${parts.join(', ')} }`
    }
    return isEnumType(nullable) ? String(value) : JSON.stringify(value)
  }

  #value(typeText: string, name: string, entries: number): unknown {
    const { symbols, ids, jobs } = this.#known
    const isWrong = this.#chance(0.02)
    const bare = typeText.replaceAll('!', '')
    if (bare.startsWith('[')) {
      const most = Math.max(1, Math.min(name === 'symbols' || name === 'ids' ? 100 : 4, Math.floor(200 / entries)))
      return Array.from({ length: this.#logarithmic(1, most) }, () => this.#value(bare.slice(1, -1), name, entries))
    }
    const type = this.#schema.getType(bare)
    if (isEnumType(type)) return this.#pick(type.getValues()).name
    if (isInputObjectType(type)) return this.#input(type.name)
    switch (name) {
      case 'last':
        return isWrong ? this.#pick([0, 20_001]) : this.#logarithmic(1, Math.max(10, 20_000 / entries))
      case 'first':
        return isWrong ? this.#pick([0, 101]) : this.#logarithmic(1, 100)
      case 'query':
        return this.#pick(['a', 'apple', 'in', 'SIM', 'co', 'x', 'gold', 'corp'])
      case 'id':
        return this.#pick(jobs)
      case 'after':
        return null
      case 'period':
        return isWrong ? this.#pick([0, 1001]) : this.#logarithmic(2, 200)
      case 'from':
        return bare === 'Date' ? this.#pick(['2026-01-01', '2026-06-01', '2026-11-01']) : this.#daysAgo(30, 900)
      case 'to':
        return bare === 'Date' ? '2026-11-20' : this.#daysAgo(0.5, 20)
    }
    switch (bare) {
      case 'Symbol':
        return isWrong ? 'NOSUCH' : this.#pick(symbols)
      case 'ID':
        return this.#pick(ids)
      case 'Int':
        return this.#logarithmic(3, 60)
      case 'Float':
        return 0.02 + this.#random() * 0.1
      case 'Boolean':
        return this.#chance(0.5)
      case 'DateTime':
        return this.#daysAgo(30, 900)
      default:
        return 'x'
    }
  }

  #daysAgo(least: number, most: number): string {
    return new Date(
      Math.floor(Date.now() / 60_000) * 60_000 - this.#logarithmic(least * 24, most * 24) * 3_600_000,
    ).toISOString()
  }

  /** Jobs that are due in some days: none of them runs beside what is measured. */
  #input(typeName: string): Record<string, unknown> {
    const type = this.#schema.getType(typeName)
    if (!isInputObjectType(type)) return {}
    const values: Record<string, unknown> = {}
    for (const field of Object.values(type.getFields())) {
      if (isRequiredInputField(field)) values[field.name] = this.#value(String(field.type), field.name, 1)
    }
    return type.getFields().runAt ? { ...values, runAt: new Date(Date.now() + 864_000_000).toISOString() } : values
  }
}
