import type { Sentiment, SymbolFailure } from './analysis.ts'
import type { SignalKey } from './signal.ts'

/** What a day was like for one symbol. */
export interface MarketSummary {
  readonly symbol: string
  /** Of its newest daily candle: the close, or the last price while the session runs. */
  readonly price: number
  /** Against the close of the candle before, in per cent; null: there is none. */
  readonly changePercent: number | null
  readonly sentiment: Sentiment | null
  /** Of the report's signals the one with the greatest strength. */
  readonly strongest: SignalKey | null
}

export interface DailyReport {
  /** The newest trading date among the symbols: YYYY-MM-DD. */
  readonly date: string
  readonly markets: readonly MarketSummary[]
  /** Those that became known since the last working day's report. */
  readonly newSignals: readonly SignalKey[]
  readonly failures: readonly SymbolFailure[]
  /** For people to read. */
  readonly text: string
}
