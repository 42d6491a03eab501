import { z } from 'zod'
import type { Exchange, Instrument, InstrumentKind, MarketState } from '../../domain/instrument.ts'
import { changesOf, type Listing, type Quote } from '../../domain/quote.ts'
import { tradingDate } from '../../domain/time/trading-date.ts'
import { minuteMs } from '../../domain/time/units.ts'
import { shortestDecimal } from './float32.ts'
import { overnightDate } from './overnight.ts'

const answer = z.object({ quoteResponse: z.object({ result: z.array(z.unknown()) }) })

/** A malformed field costs only itself: a bad bid does not cost the price, nor a bad price the name. */
const spare = <T extends z.ZodType>(schema: T) => schema.nullable().catch(null)
const number = spare(z.number())
const price = spare(z.number().transform(shortestDecimal))
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
  regularMarketPrice: price,
  regularMarketTime: time,
  preMarketPrice: price,
  preMarketTime: time,
  postMarketPrice: price,
  postMarketTime: time,
  overnightMarketPrice: price,
  overnightMarketTime: time,
  extendedMarketPrice: price,
  extendedMarketTime: time,
  regularMarketPreviousClose: price,
  regularMarketOpen: price,
  regularMarketDayHigh: price,
  regularMarketDayLow: price,
  regularMarketVolume: number,
  bid: price,
  ask: price,
  marketCap: number,
  fiftyTwoWeekHigh: price,
  fiftyTwoWeekLow: price,
})
type QuoteRow = z.infer<typeof quoteRow>

/**
 * What Yahoo's website adds to a request for quotes. Yahoo sends overnight and extended prices only when they are asked
 * for by name, and then leaves out most of what is not: so every field that is read here is named.
 */
export const quoteParams = { fields: Object.keys(quoteRow.shape).join(','), overnightPrice: 'true' } as const

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
    // Trade outside of all sessions of the exchange, which is closed meanwhile.
    OVERNIGHT: 'CLOSED',
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

/** A price and when it was made. */
interface Trade {
  readonly price: number
  readonly timeMs: number
}

/** A trade outside of the regular session. */
interface ExtendedTrade extends Trade {
  /** Whether its trading date comes after that of the last regular price, so that this price is the close before. */
  readonly isOfLaterDate: boolean
}

function toQuote(row: QuoteRow, receivedAtMs: number): Quote | null {
  const regular = tradeOf(row.regularMarketPrice, row.regularMarketTime)
  const extended = newestExtended(row, regular)
  const isExtended = extended !== null && (regular === null || extended.timeMs > regular.timeMs)
  const shown = isExtended ? extended : regular
  if (!shown) return null
  const prices = {
    price: shown.price,
    // Yahoo's is the close before the date of the regular price, which before the open is not the last close.
    previousClose: isExtended && extended.isOfLaterDate ? row.regularMarketPrice : row.regularMarketPreviousClose,
    regularPrice: isExtended ? row.regularMarketPrice : null,
  }
  return {
    symbol: row.symbol.toUpperCase(),
    ...prices,
    // Yahoo's own changes carry the noise of a float32, and for crypto count from another close than the one it sends.
    ...changesOf(prices),
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
    source: 'YAHOO',
    receivedAtMs,
    delayMinutes: row.exchangeDataDelayedBy,
    stale: false,
  }
}

/** A price without its time can be neither compared nor shown. */
const tradeOf = (price: number | null, timeMs: number | null): Trade | null =>
  price === null || timeMs === null ? null : { price, timeMs }

/** The newest price outside of the regular session, whatever Yahoo calls the state of the market. */
function newestExtended(row: QuoteRow, regular: Trade | null): ExtendedTrade | null {
  const ahead = (trade: Trade | null) => trade && { ...trade, isOfLaterDate: true }
  const post = extendedTrade(row.postMarketPrice, row.postMarketTime)
  const other = extendedTrade(row.extendedMarketPrice, row.extendedMarketTime)
  const trades: readonly (ExtendedTrade | null)[] = [
    post && { ...post, isOfLaterDate: isDayAfter(post, regular) },
    // Overnight and pre-market sessions belong to the trading date that they lead to.
    ahead(extendedTrade(row.overnightMarketPrice, row.overnightMarketTime)),
    ahead(extendedTrade(row.preMarketPrice, row.preMarketTime)),
    // Most often one of those above once more. It counts only if it is newer.
    other && { ...other, isOfLaterDate: leadsToOpen(other, { row, regular, post }) },
  ]
  return trades.reduce((newest, each) => (each && (!newest || each.timeMs > newest.timeMs) ? each : newest), null)
}

/** Yahoo's feeds send 0 for lack of a price. What trades outside of regular hours has no negative prices. */
const extendedTrade = (price: number | null, timeMs: number | null): Trade | null =>
  price !== null && price <= 0 ? null : tradeOf(price, timeMs)

/**
 * After a regular session post-market trade lasts a few hours. A price later than this is of another date, on which
 * nothing was traded in the regular session.
 */
const longestDayMs = 16 * 60 * minuteMs

const isDayAfter = ({ timeMs }: Trade, regular: Trade | null): boolean =>
  regular !== null && timeMs - regular.timeMs > longestDayMs

/** Whether a price that may be from any session outside of regular hours was made on the way to the next open. */
function leadsToOpen(trade: Trade, of: { row: QuoteRow; regular: Trade | null; post: Trade | null }): boolean {
  const { row, regular, post } = of
  const state = row.marketState ?? ''
  if (regular === null || state === 'POST') return false
  if (isDayAfter(trade, regular)) return true
  if (statesBeforeOpen.has(state) && post && trade.timeMs > post.timeMs) return true
  const timezone = row.exchangeTimezoneName
  return timezone !== null && overnightDate(trade.timeMs, timezone) > tradingDate(regular.timeMs / 1000, timezone)
}

const statesBeforeOpen: ReadonlySet<string> = new Set(['PREPRE', 'PRE', 'OVERNIGHT'])
