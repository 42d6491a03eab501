import { z } from 'zod'
import { findingsCandles } from '../analysis/symbol-findings.ts'
import type { SymbolFindings } from '../domain/analysis.ts'
import type { Candle, CandleRequest } from '../domain/candle.ts'
import { type Interval, intervals } from '../domain/interval.ts'
import type { MarketService } from '../market/market-service.ts'
import type { CpuPool } from '../platform/cpu-pool.ts'
import type { AnalysisStore } from '../store/analysis-store.ts'
import { defineTask, type Task } from './define-task.ts'
import { eachPiece } from './each-piece.ts'
import type { FairSlots } from './fair-slots.ts'

const input = z.object({ symbols: z.array(z.string()).min(1), interval: z.enum(intervals) })

/** What is computed in a thread. */
export interface FindingsInput {
  readonly symbol: string
  readonly interval: Interval
  readonly candles: readonly Candle[]
}

const findingsModule = new URL('./analysis-thread.ts', import.meta.url)

/** Indicators and trend of many symbols. */
export function analysisTask(services: {
  market: MarketService
  analyses: AnalysisStore
  slots: FairSlots
  cpu: CpuPool
}): Task {
  const { market, analyses, slots, cpu } = services
  return defineTask({
    kind: 'ANALYSIS',
    input,
    defaults: { priority: 'NORMAL', maxAttempts: 3, timeoutSeconds: 300 },
    async run({ symbols, interval }, context) {
      const pieces = symbols.map((symbol) => ({ name: symbol, symbol }))
      const { results, failures } = await eachPiece(pieces, slots, context, async ({ symbol }) => {
        const candles = await candlesOf(market, symbol, interval)
        return cpu.run<FindingsInput, SymbolFindings>(
          findingsModule,
          'findings',
          { symbol, interval, candles },
          context.signal,
        )
      })
      const found = symbols.flatMap((symbol) => results.get(symbol) ?? [])
      return { result: { failures }, write: (client, jobId) => analyses.insert(client, jobId, found) }
    },
  })
}

async function candlesOf(market: MarketService, symbol: string, interval: Interval): Promise<readonly Candle[]> {
  const request: CandleRequest = {
    ...{ symbol, interval, from: null, to: null, last: findingsCandles, earlier: 0 },
    ...{ adjustment: 'SPLITS', extendedHours: false },
  }
  const [series] = await market.candles([request])
  if (series === undefined || series instanceof Error) throw series
  return series.nodes
}
