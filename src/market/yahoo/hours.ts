import { tradingDate } from '../../domain/calendar/trading-date.ts'
import { isDaily, type SourceInterval } from '../../domain/interval.ts'
import { daySeconds } from '../../domain/time.ts'
import { settleSeconds, type TradingHours } from '../source.ts'

export interface Session {
  /** Epoch seconds. */
  readonly start: number
  readonly end: number
}

/** What places rows in time: all of it from the answer's `meta`. */
export interface MarketHours {
  readonly timezone: string
  /** The regular session that runs, ran last or comes next; null where Yahoo does not say. */
  readonly session: Session | null
  /** What rows lie in, each with a grid of its own: the session, where asked for with the hours before and after it. */
  readonly periods: readonly Session[]
  readonly lastTradeEpoch: number | null
}

/** Where Yahoo does not tell of sessions, those that began before this have ended. */
const longestSessionSeconds = 2 * daySeconds

/** Markets that never close have sessions that Yahoo ends at 23:59. */
export function wholeDay(regular: Session | null): Session | null {
  if (!regular || regular.end - regular.start < 86_340) return regular
  return { start: regular.start, end: regular.start + daySeconds }
}

interface Periods {
  readonly pre: Session | null
  readonly regular: Session | null
  readonly post: Session | null
}

/** The periods of a day's trading that are not empty, in their order. */
export function tradingPeriods({ pre, regular, post }: Periods, extended: boolean): Session[] {
  const asked = extended ? [pre, wholeDay(regular), post] : [wholeDay(regular)]
  return asked.filter((period) => period !== null).filter(({ start, end }) => start < end)
}

/** Yahoo's zone, or UTC where there is no such zone here. */
export function knownTimezone(name: string): string {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return name
  } catch {
    return 'UTC'
  }
}

/** With those before and after the regular session where they are asked for; Yahoo gives markets that have none empty ones. */
export function tradingHours({ pre, regular, post }: Periods, extended: boolean): TradingHours | null {
  const session = wholeDay(regular)
  if (!session) return null
  const opens = extended && pre && pre.start < pre.end ? pre.start : session.start
  const closes = extended && post && post.start < post.end ? post.end : session.end
  return { opens, closes }
}

/**
 * Whole epoch seconds. What starts before it is of a session that has ended, and Yahoo has had the time to say its last word.
 * An interval of a session that runs is never among it.
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
    // The day before has ended only now where markets never close.
    const isRoundTheClock = hours.closes - hours.opens >= daySeconds
    return isRoundTheClock && settled < hours.opens ? date - daySeconds : date
  }
  return settled >= hours.closes ? Math.max(hours.closes, long) : Math.min(hours.opens, settled)
}
