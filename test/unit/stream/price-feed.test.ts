import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Registry } from 'prom-client'
import { FinstageError } from '../../../src/domain/errors.ts'
import type { FeedUpdate } from '../../../src/domain/price-update.ts'
import type { Listing, Quote } from '../../../src/domain/quote.ts'
import type { ListingSink } from '../../../src/domain/source-feed.ts'
import type { PriceFailure, WatchAnnouncement } from '../../../src/stream/bus.ts'
import { LocalBus } from '../../../src/stream/local-bus.ts'
import { type Lead, PriceFeed } from '../../../src/stream/price-feed.ts'
import { silentLog } from '../../support/log.ts'

function listingOf(symbol: string, fields: Partial<Quote> | null): Listing {
  const none = { previousClose: null, change: null, changePercent: null, open: null, dayHigh: null, dayLow: null }
  const unsaid = { volume: null, bid: null, ask: null, marketCap: null, fiftyTwoWeekHigh: null, fiftyTwoWeekLow: null }
  const quote: Quote = {
    ...{ ...none, ...unsaid, symbol, price: 100, currency: 'USD', marketState: 'REGULAR', timeMs: 0 },
    ...{ regularPrice: null, extendedChange: null, extendedChangePercent: null },
    ...{ source: 'SIMULATED', receivedAtMs: 0, delayMinutes: null, stale: false },
    ...fields,
  }
  const instrument = { symbol, name: null, kind: 'EQUITY', exchange: null, currency: 'USD', priceDecimals: 2 } as const
  return { instrument: { ...instrument, marketState: quote.marketState }, quote: fields && quote }
}

const leadOf = (run: string): Lead => ({ run, holds: true })

/** A feed on a bus and a mocked clock, over a source that is played by the test. */
function open(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let nowMs = 0
  const bus = new LocalBus()
  const registry = new Registry()
  const prices: FeedUpdate[] = []
  const failures: PriceFailure[] = []
  const runs: string[] = []
  bus.subscribe('price', (update) => prices.push(update))
  bus.subscribe('priceFailure', (failure) => failures.push(failure))
  bus.subscribe('feedStarted', ({ run }) => runs.push(run))
  const watched: string[] = []
  const sinks: ListingSink[] = []
  let stops = 0
  const feed = new PriceFeed({
    bus,
    registry,
    log: silentLog,
    now: () => nowMs,
    openLive: (sink) => {
      sinks.push(sink)
      return {
        watch: (symbols) => watched.push([...symbols].sort().join(' ')),
        stop: async () => {
          stops += 1
        },
      }
    },
  })
  t.after(() => feed.yield())
  return {
    feed,
    bus,
    runs,
    sinks,
    stops: () => stops,
    announce: (event: WatchAnnouncement['event'], symbols: string, node = 'n1') =>
      bus.publish('watch', { node, event, symbols: symbols.split(' ') }),
    /** Sets of symbols that the source was told to watch since the last look. */
    watched: () => watched.splice(0),
    /** What went onto the bus since the last look. */
    published: () => prices.splice(0).map(({ kind, seq, quote }) => `${kind} ${quote.symbol} ${seq} ${quote.price}`),
    prices,
    failures: () => failures.splice(0).map(({ symbol, code }) => `${symbol} ${code}`),
    update: (symbol: string, fields: Partial<Quote> | null) => sinks.at(-1)?.update(listingOf(symbol, fields)),
    fail: (symbol: string, code: 'SYMBOL_NOT_FOUND' | 'SOURCE_UNAVAILABLE') =>
      sinks.at(-1)?.failure(symbol, new FinstageError(code, 'no', { symbol })),
    pass: (ms: number) => {
      for (let passed = 0; passed < ms; passed += 100) {
        nowMs += 100
        t.mock.timers.tick(100)
      }
    },
    metric: async (name: string, labels: Record<string, string> = {}) => {
      const values = (await registry.getSingleMetric(name)?.get())?.values ?? []
      return values.find((value) => JSON.stringify(value.labels) === JSON.stringify(labels))?.value ?? 0
    },
  }
}

test('updates are numbered by symbol, one by one from 1, and carry the run that was announced', (t) => {
  const { feed, announce, update, published, prices, runs } = open(t)
  feed.lead(leadOf('run 001'))
  announce('added', 'A B')
  update('A', { price: 1 })
  update('B', { price: 10 })
  update('A', { price: 2 })
  update('A', { price: 3 })
  update('B', { price: 11 })
  assert.equal(runs.length, 1)
  assert.ok(prices.every(({ run }) => run === runs[0]))
  assert.deepEqual(published(), ['TICK A 1 1', 'TICK B 1 10', 'TICK A 2 2', 'TICK A 3 3', 'TICK B 2 11'])
})

test('a price of zero or below, which a future may have, is numbered as any other', (t) => {
  const { feed, announce, update, published } = open(t)
  feed.lead(leadOf('run 002'))
  announce('added', 'CL=F')
  for (const price of [1, 0, -37.63, 10]) update('CL=F', { price })
  assert.deepEqual(published(), ['TICK CL=F 1 1', 'TICK CL=F 2 0', 'TICK CL=F 3 -37.63', 'TICK CL=F 4 10'])
})

test('a price older than the last is never numbered, and leaves no gap; one of the same time is numbered', async (t) => {
  const { feed, announce, update, published, metric } = open(t)
  feed.lead(leadOf('run 003'))
  announce('added', 'A B')
  update('A', { price: 1, timeMs: 1000 })
  update('A', { price: 2, timeMs: 999 })
  update('A', { price: 3, timeMs: 1000 })
  update('B', { price: 4, timeMs: 1 })
  assert.deepEqual(published(), ['TICK A 1 1', 'TICK A 2 3', 'TICK B 1 4'])
  assert.equal(await metric('finstage_feed_updates_total'), 3)
})

test('a symbol of which the source has no price is not told', (t) => {
  const { feed, announce, update, published } = open(t)
  feed.lead(leadOf('run 004'))
  announce('added', 'A')
  update('A', null)
  assert.deepEqual(published(), [])
})

test('STATUS says that the market has changed its state; with a new price, volume or time it is a TICK', (t) => {
  const { feed, announce, update, published } = open(t)
  feed.lead(leadOf('run 005'))
  announce('added', 'A')
  update('A', { marketState: 'REGULAR', volume: 1 })
  update('A', { marketState: 'POST', volume: 1 })
  update('A', { marketState: 'CLOSED', price: 101, volume: 1 })
  update('A', { marketState: 'PRE', price: 101, volume: 2 })
  update('A', { marketState: 'REGULAR', price: 101, volume: 2, timeMs: 1 })
  update('A', { marketState: 'REGULAR', price: 102, volume: 2, timeMs: 1 })
  assert.deepEqual(published(), [
    'TICK A 1 100',
    'STATUS A 2 100',
    'TICK A 3 101',
    'TICK A 4 101',
    'TICK A 5 101',
    'TICK A 6 102',
  ])
})

test('STATUS says once that the source has failed, with the last price as stale, and once that it is back', (t) => {
  const { feed, announce, update, fail, published, prices, failures } = open(t)
  feed.lead(leadOf('run 006'))
  announce('added', 'A')
  update('A', { price: 7 })
  fail('A', 'SOURCE_UNAVAILABLE')
  fail('A', 'SOURCE_UNAVAILABLE')
  update('A', { price: 7 })
  assert.deepEqual(
    prices.map(({ quote }) => quote.stale),
    [false, true, false],
  )
  assert.deepEqual(published(), ['TICK A 1 7', 'STATUS A 2 7', 'STATUS A 3 7'])
  assert.deepEqual(failures(), [])
})

test('a source that is back with a new price tells it as a TICK that is not stale', (t) => {
  const { feed, announce, update, fail, published, prices } = open(t)
  feed.lead(leadOf('run 007'))
  announce('added', 'A')
  update('A', { price: 7 })
  fail('A', 'SOURCE_UNAVAILABLE')
  update('A', { price: 8 })
  assert.equal(prices.at(-1)?.quote.stale, false)
  assert.deepEqual(published(), ['TICK A 1 7', 'STATUS A 2 7', 'TICK A 3 8'])
})

test('a failure of a symbol without a price is passed on as it is', (t) => {
  const { feed, bus, announce, fail, published } = open(t)
  const failures: PriceFailure[] = []
  bus.subscribe('priceFailure', (failure) => failures.push(failure))
  feed.lead(leadOf('run 008'))
  announce('added', 'NOPE')
  fail('NOPE', 'SYMBOL_NOT_FOUND')
  assert.deepEqual(failures, [
    { symbol: 'NOPE', run: 'run 008', code: 'SYMBOL_NOT_FOUND', message: 'no', details: { symbol: 'NOPE' } },
  ])
  assert.deepEqual(published(), [])
})

test('a node that begins to watch is told how things stand, with the number they had', (t) => {
  const { feed, announce, update, fail, published, failures, prices, runs } = open(t)
  feed.lead(leadOf('run 009'))
  announce('added', 'A B NOPE')
  update('A', { price: 1 })
  update('A', { price: 2 })
  fail('NOPE', 'SYMBOL_NOT_FOUND')
  published()
  failures()
  announce('added', 'A B NOPE', 'n2')
  assert.equal(prices[0]?.run, runs[0])
  assert.deepEqual(published(), ['TICK A 2 2'])
  assert.deepEqual(failures(), ['NOPE SYMBOL_NOT_FOUND'])
  announce('held', 'A B NOPE', 'n2')
  assert.deepEqual([...published(), ...failures()], [])
})

test('a feed that has heard nothing for a while tells again how things stand: somebody may have asked meanwhile', (t) => {
  const { feed, bus, announce, update, fail, published, failures } = open(t)
  feed.lead(leadOf('run 010'))
  announce('added', 'A B NOPE')
  update('A', { price: 1 })
  update('A', { price: 2 })
  fail('NOPE', 'SYMBOL_NOT_FOUND')
  published()
  failures()
  bus.publish('reconnected', {})
  assert.deepEqual([...published(), ...failures()], ['TICK A 2 2', 'NOPE SYMBOL_NOT_FOUND'])
})

test('a failure is told to newcomers no more once the symbol has a price', (t) => {
  const { feed, announce, update, fail, published, failures } = open(t)
  feed.lead(leadOf('run 010'))
  announce('added', 'A')
  fail('A', 'SOURCE_UNAVAILABLE')
  update('A', { price: 1 })
  published()
  failures()
  announce('added', 'A', 'n2')
  assert.deepEqual(published(), ['TICK A 1 1'])
  assert.deepEqual(failures(), [])
})

test('the source watches what all nodes together want, and is told of changes alone', async (t) => {
  const { feed, announce, watched, metric } = open(t)
  feed.lead(leadOf('run 011'))
  announce('added', 'A B', 'n1')
  announce('added', 'B C', 'n2')
  announce('held', 'A B', 'n1')
  announce('added', 'A', 'n2')
  announce('held', 'D', 'n3')
  assert.deepEqual(watched(), ['A B', 'A B C', 'A B C D'])
  assert.equal(await metric('finstage_feed_symbols'), 4)
  announce('dropped', 'A B', 'n1')
  announce('dropped', 'A C', 'n2')
  assert.deepEqual(watched(), ['B D'])
})

test('what is not announced for 15 s is forgotten, what is announced every 5 s is not', (t) => {
  const { feed, announce, watched, pass } = open(t)
  feed.lead(leadOf('run 012'))
  announce('added', 'A', 'n1')
  announce('added', 'A B', 'n2')
  watched()
  for (let i = 0; i < 3; i++) {
    pass(5000)
    announce('held', 'A', 'n1')
  }
  assert.deepEqual(watched(), [])
  pass(5000)
  assert.deepEqual(watched(), ['A'])
  pass(15_000)
  assert.deepEqual(watched(), [''])
})

test('a symbol that is forgotten and then watched again starts from the prices of now', (t) => {
  const { feed, announce, update, published } = open(t)
  feed.lead(leadOf('run 013'))
  announce('added', 'A B')
  update('A', { price: 1, timeMs: 5000 })
  announce('dropped', 'A')
  published()
  announce('added', 'A')
  assert.deepEqual(published(), [])
  update('A', { price: 2, timeMs: 4000 })
  assert.equal(published().length, 1)
})

test('the numbers of a symbol never go back within a run: not though it was dropped or forgotten meanwhile', (t) => {
  const { feed, announce, update, pass, prices } = open(t)
  feed.lead(leadOf('run 014'))
  announce('added', 'A')
  for (const price of [1, 2, 3]) update('A', { price })
  announce('dropped', 'A')
  announce('added', 'A')
  for (const price of [4, 5]) update('A', { price })
  pass(25_000)
  announce('held', 'A')
  update('A', { price: 6 })
  assert.equal(prices.length, 6)
  for (const [i, { run, seq }] of prices.entries()) {
    const before = prices[i - 1]
    if (before?.run === run) assert.ok(seq > before.seq, `${seq} comes after ${before.seq}`)
  }
})

test('a feed that has yielded stops its source, its timer and its listening; what still comes is not told', async (t) => {
  const { feed, bus, announce, update, fail, published, failures, watched, stops } = open(t)
  const started = t.mock.method(globalThis, 'setInterval')
  const cleared = t.mock.method(globalThis, 'clearInterval')
  feed.lead(leadOf('run 015'))
  announce('added', 'A')
  update('A', { price: 1 })
  published()
  watched()
  await feed.yield()
  assert.equal(stops(), 1)
  update('A', { price: 2 })
  fail('B', 'SYMBOL_NOT_FOUND')
  announce('added', 'B')
  bus.publish('reconnected', {})
  assert.deepEqual([...published(), ...failures(), ...watched()], [])
  assert.equal(started.mock.callCount(), 1)
  assert.deepEqual(cleared.mock.calls[0]?.arguments, [started.mock.calls[0]?.result])
})

test('each term of leading is a run of its own, which knows nothing of the one before', async (t) => {
  const { feed, announce, update, published, prices, runs, watched } = open(t)
  feed.lead(leadOf('run 016'))
  announce('added', 'A B')
  update('A', { price: 1, timeMs: 5000 })
  update('A', { price: 2, timeMs: 5000 })
  await feed.yield()
  published()
  watched()
  feed.lead(leadOf('run 017'))
  assert.equal(runs.length, 2)
  assert.notEqual(runs[0], runs[1])
  announce('held', 'A')
  assert.deepEqual(watched(), ['A'])
  update('A', { price: 3, timeMs: 4000 })
  assert.equal(prices[0]?.run, runs[1])
  assert.deepEqual(published(), ['TICK A 1 3'])
  announce('added', 'A', 'n2')
  assert.deepEqual(published(), ['TICK A 1 3'])
})

test('lead and yield may be called twice, and yield before lead', async (t) => {
  const { feed, runs, sinks, stops, announce, watched } = open(t)
  await feed.yield()
  feed.lead(leadOf('run 018'))
  feed.lead(leadOf('run 019'))
  assert.deepEqual([runs.length, sinks.length], [1, 1])
  announce('added', 'A')
  assert.deepEqual(watched(), ['A'])
  await feed.yield()
  await feed.yield()
  assert.equal(stops(), 1)
})

test('a price is put on the bus only while the term counts: what came while that was in doubt is told when it is confirmed', async (t) => {
  const { feed, bus, announce, update, fail, published, failures, metric } = open(t)
  const confirmed: string[] = []
  bus.subscribe('feedConfirmed', ({ run }) => confirmed.push(run))
  const lead = { run: 'run 020', holds: true }
  feed.lead(lead)
  announce('added', 'A B C')
  update('A', { price: 1 })
  update('B', { price: 1 })
  published()
  lead.holds = false
  assert.equal(await metric('finstage_feed_leading'), 0)
  update('A', { price: 2 })
  update('A', { price: 3 })
  fail('C', 'SOURCE_UNAVAILABLE')
  announce('added', 'B', 'n2')
  assert.deepEqual([...published(), ...failures(), ...confirmed], [])
  lead.holds = true
  feed.confirmed()
  assert.deepEqual(published().toSorted(), ['TICK A 3 3', 'TICK B 1 1'])
  assert.deepEqual(failures(), ['C SOURCE_UNAVAILABLE'])
  assert.deepEqual(confirmed, ['run 020'])
  assert.equal(await metric('finstage_feed_leading'), 1)
  feed.confirmed()
  assert.deepEqual([...published(), ...failures()], [], 'it is told once')
  update('A', { price: 4 })
  assert.deepEqual(published(), ['TICK A 4 4'])
})

test('what was withheld by a feed that leads no longer is told by nobody', async (t) => {
  const { feed, announce, update, published } = open(t)
  const lead = { run: 'run 021', holds: true }
  feed.lead(lead)
  announce('added', 'A')
  lead.holds = false
  update('A', { price: 1 })
  await feed.yield()
  feed.confirmed()
  assert.deepEqual(published(), [])
})
