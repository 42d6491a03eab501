import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { exchangeCalendars } from '../../../../src/domain/exchange-calendar/calendars.ts'
import type { Session } from '../../../../src/domain/exchange-calendar/exchange-calendar.ts'
import { clockTime } from '../../../../src/domain/time/exchange-clock.ts'
import { daySeconds } from '../../../../src/domain/time/units.ts'

const folder = process.env.MARKET_DATA_DIR
const skip = folder === undefined ? 'MARKET_DATA_DIR is not set' : false

/** Opens, closes and breaks by the exchange's clock; `-1d`: the evening before. */
type Hours = readonly [opens: string, closes: string, ...breaks: (readonly [string, string])[]]

interface RecordedCalendar {
  readonly exchange: string
  readonly timezone: string
  readonly from: string
  readonly to: string
  readonly count: number
  readonly closedWeekdays: readonly string[]
  readonly weekendSessions: readonly string[]
  /** Runs of sessions: first date, number of sessions, hours. */
  readonly hours: readonly (readonly [string, number, ...Hours])[]
}

const exchanges = 'XNYS XTSE XLON XETR XPAR XSWX XMIL XMAD XTKS XHKG XSHG XSES XTAI XSAU XTAE CMES'.split(' ')

const dateOf = (text: string): number => Date.parse(text) / 1000
const written = (date: number): string => new Date(date * 1000).toISOString().slice(0, 10)

test('there is a recorded calendar of each of the sixteen exchanges', { skip }, () => {
  const files = readdirSync(join(folder ?? '', 'calendars')).map((file) => file.replace('.json', ''))
  assert.deepEqual(files.sort(), exchanges.toSorted())
})

for (const id of exchanges) {
  test(`${id} agrees with its recorded sessions on every day`, { skip }, () => {
    const recorded = read(id)
    const calendar = exchangeCalendars.get(id) ?? assert.fail(`there is no calendar ${id}`)
    assert.equal(calendar.timezone, recorded.timezone)
    const expected = sessionsOf(recorded)
    assert.equal(expected.size, recorded.count)
    const differences: string[] = []
    for (let date = dateOf(recorded.from); date <= dateOf(recorded.to); date += daySeconds) {
      const session = calendar.sessionOn(date)
      const hours = session && hoursOf(session, calendar.timezone)
      const recordedHours = expected.get(date) ?? null
      if (JSON.stringify(hours) !== JSON.stringify(recordedHours)) {
        differences.push(`${written(date)}: ${JSON.stringify(hours)}, recorded ${JSON.stringify(recordedHours)}`)
      }
    }
    assert.deepEqual(differences, [])
    const listed = calendar.sessions(dateOf(recorded.from), dateOf(recorded.to) + daySeconds)
    assert.deepEqual(
      listed?.map(({ date }) => date),
      [...expected.keys()],
    )
  })
}

test('New York was open on each day on which MSFT traded, 1990 to 2022, and on no other', { skip }, () => {
  const rows = readFileSync(join(folder ?? '', 'msft-daily-1990-2022.csv'), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
  const traded = rows.map((row) => row.split(',')[0] ?? '')
  assert.ok(traded.length > 8_000)
  const sessions = exchangeCalendars
    .get('XNYS')
    ?.sessions(dateOf(traded[0] ?? ''), dateOf(traded.at(-1) ?? '') + daySeconds)
  assert.deepEqual(
    sessions?.map(({ date }) => written(date)),
    traded.map((text) => text.slice(0, 10)),
  )
})

const read = (id: string): RecordedCalendar =>
  JSON.parse(readFileSync(join(folder ?? '', 'calendars', `${id}.json`), 'utf8')) as RecordedCalendar

/** The hours of each recorded session by its date, in order. */
function sessionsOf(recorded: RecordedCalendar): Map<number, Hours> {
  const closed = new Set(recorded.closedWeekdays)
  const weekends = new Set(recorded.weekendSessions)
  const dates: number[] = []
  for (let date = dateOf(recorded.from); date <= dateOf(recorded.to); date += daySeconds) {
    const isWeekend = [0, 6].includes(new Date(date * 1000).getUTCDay())
    if (isWeekend ? weekends.has(written(date)) : !closed.has(written(date))) dates.push(date)
  }
  const hours = recorded.hours.flatMap(([, count, ...each]) => Array.from({ length: count }, () => each))
  return new Map(dates.map((date, i) => [date, hours[i] ?? assert.fail(`no hours of ${written(date)}`)]))
}

/** A session's times as the exchange's clock shows them. */
function hoursOf({ date, opens, closes, breaks }: Session, timezone: string): Hours {
  const shown = (epoch: number): string => {
    const seconds = clockTime(epoch, timezone) - date
    const ofDay = new Date((seconds < 0 ? seconds + daySeconds : seconds) * 1000).toISOString().slice(11, 16)
    return seconds < 0 ? `${ofDay}-1d` : ofDay
  }
  return [shown(opens), shown(closes), ...breaks.map(({ from, to }) => [shown(from), shown(to)] as const)]
}
