import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Candle } from '../../../../src/domain/candle.ts'
import { calendarOf } from '../../../../src/domain/exchange-calendar/calendars.ts'
import { composedSpan } from '../../../../src/domain/sessions/composed-span.ts'
import type { SessionHours } from '../../../../src/domain/sessions/session-hours.ts'
import { finished } from '../../../../src/domain/steps.ts'
import { epochOf } from '../../../../src/domain/time/exchange-clock.ts'
import { compose as composeInSteps } from '../../../../src/market/candles/composition.ts'

const compose = (...given: Parameters<typeof composeInSteps>) => finished(composeInSteps(...given))

const at = (iso: string): number => Date.parse(iso) / 1000
const day = (date: string): number => at(`${date}T00:00:00Z`)
const candle = (epoch: number, [open, high, low, close]: readonly number[], volume: number | null = 10): Candle => ({
  epoch,
  open: open ?? 0,
  high: high ?? 0,
  low: low ?? 0,
  close: close ?? 0,
  volume,
  closed: true,
})
const newYork = { timezone: 'America/New_York', opens: null, closes: null }
const later = { hours: newYork, now: at('2030-01-01T00:00:00Z'), isCurrent: true }

test('a week is its days together, dated by its Monday even where that was a holiday, and split where a year ends', () => {
  const weeks = compose(
    'WEEK_1',
    [
      candle(day('2024-12-27'), [1, 2, 1, 2]),
      candle(day('2024-12-31'), [10, 12, 9, 11], 5),
      candle(day('2025-01-02'), [11, 15, 8, 14], 6),
      candle(day('2025-01-03'), [14, 14, 13, 13], 7),
      candle(day('2025-01-06'), [20, 21, 19, 20]),
    ],
    later,
  )
  assert.deepEqual(weeks, [
    candle(day('2024-12-23'), [1, 2, 1, 2]),
    candle(day('2024-12-30'), [10, 15, 8, 13], 18),
    candle(day('2025-01-06'), [20, 21, 19, 20]),
  ])
})

test('a month is its days together, dated by its first', () => {
  const months = compose(
    'MONTH_1',
    [
      candle(day('2024-02-28'), [1, 5, 1, 2], 3),
      candle(day('2024-02-29'), [2, 3, 0.5, 3], 4),
      candle(day('2024-03-01'), [3, 4, 3, 4]),
    ],
    later,
  )
  assert.deepEqual(months, [candle(day('2024-02-01'), [1, 5, 0.5, 3], 7), candle(day('2024-03-01'), [3, 4, 3, 4])])
})

test('the volume of a whole with one part whose volume is unknown is unknown, wherever that part is', () => {
  const volumeWith = (unknown: number, interval: 'WEEK_1' | 'MONTH_1' | 'MINUTE_30', step: number) => {
    const start = day('2026-11-16')
    const parts = [0, 1, 2, 3, 4].map((i) => candle(start + i * step, [1, 1, 1, 1], i === unknown ? null : 1000))
    return compose(interval, parts, later).map(({ volume }) => volume)
  }
  for (const unknown of [0, 2, 4]) {
    assert.deepEqual(volumeWith(unknown, 'WEEK_1', 86_400), [null])
    assert.deepEqual(volumeWith(unknown, 'MONTH_1', 86_400), [null])
  }
  assert.deepEqual(volumeWith(9, 'WEEK_1', 86_400), [5000])
  assert.deepEqual(volumeWith(1, 'MINUTE_30', 900), [null, 2000, 1000])
})

test('half hours are counted from the opening, also where that is a quarter past, and in the other half of the year', () => {
  const hours = { timezone: 'Asia/Kolkata', opens: at('2025-01-06T03:45:00Z'), closes: null }
  const mumbai = { ...later, hours }
  const quarters = ['03:45', '04:00', '04:15', '04:45'].map((time, i) =>
    candle(at(`2025-07-01T${time}:00Z`), [i, i + 1, i, i + 1]),
  )
  assert.deepEqual(
    compose('MINUTE_30', quarters, mumbai).map(({ epoch, open, close }) => [
      new Date(epoch * 1000).toISOString(),
      open,
      close,
    ]),
    [
      ['2025-07-01T03:45:00.000Z', 0, 2],
      ['2025-07-01T04:15:00.000Z', 2, 3],
      ['2025-07-01T04:45:00.000Z', 3, 4],
    ],
  )
})

test('one is open while its time runs, while its last part does, and while it is not known whether that is all', () => {
  const friday = candle(day('2025-01-10'), [1, 1, 1, 1])
  const isClosed = (parts: readonly Candle[], options: object) =>
    compose('WEEK_1', parts, { ...later, ...options }).at(-1)?.closed
  assert.equal(isClosed([friday], { now: day('2025-01-12') }), false)
  assert.equal(isClosed([friday], { now: day('2025-01-13') }), true)
  assert.equal(isClosed([{ ...friday, closed: false }], {}), false)
  assert.equal(isClosed([friday], { isCurrent: false }), false)
})

test('weeks begin on Mondays and months on their firsts, before 1970 too', () => {
  assert.deepEqual(composedSpan('WEEK_1', day('1969-12-31'), newYork), {
    start: day('1969-12-29'),
    end: day('1970-01-05'),
  })
  assert.deepEqual(composedSpan('MONTH_1', day('1969-12-31'), newYork), {
    start: day('1969-12-01'),
    end: day('1970-01-01'),
  })
})

/** Hours of trading without a pause, and the date that they belong to. */
interface Stretch {
  readonly date: number
  readonly from: number
  readonly to: number
}

interface Market {
  readonly hours: SessionHours
  readonly stretchesOn: (date: number) => Stretch[]
}

const hour = 3600
const marketOf = (exchange: string, timezone: string, opens: string, closes: string, isExtended = false): Market => {
  const calendar = calendarOf(exchange) ?? assert.fail()
  return {
    hours: { exchange, timezone, opens: at(opens), closes: at(closes) },
    stretchesOn(date) {
      const session = calendar.sessionOn(date)
      if (!session) return []
      const edges = [session.opens, ...session.breaks.flatMap(({ from, to }) => [from, to]), session.closes]
      const regular = edges.flatMap((from, i) => (i % 2 === 0 ? [{ date, from, to: edges[i + 1] ?? 0 }] : []))
      if (!isExtended) return regular
      const before = { date, from: epochOf(date + 4 * hour, timezone), to: session.opens }
      return [before, ...regular, { date, from: session.closes, to: session.closes + 4 * hour }]
    },
  }
}
const sydneyAt = (date: number, clock: number) => epochOf(date + clock * hour, 'Australia/Sydney')
const anyMarkets: readonly Market[] = [
  marketOf('NMS', 'America/New_York', '2026-11-27T14:30Z', '2026-11-27T18:00Z'),
  marketOf('NMS', 'America/New_York', '2026-11-25T14:30Z', '2026-11-25T21:00Z', true),
  marketOf('LSE', 'Europe/London', '2026-11-25T08:00Z', '2026-11-25T16:30Z'),
  marketOf('JPX', 'Asia/Tokyo', '2026-11-25T00:00Z', '2026-11-25T06:30Z'),
  marketOf('HKG', 'Asia/Hong_Kong', '2026-11-25T01:30Z', '2026-11-25T08:00Z'),
  marketOf('CMX', 'America/New_York', '2026-11-25T05:00Z', '2026-11-26T05:00Z'),
  marketOf('CCY', 'Europe/London', '2026-11-25T00:00Z', '2026-11-26T00:00Z'),
  marketOf('CCC', 'UTC', '2026-11-25T00:00Z', '2026-11-26T00:00Z'),
  {
    hours: { timezone: 'Australia/Sydney', opens: at('2026-11-24T23:00Z'), closes: at('2026-11-25T05:00Z') },
    stretchesOn: (date) =>
      new Date(date * 1000).getUTCDay() % 6 === 0 ? [] : [{ date, from: sydneyAt(date, 10), to: sydneyAt(date, 16) }],
  },
]

/** Candles, some of which are missing, and some without a known volume. */
const candlesAt = (epochs: readonly number[], seed: number): Candle[] => {
  let state = seed
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state >>> 8) % below
  }
  return epochs.flatMap((epoch) => {
    const [low, height, open, close, volume, kept] = [
      100 + next(50),
      2 + next(20),
      next(99),
      next(99),
      next(900),
      next(9),
    ]
    const within = (share: number) => low + (share % height)
    const made = candle(epoch, [within(open), low + height, low, within(close)], volume < 30 ? null : volume)
    return kept === 0 ? [] : [made]
  })
}

function together(epoch: number, parts: readonly Candle[]): Candle {
  const volumes = parts.map(({ volume }) => volume)
  return {
    epoch,
    open: parts[0]?.open ?? Number.NaN,
    high: Math.max(...parts.map(({ high }) => high)),
    low: Math.min(...parts.map(({ low }) => low)),
    close: parts.at(-1)?.close ?? Number.NaN,
    volume: volumes.includes(null) ? null : volumes.reduce<number>((sum, volume) => sum + (volume ?? 0), 0),
    closed: true,
  }
}

const anyDates = fc
  .tuple(
    // Before changes of the clock in New York, London and Sydney, half days, and a feast.
    fc.constantFrom('2026-03-04', '2026-03-25', '2026-04-01', '2026-09-30', '2026-10-21', '2026-11-23', '2025-12-22'),
    fc.integer({ min: 1, max: 9 }),
  )
  .map(([first, count]) => Array.from({ length: count }, (_, i) => day(first) + i * 86_400))

test('two and four hours are exactly the hours of their part of the session, over changes of clocks, half days, lunch, and round the clock', () => {
  const property = fc.property(fc.constantFrom(...anyMarkets), anyDates, fc.nat(), (market, dates, seed) => {
    const stretches = dates.flatMap(market.stretchesOn)
    const hoursOfStretch = ({ from, to }: Stretch) =>
      Array.from({ length: Math.ceil((to - from) / hour) }, (_, i) => from + i * hour)
    const parts = candlesAt(stretches.flatMap(hoursOfStretch), seed)
    const options = { hours: market.hours, now: at('2030-01-01T00:00Z'), isCurrent: true }
    for (const [interval, size] of [
      ['HOUR_2', 2],
      ['HOUR_4', 4],
    ] as const) {
      const expected = stretches.flatMap((stretch) => {
        const own = parts.filter(({ epoch }) => epoch >= stretch.from && epoch < stretch.to)
        const groups = Map.groupBy(own, ({ epoch }) => Math.floor((epoch - stretch.from) / hour / size))
        return [...groups].map(([place, group]) => together(stretch.from + place * size * hour, group))
      })
      const wholes = compose(interval, parts, options)
      assert.deepEqual(wholes, expected)
      assert.equal(new Set(wholes.map(({ epoch }) => epoch)).size, wholes.length)
    }
  })
  fc.assert(property, { numRuns: 500 })
})

test('a quarter is exactly the days of its three months, dated by the first of them', () => {
  const property = fc.property(
    fc.integer({ min: 0, max: 20_000 }),
    fc.integer({ min: 1, max: 400 }),
    fc.nat(),
    (from, count, seed) => {
      const days = candlesAt(
        Array.from({ length: count }, (_, i) => (from + i) * 86_400),
        seed,
      )
      const groups = Map.groupBy(days, ({ epoch }) => {
        const date = new Date(epoch * 1000)
        return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - (date.getUTCMonth() % 3)) / 1000
      })
      const options = { ...later, now: at('2040-01-01T00:00Z') }
      assert.deepEqual(
        compose('MONTH_3', days, options),
        [...groups].map(([epoch, parts]) => together(epoch, parts)),
      )
    },
  )
  fc.assert(property, { numRuns: 300 })
})

test('hours are open until their last hour is closed and their time is over, which a half day shortens', () => {
  const hours = { ...newYork, exchange: 'NMS', opens: at('2026-11-25T14:30Z'), closes: at('2026-11-25T21:00Z') }
  const rows = ['14:30', '15:30', '16:30', '17:30'].map((time) => candle(at(`2026-11-27T${time}Z`), [1, 1, 1, 1]))
  const isClosed = (parts: readonly Candle[], now: string) =>
    compose('HOUR_4', parts, { hours, now: at(now), isCurrent: true }).map(({ closed }) => closed)
  assert.deepEqual(isClosed(rows, '2026-11-27T18:00:00Z'), [true])
  assert.deepEqual(isClosed(rows, '2026-11-27T17:59:59Z'), [false])
  assert.deepEqual(
    isClosed([...rows.slice(0, 3), candle(at('2026-11-27T17:30Z'), [1, 1, 1, 1], 1)], '2026-11-27T18:00Z'),
    [true],
  )
  assert.deepEqual(
    isClosed(rows.with(-1, { ...candle(at('2026-11-27T17:30Z'), [1, 1, 1, 1]), closed: false }), '2026-11-27T18:10Z'),
    [false],
  )
})
