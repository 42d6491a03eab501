import type { Candle } from '../domain/candle.ts'
import type { Source } from '../domain/instrument.ts'
import type { Interval } from '../domain/interval.ts'
import type { LiveFeed, LiveSink } from '../domain/live-feed.ts'
import type { Listing } from '../domain/quote.ts'

/**
 * Where market data comes from. Every call may throw a FinstageError: SOURCE_UNAVAILABLE or SOURCE_RATE_LIMITED for the whole
 * call. Symbols are taken as already validated. One conformance suite holds every implementation to what is written here.
 */
export interface MarketSource {
  readonly name: Source

  /** What the source knows of each symbol, in one upstream request for up to 100 of them. A symbol it does not know is absent. */
  listings(symbols: readonly string[]): Promise<ReadonlyMap<string, Listing>>

  /**
   * The candles that start in [from, to), oldest first, one for each time, the running one included.
   * Throws SYMBOL_NOT_FOUND, and RANGE_NOT_AVAILABLE where the range begins before `reachDays`.
   */
  candles(query: CandleQuery): Promise<CandleBatch>

  /** How many days back the source goes for an interval; null: all there is. */
  reachDays(interval: Interval): number | null

  /** How much wall time `count` candles may span, at most, in seconds: closed hours, weekends and holidays included. */
  spanSeconds(interval: Interval, count: number): number

  /** Opens the live feed, which watches nothing yet. */
  openLive(sink: LiveSink): LiveFeed
}

export interface CandleQuery {
  readonly symbol: string
  readonly interval: Interval
  /** Epoch seconds, inclusive. */
  readonly from: number
  /** Epoch seconds, exclusive. */
  readonly to: number
}

export interface CandleBatch {
  readonly candles: readonly Candle[]
  /** Start times, in epoch seconds, of the rows that came unusable (null, NaN, high below low) and were left out. */
  readonly excluded: readonly number[]
}
