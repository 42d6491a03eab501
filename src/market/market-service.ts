import type { Registry } from 'prom-client'
import type { CandleRequest, CandleSeries } from '../domain/candle.ts'
import type { CorporateActions } from '../domain/corporate-action.ts'
import type { Instrument, InstrumentMatch } from '../domain/instrument.ts'
import type { Listing } from '../domain/quote.ts'
import type { RunSteps } from '../domain/steps.ts'
import type { Interval } from '../domain/time/interval.ts'
import { Histogram, type HistogramSeries } from '../platform/histogram.ts'
import type { CandleStore, StoredExtent } from '../store/candles/candle-store.ts'
import { CacheMetrics } from './cache-metrics.ts'
import { type CallBudget, callerWith } from './call-budget.ts'
import { CandleService } from './candles/service.ts'
import type { Quarantine } from './quarantine.ts'
import { QuoteCache } from './quotes/cache.ts'
import { QuoteGuard } from './quotes/guard.ts'
import { SearchCache } from './search-cache.ts'
import type { MarketSource } from './source.ts'

export interface MarketServiceOptions {
  readonly source: MarketSource
  readonly store: CandleStore
  readonly registry: Registry
  readonly quarantine: Quarantine
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Milliseconds of a monotonic clock, which lifetimes go by; `now` if absent. */
  readonly steadyMs?: () => number
  /** How the candles of long series are worked through. */
  readonly run?: RunSteps
}

/**
 * Market data for the rest of the program: from the source or the store, marked as stale where it is. One per process.
 */
export class MarketService {
  readonly #source: MarketSource
  readonly #candles: CandleService
  readonly #quotes: QuoteCache
  readonly #searches: SearchCache
  readonly #now: () => number
  readonly #quoteAge: HistogramSeries
  readonly #candlesAge: HistogramSeries

  constructor(options: MarketServiceOptions) {
    const { source, store, registry, quarantine, now, steadyMs = now, run } = options
    const metrics = new CacheMetrics(registry)
    const guard = new QuoteGuard(quarantine)
    this.#source = source
    this.#now = now
    const counted = metrics.counter('candles')
    this.#candles = new CandleService({ source, store, now, steadyMs, quarantine, counted, run })
    this.#quotes = new QuoteCache({ source, guard, now: steadyMs, count: metrics.counter('quote') })
    this.#searches = new SearchCache({ source, now: steadyMs, count: metrics.counter('search') })
    const age = new Histogram({
      name: 'finstage_data_age_seconds',
      help: 'How long ago the quotes and candles that queries were answered with had come from the source',
      buckets: [0.1, 1, 5, 15, 60, 300, 3600, 86_400],
      registry,
    })
    this.#quoteAge = age.series({ kind: 'quote' })
    this.#candlesAge = age.series({ kind: 'candles' })
  }

  /**
   * What is known of a symbol, synchronously if it is cached. If the source fails, the last known listing with its
   * quote `stale`; rejects with SYMBOL_NOT_FOUND, or with the source's error if nothing is known. `budget`, here and
   * below: pays for the source calls that the operation causes, and ends it with LIMIT_EXCEEDED.
   */
  listing(symbol: string, budget?: CallBudget): Listing | Promise<Listing> {
    const atHand = this.#quotes.atHand(symbol)
    return atHand ? this.#used(atHand) : this.#quotes.get(symbol, budget).then((listing) => this.#used(listing))
  }

  /** Instruments whose symbol or name matches a text, the best first. Rejects with the source's error. */
  search(text: string, limit: number, budget?: CallBudget): Promise<readonly InstrumentMatch[]> {
    return this.#searches.find(text, limit, budget)
  }

  /** All instruments of the source, in its order; null: it has no list of them. */
  instruments(): Iterable<Instrument> | null {
    return this.#source.instruments?.() ?? null
  }

  /**
   * One answer for each request, in order. A failed request has an Error in its place: SYMBOL_NOT_FOUND,
   * RANGE_NOT_AVAILABLE, or SOURCE_UNAVAILABLE if neither source nor store has anything. With a budget, a client waits:
   * if the source takes longer than 2.5 s for the newest candles, the stored ones come without them, `stale`.
   */
  async candles(requests: readonly CandleRequest[], budget?: CallBudget): Promise<(CandleSeries | Error)[]> {
    const found = await this.#candles.candles(requests, budget && callerWith(budget))
    for (const series of found) if (!(series instanceof Error)) this.#candlesAge.observe(this.#age(series.receivedAtMs))
    return found
  }

  /**
   * Stores the candles of [from, to), in epoch seconds, that are missing, and returns what is stored then: for composed
   * intervals, the candles they are made of. Throws SYMBOL_NOT_FOUND, RANGE_NOT_AVAILABLE, or the source's error.
   */
  backfill(symbol: string, interval: Interval, from: number, to: number): Promise<StoredExtent> {
    return this.#candles.backfill(symbol, interval, from, to)
  }

  /**
   * Dividends and splits of [from, to), in epoch seconds; null: no bound. Throws SYMBOL_NOT_FOUND, or the source's
   * error if they are not known.
   */
  actions(symbol: string, from: number | null, to: number | null, budget?: CallBudget): Promise<CorporateActions> {
    return this.#candles.actions(symbol, from, to, budget && callerWith(budget))
  }

  reachDays(interval: Interval): number | null {
    return this.#source.reachDays(interval)
  }

  #used(listing: Listing): Listing {
    if (listing.quote) this.#quoteAge.observe(this.#age(listing.quote.receivedAtMs))
    return listing
  }

  /** In seconds. */
  #age(receivedAtMs: number): number {
    return Math.max(0, this.#now() - receivedAtMs) / 1000
  }
}
