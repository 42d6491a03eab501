import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { closedAt } from '../../../../src/domain/sessions/closed-at.ts'
import { composedSpan } from '../../../../src/domain/sessions/composed-span.ts'
import { nextStarts } from '../../../../src/domain/sessions/next-starts.ts'
import type { SessionHours } from '../../../../src/domain/sessions/session-hours.ts'
import { finished } from '../../../../src/domain/steps.ts'
import { epochOf } from '../../../../src/domain/time/exchange-clock.ts'
import type { Interval } from '../../../../src/domain/time/interval.ts'
import { compose as composeInSteps } from '../../../../src/market/candles/composition.ts'

const compose = (...given: Parameters<typeof composeInSteps>) => finished(composeInSteps(...given))

const daySeconds = 86_400
const utc = (text: string): number => Date.parse(text.length === 10 ? `${text}T00:00Z` : `${text}Z`) / 1000
const written = (epoch: number): string => new Date(epoch * 1000).toISOString().slice(0, 16)

const hoursOf = (
  exchange: string | null,
  timezone: string,
  [date, opens, closes]: readonly [string, string, string],
  more: Partial<SessionHours> = {},
): SessionHours => ({
  exchange,
  timezone,
  opens: epochOf(utc(`${date}T${opens}`), timezone),
  closes: epochOf(utc(`${date}T${closes}`), timezone),
  ...more,
})
/** Each as it is known of a half day only. */
const newYork = hoursOf('NMS', 'America/New_York', ['2026-11-27', '09:30', '13:00'], { isOnlySession: true })
const london = hoursOf('LSE', 'Europe/London', ['2025-12-24', '08:00', '12:30'])
const hongKong = hoursOf('HKG', 'Asia/Hong_Kong', ['2025-12-24', '09:30', '12:00'])
const riyadh = hoursOf('SAU', 'Asia/Riyadh', ['2026-11-29', '10:00', '15:00'])
const kuwait = hoursOf(null, 'Asia/Kuwait', ['2026-11-29', '09:00', '12:40'])
const mumbai = hoursOf('NSI', 'Asia/Kolkata', ['2026-01-30', '09:15', '15:30'])
const gold = hoursOf('CMX', 'America/New_York', ['2026-11-24', '00:00', '24:00'])
const euro = hoursOf('CCY', 'Europe/London', ['2026-11-24', '00:00', '24:00'])
const bitcoin = hoursOf('CCC', 'UTC', ['2026-11-24', '00:00', '24:00'])

const closed = (start: string, interval: Interval, hours: SessionHours): string =>
  written(closedAt(utc(start), interval, hours))
const starts = (texts: readonly string[], interval: Interval, hours: SessionHours, count: number): string[] =>
  nextStarts(Float64Array.from(texts, utc), interval, hours, count).map(written)
const weekOf = (date: string, hours: SessionHours): string[] => {
  const { start, end } = composedSpan('WEEK_1', utc(date), hours)
  return [written(start).slice(0, 10), written(end).slice(0, 10)]
}

test('a day is complete at the bell of its own date, whichever session was seen, half days of three exchanges among them', () => {
  for (const [date, hours, at] of [
    ['2026-11-25', newYork, '2026-11-25T21:00'],
    ['2026-11-27', newYork, '2026-11-27T18:00'],
    ['2026-11-30', newYork, '2026-11-30T21:00'],
    ['2026-07-02', newYork, '2026-07-02T20:00'],
    ['2025-07-03', newYork, '2025-07-03T17:00'],
    ['2024-12-24', newYork, '2024-12-24T18:00'],
    ['2025-12-23', london, '2025-12-23T16:30'],
    ['2025-12-24', london, '2025-12-24T12:30'],
    ['2025-12-31', london, '2025-12-31T12:30'],
    ['2025-07-01', london, '2025-07-01T15:30'],
    ['2025-12-23', hongKong, '2025-12-23T08:00'],
    ['2025-12-24', hongKong, '2025-12-24T04:00'],
    ['2025-12-31', hongKong, '2025-12-31T04:00'],
  ] as const) {
    assert.equal(closed(date, 'DAY_1', hours), at, `${hours.exchange} ${date}`)
  }
})

test('an hour ends at the bell of its own date: the one that a half day cut lasts its whole hour on others', () => {
  assert.equal(closed('2026-11-25T17:30', 'HOUR_1', newYork), '2026-11-25T18:30')
  assert.equal(closed('2026-11-25T20:30', 'HOUR_1', newYork), '2026-11-25T21:00')
  assert.equal(closed('2026-11-27T17:30', 'HOUR_1', newYork), '2026-11-27T18:00')
  const unlisted = { ...newYork, exchange: null }
  assert.equal(closed('2026-11-25T17:30', 'HOUR_1', unlisted), '2026-11-25T18:30')
  assert.equal(closed('2026-11-27T17:30', 'HOUR_1', unlisted), '2026-11-27T18:00')
})

test('without a calendar one session says when its own date ends and no other: those end with the date', () => {
  const unlisted = { ...newYork, exchange: null }
  assert.equal(closed('2026-11-27', 'DAY_1', unlisted), '2026-11-27T18:00')
  assert.equal(closed('2026-11-25', 'DAY_1', unlisted), '2026-11-26T05:00')
  assert.equal(closed('2026-11-16', 'WEEK_1', unlisted), '2026-11-21T05:00')
  assert.equal(closed('2026-11-25', 'DAY_1', { ...unlisted, isOnlySession: false }), '2026-11-25T18:00')
  // A year that the calendar does not know.
  assert.equal(closed('2031-11-25', 'DAY_1', newYork), '2031-11-26T05:00')
})

test('a calendar counts only where the source has its time zone, by whatever name', () => {
  assert.equal(closed('2026-11-27', 'DAY_1', { ...newYork, timezone: 'US/Eastern' }), '2026-11-27T18:00')
  // Of a Kuwaiti share that the source lists in New York: weeks and hours are those of Kuwait.
  const odd = { ...kuwait, exchange: 'NMS' }
  assert.deepEqual(weekOf('2026-11-17', odd), ['2026-11-15', '2026-11-22'])
  assert.equal(closed('2026-11-26', 'DAY_1', odd), '2026-11-26T09:40')
})

test('a date with a candle on which the calendar has no session is one, whose end is that of the date', () => {
  assert.equal(closed('2026-11-26', 'DAY_1', newYork), '2026-11-27T05:00')
  assert.equal(closed('2026-11-26T17:30', 'HOUR_1', newYork), '2026-11-26T18:30')
})

test('weeks and months are complete with the last session of the calendar, holidays and half days included', () => {
  // Good Friday, and a Friday that is a half day.
  assert.equal(closed('2026-03-30', 'WEEK_1', newYork), '2026-04-02T20:00')
  assert.equal(closed('2026-11-23', 'WEEK_1', newYork), '2026-11-27T18:00')
  assert.equal(closed('2025-12-01', 'MONTH_1', london), '2025-12-31T12:30')
  // Eid: the last sessions before 2026-05-24 to 05-28 are those of Thursday, the month's last day is a Sunday.
  assert.equal(closed('2026-05-17', 'WEEK_1', riyadh), '2026-05-21T12:00')
  assert.equal(closed('2026-05-01', 'MONTH_1', riyadh), '2026-05-31T12:00')
})

test('all weeks of Riyadh run from Sunday to Thursday, and are complete with their last session and no sooner', () => {
  const folder = process.env.MARKET_DATA_DIR
  const dates = folder === undefined ? [] : recordedSessions(join(folder, 'calendars/XSAU.json'))
  const day = { open: 1, high: 1, low: 1, close: 1, volume: 1, closed: true }
  const parts = dates.filter((date) => date >= utc('2023-01-01')).map((epoch) => ({ ...day, epoch }))
  const weeks = compose('WEEK_1', parts, { hours: riyadh, now: utc('2031-01-01'), isCurrent: true }).slice(0, 152)
  for (const { epoch } of weeks) {
    const inWeek = dates.filter((date) => date >= epoch && date < epoch + 7 * daySeconds)
    assert.equal(new Date(epoch * 1000).getUTCDay(), 0)
    const last = inWeek.at(-1) ?? assert.fail(written(epoch))
    assert.equal(written(closedAt(epoch, 'WEEK_1', riyadh)), written(last + 12 * 3600))
  }
  assert.equal(weeks.length, folder === undefined ? 0 : 152)
})

/** From the file of another project, not from our rules. */
function recordedSessions(file: string): number[] {
  const { from, to, closedWeekdays, weekendSessions } = JSON.parse(readFileSync(file, 'utf8'))
  const [closedOn, openOn] = [new Set<string>(closedWeekdays), new Set<string>(weekendSessions)]
  const dates: number[] = []
  for (let date = utc(from); date <= utc(to); date += daySeconds) {
    const text = written(date).slice(0, 10)
    const isWeekday = new Date(date * 1000).getUTCDay() % 6 !== 0
    if (isWeekday ? !closedOn.has(text) : openOn.has(text)) dates.push(date)
  }
  return dates
}

test('without a calendar weeks begin on Sunday where exchanges trade from Sunday to Thursday', () => {
  for (const date of ['2026-11-15', '2026-11-17', '2026-11-19', '2026-11-21']) {
    assert.deepEqual(weekOf(date, kuwait), ['2026-11-15', '2026-11-22'])
  }
  assert.equal(closed('2026-11-15', 'WEEK_1', kuwait), '2026-11-19T09:40')
  // 2026-05-31 is a Sunday.
  assert.equal(closed('2026-05-01', 'MONTH_1', kuwait), '2026-05-31T09:40')
  const telAviv = hoursOf(null, 'Asia/Jerusalem', ['2026-01-08', '10:00', '17:15'])
  assert.deepEqual(weekOf('2025-12-30', telAviv), ['2025-12-28', '2026-01-04'])
  // Exchanges that moved have one short week.
  assert.deepEqual(weekOf('2026-01-04', telAviv), ['2026-01-04', '2026-01-05'])
  assert.deepEqual(weekOf('2026-01-07', telAviv), ['2026-01-05', '2026-01-12'])
  assert.deepEqual(weekOf('2026-01-04', { ...telAviv, exchange: 'TLV' }), ['2026-01-04', '2026-01-05'])
})

test('a single session on a Sunday belongs to the week from Monday before it, and to its month, and closes both', () => {
  assert.deepEqual(weekOf('2026-02-01', mumbai), ['2026-01-26', '2026-02-02'])
  assert.equal(closed('2026-01-26', 'WEEK_1', mumbai), '2026-01-30T10:00')
  assert.equal(closed('2026-01-26', 'WEEK_1', { ...mumbai, unscheduled: [utc('2026-02-01')] }), '2026-02-01T10:00')
  assert.equal(closed('2026-05-01', 'MONTH_1', { ...mumbai, unscheduled: [utc('2026-05-31')] }), '2026-05-31T10:00')
  assert.equal(closed('2026-05-01', 'MONTH_1', { ...mumbai, unscheduled: [utc('2026-04-26')] }), '2026-05-29T10:00')
})

test('days of futures and currencies end with their date, their weeks with that of Friday, those of crypto with Sunday', () => {
  // CME has a half day on 2026-11-27, but metals trade on.
  assert.equal(closed('2026-11-27', 'DAY_1', gold), '2026-11-28T05:00')
  assert.equal(closed('2026-11-27', 'DAY_1', { ...gold, opens: null, closes: null }), '2026-11-28T05:00')
  assert.equal(closed('2026-11-16', 'WEEK_1', gold), '2026-11-21T05:00')
  assert.equal(closed('2026-07-06', 'WEEK_1', euro), '2026-07-10T23:00')
  assert.equal(closed('2026-11-16', 'WEEK_1', bitcoin), '2026-11-23T00:00')
})

test('days ahead are sessions of the calendar, and weeks ahead those that have one', () => {
  const dates = (texts: string[]) => texts.map((text) => text.slice(0, 10))
  assert.deepEqual(dates(starts(['2026-11-23', '2026-11-24'], 'DAY_1', newYork, 4)), [
    ...['2026-11-25', '2026-11-27', '2026-11-30', '2026-12-01'],
  ])
  // A week of holidays in Shanghai.
  const shanghai = hoursOf('SHH', 'Asia/Shanghai', ['2026-02-13', '09:30', '15:00'])
  assert.deepEqual(dates(starts(['2026-02-12', '2026-02-13'], 'DAY_1', shanghai, 1)), ['2026-02-24'])
  assert.deepEqual(dates(starts(['2026-02-09'], 'WEEK_1', shanghai, 2)), ['2026-02-23', '2026-03-02'])
  assert.deepEqual(dates(starts(['2026-11-15'], 'WEEK_1', riyadh, 2)), ['2026-11-22', '2026-11-29'])
})

const everyHalfHour = (date: string, timezone: string, ...spans: readonly (readonly [string, string])[]): string[] =>
  spans.flatMap(([first, last]) => {
    const all: string[] = []
    for (let clock = utc(`${date}T${first}`); clock <= utc(`${date}T${last}`); clock += 1800) {
      all.push(written(epochOf(clock, timezone)))
    }
    return all
  })

test('minutes ahead end at the bell of a half day, skip holidays, and leave lunch out', () => {
  const inNewYork = (date: string, last = '15:30') => everyHalfHour(date, 'America/New_York', ['09:30', last])
  const before = [...inNewYork('2026-11-24'), ...inNewYork('2026-11-25')]
  const next = [...inNewYork('2026-11-27', '12:30'), ...inNewYork('2026-11-30')]
  assert.deepEqual(starts(before, 'MINUTE_30', newYork, next.length), next)
  const inHongKong = (date: string, ...spans: readonly (readonly [string, string])[]) =>
    everyHalfHour(date, 'Asia/Hong_Kong', ...spans)
  const whole = [['09:30', '11:30'] as const, ['13:00', '15:30'] as const]
  const after = [...inHongKong('2025-12-24', ['09:30', '11:30']), ...inHongKong('2025-12-29', ...whole)]
  assert.deepEqual(starts(inHongKong('2025-12-23', ...whole), 'MINUTE_30', hongKong, after.length), after)
  const tokyo = hoursOf('JPX', 'Asia/Tokyo', ['2026-11-20', '09:00', '15:30'])
  const inTokyo = (date: string) => everyHalfHour(date, 'Asia/Tokyo', ['09:00', '11:00'], ['12:30', '15:00'])
  // 2026-11-23 is a holiday.
  assert.deepEqual(starts(inTokyo('2026-11-20'), 'MINUTE_30', tokyo, 11), inTokyo('2026-11-24'))
})

test('minutes of futures go on in the evening before a session, and not after the last one of a week', () => {
  const friday = everyHalfHour('2026-11-19', 'America/New_York', ['00:00', '16:30'], ['18:00', '23:30'])
  const before = [...friday, ...everyHalfHour('2026-11-20', 'America/New_York', ['00:00', '16:30'])]
  assert.deepEqual(starts(before, 'MINUTE_30', gold, 2), ['2026-11-22T23:00', '2026-11-22T23:30'])
})
