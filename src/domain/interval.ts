export const intervals = ['MINUTE_1', 'MINUTE_2', 'MINUTE_5', 'MINUTE_15', 'MINUTE_30', 'HOUR_1', 'DAY_1'] as const

/** How long a candle lasts. */
export type Interval = (typeof intervals)[number]

const seconds: Record<Interval, number> = {
  MINUTE_1: 60,
  MINUTE_2: 120,
  MINUTE_5: 300,
  MINUTE_15: 900,
  MINUTE_30: 1800,
  HOUR_1: 3600,
  DAY_1: 86_400,
}

export const intervalSeconds = (interval: Interval): number => seconds[interval]

/** Whether a candle's time is a trading date (midnight UTC) and not an instant within a session. */
export const isDaily = (interval: Interval): boolean => interval === 'DAY_1'
