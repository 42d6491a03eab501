import type { SessionHours } from './calendar/session.ts'
import { FinstageError } from './errors.ts'
import type { Source } from './instrument.ts'
import type { Interval } from './interval.ts'

/** Before every exchange that any source knows, in epoch seconds. */
export const beginningOfTime = Date.UTC(1900, 0, 1) / 1000

/** How many candles come in one answer at most. */
export const maxCandles = 20_000

export const tooManyCandles = (): FinstageError =>
  new FinstageError('RANGE_NOT_AVAILABLE', `At most ${maxCandles} candles at once: ask for a shorter range`)

/** Prices of one interval. Columns of one array each would be a third of the bytes; rows are what everybody reads. */
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

/** A candle as a source gives it and the store keeps it: adjusted for the splits since, not for dividends. */
export interface SourceCandle extends Candle {
  /** The close adjusted for splits and dividends; null where the source does not say, as for all intervals under a day. */
  readonly adjustedClose: number | null
}

/** The candles of a range as a source gives them and the store keeps them. */
export interface SourceCandles {
  /** Oldest first. */
  readonly candles: readonly SourceCandle[]
  /** Start times, in epoch seconds, of the rows that came unusable (null, NaN, high below low) and were left out. */
  readonly excluded: readonly number[]
}

/** What a source tells of a series beside its candles. */
export interface SeriesFacts {
  /** IANA name of the exchange's time zone. */
  readonly timezone: string
  readonly currency: string | null
  /** Epoch seconds of the first trade that the source knows of; null: it does not say. */
  readonly firstTradeEpoch: number | null
  /** When any regular session opened or will, in epoch seconds: others open at the same time of the day. null: not known. */
  readonly sessionOpens: number | null
  /** When that session closed or will, in epoch seconds. null: not known. */
  readonly sessionCloses: number | null
}

export const adjustments = ['NONE', 'SPLITS', 'SPLITS_AND_DIVIDENDS'] as const

/** What prices are adjusted for: nothing (as traded on the day), splits, or splits and dividends (the adjusted close). */
export type Adjustment = (typeof adjustments)[number]

/** What somebody wants of a symbol's candles. */
export interface CandleRequest {
  readonly symbol: string
  readonly interval: Interval
  /** Epoch seconds, inclusive; null: as far back as `last` asks. */
  readonly from: number | null
  /** Epoch seconds, exclusive; null: now. */
  readonly to: number | null
  /** Only the newest so many of the range; null: all of it. */
  readonly last: number | null
  /** How many candles before the first are wanted too, where history reaches so far: warm-up for indicators. */
  readonly earlier: number
  readonly adjustment: Adjustment
  /** With those before and after the regular session; of no effect from DAY_1 on. */
  readonly extendedHours: boolean
}

/** The answer to a CandleRequest. */
export interface CandleSeries {
  readonly symbol: string
  readonly interval: Interval
  readonly adjustment: Adjustment
  /** With candles from before and after the regular sessions. */
  readonly extendedHours: boolean
  readonly source: Source
  /** The source could not be reached: this is what was stored. */
  readonly stale: boolean
  /** Why the source could not be asked; null: it was, or need not be. SYMBOL_NOT_FOUND: it no longer knows the symbol. */
  readonly failure: FinstageError | null
  readonly receivedAtMs: number
  /** Rows that the source sent unusable, within the nodes' range. */
  readonly excluded: number
  /** There are candles before the first node. */
  readonly hasEarlier: boolean
  readonly sessions: SessionHours
  /** Oldest first. */
  readonly nodes: readonly Candle[]
  /** The candles before the first node, oldest first: as many as were asked for, where history reaches so far. */
  readonly earlier: readonly Candle[]
  /** There is no candle before all of these. */
  readonly isWhole: boolean
}

/** Whether a source's row is a candle at all: four finite prices, and no high below its low. */
export function isUsable(row: { open: unknown; high: unknown; low: unknown; close: unknown }): boolean {
  const { open, high, low, close } = row
  return isFiniteNumber(open) && isFiniteNumber(high) && isFiniteNumber(low) && isFiniteNumber(close) && high >= low
}

const isFiniteNumber = (value: unknown): value is number => Number.isFinite(value)
