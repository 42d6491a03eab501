import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { exchangeCalendars } from '../../../../src/domain/exchange-calendar/calendars.ts'
import type { ExchangeCalendar, Session } from '../../../../src/domain/exchange-calendar/exchange-calendar.ts'
import { clockTime } from '../../../../src/domain/time/exchange-clock.ts'
import { daySeconds, monthStart, weekSeconds } from '../../../../src/domain/time/units.ts'

const utc = (text: string): number => Date.parse(text.length === 10 ? text : `${text}Z`) / 1000
const written = (epoch: number): string => new Date(epoch * 1000).toISOString().slice(0, 16)
const dates = ({ from, to }: { from: number; to: number }): string =>
  `${written(from).slice(0, 10)} ${written(to - daySeconds).slice(0, 10)}`
const calendar = (id: string): ExchangeCalendar => exchangeCalendars.get(id) ?? assert.fail(`no calendar ${id}`)
const times = (session: Session | null | undefined): string | null | undefined =>
  session && `${written(session.opens)} ${written(session.closes)}`
/** null: there is no session, or not all dates are known. */
const lastOfWeek = (each: ExchangeCalendar, date: number): Session | null => {
  const { from, to } = each.weekOf(date)
  return each.sessions(from, to)?.at(-1) ?? null
}
const lastOfMonth = (each: ExchangeCalendar, date: number): Session | null =>
  each.sessions(monthStart(date), monthStart(date, 1))?.at(-1) ?? null

test('a session keeps its hours by the clock of the exchange when that is changed', () => {
  // New York: summer from 2026-03-08 to 2026-11-01.
  assert.equal(times(calendar('XNYS').sessionOn(utc('2026-03-06'))), '2026-03-06T14:30 2026-03-06T21:00')
  assert.equal(times(calendar('XNYS').sessionOn(utc('2026-03-09'))), '2026-03-09T13:30 2026-03-09T20:00')
  assert.equal(times(calendar('XNYS').sessionOn(utc('2026-10-30'))), '2026-10-30T13:30 2026-10-30T20:00')
  assert.equal(times(calendar('XNYS').sessionOn(utc('2026-11-02'))), '2026-11-02T14:30 2026-11-02T21:00')
  // London: summer from 2026-03-29 to 2026-10-25.
  assert.equal(times(calendar('XLON').sessionOn(utc('2026-03-30'))), '2026-03-30T07:00 2026-03-30T15:30')
  assert.equal(times(calendar('XLON').sessionOn(utc('2026-10-26'))), '2026-10-26T08:00 2026-10-26T16:30')
  assert.equal(times(calendar('XTKS').sessionOn(utc('2026-07-01'))), '2026-07-01T00:00 2026-07-01T06:30')
})

test("CME's session of a date begins the evening before, after a weekend on Sunday", () => {
  // Chicago: summer from 2026-03-08.
  assert.equal(times(calendar('CMES').sessionOn(utc('2026-03-06'))), '2026-03-05T23:00 2026-03-06T23:00')
  assert.equal(times(calendar('CMES').sessionOn(utc('2026-03-09'))), '2026-03-08T22:00 2026-03-09T22:00')
  const sunday = calendar('CMES').sessionAt(utc('2026-03-08T22:30'))
  assert.equal(sunday && written(sunday.date), '2026-03-09T00:00')
  assert.equal(calendar('CMES').sessionAt(utc('2026-03-08T21:30')), null)
  assert.equal(calendar('CMES').sessionAt(utc('2026-03-07T12:00')), null)
})

test('currencies trade from Sunday 17:00 in New York to Friday 17:00, in summer and winter', () => {
  const fx = calendar('FX')
  assert.equal(written(fx.nextOpen(utc('2026-01-16T22:30')) ?? 0), '2026-01-18T22:00')
  assert.equal(written(fx.nextOpen(utc('2026-07-17T22:30')) ?? 0), '2026-07-19T21:00')
  assert.equal(written(lastOfWeek(fx, utc('2026-07-15'))?.closes ?? 0), '2026-07-17T21:00')
  assert.equal(fx.sessionAt(utc('2026-07-18T12:00')), null)
  assert.notEqual(fx.sessionAt(utc('2026-12-25T12:00')), null)
})

test('crypto trades always, in days of UTC', () => {
  const crypto = calendar('CRYPTO')
  assert.equal(times(crypto.sessionOn(utc('2026-07-18'))), '2026-07-18T00:00 2026-07-19T00:00')
  assert.equal(crypto.sessions(utc('2026-01-01'), utc('2027-01-01'))?.length, 365)
  assert.equal(dates(crypto.weekOf(utc('2026-07-18'))), '2026-07-13 2026-07-19')
  assert.equal(times(lastOfMonth(crypto, utc('2026-05-05'))), '2026-05-31T00:00 2026-06-01T00:00')
})

test('a week begins on Monday, and a single session on Sunday closes the week before', () => {
  assert.equal(dates(calendar('XNYS').weekOf(utc('2026-11-30'))), '2026-11-30 2026-12-06')
  assert.equal(dates(calendar('XNYS').weekOf(utc('2026-12-06'))), '2026-11-30 2026-12-06')
})

test("Riyadh's week begins on Sunday and ends on Thursday", () => {
  for (const date of ['2026-11-15', '2026-11-16', '2026-11-19', '2026-11-21']) {
    assert.equal(dates(calendar('XSAU').weekOf(utc(date))), '2026-11-15 2026-11-21')
    assert.equal(times(lastOfWeek(calendar('XSAU'), utc(date))), '2026-11-19T07:00 2026-11-19T12:00')
  }
})

test("Tel Aviv's week begins on Sunday until 2026-01-04 and on Monday from 2026-01-05 on", () => {
  const weekOf = (date: string) => dates(calendar('XTAE').weekOf(utc(date)))
  assert.equal(weekOf('2026-01-03'), '2025-12-28 2026-01-03')
  assert.equal(weekOf('2026-01-04'), '2026-01-04 2026-01-04')
  assert.equal(weekOf('2026-01-05'), '2026-01-05 2026-01-11')
  assert.equal(weekOf('2026-01-11'), '2026-01-05 2026-01-11')
  const last = lastOfWeek(calendar('XTAE'), utc('2026-01-05'))
  assert.equal(times(last), '2026-01-09T07:59 2026-01-09T11:50')
  assert.equal(last?.shortened, false)
})

test('a week and a month end with their last session, before holidays and on half days too', () => {
  const closesOf = (session: Session | null | undefined) => written(session?.closes ?? 0)
  // Good Friday, Thanksgiving's Friday, a week of Shanghai's without a session.
  assert.equal(closesOf(lastOfWeek(calendar('XNYS'), utc('2026-03-30'))), '2026-04-02T20:00')
  assert.equal(closesOf(lastOfWeek(calendar('XNYS'), utc('2026-11-23'))), '2026-11-27T18:00')
  assert.equal(lastOfWeek(calendar('XSHG'), utc('2026-02-16')), null)
  // May 2026 ends on a Sunday.
  assert.equal(closesOf(lastOfMonth(calendar('XNYS'), utc('2026-05-01'))), '2026-05-29T20:00')
  assert.equal(closesOf(lastOfMonth(calendar('XSAU'), utc('2026-05-03'))), '2026-05-31T12:00')
  // The week of New Year 2027 is not known to its end.
  const { from, to } = calendar('XSHG').weekOf(utc('2026-12-30'))
  assert.equal(calendar('XSHG').sessions(from, to), null)
})

test('a session that closes early is marked by what is usual on its weekday', () => {
  const shortened = (id: string, date: string) => calendar(id).sessionOn(utc(date))?.shortened
  // Sundays of Tel Aviv were always shorter.
  assert.equal(shortened('XTAE', '2025-11-30'), false)
  assert.equal(shortened('XTAE', '2025-10-08'), true)
  assert.equal(shortened('XNYS', '2026-11-27'), true)
  assert.equal(shortened('XNYS', '2026-11-25'), false)
})

const anyCalendar = fc.constantFrom(...exchangeCalendars.values())
/** A calendar and a time within what it knows, with a margin for the sessions around. */
const anyTime = anyCalendar.chain((each) => {
  const margin = 30 * daySeconds
  const from = Math.max(each.known.from, utc('1990-01-01')) + margin
  const to = Math.min(each.known.to, utc('2035-01-01')) - margin
  return fc.tuple(fc.constant(each), fc.integer({ min: from, max: to }))
})
const near = (each: ExchangeCalendar, epoch: number): Session[] => {
  const date = Math.floor(epoch / daySeconds) * daySeconds
  return each.sessions(date - 25 * daySeconds, date + 25 * daySeconds) ?? assert.fail('known')
}

test('sessions are in order, never overlap, and hold their breaks', () => {
  fc.assert(
    fc.property(anyTime, ([each, epoch]) => {
      let before: Session | undefined
      for (const session of near(each, epoch)) {
        assert.ok(session.opens < session.closes)
        if (before) assert.ok(before.date < session.date && before.closes <= session.opens)
        let free = session.opens
        for (const { from, to } of session.breaks) {
          assert.ok(free < from && from < to && to < session.closes)
          free = to
        }
        const midnight = clockTime(session.closes, each.timezone) - session.date
        assert.ok(midnight > 0 && midnight <= daySeconds, 'it ends on its date')
        before = session
      }
    }),
    { numRuns: 300 },
  )
})

test('the next open and close are those of the sessions, whatever the time', () => {
  fc.assert(
    fc.property(anyTime, fc.constantFrom('any', 'opens', 'closes', 'before'), ([each, any], moment) => {
      const sessions = near(each, any)
      // Edges are where mistakes are.
      const session = sessions.find(({ closes }) => closes > any) ?? assert.fail('a session')
      const epoch = { any, opens: session.opens, closes: session.closes, before: session.opens - 1 }[moment]
      assert.equal(each.nextOpen(epoch), sessions.find(({ opens }) => opens > epoch)?.opens)
      assert.equal(each.nextClose(epoch), sessions.find(({ closes }) => closes > epoch)?.closes)
      const running = sessions.find(({ opens, closes }) => opens <= epoch && epoch < closes) ?? null
      assert.deepEqual(each.sessionAt(epoch), running)
    }),
    { numRuns: 1_000 },
  )
})

test('weeks follow one another without gap and hold the date asked for', () => {
  fc.assert(
    fc.property(anyTime, ([each, epoch]) => {
      const date = Math.floor(epoch / daySeconds) * daySeconds
      const week = each.weekOf(date)
      assert.ok(week.from <= date && date < week.to && week.to - week.from <= weekSeconds)
      assert.equal(each.weekOf(week.to).from, week.to)
      assert.equal(each.weekOf(week.from - daySeconds).to, week.from)
    }),
    { numRuns: 500 },
  )
})
