import type { Quote } from './quote.ts'

export const priceUpdateKinds = ['SNAPSHOT', 'TICK', 'STATUS'] as const
export type PriceUpdateKind = (typeof priceUpdateKinds)[number]

/** One step in the price of a symbol, as the leading feed numbers it and the bus carries it. */
export interface FeedUpdate {
  readonly kind: 'TICK' | 'STATUS'
  /** Names the term of the leading feed that counts: `seq` goes on within a run. The name of a later run is greater. */
  readonly run: string
  /** Counts up by one with each update of this symbol. */
  readonly seq: number
  readonly quote: Quote
}

/** What a subscriber gets. */
export interface PriceUpdate {
  readonly kind: PriceUpdateKind
  readonly seq: number
  /** When this server sent it out, in epoch milliseconds. */
  readonly publishedAtMs: number
  readonly quote: Quote
}
