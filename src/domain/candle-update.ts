import type { Candle, CandleSeries } from './candle.ts'
import type { Interval } from './interval.ts'

/** SNAPSHOT: a candle as it stands when a subscription begins. UPDATE: it has changed. CLOSE: its time is over, or it has changed since. */
export const candleUpdateKinds = ['SNAPSHOT', 'UPDATE', 'CLOSE'] as const
export type CandleUpdateKind = (typeof candleUpdateKinds)[number]

/** Whose live candles a subscriber wants, and how many. */
export interface CandleOrder {
  readonly symbol: string
  readonly interval: Interval
  readonly extendedHours: boolean
  /** Epoch seconds: every candle since then comes first; null: the newest. */
  readonly from: number | null
  /** How many candles before each are wanted in its series. */
  readonly earlier: number
}

/** What a subscriber gets. */
export interface CandleUpdate {
  readonly kind: CandleUpdateKind
  readonly symbol: string
  readonly interval: Interval
  readonly candle: Candle
  /** 1 at first; one more with each change of this candle. */
  readonly revision: number
  /** The candle, and before it as many as the subscriber asked for, where history reaches so far. Put together when it is read. */
  readonly series: CandleSeries
}
