import type { Quote } from './quote.ts'

export const priceUpdateKinds = ['SNAPSHOT', 'TICK', 'STATUS'] as const
export type PriceUpdateKind = (typeof priceUpdateKinds)[number]

/** One step in the price of a symbol, numbered by the leading feed and carried by the bus. */
export interface FeedUpdate {
  readonly kind: 'TICK' | 'STATUS'
  /** Names the leading feed's term, within which `seq` counts. The name of a later run is greater. */
  readonly run: string
  /** Grows by one with each update of this symbol. */
  readonly seq: number
  readonly quote: Quote
}

/**
 * The run in which a hub continues a symbol on its own while the leader is silent. Its name is greater than the
 * leader's run and smaller than any later one.
 */
export const unheard = (run: string): string => `${run}!`

export const isUnheard = (run: string): boolean => run.endsWith('!')

/** What a subscriber gets. */
export interface PriceUpdate {
  readonly kind: PriceUpdateKind
  /** The run that `seq` counts in. */
  readonly run: string
  readonly seq: number
  /** When this server sent it, in epoch milliseconds. */
  readonly publishedAtMs: number
  readonly quote: Quote
}

/** How far a client has come with a symbol. */
export interface PriceCursor {
  readonly symbol: string
  readonly run: string
  readonly seq: number
}

export function encodeCursor({ symbol, run, seq }: PriceCursor): string {
  return Buffer.from(`${symbol} ${run} ${seq}`).toString('base64url')
}

/** null: not one of our cursors. */
export function decodeCursor(text: string): PriceCursor | null {
  const match = /^(\S{1,32}) (\S{1,64}) (\d{1,15})$/.exec(Buffer.from(text, 'base64url').toString())
  return match ? { symbol: match[1] as string, run: match[2] as string, seq: Number(match[3]) } : null
}
