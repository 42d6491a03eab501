import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closedAt } from '../../../../src/domain/sessions/closed-at.ts'
import { nextStarts } from '../../../../src/domain/sessions/next-starts.ts'
import type { SessionHours } from '../../../../src/domain/sessions/session-hours.ts'
import { epochOf } from '../../../../src/domain/time/exchange-clock.ts'
import type { Interval } from '../../../../src/domain/time/interval.ts'

/** Epoch seconds of a time that is written as UTC. */
const utc = (text: string): number => Date.parse(text.length === 10 ? `${text}T00:00Z` : `${text}Z`) / 1000
const written = (epoch: number): string => new Date(epoch * 1000).toISOString().slice(0, 16)

/** Hours as they are known of one date, by the exchange's clock. */
const hoursOf = (timezone: string, date: string, opens: string, closes: string): SessionHours => ({
  timezone,
  opens: epochOf(utc(`${date}T${opens}`), timezone),
  closes: epochOf(utc(`${date}T${closes}`), timezone),
})
const newYork = hoursOf('America/New_York', '2025-07-01', '09:30', '16:00')
const london = hoursOf('Europe/London', '2025-07-01', '08:00', '16:30')
const sydney = hoursOf('Australia/Sydney', '2025-07-01', '10:00', '16:00')
const tokyo = hoursOf('Asia/Tokyo', '2025-07-01', '09:00', '15:30')
const crypto: SessionHours = { timezone: 'UTC', opens: utc('2025-07-01'), closes: utc('2025-07-02') }

const closed = (start: string, interval: Interval, hours: SessionHours): string =>
  written(closedAt(utc(start), interval, hours))

test('a day is complete at the close by the clock of its own date, on either side of a change of the clock', () => {
  for (const [hours, date, at] of [
    // New York: summer from 2025-03-09 to 2025-11-02.
    [newYork, '2025-03-07', '2025-03-07T21:00'],
    [newYork, '2025-03-10', '2025-03-10T20:00'],
    [newYork, '2025-10-31', '2025-10-31T20:00'],
    [newYork, '2025-11-03', '2025-11-03T21:00'],
    // London: summer from 2025-03-30 to 2025-10-26.
    [london, '2025-03-28', '2025-03-28T16:30'],
    [london, '2025-03-31', '2025-03-31T15:30'],
    [london, '2025-10-24', '2025-10-24T15:30'],
    [london, '2025-10-27', '2025-10-27T16:30'],
    // Sydney: summer until 2025-04-06, and from 2025-10-05.
    [sydney, '2025-04-04', '2025-04-04T05:00'],
    [sydney, '2025-04-07', '2025-04-07T06:00'],
    [sydney, '2025-10-03', '2025-10-03T06:00'],
    [sydney, '2025-10-07', '2025-10-07T05:00'],
    [tokyo, '2025-03-10', '2025-03-10T06:30'],
    [tokyo, '2025-12-01', '2025-12-01T06:30'],
    [crypto, '2025-03-09', '2025-03-10T00:00'],
    [crypto, '2025-12-31', '2026-01-01T00:00'],
  ] as const) {
    assert.equal(closed(date, 'DAY_1', hours), at, `${hours.timezone} ${date}`)
  }
})

test('a candle of minutes is complete when its time is over, the last of a session at the close', () => {
  assert.equal(closed('2025-07-01T13:30', 'MINUTE_5', newYork), '2025-07-01T13:35')
  assert.equal(closed('2025-07-01T19:30', 'HOUR_1', newYork), '2025-07-01T20:00')
  assert.equal(closed('2025-12-01T20:30', 'HOUR_1', newYork), '2025-12-01T21:00')
  assert.equal(closed('2025-12-01T19:30', 'HOUR_1', newYork), '2025-12-01T20:30')
  // Before and after the session.
  assert.equal(closed('2025-07-01T12:30', 'MINUTE_30', newYork), '2025-07-01T13:00')
  assert.equal(closed('2025-07-01T20:00', 'HOUR_1', newYork), '2025-07-01T21:00')
  assert.equal(closed('2025-07-01T23:30', 'HOUR_1', crypto), '2025-07-02T00:30')
  assert.equal(closed('2025-07-01T19:30', 'HOUR_1', { ...newYork, closes: null }), '2025-07-01T20:30')
})

test('on half days and without a known close it is later than it was, never earlier', () => {
  // New York closed at 13:00, which is 18:00.
  assert.equal(closed('2025-11-28', 'DAY_1', newYork), '2025-11-28T21:00')
  assert.equal(closed('2025-11-28', 'DAY_1', { ...newYork, opens: null }), '2025-11-28T21:00')
  assert.equal(closed('2025-11-28T17:30', 'HOUR_1', newYork), '2025-11-28T18:30')
  for (const [timezone, at] of [
    ['America/New_York', '2025-07-02T04:00'],
    ['Asia/Tokyo', '2025-07-01T15:00'],
    ['Nowhere/Atall', '2025-07-02T00:00'],
  ] as const) {
    assert.equal(closed('2025-07-01', 'DAY_1', { timezone, opens: null, closes: null }), at)
  }
})

test('a session that ends at midnight or after it is complete then, and one round the clock with its date', () => {
  const evening = { timezone: 'Asia/Shanghai', opens: utc('2025-07-01T13:00'), closes: utc('2025-07-01T18:30') }
  assert.equal(closed('2025-07-07', 'DAY_1', evening), '2025-07-07T18:30')
  assert.equal(closed('2025-07-07T18:00', 'HOUR_1', evening), '2025-07-07T18:30')
  const untilMidnight = hoursOf('America/New_York', '2025-07-01', '18:00', '24:00')
  assert.equal(closed('2025-12-01', 'DAY_1', untilMidnight), '2025-12-02T05:00')
  assert.equal(closed('2025-12-01', 'DAY_1', { ...untilMidnight, opens: null }), '2025-12-02T05:00')
  const futures = {
    timezone: 'America/New_York',
    opens: epochOf(utc('2025-07-01T00:00'), 'America/New_York'),
    closes: epochOf(utc('2025-07-01T23:00'), 'America/New_York'),
  }
  assert.equal(closed('2025-12-01', 'DAY_1', futures), '2025-12-02T05:00')
})

test('a date ends when the clock leaves it, also where it is set forward or back at midnight', () => {
  // Cairo went from 24:00 to 01:00 on 2025-04-24, and back from 24:00 to 23:00 on 2025-10-30.
  const cairo = { timezone: 'Africa/Cairo', opens: null, closes: null }
  assert.equal(closed('2025-04-24', 'DAY_1', cairo), '2025-04-24T22:00')
  assert.equal(closed('2025-10-30', 'DAY_1', cairo), '2025-10-30T22:00')
})

test('a week is complete at the close of Friday, and round the clock with Sunday', () => {
  assert.equal(closed('2025-03-03', 'WEEK_1', newYork), '2025-03-07T21:00')
  assert.equal(closed('2025-03-10', 'WEEK_1', newYork), '2025-03-14T20:00')
  assert.equal(closed('2025-03-10', 'WEEK_1', crypto), '2025-03-17T00:00')
})

test('a month is complete at the close of its last weekday, and round the clock with its last day', () => {
  // The last days of these months of 2025: Friday, Monday, Wednesday, Saturday, Sunday.
  for (const [month, at] of [
    ['2025-01-01', '2025-01-31T21:00'],
    ['2025-03-01', '2025-03-31T20:00'],
    ['2025-12-01', '2025-12-31T21:00'],
    ['2025-05-01', '2025-05-30T20:00'],
    ['2025-08-01', '2025-08-29T20:00'],
  ] as const) {
    assert.equal(closed(month, 'MONTH_1', newYork), at)
  }
  assert.equal(closed('2025-05-01', 'MONTH_1', crypto), '2025-06-01T00:00')
  assert.equal(closed('2024-02-01', 'MONTH_1', crypto), '2024-03-01T00:00')
})

/** The dates from one to another, both inclusive, that are not left out. */
function dates(from: string, to: string, isOpen: (date: string) => boolean): string[] {
  const all: string[] = []
  for (let day = utc(from); day <= utc(to); day += 86_400) all.push(written(day).slice(0, 10))
  return all.filter(isOpen)
}
const weekday = (date: string): number => new Date(`${date}T00:00Z`).getUTCDay()
const isWeekday = (date: string): boolean => weekday(date) % 6 !== 0
const starts = (texts: readonly string[], interval: Interval, hours: SessionHours, count: number): string[] =>
  nextStarts(Float64Array.from(texts, utc), interval, hours, count).map(written)
const days = (texts: readonly string[], hours: SessionHours, count: number): string[] =>
  starts(texts, 'DAY_1', hours, count).map((text) => text.slice(0, 10))

test('the next days of shares are Monday to Friday, whatever holidays and odd Saturdays there were', () => {
  const next = ['2025-06-02', '2025-06-03', '2025-06-04', '2025-06-05', '2025-06-06', '2025-06-09']
  assert.deepEqual(days(dates('2025-05-01', '2025-05-30', isWeekday), newYork, 6), next)
  const mondaysOff = (date: string) => isWeekday(date) && !(weekday(date) === 1 && date < '2025-05-20')
  assert.deepEqual(days(dates('2025-05-01', '2025-05-30', mondaysOff), newYork, 6), next)
  const oddSaturday = (date: string) => isWeekday(date) || date === '2025-05-10'
  assert.deepEqual(days(dates('2025-05-01', '2025-05-30', oddSaturday), newYork, 6), next)
  assert.deepEqual(days(['2025-05-30'], newYork, 6), next)
})

test('the next days are all seven of a market that has traded on all, and Sunday to Thursday of one that does so', () => {
  const next = ['2025-05-31', '2025-06-01', '2025-06-02', '2025-06-03']
  assert.deepEqual(
    days(
      dates('2025-05-10', '2025-05-30', () => true),
      crypto,
      4,
    ),
    next,
  )
  const riyadh = hoursOf('Asia/Riyadh', '2025-06-01', '10:00', '15:00')
  const isOpen = (date: string) => weekday(date) < 5
  const expected = ['2025-06-01', '2025-06-02', '2025-06-03', '2025-06-04', '2025-06-05', '2025-06-08']
  assert.deepEqual(days(dates('2025-05-01', '2025-05-29', isOpen), riyadh, 6), expected)
})

test('the next weeks are seven days apart, and the next months begin with their firsts', () => {
  assert.deepEqual(starts(['2025-12-15', '2025-12-22'], 'WEEK_1', newYork, 3), [
    '2025-12-29T00:00',
    '2026-01-05T00:00',
    '2026-01-12T00:00',
  ])
  assert.deepEqual(starts(['2025-10-01', '2025-11-01'], 'MONTH_1', newYork, 3), [
    '2025-12-01T00:00',
    '2026-01-01T00:00',
    '2026-02-01T00:00',
  ])
})

/** The start times of a session's candles on dates, by the exchange's clock. */
const sessions = (on: readonly string[], timezone: string, first: string, last: string, step: number): string[] =>
  on.flatMap((date) => {
    const all: string[] = []
    for (let clock = utc(`${date}T${first}`); clock <= utc(`${date}T${last}`); clock += step) {
      all.push(written(epochOf(clock, timezone)))
    }
    return all
  })

test('the next candles of minutes finish the day and go on after a weekend, across a change of the clock', () => {
  const hourly = (on: string[], last = '15:30') => sessions(on, 'America/New_York', '09:30', last, 3600)
  const before = [...hourly(dates('2025-10-27', '2025-10-30', isWeekday)), ...hourly(['2025-10-31'], '13:30')]
  const expected = [
    // Friday's rest, and Monday in winter time.
    ...['2025-10-31T18:30', '2025-10-31T19:30', '2025-11-03T14:30', '2025-11-03T15:30'],
  ]
  assert.deepEqual(starts(before, 'HOUR_1', newYork, 4), expected)
  const spring = hourly(dates('2025-03-03', '2025-03-07', isWeekday))
  assert.deepEqual(starts(spring, 'HOUR_1', newYork, 8), hourly(['2025-03-10', '2025-03-11']).slice(0, 8))
})

test('a half day is followed by full ones, and a lunch break stays one', () => {
  const half = [
    ...sessions(['2025-11-26'], 'America/New_York', '09:30', '15:30', 3600),
    ...sessions(['2025-11-28'], 'America/New_York', '09:30', '12:30', 3600),
  ]
  // What is left of the half day is not known to be closed.
  const next = [
    ...sessions(['2025-11-28'], 'America/New_York', '13:30', '15:30', 3600),
    ...sessions(['2025-12-01'], 'America/New_York', '09:30', '15:30', 3600),
  ]
  assert.deepEqual(starts(half, 'HOUR_1', newYork, next.length), next)
  const inTokyo = (date: string) => [
    ...sessions([date], 'Asia/Tokyo', '09:00', '11:00', 1800),
    ...sessions([date], 'Asia/Tokyo', '12:30', '15:00', 1800),
  ]
  const before = dates('2025-06-30', '2025-07-04', isWeekday).flatMap(inTokyo)
  assert.deepEqual(starts(before, 'MINUTE_30', tokyo, 13), [
    ...inTokyo('2025-07-07'),
    ...inTokyo('2025-07-08').slice(0, 2),
  ])
})

test('the next candles of minutes go on without a pause round the clock', () => {
  const before = sessions(
    dates('2025-05-18', '2025-05-30', () => true),
    'UTC',
    '00:00',
    '23:00',
    3600,
  )
  const next = sessions(
    dates('2025-05-31', '2025-06-02', () => true),
    'UTC',
    '00:00',
    '23:00',
    3600,
  )
  assert.deepEqual(starts(before, 'HOUR_1', crypto, next.length), next)
})

test('an evening of trading before the week makes no trading day of a Sunday', () => {
  const on = (date: string): string[] => {
    const [first, last] = weekday(date) === 0 ? (['18:00', '23:00'] as const) : (['00:00', '23:00'] as const)
    return weekday(date) === 6 ? [] : sessions([date], 'America/New_York', first, last, 3600)
  }
  const before = dates('2025-05-11', '2025-05-30', () => true).flatMap(on)
  assert.deepEqual(starts(before, 'HOUR_1', newYork, 24), on('2025-06-02'))
})

test('as many starts come as were asked for, each after the one before, also where the clock is set forward', () => {
  const before = sessions(
    dates('2025-03-20', '2025-03-29', () => true),
    'Europe/London',
    '00:00',
    '23:30',
    1800,
  )
  const next = nextStarts(Float64Array.from(before, utc), 'MINUTE_30', london, 100)
  assert.equal(next.length, 100)
  // An hour is missing on the 30th.
  assert.deepEqual(
    next.map((epoch, i) => epoch - (next[i - 1] ?? epoch - 1800)),
    next.map(() => 1800),
  )
  assert.deepEqual(nextStarts(Float64Array.from(before, utc), 'MINUTE_30', london, 0), [])
  assert.deepEqual(nextStarts(new Float64Array(), 'DAY_1', london, 5), [])
})
