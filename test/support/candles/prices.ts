import type { FeedUpdate, PriceUpdate, PriceUpdateKind } from '../../../src/domain/price-update.ts'
import type { Quote } from '../../../src/domain/quote.ts'

export function quoteOf(symbol: string, price: number, fields: Partial<Quote> = {}): Quote {
  const none = { previousClose: null, change: null, changePercent: null, open: null, dayHigh: null, dayLow: null }
  const unsaid = { volume: null, bid: null, ask: null, marketCap: null, fiftyTwoWeekHigh: null, fiftyTwoWeekLow: null }
  return {
    ...{ ...none, ...unsaid, symbol, price, currency: 'USD', marketState: 'REGULAR', timeMs: 0 },
    ...{ regularPrice: null, extendedChange: null, extendedChangePercent: null },
    ...{ source: 'SIMULATED', receivedAtMs: 0, delayMinutes: null, stale: false },
    ...fields,
  }
}

/** An update whose price is its number. */
export const updateOf = (symbol: string, seq: number, kind: PriceUpdateKind = 'TICK', run = 'r'): PriceUpdate => ({
  ...{ kind, run, seq, publishedAtMs: 0 },
  quote: quoteOf(symbol, seq),
})

export const feedUpdateOf = (
  symbol: string,
  seq: number,
  { kind = 'TICK' as FeedUpdate['kind'], run = 'r' } = {},
): FeedUpdate => ({ kind, run, seq, quote: quoteOf(symbol, seq) })

export const shown = ({ kind, seq, quote }: PriceUpdate): string => `${kind} ${quote.symbol} ${seq}`
