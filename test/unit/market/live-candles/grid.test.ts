import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { calendarOf } from '../../../../src/domain/exchange-calendar/calendars.ts'
import type { Quote } from '../../../../src/domain/quote.ts'
import type { SessionHours } from '../../../../src/domain/sessions/session-hours.ts'
import { finished } from '../../../../src/domain/steps.ts'
import { type Interval, intervals, isComposed, isDaily, sourceInterval } from '../../../../src/domain/time/interval.ts'
import { compose as composeInSteps } from '../../../../src/market/candles/composition.ts'
import { CandleGrid } from '../../../../src/market/live-candles/grid.ts'
import { at, epochAt, newYork, quoteAt, roundTheClock } from '../../../support/candles/live-candles.ts'
import { barsOf, type Model, sessionsOf } from '../../../support/candles/model-market.ts'

const compose = (...given: Parameters<typeof composeInSteps>) => finished(composeInSteps(...given))

const minutes = (hours: number, minutes = 0): number => hours * 3600 + minutes * 60

/** Over a change of daylight saving in New York and, three weeks later, in London; sessions of Mumbai open at a quarter past. */
const markets = [
  { timezone: 'America/New_York', opens: minutes(9, 30), closes: minutes(16) },
  { timezone: 'Europe/London', opens: minutes(8), closes: minutes(16, 30) },
  { timezone: 'Asia/Kolkata', opens: minutes(9, 15), closes: minutes(15, 30) },
].map((market): Model => {
  const firstDay = epochAt('2025-02-24T00:00:00Z') / 86_400
  const none = { holidays: new Set<number>(), halfDays: new Set<number>(), splits: [], dividends: [] }
  return { ...market, ...none, firstDay, lastDay: firstDay + 45, delaySeconds: 0, seed: 1 }
})

const allOf = new Map(
  markets.map((model) => {
    const sessions = sessionsOf(model)
    const [first] = sessions
    const hours: SessionHours = {
      timezone: model.timezone,
      opens: first?.start ?? null,
      closes: first?.end ?? null,
    }
    const startsOf = (interval: Interval): number[] => {
      const bars = barsOf(model, sourceInterval(interval), epochAt('2026-01-01T00:00:00Z'))
      if (!isComposed(interval)) return bars.map(({ epoch }) => epoch)
      const options = { hours, now: epochAt('2026-01-01T00:00:00Z'), isCurrent: true }
      return compose(interval, bars, options).map(({ epoch }) => epoch)
    }
    const starts = new Map(intervals.map((interval) => [interval, startsOf(interval)]))
    // One for all times, as in a series that is open for weeks.
    const grids = new Map(intervals.map((interval) => [interval, new CandleGrid(interval, false, hours)]))
    return [model, { sessions, starts, grids }] as const
  }),
)

test('a price of the regular session goes into the candle that the candles of every interval have at its time', () => {
  const anywhere = fc.record({
    model: fc.constantFrom(...markets),
    interval: fc.constantFrom(...intervals),
    session: fc.nat({ max: 30 }),
    through: fc.double({ min: 0, max: 0.999, noNaN: true }),
  })
  fc.assert(
    fc.property(anywhere, ({ model, interval, session, through }) => {
      const { sessions, starts, grids } = allOf.get(model) ?? assert.fail()
      const { day, start, end } = sessions[session] ?? assert.fail()
      const time = start + (end - start) * through
      const grid = grids.get(interval) ?? assert.fail()
      const expected = starts.get(interval)?.findLast((epoch) => epoch <= (isDaily(interval) ? day * 86_400 : time))
      assert.equal(grid.startOf(quoteAt(time * 1000, 1)), expected)
      assert.equal(grid.dateOf(Math.floor(time)), day * 86_400)
    }),
    { numRuns: 3000 },
  )
})

const hoursOf = (exchange: string, timezone: string, opens: string, closes: string): SessionHours => ({
  ...{ exchange, timezone },
  opens: epochAt(opens),
  closes: epochAt(closes),
})

test('hours of exchanges with lunch, with half days, and without a bell are those composed of the hours of the source', () => {
  const anyHours = [
    hoursOf('JPX', 'Asia/Tokyo', '2026-11-25T00:00:00Z', '2026-11-25T06:30:00Z'),
    hoursOf('HKG', 'Asia/Hong_Kong', '2025-12-23T01:30:00Z', '2025-12-23T08:00:00Z'),
    hoursOf('NMS', 'America/New_York', '2026-11-25T14:30:00Z', '2026-11-25T21:00:00Z'),
    hoursOf('CMX', 'America/New_York', '2026-11-25T05:00:00Z', '2026-11-26T05:00:00Z'),
    hoursOf('CCC', 'UTC', '2026-11-25T00:00:00Z', '2026-11-26T00:00:00Z'),
  ]
  const anyPrice = fc.record({
    hours: fc.constantFrom(...anyHours),
    interval: fc.constantFrom<Interval>('HOUR_1', 'HOUR_2', 'HOUR_4', 'MINUTE_30', 'MINUTE_5'),
    date: fc.constantFrom('2025-12-23', '2026-03-05', '2026-10-29', '2026-11-24'),
    later: fc.nat({ max: 5 }),
    through: fc.double({ min: 0, max: 0.9999, noNaN: true }),
  })
  const price = fc.property(anyPrice, ({ hours, interval, date, later, through }) => {
    const session = calendarOf(hours.exchange ?? '')?.sessionOn(epochAt(`${date}T00:00:00Z`) + later * 86_400)
    if (!session) return
    const edges = [session.opens, ...session.breaks.flatMap(({ from, to }) => [from, to]), session.closes]
    const stretches = edges.flatMap((from, i) => (i % 2 === 0 ? [{ from, to: edges[i + 1] ?? 0 }] : []))
    const size = interval.startsWith('HOUR') ? 3600 : 300
    const rows = stretches.flatMap(({ from, to }) =>
      Array.from({ length: Math.ceil((to - from) / size) }, (_, i) => from + i * size),
    )
    const wholes = isComposed(interval)
      ? compose(
          interval,
          rows.map((epoch) => ({ epoch, open: 1, high: 1, low: 1, close: 1, volume: 1, closed: true })),
          { hours, now: epochAt('2030-01-01T00:00:00Z'), isCurrent: true },
        ).map(({ epoch }) => epoch)
      : rows
    const { from, to } = stretches[later % stretches.length] ?? assert.fail()
    const time = Math.floor(from + (to - from) * through)
    const grid = new CandleGrid(interval, false, hours)
    const start = grid.startOf(quoteAt(time * 1000, 1))
    assert.equal(
      start,
      wholes.findLast((epoch) => epoch <= time),
    )
    assert.ok(grid.endOf(start ?? 0) > time)
  })
  fc.assert(price, { numRuns: 2000 })
})

test('a price told at lunch or after the bell is the close of the last hours before it, of a half day too', () => {
  const tokyo = hoursOf('JPX', 'Asia/Tokyo', '2026-11-25T00:00:00Z', '2026-11-25T06:30:00Z')
  for (const [interval, morning, afternoon] of [
    ['HOUR_1', '11-25T02:00', '11-25T03:30'],
    ['HOUR_2', '11-25T02:00', '11-25T03:30'],
    ['HOUR_4', '11-25T00:00', '11-25T03:30'],
  ] as const) {
    for (const time of ['02:29:59', '02:30:02', '03:29:59']) {
      assert.equal(startAt(interval, `2026-11-25T${time}Z`, {}, { hours: tokyo }), morning)
    }
    assert.equal(startAt(interval, '2026-11-25T03:30:00Z', {}, { hours: tokyo }), afternoon)
  }
  const half = { ...newYork, exchange: 'NMS' }
  const closed = { marketState: 'CLOSED' } as const
  assert.equal(startAt('HOUR_2', '2024-11-29T18:00:03Z', closed, { hours: half }), '11-29T16:30')
  assert.equal(startAt('HOUR_4', '2024-11-29T18:07:00Z', closed, { hours: half }), '11-29T14:30')
  const post = { marketState: 'POST', regularPrice: 99 } as const
  assert.equal(startAt('HOUR_4', '2024-11-29T18:07:00Z', post, { hours: half, extendedHours: true }), '11-29T18:00')
  assert.equal(startAt('HOUR_4', '2024-11-27T22:59:00Z', post, { hours: half, extendedHours: true }), '11-27T21:00')
  const pre = { marketState: 'PRE', regularPrice: 99 } as const
  assert.equal(startAt('HOUR_4', '2024-11-29T14:29:59Z', pre, { hours: half, extendedHours: true }), '11-29T13:00')
})

const startAt = (
  interval: Interval,
  iso: string,
  fields: Partial<Quote> = {},
  { extendedHours = false, hours = newYork }: { extendedHours?: boolean; hours?: SessionHours } = {},
): string | null => {
  const epoch = new CandleGrid(interval, extendedHours, hours).startOf(quoteAt(at(iso), 1, fields))
  return epoch === null ? null : new Date(epoch * 1000).toISOString().slice(5, 16)
}

test('what is told after the bell is the close of the last candle, also of an hour that the bell cut', () => {
  assert.equal(startAt('MINUTE_1', '2025-01-08T21:00:01Z'), '01-08T20:59')
  assert.equal(startAt('HOUR_1', '2025-01-08T21:00:01Z'), '01-08T20:30')
  assert.equal(startAt('MINUTE_5', '2025-01-08T21:07:00Z', { marketState: 'CLOSED' }), '01-08T20:55')
  assert.equal(startAt('DAY_1', '2025-01-08T21:07:00Z', { marketState: 'CLOSED' }), '01-08T00:00')
  // A session that runs on is longer than it was taken for.
  assert.equal(startAt('MINUTE_5', '2025-01-08T21:07:00Z'), '01-08T21:05')
  assert.equal(startAt('MINUTE_1', '2025-01-08T00:00:00Z', {}, { hours: roundTheClock }), '01-08T00:00')
})

test('on a half day the bell is that of the date, and the price after it is the close of the last candle', () => {
  const hours = { ...newYork, exchange: 'NMS' }
  const closed = { marketState: 'CLOSED' } as const
  assert.equal(startAt('HOUR_1', '2024-11-29T18:00:03Z', closed, { hours }), '11-29T17:30')
  assert.equal(startAt('MINUTE_1', '2024-11-29T18:07:00Z', closed, { hours }), '11-29T17:59')
  assert.equal(startAt('MINUTE_1', '2024-11-27T18:07:00Z', closed, { hours }), '11-27T18:07')
  assert.equal(startAt('MINUTE_1', '2024-11-27T21:07:00Z', closed, { hours }), '11-27T20:59')
  // The calendar is wrong where Yahoo calls the market open.
  assert.equal(startAt('MINUTE_1', '2024-11-29T18:07:00Z', {}, { hours }), '11-29T18:07')
})

test('weeks are those of the exchange, and a price of a Sunday evening of futures is of the date that follows', () => {
  const riyadh = {
    ...{ timezone: 'Asia/Riyadh', exchange: 'SAU' },
    opens: epochAt('2025-01-05T07:00:00Z'),
    closes: epochAt('2025-01-05T12:00:00Z'),
  }
  assert.equal(startAt('WEEK_1', '2025-01-05T08:00:00Z', {}, { hours: riyadh }), '01-05T00:00')
  assert.equal(startAt('WEEK_1', '2025-01-09T08:00:00Z', {}, { hours: riyadh }), '01-05T00:00')
  const grid = new CandleGrid('WEEK_1', false, riyadh)
  assert.equal(grid.endOf(epochAt('2025-01-05T00:00:00Z')), epochAt('2025-01-11T21:00:00Z'))
  const gold = { ...roundTheClock, timezone: 'America/New_York', exchange: 'CMX' }
  assert.equal(startAt('DAY_1', '2025-01-05T23:30:00Z', {}, { hours: gold }), '01-06T00:00')
  assert.equal(startAt('DAY_1', '2025-01-06T20:00:00Z', {}, { hours: gold }), '01-06T00:00')
})

test('the bell follows the clock of the exchange over a change of daylight saving', () => {
  const grid = new CandleGrid('MINUTE_5', false, newYork)
  const startOf = (iso: string) => grid.startOf(quoteAt(at(iso), 1, { marketState: 'CLOSED' }))
  assert.equal(startOf('2025-03-07T21:07:00Z'), epochAt('2025-03-07T20:55:00Z'))
  assert.equal(startOf('2025-03-10T20:07:00Z'), epochAt('2025-03-10T19:55:00Z'))
})

test('prices from before and after the session go only into candles of extended hours, and never into days and longer', () => {
  for (const marketState of ['PRE', 'POST'] as const) {
    for (const interval of intervals) {
      assert.equal(startAt(interval, '2025-01-08T22:20:00Z', { marketState }), null)
      if (isDaily(interval)) {
        assert.equal(startAt(interval, '2025-01-08T22:20:00Z', { marketState }, { extendedHours: true }), null)
      }
    }
  }
  const before = { marketState: 'PRE', regularPrice: 99 } as const
  const extended = { extendedHours: true }
  assert.equal(startAt('MINUTE_5', '2025-01-08T14:29:59Z', before, extended), '01-08T14:25')
  assert.equal(startAt('HOUR_1', '2025-01-08T14:29:59Z', before, extended), '01-08T14:00')
  assert.equal(startAt('HOUR_1', '2025-01-08T22:59:59Z', { marketState: 'POST' }, extended), '01-08T22:00')
  // The market is open, but the newest price is from before it was.
  const stillBefore = { marketState: 'REGULAR', regularPrice: 99 } as const
  assert.equal(startAt('MINUTE_1', '2025-01-08T14:29:59Z', stillBefore), null)
  assert.equal(startAt('MINUTE_1', '2025-01-08T14:29:59Z', stillBefore, extended), '01-08T14:29')
  // From the night, of which no source has candles.
  assert.equal(startAt('MINUTE_1', '2025-01-08T04:00:00Z', { marketState: 'CLOSED', regularPrice: 99 }, extended), null)
})

test('a price that was made overnight goes into no candle, whatever state the market is in when it is told', () => {
  const extended = { extendedHours: true }
  // In New York, from 20:00 to 04:00.
  for (const marketState of ['PRE', 'POST', 'REGULAR', 'CLOSED'] as const) {
    const told = { marketState, regularPrice: 99 }
    for (const time of [
      '2025-01-08T08:59:59Z',
      '2025-01-08T01:00:00Z',
      '2025-01-09T04:30:00Z',
      '2025-07-08T07:59:59Z',
    ]) {
      assert.equal(startAt('MINUTE_1', time, told, extended), null, `${marketState} ${time}`)
    }
  }
  const pre = { marketState: 'PRE', regularPrice: 99 } as const
  assert.equal(startAt('MINUTE_1', '2025-01-08T09:00:00Z', pre, extended), '01-08T09:00')
  assert.equal(startAt('MINUTE_1', '2025-07-08T08:00:00Z', pre, extended), '07-08T08:00')
  const post = { marketState: 'POST', regularPrice: 99 } as const
  assert.equal(startAt('MINUTE_1', '2025-01-09T00:59:59Z', post, extended), '01-09T00:59')
})

test('half hours of extended hours are counted from the opening, as they are put together', () => {
  const mumbai = {
    timezone: 'Asia/Kolkata',
    opens: epochAt('2025-01-06T03:45:00Z'),
    closes: epochAt('2025-01-06T10:00:00Z'),
  }
  const extended = { extendedHours: true, hours: mumbai }
  assert.equal(startAt('MINUTE_30', '2025-01-08T03:40:00Z', { marketState: 'PRE' }, extended), '01-08T03:15')
})

test('where no session is known candles are counted from the full hour', () => {
  const unknown = { hours: { timezone: 'America/New_York', opens: null, closes: null } }
  assert.equal(startAt('HOUR_1', '2025-01-08T21:40:00Z', {}, unknown), '01-08T21:00')
  assert.equal(startAt('DAY_1', '2025-01-09T02:00:00Z', {}, unknown), '01-08T00:00')
})

test('a candle ends with its interval, a day with its session, weeks and months with their last date on the exchange', () => {
  const endOf = (interval: Interval, iso: string, hours = newYork): string =>
    new Date(new CandleGrid(interval, false, hours).endOf(epochAt(iso)) * 1000).toISOString().slice(0, 16)
  assert.equal(endOf('MINUTE_2', '2025-01-08T20:58:00Z'), '2025-01-08T21:00')
  assert.equal(endOf('HOUR_1', '2025-01-08T20:30:00Z'), '2025-01-08T21:30')
  // Until the last of the source's hours is over, which the bell cuts.
  assert.equal(endOf('HOUR_2', '2025-01-08T18:30:00Z'), '2025-01-08T20:30')
  assert.equal(endOf('HOUR_4', '2025-01-08T18:30:00Z'), '2025-01-08T21:30')
  assert.equal(endOf('DAY_1', '2025-01-08T00:00:00Z'), '2025-01-08T21:00')
  // In summer.
  assert.equal(endOf('DAY_1', '2025-07-08T00:00:00Z'), '2025-07-08T20:00')
  assert.equal(endOf('DAY_1', '2025-07-08T00:00:00Z', roundTheClock), '2025-07-09T00:00')
  assert.equal(endOf('WEEK_1', '2025-03-03T00:00:00Z'), '2025-03-10T04:00')
  assert.equal(endOf('MONTH_1', '2025-02-01T00:00:00Z'), '2025-03-01T05:00')
  assert.equal(endOf('MONTH_3', '2025-01-01T00:00:00Z'), '2025-04-01T04:00')
})
