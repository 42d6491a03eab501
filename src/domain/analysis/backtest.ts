import type { SymbolFailure } from './analysis.ts'
import type { SignalKind } from './signal.ts'

/** How signals are traded. All but the capital and the days are shares: 0.1 is a tenth. */
export interface BacktestRules {
  /** Which ones, in the order in which they are served. */
  readonly signals: readonly SignalKind[]
  readonly initialCapital: number
  /** Of the equity at the close before, put into each trade. */
  readonly positionSize: number
  /** How many candles a trade lasts at most, the one it is entered in included. */
  readonly holdDays: number
  /** Of the entry price; null: none. */
  readonly stopLoss: number | null
  readonly takeProfit: number | null
  /** Of the value traded, at entry and at exit. */
  readonly cost: number
}

/** Equity at the close of each date, oldest first: two columns of one length. */
export interface EquityCurve {
  /** Midnight UTC of the trading date, in epoch seconds. */
  readonly epoch: readonly number[]
  readonly equity: readonly number[]
}

/** What an equity curve comes to. Returns are shares; null: there is nothing to divide by. */
export interface Performance {
  readonly totalReturn: number
  readonly annualReturn: number | null
  /** A positive share of the peak. */
  readonly maxDrawdown: number
  /** Both of daily returns, annualised over 252 days. */
  readonly sharpe: number | null
  readonly sortino: number | null
}

export interface SignalPerformance {
  readonly kind: SignalKind
  readonly tradeCount: number
  readonly winRate: number | null
  readonly averageReturn: number | null
}

/** What trading the signals has come to; null: there is nothing to divide by. */
export interface BacktestOutcome extends Performance {
  readonly tradeCount: number
  readonly winRate: number | null
  readonly profitFactor: number | null
  readonly benchmarkReturn: number | null
  readonly curve: EquityCurve
  /** In the order in which the kinds were asked for. */
  readonly bySignal: readonly SignalPerformance[]
}

export interface BacktestResult extends BacktestOutcome {
  readonly failures: readonly SymbolFailure[]
}
