import {
  type Interval,
  intervalSeconds,
  isDaily,
  type SourceInterval,
  sourceInterval,
} from '../../domain/time/interval.ts'
import { daySeconds, hourSeconds, type TimeSpan } from '../../domain/time/units.ts'

interface Window {
  /** Yahoo's name of the interval. */
  readonly name: string
  /** How many days of history Yahoo has; null: no limit. */
  readonly reachDays: number | null
  /** How many days Yahoo sends in one request, if that is less. */
  readonly requestDays?: number
}

const windows: Readonly<Record<SourceInterval, Window>> = {
  MINUTE_1: { name: '1m', reachDays: 30, requestDays: 7 },
  MINUTE_2: { name: '2m', reachDays: 60 },
  MINUTE_5: { name: '5m', reachDays: 60 },
  MINUTE_15: { name: '15m', reachDays: 60 },
  HOUR_1: { name: '1h', reachDays: 730 },
  DAY_1: { name: '1d', reachDays: null },
}

export const yahooInterval = (interval: SourceInterval): string => windows[interval].name

export const reachDays = (interval: Interval): number | null => windows[sourceInterval(interval)].reachDays

/** The parts of [from, to), in epoch seconds, that Yahoo takes in one request each. */
export function requestSpans(interval: SourceInterval, from: number, to: number): TimeSpan[] {
  const { requestDays } = windows[interval]
  const most = requestDays === undefined ? to - from : requestDays * daySeconds
  const count = Math.ceil((to - from) / most)
  return Array.from({ length: count }, (_, i) => ({ from: from + i * most, to: Math.min(to, from + (i + 1) * most) }))
}

const sessionSeconds = 6.5 * hourSeconds

/**
 * The wall time that `count` candles can span on an exchange that is open 6.5 hours a day: weekends, one holiday in
 * eight trading days (China has the most: 242 trading days a year), and a long weekend at either end. A week of
 * 1-minute candles stays within the 7 days that Yahoo serves in one request.
 */
export function spanSeconds(interval: SourceInterval, count: number): number {
  const perDay = isDaily(interval) ? 1 : Math.floor(sessionSeconds / intervalSeconds(interval))
  const days = Math.ceil(count / perDay)
  const slackDays = isDaily(interval) ? 10 : 4
  return Math.ceil((days * 7) / 5 + Math.floor(days / 8) + slackDays) * daySeconds
}
