import type { Instrument } from '../../../src/domain/instrument.ts'
import type { Listing, Quote } from '../../../src/domain/quote.ts'

/** A share in New York at a price of 100. `fields` null: without a quote. */
export function listingOf(
  symbol: string,
  fields: Partial<Quote> | null = {},
  instrument: Partial<Instrument> = {},
): Listing {
  const exchange = { code: 'NMS', name: 'NasdaqGS', timezone: 'America/New_York', delayMinutes: 0 }
  const none = { previousClose: null, change: null, changePercent: null, open: null, dayHigh: null, dayLow: null }
  const unsaid = { volume: null, bid: null, ask: null, marketCap: null, fiftyTwoWeekHigh: null, fiftyTwoWeekLow: null }
  const quote: Quote = {
    ...{ ...none, ...unsaid, symbol, price: 100, currency: 'USD', marketState: 'REGULAR', timeMs: 1000 },
    ...{ regularPrice: null, extendedChange: null, extendedChangePercent: null },
    ...{ source: 'YAHOO', receivedAtMs: 1000, delayMinutes: null, stale: false },
    ...fields,
  }
  return {
    instrument: {
      ...{ symbol, name: null, kind: 'EQUITY', exchange, currency: 'USD', priceDecimals: 2 },
      ...{ marketState: quote.marketState, ...instrument },
    },
    quote: fields && quote,
  }
}
