import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { calendarOf } from '../../../../src/domain/exchange-calendar/calendars.ts'
import { closedAt } from '../../../../src/domain/sessions/closed-at.ts'
import { composedSpan } from '../../../../src/domain/sessions/composed-span.ts'
import { nextStarts } from '../../../../src/domain/sessions/next-starts.ts'
import type { SessionHours } from '../../../../src/domain/sessions/session-hours.ts'
import { clockTime, epochOf } from '../../../../src/domain/time/exchange-clock.ts'

type Hours = 'HOUR_2' | 'HOUR_4'

const utc = (text: string): number => Date.parse(text.length === 10 ? `${text}T00:00Z` : `${text}Z`) / 1000

/** A market as it is known by the session of one date. */
const market = (
  exchange: string | null,
  timezone: string,
  [date, opens, closes]: readonly [string, string, string],
): SessionHours => ({
  exchange,
  timezone,
  opens: epochOf(utc(`${date}T${opens}`), timezone),
  closes: epochOf(utc(`${date}T${closes}`), timezone),
})
const newYork = market('NMS', 'America/New_York', ['2026-11-27', '09:30', '13:00'])
const london = market('LSE', 'Europe/London', ['2026-11-24', '08:00', '16:30'])
const tokyo = market('JPX', 'Asia/Tokyo', ['2026-11-24', '09:00', '15:30'])
const hongKong = market('HKG', 'Asia/Hong_Kong', ['2026-11-24', '09:30', '16:00'])
const gold = market('CMX', 'America/New_York', ['2026-11-24', '00:00', '24:00'])
const euro = market('CCY', 'Europe/London', ['2026-11-24', '00:00', '24:00'])
const bitcoin = market('CCC', 'UTC', ['2026-11-24', '00:00', '24:00'])
/** Of these no calendar is known. */
const sydney = market(null, 'Australia/Sydney', ['2026-11-24', '10:00', '16:00'])
const santiago = market(null, 'America/Santiago', ['2026-11-24', '09:30', '16:00'])
const mumbai = market(null, 'Asia/Kolkata', ['2026-11-24', '09:15', '15:30'])
const roundTheClock = market(null, 'America/Santiago', ['2026-11-24', '00:00', '24:00'])
const unknown: SessionHours = { timezone: 'Europe/London', opens: null, closes: null }
const onlyHalfDay: SessionHours = { ...newYork, exchange: null, isOnlySession: true }
const markets = {
  ...{
    newYork,
    london,
    tokyo,
    hongKong,
    gold,
    euro,
    bitcoin,
    sydney,
    santiago,
    mumbai,
    roundTheClock,
    unknown,
    onlyHalfDay,
  },
}

/** Start and end by the clock of the exchange, of all hours between two times of a date. */
function hoursOf(
  interval: Hours,
  hours: SessionHours,
  [date, from, to]: readonly [string, string, string],
  timezone = hours.timezone,
): string[] {
  const written = (epoch: number) => new Date(clockTime(epoch, timezone) * 1000).toISOString().slice(11, 16)
  const found: string[] = []
  const end = epochOf(utc(`${date}T${to}`), timezone)
  for (let epoch = epochOf(utc(`${date}T${from}`), timezone); epoch < end; ) {
    const span = composedSpan(interval, epoch, hours)
    found.push(`${written(span.start)}-${written(span.end)}`)
    epoch = span.end
  }
  return found
}

test('two and four hours begin with the session and end with its bell, half days among them', () => {
  const whole: [string, string, string] = ['2026-11-25', '09:30', '16:00']
  assert.deepEqual(hoursOf('HOUR_2', newYork, whole), ['09:30-11:30', '11:30-13:30', '13:30-15:30', '15:30-16:00'])
  assert.deepEqual(hoursOf('HOUR_4', newYork, whole), ['09:30-13:30', '13:30-16:00'])
  const half: [string, string, string] = ['2026-11-27', '09:30', '13:00']
  assert.deepEqual(hoursOf('HOUR_2', newYork, half), ['09:30-11:30', '11:30-13:00'])
  assert.deepEqual(hoursOf('HOUR_4', newYork, half), ['09:30-13:00'])
  assert.deepEqual(hoursOf('HOUR_4', london, ['2026-12-24', '08:00', '12:30']), ['08:00-12:00', '12:00-12:30'])
  assert.deepEqual(hoursOf('HOUR_4', mumbai, ['2026-11-25', '09:15', '15:30']), ['09:15-13:15', '13:15-15:30'])
})

test('hours before and after the session are counted by themselves, on half days from the early bell', () => {
  const whole: [string, string, string] = ['2026-11-25', '04:00', '20:00']
  const before = ['04:00-06:00', '06:00-08:00', '08:00-09:30']
  const session = ['09:30-11:30', '11:30-13:30', '13:30-15:30', '15:30-16:00']
  assert.deepEqual(hoursOf('HOUR_2', newYork, whole), [...before, ...session, '16:00-18:00', '18:00-20:00'])
  const half: [string, string, string] = ['2026-11-27', '04:00', '17:00']
  assert.deepEqual(hoursOf('HOUR_4', newYork, half), ['04:00-08:00', '08:00-09:30', '09:30-13:00', '13:00-17:00'])
})

test('after lunch hours begin anew', () => {
  const day: [string, string, string] = ['2026-11-25', '09:00', '15:30']
  assert.deepEqual(hoursOf('HOUR_2', tokyo, day), ['09:00-11:00', '11:00-11:30', '12:30-14:30', '14:30-15:30'])
  assert.deepEqual(hoursOf('HOUR_4', tokyo, day), ['09:00-11:30', '12:30-15:30'])
  const session: [string, string, string] = ['2026-11-25', '09:30', '16:00']
  assert.deepEqual(hoursOf('HOUR_4', hongKong, session), ['09:30-12:00', '13:00-16:00'])
  // The source's hour that begins at lunch holds what is traded after it.
  const lunch = epochOf(utc('2026-11-25T12:00'), 'Asia/Tokyo')
  assert.equal(composedSpan('HOUR_4', lunch, tokyo).start, lunch + 1800)
  const evening = epochOf(utc('2025-12-24T11:30'), 'Asia/Hong_Kong')
  assert.equal(composedSpan('HOUR_4', evening, hongKong).end, evening + 1800)
})

test('where there is no bell hours begin with the day of the exchange: currencies in New York, futures in Chicago, crypto in UTC', () => {
  const all = ['17:00-21:00', '21:00-01:00', '01:00-05:00', '05:00-09:00', '09:00-13:00', '13:00-17:00']
  // New York puts its clocks forward on 2026-03-08, London on 03-29: in between, the grid seems shifted to London.
  for (const date of ['2026-03-04', '2026-03-11', '2026-04-01', '2026-07-01', '2026-10-28', '2026-11-04']) {
    assert.deepEqual(hoursOf('HOUR_4', euro, [date, '01:00', '17:00'], 'America/New_York'), all.slice(2))
    assert.deepEqual(hoursOf('HOUR_4', gold, [date, '01:00', '17:00'], 'America/Chicago'), all.slice(2))
    assert.deepEqual(hoursOf('HOUR_2', gold, [date, '18:00', '20:00'], 'America/New_York'), ['18:00-20:00'])
    assert.deepEqual(hoursOf('HOUR_4', bitcoin, [date, '00:00', '08:00']), ['00:00-04:00', '04:00-08:00'])
  }
  // On a half day of futures, some of which trade on, the count goes on.
  assert.deepEqual(hoursOf('HOUR_4', gold, ['2026-11-26', '09:00', '17:00'], 'America/Chicago'), all.slice(4))
})

/** Times around changes of the clock in New York, London, Sydney and Santiago, half days, holidays, and what no calendar knows. */
const anyTime = fc
  .tuple(
    fc.constantFrom(
      ...['2026-03-07', '2026-03-28', '2026-04-03', '2026-09-05', '2026-10-03', '2026-10-24', '2026-10-31'],
      ...['2026-11-25', '2026-12-23', '2027-12-30', '2031-03-08', '1985-03-30'],
    ),
    fc.nat({ max: 4 * 86_400 }),
  )
  .map(([date, seconds]) => utc(date) + seconds)

test('every time lies in one span of hours, and spans follow each other without a gap but lunch, over any change of clocks', () => {
  const property = fc.property(
    fc.constantFrom(...Object.entries(markets)),
    fc.constantFrom<Hours>('HOUR_2', 'HOUR_4'),
    anyTime,
    ([name, hours], interval, epoch) => {
      const size = interval === 'HOUR_2' ? 7200 : 14_400
      const calendar = calendarOf(hours.exchange ?? '')
      const lunch = calendar?.hasBell
        ? calendar.sessionAt(epoch)?.breaks.find(({ from, to }) => from <= epoch && epoch < to)
        : undefined
      const span = composedSpan(interval, epoch, hours)
      const at = `${name} ${new Date(epoch * 1000).toISOString()}`
      if (lunch) assert.equal(span.start, lunch.to, at)
      else assert.ok(span.start <= epoch && epoch < span.end, at)
      assert.ok(span.end > span.start && span.end - span.start <= size, at)
      for (const inside of [span.start, Math.floor((span.start + span.end) / 2), span.end - 1]) {
        assert.deepEqual(composedSpan(interval, inside, hours), span, at)
      }
      const next = composedSpan(interval, span.end, hours)
      const broken = calendar?.hasBell
        ? calendar.sessionAt(span.end)?.breaks.find(({ from }) => from === span.end)
        : undefined
      assert.equal(next.start, broken?.to ?? span.end, at)
      // Whole unless a stretch ends with it.
      const session = calendar?.hasBell ? calendar.sessionAt(epoch) : undefined
      if (session && !lunch) {
        const begins = session.breaks.findLast(({ to }) => to <= epoch)?.to ?? session.opens
        assert.equal((span.start - begins) % size, 0, at)
        assert.equal(closedAt(span.start, interval, hours), span.end, at)
      }
    },
  )
  fc.assert(property, { numRuns: 5000 })
})

test('the clock of the exchange says when hours begin, on both sides of every change of clocks', () => {
  for (const [hours, opens] of [
    [newYork, '09:30'],
    [london, '08:00'],
    [sydney, '10:00'],
    [santiago, '09:30'],
    [mumbai, '09:15'],
  ] as const) {
    for (let date = utc('2026-01-01'); date < utc('2027-01-01'); date += 86_400) {
      const start = epochOf(date + utc(`1970-01-01T${opens}`), hours.timezone)
      for (const interval of ['HOUR_2', 'HOUR_4'] as const) {
        assert.equal(composedSpan(interval, start, hours).start, start)
        assert.equal(composedSpan(interval, start + 5400, hours).start, start)
      }
    }
  }
})

test('hours are complete at the bell of their own date, before lunch when it begins, and otherwise after their length', () => {
  const closed = (interval: Hours | 'HOUR_1', start: string, hours: SessionHours, timezone = hours.timezone): string =>
    new Date(clockTime(closedAt(epochOf(utc(start), timezone), interval, hours), timezone) * 1000)
      .toISOString()
      .slice(0, 16)
  assert.equal(closed('HOUR_4', '2026-11-25T13:30', newYork), '2026-11-25T16:00')
  assert.equal(closed('HOUR_4', '2026-11-27T09:30', newYork), '2026-11-27T13:00')
  assert.equal(closed('HOUR_2', '2026-11-27T11:30', newYork), '2026-11-27T13:00')
  assert.equal(closed('HOUR_2', '2026-11-27T09:30', newYork), '2026-11-27T11:30')
  assert.equal(closed('HOUR_4', '2026-11-25T09:00', tokyo), '2026-11-25T11:30')
  assert.equal(closed('HOUR_1', '2026-11-25T11:00', tokyo), '2026-11-25T11:30')
  assert.equal(closed('HOUR_1', '2026-11-25T14:30', tokyo), '2026-11-25T15:30')
  assert.equal(closed('HOUR_4', '2026-11-25T16:00', newYork), '2026-11-25T20:00')
  assert.equal(closed('HOUR_4', '2026-11-25T08:00', newYork), '2026-11-25T09:30')
  assert.equal(closed('HOUR_4', '2026-11-26T09:00', gold, 'America/Chicago'), '2026-11-26T13:00')
  // One session that was seen says nothing of others: later, never earlier.
  assert.equal(closed('HOUR_4', '2026-11-25T13:30', onlyHalfDay), '2026-11-25T17:30')
  assert.equal(closed('HOUR_4', '2026-11-27T09:30', onlyHalfDay), '2026-11-27T13:00')
})

test('hours ahead follow the sessions: over half days, holidays, lunch, and a change of clocks in New York that London has later', () => {
  const after = (
    interval: Hours,
    hours: SessionHours,
    before: readonly string[],
    count: number,
    timezone = hours.timezone,
  ): string[] =>
    nextStarts(
      Float64Array.from(before, (text) => epochOf(utc(text), timezone)),
      interval,
      hours,
      count,
    ).map((epoch) => new Date(clockTime(epoch, timezone) * 1000).toISOString().slice(5, 16))
  const on = (date: string, ...times: string[]) => times.map((time) => `${date}T${time}`)
  const before = ['2026-11-24', '2026-11-25'].flatMap((date) => on(date, '09:30', '13:30'))
  assert.deepEqual(after('HOUR_4', newYork, before, 3), ['11-27T09:30', '11-30T09:30', '11-30T13:30'])
  // Before and after the session, too: on the half day those after it begin at its bell.
  const extended = ['2026-11-24', '2026-11-25'].flatMap((date) => on(date, '04:00', '08:00', '09:30', '13:30', '16:00'))
  assert.deepEqual(after('HOUR_4', newYork, extended, 6), [
    ...['11-27T04:00', '11-27T08:00', '11-27T09:30', '11-27T13:00'],
    ...['11-30T04:00', '11-30T08:00'],
  ])
  assert.deepEqual(after('HOUR_4', tokyo, on('2026-11-20', '09:00', '12:30'), 3), [
    ...['11-24T09:00', '11-24T12:30', '11-25T09:00'],
  ])
  const week = ['2026-03-03', '2026-03-04', '2026-03-05'].flatMap((date) =>
    on(date, '01:00', '05:00', '09:00', '13:00', '17:00', '21:00'),
  )
  const friday = on('2026-03-06', '01:00', '05:00', '09:00', '13:00')
  assert.deepEqual(after('HOUR_4', euro, [...week, ...friday], 4, 'America/New_York'), [
    ...['03-08T17:00', '03-08T21:00', '03-09T01:00', '03-09T05:00'],
  ])
  assert.deepEqual(after('HOUR_4', sydney, on('2026-10-01', '10:00', '14:00'), 4), [
    ...['10-02T10:00', '10-02T14:00', '10-05T10:00', '10-05T14:00'],
  ])
})

test('a quarter is one of the calendar, complete with its last session, even if that is a Sunday', () => {
  const riyadh = market('SAU', 'Asia/Riyadh', ['2026-11-29', '10:00', '15:00'])
  const quarter = composedSpan('MONTH_3', utc('2026-05-17'), newYork)
  assert.deepEqual(quarter, { start: utc('2026-04-01'), end: utc('2026-07-01') })
  assert.deepEqual(composedSpan('MONTH_3', utc('1969-12-31'), newYork), { start: utc('1969-10-01'), end: 0 })
  const closed = (start: string, hours: SessionHours): string =>
    new Date(closedAt(utc(start), 'MONTH_3', hours) * 1000).toISOString().slice(0, 16)
  assert.equal(closed('2026-01-01', newYork), '2026-03-31T20:00')
  assert.equal(closed('2026-10-01', london), '2026-12-31T12:30')
  // 2024-06-30 was a Sunday, with a session in Riyadh.
  assert.equal(closed('2024-04-01', riyadh), '2024-06-30T12:00')
  assert.equal(closed('2026-04-01', { ...mumbai, unscheduled: [utc('2026-06-28')] }), '2026-06-30T10:00')
  assert.equal(closed('2028-10-01', { ...mumbai, unscheduled: [utc('2028-12-31')] }), '2028-12-31T10:00')
  const ahead = nextStarts(Float64Array.of(utc('2026-07-01'), utc('2026-10-01')), 'MONTH_3', newYork, 3)
  assert.deepEqual(ahead, [utc('2027-01-01'), utc('2027-04-01'), utc('2027-07-01')])
})
