import { isDeepStrictEqual } from 'node:util'
import type { MarketState, Source } from '../../../domain/instrument.ts'
import type { Listing, Quote } from '../../../domain/quote.ts'
import type { Frame } from './frame.ts'

/** A listing with a price, into which a frame can be merged. */
export type Priced = Listing & { readonly quote: Quote }

export const isPriced = (listing: Listing): listing is Priced => listing.quote !== null

export const streamSource: Source = 'YAHOO_STREAM'

/** The last state overlaid with the frame's fields; fields that the frame lacks stay. */
export function merged({ instrument, quote: last }: Priced, frame: Frame, receivedAtMs: number): Priced {
  const decimals = frame.priceHint ?? instrument.priceDecimals
  const over = (value: number | undefined, otherwise: number | null): number | null =>
    value === undefined ? otherwise : rounded(value, decimals)
  const price = rounded(frame.price, decimals)
  const previousClose = over(frame.previousClose, last.previousClose)
  const marketState = stateOf(frame.marketHours, last.marketState)
  const quote: Quote = {
    ...last,
    price,
    previousClose,
    ...changeOf(frame, marketState, price, previousClose, decimals),
    open: over(frame.openPrice, last.open),
    dayHigh: over(frame.dayHigh, last.dayHigh),
    dayLow: over(frame.dayLow, last.dayLow),
    volume: frame.dayVolume ?? last.volume,
    bid: over(frame.bid, last.bid),
    ask: over(frame.ask, last.ask),
    marketCap: frame.marketCap ?? last.marketCap,
    marketState,
    timeMs: frame.timeMs ?? last.timeMs,
    regularPrice: regularPrice(last, marketState),
    source: streamSource,
    receivedAtMs,
    stale: false,
  }
  return { instrument: { ...instrument, marketState }, quote }
}

/**
 * 3 (extended hours) is trade outside of all named sessions: the market itself is closed then, as Yahoo's quotes say
 * too. Yahoo sends 1 and 2 even in the sparsest frames, but proto3 cannot send a 0: a frame without the field belongs
 * to the session before, or, if there was none, to the one before the open.
 */
function stateOf(marketHours: number | undefined, last: MarketState): MarketState {
  if (marketHours === undefined) return last === 'CLOSED' ? 'PRE' : last
  return (['PRE', 'REGULAR', 'POST', 'CLOSED'] as const)[marketHours] ?? 'UNKNOWN'
}

/** The first price outside of the regular session leaves the one before it as that session's last. */
function regularPrice(last: Quote, state: MarketState): number | null {
  if (state === 'REGULAR') return null
  return state === 'UNKNOWN' ? last.regularPrice : (last.regularPrice ?? last.price)
}

/**
 * Outside the regular session, Yahoo's stream counts the change from that session's close, while its quotes here count
 * from the close before. It is computed then, so that clients see one meaning. It is computed as well if the field is
 * missing, which happens when the change is exactly 0.
 */
function changeOf(frame: Frame, state: MarketState, price: number, close: number | null, decimals: number) {
  const computed = close === null ? null : price - close
  const percent = computed === null || close === null || close === 0 ? null : (computed / close) * 100
  if (state !== 'REGULAR') return { change: computed, changePercent: percent }
  return {
    change: frame.change === undefined ? computed : rounded(frame.change, decimals),
    changePercent: frame.changePercent === undefined ? percent : shortest(frame.changePercent),
  }
}

/**
 * The decimal that a float32 stands for. If rounding would make it 0, it stays as it is: a hint of 2 must not cost a
 * price of 0.000012.
 */
export function rounded(value: number, decimals: number): number {
  const result = Number(value.toFixed(decimals))
  return result === 0 ? shortest(value) : result
}

/** The shortest decimal that maps to this float32 only; nine digits always suffice. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits))
    if (Math.fround(candidate) === value) return candidate
  }
  return Number(value.toPrecision(9))
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
