import { LRUCache } from 'lru-cache'
import type { Listing, Quote } from '../../domain/quote.ts'
import { tradingDate } from '../../domain/time/trading-date.ts'
import type { Nonsense, Quarantine } from '../quarantine.ts'
import { furthestAheadMs } from '../source.ts'

/** For how many symbols the believed quote is remembered. */
const maxSymbols = 20_000
/** A price this many times the last one, or its inverse, is a jump. */
const jumpFactor = 10
/** How many observations in a row have to agree on a jump before it is believed. */
const witnesses = 3

interface State {
  readonly accepted: Quote
  /** The observations since then that agree with each other on a jump. */
  suspects: readonly Quote[]
}

/**
 * Judges whether a source's price is believable, by itself and by the prices believed before. Pure: no I/O and no
 * clock.
 */
export class QuoteGuard {
  readonly #quarantine: Pick<Quarantine, 'report'>
  readonly #states = new LRUCache<string, State>({ max: maxSymbols })

  constructor(quarantine: Pick<Quarantine, 'report'>) {
    this.#quarantine = quarantine
  }

  /** The listing to believe, without the fields that cannot be true, or the reason why there is nothing to believe. */
  accept(listing: Listing): Listing | Nonsense {
    const { quote } = listing
    const { symbol } = listing.instrument
    const reason = quote ? this.#judge(symbol, listing, quote) : this.#missing(symbol)
    if (reason) {
      this.#quarantine.report(symbol, reason, quote)
      return reason
    }
    if (!quote) return listing
    const cleaned = this.#cleaned(symbol, quote)
    this.#states.set(symbol, { accepted: cleaned, suspects: [] })
    return cleaned === quote ? listing : { ...listing, quote: cleaned }
  }

  /** Whether a price of the symbol was believed before. */
  knows(symbol: string): boolean {
    return this.#states.has(symbol)
  }

  forget(symbol: string): void {
    this.#states.delete(symbol)
  }

  forgetAllBut(symbols: ReadonlySet<string>): void {
    for (const symbol of [...this.#states.keys()]) if (!symbols.has(symbol)) this.#states.delete(symbol)
  }

  /** Some symbols never have a price; one that had a price does not lose it. */
  #missing(symbol: string): Nonsense | null {
    return this.knows(symbol) ? 'no price' : null
  }

  #judge(symbol: string, { instrument }: Listing, quote: Quote): Nonsense | null {
    const { price, timeMs } = quote
    // A price without a time, or from the future, cannot be compared with anything.
    if (!Number.isFinite(price) || !(timeMs <= quote.receivedAtMs + furthestAheadMs)) return 'no price'
    if (price <= 0 && instrument.kind !== 'FUTURE') return 'negative price'
    const state = this.#states.get(symbol)
    if (!state) return null
    const { accepted } = state
    if (timeMs < accepted.timeMs) return 'time backwards'
    const isOtherCurrency =
      quote.currency !== null && accepted.currency !== null && quote.currency !== accepted.currency
    const isJump = isJumpBetween(accepted, quote)
    if (!isOtherCurrency && !isJump) return null
    // Compared last: the calendar costs more than all the rest.
    const timezone = instrument.exchange?.timezone ?? 'UTC'
    if (tradingDate(accepted.timeMs / 1000, timezone) !== tradingDate(timeMs / 1000, timezone)) return null
    if (isOtherCurrency) return 'currency changed'
    return this.#isWitnessed(state, quote) ? null : 'price jump'
  }

  /** The same answer sent again, with the same receipt time, counts as one witness. */
  #isWitnessed(state: State, quote: Quote): boolean {
    if (state.suspects.some((suspect) => isJumpBetween(suspect, quote))) state.suspects = []
    const isNew = state.suspects.every((suspect) => suspect.receivedAtMs !== quote.receivedAtMs)
    if (isNew) state.suspects = [...state.suspects, quote]
    return state.suspects.length >= witnesses
  }

  #cleaned(symbol: string, quote: Quote): Quote {
    let changed: Partial<Record<OptionalNumber, null>> | undefined
    for (const field of optionalNumbers) {
      const value = quote[field]
      if (value === null || (Number.isFinite(value) && !(field === 'volume' && value < 0))) continue
      changed = { ...changed, [field]: null }
    }
    const { dayHigh, dayLow } = quote
    if (dayHigh !== null && dayLow !== null && dayHigh < dayLow) {
      this.#quarantine.report(symbol, 'high below low', quote)
      changed = { ...changed, dayHigh: null, dayLow: null }
    }
    return changed ? { ...quote, ...changed } : quote
  }
}

/** The fields of a quote that are a number or null. */
type OptionalNumber = {
  [Field in keyof Quote]: Quote[Field] extends number | null ? (null extends Quote[Field] ? Field : never) : never
}[keyof Quote]

/** A record, so that the compiler asks for every new field. */
const isOptionalNumber: Readonly<Record<OptionalNumber, true>> = {
  previousClose: true,
  change: true,
  changePercent: true,
  open: true,
  dayHigh: true,
  dayLow: true,
  volume: true,
  bid: true,
  ask: true,
  marketCap: true,
  fiftyTwoWeekHigh: true,
  fiftyTwoWeekLow: true,
  regularPrice: true,
  extendedChange: true,
  extendedChangePercent: true,
  delayMinutes: true,
}
const optionalNumbers = Object.keys(isOptionalNumber) as OptionalNumber[]

/** Prices of different sign, as futures may have, cannot be compared by their ratio, so they are no jump. */
function isJumpBetween({ price: before }: Quote, { price: after }: Quote): boolean {
  if (before * after <= 0) return false
  const [smaller, greater] = [Math.min(Math.abs(before), Math.abs(after)), Math.max(Math.abs(before), Math.abs(after))]
  return greater >= smaller * jumpFactor
}
