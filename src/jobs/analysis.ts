import { z } from 'zod'
import { findingsCandles, symbolFindings } from '../analysis/symbol-findings.ts'
import type { SymbolFailure, SymbolFindings } from '../domain/analysis.ts'
import type { CandleRequest } from '../domain/candle.ts'
import { FinstageError, isTemporary } from '../domain/errors.ts'
import { type Interval, intervals } from '../domain/interval.ts'
import type { MarketService } from '../market/market-service.ts'
import type { AnalysisStore } from '../store/analysis-store.ts'
import { defineTask, type Task } from './define-task.ts'

/** How many symbols of a job are worked on at once. */
const concurrency = 8

const input = z.object({ symbols: z.array(z.string()).min(1), interval: z.enum(intervals) })

/**
 * Indicators and trend of many symbols. A symbol that fails does not fail the others; where all do, for a reason that may pass,
 * the attempt has failed and is made again.
 */
export function analysisTask(services: { market: MarketService; analyses: AnalysisStore }): Task {
  return defineTask({
    kind: 'ANALYSIS',
    input,
    async run({ symbols, interval }, { signal, progress, log }) {
      const findings = new Map<string, SymbolFindings>()
      const failures = new Map<string, SymbolFailure>()
      const waiting = [...symbols]
      const work = async (): Promise<void> => {
        for (let symbol = waiting.shift(); symbol !== undefined; symbol = waiting.shift()) {
          signal.throwIfAborted()
          try {
            findings.set(symbol, await analyse(services.market, symbol, interval))
          } catch (error) {
            if (!(error instanceof FinstageError)) log.error({ err: error, symbol }, 'the analysis of a symbol failed')
            failures.set(symbol, asFailure(symbol, error))
          }
          progress((findings.size + failures.size) / symbols.length)
        }
      }
      await Promise.all(Array.from({ length: concurrency }, work))
      signal.throwIfAborted()
      const [failure] = failures.values()
      if (failure && findings.size === 0 && isTemporary(failure.code))
        throw new FinstageError(failure.code, failure.message)
      return async (client, jobId) => {
        const found = symbols.flatMap((symbol) => findings.get(symbol) ?? [])
        await services.analyses.insert(client, jobId, found)
        return { failures: symbols.flatMap((symbol) => failures.get(symbol) ?? []) }
      }
    },
  })
}

async function analyse(market: MarketService, symbol: string, interval: Interval): Promise<SymbolFindings> {
  const request: CandleRequest = {
    ...{ symbol, interval, from: null, to: null, last: findingsCandles, earlier: 0 },
    ...{ adjustment: 'SPLITS', extendedHours: false },
  }
  const [series] = await market.candles([request])
  if (series === undefined || series instanceof Error) throw series
  return symbolFindings(symbol, interval, series.nodes)
}

function asFailure(symbol: string, error: unknown): SymbolFailure {
  if (error instanceof FinstageError) return { symbol, code: error.code, message: error.message }
  return { symbol, code: 'INTERNAL', message: 'Something went wrong with this symbol' }
}
