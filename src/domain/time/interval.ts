import { daySeconds, hourSeconds, weekSeconds } from './units.ts'

export const intervals = [
  'MINUTE_1',
  'MINUTE_2',
  'MINUTE_5',
  'MINUTE_15',
  'MINUTE_30',
  'HOUR_1',
  'HOUR_2',
  'HOUR_4',
  'DAY_1',
  'WEEK_1',
  'MONTH_1',
  'MONTH_3',
] as const

/** How long a candle lasts. */
export type Interval = (typeof intervals)[number]

/** Intervals composed from candles of a shorter one. */
export const composedOf = {
  MINUTE_30: 'MINUTE_15',
  HOUR_2: 'HOUR_1',
  HOUR_4: 'HOUR_1',
  WEEK_1: 'DAY_1',
  MONTH_1: 'DAY_1',
  MONTH_3: 'DAY_1',
} as const

export type ComposedInterval = keyof typeof composedOf

/** Intervals that sources serve and the store keeps. */
export type SourceInterval = Exclude<Interval, ComposedInterval>

export const sourceInterval = (interval: Interval): SourceInterval =>
  isComposed(interval) ? composedOf[interval] : interval

export const isComposed = (interval: Interval): interval is ComposedInterval => Object.hasOwn(composedOf, interval)

/** Intervals of several hours. */
export type ComposedHours = 'HOUR_2' | 'HOUR_4'

export const isComposedOfHours = (interval: Interval): interval is ComposedHours =>
  isComposed(interval) && composedOf[interval] === 'HOUR_1'

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
  HOUR_2: 2 * hourSeconds,
  HOUR_4: 4 * hourSeconds,
  DAY_1: daySeconds,
  WEEK_1: weekSeconds,
  // The shortest month and the shortest quarter.
  MONTH_1: 28 * daySeconds,
  MONTH_3: 90 * daySeconds,
}

/**
 * How long a candle lasts at least, except that the bell and a break cut candles under a day, and a change of the
 * exchange's week cuts weeks.
 */
export const intervalSeconds = (interval: Interval): number => seconds[interval]

/** How long a candle lasts at most. */
export function longestSeconds(interval: Interval): number {
  if (interval === 'MONTH_1') return 31 * daySeconds
  return interval === 'MONTH_3' ? 92 * daySeconds : seconds[interval]
}

/** Of how many candles of its source interval one is composed, about: five of seven dates are traded. */
export function partsPerCandle(interval: Interval): number {
  const parts = seconds[interval] / seconds[sourceInterval(interval)]
  return isDaily(interval) && isComposed(interval) ? Math.floor((parts * 5) / 7) : parts
}

/** Whether a candle's time is a trading date (midnight UTC) rather than an instant within a session. */
export const isDaily = (interval: Interval): boolean => seconds[interval] >= daySeconds
