import type { Source } from '../instrument.ts'
import type { Interval } from '../time/interval.ts'

export const signalKinds = [
  'MA50_BREAKOUT_UP',
  'MA50_BREAKOUT_DOWN',
  'MA200_BREAKOUT_UP',
  'MA200_BREAKOUT_DOWN',
  'GOLDEN_CROSS',
  'DEATH_CROSS',
  'RSI_OVERBOUGHT',
  'RSI_OVERSOLD',
  'RSI_BULLISH',
  'RSI_BEARISH',
  'BOLLINGER_BREAK_UPPER',
  'BOLLINGER_BREAK_LOWER',
  'BOLLINGER_TOUCH_UPPER',
  'BOLLINGER_TOUCH_LOWER',
  'MACD_BULLISH_CROSS',
  'MACD_BEARISH_CROSS',
  'STOCHASTIC_BULLISH_CROSS',
  'STOCHASTIC_BEARISH_CROSS',
  'VOLUME_SPIKE',
] as const
export type SignalKind = (typeof signalKinds)[number]

export const signalDirections = ['BULLISH', 'BEARISH', 'NEUTRAL'] as const
export type SignalDirection = (typeof signalDirections)[number]

/** Identifies a signal: each is stored once. */
export interface SignalKey {
  readonly symbol: string
  readonly interval: Interval
  readonly kind: SignalKind
  /** Start of the candle that raised it, in epoch seconds. */
  readonly epoch: number
}

/**
 * Names a signal, stored or computed, in the API. `variant` says which other candles than those of jobs it was computed from: such a
 * signal is never stored.
 */
export const signalId = ({
  symbol,
  interval,
  kind,
  epoch,
  variant,
}: SignalKey & { readonly variant?: string }): string =>
  [symbol, interval, kind, epoch, ...(variant === undefined ? [] : [variant])].join(' ')

export interface Signal extends SignalKey {
  readonly source: Source
  readonly direction: SignalDirection
  /** When the candle that raised it closed, in epoch milliseconds. */
  readonly knownAtMs: number
  /** The close of that candle. */
  readonly price: number
  /** What the close or the price was compared with: an average, a band, an RSI, a ratio of volumes. */
  readonly indicatorValue: number | null
  /** In the unit of its kind: see docs/analysis.md. */
  readonly strength: number
}

/** What the price did after a signal: returns in per cent, signed in its direction. */
export interface SignalOutcome {
  /** null until the horizon has passed, or if there is no candle for it. */
  readonly return1d: number | null
  readonly return1w: number | null
  readonly return1m: number | null
  /** The best and the worst return within the month; null until it has passed. */
  readonly maxReturn: number | null
  readonly minReturn: number | null
  /** Nothing will be filled in any more. */
  readonly complete: boolean
}

export interface StoredSignal extends Signal {
  /** Order of storing. Positions become visible in order: whoever has seen one has seen all before it. */
  readonly position: number
  /** null until the first horizon has passed. */
  readonly outcome: SignalOutcome | null
}
