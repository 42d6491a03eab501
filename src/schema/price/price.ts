import type { GraphQLField } from 'graphql'
import type { Interval } from '../../domain/time/interval.ts'
import { weights } from './weights.ts'

/** A candle series, as its fields are priced. */
export interface PricedSeries {
  readonly interval: Interval
  readonly rows: number
  /** How many candles are loaded before the first node. */
  readonly before: number
}

/** What a field tells the prices of the fields below it. */
export interface Passed {
  /** How many entries a list below has that this field decides about. */
  readonly entries?: number
  readonly series?: PricedSeries
}

export interface SelectedPrice {
  readonly name: string
  readonly args: PricedArgs
}

/**
 * Arguments as the document or the variables say them, with defaults filled in: neither checked nor coerced. A price
 * takes what it cannot read for what is usual.
 */
export type PricedArgs = Readonly<Record<string, unknown>>

/** What the price of a field depends on. Nothing of it waits, and nothing asks the database or the source. */
export interface Asked {
  readonly args: PricedArgs
  readonly passed: Passed
  /** Epoch milliseconds. */
  readonly nowMs: number
  /** How far back the source goes. null: as far as there is history. */
  reachDays(interval: Interval): number | null
  /** The fields that are selected below, or below what `path` leads to. */
  selected(path?: readonly string[]): Iterable<SelectedPrice>
}

export interface Price {
  /** CPU of the field itself, beside what completing any field takes. */
  readonly micros: number
  /** How many entries its list has. */
  readonly entries?: number
  /** CPU of an entry beside the fields that are selected of it. undefined: that of any entry. */
  readonly entryMicros?: number
  readonly passes?: Passed
}

export type Pricing = (asked: Asked) => Price

/** The price of a field, as the schema holds it. Fields without one cost what completing a field takes. */
export const priced = (price: Pricing): { readonly price: Pricing } => ({ price })

export const pricingOf = ({ extensions }: Pick<GraphQLField<unknown, unknown>, 'extensions'>): Pricing | undefined =>
  extensions.price as Pricing | undefined

/** The price of a field whose arguments are refused, or that the budget of the operation no longer pays for. */
export const refused: Price = { micros: weights.error, entries: 0, passes: { entries: 0 } }

/** The number that an argument says, if it is one. */
export const numberOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null

/** Epoch milliseconds. null: it is no instant. */
export function instantOf(value: unknown): number | null {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isFinite(ms) ? ms : null
}

/** How many entries a list of an input has: a single value stands for a list of one. */
export const lengthOf = (value: unknown): number =>
  Array.isArray(value) ? value.length : value === null || value === undefined ? 0 : 1

/** A field that gives so many entries at no further cost. */
export const entriesOf = (entries: number): { readonly price: Pricing } => priced(() => ({ micros: 0, entries }))

/** A list with as many entries as the field above it says. */
export const passedEntries = priced(({ passed: { entries = 1 } }) => ({ micros: 0, entries }))

const longestPage = 100

/** A page that the database gives; the `edges` below have its entries. */
export const page = priced(({ args }) => {
  const first = numberOf(args.first) ?? 1
  if (first < 1 || first > longestPage) return refused
  return { micros: weights.page + weights.pageRow * first, passes: { entries: first } }
})

/** One thing that is looked up in the database. */
export const lookUp = priced(() => ({ micros: weights.page }))

/** The quote or the instrument of a symbol that is at hand. */
export const listing = priced(() => ({ micros: weights.listing }))

/** An entry for each of a list of symbols or ids. */
export const listingsOf = (argument: string): { readonly price: Pricing } =>
  priced(({ args }) => {
    const entries = lengthOf(args[argument])
    return entries < 1 || entries > longestPage ? refused : { micros: weights.listing * entries, entries }
  })

/** A search, which the source answers. */
export const searched = priced(({ args }) => {
  const first = numberOf(args.first) ?? 1
  return first < 1 || first > longestPage ? refused : { micros: weights.search, entries: first }
})

/** A page of what the source lists. */
export const listedPage = priced(({ args }) => {
  const first = numberOf(args.first) ?? 1
  return first < 1 || first > longestPage ? refused : { micros: weights.listing, passes: { entries: first } }
})

/** So many signals that each have to be looked up. */
export const storedSignals = (entries: number): { readonly price: Pricing } =>
  priced(() => ({ micros: weights.pageRow * entries, entries }))

export const corporateActions = (entries: number): { readonly price: Pricing } =>
  priced(() => ({ micros: weights.actions, entries }))

const longestDates = 400
const dayMs = 86_400_000

/** Five of seven dates have a session. */
export const datesOf = priced(({ args }) => {
  const [from, to] = [instantOf(args.from), instantOf(args.to)]
  const dates = from === null || to === null ? 0 : (to - from) / dayMs
  if (dates <= 0 || dates > longestDates) return refused
  return { micros: weights.session * dates, entries: Math.ceil((dates * 5) / 7) }
})

/** Symbols of a job, if nothing says how many. */
const usualSymbols = 20

/** The document does not say how many symbols a job has. */
export const jobResult = priced(() => ({
  micros: weights.jobResult + weights.jobSymbol * usualSymbols,
  passes: { entries: usualSymbols },
}))

export const enqueued = priced(({ args: { input } }) => {
  const symbols = typeof input === 'object' && input !== null && 'symbols' in input ? lengthOf(input.symbols) : 0
  return { micros: weights.enqueue + weights.enqueueSymbol * symbols }
})

export const jobAction = priced(() => ({ micros: weights.enqueue }))

/** What a price subscription takes to begin; an event is one entry. */
export const seats = priced(({ args }) => ({ micros: weights.seat * lengthOf(args.symbols) }))

/** A batch has at most one update of each symbol. */
export const seatsOfBatches = priced(({ args }) => {
  const entries = lengthOf(args.symbols)
  return { micros: weights.seat * entries, entries }
})

/** Passes on the series that it was passed. */
export const passedSeries = priced(({ passed }) => ({ micros: 0, passes: passed }))
