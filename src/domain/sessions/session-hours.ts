import { calendarOf } from '../exchange-calendar/calendars.ts'
import { type ExchangeCalendar, roundTheClockSeconds } from '../exchange-calendar/exchange-calendar.ts'
import { clockTime } from '../time/exchange-clock.ts'

/** When a market's regular sessions are. Plain data, so that a thread can have it. */
export interface SessionHours {
  /** IANA name of the exchange's time zone. */
  readonly timezone: string
  /**
   * When some session opens and closes, in epoch seconds. Where no calendar knows better, the others do at the same
   * time of day, by the exchange's clock. null: unknown.
   */
  readonly opens: number | null
  readonly closes: number | null
  /** The source's code of the exchange, by which its calendar is found; null or absent: unknown. */
  readonly exchange?: string | null | undefined
  /** No other session has been seen than the one above. It may have been a half day, so that others close later. */
  readonly isOnlySession?: boolean
  /** Dates (midnight UTC) with candles on which no session was to be expected, oldest first. */
  readonly unscheduled?: readonly number[]
}

/** Whether a market has no bell: its sessions leave no more than a pause. */
export const isRoundTheClock = ({ opens, closes }: SessionHours): boolean =>
  opens !== null && closes !== null && closes - opens >= roundTheClockSeconds

/** Says by which calendar a market trades. */
export type Listed = Pick<SessionHours, 'exchange' | 'timezone'>

/**
 * null: none is known. The source's time zone has to keep the same time as the calendar's: an exchange that is somewhere
 * else is another one. Currencies and futures are dated by another clock than that of their sessions.
 */
export function calendarFor({ exchange, timezone }: Listed): ExchangeCalendar | null {
  const calendar = exchange == null ? null : calendarOf(exchange)
  if (calendar === null || calendar.timezone === timezone || !calendar.hasBell) return calendar
  return keepsTheSameTime(timezone, calendar.timezone) ? calendar : null
}

/** Some week in winter and some week in summer. */
const weeks = [Date.UTC(2026, 0, 14) / 1000, Date.UTC(2026, 6, 15) / 1000]

/** Zones go by several names: Asia/Jerusalem, Asia/Tel_Aviv. */
const keepsTheSameTime = (one: string, other: string): boolean =>
  weeks.every((epoch) => clockTime(epoch, one) === clockTime(epoch, other))
