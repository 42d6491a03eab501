import { joinedColumns } from '../../analysis/indicators/columns.ts'
import { type FindingsInput, findingsCandles } from '../../analysis/symbol-findings.ts'
import type { SymbolFindings } from '../../domain/analysis/analysis.ts'
import type { CandleRequest } from '../../domain/candle.ts'
import type { Interval } from '../../domain/time/interval.ts'
import type { MarketService } from '../../market/market-service.ts'
import type { CpuPool } from '../../platform/concurrency/cpu-pool.ts'
import { closedCount, nodeList } from './closed-candles.ts'

const findingsModule = new URL('../../analysis/symbol-findings.ts', import.meta.url)

/** Computes the findings of a symbol in a thread, which an abort ends. Rejects with NO_DATA. */
export const computeFindings = (cpu: CpuPool, input: FindingsInput, signal: AbortSignal): Promise<SymbolFindings> =>
  cpu.run<FindingsInput, SymbolFindings>(findingsModule, 'symbolFindings', input, signal)

/**
 * A symbol's newest candles before a time (epoch seconds; null: now). They are columns, because copying objects to a
 * thread takes four times as long. Rejects with the error of `MarketService.candles`, or with the source's error when
 * not all candles are current.
 */
export async function findingsInput(
  market: MarketService,
  symbol: string,
  interval: Interval,
  to: number | null,
): Promise<FindingsInput> {
  const request: CandleRequest = {
    symbol,
    interval,
    from: null,
    to,
    last: findingsCandles(interval),
    earlier: 0,
    adjustment: 'SPLITS',
    extendedHours: false,
  }
  const [series] = await market.candles([request])
  if (series === undefined || series instanceof Error) throw series
  // Stored candles may have gaps or end long ago, which the findings would not show.
  if (series.failure) throw series.failure
  const { source, sessions, hasEarlier } = series
  const nodes = nodeList(series)
  return {
    symbol,
    source,
    interval,
    sessions,
    candles: joinedColumns([nodes]),
    closedCount: closedCount(nodes),
    isWhole: !hasEarlier,
  }
}
