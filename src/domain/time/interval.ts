import { daySeconds, hourSeconds, weekSeconds } from './units.ts'
export const intervals = [
  'MINUTE_1',
  'MINUTE_2',
  'MINUTE_5',
  'MINUTE_15',
  'MINUTE_30',
  'HOUR_1',
  'DAY_1',
  'WEEK_1',
  'MONTH_1',
] as const

/** How long a candle lasts. */
export type Interval = (typeof intervals)[number]

/** Intervals composed from candles of a shorter one. */
export const composedOf = { MINUTE_30: 'MINUTE_15', WEEK_1: 'DAY_1', MONTH_1: 'DAY_1' } as const

export type ComposedInterval = keyof typeof composedOf

/** Intervals that sources serve and the store keeps. */
export type SourceInterval = Exclude<Interval, ComposedInterval>

export const sourceInterval = (interval: Interval): SourceInterval =>
  isComposed(interval) ? composedOf[interval] : interval

export const isComposed = (interval: Interval): interval is ComposedInterval => Object.hasOwn(composedOf, interval)

export const sourceIntervals: readonly SourceInterval[] = intervals.filter(
  (interval): interval is SourceInterval => !isComposed(interval),
)

const seconds: Record<Interval, number> = {
  MINUTE_1: 60,
  MINUTE_2: 120,
  MINUTE_5: 300,
  MINUTE_15: 900,
  MINUTE_30: 1800,
  HOUR_1: hourSeconds,
  DAY_1: daySeconds,
  WEEK_1: weekSeconds,
  // The shortest month.
  MONTH_1: 28 * daySeconds,
}

/** How long a candle lasts at least. */
export const intervalSeconds = (interval: Interval): number => seconds[interval]

/** Whether a candle's time is a trading date (midnight UTC) rather than an instant within a session. */
export const isDaily = (interval: Interval): boolean => seconds[interval] >= daySeconds
