import fc, { type GeneratorValue } from 'fast-check'
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNullableInputType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
  type OperationTypeNode,
} from 'graphql'

export interface GeneratedOperation {
  readonly query: string
  readonly variables: Record<string, unknown>
}

/** What the scalars of the contract are asked with. The first two of each are right nearly everywhere. */
const scalarValues: Readonly<Record<string, readonly unknown[]>> = {
  Symbol: ['AAPL', 'MSFT', 'aapl', 'BTC-USD', 'NOSUCH', 'a b', ''],
  Int: [1, 2, 5, 14, 30, 0, -1, 100_000, 1.5],
  Float: [2, 0.02, 0.2, -1, 1],
  Boolean: [true, false],
  String: ['apple', 'x', '', 'MSFT \u00fc\u{1f4c8}'],
  // Quote:AAPL, Instrument:MSFT, Job:x, and what is no id at all.
  ID: ['UXVvdGU6QUFQTA==', 'SW5zdHJ1bWVudDpNU0ZU', 'Sm9iOng=', 'nonsense', 7],
  DateTime: ['2025-03-03T00:00:00Z', '2025-02-01T00:00:00Z', '2025-02-31T00:00:00Z', 'today'],
  EpochSeconds: [1_740_000_000],
  BigInt: [1],
}

/** Names that mean something to JavaScript, or to what is made of a result. */
const awkwardNames = [
  '__proto__',
  'constructor',
  'then',
  'toString',
  'errors',
  'data',
  'class',
  'arguments',
  'await',
  'length',
]

interface WriterOptions {
  readonly kind: 'query' | 'mutation' | 'subscription'
  /** By the name of an argument, or else by that of its scalar. */
  readonly values: Readonly<Record<string, readonly unknown[]>>
  /** Fields that are selected more often than others; of the root, only these. */
  readonly preferred?: readonly string[]
  /** Fields of one selection, and entries of a list, at most. */
  readonly maxFields: number
  readonly maxEntries: number
  readonly maxDepth: number
}

class Writer {
  readonly #g: GeneratorValue
  readonly #schema: GraphQLSchema
  readonly #options: WriterOptions
  readonly #definitions: string[] = []
  readonly #fragments: string[] = []
  readonly variables: Record<string, unknown> = {}
  /** Of all selections together: there is no use in documents that are refused for their length. */
  #fieldsLeft = 250
  // What a document has at all: else nearly all would have something of everything.
  readonly #hasDirectives: boolean
  readonly #hasNestedVariables: boolean
  readonly #hasDefaults: boolean
  readonly #hasMistakes: boolean

  constructor(g: GeneratorValue, schema: GraphQLSchema, options: WriterOptions) {
    this.#g = g
    this.#schema = schema
    this.#options = options
    this.#hasDirectives = this.#chance(30)
    this.#hasNestedVariables = this.#chance(40)
    this.#hasDefaults = this.#chance(30)
    this.#hasMistakes = this.#chance(50)
  }

  document(): string {
    const { kind } = this.#options
    const root = this.#schema.getRootType(kind as OperationTypeNode) as GraphQLObjectType
    // A subscription has one root field.
    const selection =
      kind === 'subscription'
        ? `{ ${this.#field(this.#pick(Object.values(root.getFields())), 0)} }`
        : this.#selection(root, 0)
    const definitions = this.#definitions.length > 0 ? `(${this.#definitions.join(', ')})` : ''
    return [`${kind} Generated${definitions} ${selection}`, ...this.#fragments].join('\n')
  }

  #chance(percent: number): boolean {
    return this.#g(fc.nat, { max: 99 }) < percent
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#g(fc.nat, { max: values.length - 1 })] as T
  }

  #selection(type: GraphQLOutputType, depth: number): string {
    const named = getNamedType(type)
    if (!isObjectType(named)) {
      const possible = this.#schema.getPossibleTypes(named as never)
      const parts = possible
        .filter(() => this.#chance(60))
        .map((one) => `... on ${one.name} ${this.#selection(one, depth)}`)
      return `{ __typename ${parts.join(' ')} }`
    }
    const fields = Object.values(named.getFields()).filter(
      (field) => depth < this.#options.maxDepth || isLeafType(getNamedType(field.type)),
    )
    const most = Math.max(1, Math.min(this.#options.maxFields, this.#fieldsLeft))
    const count = fields.length > 0 ? 1 + this.#g(fc.nat, { max: most - 1 }) : 0
    this.#fieldsLeft -= count
    const preferred = fields.filter(({ name }) => this.#options.preferred?.includes(name))
    const isPreferred = (): boolean => preferred.length > 0 && (depth === 0 || this.#chance(50))
    const parts = Array.from({ length: count }, () =>
      this.#field(this.#pick(isPreferred() ? preferred : fields), depth),
    )
    if (count === 0 || this.#chance(15)) parts.push('__typename')
    const body = `{ ${parts.join(' ')} }`
    if (this.#chance(10)) return `{ ... on ${named.name} ${body} }`
    if (!this.#chance(10)) return body
    const name = `F${this.#fragments.length}`
    this.#fragments.push(`fragment ${name} on ${named.name} ${body}`)
    return `{ ...${name} }`
  }

  #field(field: GraphQLField<unknown, unknown>, depth: number): string {
    // Arguments that differ would keep two fields of one name from being merged.
    const alias = field.args.length > 0 || this.#chance(15) ? `${this.#alias()}: ` : ''
    const args = field.args
      .filter((arg) => isRequiredArgument(arg) || this.#chance(30))
      .map((arg) => this.#argument(arg, depth === 0 || this.#hasNestedVariables))
    const selection = isLeafType(getNamedType(field.type)) ? '' : ` ${this.#selection(field.type, depth + 1)}`
    return `${alias}${field.name}${args.length > 0 ? `(${args.join(', ')})` : ''}${this.#directive()}${selection}`
  }

  #alias(): string {
    return this.#chance(5) ? this.#pick(awkwardNames) : `a${this.#g(fc.nat, { max: 99_999 })}`
  }

  #directive(): string {
    if (!this.#hasDirectives || !this.#chance(10)) return ''
    const condition = this.#chance(50) ? this.#variable('Boolean!', this.#chance(50)) : String(this.#chance(50))
    return ` @${this.#pick(['skip', 'include'])}(if: ${condition})`
  }

  /** `fallback`: the value as a document says it. */
  #variable(type: string, value: unknown, fallback = String(value)): string {
    const name = `v${this.#definitions.length}`
    const hasDefault = this.#hasDefaults && this.#chance(50)
    this.#definitions.push(`$${name}: ${type}${hasDefault ? ` = ${fallback}` : ''}`)
    // null where one is left out is not the same as none.
    if (!this.#mistake(2) && !(hasDefault && this.#chance(50))) this.variables[name] = value
    return `$${name}`
  }

  #mistake(percent: number): boolean {
    return this.#hasMistakes && this.#chance(percent)
  }

  #argument(arg: GraphQLArgument, mayBeVariable: boolean): string {
    const value = this.#value(arg.type, arg.name)
    return `${arg.name}: ${mayBeVariable && this.#chance(40) ? this.#variable(String(arg.type), value, literal(arg.type, value)) : this.#literal(arg.type, value)}`
  }

  /** With a variable in place of an entry now and then. */
  #literal(type: GraphQLInputType, value: unknown): string {
    const nullable = getNullableType(type)
    if (!this.#hasNestedVariables || !isListType(nullable) || !Array.isArray(value)) return literal(type, value)
    const { ofType } = nullable
    const entries = value.map((entry) =>
      this.#chance(20) ? this.#variable(String(ofType), entry, literal(ofType, entry)) : literal(ofType, entry),
    )
    return `[${entries.join(', ')}]`
  }

  #value(type: GraphQLInputType, name?: string): unknown {
    if (isNonNullType(type)) return this.#mistake(2) ? null : this.#given(type.ofType, name)
    return this.#chance(5) ? null : this.#given(type, name)
  }

  #given(type: GraphQLNullableInputType, name = ''): unknown {
    if (isListType(type)) {
      const length = this.#mistake(10) ? 0 : 1 + this.#g(fc.nat, { max: this.#options.maxEntries - 1 })
      return Array.from({ length }, () => this.#value(type.ofType))
    }
    if (isEnumType(type)) return this.#mistake(2) ? 'NO_SUCH_VALUE' : this.#pick(type.getValues()).name
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields()).filter((field) => isRequiredInputField(field) || this.#chance(30))
      return Object.fromEntries(fields.map((field) => [field.name, this.#value(field.type)]))
    }
    const values = this.#options.values[name] ?? this.#options.values[type.name] ?? ['x']
    return this.#mistake(25) ? this.#pick(values) : (values[this.#g(fc.nat, { max: 1 })] ?? values[0])
  }
}

function literal(type: GraphQLInputType, value: unknown): string {
  if (isNonNullType(type)) return literal(type.ofType, value)
  if (value === null) return 'null'
  if (isListType(type)) return `[${(value as unknown[]).map((item) => literal(type.ofType, item)).join(', ')}]`
  if (isEnumType(type)) return String(value)
  if (!isInputObjectType(type)) return JSON.stringify(value)
  const fields = type.getFields()
  const parts = Object.entries(value as object).flatMap(([name, item]) => {
    const field = fields[name]
    return field ? [`${name}: ${literal(field.type, item)}`] : []
  })
  return `{ ${parts.join(', ')} }`
}

/** Queries over a schema, most of them valid: fields at random, aliases, fragments, variables, directives, wrong arguments. */
export const queries = (schema: GraphQLSchema): fc.Arbitrary<GeneratedOperation> =>
  fc.gen().map((g) => {
    const options = { kind: 'query', values: scalarValues, maxFields: 4, maxEntries: 3, maxDepth: 4 } as const
    const writer = new Writer(g, schema, options)
    return { query: writer.document(), variables: writer.variables }
  })

/** Queries of candles and of what is computed from them, by column and by point, of one symbol and of several. */
export const chartQueries = (schema: GraphQLSchema): fc.Arbitrary<GeneratedOperation> =>
  fc.gen().map((g) => {
    const values = { ...scalarValues, Int: [20, 5, 0, -1, 100_000], last: [300, 20, 1, 0], Float: [2, 3, -1] }
    const preferred = ['candles', 'instruments', 'columns']
    const sizes = { maxFields: 4, maxEntries: 3, maxDepth: 4 }
    const writer = new Writer(g, schema, { kind: 'query', values, preferred, ...sizes })
    return { query: writer.document(), variables: writer.variables }
  })

/** What is at the bounds of what a scalar can say, or past them. */
const extremeValues: Readonly<Record<string, readonly unknown[]>> = {
  Symbol: ['AAPL', 'MSFT', 'NVDA', 'NOSUCH', 'A'.repeat(32), 'A'.repeat(33), '^GSPC', '\u0000', 'x'.repeat(20_000)],
  Int: [5, 200, 1000, 1001, 20_000, 20_001, 100, 0, -1, 2_147_483_647, -2_147_483_648, 4_294_967_296, 0.5],
  Float: [1, 0.02, 1e12, 1e308, 5e-324, -0, 0, -1e308, 100],
  Boolean: [true, false],
  String: [
    'apple',
    'a',
    '',
    '\u0000',
    '\ud800',
    '%_\\',
    '🜁'.repeat(1000),
    'x'.repeat(20_000),
    btoa('signal 1 2'),
    btoa('jobs 9'.repeat(99)),
  ],
  ID: [
    'UXVvdGU6QUFQTA==',
    'SW5zdHJ1bWVudDpNU0ZU',
    ...[
      'Job:x',
      'Job:00000000-0000-4000-8000-000000000000',
      'Signal:9223372036854775808',
      'Signal:1',
      'SymbolAnalysis:-1',
      'Query:x',
      'Quote:',
    ].map(btoa),
    'x'.repeat(20_000),
    -1,
  ],
  DateTime: [
    '2025-03-03T00:00:00Z',
    '2026-11-01T00:00:00Z',
    '1970-01-01T00:00:00Z',
    '0001-01-01T00:00:00Z',
    '9999-12-31T23:59:59.999999999Z',
    '2025-03-03T00:00:00+23:59',
    '2025-02-31T00:00:00Z',
  ],
}

/** Operations of every kind over a schema, wider and deeper than `queries`, at the bounds of what can be said. */
export const extremeOperations = (schema: GraphQLSchema): fc.Arbitrary<GeneratedOperation> =>
  fc
    .tuple(
      fc.constantFrom('query', 'query', 'query', 'subscription', 'mutation'),
      fc.constantFrom([4, 3, 4], [12, 5, 3], [3, 120, 3], [2, 2, 11], [40, 3, 2]),
      fc.gen(),
    )
    .map(([kind, [maxFields = 1, maxEntries = 1, maxDepth = 1], g]) => {
      const writer = new Writer(g, schema, {
        ...{ kind: kind as 'query', values: extremeValues, maxFields, maxEntries, maxDepth },
      })
      return { query: writer.document(), variables: writer.variables }
    })
