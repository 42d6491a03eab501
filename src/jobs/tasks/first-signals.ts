import { joinedColumns } from '../../analysis/indicators/columns.ts'
import { findSignals, namedSignal, signalsWarmUp } from '../../analysis/signals.ts'
import type { Signal } from '../../domain/analysis/signal.ts'
import type { CandleRequest } from '../../domain/candle.ts'
import { anonymousOwner } from '../../domain/job.ts'
import type { MarketService } from '../../market/market-service.ts'
import { type DatabasePool, transaction } from '../../platform/database/pool.ts'
import type { SignalStore } from '../../store/analyses/signal-store.ts'
import type { JobService } from '../job-service.ts'
import { closedNodes } from './closed-candles.ts'

const symbolCount = 12
/** Candles that signals are stored of. Two months: for the oldest, the month that outcomes look ahead has passed. */
const candleCount = 60

export interface FirstSignalsOptions {
  readonly market: Pick<MarketService, 'candles' | 'instruments'>
  readonly signals: SignalStore
  readonly pool: DatabasePool
  readonly jobs: Pick<JobService, 'enqueue'>
}

/**
 * Stores the daily signals of the last two months of some symbols, as analyses would have found them day by day, and
 * queues their first analysis, unless there are signals already. So a new database has something to show: only a
 * simulated market can know its past without asking anybody. Returns how many signals were stored.
 */
export async function storeFirstSignals(options: FirstSignalsOptions, signal: AbortSignal): Promise<number> {
  const { market, signals, pool, jobs } = options
  const stored = await signals.list({ symbols: null, kinds: null, before: null, limit: 1 })
  if (stored.length > 0) return 0
  const symbols = firstSymbols(market)
  const found: Signal[] = []
  for (const symbol of symbols) {
    if (signal.aborted) return 0
    found.push(...(await pastSignals(symbol, market)))
  }
  await jobs.enqueue({
    kind: 'ANALYSIS',
    owner: anonymousOwner,
    input: { symbols, interval: 'DAY_1' },
    runAtMs: null,
    idempotencyKey: 'first analysis of the simulated market',
  })
  // Last: signals tell the next start that there is nothing left to do.
  found.sort((a, b) => a.knownAtMs - b.knownAtMs)
  await transaction(pool, (client) => signals.insert(client, found))
  return found.length
}

function firstSymbols(market: FirstSignalsOptions['market']): string[] {
  const symbols: string[] = []
  for (const { symbol } of market.instruments() ?? []) {
    symbols.push(symbol)
    if (symbols.length === symbolCount) break
  }
  return symbols
}

async function pastSignals(symbol: string, market: FirstSignalsOptions['market']): Promise<Signal[]> {
  const request: CandleRequest = {
    ...{ symbol, interval: 'DAY_1', adjustment: 'SPLITS', extendedHours: false },
    ...{ from: null, to: null, last: signalsWarmUp + candleCount + 1, earlier: 0 },
  }
  const [series] = await market.candles([request])
  if (series === undefined || series instanceof Error) throw series
  const { source, interval, sessions } = series
  const closed = closedNodes(series)
  const candles = joinedColumns([closed])
  return findSignals(candles)
    .filter(({ index }) => index >= closed.length - candleCount)
    .map((each) => namedSignal(each, candles.epoch[each.index] as number, { symbol, source, interval, sessions }))
}
