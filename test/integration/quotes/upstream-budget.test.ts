import assert from 'node:assert/strict'
import { after, suite, test } from 'node:test'
import { appOnTestYahoo, startApp } from '../../support/app.ts'
import { type Answer, ask, eventually, post, subscribe } from '../../support/clients/client.ts'
import { overSse } from '../../support/clients/sse.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { startTestYahoo, type TestYahoo } from '../../support/yahoo/test-yahoo.ts'

const database = await createTestDatabase()
after(() => database[Symbol.asyncDispose]())

const times = (count: number, field: (i: number) => string): string =>
  `{ ${Array.from({ length: count }, (_, i) => `f${i}: ${field(i)}`).join(' ')} }`

/** How many fields have data, and with which codes the others are refused. */
function tally({ data, errors = [] }: Answer<Record<string, unknown>>): Record<string, number> {
  const counts: Record<string, number> = { data: Object.values(data ?? {}).filter((value) => value !== null).length }
  for (const { extensions } of errors) counts[extensions.code] = (counts[extensions.code] ?? 0) + 1
  return counts
}

async function get(api: string, query: string): Promise<Answer<Record<string, unknown>>> {
  const response = await fetch(`${api}/graphql?query=${encodeURIComponent(query)}`)
  return (await response.json()) as Answer<Record<string, unknown>>
}

async function sse(api: string, query: string): Promise<Answer<Record<string, unknown>>> {
  const controller = new AbortController()
  const payloads = overSse(api, query, {}, controller.signal)
  await eventually(() => payloads.length > 0, 'the answer')
  controller.abort()
  return JSON.parse(payloads[0] ?? '')
}

const transports = { 'HTTP POST': post, 'HTTP GET': get, SSE: sse, WebSocket: ask }

function list(yahoo: TestYahoo, count: number, prefix: string): string[] {
  const symbols = Array.from({ length: count }, (_, i) => `${prefix}${i}`)
  const traded = { regularMarketPrice: 100, regularMarketTime: 1_700_000_000, marketState: 'REGULAR', currency: 'USD' }
  for (const symbol of symbols) yahoo.setQuote(symbol, { ...traded, exchangeTimezoneName: 'America/New_York' })
  return symbols
}

/** A whole server with a Yahoo of its own. */
async function startHouse(environment: Record<string, string> = {}) {
  await using stack = new AsyncDisposableStack()
  const yahoo = stack.use(await startTestYahoo())
  const app = stack.use(await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url, ...environment }))
  const owned = stack.move()
  return { app, yahoo, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

suite('the calls of the source that an operation causes are counted', { concurrency: false }, () => {
  for (const [transport, send] of Object.entries(transports)) {
    test(`over ${transport}, of 130 searches 120 are made, and the others are LIMIT_EXCEEDED at their own fields`, async () => {
      await using house = await startHouse()
      const { app, yahoo } = house
      const query = times(130, (i) => `searchInstruments(query: "x${i}") { symbol }`)
      const answer = await send(app.api, query)
      assert.deepEqual(tally(answer), { data: 120, LIMIT_EXCEEDED: 10 })
      assert.equal(answer.errors?.[0]?.extensions.retryAfterSeconds, 0)
      assert.equal(yahoo.requestsTo('search').length, 120)
      // What came is remembered, and costs nothing any more: with a second operation all is there.
      assert.deepEqual(tally(await send(app.api, query)), { data: 130 })
    })
  }

  test('of 190 charts as many are fetched as are paid for, the others LIMIT_EXCEEDED at their own fields; what is stored costs nothing', async () => {
    await using house = await startHouse()
    const { app, yahoo } = house
    const symbols = list(yahoo, 190, 'CH')
    const board = (name: string) => `${name}: instruments(symbols: $${name}) { candles(last: 5) { stale } }`
    const query = `query ($a: [Symbol!]!, $b: [Symbol!]!) { ${board('a')} ${board('b')} }`
    const send = () => post(app.api, query, { a: symbols.slice(0, 100), b: symbols.slice(100) })
    const { errors = [] } = await send()
    const charts = yahoo.requestsTo('chart').length
    assert.equal(charts + yahoo.requestsTo('quote').length, 120)
    assert.equal(errors.length, 190 - charts)
    for (const { path, extensions } of errors)
      assert.deepEqual([path?.[2], extensions.code], ['candles', 'LIMIT_EXCEEDED'])
    assert.equal((await send()).errors, undefined)
  })

  test('a month of minutes, which Yahoo gives in five requests, costs five calls', async () => {
    await using house = await startHouse({ MAX_UPSTREAM_CALLS_PER_OPERATION: '9' })
    const { app, yahoo } = house
    list(yahoo, 2, 'MO')
    const from = new Date(Date.now() - 29.5 * 86_400_000).toISOString()
    const month = (symbol: string) => `candles(symbol: "${symbol}", interval: MINUTE_1, from: "${from}") { stale }`
    const answer = await post(app.api, `{ a: ${month('MO0')} b: ${month('MO1')} c: candles(symbol: "MO1") { stale } }`)
    assert.deepEqual(tally(answer), { data: 2, LIMIT_EXCEEDED: 1 })
    assert.equal(answer.data?.c === null, false)
    assert.equal(yahoo.requestsTo('chart').length, 6)
  })

  test('quotes cost a call for each hundred symbols, and nothing from the cache', async () => {
    await using house = await startHouse({ MAX_UPSTREAM_CALLS_PER_OPERATION: '3' })
    const { app, yahoo } = house
    const symbols = list(yahoo, 500, 'QU')
    const hundred = (i: number) => `quotes(symbols: ${JSON.stringify(symbols.slice(i * 100, i * 100 + 100))}) { price }`
    const answer = await post(app.api, times(5, hundred))
    const prices = Object.values(answer.data ?? {}).flat() as ({ price: number } | null)[]
    assert.equal(prices.filter((price) => price !== null).length, 300)
    assert.ok(answer.errors?.every(({ extensions }) => extensions.code === 'LIMIT_EXCEEDED'))
    assert.equal(yahoo.requestsTo('quote').length, 3)
    // Another operation is not refused for it, nor for what it shares with this one.
    assert.deepEqual(
      tally(
        await post(
          app.api,
          times(3, (i) => hundred(i + 2)),
        ),
      ),
      { data: 3 },
    )
  })

  test('a cold board of a hundred instruments with quotes and candles passes', async () => {
    await using house = await startHouse()
    const { app, yahoo } = house
    const query = `query ($symbols: [Symbol!]!) { instruments(symbols: $symbols) { symbol quote { price }
      candles(interval: MINUTE_1) { nodes { close } } } }`
    const answer = await post(app.api, query, { symbols: list(yahoo, 100, 'BO') })
    assert.equal(answer.errors, undefined)
    assert.ok(yahoo.requestsTo('chart').length >= 100)
  })

  test('the simulated market is asked no more often by one operation', async () => {
    await using simulated = await createTestDatabase()
    await using app = await startApp({ DATABASE_URL: simulated.url, MARKET_SOURCE: 'simulated' })
    const answer = await post(
      app.api,
      times(130, (i) => `searchInstruments(query: "x${i}") { symbol }`),
    )
    assert.deepEqual(tally(answer), { data: 120, LIMIT_EXCEEDED: 10 })
  })

  test('an operation that is refused a symbol keeps nobody else from it', async () => {
    await using house = await startHouse({ MAX_UPSTREAM_CALLS_PER_OPERATION: '1' })
    const { app, yahoo } = house
    const symbols = list(yahoo, 3, 'SH')
    yahoo.fault('chart', { delayMs: 200 })
    const of = (...indices: number[]) =>
      `{ ${indices.map((i) => `f${i}: candles(symbol: "${symbols[i]}", last: 5) { stale }`).join(' ')} }`
    const greedy = post(app.api, of(0, 1, 2))
    const modest = await Promise.all([1, 2].map((i) => post(app.api, of(i))))
    assert.deepEqual(modest.map(tally), [{ data: 1 }, { data: 1 }])
    assert.ok((tally(await greedy).data ?? 0) >= 1)
  })
})

suite('nobody waits for the calls of a greedy operation', { concurrency: false }, () => {
  /** Where in the order of all requests the first is that `fits`. */
  const place = (yahoo: TestYahoo, endpoint: 'chart' | 'quote' | 'search', fits: (text: string) => boolean): number =>
    yahoo.requestsTo(endpoint).findIndex(({ path, query }) => fits(`${path} ${JSON.stringify(query)}`))

  test('a chart goes before what waits of 100 charts, a quote before 11 calls of quotes, a search before 120', async () => {
    await using house = await startHouse()
    const { app, yahoo } = house
    const symbols = list(yahoo, 1300, 'GR')
    const mine = list(yahoo, 3, 'ME')
    // So long that on a slow machine, too, the last request is there before most of the others have begun.
    yahoo.fault('chart', { delayMs: 600 })
    yahoo.fault('quote', { delayMs: 1000 })
    yahoo.fault('search', { delayMs: 200 })
    const hundreds = Object.fromEntries(
      Array.from({ length: 12 }, (_, i) => [`s${i}`, symbols.slice(i * 100, i * 100 + 100)]),
    )
    const forEach = (count: number, field: (list: string) => string) => {
      const names = Object.keys(hundreds).slice(0, count)
      const fields = names.map((name) => `${name}: ${field(`$${name}`)}`)
      return `query (${names.map((name) => `$${name}: [Symbol!]!`)}) { ${fields} }`
    }
    const greedy = [
      post(
        app.api,
        forEach(1, (list) => `instruments(symbols: ${list}) { candles(last: 5) { stale } }`),
        hundreds,
      ),
      post(
        app.api,
        forEach(12, (list) => `quotes(symbols: ${list}) { price }`),
        hundreds,
      ),
      post(
        app.api,
        times(120, (i) => `searchInstruments(query: "g${i}") { symbol }`),
      ),
    ]
    await yahoo.received('quote', 4)
    await yahoo.received('chart', 16)
    await yahoo.received('search', 4)
    const answer = await post(
      app.api,
      `{ candles(symbol: "${mine[0]}", last: 5) { stale } quote(symbol: "${mine[1]}") { price }
         searchInstruments(query: "mine") { symbol } }`,
    )
    assert.equal(answer.errors, undefined)
    // In the order of arrival they would have been the last. Some begin while the request is on its way.
    assert.ok(place(yahoo, 'chart', (text) => text.includes('ME0')) < 70)
    assert.ok(place(yahoo, 'quote', (text) => text.includes('ME1')) < 10)
    assert.ok(place(yahoo, 'search', (text) => text.includes('mine')) < 60)
    for (const each of await Promise.all(greedy)) assert.equal(each.errors, undefined)
  })
})

const { app, yahoo, pass } = await appOnTestYahoo({ MAX_UPSTREAM_CALLS_PER_OPERATION: '3' })

test('each event of a subscription has a budget of its own', async () => {
  yahoo.setPrice('AAPL', 200)
  await using stream = subscribe<{ priceUpdates: { price: number } }>(
    app.api,
    `subscription { priceUpdates(symbols: ["AAPL"]) { price quote { instrument {
       minutes: candles(interval: MINUTE_1, last: 2) { stale } hours: candles(interval: HOUR_1, last: 2) { stale } } } } }`,
  )
  for (const [i, price] of [200, 201, 202].entries()) {
    const before = yahoo.requestsTo('chart').length
    if (i > 0) {
      // All three have grown old by then.
      pass(400_000)
      yahoo.setPrice('AAPL', price)
    }
    await stream.until((data) => data.priceUpdates.price === price)
    assert.equal(yahoo.requestsTo('chart').length - before, 2)
  }
})
