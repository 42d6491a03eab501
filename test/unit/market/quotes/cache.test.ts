import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FinstageError } from '../../../../src/domain/errors.ts'
import type { MarketState } from '../../../../src/domain/instrument.ts'
import type { Quote } from '../../../../src/domain/quote.ts'
import { QuoteCache } from '../../../../src/market/quotes/cache.ts'
import { QuoteGuard } from '../../../../src/market/quotes/guard.ts'
import { listingOf } from '../../../support/candles/listing.ts'

/** A cache on a clock of its own, over a market that the test sets. */
function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let nowMs = Date.UTC(2025, 2, 12, 15)
  const market = new Map<string, Partial<Quote> | null>()
  const calls: string[][] = []
  const counted: string[] = []
  const reports: string[] = []
  let failure: Error | null = null
  const cache = new QuoteCache({
    now: () => nowMs,
    count: (result) => counted.push(result),
    guard: new QuoteGuard({ report: (symbol, reason) => reports.push(`${symbol} ${reason}`) }),
    source: {
      listings: async (symbols) => {
        calls.push([...symbols])
        if (failure) throw failure
        return new Map(
          symbols.flatMap((symbol) => {
            const fields = market.get(symbol)
            if (fields === undefined) return []
            return [[symbol, listingOf(symbol, fields && { timeMs: nowMs, receivedAtMs: nowMs, ...fields })] as const]
          }),
        )
      },
    },
  })
  /** What comes of asking: the price, marked where it is stale, NO_DATA, or the code of the error. */
  const ask = async (symbol: string): Promise<string> => {
    const answer = cache.get(symbol)
    answer.catch(() => {})
    // Until the batch has been sent: the loop's own idle time decides, so that a mocked timer may have to be renewed.
    while ((await Promise.race([answer.catch(() => {}), nextTurn('pending')])) === 'pending') t.mock.timers.tick(2000)
    try {
      const { quote } = await answer
      return quote ? `${quote.price}${quote.stale ? ' stale' : ''}` : 'NO_DATA'
    } catch (error) {
      if (error instanceof FinstageError) return error.code
      throw error
    }
  }
  return {
    cache,
    market,
    calls,
    reports,
    ask,
    counted: () => counted.splice(0),
    pass: (ms: number) => {
      nowMs += ms
    },
    fail: (error: Error | null = new FinstageError('SOURCE_UNAVAILABLE', 'away')) => {
      failure = error
    },
  }
}

const lifetimes: Readonly<Record<MarketState, number>> = {
  REGULAR: 2000,
  PRE: 5000,
  POST: 5000,
  UNKNOWN: 5000,
  CLOSED: 60_000,
}
for (const [marketState, lifetimeMs] of Object.entries(lifetimes) as [MarketState, number][]) {
  test(`while the market is ${marketState} a quote lives ${lifetimeMs / 1000} s`, async (t) => {
    const { market, calls, ask, pass, counted } = start(t)
    market.set('A', { price: 1, marketState })
    assert.equal(await ask('A'), '1')
    market.set('A', { price: 2, marketState })
    pass(lifetimeMs)
    assert.equal(await ask('A'), '1')
    pass(1)
    assert.equal(await ask('A'), '2')
    assert.equal(calls.length, 2)
    assert.deepEqual(counted(), ['miss', 'hit', 'miss'])
  })
}

test('a quote of a closed market does not outlive the opening that the calendar knows', async (t) => {
  const { market, ask, pass } = start(t)
  const receivedAtMs = Date.parse('2025-03-12T13:29:30Z')
  const closed = { marketState: 'CLOSED', receivedAtMs } as const
  market.set('A', { price: 1, ...closed })
  await ask('A')
  market.set('A', { price: 2, ...closed })
  pass(30_000)
  assert.equal(await ask('A'), '1')
  pass(1)
  assert.equal(await ask('A'), '2')
})

for (const [age, ageMs, lifetimeMs] of [
  ['just made', 0, 5000],
  ['of the evening before', 900_000, 60_000],
] as const) {
  test(`while the market is closed a price from after hours that was ${age} lives ${lifetimeMs / 1000} s`, async (t) => {
    const { market, ask, pass } = start(t)
    const night = { marketState: 'CLOSED', regularPrice: 3, timeMs: 0, receivedAtMs: ageMs } as const
    market.set('A', { price: 1, ...night })
    await ask('A')
    market.set('A', { price: 2, ...night })
    pass(lifetimeMs)
    assert.equal(await ask('A'), '1')
    pass(1)
    assert.equal(await ask('A'), '2')
  })
}

test('that a symbol is unknown, or has no price, is known for 60 s', async (t) => {
  const { market, calls, ask, pass } = start(t)
  market.set('BARE', null)
  for (const ms of [0, 60_000]) {
    pass(ms)
    assert.equal(await ask('NONE'), 'SYMBOL_NOT_FOUND')
    assert.equal(await ask('BARE'), 'NO_DATA')
    assert.equal(calls.length, 2)
  }
  market.set('NONE', { price: 1 }).set('BARE', { price: 2 })
  pass(1)
  assert.deepEqual([await ask('NONE'), await ask('BARE')], ['1', '2'])
})

test('all who ask for a symbol at the same time share one answer, an error too, and the next ask anew', async (t) => {
  const { market, calls, ask, fail, counted } = start(t)
  fail()
  const failed = await Promise.all([ask('A'), ask('A'), ask('B')])
  assert.deepEqual(failed, ['SOURCE_UNAVAILABLE', 'SOURCE_UNAVAILABLE', 'SOURCE_UNAVAILABLE'])
  assert.deepEqual(calls, [['A', 'B']])
  assert.deepEqual(counted(), ['miss', 'hit', 'miss'])
  fail(null)
  market.set('A', { price: 1 })
  assert.equal(await ask('A'), '1')
})

test('when the source fails the last known comes as stale and is asked for again after 1 s; the unknown fails', async (t) => {
  const { market, calls, ask, pass, fail, counted } = start(t)
  market.set('A', { price: 1, marketState: 'CLOSED' })
  await ask('A')
  pass(60_001)
  fail(new FinstageError('SOURCE_RATE_LIMITED', 'too much', { retryAfterSeconds: 7 }))
  assert.equal(await ask('A'), '1 stale')
  assert.equal(await ask('NONE'), 'SOURCE_RATE_LIMITED')
  pass(1000)
  assert.equal(await ask('A'), '1 stale')
  assert.equal(calls.length, 3)
  pass(1)
  assert.equal(await ask('A'), '1 stale')
  assert.equal(calls.length, 4)
  assert.deepEqual(counted(), ['miss', 'stale', 'miss', 'stale', 'stale'])
  fail(null)
  pass(2001)
  assert.equal(await ask('A'), '1')
})

test('a symbol that was served and that one answer lacks comes as the last known, stale', async (t) => {
  const { market, ask, pass } = start(t)
  market.set('A', { price: 1 })
  await ask('A')
  market.delete('A')
  pass(2001)
  assert.equal(await ask('A'), '1 stale')
  market.set('A', { price: 2 })
  pass(2001)
  assert.equal(await ask('A'), '2')
})

test('an outage does not turn an unknown symbol into a known one, nor a known one without a price into more', async (t) => {
  const { market, ask, pass, fail } = start(t)
  market.set('BARE', null)
  await ask('NONE')
  await ask('BARE')
  pass(60_001)
  fail()
  assert.deepEqual([await ask('NONE'), await ask('BARE')], ['SOURCE_UNAVAILABLE', 'NO_DATA'])
})

test('a bug in a source is not taken for an outage', async (t) => {
  const { market, ask, pass, fail } = start(t)
  market.set('A', { price: 1 })
  await ask('A')
  pass(2001)
  fail(new TypeError('bug'))
  await assert.rejects(ask('A'), TypeError)
})

test('in the place of nonsense comes the last known, stale; where nothing is known there is no price', async (t) => {
  const { market, ask, pass, reports } = start(t)
  market.set('A', { price: 1 }).set('B', { price: -1 })
  assert.equal(await ask('A'), '1')
  assert.equal(await ask('B'), 'NO_DATA')
  market.set('A', { price: Number.NaN }).set('B', { price: 2 })
  pass(2001)
  assert.deepEqual([await ask('A'), await ask('B')], ['1 stale', '2'])
  market.set('A', { price: 3 })
  pass(2001)
  assert.equal(await ask('A'), '3')
  assert.deepEqual(reports, ['B negative price', 'A no price'])
})

test('in the place of an answer that is older comes the last known as it is, also after an outage', async (t) => {
  const { market, ask, pass, fail } = start(t)
  market.set('A', { price: 1 })
  await ask('A')
  market.set('A', { price: 2, timeMs: 1 })
  pass(2001)
  assert.equal(await ask('A'), '1')
  fail()
  pass(2001)
  assert.equal(await ask('A'), '1 stale')
  fail(null)
  pass(2001)
  assert.equal(await ask('A'), '1')
})

test('a jump is served as soon as three answers in a row have agreed on it', async (t) => {
  const { market, ask, pass } = start(t)
  market.set('A', { price: 1 })
  await ask('A')
  market.set('A', { price: 50 })
  const seen: string[] = []
  for (let i = 0; i < 3; i++) {
    pass(2001)
    seen.push(await ask('A'))
  }
  assert.deepEqual(seen, ['1 stale', '1 stale', '50'])
})

test('a symbol that was pushed out by 20,000 others is judged by itself when it is asked for again', async (t) => {
  const { market, ask, pass } = start(t)
  market.set('A', { price: 1 })
  await ask('A')
  // Unknown ones, of which the guard never hears.
  await Promise.all(Array.from({ length: 20_000 }, (_, i) => ask(`S${i}`)))
  market.set('A', { price: 2, timeMs: 1 })
  pass(2001)
  assert.equal(await ask('A'), '2')
})

test('what is at hand comes at once and is counted; what is old, unknown or on its way does not', async (t) => {
  const { cache, market, calls, ask, counted, pass } = start(t)
  market.set('A', { price: 7, marketState: 'REGULAR' })
  assert.equal(cache.atHand('A'), undefined)
  const asked = ask('A')
  assert.equal(cache.atHand('A'), undefined)
  await asked
  await ask('NOSUCH')
  counted()
  assert.equal(cache.atHand('A')?.quote?.price, 7)
  assert.equal(cache.atHand('NOSUCH'), undefined)
  assert.deepEqual(counted(), ['hit'])
  pass(2001)
  assert.equal(cache.atHand('A'), undefined)
  assert.deepEqual(counted(), [])
  assert.equal(calls.length, 2)
})

test('a look at what has grown old does not lose it: it is the last known when the source is away', async (t) => {
  const { cache, market, ask, counted, pass, fail } = start(t)
  market.set('A', { price: 7, marketState: 'REGULAR' })
  await ask('A')
  pass(2001)
  fail()
  assert.equal(cache.atHand('A'), undefined)
  assert.equal(await ask('A'), '7 stale')
  counted()
  assert.equal(cache.atHand('A')?.quote?.stale, true)
  assert.deepEqual(counted(), ['stale'])
})

test('a quote that is still asked for is fetched anew before it is old, once, and nobody waits', async (t) => {
  const { cache, market, calls, ask, pass } = start(t)
  market.set('A', { price: 7, marketState: 'REGULAR' })
  await ask('A')
  market.set('A', { price: 8, marketState: 'REGULAR' })
  pass(1499)
  assert.equal(cache.atHand('A')?.quote?.price, 7)
  pass(2)
  for (let asked = 0; asked < 3; asked++) assert.equal(cache.atHand('A')?.quote?.price, 7)
  while (calls.length < 2 || cache.atHand('A')?.quote?.price === 7) {
    await nextTurn()
    t.mock.timers.tick(2000)
  }
  assert.deepEqual(calls, [['A'], ['A']])
  pass(1000)
  assert.equal(cache.atHand('A')?.quote?.price, 8)
})

test('when the source fails for a quote that is fetched ahead, those who ask get the last known, stale', async (t) => {
  const { cache, market, calls, ask, pass, fail } = start(t)
  market.set('A', { price: 7, marketState: 'REGULAR' })
  await ask('A')
  pass(1600)
  fail()
  assert.equal(cache.atHand('A')?.quote?.stale, false)
  while (calls.length < 2 || !cache.atHand('A')?.quote?.stale) {
    await nextTurn()
    t.mock.timers.tick(2000)
  }
})

test('a bug in a source that shows when a quote is fetched ahead harms nobody but those who ask once it is old', async (t) => {
  const { cache, market, calls, ask, pass, fail } = start(t)
  market.set('A', { price: 7, marketState: 'REGULAR' })
  await ask('A')
  pass(1600)
  fail(new Error('a bug'))
  assert.equal(cache.atHand('A')?.quote?.price, 7)
  while (calls.length < 2) {
    await nextTurn()
    t.mock.timers.tick(2000)
  }
  await nextTurn()
  pass(500)
  await assert.rejects(ask('A'), /a bug/)
})
