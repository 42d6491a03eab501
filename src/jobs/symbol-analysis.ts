import { toColumns } from '../analysis/columns.ts'
import { type FindingsInput, findingsCandles } from '../analysis/symbol-findings.ts'
import type { SymbolFindings } from '../domain/analysis.ts'
import type { CandleRequest } from '../domain/candle.ts'
import type { Interval } from '../domain/interval.ts'
import type { MarketService } from '../market/market-service.ts'
import type { CpuPool } from '../platform/cpu-pool.ts'

const findingsModule = new URL('../analysis/symbol-findings.ts', import.meta.url)

/**
 * What is found out about a symbol now, computed in a thread, which an abort ends. Rejects with NO_DATA, and with what
 * `MarketService.candles` fails with.
 */
export async function findingsOf(
  { market, cpu }: { readonly market: MarketService; readonly cpu: CpuPool },
  symbol: string,
  interval: Interval,
  signal: AbortSignal,
): Promise<SymbolFindings> {
  const input = await findingsInput(market, symbol, interval)
  return cpu.run<FindingsInput, SymbolFindings>(findingsModule, 'symbolFindings', input, signal)
}

/** A symbol's newest candles, as columns: copying them as objects to a thread takes four times as long. */
export async function findingsInput(market: MarketService, symbol: string, interval: Interval): Promise<FindingsInput> {
  const request: CandleRequest = {
    ...{ symbol, interval, from: null, to: null, last: findingsCandles(interval), earlier: 0 },
    ...{ adjustment: 'SPLITS', extendedHours: false },
  }
  const [series] = await market.candles([request])
  if (series === undefined || series instanceof Error) throw series
  const { source, sessions, nodes, hasEarlier } = series
  return {
    ...{ symbol, source, interval, sessions },
    candles: toColumns(nodes),
    closedCount: nodes.filter(({ closed }) => closed).length,
    isWhole: !hasEarlier,
  }
}
