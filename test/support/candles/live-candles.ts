import type { Candle, CandleSeries } from '../../../src/domain/candle.ts'
import type { PriceUpdate, PriceUpdateKind } from '../../../src/domain/price-update.ts'
import type { Quote } from '../../../src/domain/quote.ts'
import type { SessionHours } from '../../../src/domain/sessions/session-hours.ts'
import { listingOf } from './listing.ts'

/** Epoch milliseconds. */
export const at = (iso: string): number => Date.parse(iso)

/** Epoch seconds. */
export const epochAt = (iso: string): number => at(iso) / 1000

/** Of a day in winter. */
export const newYork: SessionHours = {
  timezone: 'America/New_York',
  opens: epochAt('2025-01-06T14:30:00Z'),
  closes: epochAt('2025-01-06T21:00:00Z'),
}

export const roundTheClock: SessionHours = {
  timezone: 'UTC',
  opens: epochAt('2025-01-06T00:00:00Z'),
  closes: epochAt('2025-01-07T00:00:00Z'),
}

export function quoteAt(timeMs: number, price: number, fields: Partial<Quote> = {}): Quote {
  const { quote } = listingOf('AAPL', { timeMs, price, ...fields })
  if (!quote) throw new Error('no quote')
  return quote
}

export function updateAt(
  timeMs: number,
  price: number,
  fields: Partial<Quote> = {},
  kind: PriceUpdateKind = 'TICK',
): PriceUpdate {
  return { kind, run: 'r', seq: 1, publishedAtMs: timeMs, quote: quoteAt(timeMs, price, fields) }
}

/** All of one price, where no other prices are given. */
export const candleAt = (iso: string, price: number, fields: Partial<Candle> = {}): Candle => ({
  ...{ epoch: epochAt(iso), open: price, high: price, low: price, close: price, volume: 0, closed: true },
  ...fields,
})

/** What the source tells of these candles. */
export const seriesOf = (nodes: readonly Candle[], fields: Partial<CandleSeries> = {}): CandleSeries => ({
  ...{ symbol: 'AAPL', interval: 'MINUTE_1', adjustment: 'SPLITS', source: 'YAHOO', stale: false, receivedAtMs: 0 },
  ...{ extendedHours: false, failure: null },
  ...{ excluded: 0, hasEarlier: true, sessions: newYork, nodes, earlier: [], isWhole: false, isFinal: false },
  ...fields,
})
