import type { SeriesFacts, SourceCandle, SourceCandles } from '../../domain/candle.ts'
import type { CandleList } from '../../domain/candle-list.ts'
import type { CorporateActions } from '../../domain/corporate-action.ts'
import type { Source } from '../../domain/instrument.ts'
import type { SourceInterval } from '../../domain/time/interval.ts'
import { daySeconds, type TimeSpan } from '../../domain/time/units.ts'

/** Names a series: the candles of one symbol and interval from one source. */
export interface Series {
  readonly source: Source
  readonly symbol: string
  readonly interval: SourceInterval
  readonly extendedHours: boolean
}

/** Unique for each series of a source. */
export const seriesName = ({ symbol, interval, extendedHours }: Series): string =>
  `${symbol} ${interval}${extendedHours ? ' extended' : ''}`

/** How many days long a source may still fill, correct or reject candles of a session that has ended. */
export const unsettledDays = 8

/** How far past its span a read goes on where candles are still forming, so that the next one finds them, too. */
export const aheadSeconds = 2 * daySeconds

/** What the store knows of a series, and which parts of a span it lacks. */
export interface SeriesState {
  readonly id: number
  /** The parts of the span that are not stored for good, oldest first. */
  readonly gaps: readonly TimeSpan[]
  /** The parts that are stored for good and began less than `unsettledDays` before `revisedAtMs`, oldest first. */
  readonly recent: readonly TimeSpan[]
  /** When all that is unsettled was last asked for again, in epoch milliseconds. */
  readonly revisedAtMs: number
  /** When the source was last asked for any part of it, in epoch milliseconds. */
  readonly receivedAtMs: number
  /** When the oldest part that is still stored was fetched, in epoch milliseconds. */
  readonly basisAtMs: number
  /**
   * Until when the symbol's splits and dividends are known as far as they could change stored candles, in epoch
   * milliseconds.
   */
  readonly actionsAtMs: number
  readonly timezone: string | null
  readonly currency: string | null
  readonly firstTradeEpoch: number | null
  /** When some regular session opens, in epoch seconds. */
  readonly sessionOpens: number | null
  /**
   * When that session would close if it was as long as the longest one seen, so that a half day says nothing about
   * other dates.
   */
  readonly sessionCloses: number | null
  /** The source's code of the exchange; null: unknown. */
  readonly exchange: string | null
  /** Changes when stored candles have to be fetched again. */
  readonly generation: number
  /** Changes when candles that are stored for good change or go. */
  readonly settledVersion: number
  /** Changes with every write: what is stored is what it was as long as this is. */
  readonly rowVersion: string
  /** Candles from here on, in epoch seconds, were still forming when they were stored; null: none was. */
  readonly openFrom: number | null
}

/** What is stored of a span. */
export interface StoredRows {
  readonly list: CandleList<SourceCandle>
  /** Start times, in epoch seconds, of rows that cannot be candles, oldest first. */
  readonly excluded: readonly number[]
}

/** What was fetched of a span: all that the source has there. */
export interface FetchedCandles extends CorporateActions, SourceCandles {
  /** Epoch seconds: candles that start before it are final. */
  readonly finalBefore: number
  readonly facts: SeriesFacts | null
  /** When the fetch began, in epoch milliseconds. */
  readonly startedMs: number
  /** Whether the span reaches up to the present. */
  readonly isCurrent: boolean
  /** Whether this asks again for all that is unsettled, and so changes candles that are stored for good. */
  readonly revises: boolean
  /** Nothing of the series was stored when it was asked for. */
  readonly isFirst?: boolean
}

/** The columns that name a series. */
export const seriesKey = ({ source, symbol, interval, extendedHours }: Series): [string, string, string, boolean] => [
  source,
  symbol,
  interval,
  extendedHours,
]

/** Reads Postgres' text of an int8multirange: {[1,2),[3,4)} */
export const spansOf = (multirange: string): TimeSpan[] =>
  [...multirange.matchAll(/\[(-?\d+),(-?\d+)\)/g)].map(([, from, to]) => ({ from: Number(from), to: Number(to) }))
