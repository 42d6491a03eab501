import type { Instrument, MarketState, Source } from './instrument.ts'

/** What a source says of a price now. null: the source does not say. */
export interface Quote {
  readonly symbol: string
  /** The newest price of any session. */
  readonly price: number
  readonly previousClose: number | null
  readonly change: number | null
  readonly changePercent: number | null
  readonly open: number | null
  readonly dayHigh: number | null
  readonly dayLow: number | null
  /** Of the day. */
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
  /** The regular session's last price, where `price` is from before or after it; else null. */
  readonly regularPrice: number | null
  readonly source: Source
  /** When this server had it, in epoch milliseconds. */
  readonly receivedAtMs: number
  readonly delayMinutes: number | null
  /** The source could not be reached: this is the last price known. */
  readonly stale: boolean
}

/** All that a source tells of a symbol in one answer. `quote` is null where it knows the symbol but has no price. */
export interface Listing {
  readonly instrument: Instrument
  readonly quote: Quote | null
}

/** Whether two quotes of a symbol tell of the same trade: price, time and the day's volume agree. */
export const isSameTrade = (a: Quote, b: Quote): boolean =>
  a.price === b.price && a.timeMs === b.timeMs && a.volume === b.volume
