import { isDaily, type SourceInterval } from '../domain/interval.ts'
import type { TradingHours } from './market-source.ts'
import { tradingDate } from './yahoo-trading-date.ts'

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
  readonly lastTradeEpoch: number | null
}

const daySeconds = 86_400
/** Yahoo is up to half an hour late with prices of some exchanges. */
const settleSeconds = 1800
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

/** With those before and after the regular session where they are asked for; Yahoo gives markets that have none empty ones. */
export function tradingHours({ pre, regular, post }: Periods, extended: boolean): TradingHours | null {
  const session = wholeDay(regular)
  if (!session) return null
  const opens = extended && pre && pre.start < pre.end ? pre.start : session.start
  const closes = extended && post && post.start < post.end ? post.end : session.end
  return { opens, closes }
}

/**
 * Epoch seconds. What starts before it is of a session that has ended, and Yahoo has had the time to say its last word. An
 * interval of a session that runs is never among it.
 */
export function finalBefore(
  interval: SourceInterval,
  hours: TradingHours | null,
  timezone: string,
  now: number,
): number {
  const long = now - longestSessionSeconds
  if (isDaily(interval)) {
    const date = tradingDate(hours?.opens ?? now, timezone)
    if (!hours || now < hours.closes + settleSeconds) return date
    return Math.max(date + daySeconds, tradingDate(now, timezone))
  }
  if (!hours) return long
  return now < hours.closes + settleSeconds ? hours.opens : Math.max(hours.closes, long)
}
