import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createClient } from 'graphql-ws'
import { startApp } from '../../support/app.ts'
import { type Answer, eventually, metric } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'

interface Cost {
  readonly points: number
  readonly ceiling: number
}

type Priced = Answer<Record<string, unknown>> & { readonly extensions?: { readonly cost?: Cost } }
type Send = (query: string, variables?: Record<string, unknown>, asksCost?: boolean) => Promise<Priced>

const ceiling = 2000
const database = await createTestDatabase()
const environment = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', MAX_POINTS_PER_OPERATION: `${ceiling}` }
const app = await startApp(environment)
const measuring = await startApp({ ...environment, PRICE: 'measure' }, 'api')
after(async () => {
  await measuring.stop()
  await app.stop()
  await database[Symbol.asyncDispose]()
})

const url = `${app.api}/graphql`
const costHeaders = (asksCost: boolean): Record<string, string> => (asksCost ? { 'x-cost': '1' } : {})

function overHttp(headers: Record<string, string>, read = async (response: Response) => response.json()): Send {
  return async (query, variables, asksCost = false) => {
    const body = JSON.stringify({ query, variables })
    const all = { 'content-type': 'application/json', ...headers, ...costHeaders(asksCost) }
    return (await read(await fetch(url, { method: 'POST', headers: all, body }))) as Priced
  }
}

const post = overHttp({})
const sse = overHttp({ accept: 'text/event-stream' }, async (response) => {
  const text = await response.text()
  return JSON.parse(/^data: (.+)$/m.exec(text)?.[1] ?? '')
})
const address = (query: string, variables?: Record<string, unknown>): string =>
  `${url}?${new URLSearchParams({ query, ...(variables && { variables: JSON.stringify(variables) }) })}`
const get: Send = async (query, variables, asksCost = false) =>
  (await (await fetch(address(query, variables), { headers: costHeaders(asksCost) })).json()) as Priced

const webSocket: Send = async (query, variables, asksCost = false) => {
  const client = createClient({ url: url.replace('http', 'ws'), retryAttempts: 0 })
  try {
    const asked = { query, ...(variables && { variables }), ...(asksCost && { extensions: { cost: 1 } }) }
    for await (const answer of client.iterate(asked)) return answer as Priced
    assert.fail('no answer')
  } catch (errors) {
    if (Array.isArray(errors)) return { errors } as Priced
    throw errors
  } finally {
    await client.dispose()
  }
}

const transports = Object.entries({ post, get, sse, webSocket })

/** Asked twice: what is new to the server takes another way than what it knows. */
const asks = ['the first time', 'the second time']

for (const [transport, send] of transports) {
  const chart = `query Of${transport}($l: Int!) { candles(symbol: "AAPL", interval: MINUTE_1, last: $l) { nodes { time open high low close volume } again: nodes { time open high low close volume } third: nodes { time open close } } }`

  for (const ask of asks) {
    test(`over ${transport}, ${ask}, an operation above the ceiling is refused with its points and the ceiling, one below is served`, async () => {
      const { data, errors } = await send(chart, { l: 20_000 })
      assert.ok(data === undefined || data === null)
      assert.equal(errors?.length, 1)
      const { code, points, ceiling: told } = errors[0]?.extensions ?? assert.fail()
      assert.deepEqual([code, told], ['BAD_USER_INPUT', ceiling])
      assert.ok(Number(points) > ceiling, String(points))
      assert.match(errors[0]?.message ?? '', new RegExp(`${points} points.*${ceiling}`))
      const served = await send(chart, { l: 5 })
      assert.equal(served.errors, undefined)
    })

    test(`over ${transport}, ${ask}, the price is told if it is asked for, also beside an error, and else not`, async () => {
      const query = `query Two${transport} { quote(symbol: "AAPL") { price } other: quote(symbol: "NOSUCH") { price } }`
      const { data, errors, extensions } = await send(query, undefined, true)
      assert.ok(data?.quote)
      assert.equal(errors?.length, 1)
      const { points, ...rest } = extensions?.cost ?? assert.fail('no cost')
      assert.deepEqual(rest, { ceiling })
      assert.ok(Number.isInteger(points) && points > 0 && points < 1000, String(points))
      assert.equal((await send(query)).extensions?.cost, undefined)
    })
  }
}

test('what is known costs the same each time, a document that is new costs more', async () => {
  const query = '{ quote(symbol: "AAPL") { price open dayHigh } }'
  const points: number[] = []
  for (let i = 0; i < 15; i++) points.push((await post(query, undefined, true)).extensions?.cost?.points ?? 0)
  const [first = 0, second = 0, ...others] = points
  assert.ok(first > second)
  assert.ok(others.every((each) => each === second))
})

test('an answer by GET that tells the price says that it varies with the header', async () => {
  const query = address('{ quote(symbol: "AAPL") { price } }')
  for (let i = 0; i < 2; i++) {
    const told = await fetch(query, { headers: { 'x-cost': '1' } })
    assert.match(told.headers.get('vary') ?? '', /X-Cost/)
    assert.ok(((await told.json()) as Priced).extensions?.cost)
    const plain = await fetch(query)
    assert.ok(!plain.headers.get('vary')?.includes('X-Cost'))
    assert.notEqual(told.headers.get('etag'), plain.headers.get('etag'))
  }
})

test('a subscription that costs more than the ceiling to begin is refused', async () => {
  const indicators = Array.from({ length: 100 }, (_, i) => `a${i}: adx(period: ${900 + i}) { adx }`).join(' ')
  const { errors } = await webSocket(`subscription { candleUpdates(symbol: "AAPL") { series { ${indicators} } } }`)
  if (errors) assert.equal(errors[0]?.extensions.code, 'BAD_USER_INPUT')
})

test('PRICE=measure counts what is above the ceiling, and serves it; prices are counted by operation', async () => {
  const chart =
    '{ candles(symbol: "MSFT", interval: MINUTE_1, last: 20000) { nodes { time open high low close volume } again: nodes { time open high low close volume } third: nodes { time open close } } }'
  const asked = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: chart }),
  }
  const { errors } = (await (await fetch(`${measuring.api}/graphql`, asked)).json()) as Priced
  assert.equal(errors, undefined)
  const labels = 'operation="candles",kind="query"'
  assert.equal(await metric(measuring.metrics, 'finstage_operations_over_ceiling_total', labels), 1)
  assert.ok((await metric(measuring.metrics, 'finstage_operation_points_sum', labels)) > ceiling)
  await eventually(
    async () => (await metric(app.metrics, 'finstage_operations_over_ceiling_total', labels)) >= 8,
    'refusals',
  )
})
