import { tradingDate } from '../time/trading-date.ts'
import { daySeconds, quarterHourSeconds } from '../time/units.ts'
import { calendarFor, type Listed } from './session-hours.ts'

/**
 * The trading date of the session that runs at each of many times in order: where sessions begin the evening before,
 * the next date from then on. Where no calendar says so, and between sessions, the date of the exchange's clock. Looks
 * each quarter of an hour up once: no session begins within one.
 */
export function sessionDates(hours: Listed): (epoch: number) => number {
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
 * The trading dates of a source's daily candles by times within them. Such a candle may start with its session the
 * evening before, and still have a day by the clock: so only a date without a session gives way to the one that runs.
 */
export function dailyDates(hours: Listed): (epoch: number, dateOnClock?: number) => number {
  const calendar = calendarFor(hours)
  return (epoch, dateOnClock = tradingDate(epoch, hours.timezone)) => {
    if (calendar?.sessionOn(dateOnClock) !== null) return dateOnClock
    return calendar.sessionAt(epoch)?.date ?? dateOnClock
  }
}
