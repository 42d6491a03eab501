import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SourceInterval } from '../../../../src/domain/time/interval.ts'
import type { CandleQuery } from '../../../../src/market/source.ts'
import { readChart } from '../../../../src/market/yahoo/chart.ts'

const at = (iso: string): number => Date.parse(iso) / 1000
const day = (date: string): number => at(`${date}T00:00:00Z`)

type Price = number | null | undefined
/** Time, open, high, low, close, volume, adjusted close. */
type Row = readonly [number | null, Price, Price, Price, Price, Price?, Price?]

const newYork = {
  exchangeTimezoneName: 'America/New_York',
  regularMarketTime: at('2025-03-12T15:00:07Z'),
  currentTradingPeriod: { regular: { start: at('2025-03-12T13:30:00Z'), end: at('2025-03-12T20:00:00Z') } },
}

const everything: CandleQuery = { symbol: 'TEST', interval: 'DAY_1', extendedHours: false, from: -1e10, to: 1e10 }

function answer(rows: readonly Row[], meta: object = newYork, events: object = {}) {
  const column = (i: number) => rows.map((row) => row[i] ?? null)
  const quote = { open: column(1), high: column(2), low: column(3), close: column(4), volume: column(5) }
  const indicators = { quote: [quote], adjclose: [{ adjclose: column(6) }] }
  return { chart: { result: [{ meta, timestamp: column(0), events, indicators }], error: null } }
}

function read(rows: readonly Row[], interval: SourceInterval, now: number, meta: object = newYork, window = {}) {
  return readChart(answer(rows, meta), { ...everything, interval, ...window }, now * 1000)
}

/** Epoch and close are enough to tell candles apart. */
const brief = ({ candles }: ReturnType<typeof read>) => candles.map(({ epoch, close }) => [epoch, close])
const closed = ({ candles }: ReturnType<typeof read>) => candles.map((candle) => candle.closed)

const open = at('2025-03-12T13:30:00Z')
const noon = at('2025-03-12T16:00:00Z')

test('prices come out as they were before float32, and volume is null where Yahoo has none', () => {
  const { candles } = read(
    [[open, 74.05999755859375, 75.1500015258789, 73.79750061035156, 75.0875015258789]],
    'HOUR_1',
    noon,
  )
  assert.deepEqual(candles, [
    {
      epoch: open,
      open: 74.06,
      high: 75.15,
      low: 73.7975,
      close: 75.0875,
      volume: null,
      closed: true,
      adjustedClose: null,
    },
  ])
})

test('a price that is no float32 stays as it is, and so do volumes', () => {
  const { candles } = read(
    [[open, 129.0399932861328, 129.0512345, 129.04, 129.05000305175781, 45_743_112]],
    'HOUR_1',
    noon,
  )
  const [candle] = candles
  assert.deepEqual(
    [candle?.open, candle?.high, candle?.low, candle?.close, candle?.volume],
    [129.04, 129.0512345, 129.04, 129.05, 45_743_112],
  )
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
  const query = { ...everything, interval: 'MINUTE_1' } as const
  assert.deepEqual(readChart(body, query, noon * 1000).excluded, [open + 60])
})

test('of rows with the same time the last one that can be true wins', () => {
  const rows: Row[] = [
    [open, 1, 9, 1, 1],
    [open, 6, 9, 1, 7],
    [open + 60, 1, 9, 1, 2],
    [open + 60, null, null, null, null],
    [open + 120, 1, 9, 1, 3],
    [open + 120, 0, 0, 0, 0],
  ]
  const batch = read(rows, 'MINUTE_1', noon)
  assert.deepEqual(brief(batch), [
    [open, 7],
    [open + 60, 2],
    [open + 120, 3],
  ])
  assert.equal(batch.candles[0]?.open, 6)
  assert.deepEqual(batch.excluded, [])
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
  const hour = { open: 10, high: 13, low: 9, close: 13, volume: 500, closed: false, adjustedClose: null }
  assert.deepEqual(candles, [{ ...hour, epoch: at('2025-03-12T14:30:00Z') }])
})

test('a current price widens the range of its candle, never narrows it, and moves its close', () => {
  for (const [price, high, low] of [
    [13, 13, 9],
    [10.5, 12, 9],
    [8, 12, 8],
  ] as const) {
    for (const interval of ['DAY_1', 'HOUR_1'] as const) {
      const rows: Row[] = [
        [open, 10, 12, 9, 11, 500],
        [open + 607, price, price, price, price, 0],
      ]
      const { candles } = read(rows, interval, open + 610)
      assert.deepEqual(
        candles.map((candle) => [candle.open, candle.high, candle.low, candle.close, candle.volume]),
        [[10, high, low, price, 500]],
      )
    }
  }
})

test('the volume of a candle is unknown if that of the row or of what goes into it is; a bare price has none', () => {
  const volumeWith = (volume: Price, next: Row) =>
    read([[open, 10, 12, 9, 11, volume], next], 'DAY_1', open + 610).candles.map((candle) => candle.volume)
  const bare: Row = [open + 607, 13, 13, 13, 13, 0]
  assert.deepEqual(volumeWith(500, bare), [500])
  assert.deepEqual(volumeWith(null, bare), [null])
  assert.deepEqual(volumeWith(500, [open + 607, 13, 13, 13, 13, null]), [500])
  // A row of trades.
  assert.deepEqual(volumeWith(500, [open + 607, 11, 13, 11, 13, null]), [null])
  assert.deepEqual(volumeWith(500, [open + 607, 11, 13, 11, 13, 700]), [700])
  assert.deepEqual(volumeWith(null, [open + 607, 11, 13, 11, 13, 700]), [null])
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
    ['MINUTE_15', 900, bell],
  ] as const) {
    const rows: Row[] = [
      [bell - seconds, 10, 11, 9, 10, 500],
      [time, 12, 12, 12, 12, 0],
    ]
    const { candles } = read(rows, interval, bell + 7200)
    const last = { open: 10, high: 12, low: 9, close: 12, volume: 500, closed: true, adjustedClose: null }
    assert.deepEqual(candles, [{ ...last, epoch: bell - seconds }])
  }
})

test('the last row of a past window stays where it is, even after a break and without a trade', () => {
  const rows: Row[] = [
    [at('2025-03-10T03:30:00Z'), 1, 1, 1, 1, 5],
    [at('2025-03-10T05:00:00Z'), 1, 1, 1, 1, 0],
  ]
  assert.equal(brief(read(rows, 'HOUR_1', noon)).at(-1)?.[0], at('2025-03-10T05:00:00Z'))
})

test('the last row stays where it is after a break within the session, too', () => {
  const rows: Row[] = [
    [open, 1, 1, 1, 1, 5],
    [open + 5400, 1, 1, 1, 1, 0],
  ]
  assert.equal(brief(read(rows, 'HOUR_1', noon)).at(-1)?.[0], open + 5400)
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
    const batch = read([[at(time), 1, 1, 1, 1, 5]], 'DAY_1', at('2025-08-01T00:00:00Z'), { exchangeTimezoneName })
    assert.deepEqual(brief(batch), [[day(date), 1]], exchangeTimezoneName)
  }
})

test('the current price goes into its day, and a null row of that day does not leave it out', () => {
  const first: Row = [open, 10, 12, 9, 11, 500, 10.5]
  const price: Row = [newYork.regularMarketTime, 13, 13, 13, 13, 0, 12.5]
  const batch = read([first, price], 'DAY_1', noon)
  const prices = { open: 10, high: 13, low: 9, close: 13, volume: 500, adjustedClose: 12.5 }
  assert.deepEqual(batch.candles, [{ epoch: day('2025-03-12'), ...prices, closed: false }])
  assert.deepEqual(batch.excluded, [])
  const empty: Row = [open, null, null, null, null]
  assert.deepEqual(brief(read([empty, price], 'DAY_1', noon)), [[day('2025-03-12'), 13]])
  assert.deepEqual(read([first, [noon, null, null, null, null]], 'DAY_1', noon).excluded, [])
  assert.deepEqual(read([empty], 'DAY_1', noon).excluded, [day('2025-03-12')])
})

test('a current price that cannot be true does not spoil the candle that it would go into', () => {
  for (const price of [0, -1, 110, null]) {
    for (const interval of ['DAY_1', 'HOUR_1'] as const) {
      const rows: Row[] = [
        [open, 10, 12, 9, 11, 500],
        [open + 607, price, price, price, price, 0],
      ]
      const batch = read(rows, interval, open + 610)
      assert.deepEqual(
        batch.candles.map(({ high, low, close }) => [high, low, close]),
        [[12, 9, 11]],
        `${interval} ${price}`,
      )
      assert.deepEqual(batch.excluded, [])
    }
  }
})

test("a bad row is named by its candle's own time, which for a day is its trading date", () => {
  const rows: Row[] = [
    [open - 86_400, 1, 1, 1, 1, 5],
    [open, null, null, null, null],
  ]
  assert.deepEqual(read(rows, 'DAY_1', noon).excluded, [day('2025-03-12')])
  const sydney = { exchangeTimezoneName: 'Australia/Sydney' }
  const back = ['2025-03-03T23:00:00Z', '2025-03-04T23:00:00Z', '2025-03-02T23:00:00Z', '2025-03-05T23:00:00Z']
  const backwards = back.map((time): Row => [at(time), 1, 1, 1, 1, 5])
  assert.deepEqual(read(backwards, 'DAY_1', noon, sydney).excluded, [day('2025-03-03')])
})

test('the adjusted close of a day is passed on, and is null where Yahoo does not say or the interval is shorter', () => {
  const rows: Row[] = [
    [open - 86_400, 126, 126, 126, 126, 5, 125.82673645019531],
    [open, 126, 126, 126, 126, 5],
  ]
  const adjusted = (interval: SourceInterval) =>
    read(rows, interval, noon).candles.map(({ adjustedClose }) => adjustedClose)
  assert.deepEqual(adjusted('DAY_1'), [125.82674, null])
  assert.deepEqual(adjusted('HOUR_1'), [null, null])
  const body = answer(rows)
  Object.assign(body.chart.result[0]?.indicators ?? {}, { adjclose: undefined })
  assert.deepEqual(
    readChart(body, everything, noon * 1000).candles.map(({ adjustedClose }) => adjustedClose),
    [null, null],
  )
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
  const body = (quote: object) => ({ chart: { result: [{ meta: newYork, indicators: { quote: [quote] } }] } })
  const { candles, excluded, dividends, splits } = readChart(body({}), everything, 0)
  assert.deepEqual({ candles, excluded, dividends, splits }, { candles: [], excluded: [], dividends: [], splits: [] })
  assert.throws(() => readChart(body({ close: [1] }), everything, 0), /without times/)
  for (const broken of [null, {}, { chart: { result: null } }, { chart: { result: [{ meta: {} }] } }]) {
    assert.throws(() => readChart(broken, everything, 0))
  }
})

test('dividends and splits come by trading date, oldest first, only those in [from, to), and for days alone', () => {
  const sydney = { exchangeTimezoneName: 'Australia/Sydney' }
  // Of the 5th, the 4th, the 3rd and the 31st, as Sydney counts.
  const dates = ['2025-02-04T23:00:00Z', '2025-02-03T23:00:00Z', '2025-02-02T23:00:00Z', '2025-01-30T23:00:00Z'].map(at)
  const keyed = <T>(event: (i: number) => T) =>
    Object.fromEntries(dates.map((date, i) => [`x${date}`, { date, ...event(i) }]))
  const events = {
    dividends: keyed((i) => ({ amount: 0.205 + i })),
    splits: keyed((i) => ({ numerator: 4 + i, denominator: 1, splitRatio: `${4 + i}:1` })),
  }
  const window = { from: day('2025-02-03'), to: day('2025-02-05') }
  const batch = readChart(answer([], sydney, events), { ...everything, ...window }, noon * 1000)
  assert.deepEqual(batch.dividends, [
    { epoch: day('2025-02-03'), amount: 2.205, currency: null },
    { epoch: day('2025-02-04'), amount: 1.205, currency: null },
  ])
  assert.deepEqual(batch.splits, [
    { epoch: day('2025-02-03'), numerator: 6, denominator: 1 },
    { epoch: day('2025-02-04'), numerator: 5, denominator: 1 },
  ])
  const hours = readChart(answer([], sydney, events), { ...everything, interval: 'HOUR_1' }, noon * 1000)
  assert.deepEqual([hours.dividends, hours.splits], [[], []])
})

test('a dividend or split that cannot be true is left out, and takes nothing with it', () => {
  const good = { date: open, amount: 1, numerator: 3, denominator: 2 }
  const bad = [
    { amount: -1, numerator: 0 },
    { amount: 0, denominator: 0 },
    { amount: '1', numerator: null },
    { amount: null, denominator: -2 },
    { date: null },
    { date: 1e300 },
    { date: 'yesterday' },
  ]
  const keyed = Object.fromEntries([good, ...bad.map((over) => ({ ...good, ...over })), null, 7].entries())
  const events = { dividends: keyed, splits: keyed }
  const batch = readChart(answer([[open, 1, 1, 1, 1]], newYork, events), everything, noon * 1000)
  assert.deepEqual(batch.dividends, [{ epoch: day('2025-03-12'), amount: 1, currency: null }])
  assert.deepEqual(batch.splits, [{ epoch: day('2025-03-12'), numerator: 3, denominator: 2 }])
  for (const odd of [null, [], 'none', { dividends: 'none' }, { splits: null, dividends: keyed }]) {
    const answered = { ...answer([[open, 1, 1, 1, 1]], newYork) }
    Object.assign(answered.chart.result[0] ?? {}, { events: odd })
    assert.equal(readChart(answered, everything, noon * 1000).candles.length, 1)
  }
})

test("a dividend's currency is told as it is written, and is null where there is none or no text", () => {
  const currencyOf = (...written: readonly unknown[]) => {
    const dividends = Object.fromEntries(
      written.map((currency, i) => [
        i,
        { date: open, amount: 0.0188, ...(currency === undefined ? {} : { currency }) },
      ]),
    )
    const body = answer([[open, 1, 1, 1, 1]], { ...newYork, currency: 'GBp' }, { dividends })
    return readChart(body, everything, noon * 1000).dividends
  }
  const epoch = day('2025-03-12')
  assert.deepEqual(currencyOf('USD'), [{ epoch, amount: 0.0188, currency: 'USD' }])
  assert.deepEqual(currencyOf('GBp'), [{ epoch, amount: 0.0188, currency: 'GBp' }])
  for (const none of [undefined, null, '', 7, 'no currency']) {
    assert.deepEqual(currencyOf(none), [{ epoch, amount: 0.0188, currency: null }])
  }
  // Pounds and dollars are not added.
  assert.deepEqual(currencyOf('USD', 'GBp', null), [{ epoch, amount: 0.0376, currency: 'GBp' }])
})

test('facts tell zone, currency, first trade and hours, and null for what Yahoo leaves out', () => {
  const { start, end } = newYork.currentTradingPeriod.regular
  const meta = { ...newYork, currency: 'USD', firstTradeDate: 345_479_400 }
  assert.deepEqual(read([], 'DAY_1', noon, meta).facts, {
    timezone: 'America/New_York',
    currency: 'USD',
    firstTradeEpoch: 345_479_400,
    sessionOpens: start,
    sessionCloses: end,
    exchange: null,
    hours: { opens: start, closes: end },
  })
  const unsaid = {
    ...{ timezone: 'UTC', currency: null, firstTradeEpoch: null },
    ...{ sessionOpens: null, sessionCloses: null, exchange: null, hours: null },
  }
  assert.deepEqual(read([], 'DAY_1', noon, {}).facts, unsaid)
  const odd = {
    exchangeTimezoneName: 'Mars/Olympus',
    currency: 7,
    firstTradeDate: 'x',
    currentTradingPeriod: { regular: 1 },
  }
  assert.deepEqual(read([], 'DAY_1', noon, odd).facts, unsaid)
  const endless = { currentTradingPeriod: { regular: { start: 1e300, end: 2e300 } } }
  assert.deepEqual(read([], 'DAY_1', noon, endless).facts, unsaid)
})

test('a row that goes back in time is left out of the minute that it lies in', () => {
  const rows: Row[] = [
    [open, 1, 2, 1, 2],
    [open + 120, 1, 2, 1, 2],
    [open + 61, 1, 2, 1, 2],
  ]
  const { candles, excluded } = read([...rows, [open + 180, 1, 2, 1, 2]], 'MINUTE_1', noon)
  assert.equal(candles.length, 3)
  assert.deepEqual(excluded, [open + 60])
})

test('the last hour of a session that is no whole number of hours is closed once it is final', () => {
  const mumbai = {
    exchangeTimezoneName: 'Asia/Kolkata',
    currentTradingPeriod: { regular: { start: at('2025-03-12T03:45:00Z'), end: at('2025-03-12T10:00:00Z') } },
  }
  const last = at('2025-03-12T09:45:00Z')
  const at1 = (now: string) => closed(read([[last, 1, 1, 1, 1]], 'HOUR_1', at(now), mumbai))
  assert.deepEqual([at1('2025-03-12T10:29:00Z'), at1('2025-03-12T10:30:00Z')], [[false], [true]])
})

test('what is said of a series in no form that can be stored is left out of its facts', () => {
  const odd = { ...newYork, currency: 'US\u0000', firstTradeDate: 345_479_400.5 }
  const { facts } = read([], 'DAY_1', noon, odd)
  assert.deepEqual([facts?.currency, facts?.firstTradeEpoch], [null, null])
})

test('two dividends of one trading date are one, and so are two splits', () => {
  const twice = <T extends object>(first: T, second: T) => ({
    1: { date: open, ...first },
    2: { date: open + 60, ...second },
  })
  const events = {
    dividends: twice({ amount: 0.25 }, { amount: 2 }),
    splits: twice({ numerator: 3, denominator: 2 }, { numerator: 2, denominator: 1 }),
  }
  const { chart } = answer([])
  const [result] = chart.result
  const body = { chart: { result: [{ ...result, events }], error: null } }
  const query = { symbol: 'TEST', interval: 'DAY_1', extendedHours: false, from: 0, to: 1e10 } as const
  const { dividends, splits } = readChart(body, query, noon * 1000)
  assert.deepEqual(dividends, [{ epoch: day('2025-03-12'), amount: 2.25, currency: null }])
  assert.deepEqual(splits, [{ epoch: day('2025-03-12'), numerator: 6, denominator: 2 }])
})

test('a row between two full minutes is of the minute in which it began, and takes nothing from that', () => {
  const { candles, excluded } = read(
    [
      [open, 1, 3, 1, 2, 10],
      [open + 7, 2, 4, 2, 3, 4],
      [open + 60, 3, 3, 3, 3, 1],
    ],
    'MINUTE_1',
    noon,
  )
  assert.deepEqual(
    candles.map(({ epoch, high, close, volume }) => [epoch, high, close, volume]),
    [
      [open, 4, 3, 10],
      [open + 60, 3, 3, 1],
    ],
  )
  assert.deepEqual(excluded, [])
})

const extended = {
  ...newYork,
  currentTradingPeriod: {
    pre: { start: at('2025-03-12T08:00:00Z'), end: open },
    regular: newYork.currentTradingPeriod.regular,
    post: { start: at('2025-03-12T20:00:00Z'), end: at('2025-03-13T00:00:00Z') },
  },
}

test('with extended hours the trading hours go from the first to the last trade of the day, without from bell to bell', () => {
  const { pre, regular, post } = extended.currentTradingPeriod
  const hours = (extendedHours: boolean, interval: SourceInterval) =>
    read([], interval, noon, extended, { extendedHours }).facts?.hours
  assert.deepEqual(hours(true, 'MINUTE_1'), { opens: pre.start, closes: post.end })
  assert.deepEqual(hours(false, 'MINUTE_1'), { opens: regular.start, closes: regular.end })
  assert.deepEqual(hours(true, 'DAY_1'), { opens: regular.start, closes: regular.end })
})

test('a minute after the bell without any move is a candle where extended hours were asked for', () => {
  const rows: Row[] = [
    [at('2025-03-12T20:58:00Z'), 1, 2, 1, 2, 0],
    [at('2025-03-12T20:59:00Z'), 2, 2, 2, 2, 0],
  ]
  const batch = read(rows, 'MINUTE_1', at('2025-03-12T22:00:00Z'), extended, { extendedHours: true })
  assert.equal(batch.candles.length, 2)
})

test('in extended hours the first price of each period begins a candle of its own', () => {
  for (const [before, price, start] of [
    ['2025-03-12T13:00:00Z', '2025-03-12T13:30:07Z', '2025-03-12T13:30:00Z'],
    ['2025-03-12T19:30:00Z', '2025-03-12T20:00:07Z', '2025-03-12T20:00:00Z'],
    ['2025-03-11T23:00:00Z', '2025-03-12T08:00:07Z', '2025-03-12T08:00:00Z'],
  ] as const) {
    const rows: Row[] = [
      [at(before), 1, 1, 1, 1, 5],
      [at(price), 2, 2, 2, 2, 0],
    ]
    const batch = read(rows, 'HOUR_1', at(price) + 1, extended, { extendedHours: true })
    assert.deepEqual(brief(batch).at(-1), [at(start), 2])
    assert.equal(batch.candles.length, 2)
  }
})

test("the price after yesterday's bell, which Yahoo appends until today's open, is no candle either", () => {
  const bell = at('2025-03-11T20:00:00Z')
  for (const time of [bell, bell + 1]) {
    const rows: Row[] = [
      [bell - 120, 1, 1, 1, 1, 5],
      [bell - 60, 1, 1, 1, 1, 5],
      [time, 2, 2, 2, 2, 0],
    ]
    const batch = read(rows, 'MINUTE_1', at('2025-03-12T12:00:00Z'), { ...newYork, regularMarketTime: time })
    assert.deepEqual(brief(batch), [
      [bell - 120, 1],
      [bell - 60, 2],
    ])
  }
})

test('the price after the bell does not go into a candle of another day', () => {
  const rows: Row[] = [
    [at('2025-03-10T19:59:00Z'), 1, 1, 1, 1, 5],
    [at('2025-03-11T20:00:01Z'), 2, 2, 2, 2, 0],
  ]
  const batch = read(rows, 'MINUTE_1', at('2025-03-12T12:00:00Z'))
  assert.deepEqual(brief(batch)[0], [at('2025-03-10T19:59:00Z'), 1])
})
