import type { BacktestInput, SymbolCandles } from '../../analysis/backtest.ts'
import { joinedColumns } from '../../analysis/indicators/columns.ts'
import { signalsWarmUp } from '../../analysis/signals.ts'
import type { BacktestOutcome, BacktestResult } from '../../domain/analysis/backtest.ts'
import { beginningOfTime, type CandleRequest } from '../../domain/candle.ts'
import { listOf } from '../../domain/candle-list.ts'
import { FinstageError } from '../../domain/errors.ts'
import type { MarketService } from '../../market/market-service.ts'
import type { CpuPool } from '../../platform/concurrency/cpu-pool.ts'
import type { FairSlots } from '../../platform/concurrency/fair-slots.ts'
import { jobDescriptions } from '../job-inputs.ts'
import { defineTask, type Task } from '../queue/define-task.ts'
import { closedNodes } from './closed-candles.ts'
import { eachPiece } from './each-piece.ts'

const backtestModule = new URL('../../analysis/backtest.ts', import.meta.url)

/** Trades the signals of many symbols with one capital. Fails when no symbol has candles. */
export function backtestTask({ market, slots, cpu }: { market: MarketService; slots: FairSlots; cpu: CpuPool }): Task {
  return defineTask({
    kind: 'BACKTEST',
    ...jobDescriptions.BACKTEST,
    async run({ symbols, fromMs, toMs, ...rules }, context) {
      const pieces = symbols.map((symbol) => ({ name: symbol, symbol }))
      const from = fromMs === null ? beginningOfTime : Math.max(Math.ceil(fromMs / 1000), beginningOfTime)
      const to = toMs === null ? null : Math.ceil(toMs / 1000)
      // The store has the candles already: they are not saved as parts of the job.
      const unkept = { ...context, savedParts: async () => new Map(), savePart: async () => {} }
      const { results, failures } = await eachPiece(pieces, slots, unkept, ({ symbol }) =>
        candlesOf(market, symbol, from, to),
      )
      const [failure] = failures
      if (failure && results.size === 0) throw new FinstageError(failure.code, failure.message)
      const traded: BacktestInput = { symbols: symbols.flatMap((symbol) => results.get(symbol) ?? []), rules }
      const outcome = await cpu.run<BacktestInput, BacktestOutcome>(
        backtestModule,
        'signalBacktest',
        traded,
        context.signal,
      )
      return { result: { ...outcome, failures } satisfies BacktestResult }
    },
  })
}

async function candlesOf(
  market: MarketService,
  symbol: string,
  from: number,
  to: number | null,
): Promise<SymbolCandles> {
  const request: CandleRequest = {
    symbol,
    interval: 'DAY_1',
    from,
    to,
    last: null,
    earlier: signalsWarmUp,
    adjustment: 'SPLITS',
    extendedHours: false,
  }
  const [series] = await market.candles([request])
  if (series === undefined || series instanceof Error) throw series
  // Stored candles may have gaps, which the result would not show.
  if (series.failure) throw series.failure
  const earlier = series.lists?.earlier ?? listOf(series.earlier)
  return { candles: joinedColumns([earlier, closedNodes(series)]), first: earlier.length }
}
