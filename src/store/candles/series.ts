import type { SeriesFacts, SourceCandles } from '../../domain/candle.ts'
import type { CorporateActions } from '../../domain/corporate-action.ts'
import type { Source } from '../../domain/instrument.ts'
import type { SourceInterval } from '../../domain/interval.ts'
import type { TimeSpan } from '../../domain/time.ts'

/** Which candles: those of one symbol and interval from one source. */
export interface Series {
  readonly source: Source
  readonly symbol: string
  readonly interval: SourceInterval
  readonly extendedHours: boolean
}

/** Another for each series of a source. */
export const seriesName = ({ symbol, interval, extendedHours }: Series): string =>
  `${symbol} ${interval}${extendedHours ? ' extended' : ''}`

/** What the store knows of a series, and lacks of a span. */
export interface SeriesState {
  readonly id: number
  /** The parts of the span that are not stored for good, oldest first. */
  readonly gaps: readonly TimeSpan[]
  /** When the source was last asked for any of it, in epoch milliseconds. */
  readonly receivedAtMs: number
  /** When the oldest part of it that is still here was fetched, in epoch milliseconds. */
  readonly basisAtMs: number
  /** Up to when all splits and dividends of the symbol are known that could change what is stored, in epoch milliseconds. */
  readonly actionsAtMs: number
  readonly timezone: string | null
  readonly currency: string | null
  readonly firstTradeEpoch: number | null
  /** When any regular session opened, in epoch seconds. */
  readonly sessionOpens: number | null
  /** When it closed if it was as long as the longest that was seen, so that a half day says nothing about other dates. */
  readonly sessionCloses: number | null
  /** Another one means that candles that were here are to be fetched again. */
  readonly generation: number
}

/** What was fetched of a span: all that the source has there. */
export interface FetchedCandles extends CorporateActions, SourceCandles {
  /** Epoch seconds: what starts before it will not change. */
  readonly finalBefore: number
  readonly facts: SeriesFacts | null
  /** When the fetch began, in epoch milliseconds. */
  readonly startedMs: number
  /** Whether the span goes up to the present. */
  readonly isCurrent: boolean
}

/** The columns that name a series. */
export const seriesKey = ({ source, symbol, interval, extendedHours }: Series): [string, string, string, boolean] => [
  source,
  symbol,
  interval,
  extendedHours,
]
