import type { SeriesFacts, SourceCandles } from '../domain/candle.ts'
import type { CorporateActions } from '../domain/corporate-action.ts'
import type { InstrumentMatch, Source } from '../domain/instrument.ts'
import { type Interval, intervalSeconds, type SourceInterval } from '../domain/interval.ts'
import type { Listing } from '../domain/quote.ts'
import type { ListingSink, SourceFeed } from '../domain/source-feed.ts'
import { dayMs } from '../domain/time.ts'

/**
 * Where market data comes from. Every call may throw a FinstageError: SOURCE_UNAVAILABLE or SOURCE_RATE_LIMITED for the whole
 * call. Symbols are taken as already validated. `operation` stands for the operation that a call is for, if it is for one: a source
 * with few slots shares them among these. One conformance suite holds every implementation to what is written here.
 */
export interface MarketSource {
  readonly name: Source

  /** What the source knows of each of up to 100 symbols, in one upstream request. A symbol that it does not know is absent. */
  listings(symbols: readonly string[], operation?: object): Promise<ReadonlyMap<string, Listing>>

  /**
   * The candles that start in [from, to), oldest first, one for each time, the running one included.
   * Throws SYMBOL_NOT_FOUND, and RANGE_NOT_AVAILABLE where the range begins before `reachDays`.
   */
  candles(query: CandleQuery, operation?: object): Promise<CandleBatch>

  /** In how many upstream requests `candles` answers a query; without it, in one. */
  callsFor?(query: CandleQuery): number

  /** Instruments whose symbol or name fits a text, the best first. */
  search(text: string, limit: number, operation?: object): Promise<readonly InstrumentMatch[]>

  /** How many days back the source goes for an interval; null: all there is. */
  reachDays(interval: Interval): number | null

  /** How much wall time `count` candles may span, at most, in seconds: closed hours, weekends and holidays included. */
  spanSeconds(interval: SourceInterval, count: number): number

  /** Has ready what a first call would wait for. Never rejects: what fails here fails again where it is needed, and is told there. */
  warm?(): Promise<void>

  /** Opens the live feed, which watches nothing yet. */
  openLive(sink: ListingSink): SourceFeed
}

/** Sources may be so late with the prices of some exchanges, and so with their last word on a session. */
export const settleSeconds = 1800

const longestOpenLifetimeMs = 15_000

/** While a market is open, its open end is asked for again after a twelfth of the interval, at the latest after 15 s. */
export const openLifetimeMs = (interval: Interval): number =>
  Math.min(longestOpenLifetimeMs, (intervalSeconds(interval) * 1000) / 12)

/** A price or a candle from further ahead has a wrong time: with a clock that is off by so much no certificate would be valid. */
export const furthestAheadMs = dayMs

/** How many symbols one call of `listings` takes. */
export const symbolsPerCall = 100

export interface CandleQuery {
  readonly symbol: string
  readonly interval: SourceInterval
  /** With those before and after the regular session; false for DAY_1. */
  readonly extendedHours: boolean
  /** Epoch seconds, inclusive. */
  readonly from: number
  /** Epoch seconds, exclusive. */
  readonly to: number
}

/** Dividends and splits: of the range, none for all intervals but DAY_1. */
export interface CandleBatch extends SourceCandles, CorporateActions {
  /** Whole epoch seconds. What starts before it will not change: its session has ended, and the source had time to settle it. */
  readonly finalBefore: number
  /**
   * Epoch milliseconds by the source's clock, where that is behind the one here: what is told was known then, and not later.
   * Without it both agree.
   */
  readonly timeMs?: number
  /** null: the source has nothing in the range, and so says nothing about the series. */
  readonly facts: SourceFacts | null
}

export interface SourceFacts extends SeriesFacts {
  /** The hours of this series that run, ran last or come next, in epoch seconds; null: the source does not say. */
  readonly hours: TradingHours | null
}

export interface TradingHours {
  readonly opens: number
  readonly closes: number
}
