import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { FinstageError } from '../../src/domain/errors.ts'
import { instrumentKinds, marketStates } from '../../src/domain/instrument.ts'
import type { Listing } from '../../src/domain/quote.ts'
import type { SourceFeed } from '../../src/domain/source-feed.ts'
import { intervalSeconds, isDaily, type SourceInterval, sourceIntervals } from '../../src/domain/time/interval.ts'
import { simulatedSource } from '../../src/market/simulated/source.ts'
import { type CandleQuery, type MarketSource, symbolsPerCall } from '../../src/market/source.ts'
import { yahooSource } from '../../src/market/yahoo/source.ts'
import { startTestYahoo } from '../support/yahoo/test-yahoo.ts'

// A Wednesday, 11:00 in New York: a session runs wherever there are sessions.
const startMs = Date.UTC(2025, 2, 12, 15)
const daySeconds = 86_400
const known = ['AAPL', 'MSFT', '^GSPC', 'BTC-USD', 'EURUSD=X']
const unknown = 'NOSUCH.XX'

interface Subject {
  readonly source: MarketSource
  /** Puts the clock forward; prices change by `move` alone. */
  wait(seconds: number): void
  /** Has time pass and prices change, so that a live feed has something to tell. */
  move(): void
}

const subjects: Readonly<Record<string, (t: TestContext) => Promise<Subject>>> = {
  async YAHOO(t) {
    let nowMs = startMs
    const yahoo = await startTestYahoo({ now: () => nowMs })
    t.after(() => yahoo.close())
    const move = () => {
      nowMs += 1000
      for (const symbol of known) yahoo.setPrice(symbol, 100 + (nowMs % 977))
    }
    const wait = (seconds: number) => {
      nowMs += seconds * 1000
    }
    return { source: yahooSource({ baseUrl: yahoo.url, now: () => nowMs, pollIntervalMs: 5 }), wait, move }
  },
  async SIMULATED() {
    let nowMs = startMs
    const source = simulatedSource({ symbolCount: 50, ticksPerSecond: 10, now: () => nowMs })
    const wait = (seconds: number) => {
      nowMs += seconds * 1000
    }
    return { source, wait, move: () => wait(1) }
  },
  async 'SIMULATED by the hours of exchanges'() {
    let nowMs = startMs
    const source = simulatedSource({ symbolCount: 50, ticksPerSecond: 10, hours: 'exchange', now: () => nowMs })
    const wait = (seconds: number) => {
      nowMs += seconds * 1000
    }
    return { source, wait, move: () => wait(1) }
  },
}

async function failure(call: Promise<unknown>): Promise<FinstageError> {
  const error = await call.then(
    () => assert.fail('expected the call to fail'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof FinstageError)
  return error
}

/** A window of a few hundred candles at most, that ends now. */
const recent = (interval: SourceInterval): CandleQuery => {
  const to = startMs / 1000
  return { symbol: 'AAPL', interval, extendedHours: false, from: to - (isDaily(interval) ? 60 : 3) * daySeconds, to }
}

for (const [name, open] of Object.entries(subjects)) {
  test(`${name}: every symbol it knows has a listing, filled as it says, and one it does not know is absent`, async (t) => {
    const { source } = await open(t)
    const listings = await source.listings([...known, unknown])
    assert.deepEqual([...listings.keys()].sort(), [...known].sort())
    for (const [symbol, listing] of listings) checkListing(source, symbol, listing)
  })

  test(`${name}: no symbols, none known, and one asked for twice`, async (t) => {
    const { source } = await open(t)
    assert.equal((await source.listings([])).size, 0)
    assert.equal((await source.listings([unknown])).size, 0)
    assert.deepEqual([...(await source.listings(['AAPL', 'AAPL'])).keys()], ['AAPL'])
  })

  test(`${name}: ${symbolsPerCall} symbols are taken in one call`, async (t) => {
    const { source } = await open(t)
    const others = Array.from({ length: symbolsPerCall - known.length }, (_, i) => `${unknown}${i}`)
    assert.deepEqual([...(await source.listings([...others, ...known])).keys()].sort(), [...known].sort())
  })

  for (const interval of sourceIntervals) {
    test(`${name}: candles of ${interval} are within [from, to), oldest first, one for each time`, async (t) => {
      const { source } = await open(t)
      const query = recent(interval)
      const { candles, excluded } = await source.candles(query)
      assert.ok(candles.length > 10)
      let before = Number.NEGATIVE_INFINITY
      for (const candle of candles) {
        assert.ok(candle.epoch > before)
        assert.ok(candle.epoch >= query.from && candle.epoch < query.to)
        assert.ok(!excluded.includes(candle.epoch))
        assert.ok(candle.high >= Math.max(candle.open, candle.close, candle.low))
        assert.ok(candle.low <= Math.min(candle.open, candle.close))
        before = candle.epoch
      }
      for (const epoch of excluded) assert.ok(epoch >= query.from && epoch < query.to)
    })

    test(`${name}: two adjoining windows of ${interval} give each candle once`, async (t) => {
      const { source } = await open(t)
      const query = recent(interval)
      const { candles: whole } = await source.candles(query)
      const border = whole[Math.floor(whole.length / 2)]?.epoch ?? assert.fail()
      const { candles: early } = await source.candles({ ...query, to: border })
      const { candles: late } = await source.candles({ ...query, from: border })
      assert.equal(late[0]?.epoch, border)
      assert.deepEqual(
        [...early, ...late].map(({ epoch }) => epoch),
        whole.map(({ epoch }) => epoch),
      )
    })

    test(`${name}: the running candle of ${interval} is there, open, and alone in being so`, async (t) => {
      const { source } = await open(t)
      const now = startMs / 1000
      const { candles } = await source.candles({ ...recent(interval), to: now + 2 * daySeconds })
      const last = candles.at(-1) ?? assert.fail()
      assert.ok(last.epoch <= now && last.epoch > now - intervalSeconds(interval))
      assert.deepEqual(
        candles.filter(({ closed }) => !closed),
        [last],
      )
    })

    test(`${name}: finalBefore of ${interval} is never after the start of the candle that runs`, async (t) => {
      const { source, wait } = await open(t)
      // Two days, through the close, the night, the open, and in a market that never closes midnight.
      for (let step = 0; step < 48; step++) {
        for (const symbol of ['AAPL', 'BTC-USD']) {
          const to = startMs / 1000 + 3 * daySeconds
          const { candles, finalBefore } = await source.candles({ ...recent(interval), symbol, to })
          const running = candles.find(({ closed }) => !closed)
          assert.ok(running === undefined || finalBefore <= running.epoch, `${symbol} after ${step} hours`)
          assert.ok(candles.some(({ epoch }) => epoch < finalBefore))
        }
        wait(3600)
      }
    })

    test(`${name}: two fetches of ${interval} agree on all that starts before finalBefore`, async (t) => {
      const { source, wait, move } = await open(t)
      const to = startMs / 1000 + 3 * daySeconds
      for (const symbol of ['AAPL', 'BTC-USD']) {
        for (const extendedHours of isDaily(interval) ? [false] : [false, true]) {
          let before = await source.candles({ ...recent(interval), symbol, extendedHours, to })
          for (let step = 0; step < 16; step++) {
            wait(1111)
            move()
            const after = await source.candles({ ...recent(interval), symbol, extendedHours, to })
            const isFinal = ({ epoch }: { epoch: number }) => epoch < before.finalBefore
            assert.deepEqual(after.candles.filter(isFinal), before.candles.filter(isFinal))
            assert.deepEqual(
              after.excluded.filter((epoch) => epoch < before.finalBefore),
              before.excluded.filter((epoch) => epoch < before.finalBefore),
            )
            assert.ok(after.finalBefore >= before.finalBefore)
            before = after
          }
        }
      }
    })

    test(`${name}: spanSeconds of ${interval} holds the candles promised`, async (t) => {
      const { source } = await open(t)
      const to = startMs / 1000
      const { candles, excluded } = await source.candles({
        ...recent(interval),
        from: to - source.spanSeconds(interval, 100),
      })
      assert.ok(candles.length + excluded.length >= 100)
    })
  }

  test(`${name}: extended hours hold all candles of the regular ones, at the same times`, async (t) => {
    const { source } = await open(t)
    for (const interval of ['MINUTE_1', 'HOUR_1'] as const) {
      const regular = await source.candles(recent(interval))
      const extended = await source.candles({ ...recent(interval), extendedHours: true })
      const times = new Set(extended.candles.map(({ epoch }) => epoch))
      assert.deepEqual(
        regular.candles.filter(({ epoch }) => !times.has(epoch)),
        [],
      )
    }
  })

  test(`${name}: facts have a zone that exists and hours that end after they begin, and are the same for every interval`, async (t) => {
    const { source } = await open(t)
    for (const symbol of known) {
      const told = []
      for (const interval of sourceIntervals) {
        const { facts } = await source.candles({ ...recent(interval), symbol })
        assert.ok(facts)
        new Intl.DateTimeFormat('en', { timeZone: facts.timezone })
        assert.ok(facts.hours && facts.hours.opens < facts.hours.closes)
        assert.ok(facts.sessionOpens !== null && facts.sessionOpens < (facts.sessionCloses ?? 0))
        assert.ok(facts.firstTradeEpoch === null || facts.firstTradeEpoch < startMs / 1000)
        told.push(facts)
      }
      assert.deepEqual(new Set(told.map((facts) => JSON.stringify(facts))).size, 1, symbol)
    }
  })

  test(`${name}: a search finds an instrument by its symbol, however it is written, and that first`, async (t) => {
    const { source } = await open(t)
    for (const text of ['AAPL', 'aapl']) {
      const [best] = await source.search(text, 5)
      assert.equal(best?.symbol, 'AAPL')
      assert.equal(best.name, 'Apple Inc.')
      assert.ok(instrumentKinds.includes(best.kind))
      assert.ok(best.exchange)
    }
  })

  test(`${name}: a search finds an instrument by a part of its name`, async (t) => {
    const { source } = await open(t)
    for (const text of ['microsof', 'MICROSOFT']) {
      assert.ok((await source.search(text, 5)).some(({ symbol }) => symbol === 'MSFT'))
    }
  })

  test(`${name}: a search gives at most as many as asked for, each once, and none for nonsense`, async (t) => {
    const { source } = await open(t)
    for (const limit of [1, 2, 3]) {
      const symbols = (await source.search('a', limit)).map(({ symbol }) => symbol)
      assert.ok(symbols.length > 0 && symbols.length <= limit)
      assert.equal(new Set(symbols).size, symbols.length)
    }
    assert.deepEqual(await source.search('qqqqzzzz', 5), [])
  })

  test(`${name}: a day is dated midnight UTC`, async (t) => {
    const { source } = await open(t)
    for (const symbol of known) {
      const { candles } = await source.candles({ ...recent('DAY_1'), symbol })
      assert.ok(candles.length > 0)
      assert.ok(candles.every(({ epoch }) => epoch % daySeconds === 0))
    }
  })

  test(`${name}: candles of an unknown symbol are SYMBOL_NOT_FOUND`, async (t) => {
    const { source } = await open(t)
    const error = await failure(source.candles({ ...recent('DAY_1'), symbol: unknown }))
    assert.equal(error.code, 'SYMBOL_NOT_FOUND')
    assert.equal(error.details.symbol, unknown)
  })

  test(`${name}: a range that is empty, lies ahead, or lies before all history has no candles`, async (t) => {
    const { source } = await open(t)
    const query = recent('DAY_1')
    for (const window of [
      { to: query.from },
      { from: query.to + 9 * daySeconds, to: query.to + 19 * daySeconds },
      { from: 0, to: 9 },
    ]) {
      const { candles, excluded, dividends, splits } = await source.candles({ ...query, ...window })
      assert.deepEqual([candles, excluded, dividends, splits], [[], [], [], []])
    }
  })

  test(`${name}: a range that begins before its reach is RANGE_NOT_AVAILABLE, one that begins at it is not`, async (t) => {
    const { source } = await open(t)
    const to = startMs / 1000
    for (const interval of sourceIntervals) {
      const reachDays = source.reachDays(interval)
      if (reachDays === null) continue
      const from = to - reachDays * daySeconds
      const error = await failure(source.candles({ ...recent(interval), from: from - daySeconds }))
      assert.equal(error.code, 'RANGE_NOT_AVAILABLE')
      assert.equal(error.details.reachDays, reachDays)
      await source.candles({ ...recent(interval), from, to: from + daySeconds })
    }
  })

  test(`${name}: the first update of a watched symbol comes at once, further ones when its price moves`, async (t) => {
    const { source, move } = await open(t)
    const live = openLive(t, source)
    live.feed.watch(new Set(['AAPL', 'MSFT']))
    await live.until(() => live.count('AAPL') > 0 && live.count('MSFT') > 0)
    const first = live.updates.find(({ instrument }) => instrument.symbol === 'AAPL') ?? assert.fail()
    checkListing(source, 'AAPL', first)
    const [aapl, msft] = [live.count('AAPL'), live.count('MSFT')]
    move()
    await live.until(() => live.count('AAPL') > aapl && live.count('MSFT') > msft)
    assert.deepEqual(live.failures, [])
  })

  test(`${name}: an unknown symbol that is watched fails once with SYMBOL_NOT_FOUND and harms no other`, async (t) => {
    const { source, move } = await open(t)
    const live = openLive(t, source)
    live.feed.watch(new Set([unknown, 'AAPL']))
    await live.until(() => live.failures.length > 0 && live.count('AAPL') > 0)
    const seen = live.count('AAPL')
    move()
    await live.until(() => live.count('AAPL') > seen)
    assert.deepEqual(live.failures, [`${unknown} SYMBOL_NOT_FOUND`])
  })

  test(`${name}: what is no longer watched is not updated, and what is watched anew begins at once`, async (t) => {
    const { source, move } = await open(t)
    const live = openLive(t, source)
    live.feed.watch(new Set(['AAPL', 'MSFT']))
    await live.until(() => live.count('AAPL') > 0 && live.count('MSFT') > 0)
    live.feed.watch(new Set(['MSFT']))
    const aapl = live.count('AAPL')
    for (let i = 0; i < 3; i++) {
      const msft = live.count('MSFT')
      move()
      await live.until(() => live.count('MSFT') > msft)
    }
    assert.equal(live.count('AAPL'), aapl)
    live.feed.watch(new Set(['AAPL', 'MSFT']))
    await live.until(() => live.count('AAPL') > aapl)
  })

  test(`${name}: no call of the sink comes after stop has resolved, which may be called twice, and watch is then in vain`, async (t) => {
    const { source, move } = await open(t)
    const live = openLive(t, source)
    const other = openLive(t, source)
    for (const { feed } of [live, other]) feed.watch(new Set(['AAPL']))
    await live.until(() => live.count('AAPL') > 0)
    await live.feed.stop()
    await live.feed.stop()
    const before = live.updates.length
    live.feed.watch(new Set(['AAPL', 'MSFT']))
    for (let i = 0; i < 3; i++) {
      const seen = other.count('AAPL')
      move()
      await other.until(() => other.count('AAPL') > seen)
    }
    assert.equal(live.updates.length, before)
    assert.deepEqual(live.failures, [])
  })

  test(`${name}: a feed that watches nothing can be stopped`, async (t) => {
    const { source } = await open(t)
    const feed = source.openLive({ update: () => assert.fail(), failure: () => assert.fail() })
    feed.watch(new Set())
    await feed.stop()
  })
}

function checkListing(source: MarketSource, symbol: string, { instrument, quote }: Listing): void {
  assert.equal(instrument.symbol, symbol)
  assert.ok(instrumentKinds.includes(instrument.kind))
  assert.ok(marketStates.includes(instrument.marketState))
  assert.ok(Number.isInteger(instrument.priceDecimals) && instrument.priceDecimals >= 0)
  assert.ok(instrument.exchange)
  new Intl.DateTimeFormat('en', { timeZone: instrument.exchange.timezone })
  assert.ok(quote)
  assert.equal(quote.symbol, symbol)
  assert.equal(quote.source, source.name)
  assert.equal(quote.stale, false)
  assert.ok(quote.price > 0)
  assert.ok(quote.timeMs > 1e12 && quote.timeMs <= quote.receivedAtMs)
  for (const [field, value] of Object.entries(quote)) {
    assert.ok(typeof value !== 'number' || Number.isFinite(value), field)
    assert.notEqual(value, undefined, field)
  }
}

interface Live {
  readonly feed: SourceFeed
  readonly updates: readonly Listing[]
  readonly failures: readonly string[]
  count(symbol: string): number
  /** Resolves when the condition holds, which is looked at after every call of the sink. */
  until(condition: () => boolean): Promise<void>
}

function openLive(t: TestContext, source: MarketSource): Live {
  const updates: Listing[] = []
  const failures: string[] = []
  let wake = () => {}
  const feed = source.openLive({
    update: (listing) => {
      updates.push(listing)
      wake()
    },
    failure: (symbol, { code }) => {
      failures.push(`${symbol} ${code}`)
      wake()
    },
  })
  t.after(() => feed.stop())
  return {
    feed,
    updates,
    failures,
    count: (symbol) => updates.filter(({ instrument }) => instrument.symbol === symbol).length,
    async until(condition) {
      while (!condition()) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
  }
}
