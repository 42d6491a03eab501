import { clockTime, epochOf } from '../time/exchange-clock.ts'
import { type Interval, intervalSeconds, isComposed, isDaily } from '../time/interval.ts'
import { tradingDate } from '../time/trading-date.ts'
import { daySeconds } from '../time/units.ts'
import { composedSpan } from './composed-span.ts'
import { calendarFor, isRoundTheClock, type SessionHours } from './session-hours.ts'
import { isTradingDate } from './trading-week.ts'

/**
 * When a candle is complete, in epoch seconds: by the calendar of its exchange, or, where that does not know the date,
 * the latest time it can have been.
 */
export function closedAt(epoch: number, interval: Interval, hours: SessionHours): number {
  if (isDaily(interval)) return sessionEnd(lastDate(epoch, interval, hours), hours)
  const end = isComposed(interval) ? composedSpan(interval, epoch, hours).end : epoch + intervalSeconds(interval)
  return Math.min(end, closeAfter(epoch, hours) ?? end)
}

/** The last date within a candle on which its market traded, or may have. */
function lastDate(epoch: number, interval: Interval, hours: SessionHours): number {
  if (!isComposed(interval)) return epoch
  const { start, end } = composedSpan(interval, epoch, hours)
  let last = end - daySeconds
  while (last > start && !isTradingDate(last, hours)) last -= daySeconds
  const unscheduled = hours.unscheduled?.findLast((date) => date >= start && date < end)
  return Math.max(last, unscheduled ?? start)
}

/** When the regular session of a trading date ends, and if nothing is known of its end, the date. */
function sessionEnd(date: number, hours: SessionHours): number {
  const session = hasBell(hours) ? calendarFor(hours)?.sessionOn(date) : null
  if (session) return session.closes
  // Closed by the calendar, and yet there is a candle: nothing is known of such a session.
  const usual = session === null ? null : usualEnd(date, hours)
  return usual ?? epochOf(date + daySeconds, hours.timezone)
}

/** When the regular session that runs at a time ends or breaks off; null: none runs, or its end is unknown. */
function closeAfter(epoch: number, hours: SessionHours): number | null {
  if (!hasBell(hours)) return null
  const session = calendarFor(hours)?.sessionAt(epoch)
  if (session !== undefined) return session?.breaks.find(({ from }) => from > epoch)?.from ?? session?.closes ?? null
  if (hours.closes === null) return null
  const date = tradingDate(epoch, hours.timezone)
  // A session that began the date before may still run.
  const ends = [date - daySeconds, date].map((each) => usualEnd(each, hours))
  return ends.find((end) => end !== null && end > epoch) ?? null
}

/** When the session of a date ends if it does so at the time of day at which others do; null: that is unknown. */
function usualEnd(date: number, hours: SessionHours): number | null {
  const { timezone, opens, closes } = hours
  if (closes === null) return null
  // One second earlier, because midnight belongs to the date that it ends.
  const seenDate = tradingDate(opens ?? closes - 1, timezone)
  if (hours.isOnlySession && date !== seenDate) return null
  return epochOf(date + clockTime(closes, timezone) - seenDate, timezone)
}

/**
 * Currencies and futures are given by dates of another clock than that of their sessions, or trade on after the bell of
 * some: their days end with the date.
 */
const hasBell = (hours: SessionHours): boolean => !isRoundTheClock(hours) && calendarFor(hours)?.hasBell !== false
