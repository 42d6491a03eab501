import { calendarFor } from '../../domain/sessions/session-hours.ts'
import { clockTime, epochOf } from '../../domain/time/exchange-clock.ts'
import { isDaily, type SourceInterval } from '../../domain/time/interval.ts'
import { tradingDate } from '../../domain/time/trading-date.ts'
import { daySeconds, hourSeconds } from '../../domain/time/units.ts'
import { settleSeconds, type TradingHours } from '../source.ts'

export interface Session {
  /** Epoch seconds. */
  readonly start: number
  readonly end: number
}

/** Places rows in time; all of it comes from the answer's `meta`. */
export interface MarketHours {
  readonly timezone: string
  /** The regular session that runs now, ran last or comes next; null: Yahoo does not say. */
  readonly session: Session | null
  /**
   * The periods that rows lie in, each with a grid of its own: the session and, if asked for, the hours before and
   * after it.
   */
  readonly periods: readonly Session[]
  readonly lastTradeEpoch: number | null
  /** Yahoo's code of the exchange; null: Yahoo does not say. */
  readonly exchange: string | null
}

/** If Yahoo states no sessions, those that began before this have ended. */
const longestSessionSeconds = 2 * daySeconds
/** A longer session leaves no more than a pause before the next one. */
const longestBellSeconds = 23 * hourSeconds

/** Yahoo ends the sessions of markets that never close at 23:59. */
export function wholeDay(regular: Session | null): Session | null {
  if (!regular || regular.end - regular.start < 86_340) return regular
  return { start: regular.start, end: regular.start + daySeconds }
}

/** A regular session. Where nobody says how long that of its date was, it is as long as the one that Yahoo states. */
export interface DatedSession extends Session {
  readonly isSupposed: boolean
}

/**
 * The regular session of each of many dates: by the exchange's calendar, as Yahoo states it, or at the same time of day
 * as the one that Yahoo states. null: there is none, or there is no bell.
 */
export function regularSessions({ timezone, session, exchange }: MarketHours): (date: number) => DatedSession | null {
  const calendar = calendarFor({ exchange, timezone })
  const hasBell = calendar?.hasBell ?? (session !== null && session.end - session.start < longestBellSeconds)
  const statedDate = session && tradingDate(session.start, timezone)
  let last = Number.NaN
  let found: DatedSession | null = null
  return (date) => {
    if (date !== last) {
      last = date
      found = hasBell ? sessionOf(date) : null
    }
    return found
  }

  function sessionOf(date: number): DatedSession | null {
    const known = calendar?.sessionOn(date)
    if (known) return { start: known.opens, end: known.closes, isSupposed: false }
    if (session === null || statedDate === null) return null
    if (date === statedDate) return { ...session, isSupposed: false }
    if (known === null) return null
    const at = (epoch: number): number => epochOf(date + clockTime(epoch, timezone) - statedDate, timezone)
    return { start: at(session.start), end: at(session.end), isSupposed: true }
  }
}

interface Periods {
  readonly pre: Session | null
  readonly regular: Session | null
  readonly post: Session | null
}

/** The non-empty periods of a trading day, in order. */
export function tradingPeriods({ pre, regular, post }: Periods, extended: boolean): Session[] {
  const asked = extended ? [pre, wholeDay(regular), post] : [wholeDay(regular)]
  return asked.filter((period) => period !== null).filter(({ start, end }) => start < end)
}

/** Making a format to ask Node takes as long as reading some hundred rows. */
const timezones = new Set<string>()

/** Yahoo's time zone, or UTC if Node does not know it. */
export function knownTimezone(name: string): string {
  if (timezones.has(name)) return name
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    timezones.add(name)
    return name
  } catch {
    return 'UTC'
  }
}

/**
 * Includes the hours before and after the regular session if asked for; for markets without such hours Yahoo sends
 * empty ones.
 */
export function tradingHours({ pre, regular, post }: Periods, extended: boolean): TradingHours | null {
  const session = wholeDay(regular)
  if (!session) return null
  const opens = extended && pre && pre.start < pre.end ? pre.start : session.start
  const closes = extended && post && post.start < post.end ? post.end : session.end
  return { opens, closes }
}

/**
 * Whole epoch seconds. Candles that start before it belong to a session that has ended, on which Yahoo has had the time
 * for its last word. Intervals of a running session are never among them.
 */
export function finalBefore(
  interval: SourceInterval,
  hours: TradingHours | null,
  timezone: string,
  time: number,
): number {
  const now = Math.floor(time)
  const long = now - longestSessionSeconds
  if (!hours) return isDaily(interval) ? tradingDate(now - daySeconds, timezone) : long
  const settled = now - settleSeconds
  if (isDaily(interval)) {
    const date = tradingDate(hours.opens, timezone)
    if (settled >= hours.closes) return Math.max(date + daySeconds, tradingDate(now, timezone))
    // For markets that never close, the day before has ended only now.
    const isRoundTheClock = hours.closes - hours.opens >= daySeconds
    return isRoundTheClock && settled < hours.opens ? date - daySeconds : date
  }
  return settled >= hours.closes ? Math.max(hours.closes, long) : Math.min(hours.opens, settled)
}
