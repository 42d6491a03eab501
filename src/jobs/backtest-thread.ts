import { backtest } from '../analysis/backtest.ts'
import { findSignals } from '../analysis/signals.ts'
import type { BacktestOutcome } from '../domain/backtest.ts'
import type { BacktestInput } from './backtest.ts'

/** Runs in a thread: see backtest.ts. */
export const backtestOf = ({ symbols, rules }: BacktestInput): BacktestOutcome =>
  backtest(
    symbols.map((symbol) => ({ ...symbol, signals: findSignals(symbol.candles) })),
    rules,
  )
