export const instrumentKinds = [
  'EQUITY',
  'ETF',
  'INDEX',
  'FUND',
  'CURRENCY',
  'CRYPTO',
  'FUTURE',
  'OPTION',
  'OTHER',
] as const
export type InstrumentKind = (typeof instrumentKinds)[number]

export const marketStates = ['PRE', 'REGULAR', 'POST', 'CLOSED', 'UNKNOWN'] as const
export type MarketState = (typeof marketStates)[number]

/** Where a price came from. YAHOO_STREAM: Yahoo's push feed. SIMULATED: made up by this server. */
export const sources = ['YAHOO', 'YAHOO_STREAM', 'SIMULATED'] as const
export type Source = (typeof sources)[number]

export interface Exchange {
  readonly code: string
  readonly name: string | null
  /** IANA name, such as America/New_York. */
  readonly timezone: string
  /** How late the source sends prices of this exchange; null: it does not say. */
  readonly delayMinutes: number | null
}

export interface Instrument {
  readonly symbol: string
  readonly name: string | null
  readonly kind: InstrumentKind
  readonly exchange: Exchange | null
  /** As the source writes it: USD, EUR, GBp (pence). */
  readonly currency: string | null
  /** How many decimals to show; prices themselves are not rounded. */
  readonly priceDecimals: number
  readonly marketState: MarketState
}

/** One match of a search. */
export interface InstrumentMatch {
  readonly symbol: string
  readonly name: string | null
  readonly kind: InstrumentKind
  /** The source's display name. */
  readonly exchange: string | null
}
