import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  getNullableType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionNode,
  type SelectionSetNode,
  validate,
} from 'graphql'
import { OperationPrice } from '../../../../../src/http/pipeline/price/operation-price.ts'
import { schema } from '../../../../../src/schema/index.ts'
import type { Observed } from '../../../../../src/schema/price/observed.ts'
import { pricingOf } from '../../../../../src/schema/price/price.ts'
import { chartQueries, extremeOperations, queries } from '../../../../support/operations/operations.ts'

const facts = {
  now: () => Date.parse('2026-12-01T00:00:00Z'),
  reachDays: () => null,
  hasLoaded: () => true,
  hasComputed: () => false,
  observed: () => undefined,
}

function costOf(document: DocumentNode, variables: Record<string, unknown>, isInterpreted = false) {
  const node = document.definitions.find(({ kind }) => kind === Kind.OPERATION_DEFINITION) as OperationDefinitionNode
  const price = new OperationPrice(schema, document, node)
  return { ...price.cost({ variables, isInterpreted, facts }), newDocumentMicros: price.newDocumentMicros }
}

/** null: it would never be priced. */
function validDocument(query: string): DocumentNode | null {
  try {
    const document = parse(query)
    return validate(schema, document).length === 0 ? document : null
  } catch {
    return null
  }
}

const microsOf = (query: string, variables: Record<string, unknown> = {}): number => {
  const document = parse(query)
  assert.deepEqual(validate(schema, document), [])
  return costOf(document, variables).micros
}

/** The document with every fragment in the places where it is spread. */
function inlined(document: DocumentNode): DocumentNode {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
  }
  const inSet = (set: SelectionSetNode): SelectionSetNode => ({ ...set, selections: set.selections.map(inSelection) })
  const inSelection = (selection: SelectionNode): SelectionNode => {
    if (selection.kind === Kind.FIELD) {
      return selection.selectionSet ? { ...selection, selectionSet: inSet(selection.selectionSet) } : selection
    }
    if (selection.kind === Kind.INLINE_FRAGMENT) return { ...selection, selectionSet: inSet(selection.selectionSet) }
    const { typeCondition, selectionSet } = fragments.get(selection.name.value) as FragmentDefinitionNode
    const { directives } = selection
    return {
      kind: Kind.INLINE_FRAGMENT,
      typeCondition,
      selectionSet: inSet(selectionSet),
      ...(directives && { directives }),
    }
  }
  const definitions = document.definitions.flatMap((definition) =>
    definition.kind === Kind.OPERATION_DEFINITION
      ? [{ ...definition, selectionSet: inSet(definition.selectionSet) }]
      : [],
  )
  return { kind: Kind.DOCUMENT, definitions }
}

test('every list of the schema tells how many entries it has', () => {
  const silent: string[] = []
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue
    for (const field of Object.values(type.getFields())) {
      if (!isListType(getNullableType(field.type))) continue
      const price = pricingOf(field)?.({
        args: { symbols: ['AAPL'], ids: ['x'], first: 10, from: '2026-01-01', to: '2026-02-01', period: 14 },
        argsName: '',
        times: 1,
        passed: { entries: 3, series: { interval: 'DAY_1', rows: 10, before: 10, of: 'A', name: 'A', isKept: true } },
        nowMs: facts.now(),
        reachDays: () => null,
        isFirst: () => true,
        hasLoaded: () => true,
        hasComputed: () => false,
        observed: undefined,
        selected: () => [],
      })
      if (price?.entries === undefined) silent.push(`${type.name}.${field.name}`)
    }
  }
  assert.deepEqual(silent, [])
})

for (const [what, operations] of [
  ['queries', queries(schema)],
  ['charts', chartQueries(schema)],
  ['operations at the bounds of what can be said', extremeOperations(schema)],
] as const) {
  test(`the price of generated ${what} is a number of at least 0, and that of the same with fragments inlined`, () => {
    let valid = 0
    fc.assert(
      fc.property(operations, ({ query, variables }) => {
        const document = validDocument(query)
        if (!document) return
        valid++
        for (const isInterpreted of [false, true]) {
          const cost = costOf(document, variables, isInterpreted)
          const { standing, ...others } = cost
          for (const micros of [...Object.values(others), ...Object.values(standing)])
            assert.ok(Number.isFinite(micros) && micros >= 0, String(micros))
          assert.deepEqual(costOf(inlined(document), variables, isInterpreted), cost)
        }
      }),
      { numRuns: 300, seed: 1, endOnFailure: true },
    )
    assert.ok(valid > 100, `${valid} were valid`)
  })
}

test('a price goes with the entries of lists, rows, indicators and their warm-up', () => {
  const quotes = (count: number): number =>
    microsOf('query ($s: [Symbol!]!) { quotes(symbols: $s) { price open } }', {
      s: Array.from({ length: count }, (_, i) => `S${i}`),
    })
  assert.ok(Math.abs(quotes(100) / quotes(10) - 10) < 1)
  const chart = (last: number, fields: string): number =>
    microsOf(`query ($last: Int) { candles(symbol: "AAPL", last: $last) { ${fields} } }`, { last })
  const nodes = 'nodes { time close }'
  assert.ok(chart(2000, nodes) > 5 * chart(200, nodes))
  assert.ok(chart(1000, 'columns { sma rsi }') > chart(1000, 'columns { sma }'))
  assert.ok(chart(1, 'columns { adx(period: 900) { adx } }') > 3 * chart(1, 'columns { adx(period: 3) { adx } }'))
})

const subscriptionCost = (query: string, variables: Record<string, unknown> = {}) => {
  const document = parse(query)
  assert.deepEqual(validate(schema, document), [])
  const price = new OperationPrice(schema, document, document.definitions[0] as OperationDefinitionNode)
  return price.cost({ variables, isInterpreted: false, facts })
}

const board = (count: number) => ({ s: Array.from({ length: count }, (_, i) => `S${i}`) })

test('a price subscription costs by symbols to begin and to stand, and an event does not; a list has all of them', () => {
  const of = (field: string, count: number) =>
    subscriptionCost(`subscription ($s: [Symbol!]!) { ${field} { symbol price seq } }`, board(count))
  const [one, hundred] = [of('priceUpdates(symbols: $s)', 1), of('priceUpdates(symbols: $s)', 100)]
  assert.ok(Math.abs(hundred.eventMicros - one.eventMicros) < 1e-6)
  assert.ok(Math.abs(hundred.micros / one.micros - 100) < 1)
  for (const kind of ['places', 'documents'] as const)
    assert.ok(Math.abs(hundred.standing[kind] / one.standing[kind] - 100) < 1, kind)
  assert.equal(hundred.standing.series, 0)
  const list = of('priceBatches(symbols: $s)', 100)
  assert.ok(list.eventMicros > 20 * one.eventMicros)
  assert.equal(list.standing.places, hundred.standing.places)
})

test('a live series costs by the warm-up of its indicators, for each candle since its beginning, and stands by itself', () => {
  const of = (fields: string, args = '') =>
    subscriptionCost(`subscription { candleUpdates(symbol: "A" ${args}) { kind ${fields} } }`)
  const [bare, short, long] = [
    of(''),
    of('series { columns { sma(period: 10) } }'),
    of('series { columns { sma(period: 1000) } }'),
  ]
  assert.ok(short.eventMicros > 5 * bare.eventMicros && long.eventMicros > 5 * short.eventMicros)
  assert.ok(long.micros > short.micros + 0.9 * (long.eventMicros - short.eventMicros))
  const { places, documents, series } = long.standing
  assert.deepEqual([places, documents, Math.round(series)], [long.deliveryMicros, 0, Math.round(long.eventMicros)])
  const since = new Date(facts.now() - 3_600_000).toISOString()
  const hour = of('series { columns { sma(period: 1000) } }', `from: "${since}"`)
  assert.ok(hour.micros > 20 * long.micros)
  assert.equal(Math.round(hour.standing.series), Math.round(series))
})

test('subscriptions that are refused, or whose field is left out, hold next to nothing', () => {
  const query = 'subscription ($s: [Symbol!]!) { priceUpdates(symbols: $s) { symbol } }'
  for (const count of [0, 201, 20_000]) {
    const { micros, standing } = subscriptionCost(query, board(count))
    assert.ok(micros < 200 && standing.places + standing.documents + standing.series < 100, String(count))
  }
})

test('the same field twice under one name costs once, under two names twice', () => {
  const once = microsOf('{ quote(symbol: "A") { price } }')
  assert.equal(microsOf('{ quote(symbol: "A") { price } quote(symbol: "A") { price } }'), once)
  assert.equal(
    microsOf('{ quote(symbol: "A") { price } ...F } fragment F on Query { quote(symbol: "A") { price } }'),
    once,
  )
  assert.equal(microsOf('{ quote(symbol: "A") { price } again: quote(symbol: "A") { price } }'), 2 * once)
})

test('what two places select of one field is added up', () => {
  const both = microsOf('{ quote(symbol: "A") { price open } }')
  assert.equal(microsOf('{ quote(symbol: "A") { price } quote(symbol: "A") { open } }'), both)
  assert.equal(
    microsOf('{ quote(symbol: "A") { price } ...F } fragment F on Query { quote(symbol: "A") { open } }'),
    both,
  )
})

test('ranges that end before they begin, lie ahead, or are no instants cost no less than nothing', () => {
  const instants = ['2026-11-30T00:00:00Z', '2027-06-01T00:00:00Z', '1900-01-01T00:00:00Z', 'no instant', null]
  for (const from of instants) {
    for (const to of instants) {
      const micros = microsOf(
        'query ($f: DateTime, $t: DateTime) { candles(symbol: "A", interval: MINUTE_5, from: $f, to: $t) { nodes { close } } }',
        { f: from, t: to },
      )
      assert.ok(Number.isFinite(micros) && micros > 0, `${from} ${to}: ${micros}`)
    }
  }
})

test('what @skip and @include leave out costs nothing, by constants and by variables with defaults', () => {
  const [without, both] = ['{ quote(symbol: "A") { price } }', '{ quote(symbol: "A") { price open } }'].map((query) =>
    microsOf(query),
  )
  const query = (directive: string): string =>
    `query ($b: Boolean = false) { quote(symbol: "A") { price open ${directive} } }`
  assert.equal(microsOf(query('@include(if: $b)')), without)
  assert.equal(microsOf(query('@include(if: $b)'), { b: true }), both)
  assert.equal(microsOf(query('@skip(if: $b)')), both)
  assert.equal(microsOf(query('@skip(if: $b)'), { b: true }), without)
  assert.equal(
    microsOf(
      `query ($b: Boolean = true) { quote(symbol: "A") { price open @skip(if: true) ... @include(if: $b) { price } } }`,
    ),
    without,
  )
})

test('variables take their defaults, and those of the schema; what is no value takes the default of the schema', () => {
  const chart = (variables: Record<string, unknown>): number =>
    microsOf('query ($l: Int = 700) { candles(symbol: "A", last: $l) { nodes { close } } }', variables)
  const literal = (args: string): number => microsOf(`{ candles(symbol: "A" ${args}) { nodes { close } } }`)
  assert.equal(chart({}), literal('last: 700'))
  assert.equal(chart({ l: 30 }), literal('last: 30'))
  assert.equal(chart({ l: null }), literal(''))
  assert.equal(literal(''), literal('last: 500'))
  assert.equal(chart({ l: 'many' }), literal('last: 500'))
})

test('of a union, the dearest of the possible types counts; of nodes, those that their ids name', () => {
  const result = (fields: string): number => microsOf(`{ job(id: "x") { result { ${fields} } } }`)
  const [dear, cheap] = ['... on BacktestResult { equity { time equity } }', '... on BackfillResult { candleCount }']
  assert.ok(result(dear) > result(cheap))
  assert.equal(result(`${dear} ${cheap}`), result(dear))

  const chart = '... on Instrument { candles { nodes { close } } } ... on Quote { price }'
  const node = (type: string, fields: string): number =>
    microsOf(`{ node(id: "${btoa(`${type}:AAPL`)}") { ${fields} } }`)
  assert.equal(node('Quote', chart), node('Quote', '... on Quote { price }'))
  assert.ok(node('Instrument', chart) > 2 * node('Quote', chart))
})

test('fragments that spread each other under conditions are priced in no time', () => {
  for (const [one, other] of [
    ['@include(if: $b)', '@skip(if: $b)'],
    ['@include(if: $b)', '@include(if: $b)'],
  ]) {
    const levels = Array.from(
      { length: 40 },
      (_, i) => `fragment F${i} on Quote { ...F${i + 1} ${one} ...F${i + 1} ${other} }`,
    )
    const query = `query ($a: Boolean!, $b: Boolean!) { quote(symbol: "A") { ...F0 @include(if: $a) } }
      ${levels.join(' ')} fragment F40 on Quote { price }`
    for (const a of [false, true]) {
      const startedMs = performance.now()
      costOf(parse(query), { a, b: true })
      assert.ok(performance.now() - startedMs < 500)
    }
  }
})

test('a fragment that is spread twice in one place counts if one of the spreads does', () => {
  const query = `query ($a: Boolean!, $b: Boolean!) { candles(symbol: "A") { stale ...F @include(if: $a) ...F @include(if: $b) } }
    fragment F on CandleSeries { ...G @include(if: $a) ...G @skip(if: $a) } fragment G on CandleSeries { nodes { close } }`
  const without = microsOf('{ candles(symbol: "A") { stale } }')
  const both = microsOf('{ candles(symbol: "A") { stale nodes { close } } }')
  for (const a of [false, true]) {
    for (const b of [false, true]) assert.equal(microsOf(query, { a, b }), a || b ? both : without, `${a} ${b}`)
  }
  const always = query.replace('@include(if: $b) }', '}').replace(', $b: Boolean!', '')
  assert.equal(microsOf(always, { a: false }), both)
})

test('a thousand prices of a quote with variables take a few milliseconds', () => {
  const document = parse('query ($s: Symbol!) { quote(symbol: $s) { symbol price } }')
  const price = new OperationPrice(schema, document, document.definitions[0] as OperationDefinitionNode)
  const run = (): void => {
    for (let i = 0; i < 1000; i++) price.cost({ variables: { s: 'AAPL' }, isInterpreted: false, facts })
  }
  for (let i = 0; i < 20; i++) run()
  const before = process.threadCpuUsage()
  run()
  const { user } = process.threadCpuUsage(before)
  assert.ok(user < 5000, `${user} us`)
})

test('what execution refuses for its rows costs next to nothing', () => {
  const signals = (count: number): number =>
    microsOf(
      `{ candles(symbol: "A", interval: MINUTE_1, last: 20000) { ${Array.from({ length: count }, (_, i) => `a${i}: signals { time }`).join(' ')} } }`,
    )
  // An operation has rows for five of these.
  assert.ok(signals(20) < 1.1 * signals(5))
  assert.ok(signals(3) < 0.7 * signals(5))
})

test('what an operation asks for twice is loaded once: series, and results of jobs', () => {
  const chart = (names: string): number =>
    microsOf(
      `{ ${names
        .split(' ')
        .map((name) => `${name}: candles(symbol: "A", interval: HOUR_4, last: 5000) { stale }`)
        .join(' ')} }`,
    )
  assert.ok(chart('a b c') < 1.1 * chart('a'))
  const result = (names: string): number =>
    microsOf(
      `{ ${names
        .split(' ')
        .map((name) => `${name}: job(id: "x") { result { __typename } }`)
        .join(' ')} }`,
    )
  assert.ok(result('a b') < 1.9 * result('a'))
})

test('a price goes by what fields have given before: no entries cost nothing below them', () => {
  const query =
    '{ jobs(first: 100) { edges { node { id input result { ... on AnalysisResult { analyses { symbol } } } } } } }'
  const document = parse(query)
  const price = new OperationPrice(schema, document, document.definitions[0] as OperationDefinitionNode)
  const microsWith = (observed: Observed | undefined): number =>
    price.cost({ variables: {}, isInterpreted: false, facts: { ...facts, observed: () => observed } }).micros
  const [unknown, none, few] = [
    microsWith(undefined),
    microsWith({ entries: 0, results: 0, symbols: 0, resultTypes: [] }),
    microsWith({ entries: 3, results: 1, symbols: 5, resultTypes: ['AnalysisResult'] }),
  ]
  assert.ok(none < few && few < unknown / 5, `${none} ${few} ${unknown}`)
})
