import type { SymbolFailure } from './analysis.ts'
import type { SignalKind } from './signal.ts'

/** How signals are traded. All but the capital and the days are shares: 0.1 is a tenth. */
export interface BacktestRules {
  /** The kinds to trade, in order of preference. */
  readonly signals: readonly SignalKind[]
  readonly initialCapital: number
  /** Share of the equity at the previous close that goes into each trade. */
  readonly positionSize: number
  /** How many candles a trade lasts at most, including the one of the entry. */
  readonly holdDays: number
  /** Share of the entry price; null: none. */
  readonly stopLoss: number | null
  readonly takeProfit: number | null
  /** Share of the traded value, at entry and at exit. */
  readonly cost: number
}

/** Equity at the close of each date, oldest first: two columns of equal length. */
export interface EquityCurve {
  /** Midnight UTC of the trading date, in epoch seconds. */
  readonly epoch: readonly number[]
  readonly equity: readonly number[]
}

/** Measures of an equity curve. Returns are shares; null: there is nothing to divide by. */
export interface Performance {
  readonly totalReturn: number
  readonly annualReturn: number | null
  /** A positive share of the peak. */
  readonly maxDrawdown: number
  /** Sharpe and Sortino ratios of daily returns, annualised by the points that the curve has in a year. */
  readonly sharpe: number | null
  readonly sortino: number | null
}

export interface SignalPerformance {
  readonly kind: SignalKind
  readonly tradeCount: number
  readonly winRate: number | null
  readonly averageReturn: number | null
}

/** The result of trading the signals; null: there is nothing to divide by. */
export interface BacktestOutcome extends Performance {
  readonly tradeCount: number
  readonly winRate: number | null
  readonly profitFactor: number | null
  readonly benchmarkReturn: number | null
  readonly curve: EquityCurve
  /** In the order of the requested kinds. */
  readonly bySignal: readonly SignalPerformance[]
}

export interface BacktestResult extends BacktestOutcome {
  readonly failures: readonly SymbolFailure[]
}
