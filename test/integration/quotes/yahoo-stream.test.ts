import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Listing, Quote } from '../../../src/domain/quote.ts'
import { yahooPushFeed } from '../../../src/market/yahoo/live/push-feed.ts'
import { yahooSource } from '../../../src/market/yahoo/source.ts'
import { eventually } from '../../support/clients/client.ts'
import { killRounds } from '../../support/kill-rounds.ts'
import { pricedListing, startTestStreamer, type TestStreamer } from '../../support/yahoo/test-streamer.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

/** The feed over real sockets, and quotes of the same market: a trade reaches both, or quotes alone where nobody is subscribed. */
async function start(t: TestContext, streamer: TestStreamer, ...symbols: string[]) {
  const market = new Map<string, Partial<Quote>>()
  const told: (Quote & { readonly atMs: number })[] = []
  let requests = 0
  let askedMs = 0
  const seeded = performance.now()
  const feed = yahooPushFeed({
    url: streamer.url,
    pollIntervalMs: 50,
    // Attempts to connect at once, as far as the exponent allows.
    random: () => 0.02,
    listings: async (asked): Promise<ReadonlyMap<string, Listing>> => {
      requests++
      askedMs = performance.now()
      const receivedAtMs = Date.now()
      return new Map(asked.map((symbol) => [symbol, pricedListing(symbol, { ...market.get(symbol), receivedAtMs })]))
    },
    sink: {
      update: ({ quote }) => {
        if (quote) told.push({ ...quote, atMs: performance.now() })
      },
      failure: (symbol, error) => assert.fail(`${symbol}: ${error.message}`),
    },
  })
  t.after(() => feed.stop())
  const trade = (symbol: string, price: number): number => {
    const timeMs = Date.now()
    const volume = (market.get(symbol)?.volume ?? 0) + 10
    market.set(symbol, { price, timeMs: Math.floor(timeMs / 1000) * 1000, volume })
    return streamer.push(symbol, { price, time: timeMs, dayVolume: volume, marketHours: 1 })
  }
  for (const symbol of symbols) trade(symbol, 100)
  feed.watch(new Set(symbols))
  await eventually(() => told.length === symbols.length, 'the first updates')
  assert.ok(performance.now() - seeded < 1000)
  /** No request for as long as four rounds of polling take. */
  const isPolledNoMore = (): boolean => performance.now() - askedMs > 200
  const pricesOf = (symbol: string) => told.filter((each) => each.symbol === symbol).map(({ price }) => price)
  return { feed, told, trade, pricesOf, isPolledNoMore, requests: () => requests }
}

test('a pushed price reaches the sink within 50 ms', async (t) => {
  await using streamer = await startTestStreamer()
  const { told, trade, isPolledNoMore } = await start(t, streamer, 'AAPL', 'MSFT')
  await streamer.subscribed('MSFT')
  trade('AAPL', 101)
  await eventually(isPolledNoMore, 'the stream has taken over')
  const lateMs: number[] = []
  for (let price = 102; price < 122; price++) {
    const pushedMs = performance.now()
    assert.equal(trade('AAPL', price), 1)
    await eventually(() => told.at(-1)?.price === price, `price ${price}`)
    lateMs.push((told.at(-1)?.atMs ?? Number.NaN) - pushedMs)
    assert.equal(told.at(-1)?.source, 'YAHOO_STREAM')
  }
  // Some may meet a busy moment of the machine.
  const ascendingMs = lateMs.toSorted((a, b) => a - b)
  assert.ok((ascendingMs[9] ?? 0) < 50 && (ascendingMs[17] ?? 0) < 300, `${lateMs.map(Math.round)} ms`)
})

test('the streamer killed and brought back: no price lost, none repeated, and polled only in between', async (t) => {
  await using streamer = await startTestStreamer()
  const { pricesOf, trade, isPolledNoMore, requests } = await start(t, streamer, 'AAPL', 'MSFT')
  const prices = [100]
  const tradeAndSee = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      prices.push(100 + prices.length)
      trade('AAPL', 99 + prices.length)
      await eventually(() => pricesOf('AAPL').length >= prices.length, `price ${99 + prices.length}`)
    }
  }
  for (let outage = 0; outage < killRounds; outage++) {
    await streamer.subscribed('AAPL')
    await tradeAndSee(10)
    await eventually(isPolledNoMore, 'the stream has taken over')
    const before = requests()
    await tradeAndSee(10)
    assert.equal(requests(), before)
    await streamer.kill()
    await tradeAndSee(10)
    assert.ok(requests() > before)
    await streamer.restart()
  }
  await streamer.subscribed('AAPL')
  await tradeAndSee(10)
  assert.deepEqual(pricesOf('AAPL'), prices)
  assert.deepEqual(pricesOf('MSFT'), [100])
})

test('a streamer that refuses, or drops its connections, leaves no symbol without prices', async (t) => {
  await using streamer = await startTestStreamer()
  streamer.refuse()
  const { pricesOf, trade } = await start(t, streamer, 'AAPL')
  trade('AAPL', 101)
  await eventually(() => pricesOf('AAPL').length === 2, 'a polled price')
  streamer.refuse(false)
  await streamer.subscribed('AAPL')
  assert.equal(trade('AAPL', 102), 1)
  await eventually(() => pricesOf('AAPL').length === 3, 'a pushed price')
  streamer.drop()
  trade('AAPL', 103)
  await eventually(() => pricesOf('AAPL').length === 4, 'a polled price')
  streamer.send('nonsense')
  await streamer.subscribed('AAPL')
  streamer.send('nonsense')
  assert.equal(trade('AAPL', 104), 1)
  await eventually(() => pricesOf('AAPL').length === 5, 'a pushed price')
  assert.deepEqual(pricesOf('AAPL'), [100, 101, 102, 103, 104])
})

test('a message of a megabyte ends the connection, and not the process', async (t) => {
  await using streamer = await startTestStreamer()
  const { pricesOf, trade } = await start(t, streamer, 'AAPL')
  await streamer.subscribed('AAPL')
  const subscriptions = streamer.received.length
  streamer.send('x'.repeat(1_000_000))
  await eventually(() => streamer.received.length > subscriptions, 'a new connection')
  assert.equal(trade('AAPL', 101), 1)
  await eventually(() => pricesOf('AAPL').length === 2, 'a pushed price')
})

test('250 symbols are spread over three sockets, and those close when nobody watches', async (t) => {
  await using streamer = await startTestStreamer()
  const symbols = Array.from({ length: 250 }, (_, i) => `S${i}`)
  const { feed } = await start(t, streamer, ...symbols)
  await streamer.subscribed('S249')
  const sizes = () =>
    streamer
      .subscriptions()
      .map((each) => each.length)
      .sort((a, b) => a - b)
  await eventually(() => sizes().join() === '50,100,100', 'three sockets')
  feed.watch(new Set(['S7']))
  await eventually(() => sizes().join() === '1', 'one socket')
  feed.watch(new Set())
  await eventually(() => sizes().length === 0, 'no socket')
})

for (const state of ['open', 'opening', 'refused'] as const) {
  test(`stop leaves neither socket nor timer where the stream is ${state}`, async (t) => {
    await using streamer = await startTestStreamer()
    // Takes connections and never answers.
    let taken = 0
    const mute = createServer((socket) => {
      taken++
      socket.on('error', () => {}).resume()
    }).listen(0, '127.0.0.1')
    await once(mute, 'listening')
    t.after(() => mute.close())
    const address = mute.address()
    assert.ok(address && typeof address === 'object')
    await eventually(() => resources() === 0, 'nothing is left of what was before')
    if (state === 'refused') streamer.refuse()
    const url = state === 'opening' ? `ws://127.0.0.1:${address.port}/` : streamer.url
    const { feed } = await start(t, { ...streamer, url }, 'AAPL')
    if (state === 'open') await streamer.subscribed('AAPL')
    else await eventually(() => taken + streamer.refusals() > 0, 'an attempt to connect')
    assert.notEqual(resources(), 0)
    await feed.stop()
    await feed.stop()
    await eventually(() => resources() === 0, 'nothing is left')
  })
}

/** Sockets and timers. The waiting of a test is a timer too, and does not run while this is asked. */
const resources = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name === 'TCPSocketWrap').length

test("over the test Yahoo's quotes a pushed price is merged into what the quote said", async (t) => {
  await using yahoo = await startTestYahoo()
  await using streamer = await startTestStreamer()
  const source = yahooSource({ baseUrl: yahoo.url })
  const told: Quote[] = []
  const feed = yahooPushFeed({
    url: streamer.url,
    pollIntervalMs: 1000,
    listings: (symbols) => source.listings(symbols),
    sink: { update: ({ quote }) => quote && told.push(quote), failure: (_, error) => assert.fail(error) },
  })
  t.after(() => feed.stop())
  feed.watch(new Set(['AAPL']))
  await streamer.subscribed('AAPL')
  const [seed] = told
  assert.ok(seed)
  streamer.push('AAPL', { price: 222.22, time: seed.timeMs + 1234, priceHint: 2, marketHours: 1 })
  await eventually(() => told.length === 2, 'the pushed price')
  const change = 222.22 - (seed.previousClose ?? Number.NaN)
  assert.deepEqual(told[1], {
    ...seed,
    ...{ price: 222.22, timeMs: seed.timeMs + 1234, source: 'YAHOO_STREAM', receivedAtMs: told[1]?.receivedAtMs },
    ...{ change, changePercent: (change / (seed.previousClose ?? Number.NaN)) * 100, regularPrice: null },
  })
})

test("over the test Yahoo's quotes a price pushed before the open counts from the last close, as the stream says", async (t) => {
  await using yahoo = await startTestYahoo()
  await using streamer = await startTestStreamer()
  const close = { regularMarketPrice: 101.48, regularMarketTime: Date.parse('2025-02-20T21:00:00Z') / 1000 }
  yahoo.setQuote('AAPL', { ...close, regularMarketPreviousClose: 127.61, marketState: 'PRE' })
  const source = yahooSource({ baseUrl: yahoo.url })
  const told: Quote[] = []
  const feed = yahooPushFeed({
    url: streamer.url,
    pollIntervalMs: 1000,
    listings: (symbols) => source.listings(symbols),
    sink: { update: ({ quote }) => quote && told.push(quote), failure: (_, error) => assert.fail(error) },
  })
  t.after(() => feed.stop())
  feed.watch(new Set(['AAPL']))
  await streamer.subscribed('AAPL')
  assert.deepEqual([told[0]?.price, told[0]?.previousClose, told[0]?.regularPrice], [101.48, 127.61, null])
  const time = Date.parse('2025-02-21T13:00:00Z')
  streamer.push('AAPL', { price: 100.84, change: -0.64, changePercent: -0.63066614, time, marketHours: 0 })
  await eventually(() => told.length === 2, 'the pushed price')
  const quote = told[1] as Quote
  assert.deepEqual([quote.price, quote.previousClose, quote.regularPrice], [100.84, 101.48, 101.48])
  for (const change of [quote.change, quote.extendedChange]) assert.ok(Math.abs((change ?? 0) - -0.64) < 1e-9)
  for (const percent of [quote.changePercent, quote.extendedChangePercent]) {
    assert.ok(Math.abs((percent ?? 0) - -0.63066614) < 1e-6)
  }
})
