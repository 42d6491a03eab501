import type { ErrorCode } from '../errors.ts'
import type { Source } from '../instrument.ts'
import type { Interval } from '../time/interval.ts'
import type { Signal, SignalKey } from './signal.ts'

export const trends = ['UP', 'DOWN', 'SIDEWAYS'] as const
export type Trend = (typeof trends)[number]

export const sentiments = [
  'VERY_BEARISH',
  'BEARISH',
  'SLIGHTLY_BEARISH',
  'NEUTRAL',
  'SLIGHTLY_BULLISH',
  'BULLISH',
  'VERY_BULLISH',
] as const
export type Sentiment = (typeof sentiments)[number]

export const snapshotFields = [
  'sma5',
  'sma20',
  'sma50',
  'sma60',
  'sma200',
  'ema9',
  'ema21',
  'ema50',
  'vwap',
  'rsi14',
  'macd',
  'macdSignal',
  'macdHistogram',
  'bollingerUpper',
  'bollingerMiddle',
  'bollingerLower',
  'stochasticK',
  'stochasticD',
  'atr14',
  'adx14',
  'volumeSma20',
] as const

/** Indicator values at the newest candle; null if history is too short. */
export type IndicatorSnapshot = Readonly<Record<(typeof snapshotFields)[number], number | null>>

/** The findings about one symbol. */
export interface SymbolFindings {
  readonly symbol: string
  readonly source: Source
  readonly interval: Interval
  /** Start of the newest candle used, in epoch milliseconds. */
  readonly asOfMs: number
  /** The close of that candle. */
  readonly price: number
  /** null if there are too few candles; likewise sentiment and score. */
  readonly trend: Trend | null
  readonly sentiment: Sentiment | null
  readonly score: number | null
  readonly indicators: IndicatorSnapshot
  /** The signals of the newest closed candles, oldest first. */
  readonly signals: readonly Signal[]
}

/** Findings as they are stored. */
export interface SymbolAnalysis extends Omit<SymbolFindings, 'signals'> {
  readonly id: string
  readonly analysedAtMs: number
  /** Order of storing, for paging. */
  readonly position: number
  readonly signals: readonly SignalKey[]
}

/** Why one symbol of several has no result. */
export interface SymbolFailure {
  readonly symbol: string
  readonly code: ErrorCode
  readonly message: string
}

export interface AnalysisResult {
  readonly analyses: readonly SymbolAnalysis[]
  readonly failures: readonly SymbolFailure[]
}
