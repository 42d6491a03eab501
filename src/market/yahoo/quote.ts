import { z } from 'zod'
import type { Exchange, Instrument, InstrumentKind, MarketState } from '../../domain/instrument.ts'
import type { Listing, Quote } from '../../domain/quote.ts'

const answer = z.object({ quoteResponse: z.object({ result: z.array(z.unknown()) }) })

/** A malformed field costs only itself: a bad bid does not cost the price, nor a bad price the name. */
const spare = <T extends z.ZodType>(schema: T) => schema.nullable().catch(null)
const number = spare(z.number())
const text = spare(z.string())
/** Epoch milliseconds. Yahoo sends seconds; values too large for that can only be milliseconds. */
const time = spare(
  z
    .number()
    .min(0)
    .max(8.64e15)
    .transform((value) => (value > 1e11 ? value : value * 1000)),
)

const quoteRow = z.object({
  symbol: z.string(),
  quoteType: z.string(),
  longName: text,
  shortName: text,
  currency: text,
  priceHint: spare(z.int().min(0).max(20)),
  marketState: text,
  exchange: text,
  fullExchangeName: text,
  exchangeTimezoneName: text,
  exchangeDataDelayedBy: spare(z.int().min(0)),
  regularMarketPrice: number,
  regularMarketTime: time,
  preMarketPrice: number,
  preMarketTime: time,
  postMarketPrice: number,
  postMarketTime: time,
  regularMarketPreviousClose: number,
  regularMarketChange: number,
  regularMarketChangePercent: number,
  regularMarketOpen: number,
  regularMarketDayHigh: number,
  regularMarketDayLow: number,
  regularMarketVolume: number,
  bid: number,
  ask: number,
  marketCap: number,
  fiftyTwoWeekHigh: number,
  fiftyTwoWeekLow: number,
})
type QuoteRow = z.infer<typeof quoteRow>

/** The rows of a quote answer, unchecked. Throws if it is not one. */
export const readRows = (body: unknown): readonly unknown[] => answer.parse(body).quoteResponse.result

/**
 * Reads one row. null: the row does not say what it is, or says NONE (delisted). Without a quote: no price with a time
 * could be read.
 */
export function readListing(row: unknown, receivedAtMs: number): Listing | null {
  const { data } = quoteRow.safeParse(row)
  if (!data || data.quoteType === 'NONE') return null
  return { instrument: toInstrument(data), quote: toQuote(data, receivedAtMs) }
}

const kinds: ReadonlyMap<string, InstrumentKind> = new Map(
  Object.entries({
    EQUITY: 'EQUITY',
    ETF: 'ETF',
    INDEX: 'INDEX',
    MUTUALFUND: 'FUND',
    CURRENCY: 'CURRENCY',
    CRYPTOCURRENCY: 'CRYPTO',
    FUTURE: 'FUTURE',
    OPTION: 'OPTION',
  } as const),
)

export const kindOf = (quoteType: string): InstrumentKind => kinds.get(quoteType) ?? 'OTHER'

const states: ReadonlyMap<string, MarketState> = new Map(
  Object.entries({
    PREPRE: 'CLOSED',
    PRE: 'PRE',
    REGULAR: 'REGULAR',
    POST: 'POST',
    POSTPOST: 'CLOSED',
    CLOSED: 'CLOSED',
  } as const),
)

function toInstrument(row: QuoteRow): Instrument {
  return {
    symbol: row.symbol.toUpperCase(),
    name: row.longName ?? row.shortName,
    kind: kindOf(row.quoteType),
    exchange: toExchange(row),
    currency: row.currency,
    priceDecimals: row.priceHint ?? 2,
    marketState: marketState(row),
  }
}

function toExchange(row: QuoteRow): Exchange | null {
  if (!row.exchange || !row.exchangeTimezoneName) return null
  return {
    code: row.exchange,
    name: row.fullExchangeName,
    timezone: row.exchangeTimezoneName,
    delayMinutes: row.exchangeDataDelayedBy,
  }
}

const marketState = (row: QuoteRow): MarketState => states.get(row.marketState ?? '') ?? 'UNKNOWN'

interface Traded {
  readonly price: number
  readonly timeMs: number
}

function toQuote(row: QuoteRow, receivedAtMs: number): Quote | null {
  const regular = traded(row.regularMarketPrice, row.regularMarketTime)
  const extended = newer(traded(row.preMarketPrice, row.preMarketTime), traded(row.postMarketPrice, row.postMarketTime))
  const shown = newer(regular, extended)
  if (!shown) return null
  return {
    symbol: row.symbol.toUpperCase(),
    price: shown.price,
    previousClose: row.regularMarketPreviousClose,
    ...(shown === regular ? regularChange(row, shown.price) : changeSince(row.regularMarketPreviousClose, shown.price)),
    open: row.regularMarketOpen,
    dayHigh: row.regularMarketDayHigh,
    dayLow: row.regularMarketDayLow,
    volume: row.regularMarketVolume,
    bid: row.bid,
    ask: row.ask,
    marketCap: row.marketCap,
    fiftyTwoWeekHigh: row.fiftyTwoWeekHigh,
    fiftyTwoWeekLow: row.fiftyTwoWeekLow,
    currency: row.currency,
    marketState: marketState(row),
    timeMs: shown.timeMs,
    regularPrice: shown === regular ? null : row.regularMarketPrice,
    source: 'YAHOO',
    receivedAtMs,
    delayMinutes: row.exchangeDataDelayedBy,
    stale: false,
  }
}

/** A price without its time can be neither compared nor shown. */
const traded = (price: number | null, timeMs: number | null): Traded | null =>
  typeof price === 'number' && typeof timeMs === 'number' ? { price, timeMs } : null

const newer = (a: Traded | null, b: Traded | null): Traded | null => (a && b ? (b.timeMs > a.timeMs ? b : a) : (a ?? b))

type Change = Pick<Quote, 'change' | 'changePercent'>

/** Yahoo's own numbers: for crypto, it counts from another close than the one it sends. */
function regularChange(row: QuoteRow, price: number): Change {
  const computed = changeSince(row.regularMarketPreviousClose, price)
  return {
    change: row.regularMarketChange ?? computed.change,
    changePercent: row.regularMarketChangePercent ?? computed.changePercent,
  }
}

function changeSince(close: number | null, price: number): Change {
  if (typeof close !== 'number') return { change: null, changePercent: null }
  const change = price - close
  return { change, changePercent: close === 0 ? null : (change / close) * 100 }
}
