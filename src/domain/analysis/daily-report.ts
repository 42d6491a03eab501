import type { Sentiment, SymbolFailure } from './analysis.ts'
import type { SignalKey } from './signal.ts'

/** One symbol's day. */
export interface MarketSummary {
  readonly symbol: string
  /** Of its newest daily candle: the close, or the last price while the session runs. */
  readonly price: number
  /** Compared with the previous close, in per cent; null: there is none. */
  readonly changePercent: number | null
  readonly sentiment: Sentiment | null
  /** The strongest of the report's signals. */
  readonly strongest: SignalKey | null
}

export interface DailyReport {
  /** The newest trading date among the symbols: YYYY-MM-DD. */
  readonly date: string
  readonly markets: readonly MarketSummary[]
  /** Signals that became known since the report of the last working day. */
  readonly newSignals: readonly SignalKey[]
  readonly failures: readonly SymbolFailure[]
  /** The report as text for people. */
  readonly text: string
}
