import type { CandleList } from './candle-list.ts'
import { FinstageError } from './errors.ts'
import type { Source } from './instrument.ts'
import type { SessionHours } from './sessions/session-hours.ts'
import type { Interval } from './time/interval.ts'

/** Earlier than the history of any source, in epoch seconds. */
export const beginningOfTime = Date.UTC(1900, 0, 1) / 1000

/** The most candles in one answer. */
export const maxCandles = 20_000

export const tooManyCandles = (): FinstageError =>
  new FinstageError('RANGE_NOT_AVAILABLE', `At most ${maxCandles} candles at once: ask for a shorter range`)

/** Prices of one interval. */
export interface Candle {
  /** Start of the interval in epoch seconds. DAY_1 and longer: midnight UTC of the exchange's trading date. */
  readonly epoch: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number | null
  /** false while the interval runs. */
  readonly closed: boolean
}

/** A candle as a source sends it and the store keeps it: adjusted for later splits, not for dividends. */
export interface SourceCandle extends Candle {
  /** The close adjusted for splits and dividends; null if the source does not say, as for all intervals under a day. */
  readonly adjustedClose: number | null
}

/** The candles of a range as a source sends them and the store keeps them. */
export interface SourceCandles {
  /** Oldest first. */
  readonly candles: readonly SourceCandle[]
  /** Start times, in epoch seconds, of rows that were left out because they cannot be true. */
  readonly excluded: readonly number[]
}

/** What a source says about a series besides its candles. */
export interface SeriesFacts {
  /** IANA name of the exchange's time zone. */
  readonly timezone: string
  readonly currency: string | null
  /** Epoch seconds of the first trade that the source knows of; null: it does not say. */
  readonly firstTradeEpoch: number | null
  /** When some regular session opens, in epoch seconds: the others open at the same time of day. null: unknown. */
  readonly sessionOpens: number | null
  /** When that session closes, in epoch seconds. null: unknown. */
  readonly sessionCloses: number | null
  /** The source's code of the exchange, by which its calendar is found. null or absent: unknown. */
  readonly exchange?: string | null | undefined
}

export const adjustments = ['NONE', 'SPLITS', 'SPLITS_AND_DIVIDENDS'] as const

/** What prices are adjusted for: nothing (as traded on the day), splits, or splits and dividends (adjusted close). */
export type Adjustment = (typeof adjustments)[number]

/** A request for candles of a symbol. */
export interface CandleRequest {
  readonly symbol: string
  readonly interval: Interval
  /** Epoch seconds, inclusive; null: as far back as `last` asks. */
  readonly from: number | null
  /** Epoch seconds, exclusive; null: now. */
  readonly to: number | null
  /** Only this many of the newest candles in the range; null: all. */
  readonly last: number | null
  /** How many candles before the first are wanted as well, as far as history reaches: warm-up for indicators. */
  readonly earlier: number
  readonly adjustment: Adjustment
  /** Includes candles before and after the regular session; no effect from DAY_1 on. */
  readonly extendedHours: boolean
}

/** The answer to a CandleRequest. */
export interface CandleSeries {
  readonly symbol: string
  readonly interval: Interval
  readonly adjustment: Adjustment
  /** Includes candles before and after the regular sessions. */
  readonly extendedHours: boolean
  readonly source: Source
  /** The source could not be reached: these candles were stored. */
  readonly stale: boolean
  /**
   * Why the source could not be asked; null: it was, or did not have to be. SYMBOL_NOT_FOUND: it no longer knows the
   * symbol.
   */
  readonly failure: FinstageError | null
  readonly receivedAtMs: number
  /** How many unusable rows the source sent within the range of the nodes. */
  readonly excluded: number
  /** There are candles before the first node. */
  readonly hasEarlier: boolean
  readonly sessions: SessionHours
  /** Oldest first. */
  readonly nodes: readonly Candle[]
  /** The candles before the first node, oldest first: as many as were asked for, as far as history reaches. */
  readonly earlier: readonly Candle[]
  /** The same candles, to be read by column. Absent: they are at hand as objects only. */
  readonly lists?: { readonly nodes: CandleList<Candle>; readonly earlier: CandleList<Candle> }
  /** There is no candle before these. */
  readonly isWhole: boolean
  /** The range has an end, and all of it is stored for good. */
  readonly isFinal: boolean
}

/** Whether a source's row can be a candle: four finite prices, and the high not below the low. */
export function isUsable(row: { open: unknown; high: unknown; low: unknown; close: unknown }): boolean {
  const { open, high, low, close } = row
  return isFiniteNumber(open) && isFiniteNumber(high) && isFiniteNumber(low) && isFiniteNumber(close) && high >= low
}

const isFiniteNumber = (value: unknown): value is number => Number.isFinite(value)
