import { isDeepStrictEqual } from 'node:util'
import type { Instrument, MarketState, Source } from '../../../domain/instrument.ts'
import { changesOf, type Listing, type Quote } from '../../../domain/quote.ts'
import { tradingDate } from '../../../domain/time/trading-date.ts'
import { shortestDecimal } from '../float32.ts'
import { overnightDate } from '../overnight.ts'
import type { Frame } from './frame.ts'

/** A listing with a price, into which a frame can be merged. */
export type Priced = Listing & { readonly quote: Quote }

export const isPriced = (listing: Listing): listing is Priced => listing.quote !== null

export const streamSource: Source = 'YAHOO_STREAM'

/** The last state overlaid with the frame's fields; fields that the frame lacks stay. */
export function merged({ instrument, quote: last }: Priced, frame: Frame, receivedAtMs: number): Priced {
  const over = (value: number | undefined, otherwise: number | null): number | null =>
    value === undefined ? otherwise : shortestDecimal(value)
  const price = shortestDecimal(frame.price)
  const marketState = stateOf(frame.marketHours, last.marketState)
  const prices = { price, ...closesOf({ instrument, quote: last }, frame, marketState) }
  const quote: Quote = {
    ...last,
    ...prices,
    // Computed, because Yahoo's stream leaves out a change of 0 and outside of the regular session counts from another
    // close than `change` does here.
    ...changesOf(prices),
    open: over(frame.openPrice, last.open),
    dayHigh: over(frame.dayHigh, last.dayHigh),
    dayLow: over(frame.dayLow, last.dayLow),
    volume: frame.dayVolume ?? last.volume,
    bid: over(frame.bid, last.bid),
    ask: over(frame.ask, last.ask),
    marketCap: frame.marketCap ?? last.marketCap,
    marketState,
    timeMs: frame.timeMs ?? last.timeMs,
    source: streamSource,
    receivedAtMs,
    stale: false,
  }
  return { instrument: { ...instrument, marketState }, quote }
}

/** The number of the overnight session, which Yahoo's stream added last. */
const overnight = 4

/**
 * 3 (extended hours) and 4 (overnight) are trade outside of all sessions of the exchange: the market itself is closed
 * then, as Yahoo's quotes say too. Yahoo sends 1 and 2 even in the sparsest frames, but proto3 cannot send a 0: a frame
 * without the field belongs to the session before, or, if there was none, to the one before the open.
 */
function stateOf(marketHours: number | undefined, last: MarketState): MarketState {
  if (marketHours === undefined) return last === 'CLOSED' ? 'PRE' : last
  return (['PRE', 'REGULAR', 'POST', 'CLOSED', 'CLOSED'] as const)[marketHours] ?? 'UNKNOWN'
}

type Closes = Pick<Quote, 'previousClose' | 'regularPrice'>

/**
 * The closes that go with a frame's price. Yahoo's change counts from the previous close during the regular session,
 * and from the last regular price at all other times: this close is believed where the last state has another one.
 */
function closesOf({ instrument, quote: last }: Priced, frame: Frame, state: MarketState): Closes {
  const { previousClose, regularPrice } = last
  if (state === 'UNKNOWN') return { previousClose, regularPrice }
  const lastRegular = regularPrice ?? last.price
  const decimals = frame.priceHint ?? instrument.priceDecimals
  if (state === 'REGULAR') {
    if (frame.previousClose !== undefined) {
      return { previousClose: shortestDecimal(frame.previousClose), regularPrice: null }
    }
    const known = isOfLaterDate(instrument, frame, last) ? lastRegular : previousClose
    // The change of a crypto counts from the price 24 hours ago.
    const isStated = instrument.kind !== 'CRYPTO'
    return { previousClose: isStated ? statedClose(frame, known, decimals) : known, regularPrice: null }
  }
  const close = statedClose(frame, lastRegular, decimals)
  const isAhead =
    state === 'PRE' || frame.marketHours === overnight || isOfLaterDate(instrument, frame, last, state === 'CLOSED')
  return { previousClose: isAhead ? close : previousClose, regularPrice: close }
}

/** The close that the frame's change counts from; the known one if the frame says nothing else. */
function statedClose({ price, change }: Frame, known: number | null, decimals: number): number | null {
  if (change === undefined) return known
  const stated = price - change
  // A difference of float32 values is off by what these are.
  const tolerance = Math.abs(price) * 2 ** -22 + 10 ** -decimals / 2
  return known !== null && Math.abs(stated - known) <= tolerance ? known : rounded(stated, decimals)
}

/** Whether a frame is of a trading date after that of the last price. */
function isOfLaterDate({ exchange, kind }: Instrument, { timeMs }: Frame, last: Quote, isOvernight = false): boolean {
  // The session of a future begins on the evening before, when its last close is still to be settled.
  if (!exchange || timeMs === undefined || kind === 'FUTURE') return false
  const { timezone } = exchange
  const date = isOvernight ? overnightDate(timeMs, timezone) : tradingDate(timeMs / 1000, timezone)
  return date > tradingDate(last.timeMs / 1000, timezone)
}

/** To a number of decimals. If that would make it 0, the shortest decimal: a hint of 2 must not cost 0.000012. */
export function rounded(value: number, decimals: number): number {
  const result = Number(value.toFixed(decimals))
  return result === 0 ? shortestDecimal(value) : result
}

/**
 * How an observation relates to the last one. Quotes know the second, the stream the millisecond: between the two,
 * times within one second decide nothing. Then the day's volume decides, because it only grows; if that does not
 * either, 'unclear'.
 */
export function orderOf({ instrument, quote: last }: Priced, next: Quote): 'newer' | 'same' | 'older' | 'unclear' {
  const isExact = last.source === streamSource && next.source === streamSource
  const passedMs = isExact ? next.timeMs - last.timeMs : wholeSecond(next) - wholeSecond(last)
  if (passedMs !== 0) return passedMs > 0 ? 'newer' : 'older'
  if (last.source === next.source) return last.price === next.price && last.volume === next.volume ? 'same' : 'newer'
  // The volume of a crypto covers the last 24 hours, so it falls too.
  const isOfTheDay = instrument.kind !== 'CRYPTO' && last.volume !== null && next.volume !== null
  const traded = isOfTheDay ? Number(next.volume) - Number(last.volume) : 0
  if (traded !== 0) return traded > 0 ? 'newer' : 'older'
  return isWithinRounding(last.price, next.price, instrument.priceDecimals) ? 'same' : 'unclear'
}

export const wholeSecond = ({ timeMs }: Quote): number => Math.floor(timeMs / 1000)

/** Whether two prices may be one: the stream rounds a price to a float32, a quote does not. */
const isWithinRounding = (a: number, b: number, decimals: number): boolean =>
  rounded(a, decimals) === rounded(b, decimals) || Math.fround(a) === Math.fround(b)

/** A newer price from a quote, moved up if its whole second lies before the stream's last millisecond. */
export const superseding = (last: Priced, { instrument, quote }: Priced): Priced => ({
  instrument,
  quote: { ...quote, timeMs: Math.max(quote.timeMs, last.quote.timeMs) },
})

/** The fields that a lagging quote has from before the last price; it is believed for all others. */
type TickingField =
  | 'symbol'
  | 'price'
  | 'previousClose'
  | 'change'
  | 'changePercent'
  | 'open'
  | 'dayHigh'
  | 'dayLow'
  | 'volume'
  | 'bid'
  | 'ask'
  | 'currency'
  | 'timeMs'
  | 'regularPrice'
  | 'extendedChange'
  | 'extendedChangePercent'
  | 'source'
  | 'stale'

/**
 * What a quote says besides a price that was already sent: all but the price, or, if the quote lags, the fields that do
 * not tick.
 */
export function beside(last: Priced, { instrument, quote }: Priced, isSame: boolean): Priced {
  const { price, timeMs, source } = last.quote
  const { marketState, marketCap, fiftyTwoWeekHigh, fiftyTwoWeekLow, receivedAtMs, delayMinutes } = quote
  if (isSame) return { instrument, quote: { ...quote, price, timeMs, source } }
  const still: Omit<Quote, TickingField> = {
    marketState,
    marketCap,
    fiftyTwoWeekHigh,
    fiftyTwoWeekLow,
    receivedAtMs,
    delayMinutes,
  }
  return { instrument, quote: { ...last.quote, ...still } }
}

export const isSameQuote = (a: Priced, b: Priced): boolean =>
  isDeepStrictEqual({ ...a.quote, receivedAtMs: 0 }, { ...b.quote, receivedAtMs: 0 })
