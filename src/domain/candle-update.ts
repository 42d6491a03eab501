import type { Candle, CandleSeries } from './candle.ts'
import type { Interval } from './time/interval.ts'

/**
 * SNAPSHOT: a candle as it stands when a subscription begins. UPDATE: the candle has changed. CLOSE: the candle is
 * over, or has changed after its close.
 */
export const candleUpdateKinds = ['SNAPSHOT', 'UPDATE', 'CLOSE'] as const
export type CandleUpdateKind = (typeof candleUpdateKinds)[number]

/** Which live candles a subscriber wants. */
export interface CandleOrder {
  readonly symbol: string
  readonly interval: Interval
  readonly extendedHours: boolean
  /** Epoch seconds: all candles since then come first; null: only the newest. */
  readonly from: number | null
  /** How many candles before each the series should hold. */
  readonly earlier: number
  /** Runs what takes some milliseconds when it is the turn of whoever asks. undefined: at once. */
  readonly inTurn?: <T>(work: () => T) => T | Promise<T>
}

/** What a subscriber gets. */
export interface CandleUpdate {
  readonly kind: CandleUpdateKind
  readonly symbol: string
  readonly interval: Interval
  readonly candle: Candle
  /** Starts at 1 and grows by one with each change of this candle. */
  readonly revision: number
  /** The candle and as many before it as the subscriber asked for, as far as history reaches. Built when it is read. */
  readonly series: CandleSeries
}
