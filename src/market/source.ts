import type { SeriesFacts, SourceCandles } from '../domain/candle.ts'
import type { CorporateActions } from '../domain/corporate-action.ts'
import type { Instrument, InstrumentMatch, Source } from '../domain/instrument.ts'
import type { Listing } from '../domain/quote.ts'
import type { ListingSink, SourceFeed } from '../domain/source-feed.ts'
import { type Interval, intervalSeconds, type SourceInterval } from '../domain/time/interval.ts'
import { dayMs } from '../domain/time/units.ts'

/**
 * Where market data comes from. Every call may throw a FinstageError: SOURCE_UNAVAILABLE or SOURCE_RATE_LIMITED for the
 * whole call. Symbols are already validated. `operation` is an object that stands for the operation that causes the
 * call, if one does: a source with few slots shares them fairly among operations. One conformance suite holds every
 * implementation to this contract.
 */
export interface MarketSource {
  readonly name: Source

  /**
   * What the source knows of each of up to 100 symbols, in one upstream request. Symbols that it does not know are
   * absent.
   */
  listings(symbols: readonly string[], operation?: object): Promise<ReadonlyMap<string, Listing>>

  /**
   * The candles that start in [from, to), oldest first, one for each time, including the running one. Throws
   * SYMBOL_NOT_FOUND, and RANGE_NOT_AVAILABLE if the range begins before `reachDays`.
   */
  candles(query: CandleQuery, operation?: object): Promise<CandleBatch>

  /** How many upstream requests `candles` takes for a query; one, if this is absent. */
  callsFor?(query: CandleQuery): number

  /** Instruments whose symbol or name matches a text, the best first. */
  search(text: string, limit: number, operation?: object): Promise<readonly InstrumentMatch[]>

  /** All instruments of the source, in its order; absent: it has no list of them. */
  instruments?(): Iterable<Instrument>

  /** How many days of history the source has for an interval; null: no limit. */
  reachDays(interval: Interval): number | null

  /**
   * The longest wall time, in seconds, that `count` candles can span, including closed hours, weekends and holidays.
   */
  spanSeconds(interval: SourceInterval, count: number): number

  /**
   * Prepares whatever a first call would wait for. Never rejects: what fails here fails again when it is needed, and is
   * reported then.
   */
  warm?(): Promise<void>

  /** Opens the live feed, which watches nothing yet. */
  openLive(sink: ListingSink): SourceFeed
}

/** Sources send the prices of some exchanges this late, and so their last word on a session. */
export const settleSeconds = 1800

const longestOpenLifetimeMs = 15_000

/** How long an open end stays fresh while its market is open: a twelfth of the interval, 15 s at most. */
export const openLifetimeMs = (interval: Interval): number =>
  Math.min(longestOpenLifetimeMs, (intervalSeconds(interval) * 1000) / 12)

/**
 * Anything dated further ahead has a wrong time: with a clock that is off by a day, no TLS certificate would be
 * accepted.
 */
export const furthestAheadMs = dayMs

/** How many symbols one call of `listings` takes. */
export const symbolsPerCall = 100

export interface CandleQuery {
  readonly symbol: string
  readonly interval: SourceInterval
  /** Includes candles from before and after the regular session; false for DAY_1. */
  readonly extendedHours: boolean
  /** Epoch seconds, inclusive. */
  readonly from: number
  /** Epoch seconds, exclusive. */
  readonly to: number
  /** The rows up to then, in epoch seconds, count when those of the range are judged; absent: none beyond the range. */
  readonly judgedTo?: number | undefined
}

/** Its dividends and splits are those of the range; only DAY_1 has any. */
export interface CandleBatch extends SourceCandles, CorporateActions {
  /**
   * Whole epoch seconds. Candles that start before it are final: their session has ended, and the source had time to
   * settle it.
   */
  readonly finalBefore: number
  /**
   * Epoch milliseconds by the source's clock, if that is behind ours: the answer is no newer than that. Absent if both
   * agree.
   */
  readonly timeMs?: number
  /** null: the source has nothing in the range, and therefore says nothing about the series. */
  readonly facts: SourceFacts | null
}

export interface SourceFacts extends SeriesFacts {
  /**
   * The trading hours of this series that run now, ran last or come next, in epoch seconds; null: the source does not
   * say.
   */
  readonly hours: TradingHours | null
}

export interface TradingHours {
  readonly opens: number
  readonly closes: number
}
