import { date as dateOf, friday, monday, saturday, sunday, weekdayOf } from '../exchange-calendar/date-rules.ts'
import { daySeconds, type TimeSpan, weekSeconds } from '../time/units.ts'
import { calendarFor, isRoundTheClock, type Listed, type SessionHours } from './session-hours.ts'

/**
 * Time zones whose exchanges trade from Sunday to Thursday, and the Monday since which they trade from Monday to Friday.
 * Used where no calendar is known. A week must not depend on the range that is asked for, so rows cannot say it.
 *
 * Source: trading days as published by Boursa Kuwait, Qatar Stock Exchange, Egyptian Exchange, Saudi Exchange, Bahrain
 * Bourse, Muscat Stock Exchange, Amman Stock Exchange, Iraq Stock Exchange, Dhaka Stock Exchange, Dubai Financial Market
 * and Abu Dhabi Securities Exchange (Monday since 2022-01-03), Tel Aviv Stock Exchange (Monday since 2026-01-05).
 */
const sundayWeeks: Readonly<Record<string, number>> = {
  'Asia/Kuwait': Infinity,
  'Asia/Qatar': Infinity,
  'Africa/Cairo': Infinity,
  'Asia/Riyadh': Infinity,
  'Asia/Bahrain': Infinity,
  'Asia/Muscat': Infinity,
  'Asia/Amman': Infinity,
  'Asia/Baghdad': Infinity,
  'Asia/Dhaka': Infinity,
  'Asia/Dubai': dateOf('2022-01-03'),
  'Asia/Jerusalem': dateOf('2026-01-05'),
  'Asia/Tel_Aviv': dateOf('2026-01-05'),
}

/** Until when a time zone's weeks began on Sunday; -Infinity: never. */
const sundaysUntil = (timezone: string): number =>
  (Object.hasOwn(sundayWeeks, timezone) ? sundayWeeks[timezone] : undefined) ?? -Infinity

/**
 * The dates of the exchange's week that contains a date (all midnight UTC), `to` exclusive. Weeks begin on Monday unless
 * the exchange's own begin on Sunday: so a single session on a Sunday closes the week before.
 */
export function weekOf(date: number, hours: Listed): TimeSpan {
  const calendar = calendarFor(hours)
  if (calendar) return calendar.weekOf(date)
  const until = sundaysUntil(hours.timezone)
  const first = date < until ? sunday : monday
  const from = date - ((weekdayOf(date) - first + 7) % 7) * daySeconds
  const to = from + weekSeconds
  return date < until ? { from, to: Math.min(to, until) } : { from: Math.max(from, until), to }
}

/** Whether a session is to be expected on a date: by the calendar, or, where that does not know the date, by its weekday. */
export function isTradingDate(date: number, hours: SessionHours): boolean {
  const calendar = calendarFor(hours)
  const session = calendar?.sessionOn(date)
  if (session !== undefined) return session !== null
  if (calendar) return calendar.isTradingWeekday(date)
  if (isRoundTheClock(hours)) return true
  const weekday = weekdayOf(date)
  return date < sundaysUntil(hours.timezone)
    ? weekday !== friday && weekday !== saturday
    : weekday !== saturday && weekday !== sunday
}
