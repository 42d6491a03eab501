import type { BacktestSymbol } from '../../../src/analysis/backtest.ts'
import { type Columns, toColumns } from '../../../src/analysis/indicators/columns.ts'
import type { FoundSignal } from '../../../src/analysis/signals.ts'
import type { BacktestRules } from '../../../src/domain/analysis/backtest.ts'
import type { SignalDirection, SignalKind } from '../../../src/domain/analysis/signal.ts'

export const daySeconds = 86_400

/** Day, open, high, low, close. */
export type Row = readonly [number, number, number, number, number]

/** Without a stop, a target or costs; all of the equity goes into one trade. */
export const plainRules: BacktestRules = {
  ...{ signals: ['RSI_OVERSOLD', 'RSI_OVERBOUGHT'], initialCapital: 1000, positionSize: 1, holdDays: 5 },
  ...{ stopLoss: null, takeProfit: null, cost: 0 },
}

export const columnsOf = (rows: readonly Row[]): Columns =>
  toColumns(
    rows.map(([day, open, high, low, close]) => ({
      ...{ epoch: day * daySeconds, open, high, low, close, volume: null, closed: true },
    })),
  )

export const signal = (kind: SignalKind, direction: SignalDirection, index: number): FoundSignal => ({
  ...{ kind, direction, index, price: 0, indicatorValue: null, strength: 0 },
})

/** Raised by the candle of this place. */
export const bullish = (index: number): FoundSignal => signal('RSI_OVERSOLD', 'BULLISH', index)
export const bearish = (index: number): FoundSignal => signal('RSI_OVERBOUGHT', 'BEARISH', index)

export const symbolOf = (rows: readonly Row[], signals: readonly FoundSignal[], first = 0): BacktestSymbol => ({
  ...{ candles: columnsOf(rows), first, signals },
})

/** Numbers from 0 to 1, the same on every run. */
export function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
