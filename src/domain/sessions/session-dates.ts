import { tradingDate } from '../time/trading-date.ts'
import { daySeconds, quarterHourSeconds } from '../time/units.ts'
import { calendarFor, type SessionHours } from './session-hours.ts'

/**
 * The trading date of the session that runs at each of many times in order: where sessions begin the evening before,
 * the next date from then on. Where no calendar says so, and between sessions, the date of the exchange's clock. Looks
 * each quarter of an hour up once: no session begins within one.
 */
export function sessionDates(hours: Pick<SessionHours, 'timezone' | 'exchange'>): (epoch: number) => number {
  const calendar = calendarFor(hours)
  let last = Number.NaN
  let found = Number.NaN
  return (epoch) => {
    const quarter = Math.floor(epoch / quarterHourSeconds)
    if (quarter !== last) {
      last = quarter
      const start = quarter * quarterHourSeconds
      const next = tradingDate(start, calendar?.timezone ?? hours.timezone) + daySeconds
      const opens = calendar?.sessionOn(next)?.opens ?? Number.POSITIVE_INFINITY
      found = start >= opens ? next : tradingDate(start, hours.timezone)
    }
    return found
  }
}

/**
 * The trading date of a source's daily candle by a time within it. Such a candle may start with its session the evening
 * before, and still have a day by the clock: so only a date without a session gives way to the session that runs.
 */
export function dailyDate(epoch: number, hours: Pick<SessionHours, 'timezone' | 'exchange'>): number {
  const date = tradingDate(epoch, hours.timezone)
  const calendar = calendarFor(hours)
  if (calendar?.sessionOn(date) !== null) return date
  return calendar.sessionAt(epoch)?.date ?? date
}
