import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Candle, SourceCandle } from '../../../../src/domain/candle.ts'
import { calendarOf } from '../../../../src/domain/exchange-calendar/calendars.ts'
import type { Quote } from '../../../../src/domain/quote.ts'
import { closedAt } from '../../../../src/domain/sessions/closed-at.ts'
import { intervalSeconds, type SourceInterval, sourceIntervals } from '../../../../src/domain/time/interval.ts'
import { simulatedInstruments } from '../../../../src/market/simulated/instruments/instruments.ts'
import { simulatedSource } from '../../../../src/market/simulated/source.ts'
import type { MarketSource } from '../../../../src/market/source.ts'

const seconds = (time: string): number => Date.parse(time) / 1000

const marketAt = (time: string): MarketSource =>
  simulatedSource({ symbolCount: 101, ticksPerSecond: 1, hours: 'exchange', now: () => Date.parse(time) })

async function quoteAt(time: string, symbol = 'AAPL'): Promise<Quote> {
  return (await marketAt(time).listings([symbol])).get(symbol)?.quote ?? assert.fail()
}

interface Range {
  readonly symbol?: string
  readonly interval?: SourceInterval
  readonly extendedHours?: boolean
}

async function rows(time: string, from: string, to: string, options: Range = {}): Promise<readonly SourceCandle[]> {
  const query = { symbol: 'AAPL', interval: 'DAY_1', extendedHours: false, ...options } as const
  return (await marketAt(time).candles({ ...query, from: seconds(from), to: seconds(to) })).candles
}

const times = (candles: readonly Candle[]): string[] =>
  candles.map(({ epoch }) => new Date(epoch * 1000).toISOString().slice(0, 16))

const dates = (candles: readonly Candle[]): string[] => times(candles).map((time) => time.slice(0, 10))

test('days are the sessions of the exchange: no weekend, no holiday', async () => {
  const independence = await rows('2025-07-10T12:00Z', '2025-07-01T00:00Z', '2025-07-08T00:00Z')
  assert.deepEqual(dates(independence), ['2025-07-01', '2025-07-02', '2025-07-03', '2025-07-07'])
  const tokyo = await rows('2025-05-10T12:00Z', '2025-05-01T00:00Z', '2025-05-09T00:00Z', { symbol: '7203.T' })
  assert.deepEqual(dates(tokyo), ['2025-05-01', '2025-05-02', '2025-05-07', '2025-05-08'])
  const crypto = await rows('2025-07-10T12:00Z', '2025-07-01T00:00Z', '2025-07-08T00:00Z', { symbol: 'BTC-USD' })
  assert.equal(crypto.length, 7)
  const euro = await rows('2025-07-10T12:00Z', '2025-07-01T00:00Z', '2025-07-08T00:00Z', { symbol: 'EURUSD=X' })
  assert.deepEqual(dates(euro), ['2025-07-01', '2025-07-02', '2025-07-03', '2025-07-04', '2025-07-07'])
})

test('a half day ends early, and so do its candles', async () => {
  const hours = await rows('2025-07-10T12:00Z', '2025-07-03T00:00Z', '2025-07-04T00:00Z', { interval: 'HOUR_1' })
  assert.deepEqual(
    times(hours),
    ['13:30', '14:30', '15:30', '16:30'].map((time) => `2025-07-03T${time}`),
  )
  const minutes = await rows('2025-07-10T12:00Z', '2025-07-03T00:00Z', '2025-07-04T00:00Z', { interval: 'MINUTE_1' })
  assert.equal(minutes.length, 210)
})

test('candles are complete by the calendar of their exchange; of a market that never closes, with the date', async () => {
  const query = { symbol: 'AAPL', interval: 'DAY_1', extendedHours: false } as const
  const now = () => Date.parse('2025-07-10T12:00Z')
  const completeIn = async (hours: 'always' | 'exchange', date: string): Promise<number> => {
    const market = simulatedSource({ symbolCount: 1, ticksPerSecond: 1, hours, now })
    const span = { from: seconds('2025-07-01T00:00Z'), to: seconds('2025-07-08T00:00Z') }
    const facts = (await market.candles({ ...query, ...span })).facts ?? assert.fail()
    const { timezone, exchange, sessionOpens: opens, sessionCloses: closes } = facts
    return closedAt(seconds(date), 'DAY_1', { timezone, exchange, opens, closes })
  }
  assert.equal(await completeIn('exchange', '2025-07-02T00:00Z'), seconds('2025-07-02T20:00Z'))
  assert.equal(await completeIn('exchange', '2025-07-03T00:00Z'), seconds('2025-07-03T17:00Z'))
  assert.equal(await completeIn('always', '2025-07-03T00:00Z'), seconds('2025-07-04T00:00Z'))
})

test('lunch breaks have no candles', async () => {
  const hours = await rows('2025-06-18T12:00Z', '2025-06-18T00:00Z', '2025-06-19T00:00Z', {
    symbol: '0700.HK',
    interval: 'HOUR_1',
  })
  assert.deepEqual(
    times(hours),
    ['01:30', '02:30', '03:30', '05:00', '06:00', '07:00'].map((time) => `2025-06-18T${time}`),
  )
})

test('candles from before and after the session of American shares come if asked for, no others', async () => {
  const range = ['2025-06-18T23:59Z', '2025-06-17T00:00Z', '2025-06-18T01:00Z'] as const
  const extended = await rows(...range, { interval: 'HOUR_1', extendedHours: true })
  assert.equal(times(extended)[0], '2025-06-17T08:00')
  assert.equal(times(extended).at(-1), '2025-06-17T23:00')
  const regular = await rows(...range, { interval: 'HOUR_1' })
  assert.equal(regular.length, 7)
  for (const each of regular) assert.ok(extended.some(({ epoch }) => epoch === each.epoch))
  const london = { symbol: 'SHEL.L', interval: 'HOUR_1' } as const
  assert.deepEqual(await rows(...range, { ...london, extendedHours: true }), await rows(...range, london))
})

test('the candles of a session are, put together, its day: with lunch, in the evening before, on half days', async () => {
  for (const symbol of ['AAPL', '^GSPC', 'SHEL.L', '7203.T', '0700.HK', 'GC=F', 'EURUSD=X', 'BTC-USD', 'SIM0001']) {
    const exchange = simulatedInstruments(101, 1).get(symbol)?.exchange ?? assert.fail()
    const days = await rows('2025-07-10T12:00Z', '2025-07-01T00:00Z', '2025-07-05T00:00Z', { symbol })
    for (const interval of sourceIntervals.filter((each) => each !== 'DAY_1')) {
      const all = await rows('2025-07-10T12:00Z', '2025-06-30T00:00Z', '2025-07-06T00:00Z', { symbol, interval })
      for (const { epoch, open, high, low, close, volume } of days) {
        const { opens, closes } = calendarOf(exchange)?.sessionOn(epoch) ?? assert.fail()
        const parts = all.filter((each) => each.epoch >= opens && each.epoch < closes)
        const what = `${symbol} ${interval} ${epoch}`
        assert.equal(parts[0]?.open, open, what)
        assert.equal(parts.at(-1)?.close, close, what)
        assert.equal(Math.max(...parts.map((each) => each.high)), high, what)
        assert.equal(Math.min(...parts.map((each) => each.low)), low, what)
        const sum = parts.reduce((total, each) => total + (each.volume ?? 0), 0)
        assert.equal(sum, volume ?? 0, what)
      }
    }
  }
})

test('a quote has the state of its exchange and changes that count from the right closes, all day', async () => {
  const close = async (date: string) =>
    (await rows('2025-07-10T12:00Z', `${date}T00:00Z`, `${date}T01:00Z`))[0]?.close ?? assert.fail()
  const [monday, tuesday, wednesday] = [await close('2025-06-16'), await close('2025-06-17'), await close('2025-06-18')]
  const expect = async (time: string, state: string, previous: number, regular: number | null) => {
    const quote = await quoteAt(time)
    assert.deepEqual([quote.marketState, quote.previousClose, quote.regularPrice], [state, previous, regular], time)
    assert.ok(Math.abs((quote.change ?? Number.NaN) - (quote.price - previous)) < 1e-9)
    if (regular === null) assert.equal(quote.extendedChange, null)
    else assert.ok(Math.abs((quote.extendedChange ?? Number.NaN) - (quote.price - regular)) < 1e-9)
    return quote
  }
  await expect('2025-06-18T07:59:59Z', 'CLOSED', monday, tuesday)
  const before = await expect('2025-06-18T08:00:00Z', 'PRE', tuesday, tuesday)
  assert.notEqual(before.price, tuesday)
  await expect('2025-06-18T13:29:59Z', 'PRE', tuesday, tuesday)
  await expect('2025-06-18T13:30:00Z', 'REGULAR', tuesday, null)
  await expect('2025-06-18T19:59:59Z', 'REGULAR', tuesday, null)
  await expect('2025-06-18T20:00:00Z', 'POST', tuesday, wednesday)
  await expect('2025-06-18T23:59:59Z', 'POST', tuesday, wednesday)
  const night = await expect('2025-06-19T00:00:00Z', 'CLOSED', tuesday, wednesday)
  assert.equal(night.timeMs, Date.parse('2025-06-19T00:00:00Z'))
  // The 19th is a holiday.
  const holiday = await expect('2025-06-19T15:00:00Z', 'CLOSED', tuesday, wednesday)
  assert.deepEqual([holiday.price, holiday.timeMs], [night.price, night.timeMs])
  await expect('2025-06-20T08:00:00Z', 'PRE', wednesday, wednesday)
})

test('high, low and volume of a quote are those of the session, whatever came before and after it', async () => {
  const [candle] = await rows('2025-07-10T12:00Z', '2025-06-18T00:00Z', '2025-06-18T01:00Z')
  for (const time of ['2025-06-18T20:00:00Z', '2025-06-18T22:00Z', '2025-06-19T15:00Z', '2025-06-20T09:00Z']) {
    const { open, dayHigh, dayLow, volume } = await quoteAt(time)
    assert.deepEqual([open, dayHigh, dayLow, volume], [candle?.open, candle?.high, candle?.low, candle?.volume], time)
  }
})

test('a share without extended hours stays at its close until the next session', async () => {
  const [candle] = await rows('2025-07-10T12:00Z', '2025-06-18T00:00Z', '2025-06-18T01:00Z', { symbol: 'SHEL.L' })
  for (const time of ['2025-06-18T15:30:00Z', '2025-06-18T23:00Z', '2025-06-19T06:59:59Z']) {
    const quote = await quoteAt(time, 'SHEL.L')
    assert.deepEqual([quote.price, quote.marketState, quote.regularPrice], [candle?.close, 'CLOSED', null])
    assert.equal(quote.timeMs, Date.parse('2025-06-18T15:30:00Z'))
  }
  assert.equal((await quoteAt('2025-06-19T07:00:00Z', 'SHEL.L')).marketState, 'REGULAR')
})

test('the open candle of every interval closes at the live price', async () => {
  for (const [time, extendedHours] of [
    ['2025-06-18T13:47:21.345Z', false],
    ['2025-06-18T10:47:21.345Z', true],
    ['2025-06-18T21:47:21.345Z', true],
  ] as const) {
    const { price } = await quoteAt(time)
    for (const interval of sourceIntervals.filter((each) => !extendedHours || each !== 'DAY_1')) {
      const candle = (await rows(time, '2025-06-17T00:00Z', '2025-06-20T00:00Z', { interval, extendedHours })).at(-1)
      assert.deepEqual([candle?.closed, candle?.close], [false, price], `${time} ${interval}`)
      assert.ok((candle?.epoch ?? 0) + intervalSeconds(interval) > seconds(time))
    }
  }
})

test('overnight and over the weekend prices move, so that sessions open apart from the close before', async () => {
  const days = await rows('2025-06-18T12:00Z', '2022-01-01T00:00Z', '2025-06-18T00:00Z')
  const moves = days.slice(1).map(({ open, close }, i) => {
    const before = days[i]?.close ?? Number.NaN
    return [Math.log(open / before) ** 2, Math.log(close / open) ** 2] as const
  })
  const [gap, session] = [0, 1].map((each) => moves.reduce((sum, move) => sum + (move[each] ?? 0), 0))
  const share = (gap ?? 0) / ((gap ?? 0) + (session ?? 1))
  assert.ok(share > 0.1 && share < 0.5, `${share}`)
})

test('a market of exchanges is as volatile in a year as one that never closes', async () => {
  for (const symbol of ['AAPL', '^GSPC', 'EURUSD=X', 'BTC-USD']) {
    const [closing, open] = await Promise.all(
      (['exchange', 'always'] as const).map(async (hours) => {
        const source = simulatedSource({
          symbolCount: 20,
          ticksPerSecond: 1,
          hours,
          now: () => seconds('2025-06-18') * 1000,
        })
        const query = { symbol, interval: 'DAY_1', extendedHours: false, from: 0, to: seconds('2025-06-18') } as const
        const closes = (await source.candles(query)).candles.map(({ close }) => close)
        return closes.slice(1).reduce((sum, close, i) => sum + Math.log(close / (closes[i] ?? Number.NaN)) ** 2, 0)
      }),
    )
    const ratio = Math.sqrt((closing ?? 0) / (open ?? 1))
    assert.ok(ratio > 0.75 && ratio < 1.3, `${symbol}: ${ratio}`)
  }
})

test('no ticks come while an exchange is closed; the first update, and the one that tells of the close, do', async (t) => {
  for (const [from, wanted, states] of [
    ['2025-06-18T23:59:58.000Z', 4, ['POST', 'CLOSED']],
    ['2025-06-19T15:00:00.000Z', 1, ['CLOSED']],
    ['2025-06-20T07:59:57.500Z', 9, ['CLOSED', 'PRE']],
  ] as const) {
    const quotes = await watched(t, from, 10_000)
    assert.ok(Math.abs(quotes.length - wanted) <= 1, `${quotes.length} from ${from}`)
    assert.deepEqual([...new Set(quotes.map(({ marketState }) => marketState))], states)
  }
})

/** What the feed sends of AAPL at one tick a second. */
async function watched(t: TestContext, from: string, forMs: number): Promise<Quote[]> {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let nowMs = Date.parse(from)
  const quotes: Quote[] = []
  const feed = simulatedSource({ symbolCount: 1, ticksPerSecond: 1, hours: 'exchange', now: () => nowMs }).openLive({
    update: ({ quote }) => quote && quotes.push(quote),
    failure: () => assert.fail(),
  })
  feed.watch(new Set(['AAPL']))
  await Promise.resolve()
  for (let passed = 0; passed < forMs; passed += 5) {
    nowMs += 5
    t.mock.timers.tick(5)
  }
  await feed.stop()
  t.mock.timers.reset()
  return quotes
}

test('on dates beyond the calendar the exchange keeps the hours of the year before', async () => {
  const days = await rows('2031-03-12T12:00Z', '2031-03-03T00:00Z', '2031-03-11T00:00Z')
  assert.deepEqual(dates(days), ['2031-03-03', '2031-03-04', '2031-03-05', '2031-03-06', '2031-03-07', '2031-03-10'])
})
