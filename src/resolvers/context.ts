import DataLoader from 'dataloader'
import type { SymbolAnalysis } from '../domain/analysis.ts'
import type { CandleRequest } from '../domain/candle.ts'
import type { Dividend, Split } from '../domain/corporate-action.ts'
import type { InstrumentMatch } from '../domain/instrument.ts'
import type { Interval } from '../domain/interval.ts'
import type { EnqueueRequest, Job, JobActionOutcome } from '../domain/job.ts'
import type { PriceUpdate } from '../domain/price-update.ts'
import type { Listing } from '../domain/quote.ts'
import type { CandleSeries } from '../market/candle-service.ts'
import type { JobFilter } from '../store/job-store.ts'

/** Who asks. */
export interface Viewer {
  readonly id: string
}

/** What resolvers need of the rest of the house; the composition root supplies it. */
export interface Ports {
  readonly market: {
    /** At once where it is at hand. Rejects with SYMBOL_NOT_FOUND, or what the source fails with. */
    listing(symbol: string): Listing | Promise<Listing>
    search(text: string, limit: number): Promise<readonly InstrumentMatch[]>
    /** One answer for each request, in order. */
    candles(requests: readonly CandleRequest[]): Promise<(CandleSeries | Error)[]>
    /** Of [from, to), in epoch seconds; null: without end. */
    actions(
      symbol: string,
      from: number | null,
      to: number | null,
    ): Promise<{ readonly dividends: readonly Dividend[]; readonly splits: readonly Split[] }>
    reachDays(interval: Interval): number | null
  }
  readonly prices: {
    subscribe(symbols: readonly string[]): Promise<AsyncIterableIterator<PriceUpdate>>
  }
  readonly jobs: {
    enqueue(request: EnqueueRequest): Promise<{ job: Job; deduplicated: boolean }>
    find(id: string, owner: string): Promise<Job | null>
    list(owner: string, filter: JobFilter): Promise<Job[]>
    result(id: string): Promise<unknown>
    follow(id: string, owner: string): Promise<AsyncIterableIterator<Job> | null>
    followAll(owner: string): Promise<AsyncIterableIterator<Job>>
    cancel(id: string, owner: string): Promise<JobActionOutcome>
    retry(id: string, owner: string): Promise<JobActionOutcome>
  }
  readonly analyses: {
    find(id: string): Promise<SymbolAnalysis | null>
    ofJob(jobId: string): Promise<SymbolAnalysis[]>
  }
}

/**
 * Loads each thing once, and what is asked for at the same time together. What gathers is made when it is first asked for: most
 * operations need none of it.
 */
export class Loaders {
  readonly #market: Ports['market']
  readonly #listings = new Map<string, Listing | Promise<Listing>>()
  #candles: DataLoader<CandleRequest, CandleSeries, string> | undefined

  constructor({ market }: Ports) {
    this.#market = market
  }

  /**
   * The same throughout an operation; at once where it is at hand. Fails with SYMBOL_NOT_FOUND, or as the source does. The
   * market gathers by itself what it has to ask its source for.
   */
  listing(symbol: string): Listing | Promise<Listing> {
    const known = this.#listings.get(symbol)
    if (known) return known
    const listing = this.#market.listing(symbol)
    this.#listings.set(symbol, listing)
    return listing
  }

  get candles(): DataLoader<CandleRequest, CandleSeries, string> {
    this.#candles ??= new DataLoader((requests) => this.#market.candles(requests), { cacheKeyFn: JSON.stringify })
    return this.#candles
  }
}

/** What every resolver gets, on every transport: one for each operation. */
export interface Context extends Ports {
  readonly viewer: Viewer
  /** For a subscription: those of the current event. */
  loaders: Loaders
  /** Forgets what was loaded, when a subscription's next event is worked on. */
  renewLoaders(): void
}

export function createContext(ports: Ports): Context {
  const context: Context = {
    ...ports,
    viewer: { id: 'anonymous' },
    loaders: new Loaders(ports),
    renewLoaders() {
      this.loaders = new Loaders(ports)
    },
  }
  return context
}
