import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { schema } from '../../../src/schema/index.ts'
import { startApp } from '../../support/app.ts'
import { eventually, inTime, metric, post } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { queries } from '../../support/operations/operations.ts'

// The clock stands still, so that two answers can be compared.
const database = await createTestDatabase()
const nowMs = Date.UTC(2025, 2, 12, 15)
const environment = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', SIMULATED_SYMBOLS: '60' }
const app = await startApp(environment, 'all', { now: () => nowMs })
const agent = new Agent({ keepAlive: true, maxSockets: 8 })
after(async () => {
  agent.destroy()
  await app.stop()
  await database[Symbol.asyncDispose]()
})

const short = '/graphql'
/** With a parameter that is none of GraphQL's, every request is Yoga's. */
const direct = '/graphql?yoga'

interface Sent {
  readonly method?: string
  /** Of the address, as it is sent. */
  readonly search?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer | readonly Buffer[]
}

interface Answered {
  readonly answer: { status: number | undefined; reason: string | undefined; headers: object; body: string }
  readonly tookShortWay: boolean
}

const json = { 'content-type': 'application/json' }

/** Yoga has the type before the length, and what it varies by before how long it may be kept. */
function areOfShortWay(status: number | undefined, rawHeaders: readonly string[]): boolean {
  const names = rawHeaders.map((name) => name.toLowerCase())
  if (status === 304) return names[0] === 'cache-control'
  const length = names.indexOf('content-length')
  return length >= 0 && length < names.indexOf('content-type')
}

/** A list of buffers goes out in as many chunks. */
async function send(way: string, { method = 'POST', search, headers = json, body = '' }: Sent): Promise<Answered> {
  const path = search === undefined ? way : `${short}?${search}${way === direct ? '&yoga' : ''}`
  const bodyHeaders =
    Array.isArray(body) || method !== 'POST' ? {} : { 'content-length': Buffer.byteLength(body as string) }
  const outgoing = httpRequest(app.api, { path, method, agent, headers: { ...bodyHeaders, ...headers } })
  const arrived = once(outgoing, 'response') as Promise<[IncomingMessage]>
  if (Array.isArray(body)) for (const chunk of body) outgoing.write(chunk)
  outgoing.end(Array.isArray(body) ? undefined : body)
  const [response] = await inTime(arrived, 'an answer')
  const chunks: Buffer[] = await response.toArray()
  const { date: _date, ...others } = response.headers
  return {
    answer: {
      status: response.statusCode,
      reason: response.statusMessage,
      headers: others,
      body: Buffer.concat(chunks).toString(),
    },
    tookShortWay: areOfShortWay(response.statusCode, response.rawHeaders),
  }
}

/**
 * The answer with its errors in the order of their places. Fields that fail side by side are reported as they come: what a cache
 * knows comes sooner the second time.
 */
function inOrder(answer: Answered['answer']): Answered['answer'] {
  const errors = /^\{"errors":(\[.*?\]),"data":/s.exec(answer.body)?.[1]
  if (errors === undefined) return answer
  const sorted = (JSON.parse(errors) as object[]).map((error) => JSON.stringify(error)).toSorted()
  return { ...answer, body: answer.body.replace(errors, () => sorted.join('\n')) }
}

/** Both answers, after the document has become known. Fails where they differ. Tells whether the short way was taken. */
async function compare(
  sent: Sent,
  runs = 1,
): Promise<{ tookShortWay: boolean; body: string; etag: string | undefined }> {
  const yoga = await send(direct, sent)
  assert.equal(yoga.tookShortWay, false)
  let tookShortWay = false
  for (let run = 0; run < runs; run++) {
    const ours = await send(short, sent)
    assert.deepEqual(inOrder(ours.answer), inOrder(yoga.answer))
    tookShortWay ||= ours.tookShortWay
  }
  const { body, headers } = yoga.answer
  return { tookShortWay, body, etag: (headers as { etag?: string }).etag }
}

const operation = (query: string, rest: object = {}): Sent => ({ body: JSON.stringify({ query, ...rest }) })
const query = (query: string, rest: Readonly<Record<string, unknown>> = {}, headers: Sent['headers'] = {}): Sent => {
  const others = Object.entries(rest).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ])
  return { method: 'GET', search: String(new URLSearchParams([['query', query], ...others])), headers }
}
/** More than an operation is interpreted before it is compiled. */
const manyRuns = 12

const quote = '{ quote(symbol: "AAPL") { symbol price instrument { name } } }'

test('a job that has ended is there to be asked for', async () => {
  const symbols = ['AAPL', 'NOSUCH']
  const mutation = 'mutation ($s: [Symbol!]!) { enqueueAnalysis(input: { symbols: $s }) { __typename } }'
  assert.equal((await post(app.api, mutation, { s: symbols })).errors, undefined)
  await eventually(async () => {
    const { data } = await post<{ jobs: { edges: { node: { state: string } }[] } }>(
      app.api,
      '{ jobs { edges { node { state } } } }',
    )
    return ['SUCCEEDED', 'FAILED'].includes(data?.jobs.edges[0]?.node.state ?? '')
  }, 'the end of the job')
})

test('whatever query is asked, it is answered alike both ways: known, unknown, interpreted, compiled, right or wrong', async () => {
  let shortWays = 0
  let total = 0
  await fc.assert(
    fc.asyncProperty(queries(schema), async ({ query, variables }) => {
      total++
      const { tookShortWay } = await compare(operation(query, { variables }), manyRuns)
      if (tookShortWay) shortWays++
    }),
    { numRuns: 120, endOnFailure: true },
  )
  assert.ok(shortWays > total / 2, `${shortWays} of ${total}`)
})

/** If-None-Match, with a tag that the client has. */
const conditions = [
  () => undefined,
  () => '*',
  (tag: string) => tag,
  (tag: string) => `W/${tag}`,
  (tag: string) => `"other" ,W/"another", ${tag}`,
  (tag: string) => tag.replaceAll('"', ''),
  (tag: string) => tag.replace('-', '_'),
  () => '"other"',
  () => '',
]
const encodings = [
  undefined,
  'identity',
  'gzip',
  'br, gzip;q=0.5',
  'zstd;q=0, *',
  'zstd, br, gzip',
  'identity;q=0',
  'x',
]
const origins = [undefined, undefined, 'http://localhost:5173', 'http://[::1]', 'https://example.com']
const given = (headers: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined))

test('whatever query is asked by GET, it is answered alike both ways, and kept and revalidated alike', async () => {
  let [shortWays, notModified, total] = [0, 0, 0]
  const headers = fc.record({
    accept: fc.constantFrom(undefined, 'application/json', 'application/graphql-response+json, application/json;q=0.9'),
    'accept-encoding': fc.constantFrom(...encodings),
    origin: fc.constantFrom(...origins),
  })
  await fc.assert(
    fc.asyncProperty(
      queries(schema).filter(({ query }) => query.length < 8000),
      headers,
      fc.constantFrom(...conditions),
      async (generated, sentHeaders, condition) => {
        total++
        const first = query(generated.query, { variables: generated.variables }, given(sentHeaders))
        const { etag } = await compare(first)
        const again = given({ ...sentHeaders, 'if-none-match': etag && condition(etag) })
        const { tookShortWay, body } = await compare({ ...first, headers: again }, manyRuns)
        if (tookShortWay) shortWays++
        if (body === '') notModified++
      },
    ),
    { numRuns: 120, endOnFailure: true },
  )
  assert.ok(shortWays > total / 3 && notModified > 5, `${shortWays} of ${total}, ${notModified} not modified`)
})

const columns = 'epoch open high low close volume'
const averages = Array.from({ length: 12 }, (_, i) => `ema${i}: ema(period: ${i + 5})`)
const candles = (args: string, fields: string): string => `candles(symbol: "AAPL", ${args}) { ${fields} }`
for (const [what, text] of [
  ['more rows than a piece has', `{ ${candles('last: 700', `columns { ${columns} }`)} }`],
  ['more bytes than V8 keeps beside other texts', `{ ${candles('last: 700', `columns { ${averages} }`)} }`],
  ['no rows', `{ ${candles('from: "1950-01-01T00:00:00Z", to: "1950-02-01T00:00:00Z"', `columns { ${columns} }`)} }`],
  ['minutes', `{ ${candles('interval: MINUTE_1, last: 1500', `columns { time ${columns} } nodes { close }`)} }`],
  ['composed and adjusted ones', `{ ${candles('interval: WEEK_1, last: 60, adjustment: NONE', 'columns { close }')} }`],
  [
    'one column several times, by alias and fragment',
    `{ a: ${candles('last: 300', 'columns { close x: close ...F } columns { close open }')} b: ${candles('last: 301', 'columns { ...F }')} }
     fragment F on CandleColumns { y: close volume __typename }`,
  ],
  ['indicators beside', `{ ${candles('last: 300', 'columns { close sma(period: 20) macd { macd signal } }')} }`],
  ['an error beside', `{ ${candles('last: 300', 'columns { close sma(period: 0) volume }')} }`],
  [
    'many series',
    '{ instruments(symbols: ["AAPL", "MSFT", "NOSUCH"]) { symbol candles(last: 30) { columns { close } } } }',
  ],
] as const) {
  test(`columns of candles, ${what}: written from memory, the answer is the same byte for byte`, async () => {
    assert.equal((await compare(operation(text), manyRuns)).tookShortWay, true)
    for (const encoding of ['identity', 'zstd', 'br', 'gzip']) {
      const headers = { 'accept-encoding': encoding, origin: 'http://localhost:5173' }
      const { tookShortWay, etag } = await compare(query(text, {}, headers), manyRuns)
      assert.equal(tookShortWay, true)
      for (const condition of etag === undefined ? [] : conditions) {
        const again = given({ ...headers, 'if-none-match': condition(etag ?? '') })
        assert.equal((await compare(query(text, {}, again))).tookShortWay, true)
      }
    }
  })
}

const mutation = 'mutation M { enqueueAnalysis(input: { symbols: [] }) { __typename } }'
const byVariables = `query ($long: Int!, $fast: Int = 5, $source: PriceField! = HL2, $unset: Int! = 30, $coerced: Boolean = true) {
  ${candles('last: 300', 'columns { close ema(period: $long, source: $source) rsi(period: $unset) ...F }')} }
  fragment F on CandleColumns { macd(fast: $fast) { macd signal } }`
for (const [what, query] of [
  ['compiled', byVariables.replace(', $coerced: Boolean = true', '')],
  ['interpreted, for the name of one', byVariables.replace('macd signal', 'macd @include(if: $coerced)')],
] as const) {
  test(`indicators whose parameters are variables, ${what}: warmed up for, the answer is the same byte for byte`, async () => {
    for (const variables of [
      { long: 90 },
      { long: 12, fast: 20, source: 'OPEN', unset: 3 },
      { long: 12, fast: null },
      { long: 0 },
      { long: 'x' },
      {},
    ]) {
      const { body, tookShortWay } = await compare(operation(query, { variables }), manyRuns)
      assert.equal(tookShortWay, true)
      const { data } = JSON.parse(body)
      if (variables.long === 90) assert.equal(typeof data.candles.columns.ema[0], 'number')
    }
  })
}

const several = 'query A { quote(symbol: "AAPL") { symbol } } query B { quote(symbol: "MSFT") { symbol } }'
const byVariable = 'query ($s: Symbol!) { quote(symbol: $s) { symbol } }'

for (const [what, rest] of [
  ['a symbol', { variables: { s: 'AAPL' } }],
  ['another symbol', { variables: { s: 'msft' } }],
  ['a symbol that is not known', { variables: { s: 'NOSUCH' } }],
  ['a symbol that is none', { variables: { s: 'a b' } }],
  ['a variable of another type', { variables: { s: 7 } }],
  ['null', { variables: { s: null } }],
  ['no variable', { variables: {} }],
  ['no variables', {}],
  ['null for variables', { variables: null }],
  ['a variable too many', { variables: { s: 'AAPL', t: 1 } }],
  ['extensions', { variables: { s: 'AAPL' }, extensions: { x: 1 } }],
  ['null for extensions', { variables: { s: 'AAPL' }, extensions: null }],
] as const) {
  test(`one document, asked with ${what}, is answered the short way as Yoga does`, async () => {
    assert.equal((await compare(operation(byVariable, rest), manyRuns)).tookShortWay, true)
    assert.equal((await compare(query(byVariable, rest), manyRuns)).tookShortWay, true)
  })
}

test('the operations of one document are not mixed up', async () => {
  for (let run = 0; run < manyRuns; run++) {
    for (const [operationName, symbol] of [
      ['A', 'AAPL'],
      ['B', 'MSFT'],
    ]) {
      const { body, tookShortWay } = await compare(operation(several, { operationName }))
      assert.deepEqual([JSON.parse(body), tookShortWay], [{ data: { quote: { symbol } } }, true])
      const byGet = await compare(query(several, { operationName }))
      assert.deepEqual([byGet.body, byGet.tookShortWay], [body, true])
    }
  }
})

for (const [what, sent] of [
  ['an operation name that is not there', operation(several, { operationName: 'C' })],
  ['an empty operation name', operation(several, { operationName: '' })],
  ['an operation name that is a number', operation(several, { operationName: 1 })],
  ['several operations and no name', operation(several)],
  ['null for a name of several', operation(several, { operationName: null })],
  ['variables as text', operation(byVariable, { variables: '{"s":"AAPL"}' })],
  ['variables as a list', operation(byVariable, { variables: ['AAPL'] })],
  ['extensions as text', operation(quote, { extensions: 'x' })],
  ['a parameter that is none', operation(quote, { persisted: true })],
  ['a parameter called __proto__', { body: `{"query":${JSON.stringify(quote)},"__proto__":{"x":1}}` }],
  ['no query', { body: '{}' }],
  ['null for a query', { body: '{"query":null}' }],
  ['a number for a query', { body: '{"query":1}' }],
  ['an empty query', operation('')],
  ['a syntax error', operation('{ quote(')],
  ['a field that is not there', operation('{ nothing }')],
  ['a subscription', operation('subscription { priceUpdates(symbols: ["NOSUCH"]) { price } }')],
  ['a list of operations', { body: JSON.stringify([{ query: quote }]) }],
  ['a text', { body: '"x"' }],
  ['a number', { body: '7' }],
  ['null', { body: 'null' }],
  ['nothing', { body: '' }],
  ['half of an object', { body: '{"query": "{ quo' }],
  ['bytes that are no UTF-8 around JSON', { body: Buffer.from([0xff, 0xfe, 0x7b, 0x7d]) }],
  ['a byte order mark', { body: `\ufeff${JSON.stringify({ query: quote })}` }],
  [
    'a compressed body',
    { body: gzipSync(JSON.stringify({ query: quote })), headers: { ...json, 'content-encoding': 'gzip' } },
  ],
  ['a body of more than 256 KiB', operation(quote, { variables: { padding: 'x'.repeat(300_000) } })],
  ['chunks of more than 256 KiB', { body: Array.from({ length: 30 }, () => Buffer.alloc(10_000, 0x20)) }],
  ['chunks', { body: [Buffer.from('{"query":'), Buffer.from(`${JSON.stringify(quote)}}`)] }],
  ['another content type', { ...operation(quote), headers: { 'content-type': 'text/plain' } }],
  ['a query as its own content type', { body: quote, headers: { 'content-type': 'application/graphql' } }],
  ['another charset', { ...operation(quote), headers: { 'content-type': 'application/json; charset=utf-16' } }],
  ['no media type that there is', { ...operation(quote), headers: { ...json, accept: 'text/plain' } }],
  [
    'a form',
    { body: `query=${encodeURIComponent(quote)}`, headers: { 'content-type': 'application/x-www-form-urlencoded' } },
  ],
  ['no content type', { ...operation(quote), headers: {} }],
  ['two content types', { ...operation(quote), headers: { 'content-type': 'application/json;x, text/plain' } }],
  ['GET without anything', { method: 'GET', headers: {} }],
  ['HEAD', { method: 'HEAD', headers: {} }],
  ['HEAD of a query', { ...query(quote), method: 'HEAD' }],
  ['DELETE of a query', { ...query(quote), method: 'DELETE' }],
  ['a mutation by GET', query(mutation)],
  [
    'one of two operations by GET, a mutation',
    query(`${mutation} query Q { quote(symbol: "AAPL") { symbol } }`, { operationName: 'M' }),
  ],
  ['a subscription by GET', query('subscription { priceUpdates(symbols: ["NOSUCH"]) { price } }')],
  ['a syntax error by GET', query('{ quote(')],
  ['a field that is not there by GET', query('{ nothing }')],
  ['several operations and no name by GET', query(several)],
  ['an operation name that is not there by GET', query(several, { operationName: 'C' })],
  ['variables cut in the middle', query(byVariable, { variables: '{"s":"AA' })],
  ['variables that are a word', query(byVariable, { variables: 'undefined' })],
  ['variables that are a list', query(byVariable, { variables: [{ s: 'AAPL' }] })],
  ['variables that are a text', query(byVariable, { variables: '"s"' })],
  ['extensions cut in the middle', query(quote, { extensions: '{' })],
  ['extensions that are a number', query(quote, { extensions: '7' })],
  ['an extra parameter by GET', query(quote, { persisted: 'true' })],
  ['a parameter called constructor', query(quote, { constructor: 'x' })],
  ['a parameter called __proto__ by GET', query(quote, Object.fromEntries([['__proto__', 'x']]))],
  ['two queries', { method: 'GET', search: `${query(quote).search}&${query('{ nothing }').search}`, headers: {} }],
  ['two queries, the first one empty', { method: 'GET', search: `query=&${query(quote).search}`, headers: {} }],
  [
    'the digest of a query',
    {
      method: 'GET',
      search: `extensions=${encodeURIComponent('{"persistedQuery":{"version":1,"sha256Hash":"00"}}')}`,
      headers: {},
    },
  ],
  ['an empty query by GET', { method: 'GET', search: 'query=', headers: {} }],
  ['a fragment in an address', { method: 'GET', search: `${query(quote).search}#x`, headers: {} }],
  [
    'a query that is cut in the middle of a character',
    { method: 'GET', search: `${query(quote).search}%E2%82`, headers: {} },
  ],
  ['a percent sign alone', { method: 'GET', search: `${query(quote).search}%`, headers: {} }],
  ['a body beside a query', { ...query(quote), headers: { ...json, 'content-length': '2' }, body: '{}' }],
  ['no media type that there is by GET', query(quote, {}, { accept: 'text/plain' })],
  ['a stream of a query', query(quote, {}, { accept: 'text/event-stream' })],
  ['PUT', { ...operation(quote), method: 'PUT' }],
  ['DELETE', { method: 'DELETE', headers: {} }],
  [
    'OPTIONS',
    { method: 'OPTIONS', headers: { origin: 'http://localhost:5173', 'access-control-request-method': 'POST' } },
  ],
] as readonly [string, Sent][]) {
  test(`${what}: Yoga answers, as it would without the short way`, async () => {
    const known = [
      query(quote),
      operation(mutation),
      operation(several, { operationName: 'A' }),
      operation(quote),
      operation(byVariable, { variables: { s: 'A' } }),
    ]
    for (const one of known) assert.equal((await compare(one)).tookShortWay, true)
    assert.equal((await compare(sent, 2)).tookShortWay, false)
  })
}

for (const [what, search] of [
  ['nothing but a query', query(quote).search],
  ['empty parameters beside it', `operationName=&variables=&${query(quote).search}&extensions=`],
  ['null for variables', `${query(quote).search}&variables=null&extensions=null`],
  ['spaces as pluses, and what need not be escaped', `query=${quote.replaceAll(' ', '+').replaceAll('"', '%22')}`],
  ['everything escaped', `query=${Array.from(Buffer.from(quote), (byte) => `%${byte.toString(16)}`).join('')}`],
  ['ampersands one behind the other', `&&${query(quote).search}&`],
] as const) {
  test(`an address with ${what} goes the short way`, async () => {
    const sent: Sent = { method: 'GET', search: search ?? '', headers: {} }
    await compare(query(quote))
    const { tookShortWay, body } = await compare(sent, 2)
    assert.equal(tookShortWay, true)
    assert.match(body, /"name":"Apple Inc\."/)
  })
}

test('what the viewer alone sees is kept by the viewer alone, also once it is compiled', async () => {
  const { tookShortWay } = await compare(query('{ jobs { edges { node { kind } } } }'), manyRuns)
  assert.equal(tookShortWay, true)
  const { answer } = await send(short, query('{ jobs { edges { node { kind } } } }'))
  assert.equal((answer.headers as Record<string, string>)['cache-control'], 'private, no-cache')
})

test('limits refuse on both ways, however often', async () => {
  const aliases = Array.from({ length: 300 }, (_, i) => `a${i}: quote(symbol: "AAPL") { price }`).join(' ')
  const deep = `{ quote(symbol: "AAPL") ${'{ instrument { quote '.repeat(10)} { price } ${'} }'.repeat(10)} }`
  const tokens = `{ quote(symbol: "AAPL") { ${'price '.repeat(5000)} } }`
  const directives = `{ quote(symbol: "AAPL") { price ${'@skip(if: false) '.repeat(60)} } }`
  for (const query of [`{ ${aliases} }`, deep, tokens, directives]) {
    const { body, tookShortWay } = await compare(operation(query), manyRuns)
    assert.match(body, /^\{"errors":\[.*"code":"BAD_USER_INPUT"/)
    assert.equal(tookShortWay, false)
  }
})

const types = [
  'application/json',
  'application/graphql-response+json',
  '*/*',
  'application/*',
  'text/html',
  'text/event-stream',
]
const oddTypes = ['multipart/mixed', '*/json', 'text/*', 'APPLICATION/JSON', 'application', '', 'image/*;q=0', '*']
const parameters = ['', ';q=0.5', '; q=0', ';charset=utf-8', ';charset=latin1', '; charset=UTF-8', ';x=y']

test('what a client accepts is weighed as Yoga weighs it, and so is where it comes from', async () => {
  const brokenText = 'query ($s: Symbol!) { quote(symbol: $s) { price } }'
  const broken = operation(brokenText)
  await compare(operation(quote))
  const part = fc
    .tuple(fc.constantFrom(...types, ...types, ...oddTypes), fc.constantFrom(...parameters))
    .map((p) => p.join(''))
  const accepts = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(', '))
  let shortWays = 0
  await fc.assert(
    fc.asyncProperty(accepts, fc.constantFrom(...origins), fc.boolean(), async (accept, origin, isBroken) => {
      const headers = { ...json, accept, ...(origin === undefined ? {} : { origin }) }
      const { tookShortWay } = await compare({ ...(isBroken ? broken : operation(quote)), headers })
      const text = isBroken ? brokenText : quote
      assert.equal((await compare(query(text, {}, given({ accept, origin })))).tookShortWay, tookShortWay)
      if (tookShortWay) shortWays++
    }),
    { numRuns: 300 },
  )
  assert.ok(shortWays > 50, `${shortWays}`)
})

for (const type of ['application/json; charset=utf-8', 'Application/JSON', 'application/json ; Charset="UTF-8"']) {
  test(`${type} goes the short way`, async () => {
    const headers = { 'content-type': type, accept: 'application/graphql-response+json' }
    assert.equal((await compare({ ...operation(quote), headers }, 2)).tookShortWay, true)
  })
}

test('what fails inside is told alike, without its reason', async () => {
  const jobs = operation('{ jobs { edges { cursor } } }')
  await compare(jobs)
  await database.query('ALTER TABLE finstage.jobs RENAME TO hidden')
  try {
    for (const sent of [jobs, query('{ jobs { edges { cursor } } }')]) {
      const { body, tookShortWay } = await compare(sent, manyRuns)
      assert.match(body, /"code":"INTERNAL"/)
      assert.equal(tookShortWay, true)
    }
  } finally {
    await database.query('ALTER TABLE finstage.hidden RENAME TO jobs')
  }
})

test('mutations go the short way, and each runs once', async () => {
  const mutation = operation(
    'mutation ($k: String!) { enqueueAnalysis(input: { symbols: ["AAPL"], idempotencyKey: $k }) { ... on EnqueuePayload { deduplicated } } }',
    { variables: { k: 'one' } },
  )
  const seen: unknown[] = []
  for (let run = 0; run < manyRuns; run++) {
    const { answer, tookShortWay } = await send(short, mutation)
    seen.push([tookShortWay, JSON.parse(answer.body).data.enqueueAnalysis.deduplicated])
  }
  assert.deepEqual(seen, [[false, false], ...Array.from({ length: manyRuns - 1 }, () => [true, true])])
})

for (const [way, path] of [
  ['the short way', short],
  ["Yoga's", direct],
] as const) {
  test(`each operation and each resolver is counted once, on ${way}`, async () => {
    const counts = async (): Promise<number[]> =>
      Promise.all([
        metric(app.metrics, 'finstage_requests_total', 'operation="quote",kind="query",outcome="ok"'),
        metric(app.metrics, 'finstage_requests_total', 'operation="quote",kind="query",outcome="error"'),
        metric(app.metrics, 'finstage_requests_total', 'operation="none",kind="none",outcome="error"'),
        metric(app.metrics, 'finstage_request_duration_seconds_count', 'operation="quote",kind="query",outcome="ok"'),
        metric(app.metrics, 'finstage_request_errors_total', 'code="SYMBOL_NOT_FOUND"'),
        metric(app.metrics, 'finstage_resolver_duration_seconds_count', 'type="Query",field="quote"'),
      ])
    const right = operation(`query Right { quote(symbol: "AAPL") { symbol } }`)
    const wrong = operation(`query Wrong { quote(symbol: "NOSUCH") { symbol } }`)
    const nonsense = operation('{ quote(')
    for (let run = 0; run < manyRuns; run++) for (const sent of [right, wrong]) await send(path, sent)
    const before = await counts()
    for (let run = 0; run < 3; run++) for (const sent of [right, wrong, nonsense]) await send(path, sent)
    assert.deepEqual(
      (await counts()).map((count, i) => count - (before[i] ?? 0)),
      [3, 3, 3, 3, 3, 6],
    )
  })
}

const raw = (body: string, headers = ''): string =>
  `POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n${headers}\r\n${body}`

/** What comes over a connection of its own, up to so many answers, or to its end. */
async function talk(
  write: (socket: ReturnType<typeof connect>) => Promise<void> | void,
  answers: number,
): Promise<string> {
  const { hostname, port } = new URL(app.api)
  const socket = connect(Number(port), hostname)
  let received = ''
  const done = new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      received += chunk
      if (received.split('HTTP/1.1 200').length > answers && received.endsWith('}')) resolve()
    })
    socket.on('close', () => resolve())
  })
  await once(socket, 'connect')
  await write(socket)
  await inTime(done, 'the answers')
  socket.destroy()
  return received
}

test('requests that are sent without waiting are answered in order, whichever way each goes', async () => {
  const queryOf = (symbol: string): string => `{ quote(symbol: "${symbol}") { symbol } }`
  for (const symbol of ['AAPL', 'MSFT']) await send(short, operation(queryOf(symbol)))
  const symbols = ['AAPL', 'NVDA', 'MSFT', 'TSLA', 'AAPL', 'MSFT']
  const received = await talk((socket) => {
    socket.write(symbols.map((symbol) => raw(JSON.stringify({ query: queryOf(symbol) }))).join(''))
  }, symbols.length)
  assert.deepEqual(
    [...received.matchAll(/"symbol":"(\w+)"/g)].map(([, symbol]) => symbol),
    symbols,
  )
})

test('a body that comes bit by bit is waited for, and the connection serves on', async () => {
  const body = JSON.stringify({ query: quote, variables: { padding: 'x'.repeat(100_000) } })
  await send(short, operation(quote))
  const received = await talk(async (socket) => {
    const bytes = raw(body)
    for (let at = 0; at < bytes.length; at += 9973) {
      socket.write(bytes.slice(at, at + 9973))
      await new Promise((resolve) => setImmediate(resolve))
    }
    socket.write(raw(JSON.stringify({ query: '{ quote(' })))
    socket.write(raw(JSON.stringify({ query: quote })))
  }, 3)
  assert.equal(received.match(/"name":"Apple Inc\."/g)?.length, 2)
})

test('clients that go away in the middle of a body or before their answer harm nobody', async () => {
  const { hostname, port } = new URL(app.api)
  const body = JSON.stringify({ query: quote })
  for (const bytes of [
    raw(body).slice(0, -10),
    raw(body),
    raw('{ "query":', 'expect: 100-continue\r\n').slice(0, 60),
  ]) {
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    socket.write(bytes)
    socket.destroy()
    await once(socket, 'close')
  }
  assert.equal((await send(short, operation(quote))).answer.status, 200)
})

test('a client that asks whether to go on is told to', async () => {
  const received = await talk((socket) => {
    socket.write(raw(JSON.stringify({ query: quote }), 'expect: 100-continue\r\n'))
  }, 1)
  assert.match(received, /^HTTP\/1\.1 100 Continue/)
})
