import type { Instrument, MarketState, Source } from './instrument.ts'

/** A source's price and what goes with it. null: the source does not say. */
export interface Quote {
  readonly symbol: string
  /** The newest price of any session. */
  readonly price: number
  /** The last regular close before the trading date of `price`. */
  readonly previousClose: number | null
  /** `price` against `previousClose`. */
  readonly change: number | null
  readonly changePercent: number | null
  readonly open: number | null
  readonly dayHigh: number | null
  readonly dayLow: number | null
  /** The day's volume. */
  readonly volume: number | null
  readonly bid: number | null
  readonly ask: number | null
  readonly marketCap: number | null
  readonly fiftyTwoWeekHigh: number | null
  readonly fiftyTwoWeekLow: number | null
  readonly currency: string | null
  readonly marketState: MarketState
  /** When the price was made, in epoch milliseconds. */
  readonly timeMs: number
  /** The regular session's last price, if `price` was made before or after the session; else null. */
  readonly regularPrice: number | null
  /** `price` against `regularPrice`. */
  readonly extendedChange: number | null
  readonly extendedChangePercent: number | null
  readonly source: Source
  /** When this server received it, in epoch milliseconds. */
  readonly receivedAtMs: number
  readonly delayMinutes: number | null
  /** The source could not be reached: this is the last known price. */
  readonly stale: boolean
}

/**
 * All that one answer of a source says about a symbol. `quote` is null if the source knows the symbol but has no price.
 */
export interface Listing {
  readonly instrument: Instrument
  readonly quote: Quote | null
}

export type Changes = Pick<Quote, 'change' | 'changePercent' | 'extendedChange' | 'extendedChangePercent'>

/** The changes of a price, counted from the closes that its quote has. */
export function changesOf({ price, previousClose, regularPrice }: ComparedPrice): Changes {
  return {
    change: differenceFrom(previousClose, price),
    changePercent: percentFrom(previousClose, price),
    extendedChange: differenceFrom(regularPrice, price),
    extendedChangePercent: percentFrom(regularPrice, price),
  }
}

type ComparedPrice = Pick<Quote, 'price' | 'previousClose' | 'regularPrice'>

const differenceFrom = (close: number | null, price: number): number | null => (close === null ? null : price - close)

const percentFrom = (close: number | null, price: number): number | null =>
  close === null || close === 0 ? null : ((price - close) / close) * 100

/** Whether two quotes of a symbol report the same trade: price, time and the day's volume agree. */
export const isSameTrade = (a: Quote, b: Quote): boolean =>
  a.price === b.price && a.timeMs === b.timeMs && a.volume === b.volume
