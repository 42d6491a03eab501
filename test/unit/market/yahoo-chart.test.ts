import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Interval } from '../../../src/domain/interval.ts'
import { readChart } from '../../../src/market/yahoo-chart.ts'

const at = (iso: string): number => Date.parse(iso) / 1000
const day = (date: string): number => at(`${date}T00:00:00Z`)

type Price = number | null | undefined
/** Time, open, high, low, close, volume. */
type Row = readonly [number | null, Price, Price, Price, Price, Price?]

const newYork = {
  exchangeTimezoneName: 'America/New_York',
  regularMarketTime: at('2025-03-12T15:00:07Z'),
  currentTradingPeriod: { regular: { start: at('2025-03-12T13:30:00Z'), end: at('2025-03-12T20:00:00Z') } },
}

function answer(rows: readonly Row[], meta: object = newYork) {
  const column = (i: number) => rows.map((row) => row[i] ?? null)
  const quote = { open: column(1), high: column(2), low: column(3), close: column(4), volume: column(5) }
  return { chart: { result: [{ meta, timestamp: column(0), indicators: { quote: [quote] } }], error: null } }
}

function read(rows: readonly Row[], interval: Interval, now: number, meta: object = newYork, window = {}) {
  return readChart(answer(rows, meta), { symbol: 'TEST', interval, from: -1e10, to: 1e10, ...window }, now * 1000)
}

/** Epoch and close are enough to tell candles apart. */
const brief = ({ candles }: ReturnType<typeof read>) => candles.map(({ epoch, close }) => [epoch, close])
const closed = ({ candles }: ReturnType<typeof read>) => candles.map((candle) => candle.closed)

const open = at('2025-03-12T13:30:00Z')
const noon = at('2025-03-12T16:00:00Z')

test('prices come out unrounded, and volume is null where Yahoo has none', () => {
  const { candles } = read(
    [[open, 74.05999755859375, 75.1500015258789, 73.79750061035156, 75.0875015258789]],
    'HOUR_1',
    noon,
  )
  assert.deepEqual(candles, [
    {
      epoch: open,
      open: 74.05999755859375,
      high: 75.1500015258789,
      low: 73.79750061035156,
      close: 75.0875015258789,
      volume: null,
      closed: true,
    },
  ])
})

test('rows with null, missing or impossible prices are left out and named', () => {
  const rows: Row[] = [
    [open, 1, 2, 1, 2],
    [open + 60, null, null, null, null],
    [open + 120, 1, 2, 1, null],
    [open + 180, 1, 1, 2, 2],
    [open + 240, 1, 2, 1, 2],
    [null, 1, 2, 1, 2],
  ]
  const batch = read(rows, 'MINUTE_1', noon)
  assert.deepEqual(brief(batch), [
    [open, 2],
    [open + 240, 2],
  ])
  assert.deepEqual(batch.excluded, [open + 60, open + 120, open + 180])
})

test('columns that are shorter than the times leave the rest out', () => {
  const body = answer([
    [open, 1, 2, 1, 2],
    [open + 60, 1, 2, 1, 2],
  ])
  body.chart.result[0]?.indicators.quote[0]?.close.pop()
  const query = { symbol: 'TEST', interval: 'MINUTE_1', from: 0, to: 1e10 } as const
  assert.deepEqual(readChart(body, query, noon * 1000).excluded, [open + 60])
})

test('rows out of order are sorted, and of rows with the same time the last one wins', () => {
  const rows: Row[] = [
    [open + 120, 1, 9, 1, 3],
    [open, 1, 9, 1, 1],
    [open + 60, 1, 9, 1, 2],
    [open, 1, 9, 1, 7],
  ]
  assert.deepEqual(brief(read(rows, 'MINUTE_1', noon)), [
    [open, 7],
    [open + 60, 2],
    [open + 120, 3],
  ])
})

test('only what starts in [from, to) is taken, excluded rows included', () => {
  const rows: Row[] = [0, 1, 2, 3].map((i) => [open + i * 60, 1, 1, 1, i % 2 ? null : 1, 5])
  const batch = read(rows, 'MINUTE_1', noon, newYork, { from: open + 60, to: open + 180 })
  assert.deepEqual(brief(batch), [[open + 120, 1]])
  assert.deepEqual(batch.excluded, [open + 60])
})

test('a price between two intervals goes into the candle that runs', () => {
  const rows: Row[] = [
    [at('2025-03-12T14:30:00Z'), 10, 12, 9, 11, 500],
    [at('2025-03-12T15:00:07Z'), 13, 13, 13, 13, 0],
  ]
  const { candles } = read(rows, 'HOUR_1', at('2025-03-12T15:00:10Z'))
  assert.deepEqual(candles, [
    { epoch: at('2025-03-12T14:30:00Z'), open: 10, high: 13, low: 9, close: 13, volume: 500, closed: false },
  ])
})

test('a price at a full minute is no candle of an hour either', () => {
  const rows: Row[] = [
    [at('2025-03-12T14:30:00Z'), 10, 12, 9, 11, 500],
    [at('2025-03-12T15:00:00Z'), 13, 13, 13, 13, 0],
  ]
  assert.deepEqual(brief(read(rows, 'HOUR_1', noon)), [[at('2025-03-12T14:30:00Z'), 13]])
})

test('a price whose candle has no usable row yet is that candle', () => {
  const rows: Row[] = [
    [open, 1, 1, 1, 1, 5],
    [open + 60, null, null, null, null],
    [open + 67, 2, 2, 2, 2, 0],
  ]
  const batch = read(rows, 'MINUTE_1', open + 70)
  assert.deepEqual(brief(batch), [
    [open, 1],
    [open + 60, 2],
  ])
  assert.deepEqual(batch.excluded, [])
})

test('a price without a candle of its own begins one on the grid', () => {
  const rows: Row[] = [
    [open, 1, 1, 1, 1, 5],
    [open + 667, 2, 2, 2, 2, 0],
  ]
  assert.deepEqual(brief(read(rows, 'MINUTE_5', open + 670)), [
    [open, 1],
    [open + 600, 2],
  ])
})

test("the first price of a session begins a candle at the session's start, whenever the day before ended", () => {
  const rows: Row[] = [
    [at('2025-03-11T18:45:00Z'), 1, 1, 1, 1, 5],
    [open + 11, 2, 2, 2, 2, 0],
  ]
  assert.deepEqual(brief(read(rows, 'HOUR_1', open + 12)).at(-1), [open, 2])
})

test('the price after the bell is the close of the last candle, not a candle', () => {
  const bell = at('2025-03-12T20:00:00Z')
  for (const [interval, seconds, time] of [
    ['HOUR_1', 1800, bell + 1],
    ['MINUTE_1', 60, bell + 1],
    ['MINUTE_1', 60, bell],
    ['MINUTE_30', 1800, bell],
  ] as const) {
    const rows: Row[] = [
      [bell - seconds, 10, 11, 9, 10, 500],
      [time, 12, 12, 12, 12, 0],
    ]
    const { candles } = read(rows, interval, bell + 7200)
    assert.deepEqual(candles, [
      { epoch: bell - seconds, open: 10, high: 12, low: 9, close: 12, volume: 500, closed: true },
    ])
  }
})

test('the last row of a past window stays where it is, even after a break and without a trade', () => {
  const rows: Row[] = [
    [at('2025-03-10T03:30:00Z'), 1, 1, 1, 1, 5],
    [at('2025-03-10T05:00:00Z'), 1, 1, 1, 1, 0],
  ]
  assert.equal(brief(read(rows, 'HOUR_1', noon)).at(-1)?.[0], at('2025-03-10T05:00:00Z'))
})

test('in a market that never closes the last minute of the day is a candle like any other', () => {
  const midnight = day('2025-03-12')
  const meta = {
    exchangeTimezoneName: 'UTC',
    regularMarketTime: midnight + 86_340,
    currentTradingPeriod: { regular: { start: midnight, end: midnight + 86_340 } },
  }
  const rows: Row[] = [
    [midnight + 86_280, 1, 1, 1, 1, 0],
    [midnight + 86_340, 2, 2, 2, 2, 0],
  ]
  assert.equal(read(rows, 'MINUTE_1', midnight + 86_350, meta).candles.length, 2)
})

test('a candle is open until its interval has ended', () => {
  const rows: Row[] = [
    [open, 1, 1, 1, 1, 5],
    [open + 300, 1, 2, 1, 2, 5],
  ]
  assert.deepEqual(closed(read(rows, 'MINUTE_5', open + 599)), [true, false])
  assert.deepEqual(closed(read(rows, 'MINUTE_5', open + 600)), [true, true])
})

test("a day is midnight UTC of the exchange's date, east and west of it, in summer and in winter", () => {
  const cases = [
    ['America/New_York', '2025-01-15T14:30:00Z', '2025-01-15'],
    ['America/New_York', '2025-07-15T13:30:00Z', '2025-07-15'],
    ['Australia/Sydney', '2025-01-14T23:00:00Z', '2025-01-15'],
    ['Asia/Tokyo', '2025-01-15T00:00:00Z', '2025-01-15'],
    ['Europe/London', '2025-07-14T23:00:00Z', '2025-07-15'],
    ['UTC', '2025-01-15T00:00:00Z', '2025-01-15'],
    ['Mars/Olympus', '2025-01-15T00:00:00Z', '2025-01-15'],
  ] as const
  for (const [exchangeTimezoneName, time, date] of cases) {
    const batch = read([[at(time), 1, 1, 1, 1, 5]], 'DAY_1', noon, { exchangeTimezoneName })
    assert.deepEqual(brief(batch), [[day(date), 1]], exchangeTimezoneName)
  }
})

test('the current price goes into its day, and a null row of that day does not leave it out', () => {
  const first: Row = [open, 10, 12, 9, 11, 500]
  const price: Row = [newYork.regularMarketTime, 13, 13, 13, 13, 0]
  const merged = { epoch: day('2025-03-12'), open: 10, high: 13, low: 9, close: 13, volume: 500, closed: false }
  assert.deepEqual(read([first, price], 'DAY_1', noon), { candles: [merged], excluded: [] })
  const empty: Row = [open, null, null, null, null]
  assert.deepEqual(brief(read([empty, price], 'DAY_1', noon)), [[day('2025-03-12'), 13]])
  assert.deepEqual(read([first, [noon, null, null, null, null]], 'DAY_1', noon).excluded, [])
  assert.deepEqual(read([empty], 'DAY_1', noon).excluded, [day('2025-03-12')])
})

test("a day is open until the bell of its own session, in the exchange's zone", () => {
  const rows: Row[] = [
    [open - 86_400, 1, 1, 1, 1, 5],
    [open, 1, 1, 1, 1, 5],
  ]
  const bell = newYork.currentTradingPeriod.regular.end
  assert.deepEqual(closed(read(rows, 'DAY_1', bell - 1)), [true, false])
  assert.deepEqual(closed(read(rows, 'DAY_1', bell)), [true, true])
  const tomorrow = { start: open + 86_400, end: bell + 86_400 }
  const meta = { ...newYork, currentTradingPeriod: { regular: tomorrow } }
  assert.deepEqual(closed(read(rows, 'DAY_1', bell + 7200, meta)), [true, true])
})

test('where Yahoo does not tell of the session, a day is open until its date is over', () => {
  const meta = { exchangeTimezoneName: 'America/New_York' }
  const rows: Row[] = [[open, 1, 1, 1, 1, 5]]
  assert.deepEqual(closed(read(rows, 'DAY_1', at('2025-03-13T03:59:59Z'), meta)), [false])
  assert.deepEqual(closed(read(rows, 'DAY_1', at('2025-03-13T04:00:00Z'), meta)), [true])
})

test('in a market that never closes a day is open until midnight, not until 23:59', () => {
  const midnight = day('2025-03-12')
  const regular = { start: midnight, end: midnight + 86_340 }
  const meta = { exchangeTimezoneName: 'UTC', currentTradingPeriod: { regular } }
  assert.deepEqual(closed(read([[midnight, 1, 1, 1, 1, 5]], 'DAY_1', midnight + 86_399, meta)), [false])
  assert.deepEqual(closed(read([[midnight, 1, 1, 1, 1, 5]], 'DAY_1', midnight + 86_400, meta)), [true])
})

test('an answer without rows is empty, and one with prices but no times is refused', () => {
  const query = { symbol: 'TEST', interval: 'DAY_1', from: 0, to: 1e10 } as const
  const body = (quote: object) => ({ chart: { result: [{ meta: newYork, indicators: { quote: [quote] } }] } })
  assert.deepEqual(readChart(body({}), query, 0), { candles: [], excluded: [] })
  assert.throws(() => readChart(body({ close: [1] }), query, 0), /without times/)
  for (const broken of [null, {}, { chart: { result: null } }, { chart: { result: [{ meta: {} }] } }]) {
    assert.throws(() => readChart(broken, query, 0))
  }
})
