import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FinstageError } from '../../../../../src/domain/errors.ts'
import type { Listing, Quote } from '../../../../../src/domain/quote.ts'
import { pollingFeed } from '../../../../../src/market/yahoo/live/polling-feed.ts'

const intervalMs = 1000

function listingOf(symbol: string, quote: Partial<Quote> | null): Listing {
  const kind = 'EQUITY'
  const instrument = { symbol, name: null, kind, exchange: null, currency: null, priceDecimals: 2 } as const
  const empty = { previousClose: null, change: null, changePercent: null, open: null, dayHigh: null, dayLow: null }
  const none = { volume: null, bid: null, ask: null, marketCap: null, fiftyTwoWeekHigh: null, fiftyTwoWeekLow: null }
  const full: Quote = {
    ...{ ...empty, ...none, symbol, price: 1, currency: null, marketState: 'REGULAR', timeMs: 0, regularPrice: null },
    ...{ extendedChange: null, extendedChangePercent: null },
    ...{ source: 'YAHOO', receivedAtMs: 0, delayMinutes: null, stale: false },
    ...quote,
  }
  return { instrument: { ...instrument, marketState: 'REGULAR' }, quote: quote && full }
}

type Answer = ReadonlyMap<string, Listing>

/** A feed on a mocked clock, over a source whose answers the test gives, by `market` or by hand. */
function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const market = new Map<string, Partial<Quote> | null>()
  const calls: (readonly string[])[] = []
  const events: string[] = []
  let answer: (symbols: readonly string[]) => Promise<Answer> = async (symbols) =>
    new Map(
      symbols.flatMap((symbol) => {
        const quote = market.get(symbol)
        return quote === undefined ? [] : [[symbol, listingOf(symbol, quote)] as const]
      }),
    )
  const fromMarket = answer
  let believes: (listing: Listing) => boolean = () => true
  const feed = pollingFeed({
    intervalMs,
    listings: (symbols) => {
      calls.push(symbols)
      return answer(symbols)
    },
    sink: {
      update: (listing) => {
        events.push(`${listing.instrument.symbol} ${listing.quote?.price}`)
        return believes(listing)
      },
      failure: (symbol, { code }) => events.push(`${symbol} ${code}`),
    },
  })
  return {
    feed,
    market,
    calls,
    events,
    watch: async (...symbols: string[]) => {
      feed.watch(new Set(symbols))
      await settle()
    },
    pass: async (ms: number) => {
      t.mock.timers.tick(ms)
      await settle()
    },
    answerBy: (next: typeof answer) => {
      answer = next
    },
    answerFromMarket: () => {
      answer = fromMarket
    },
    believeOnly: (next: typeof believes) => {
      believes = next
    },
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await nextTurn()
}

const unavailable = () => Promise.reject(new FinstageError('SOURCE_UNAVAILABLE', 'away'))

test('what is newly watched is asked for at once, all of one turn in one request', async (t) => {
  const { feed, market, calls, events } = start(t)
  for (const symbol of ['A', 'B', 'C']) market.set(symbol, { price: 5 })
  feed.watch(new Set(['A']))
  feed.watch(new Set(['A', 'B']))
  await Promise.resolve()
  feed.watch(new Set(['A', 'B', 'C']))
  await settle()
  assert.deepEqual(calls, [['A', 'B', 'C']])
  assert.deepEqual(events, ['A 5', 'B 5', 'C 5'])
})

test('a round asks for all that is watched, together, once in each interval', async (t) => {
  const { market, calls, watch, pass } = start(t)
  for (const symbol of ['A', 'B']) market.set(symbol, {})
  await watch('A')
  await watch('A', 'B')
  assert.deepEqual(calls, [['A'], ['B']])
  await pass(intervalMs - 1)
  assert.equal(calls.length, 2)
  await pass(1)
  await pass(intervalMs)
  assert.deepEqual(calls.slice(2), [
    ['A', 'B'],
    ['A', 'B'],
  ])
})

test('an update comes only when something has changed that a client can see', async (t) => {
  const { market, events, watch, pass } = start(t)
  market.set('A', { price: 1, receivedAtMs: 1 })
  await watch('A')
  market.set('A', { price: 1, receivedAtMs: 2 })
  await pass(intervalMs)
  assert.deepEqual(events, ['A 1'])
  const changes: Partial<Quote>[] = [{ price: 2 }, { bid: 1 }, { volume: 9 }, { marketState: 'POST' }, { timeMs: 7 }]
  for (const change of changes) {
    market.set('A', { ...market.get('A'), ...change })
    await pass(intervalMs)
  }
  assert.deepEqual(events, ['A 1', 'A 2', 'A 2', 'A 2', 'A 2', 'A 2'])
})

test('never two rounds at a time: one that is late starts when the one before has ended', async (t) => {
  const { market, calls, watch, pass, answerBy } = start(t)
  market.set('A', {})
  await watch('A')
  let underWay = 0
  let most = 0
  const answers: (() => void)[] = []
  answerBy(async () => {
    most = Math.max(most, ++underWay)
    await new Promise<void>((resolve) => answers.push(resolve))
    underWay--
    return new Map([['A', listingOf('A', {})]])
  })
  await pass(intervalMs)
  await pass(intervalMs * 3)
  assert.equal(calls.length, 2)
  answers.shift()?.()
  await settle()
  assert.equal(calls.length, 3)
  answers.shift()?.()
  await settle()
  assert.equal(calls.length, 3)
  await pass(intervalMs)
  assert.equal(calls.length, 4)
  assert.equal(most, 1)
})

test('a round that hangs does not keep the newly watched waiting', async (t) => {
  const { market, calls, events, watch, pass, answerBy, answerFromMarket } = start(t)
  market.set('A', {}).set('B', { price: 3 })
  await watch('A')
  answerBy(() => new Promise<Answer>(() => {}))
  await pass(intervalMs)
  answerFromMarket()
  await watch('A', 'B')
  assert.deepEqual(calls, [['A'], ['A'], ['B']])
  assert.equal(events.at(-1), 'B 3')
})

test('a symbol is never in two requests at a time', async (t) => {
  const { market, calls, watch, pass, answerBy, answerFromMarket } = start(t)
  market.set('A', {}).set('B', {})
  await watch('A')
  answerBy(() => new Promise<Answer>(() => {}))
  await watch('A', 'B')
  answerFromMarket()
  await pass(intervalMs)
  assert.deepEqual(calls, [['A'], ['B'], ['A']])
})

test('more than 100 symbols are asked for in parts of 100, in the rounds too', async (t) => {
  const { market, calls, events, watch, pass } = start(t)
  const symbols = Array.from({ length: 250 }, (_, i) => `S${i}`)
  for (const symbol of symbols) market.set(symbol, {})
  await watch(...symbols)
  await pass(intervalMs)
  assert.deepEqual(
    calls.map((call) => call.length),
    [100, 100, 50, 100, 100, 50],
  )
  assert.deepEqual(calls.slice(3).flat(), symbols)
  assert.equal(events.length, 250)
})

test('a part that fails or hangs does not touch the others', async (t) => {
  const { market, events, watch, pass, answerBy } = start(t)
  const symbols = Array.from({ length: 250 }, (_, i) => `S${i}`)
  for (const symbol of symbols) market.set(symbol, { price: 1 })
  await watch(...symbols)
  events.length = 0
  answerBy((asked) => {
    if (asked.includes('S0')) return Promise.reject(new FinstageError('SOURCE_UNAVAILABLE', 'away'))
    if (asked.includes('S100')) return new Promise<Answer>(() => {})
    return Promise.resolve(new Map(asked.map((symbol) => [symbol, listingOf(symbol, { price: 2 })])))
  })
  await pass(intervalMs)
  const failed = symbols.slice(0, 100).map((symbol) => `${symbol} SOURCE_UNAVAILABLE`)
  const told = symbols.slice(200).map((symbol) => `${symbol} 2`)
  assert.deepEqual(events, [...failed, ...told])
})

test('what the sink does not believe is told again each round, until it does', async (t) => {
  const { market, events, watch, pass, believeOnly } = start(t)
  market.set('A', { price: 1 })
  believeOnly(() => events.length === 3)
  await watch('A')
  for (let i = 0; i < 4; i++) await pass(intervalMs)
  assert.deepEqual(events, ['A 1', 'A 1', 'A 1'])
})

test('an unknown symbol and one without a price fail once, and are not asked for again while they stay watched', async (t) => {
  const { market, calls, events, watch, pass } = start(t)
  market.set('A', {}).set('BARE', null)
  await watch('A', 'BARE', 'NONE')
  await pass(intervalMs)
  await pass(intervalMs)
  assert.deepEqual(events, ['A 1', 'BARE NO_DATA', 'NONE SYMBOL_NOT_FOUND'])
  assert.deepEqual(calls.slice(1), [['A'], ['A']])
})

test('a symbol that failed for good is tried again when it is unwatched and watched anew', async (t) => {
  const { market, events, watch, pass } = start(t)
  await watch('NEW')
  market.set('NEW', { price: 8 })
  await watch()
  await watch('NEW')
  assert.deepEqual(events, ['NEW SYMBOL_NOT_FOUND', 'NEW 8'])
  await pass(intervalMs)
  assert.equal(events.length, 2)
})

test('when the whole call fails every symbol hears of it, and the feed goes on', async (t) => {
  const { market, events, watch, pass, answerBy, answerFromMarket } = start(t)
  market.set('A', { price: 1 }).set('B', { price: 2 })
  await watch('A', 'B')
  answerBy(unavailable)
  await pass(intervalMs)
  assert.deepEqual(events.slice(2), ['A SOURCE_UNAVAILABLE', 'B SOURCE_UNAVAILABLE'])
  answerFromMarket()
  await pass(intervalMs)
  assert.deepEqual(events.slice(4), ['A 1', 'B 2'])
})

test('the price that comes back after a failure is an update although it is the same', async (t) => {
  const { market, events, watch, pass, answerBy, answerFromMarket } = start(t)
  market.set('A', { price: 1 })
  answerBy(unavailable)
  await watch('A')
  answerFromMarket()
  await pass(intervalMs)
  answerBy(unavailable)
  await pass(intervalMs)
  answerFromMarket()
  await pass(intervalMs)
  await pass(intervalMs)
  assert.deepEqual(events, ['A SOURCE_UNAVAILABLE', 'A 1', 'A SOURCE_UNAVAILABLE', 'A 1'])
})

test('an error that is no FinstageError, thrown or rejected, is SOURCE_UNAVAILABLE', async (t) => {
  const { events, watch, pass, answerBy } = start(t)
  answerBy(() => Promise.reject(new TypeError('bug')))
  await watch('A')
  answerBy(() => {
    throw new TypeError('bug')
  })
  await pass(intervalMs)
  assert.deepEqual(events, ['A SOURCE_UNAVAILABLE', 'A SOURCE_UNAVAILABLE'])
})

test('a symbol that was served is not given up because one answer lacks it', async (t) => {
  const { market, events, watch, pass } = start(t)
  market.set('A', { price: 1 })
  await watch('A')
  market.delete('A')
  await pass(intervalMs)
  market.set('A', { price: 2 })
  await pass(intervalMs)
  assert.deepEqual(events, ['A 1', 'A SOURCE_UNAVAILABLE', 'A 2'])
})

test('nothing watched, or nothing left to try: no timer and no calls', async (t) => {
  const { market, calls, watch, pass } = start(t)
  market.set('A', {})
  await watch('A')
  await watch()
  await pass(intervalMs * 5)
  await watch('NONE')
  await pass(intervalMs * 5)
  assert.deepEqual(calls, [['A'], ['NONE']])
  await watch('A')
  await pass(intervalMs)
  assert.deepEqual(calls.slice(2), [['A'], ['A']])
})

test('only a feed that has something to poll keeps a timer', async (t) => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  const sink = { update: () => {}, failure: () => {} }
  const listings = async (symbols: readonly string[]) =>
    new Map(symbols.filter((symbol) => symbol !== 'NONE').map((symbol) => [symbol, listingOf(symbol, {})]))
  const feed = pollingFeed({ listings, intervalMs: 60_000, sink })
  t.after(() => feed.stop())
  for (const [symbols, expected] of [
    [['A', 'NONE'], 1],
    [['NONE'], 0],
    [['A'], 1],
    [[], 0],
    [['NONE'], 0],
    [['A'], 1],
  ] as const) {
    feed.watch(new Set(symbols))
    await settle()
    assert.equal(timers() - before, expected, symbols.join())
  }
  await feed.stop()
  assert.equal(timers(), before)
})

test('an answer that comes after its symbol was unwatched, or watched anew, is dropped', async (t) => {
  const { market, events, watch, pass, answerBy, answerFromMarket } = start(t)
  market.set('A', { price: 1 })
  await watch('A')
  let late = (_: Answer) => {}
  answerBy(() => new Promise<Answer>((resolve) => (late = resolve)))
  await pass(intervalMs)
  await watch()
  answerFromMarket()
  market.set('A', { price: 3 })
  await watch('A')
  late(new Map([['A', listingOf('A', { price: 2 })]]))
  await settle()
  assert.deepEqual(events, ['A 1', 'A 3'])
})

test('no call of the sink comes after stop, which may be called twice', async (t) => {
  const { feed, market, calls, events, watch, pass, answerBy } = start(t)
  market.set('A', { price: 1 })
  await watch('A')
  let late = (_: Answer) => {}
  answerBy(() => new Promise<Answer>((resolve) => (late = resolve)))
  await pass(intervalMs)
  await feed.stop()
  await feed.stop()
  late(new Map([['A', listingOf('A', { price: 2 })]]))
  await watch('A', 'B')
  await pass(intervalMs * 5)
  assert.deepEqual(events, ['A 1'])
  assert.equal(calls.length, 2)
})

test('a sink may change the watched set, or stop the feed, while it is called', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const seen: string[] = []
  const feed = pollingFeed({
    intervalMs,
    listings: async (symbols) => new Map(symbols.map((symbol) => [symbol, listingOf(symbol, {})])),
    sink: {
      update: ({ instrument }) => {
        seen.push(instrument.symbol)
        if (instrument.symbol === 'A') feed.watch(new Set(['A', 'C']))
        if (instrument.symbol === 'C') void feed.stop()
      },
      failure: () => assert.fail('nothing fails here'),
    },
  })
  feed.watch(new Set(['A', 'B']))
  await settle()
  await settle()
  assert.deepEqual(seen, ['A', 'C'])
})
