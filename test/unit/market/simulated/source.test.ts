import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Candle, SourceCandle } from '../../../../src/domain/candle.ts'
import { FinstageError } from '../../../../src/domain/errors.ts'
import type { Quote } from '../../../../src/domain/quote.ts'
import { intervalSeconds, type SourceInterval, sourceIntervals } from '../../../../src/domain/time/interval.ts'
import { simulatedInstruments } from '../../../../src/market/simulated/instruments/instruments.ts'
import { simulatedSource } from '../../../../src/market/simulated/source.ts'
import type { MarketSource } from '../../../../src/market/source.ts'

const day = 86_400
const midnight = Date.UTC(2025, 5, 18) / 1000
const symbols = ['AAPL', '^DJI', 'BTC-USD', 'EURUSD=X', 'SIM0002']

function marketAt(timeMs: number, seed = 1): MarketSource {
  return simulatedSource({ symbolCount: 105, ticksPerSecond: 1, now: () => timeMs, seed })
}

async function rows(source: MarketSource, symbol: string, interval: SourceInterval, from: number, to: number) {
  const { candles, excluded } = await source.candles({ symbol, interval, extendedHours: false, from, to })
  assert.deepEqual(excluded, [])
  return candles
}

async function quoteOf(source: MarketSource, symbol: string): Promise<Quote> {
  const quote = (await source.listings([symbol])).get(symbol)?.quote
  assert.ok(quote)
  return quote
}

function first(candles: readonly Candle[]): Candle {
  const [candle] = candles
  assert.ok(candle)
  return candle
}

/** Compares row by row: the diff of thousands of different candles takes minutes. */
function assertSame(actual: readonly Candle[], expected: readonly Candle[], what = ''): void {
  assert.equal(actual.length, expected.length, what)
  for (const [i, candle] of actual.entries()) assert.deepEqual(candle, expected[i], what)
}

/** Minutes do not say what a day has left without its dividends. */
const withoutAdjusted = (candles: readonly SourceCandle[]): SourceCandle[] =>
  candles.map((candle) => ({ ...candle, adjustedClose: null }))

/** What an aggregator would make of candles, one for each `seconds`. */
function aggregate(candles: readonly Candle[], seconds: number): SourceCandle[] {
  const groups = Map.groupBy(candles, ({ epoch }) => Math.floor(epoch / seconds) * seconds)
  return [...groups].map(([epoch, group]) => ({
    epoch,
    open: first(group).open,
    high: Math.max(...group.map(({ high }) => high)),
    low: Math.min(...group.map(({ low }) => low)),
    close: first(group.slice(-1)).close,
    volume: group.reduce((sum, { volume }) => sum + (volume ?? Number.NaN), 0),
    closed: first(group.slice(-1)).closed && first(group.slice(-1)).epoch + 60 === epoch + seconds,
    adjustedClose: null,
  }))
}

for (const interval of sourceIntervals.filter((each) => each !== 'MINUTE_1')) {
  const size = intervalSeconds(interval)
  test(`${size / 60} one-minute candles are one ${interval} candle`, async () => {
    const source = marketAt((midnight + 3 * day) * 1000)
    for (const symbol of symbols) {
      const minutes = await rows(source, symbol, 'MINUTE_1', midnight, midnight + 2 * day)
      const candles = await rows(source, symbol, interval, midnight, midnight + 2 * day)
      assertSame(withoutAdjusted(candles), aggregate(minutes, size), symbol)
    }
  })
}

test('one-minute candles so far are the open candle of every interval', async () => {
  const source = marketAt((midnight + 13 * 3600 + 37 * 60 + 21.345) * 1000)
  for (const symbol of symbols) {
    const minutes = await rows(source, symbol, 'MINUTE_1', midnight, midnight + day)
    for (const interval of sourceIntervals) {
      const candles = await rows(source, symbol, interval, midnight, midnight + day)
      assertSame(withoutAdjusted(candles), aggregate(minutes, intervalSeconds(interval)), `${symbol} ${interval}`)
    }
  }
})

test('the live price is the close of the open candle of every interval, and within its high and low', async () => {
  const start = midnight + 9 * 3600 + 59 * 60
  let nowMs = 0
  const source = simulatedSource({ symbolCount: 105, ticksPerSecond: 1, now: () => nowMs })
  for (let seconds = 0; seconds < 90; seconds += 0.77) {
    nowMs = Math.round((start + seconds) * 1000)
    for (const symbol of symbols) {
      const { price } = await quoteOf(source, symbol)
      for (const interval of sourceIntervals) {
        const candles = await rows(source, symbol, interval, start - 2 * day, start + day)
        const open = first(candles.slice(-1))
        assert.equal(open.closed, false)
        assert.equal(open.close, price, `${symbol} ${interval} after ${seconds} s`)
        assert.ok(open.low <= price && price <= open.high)
      }
    }
  }
})

test('a minute ends as it ran: its prices second by second make its closed candle', async () => {
  for (const symbol of symbols) {
    const start = midnight + 15 * 3600
    const prices: number[] = []
    for (let second = 0; second <= 60; second++) {
      // The last instant of the minute rounds to the price that it closes at.
      prices.push((await quoteOf(marketAt((start + second) * 1000 - (second === 60 ? 1 : 0)), symbol)).price)
    }
    const minute = first(await rows(marketAt((start + 60) * 1000), symbol, 'MINUTE_1', start, start + 60))
    assert.equal(minute.closed, true)
    assert.equal(minute.open, prices[0])
    assert.equal(minute.high, Math.max(...prices))
    assert.equal(minute.low, Math.min(...prices))
    assert.equal(minute.close, (await quoteOf(marketAt((start + 60) * 1000), symbol)).price)
  }
})

test('the quote of a day is its open candle, and its volume grows within the minute', async () => {
  for (const symbol of symbols) {
    let last = -1
    for (const seconds of [0, 1, 30, 59.9, 60, 7 * 3600, 7 * 3600 + 20, 24 * 3600 - 0.001]) {
      const source = marketAt((midnight + seconds) * 1000)
      const quote = await quoteOf(source, symbol)
      const today = first(await rows(source, symbol, 'DAY_1', midnight, midnight + day))
      assert.deepEqual(
        [quote.open, quote.dayHigh, quote.dayLow, quote.price, quote.volume],
        [today.open, today.high, today.low, today.close, today.volume],
        `${symbol} after ${seconds} s`,
      )
      assert.ok(Number.isSafeInteger(today.volume) && (today.volume ?? 0) > last, `${today.volume} after ${last}`)
      last = today.volume ?? 0
    }
  }
})

test('change counts from the close of the day before', async () => {
  for (const symbol of symbols) {
    const source = marketAt((midnight + 5 * 3600 + 1) * 1000)
    const quote = await quoteOf(source, symbol)
    const { close } = first(await rows(source, symbol, 'DAY_1', midnight - day, midnight))
    assert.equal(quote.previousClose, close)
    assert.ok(Math.abs((quote.change ?? Number.NaN) - (quote.price - close)) < 1e-9)
    assert.ok(Math.abs((quote.changePercent ?? Number.NaN) - (quote.price / close - 1) * 100) < 1e-9)
  }
})

test('the 52-week range is that of 365 days, today so far included', async () => {
  let now = 0
  const source = simulatedSource({ symbolCount: 105, ticksPerSecond: 1, now: () => now * 1000 })
  let oldestMattered = 0
  // Many days, so that in some of them the extreme is about to leave the range, or has just left it.
  for (let today = midnight - 400 * day; today < midnight; today += 2 * day) {
    now = today + 5 * 3600
    for (const symbol of symbols) {
      const year = await rows(source, symbol, 'DAY_1', today - 364 * day, today + day)
      assert.equal(year.length, 365)
      const high = Math.max(...year.map((each) => each.high))
      const low = Math.min(...year.map((each) => each.low))
      const quote = await quoteOf(source, symbol)
      assert.deepEqual([quote.fiftyTwoWeekHigh, quote.fiftyTwoWeekLow], [high, low])
      const before = first(await rows(source, symbol, 'DAY_1', today - 365 * day, today - 364 * day))
      if (first(year).high === high || first(year).low === low || before.high > high || before.low < low)
        oldestMattered++
    }
  }
  assert.ok(oldestMattered > 5, `${oldestMattered}`)
})

test('within a second the live price goes in a straight line', async () => {
  const start = (midnight + 8 * 3600) * 1000
  for (let second = 0; second < 60; second++) {
    const price = async (ms: number) => (await quoteOf(marketAt(start + second * 1000 + ms), 'BTC-USD')).price
    const [from, middle, to] = [await price(0), await price(250), await price(1000)]
    assert.ok(Math.abs(middle - (from + (to - from) / 4)) <= 0.006, `${from} ${middle} ${to}`)
  }
})

test('a quote says where it comes from and when, and leaves out what its kind does not have', async () => {
  const timeMs = (midnight + 4000) * 1000 + 250
  const source = marketAt(timeMs)
  const apple = await quoteOf(source, 'AAPL')
  assert.deepEqual(
    [apple.source, apple.timeMs, apple.receivedAtMs, apple.delayMinutes, apple.stale, apple.regularPrice],
    ['SIMULATED', timeMs, timeMs, 0, false, null],
  )
  assert.ok(Math.abs((apple.ask ?? Number.NaN) - apple.price - 0.01) < 1e-9)
  assert.ok(Math.abs(apple.price - (apple.bid ?? Number.NaN) - 0.01) < 1e-9)
  assert.equal(apple.marketCap, Math.round(15.04e9 * apple.price))
  const dow = await quoteOf(source, '^DJI')
  assert.deepEqual([dow.bid, dow.ask, dow.marketCap], [null, null, null])
  assert.equal((await quoteOf(source, 'BTC-USD')).marketCap, null)
})

const instruments = simulatedInstruments(105, 1)

test("every price is a whole number of the instrument's smallest steps", async () => {
  const source = marketAt((midnight + 7777.7) * 1000)
  for (const { instrument, quote } of (await source.listings(symbols)).values()) {
    assert.ok(quote)
    const { symbol } = instrument
    const decimals = Math.log10(instruments.get(symbol)?.stepsPerUnit ?? Number.NaN)
    const minutes = await rows(source, symbol, 'MINUTE_1', midnight, midnight + day)
    const prices = minutes.flatMap(({ open, high, low, close }) => [open, high, low, close])
    for (const price of [quote.price, quote.bid ?? 0, quote.change ?? 0, ...prices]) {
      assert.equal(price, Number(price.toFixed(decimals)))
    }
  }
})

test('volumes of the minutes of a day are U-shaped and sum to the day', async () => {
  const source = marketAt((midnight + 2 * day) * 1000)
  for (const symbol of symbols) {
    const volumes = (await rows(source, symbol, 'MINUTE_1', midnight, midnight + day)).map(({ volume }) => volume ?? 0)
    const sum = (from: number, to: number) => volumes.slice(from, to).reduce((a, b) => a + b, 0)
    const middle = sum(9 * 60, 15 * 60)
    assert.ok(
      sum(0, 3 * 60) > middle * 0.9 && sum(21 * 60, 24 * 60) > middle * 0.9,
      `${symbol}: as much in half the time`,
    )
    assert.ok(volumes.every((volume) => Number.isSafeInteger(volume) && volume >= 0))
    assert.equal(sum(0, 1440), first(await rows(source, symbol, 'DAY_1', midnight, midnight + 1)).volume)
  }
})

test('the same seed gives the same market after a restart, whatever was asked before', async () => {
  let timeMs = (midnight - 40 * day) * 1000
  const wanderer = simulatedSource({ symbolCount: 105, ticksPerSecond: 1, now: () => timeMs, seed: 5 })
  for (const symbol of symbols.toReversed()) {
    await wanderer.listings(['TSLA', symbol])
    await rows(wanderer, symbol, 'MINUTE_5', midnight - 90 * day, midnight - 80 * day)
    await rows(wanderer, symbol, 'DAY_1', 0, midnight)
  }
  timeMs = (midnight + 12_345.678) * 1000
  const fresh = simulatedSource({ symbolCount: 400, ticksPerSecond: 9, now: () => timeMs, seed: 5 })
  for (const symbol of symbols) {
    for (const interval of sourceIntervals) {
      const [from, to] = [midnight - 3 * day, midnight + day]
      assertSame(await rows(fresh, symbol, interval, from, to), await rows(wanderer, symbol, interval, from, to))
    }
  }
  assert.deepEqual(await fresh.listings(symbols), await wanderer.listings(symbols))
})

test('another seed is another market', async () => {
  const price = async (seed: number) => (await quoteOf(marketAt(midnight * 1000, seed), 'AAPL')).price
  assert.equal(new Set([await price(1), await price(2), await price(3)]).size, 3)
})

test('what was open yesterday is part of history today, unchanged', async () => {
  const timeMs = (midnight + 3600 + 90) * 1000
  const then = await rows(marketAt(timeMs), 'AAPL', 'MINUTE_1', midnight, midnight + day)
  const later = await rows(marketAt(timeMs + 86_400_000), 'AAPL', 'MINUTE_1', midnight, midnight + day)
  assert.equal(then.length, 62)
  assert.equal(later.length, 1440)
  assertSame(
    then.filter(({ closed }) => closed),
    later.slice(0, 61),
  )
})

test('candles start in [from, to) and not after now, and only the running one is open', async () => {
  const source = marketAt((midnight + 600) * 1000)
  const epochs = async (from: number, to: number) =>
    (await rows(source, 'AAPL', 'MINUTE_5', from, to)).map(({ epoch, closed }) => [epoch - midnight, closed])
  assert.deepEqual(await epochs(midnight, midnight + 300), [[0, true]])
  assert.deepEqual(await epochs(midnight + 1, midnight + 301), [[300, true]])
  assert.deepEqual(await epochs(midnight + 300, midnight + day), [
    [300, true],
    [600, false],
  ])
  assert.deepEqual(await epochs(midnight + 700, midnight + day), [])
  assert.deepEqual(await epochs(midnight + 300, midnight + 300), [])
})

test('history starts with 2015, and goes all the way back for every interval', async () => {
  const source = marketAt(midnight * 1000)
  const start = Date.UTC(2015, 0, 1) / 1000
  for (const interval of sourceIntervals) {
    assert.equal(source.reachDays(interval), null)
    assert.equal(first(await rows(source, 'GC=F', interval, 0, start + day)).epoch, start)
  }
  assert.equal((await rows(source, 'GC=F', 'DAY_1', 0, midnight)).length, (midnight - start) / day)
  assert.deepEqual(await rows(source, 'GC=F', 'DAY_1', 0, start), [])
})

test('candles span just the time they last, for the market never closes; days one more, which lies ahead', () => {
  assert.equal(marketAt(0).spanSeconds('MINUTE_5', 100), 30_000)
  assert.equal(marketAt(0).spanSeconds('DAY_1', 7), 8 * day)
})

test('an unknown symbol fails alone', async () => {
  const source = marketAt(midnight * 1000)
  assert.deepEqual([...(await source.listings(['AAPL', 'NOSUCH', 'SIM0006', 'SIM0005'])).keys()], ['AAPL', 'SIM0005'])
  await assert.rejects(
    source.candles({ symbol: 'SIM0006', interval: 'DAY_1', extendedHours: false, from: 0, to: midnight }),
    (error: unknown) => error instanceof FinstageError && error.code === 'SYMBOL_NOT_FOUND',
  )
})

test('before its history begins the market knows its instruments, but has no price', async () => {
  const listing = (await marketAt(0).listings(['AAPL'])).get('AAPL')
  assert.equal(listing?.instrument.name, 'Apple Inc.')
  assert.equal(listing?.quote, null)
})

test('extended hours change nothing in a market that never closes', async () => {
  const source = marketAt((midnight + day / 2) * 1000)
  const query = { symbol: 'AAPL', interval: 'HOUR_1', from: midnight - day, to: midnight + day } as const
  const batch = await source.candles({ ...query, extendedHours: false })
  assert.deepEqual(await source.candles({ ...query, extendedHours: true }), batch)
  assert.deepEqual([batch.dividends, batch.splits], [[], []])
  assert.equal(batch.finalBefore, midnight)
  assert.deepEqual(batch.facts?.hours, { opens: midnight, closes: midnight + day })
  assert.equal(batch.facts?.sessionCloses, midnight + day)
})

test('a search ranks symbols that begin with the text before names that hold it', async () => {
  const source = simulatedSource({ symbolCount: 300, ticksPerSecond: 1, now: () => midnight * 1000 })
  for (const text of ['A', 'M', 'S', 'T']) {
    const found = await source.search(text.toLowerCase(), 300)
    const begins = found.map(({ symbol }) => symbol.startsWith(text))
    assert.ok(begins.includes(true) && begins.includes(false), text)
    assert.equal(begins.lastIndexOf(true) + 1, begins.indexOf(false), text)
  }
})
