import type { GraphQLField } from 'graphql'
import type { Interval } from '../../domain/time/interval.ts'
import { rowsPerSymbol } from '../../resolvers/jobs/job.ts'
import { longestText, mostEntries } from './names.ts'
import { type Observe, type Observed, observedList, observedObject } from './observed.ts'
import { weights } from './weights.ts'

/** A candle series, as its fields are priced. */
export interface PricedSeries {
  readonly interval: Interval
  readonly rows: number
  /** How many candles are loaded before the first node. */
  readonly before: number
  /** Stands for the candles of its symbol and interval, and for this very series. */
  readonly of: string
  readonly name: string
  /** It is in memory by column, with its JSON. Composed candles, and those adjusted otherwise, are made each time. */
  readonly isKept: boolean
}

/** What a field tells the prices of the fields below it. */
export interface Passed {
  /** How many entries a list below has that this field decides about. */
  readonly entries?: number
  readonly series?: PricedSeries
  /** Which symbol there is, or a list of them. */
  readonly symbols?: unknown
  /** What is known of the jobs that this field gives, and which they are. */
  readonly jobs?: Observed
  readonly jobsName?: string
}

export interface SelectedPrice {
  readonly name: string
  readonly args: PricedArgs
}

/**
 * Arguments as the document or the variables say them, as far as they can be read, with defaults filled in: neither in
 * bounds nor complete. A price takes what could not be read for what is usual.
 */
export type PricedArgs = Readonly<Record<string, unknown>>

/** What the price of a field depends on. Nothing of it waits, and nothing asks the database or the source. */
export interface Asked {
  readonly args: PricedArgs
  /** Stands for the arguments: see `nameOfArgs`. */
  readonly argsName: string
  readonly passed: Passed
  /** How many objects have this field, about: what is looked up for each of them is looked up together. */
  readonly times: number
  /** Epoch milliseconds. */
  readonly nowMs: number
  /** How far back the source goes. null: as far as there is history. */
  reachDays(interval: Interval): number | null
  /** Whether the operation has not asked for this before: it loads the same once. It has from now on. */
  isFirst(name: string): boolean
  /** Whether this much of a series was asked for before, and so is in memory. It is from now on. */
  hasLoaded(name: string): boolean
  /** Whether a value that is computed of a series is likely to be kept; `bytes`: how large it is. */
  hasComputed(series: string, name: string, bytes: number): boolean
  /** What this field has lately given for these arguments. undefined: nothing is known. */
  readonly observed: Observed | undefined
  /** The fields that are selected below, or below what `path` leads to. */
  selected(path?: readonly string[]): Iterable<SelectedPrice>
}

export interface Price {
  /** CPU of the field itself, beside what completing any field takes. */
  readonly micros: number
  /** How many entries its list has. */
  readonly entries?: number
  /** Rows that the field is charged beside the entries of its list: see `spendRows`. */
  readonly rows?: number
  /** CPU of an entry beside the fields that are selected of it. undefined: that of any entry. */
  readonly entryMicros?: number
  /**
   * How many of the entries have each object type, where the field returns an interface or a union. undefined: the
   * dearest type counts for all.
   */
  readonly types?: Readonly<Record<string, number>> | undefined
  readonly passes?: Passed
  /** Of a field that begins a subscription. undefined: it has events as they come, and begins with one. */
  readonly begins?: Begins
}

/** How a subscription has its events. */
export interface Begins {
  /** What has events of its own, each of which is handed and written to the client: a symbol, a series. */
  readonly places: number
  /** What events are executed for: `documents`, once for all who are shown the same, or each `series` for itself. */
  readonly executes: 'documents' | 'series'
  /** How many events there are when each place has one. */
  readonly perRound: number
  /** With how many events it begins. */
  readonly events: number
}

export type Pricing = (asked: Asked) => Price

/** Extensions of a field. */
export type Priced = {
  readonly price: Pricing
  readonly observe?: Observe
}

/** The price of a field, as the schema holds it. Fields without one cost what completing a field takes. */
export const priced = (price: Pricing): Priced => ({ price })

/** The same of a field whose price goes by what it has given before. */
export const pricedAsObserved = (observe: Observe, price: Pricing): Priced => ({ price, observe })

export const pricingOf = ({ extensions }: Pick<GraphQLField<unknown, unknown>, 'extensions'>): Pricing | undefined =>
  extensions.price as Pricing | undefined

/** The price of a field whose arguments are refused, or that the budget of the operation no longer pays for. */
export const refused: Price = { micros: weights.error, entries: 0, passes: { entries: 0 } }

/** The number that an argument says, if it is one. */
export const numberOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null

const wholeSeconds = 'YYYY-MM-DDTHH:MM:SS'.length

/** Epoch milliseconds. null: it is no instant. Of many digits of a second, and the offset after them, none is read. */
export function instantOf(value: unknown): number | null {
  if (typeof value !== 'string') return null
  const ms = Date.parse(value.length > longestText ? `${value.slice(0, wholeSeconds)}Z` : value)
  return Number.isFinite(ms) ? ms : null
}

/** How many entries a list of an input has: a single value stands for a list of one. */
export const lengthOf = (value: unknown): number =>
  Array.isArray(value) ? value.length : value === null || value === undefined ? 0 : 1

/** A field that gives so many entries at no further cost. */
export const entriesOf = (entries: number): Priced => priced(() => ({ micros: 0, entries }))

/** A list with as many entries as the field above it says, which passes on the rest. */
export const passedEntries = priced(({ passed }) => ({ micros: 0, entries: passed.entries ?? 1, passes: passed }))

const longestPage = mostEntries

/** How many entries a page has. null: so many are refused. */
function pageLength({ args, observed }: Asked): number | null {
  const first = numberOf(args.first) ?? 1
  return first < 1 || first > longestPage ? null : Math.min(first, observed?.entries ?? first)
}

interface Page {
  readonly edges: readonly { readonly node: unknown }[]
}

const observedPage: Observe = (result) => ({ entries: (result as Page | null)?.edges.length ?? 0 })

/** A page that the database gives; the `edges` below have its entries. */
export const page = pricedAsObserved(observedPage, (asked) => {
  const entries = pageLength(asked)
  if (entries === null) return refused
  return { micros: weights.page + weights.pageRow * entries, passes: { entries } }
})

/** A page of what the source lists. */
export const listedPage = pricedAsObserved(observedPage, (asked) => {
  const entries = pageLength(asked)
  return entries === null ? refused : { micros: weights.pageRow * entries, passes: { entries } }
})

/** A search, which the source answers. */
export const searched = pricedAsObserved(observedList, (asked) => {
  const entries = pageLength(asked)
  return entries === null ? refused : { micros: weights.search, entries }
})

/** One thing that is looked up in the database, and may not be there. */
export const lookUp = pricedAsObserved(observedObject, ({ observed, times }) => ({
  micros: lookUpMicros(times),
  entries: observed?.entries ?? 1,
}))

/** Of each of so many things that are looked up together. */
const lookUpMicros = (times: number): number => weights.page / Math.max(1, times) + weights.pageRow

/** The object type that a global id names; empty: it is none. null: the id could not be read. */
const typeOf = (id: unknown): string | null =>
  typeof id === 'string' ? (Buffer.from(id, 'base64').toString().split(':', 1)[0] ?? '') : null

/** Looking up a node. Quotes and instruments are at hand; of all others, only signals are looked up together. */
function nodeMicros(type: string | null): number {
  if (type === 'Quote' || type === 'Instrument') return weights.listing
  return type === 'Signal' ? weights.pageRow : weights.page
}

export const node = priced(({ args: { id } }) => {
  const type = typeOf(id)
  return { micros: nodeMicros(type), types: type === null ? undefined : { [type]: 1 } }
})

export const nodes = priced(({ args: { ids } }) => {
  const entries = lengthOf(ids)
  if (entries < 1 || entries > longestPage) return refused
  const types: Record<string, number> = Object.create(null)
  let micros = 0
  let areRead = true
  const seen = new Set<unknown>()
  for (const id of Array.isArray(ids) ? ids : [ids]) {
    const type = typeOf(id)
    if (type === null) areRead = false
    else types[type] = (types[type] ?? 0) + 1
    // The same node again is loaded once.
    if (!seen.has(id)) micros += nodeMicros(type)
    seen.add(id)
  }
  if (types.Signal) micros += weights.page
  return { micros, entries, types: areRead ? types : undefined }
})

/** The quote or the instrument of a symbol that is at hand. */
export const listing = priced(({ args, passed }) => ({
  micros: weights.listing,
  passes: { symbols: args.symbol ?? passed.symbols },
}))

/** An entry for each of a list of symbols or ids. */
export const listingsOf = (argument: string): Priced =>
  priced(({ args }) => {
    const entries = lengthOf(args[argument])
    if (entries < 1 || entries > longestPage) return refused
    return { micros: weights.listing * entries, entries, passes: { symbols: args[argument] } }
  })

/** Signals that each have to be looked up. `usual`: how many, if nothing is known. */
export const storedSignals = (usual: number): Priced =>
  pricedAsObserved(observedList, (asked) => {
    const { observed, times, passed } = asked
    const entries = observed?.entries ?? usual
    // Those of the same jobs are loaded once.
    const isLoaded = passed.jobsName !== undefined && !asked.isFirst(`signals of ${passed.jobsName}`)
    return { micros: isLoaded ? 0 : entries * lookUpMicros(times * entries), entries }
  })

export const corporateActions = (usual: number): Priced =>
  pricedAsObserved(observedList, ({ observed }) => ({ micros: weights.actions, entries: observed?.entries ?? usual }))

/** A list whose length nothing tells but what it was before. */
export const observedEntries = (usual: number): Priced =>
  pricedAsObserved(observedList, ({ observed }) => ({ micros: 0, entries: observed?.entries ?? usual }))

const longestDates = 400
const dayMs = 86_400_000

/** Five of seven dates have a session, if the calendar of the exchange is known. */
export const datesOf = pricedAsObserved(observedList, ({ args, observed }) => {
  const [from, to] = [instantOf(args.from), instantOf(args.to)]
  const dates = from === null || to === null ? 0 : (to - from) / dayMs
  if (dates <= 0 || dates > longestDates) return refused
  const entries = observed?.entries ?? Math.ceil((dates * 5) / 7)
  return { micros: weights.session * entries, entries, rows: dates }
})

interface ObservedJob {
  readonly kind: string
  readonly state: string
  readonly input: unknown
}

const resultTypes: Readonly<Record<string, string>> = {
  ANALYSIS: 'AnalysisResult',
  BACKTEST: 'BacktestResult',
  DAILY_REPORT: 'DailyReport',
  BACKFILL: 'BackfillResult',
}

function observedJobs(jobs: readonly ObservedJob[]): Observed {
  const ended = jobs.filter(({ state }) => state === 'SUCCEEDED')
  let symbols = 0
  for (const { input } of ended) symbols += lengthOf((input as { readonly symbols?: unknown }).symbols)
  return {
    entries: jobs.length,
    results: ended.length / Math.max(1, jobs.length),
    symbols: symbols / Math.max(1, ended.length),
    resultTypes: [...new Set(ended.map(({ kind }) => resultTypes[kind] ?? ''))],
  }
}

const observedJob: Observe = (result) =>
  observedJobs(result === null || result === undefined ? [] : [result as ObservedJob])

export const job = pricedAsObserved(observedJob, ({ args, observed }) => ({
  micros: weights.page,
  entries: observed?.entries ?? 1,
  passes: { ...(typeof args.id === 'string' && { jobsName: args.id }), ...(observed && { jobs: observed }) },
}))

export const jobs = pricedAsObserved(
  (result) => observedJobs((result as Page | null)?.edges.map(({ node }) => node as ObservedJob) ?? []),
  (asked) => {
    const entries = pageLength(asked)
    if (entries === null) return refused
    const jobsName = asked.argsName
    const passes = { entries, jobsName, ...(asked.observed && { jobs: asked.observed }) }
    return { micros: weights.page + weights.pageRow * entries, passes }
  },
)

/** As if each type were as likely. */
const sharesOf = (types: readonly string[], entries: number): Readonly<Record<string, number>> =>
  Object.fromEntries(types.map((type) => [type, entries / types.length]))

/** Symbols of a job, if nothing says how many. */
const usualSymbols = 20

/** The document does not say whether a job has a result, nor of how many symbols. */
export const jobResult = priced((asked) => {
  const { jobs, jobsName } = asked.passed
  const [symbols, entries] = [jobs?.symbols ?? usualSymbols, jobs?.results ?? 1]
  const isLoaded = jobsName !== undefined && !asked.isFirst(`results of ${jobsName}`)
  return {
    micros: isLoaded ? 0 : entries * (weights.jobResult + weights.jobSymbol * symbols),
    rows: entries * rowsPerSymbol * symbols,
    entries,
    types: jobs?.resultTypes && sharesOf(jobs.resultTypes, entries),
    passes: { entries: symbols, ...(jobsName !== undefined && { jobsName }) },
  }
})

export const enqueued = priced(({ args: { input } }) => {
  const symbols = typeof input === 'object' && input !== null && 'symbols' in input ? lengthOf(input.symbols) : 0
  return { micros: weights.enqueue + weights.enqueueSymbol * symbols, passes: { jobs: unfinished } }
})

/** Jobs that have no result yet. */
const unfinished: Observed = { entries: 1, results: 0, symbols: 0, resultTypes: [] }

export const jobAction = priced(() => ({ micros: weights.jobAction, passes: { jobs: unfinished } }))

/** Of one subscription: more are refused. */
const mostPlaces = 200

/** What a price subscription takes to begin; an event is one entry. */
export const seats = priced(({ args }) => {
  const places = lengthOf(args.symbols)
  if (places < 1 || places > mostPlaces) return refused
  return { micros: weights.seat * places, begins: { places, executes: 'documents', perRound: places, events: places } }
})

/** A batch has at most one update of each symbol. */
export const seatsOfBatches = priced(({ args }) => {
  const places = lengthOf(args.symbols)
  if (places < 1 || places > mostPlaces) return refused
  const begins = { places, executes: 'documents', perRound: 1, events: 1 } as const
  return { micros: weights.seat * places, entries: places, begins }
})

/** Passes on what it was passed. */
export const passing = priced(({ passed }) => ({ micros: 0, passes: passed }))
