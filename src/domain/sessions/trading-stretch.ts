import type { Session } from '../exchange-calendar/exchange-calendar.ts'
import { clockTime, epochOf } from '../time/exchange-clock.ts'
import { tradingDate } from '../time/trading-date.ts'
import { daySeconds, hourSeconds, type TimeSpan } from '../time/units.ts'
import { calendarFor, isRoundTheClock, type SessionHours } from './session-hours.ts'

/** When trade before the session starts at the earliest, by the exchange's clock. */
export const earliestSeconds = 4 * hourSeconds

/**
 * The time zone whose clock the sessions of a market follow. Yahoo states currencies by London, and they open by New York.
 */
export function sessionTimezone(hours: SessionHours): string {
  const calendar = calendarFor(hours)
  return calendar && !calendar.hasBell ? calendar.timezone : hours.timezone
}

/**
 * The stretch of trading that a time lies in, in epoch seconds, `to` exclusive: the session, or the part of it before
 * or after a break, or the hours of its date before or after it. Where there is no bell: from one opening to the next.
 * Candles of several hours are counted from the beginning of their stretch, and none reaches beyond it. Stretches follow
 * each other without a gap or an overlap, except that a break belongs to the part after it: the source's hour that
 * begins at lunch holds what is traded after lunch.
 */
export function tradingStretch(epoch: number, hours: SessionHours): TimeSpan {
  const opening = openingWithoutBell(hours)
  if (opening !== null) return dayFrom(opening, epoch, sessionTimezone(hours))
  const { timezone } = hours
  const date = tradingDate(epoch, timezone)
  const evening = sessionOn(date - daySeconds, hours)
  if (evening && epoch < evening.closes) return partOf(evening, epoch)
  const session = sessionOn(date, hours)
  if (session && epoch >= session.opens && epoch < session.closes) return partOf(session, epoch)
  const end = epochOf(date + daySeconds, timezone)
  if (session && epoch >= session.closes) return { from: session.closes, to: end }
  const start = Math.max(epochOf(date, timezone), evening?.closes ?? Number.NEGATIVE_INFINITY)
  if (!session) return { from: start, to: end }
  const earliest = Math.min(Math.max(start, epochOf(date + earliestSeconds, timezone)), session.opens)
  return epoch < earliest ? { from: start, to: earliest } : { from: earliest, to: session.opens }
}

function partOf({ opens, closes, breaks }: Hours, epoch: number): TimeSpan {
  const last = breaks.findLast(({ from }) => from <= epoch)
  const next = breaks.find(({ from }) => from > epoch)
  return { from: last?.to ?? opens, to: next?.from ?? closes }
}

type Hours = Pick<Session, 'opens' | 'closes' | 'breaks'>

/**
 * The session of a date by the calendar. Where that knows none, at the time of day of the one that the source has stated,
 * and to the end of the date if that may have been a half day. null: nothing is known.
 */
function sessionOn(date: number, hours: SessionHours): Hours | null {
  const session = calendarFor(hours)?.sessionOn(date)
  if (session) return session
  const { timezone, opens, closes } = hours
  if (opens === null) return null
  const seen = tradingDate(opens, timezone)
  const at = (epoch: number): number => epochOf(date + clockTime(epoch, timezone) - seen, timezone)
  const isSupposed = closes === null || (hours.isOnlySession && date !== seen)
  return {
    opens: at(opens),
    closes: isSupposed ? epochOf(date + daySeconds, timezone) : at(closes),
    breaks: [],
  }
}

/** At which second of the day a market without a bell opens, by its clock; null: it has a bell, or nothing is known. */
function openingWithoutBell(hours: SessionHours): number | null {
  const calendar = calendarFor(hours)
  if (calendar) return calendar.hasBell ? null : remainder(calendar.opensAt, daySeconds)
  const { opens, timezone } = hours
  return opens !== null && isRoundTheClock(hours) ? remainder(clockTime(opens, timezone), daySeconds) : null
}

/** The day of 23 to 25 hours that begins at a time of the clock and contains an epoch. */
function dayFrom(opening: number, epoch: number, timezone: string): TimeSpan {
  const opensOn = (date: number): number => epochOf(date + opening, timezone)
  let date = tradingDate(epoch, timezone)
  if (opensOn(date) > epoch) date -= daySeconds
  return { from: opensOn(date), to: opensOn(date + daySeconds) }
}

const remainder = (value: number, size: number): number => ((value % size) + size) % size
