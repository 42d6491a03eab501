import { LRUCache } from 'lru-cache'
import type { CandleRequest } from '../domain/candle.ts'
import type { Dividend, Split } from '../domain/corporate-action.ts'
import { FinstageError } from '../domain/errors.ts'
import type { Interval } from '../domain/interval.ts'
import type { Listing } from '../domain/quote.ts'
import type { CandleStore } from '../store/candle-store.ts'
import { type CandleSeries, CandleService } from './candle-service.ts'
import type { MarketSource } from './market-source.ts'

/** How many symbols are remembered for the time when the source can't be reached. */
const rememberedSymbols = 20_000

/** Market data as the rest of the house asks for it: from the source, from the store, and honest about its age. */
export class MarketService {
  readonly #source: MarketSource
  readonly #candles: CandleService
  readonly #lastKnown = new LRUCache<string, Listing>({ max: rememberedSymbols })

  constructor(options: { source: MarketSource; store: CandleStore; now?: () => number }) {
    this.#source = options.source
    this.#candles = new CandleService({ now: Date.now, ...options })
  }

  /**
   * What is known of each symbol; one upstream request for up to 100 of them. A symbol that the source does not know is
   * absent. Where the source can't be reached: the last known, its quote `stale`, or the FinstageError where nothing is known.
   */
  async listings(symbols: readonly string[]): Promise<Map<string, Listing | FinstageError>> {
    try {
      const found = await this.#source.listings(symbols)
      for (const [symbol, listing] of found) this.#lastKnown.set(symbol, listing)
      return new Map(found)
    } catch (error) {
      if (!(error instanceof FinstageError)) throw error
      return new Map(symbols.map((symbol) => [symbol, this.#stale(symbol) ?? error]))
    }
  }

  /**
   * One answer for each request, in order. What failed is an Error in its place: SYMBOL_NOT_FOUND, RANGE_NOT_AVAILABLE, or
   * SOURCE_UNAVAILABLE where neither source nor store has anything.
   */
  candles(requests: readonly CandleRequest[]): Promise<(CandleSeries | Error)[]> {
    return this.#candles.candles(requests)
  }

  /**
   * Dividends and splits of [from, to), in epoch seconds; null: without end. Throws SYMBOL_NOT_FOUND, or what the source fails
   * with where they are not known.
   */
  actions(
    symbol: string,
    from: number | null,
    to: number | null,
  ): Promise<{ readonly dividends: readonly Dividend[]; readonly splits: readonly Split[] }> {
    return this.#candles.actions(symbol, from, to)
  }

  reachDays(interval: Interval): number | null {
    return this.#source.reachDays(interval)
  }

  #stale(symbol: string): Listing | undefined {
    const known = this.#lastKnown.get(symbol)
    return known?.quote ? { ...known, quote: { ...known.quote, stale: true } } : known
  }
}
