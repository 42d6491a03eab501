import type { ErrorCode } from './errors.ts'
import type { Interval } from './interval.ts'

export const trends = ['UP', 'DOWN', 'SIDEWAYS'] as const
export type Trend = (typeof trends)[number]

/** Values of indicators at the newest candle; null where history is too short. */
export interface IndicatorSnapshot {
  readonly sma5: number | null
  readonly sma20: number | null
  readonly sma50: number | null
  readonly sma60: number | null
  readonly sma200: number | null
  readonly rsi14: number | null
}

/** What was found out about one symbol. */
export interface SymbolFindings {
  readonly symbol: string
  readonly interval: Interval
  /** Start of the newest candle that went in, in epoch milliseconds. */
  readonly asOfMs: number
  /** Its close. */
  readonly price: number
  /** null where there are too few candles for it. */
  readonly trend: Trend | null
  readonly indicators: IndicatorSnapshot
}

/** Findings as they were stored. */
export interface SymbolAnalysis extends SymbolFindings {
  readonly id: string
  readonly analysedAtMs: number
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
