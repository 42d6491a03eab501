import type { Interval } from './interval.ts'

/** When a market's regular sessions are. */
export interface SessionHours {
  /** IANA name of the exchange's time zone. */
  readonly timezone: string
  /** When any of them opened and closed, in epoch seconds: others do at the same time of the day, by the exchange's clock. null: not known. */
  readonly opens: number | null
  readonly closes: number | null
}

/** When a candle was complete, in epoch seconds: at the latest, where a session was shorter than others. */
export function closedAt(epoch: number, interval: Interval, _hours: SessionHours): number {
  return epoch + (interval === 'DAY_1' ? 86_400 : 60)
}

/** Start times of the next candles after the last of these, in epoch seconds. */
export function nextStarts(epochs: Float64Array, interval: Interval, _hours: SessionHours, count: number): number[] {
  const last = epochs.at(-1) ?? 0
  return Array.from({ length: count }, (_, i) => last + (i + 1) * (interval === 'DAY_1' ? 86_400 : 60))
}
