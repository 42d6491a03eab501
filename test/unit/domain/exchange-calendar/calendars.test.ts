import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { calendarOf, exchangeCalendars } from '../../../../src/domain/exchange-calendar/calendars.ts'
import type { ExchangeCalendar } from '../../../../src/domain/exchange-calendar/exchange-calendar.ts'
import { clockTime } from '../../../../src/domain/time/exchange-clock.ts'
import { daySeconds } from '../../../../src/domain/time/units.ts'

const dateOf = (text: string): number => Date.parse(text) / 1000
const written = (date: number): string => new Date(date * 1000).toISOString().slice(0, 10)
const calendar = (id: string): ExchangeCalendar => exchangeCalendars.get(id) ?? assert.fail(`no calendar ${id}`)

/** Weekdays of a year on which an exchange is closed, as MM-DD. */
function closedWeekdays(id: string, year: number): string {
  const closed: string[] = []
  for (let date = dateOf(`${year}-01-01`); date < dateOf(`${year + 1}-01-01`); date += daySeconds) {
    const weekday = new Date(date * 1000).getUTCDay()
    const session = calendar(id).sessionOn(date)
    assert.notEqual(session, undefined, `${id} knows ${written(date)}`)
    if (session === null && weekday !== 0 && weekday !== 6) closed.push(written(date).slice(5))
  }
  return closed.join(' ')
}

/** Dates of a year on which an exchange closes early, and when by its clock. */
function halfDays(id: string, year: number): string {
  const from = Math.max(dateOf(`${year}-01-01`), calendar(id).known.from)
  const sessions = calendar(id).sessions(from, dateOf(`${year + 1}-01-01`)) ?? assert.fail('known')
  return sessions
    .filter(({ shortened }) => shortened)
    .map(({ date, closes }) => {
      const ofDay = new Date((clockTime(closes, calendar(id).timezone) - date) * 1000).toISOString().slice(11, 16)
      return `${written(date).slice(5)} ${ofDay}`
    })
    .join(', ')
}

test('New York closes early before holidays, as NYSE Group announced for 2023 to 2028', () => {
  assert.equal(halfDays('XNYS', 2023), '07-03 13:00, 11-24 13:00')
  assert.equal(halfDays('XNYS', 2024), '07-03 13:00, 11-29 13:00, 12-24 13:00')
  assert.equal(halfDays('XNYS', 2025), '07-03 13:00, 11-28 13:00, 12-24 13:00')
  assert.equal(halfDays('XNYS', 2026), '11-27 13:00, 12-24 13:00')
  assert.equal(halfDays('XNYS', 2027), '11-26 13:00')
  assert.equal(halfDays('XNYS', 2028), '07-03 13:00, 11-24 13:00')
})

test('half days of New York in the past, with those of no rule', () => {
  assert.equal(halfDays('XNYS', 1990), '12-24 14:00')
  assert.equal(halfDays('XNYS', 1992), '11-27 14:00, 12-24 14:00')
  assert.equal(halfDays('XNYS', 1996), '07-05 13:00, 11-29 13:00, 12-24 13:00')
  assert.equal(halfDays('XNYS', 1997), '07-03 13:00, 11-28 13:00, 12-24 13:00, 12-26 13:00')
  assert.equal(halfDays('XNYS', 1999), '11-26 13:00, 12-31 13:00')
  assert.equal(halfDays('XNYS', 2002), '07-05 13:00, 11-29 13:00, 12-24 13:00')
  assert.equal(halfDays('XNYS', 2013), '07-03 13:00, 11-29 13:00, 12-24 13:00')
})

test('London closes at half past twelve on the last sessions before Christmas and New Year', () => {
  assert.equal(halfDays('XLON', 1999), '12-24 12:30')
  assert.equal(halfDays('XLON', 2021), '12-24 12:30, 12-31 12:30')
  assert.equal(halfDays('XLON', 2022), '12-23 12:30, 12-30 12:30')
  assert.equal(halfDays('XLON', 2023), '12-22 12:30, 12-29 12:30')
  assert.equal(halfDays('XLON', 2026), '12-24 12:30, 12-31 12:30')
})

test('Hong Kong trades on the mornings before the Lunar New Year, Christmas and New Year, and has no lunch then', () => {
  assert.equal(halfDays('XHKG', 2010), '12-24 12:30, 12-31 12:30')
  assert.equal(halfDays('XHKG', 2024), '02-09 12:00, 12-24 12:00, 12-31 12:00')
  assert.equal(halfDays('XHKG', 2025), '01-28 12:00, 12-24 12:00, 12-31 12:00')
  assert.equal(halfDays('XHKG', 2026), '02-16 12:00, 12-24 12:00, 12-31 12:00')
  assert.equal(halfDays('XHKG', 2027), '02-05 12:00, 12-24 12:00, 12-31 12:00')
  const session = calendar('XHKG').sessionOn(dateOf('2026-12-24'))
  assert.deepEqual(session?.breaks, [])
  assert.equal(calendar('XHKG').sessionOn(dateOf('2026-12-23'))?.breaks.length, 1)
})

test('New York is closed on the holidays that NYSE Group announced for 2026 to 2028', () => {
  assert.equal(closedWeekdays('XNYS', 2026), '01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25')
  assert.equal(closedWeekdays('XNYS', 2027), '01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24')
  // New Year's Day is a Saturday and is not observed on the Friday before.
  assert.equal(closedWeekdays('XNYS', 2028), '01-17 02-21 04-14 05-29 06-19 07-04 09-04 11-23 12-25')
  assert.equal(closedWeekdays('XNYS', 2025), '01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25')
})

test('New York knows all ten unscheduled closings of 1990 to 2022', () => {
  const closings =
    '1994-04-27 2001-09-11 2001-09-12 2001-09-13 2001-09-14 2004-06-11 2007-01-02 2012-10-29 2012-10-30 2018-12-05'
  for (const date of closings.split(' ')) assert.equal(calendar('XNYS').sessionOn(dateOf(date)), null, date)
})

test('other exchanges are closed on the days that they published for years beyond the recorded ones', () => {
  assert.equal(closedWeekdays('XTSE', 2021), '01-01 02-15 04-02 05-24 07-01 08-02 09-06 10-11 12-27 12-28')
  assert.equal(closedWeekdays('XTSE', 2022), '01-03 02-21 04-15 05-23 07-01 08-01 09-05 10-10 12-26 12-27')
  assert.equal(closedWeekdays('XLON', 2027), '01-01 03-26 03-29 05-03 05-31 08-30 12-27 12-28')
  assert.equal(closedWeekdays('XLON', 2028), '01-03 04-14 04-17 05-01 05-29 08-28 12-25 12-26')
  assert.equal(closedWeekdays('XETR', 2024), '01-01 03-29 04-01 05-01 12-24 12-25 12-26 12-31')
  assert.equal(closedWeekdays('XETR', 2028), '04-14 04-17 05-01 12-25 12-26')
  assert.equal(closedWeekdays('XMIL', 2025), '01-01 04-18 04-21 05-01 08-15 12-24 12-25 12-26 12-31')
  assert.equal(closedWeekdays('XMIL', 2026), '01-01 04-03 04-06 05-01 12-24 12-25 12-31')
  assert.equal(closedWeekdays('XMAD', 2026), '01-01 04-03 04-06 05-01 12-25')
  assert.equal(closedWeekdays('XPAR', 2024), '01-01 03-29 04-01 05-01 12-25 12-26')
  assert.equal(closedWeekdays('XSWX', 2022), '04-15 04-18 05-26 06-06 08-01 12-26')
  assert.equal(halfDays('XMAD', 2026), '12-24 14:00, 12-31 14:00')
  assert.equal(halfDays('XPAR', 2027), '12-24 14:05, 12-31 14:05')
  assert.equal(halfDays('XETR', 2023), '12-29 14:00')
  assert.equal(halfDays('XTSE', 2025), '12-24 13:00')
})

test('Hong Kong is closed on the general holidays gazetted for 2026 and 2027', () => {
  assert.equal(
    closedWeekdays('XHKG', 2026),
    '01-01 02-17 02-18 02-19 04-03 04-06 04-07 05-01 05-25 06-19 07-01 10-01 10-19 12-25',
  )
  assert.equal(
    closedWeekdays('XHKG', 2027),
    '01-01 02-08 02-09 03-26 03-29 04-05 05-13 06-09 07-01 09-16 10-01 10-08 12-27',
  )
})

test('Tokyo is closed on the holidays of 2027, one of them for an equinox on a Sunday', () => {
  assert.equal(
    closedWeekdays('XTKS', 2027),
    '01-01 01-11 02-11 02-23 03-22 04-29 05-03 05-04 05-05 07-19 08-11 09-20 09-23 10-11 11-03 11-23 12-31',
  )
})

test('of a year about which nothing is known, there is neither a session nor a holiday', () => {
  for (const [id, date] of [
    ['XNYS', '1990-01-01'],
    ['XNYS', '2029-01-01'],
    ['XNYS', '2029-01-02'],
    ['XSHG', '2027-01-04'],
    ['XSES', '2027-02-06'],
    ['XTAE', '2027-01-01'],
    ['XMIL', '2028-06-01'],
  ] as const) {
    assert.equal(calendar(id).sessionOn(dateOf(date)), undefined, `${id} ${date}`)
    assert.equal(calendar(id).sessions(dateOf(date), dateOf(date) + daySeconds), null, `${id} ${date}`)
    assert.equal(calendar(id).sessionAt(dateOf(date) + daySeconds / 2), undefined, `${id} ${date}`)
    assert.equal(calendar(id).nextOpen(dateOf(date) + daySeconds / 2), null, `${id} ${date}`)
    assert.equal(calendar(id).nextClose(dateOf(date) + daySeconds / 2), null, `${id} ${date}`)
  }
  // Known until the last day of 2026: the next session is beyond.
  assert.equal(calendar('XSHG').nextOpen(dateOf('2026-12-31T12:00Z')), null)
  assert.equal(calendar('XSHG').sessions(dateOf('2026-12-30'), dateOf('2027-01-02')), null)
  assert.equal(calendar('XSHG').sessions(dateOf('2026-12-30'), dateOf('2027-01-01'))?.length, 2)
})

test('every calendar names its sources', () => {
  assert.equal(exchangeCalendars.size, 18)
  for (const [id, each] of exchangeCalendars) {
    assert.equal(each.id, id)
    assert.ok(each.sources.length > 0)
  }
})

test("Yahoo's exchange codes lead to calendars, and unknown ones to none", () => {
  const ids = (codes: string) => codes.split(' ').map((code) => calendarOf(code)?.id ?? null)
  assert.deepEqual(new Set(ids('NMS NYQ PCX ASE BTS NGM NCM')), new Set(['XNYS']))
  assert.deepEqual(ids('TOR LSE GER PAR EBS MIL MCE'), ['XTSE', 'XLON', 'XETR', 'XPAR', 'XSWX', 'XMIL', 'XMAD'])
  assert.deepEqual(ids('JPX HKG SHH SHZ SES TAI'), ['XTKS', 'XHKG', 'XSHG', 'XSHG', 'XSES', 'XTAI'])
  assert.deepEqual(ids('SAU TLV CME CBT NYM CMX'), ['XSAU', 'XTAE', 'CMES', 'CMES', 'CMES', 'CMES'])
  assert.deepEqual(ids('CCY CCC'), ['FX', 'CRYPTO'])
  assert.deepEqual(ids('KSC NSI FRA constructor __proto__'), [null, null, null, null, null])
})

test('docs/calendars.md names each calendar, its codes and the dates that it knows', () => {
  const page = readFileSync(new URL('../../../../docs/calendars.md', import.meta.url), 'utf8')
  const rows = Array.from(page.matchAll(/^\| `(\w+)` \| [^|]+ \| ([^|]+) \| (\S+) \| (\S+) \|$/gm))
  assert.deepEqual(
    rows.map(([, id = '']) => id),
    [...exchangeCalendars.keys()],
  )
  for (const [, id = '', codes = '', from, to] of rows) {
    const { known } = calendar(id)
    const shown = (date: number) => (Number.isFinite(date) ? written(date) : 'always')
    assert.deepEqual([from, to], [shown(known.from), shown(known.to - daySeconds)], id)
    for (const code of codes.split(' ')) assert.equal(calendarOf(code)?.id, id, code)
  }
})
