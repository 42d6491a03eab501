import type { SignalDirection, SignalKind } from '../domain/signal.ts'
import type { Columns } from './columns.ts'

/** A signal that the rules find in a series of candles. */
export interface FoundSignal {
  readonly kind: SignalKind
  readonly direction: SignalDirection
  /** Place of the candle that raised it. */
  readonly index: number
  /** Its close. */
  readonly price: number
  readonly indicatorValue: number | null
  readonly strength: number
}

/** How many candles the rules need before the first one that they look at. */
export const signalsWarmUp = 600

/** All signals in a series, by candle, oldest first; at one candle in the order of `signalKinds`. */
export function findSignals(_candles: Columns): FoundSignal[] {
  return []
}
