import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startApp } from '../../support/app.ts'
import { type Answer, ask, eventually, post, subscribe } from '../../support/clients/client.ts'
import { overSse } from '../../support/clients/sse.ts'
import { createTestDatabase } from '../../support/database/database.ts'

const database = await createTestDatabase()
const app = await startApp({ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', SIMULATED_SYMBOLS: '600' })
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})

type Variables = Record<string, unknown>

async function get<Data>(api: string, query: string, variables: Variables = {}): Promise<Answer<Data>> {
  const parameters = new URLSearchParams({ query, variables: JSON.stringify(variables) })
  return (await (await fetch(`${api}/graphql?${parameters}`)).json()) as Answer<Data>
}

/** Of a query, too: it is answered by a stream of one event. */
async function sse<Data>(api: string, query: string, variables: Variables = {}): Promise<Answer<Data>> {
  const abort = new AbortController()
  const payloads = overSse(api, query, variables, abort.signal)
  await eventually(() => payloads.length > 0, 'an event')
  abort.abort()
  return JSON.parse(payloads[0] ?? '') as Answer<Data>
}

const transports = [
  ['POST', post],
  ['GET', get],
  ['SSE', sse],
  ['WebSocket', ask],
] as const

const repeat = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join(' ')

/** Each just past a bound. The last part of the name says what the refusal says. */
const refused: readonly (readonly [what: string, query: string, message: RegExp])[] = [
  ['of more than 1,500 tokens', `{ ${repeat(500, (i) => `a${i}: __typename`)} }`, /1500 tokens/],
  ['nested more deeply than the parser can read', `{ quote(symbol: ${'['.repeat(3000)}`, /1500 tokens/],
  [
    'nested as deeply as its tokens allow',
    `{ quote(symbol: ${'['.repeat(740)}"A"${']'.repeat(740)}) { price } }`,
    /A symbol is a string/,
  ],
  [
    'that names one field a hundred times',
    `{ ${repeat(101, () => 'quote(symbol: "A") { price }')} }`,
    /the same field, or spreads fragments at one place, too often/,
  ],
  [
    'that spreads a hundred fragments at one place',
    `{ quote(symbol: "A") { ${repeat(101, (i) => `...F${i}`)} } } ${repeat(101, (i) => `fragment F${i} on Quote { price }`)}`,
    /too often/,
  ],
  [
    'whose fragments stand for many more fields than it has',
    `{ quote(symbol: "A") { ...F0 } }
     ${repeat(6, (i) => `fragment F${i} on Quote { ${repeat(6, (k) => `a${k}: instrument { quote { ...F${i + 1} } }`)} }`)}
     fragment F6 on Quote { price }`,
    /selects more than 10000 fields/,
  ],
  [
    'that asks for the schema many times over',
    `{ ${repeat(30, (i) => `a${i}: __schema { types { fields { args { type { name } } type { fields { name } } } } }`)} }`,
    /too much of the schema/,
  ],
  [
    'whose unused fragments are dear',
    `{ __typename } fragment F on Query { ${repeat(101, () => 'quote(symbol: "A") { price }')} }`,
    /too often/,
  ],
]

for (const [transport, send] of transports) {
  for (const [what, query, message] of refused) {
    test(`a document ${what} is refused, and the next quote is served, over ${transport}`, async () => {
      const { data, errors } = await send(app.api, query)
      assert.equal(data ?? null, null)
      assert.equal(errors?.length, 1)
      assert.equal(errors[0]?.extensions.code, 'BAD_USER_INPUT')
      assert.match(errors[0]?.message ?? '', message)
      const { data: served } = await send<{ quote: { price: number } }>(app.api, '{ quote(symbol: "AAPL") { price } }')
      assert.ok(served?.quote.price)
    })
  }

  test(`an answer has at most 100 errors, the last of which says how many more there are, over ${transport}`, async () => {
    const query = `query ($symbols: [Symbol!]!) { ${repeat(100, (i) => `a${i}: quotes(symbols: $symbols) { price }`)} }`
    const symbols = Array.from({ length: 100 }, (_, i) => `NONE${i}`)
    const { data, errors } = await send<Record<string, unknown[]>>(app.api, query, { symbols })
    assert.equal(Object.keys(data ?? {}).length, 100)
    assert.equal(errors?.length, 100)
    assert.ok(errors.slice(0, 99).every(({ extensions }) => extensions.code === 'SYMBOL_NOT_FOUND'))
    assert.deepEqual(errors[99]?.message, '9901 more errors are left out')
    assert.equal(errors[99]?.extensions.code, 'SYMBOL_NOT_FOUND')
  })

  test(`a document has at most 100 errors, over ${transport}`, async () => {
    const { errors } = await send(app.api, `{ ${repeat(400, (i) => `nothing${i}`)} }`)
    assert.equal(errors?.length, 100)
    assert.ok(errors.every(({ extensions }) => extensions.code === 'BAD_USER_INPUT'))
  })

  for (const [list, cursor] of [
    ['signals', 'signal 999999999999999 1'],
    ['signals', 'signal -999999999999999 1'],
    ['signals', 'signal 1 999999999999999'],
    ['signals', 'signal 1e3 1'],
    ['jobs', 'job 999999999999999'],
    ['jobs', 'job -1'],
    ['analyses(symbol: "AAPL")', 'analysis 999999999999999'],
  ] as const) {
    test(`a forged cursor of ${list} ("${cursor}") finds nothing or is BAD_USER_INPUT, over ${transport}`, async () => {
      const after = Buffer.from(cursor).toString('base64url')
      const [field, args = ''] = list.replace(')', '').split('(')
      const { data, errors } = await send<Record<string, { edges: unknown[] } | null>>(
        app.api,
        `query ($after: String!) { ${field}(${args} after: $after) { edges { cursor } } }`,
        { after },
      )
      if (errors)
        assert.deepEqual(
          errors.map(({ extensions }) => extensions.code),
          ['BAD_USER_INPUT'],
        )
      else assert.deepEqual(data?.[field ?? '']?.edges, [])
    })
  }
}

test('each of many ids of one request has its place, whatever stands among them how often', async () => {
  const wanted = Array.from(
    { length: 100 },
    (_, i) => [i % 2 ? 'Quote' : 'Instrument', i % 3 ? 'MSFT' : 'AAPL'] as const,
  )
  const { data, errors } = await post<{ nodes: (Record<string, string> | null)[] }>(
    app.api,
    `query ($ids: [ID!]!) {
      nodes(ids: $ids) { __typename ... on Instrument { symbol } ... on Quote { of: symbol } } }`,
    { ids: wanted.map(([type, symbol]) => btoa(`${type}:${symbol}`)) },
  )
  assert.equal(errors, undefined)
  assert.deepEqual(
    data?.nodes.map((node) => [node?.__typename, node?.symbol ?? node?.of]),
    wanted,
  )
})

test('an event of a subscription gets a tenth of what a query does', async () => {
  const query = (last: number): string =>
    `subscription { priceUpdates(symbols: ["AAPL"]) { quote { instrument { candles(interval: MINUTE_1, last: ${last}) { nodes { close } closes: nodes { close } } } } } }`
  await using short = subscribe<{ priceUpdates: { quote: { instrument: { candles: { nodes: unknown[] } } } } }>(
    app.api,
    query(9000),
  )
  for (let event = 0; event < 3; event++) {
    const { data, errors } = await short.next()
    assert.equal(errors, undefined)
    assert.equal(data?.priceUpdates.quote.instrument.candles.nodes.length, 9000)
  }
  await using long = subscribe(
    app.api,
    query(20_000).replace('closes:', 'a: nodes { close } b: nodes { close } closes:'),
  )
  const { errors } = await long.next()
  assert.equal(errors?.[0]?.extensions.code, 'BAD_USER_INPUT')
})

test('the query by which tools read the schema is served, twice in one document', async () => {
  const type = 'kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } }'
  const input = `name description defaultValue type { ${type} }`
  const schema = `types { kind name description
    fields(includeDeprecated: true) { name description args { ${input} } type { ${type} } isDeprecated }
    inputFields { ${input} } interfaces { ${type} } enumValues { name } possibleTypes { ${type} } }
    directives { name locations args { ${input} } }`
  const { data, errors } = await post(app.api, `{ a: __schema { ${schema} } b: __schema { ${schema} } }`)
  assert.equal(errors, undefined)
  assert.deepEqual(data?.a, data?.b)
})

test('results of a large job are given a few times in one operation, and loaded once: by many names, or many times among nodes, they are refused', async () => {
  const symbols = Array.from({ length: 480 }, (_, i) => `SIM${String(i + 1).padStart(4, '0')}`)
  const { data } = await post<{ enqueueAnalysis: { job: { id: string } } }>(
    app.api,
    `mutation ($input: EnqueueAnalysisInput!) { enqueueAnalysis(input: $input) { ... on EnqueuePayload { job { id } } } }`,
    { input: { symbols, priority: 'CRITICAL' } },
  )
  const id = data?.enqueueAnalysis.job.id ?? assert.fail()
  const stateOf = async () =>
    (await post<{ job: { state: string } }>(app.api, 'query ($id: ID!) { job(id: $id) { state } }', { id })).data?.job
      .state
  await eventually(async () => (await stateOf()) === 'SUCCEEDED', 'the job', 120_000)

  const result = `result { ... on AnalysisResult { analyses { symbol trend score indicators { rsi14 macd } } } }`
  const one = await post<{ job: { result: { analyses: unknown[] } } }>(
    app.api,
    `query ($id: ID!) { job(id: $id) { ${result} } }`,
    { id },
  )
  assert.equal(one.errors, undefined)
  assert.equal(one.data?.job.result.analyses.length, 480)

  for (const query of [
    `query ($id: ID!) { job(id: $id) { ${repeat(60, (i) => `a${i}: ${result}`)} } }`,
    `query ($id: ID!) { ${repeat(40, (i) => `a${i}: job(id: $id) { ${result} }`)} ${repeat(20, (i) => `b${i}: job(id: $id) { ${result} }`)} }`,
  ]) {
    const many = await post(app.api, query, { id })
    assert.ok(JSON.stringify(many).length < 20_000_000)
    if (many.errors) assert.ok(many.errors.every(({ extensions }) => extensions.code === 'BAD_USER_INPUT'))
  }
  // Loading them counts, whatever is selected of them.
  const loaded = await post(
    app.api,
    `query ($id: ID!) { job(id: $id) { ${repeat(180, (i) => `a${i}: result { __typename }`)} } }`,
    { id },
  )
  assert.ok(loaded.errors?.length)
  assert.ok(loaded.errors.every(({ extensions }) => extensions.code === 'BAD_USER_INPUT'))
  const nodes = `query ($ids: [ID!]!) { ${repeat(10, (i) => `a${i}: nodes(ids: $ids) { ... on Job { ${result} } }`)} }`
  const many = await post(app.api, nodes, { ids: Array.from({ length: 100 }, () => id) })
  assert.ok(many.errors?.length)
  assert.ok(many.errors.every(({ extensions }) => extensions.code === 'BAD_USER_INPUT'))
})
