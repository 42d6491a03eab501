import DataLoader from 'dataloader'
import type { GraphQLResolveInfo } from 'graphql'
import type { SymbolAnalysis } from '../domain/analysis/analysis.ts'
import { type SignalKey, type StoredSignal, signalId } from '../domain/analysis/signal.ts'
import type { CandleRequest, CandleSeries } from '../domain/candle.ts'
import type { CandleOrder, CandleUpdate } from '../domain/candle-update.ts'
import type { CorporateActions } from '../domain/corporate-action.ts'
import type { FinstageError } from '../domain/errors.ts'
import type { Instrument, InstrumentMatch } from '../domain/instrument.ts'
import { anonymousOwner, type EnqueueRequest, type Job, type JobActionOutcome } from '../domain/job.ts'
import type { Listing } from '../domain/quote.ts'
import type { Interval } from '../domain/time/interval.ts'
import { CallBudget } from '../market/call-budget.ts'
import type { Caller } from '../platform/concurrency/event-loop-turns.ts'
import { type AnalysisKey, type AnalysisPage, analysisName } from '../store/analyses/analysis-store.ts'
import type { SignalFilter, SignalPage } from '../store/analyses/signal-store.ts'
import type { JobFilter } from '../store/jobs/job-store.ts'
import type { BatchOrder, PriceBatches } from '../stream/price-batches.ts'
import type { PriceOrder, PriceSubscription } from '../stream/price-subscription.ts'

/** The longest series with all of its indicators, every field selected, takes 720,000. Measured: a row takes about 2 us of CPU. */
export const rowsOfOperation = 750_000
/** There may be one a second and more of them, for as long as a subscription lasts. */
export const rowsOfEvent = 75_000

/** Measured: an interpreted row takes about 2 µs of CPU, a compiled one a fifth of it. */
const rowsAtOnce = 1000

export interface LaterLists {
  /** Completes the list that a field has resolved to, and puts it in the place of what the field gives. false: it must not. */
  take(list: readonly unknown[], info: GraphQLResolveInfo): boolean
}

/** Who asks. If no resolver has read the id, the answer is the same for every viewer. */
class Viewer {
  wasAsked = false

  get id(): string {
    this.wasAsked = true
    return anonymousOwner
  }
}

/**
 * Stands for all viewers, where what is shown is executed once for them together. A field that asks who it is for has to
 * say so in the schema, by the extension `differsByViewer`.
 */
export const anyViewer: Viewer = Object.defineProperty(new Viewer(), 'id', {
  get: () => {
    throw new Error('a field that differs by viewer is not marked with differsByViewer')
  },
})

/** What resolvers need of the rest of the house; the composition root supplies it. */
export interface Ports {
  /** Epoch milliseconds. */
  now(): number
  readonly market: {
    /** At once where it is at hand. Rejects with SYMBOL_NOT_FOUND, or what the source fails with. */
    listing(symbol: string, budget: CallBudget): Listing | Promise<Listing>
    search(text: string, limit: number, budget: CallBudget): Promise<readonly InstrumentMatch[]>
    /** All instruments of the source, in its order; null: it has no list of them. */
    instruments(): Iterable<Instrument> | null
    /** One answer for each request, in order. */
    candles(requests: readonly CandleRequest[], budget: CallBudget): Promise<(CandleSeries | Error)[]>
    /** Of [from, to), in epoch seconds; null: without end. */
    actions(symbol: string, from: number | null, to: number | null, budget: CallBudget): Promise<CorporateActions>
    reachDays(interval: Interval): number | null
  }
  readonly prices: {
    subscribe(order: PriceOrder): Promise<PriceSubscription>
    subscribeBatches(order: BatchOrder): Promise<PriceBatches>
  }
  readonly liveCandles: {
    subscribe(order: CandleOrder): Promise<AsyncIterableIterator<CandleUpdate | FinstageError>>
  }
  readonly jobs: {
    enqueue(request: EnqueueRequest): Promise<{ job: Job; deduplicated: boolean }>
    find(id: string, owner: string): Promise<Job | null>
    list(owner: string, filter: JobFilter): Promise<Job[]>
    result(id: string): Promise<unknown>
    follow(id: string, owner: string): Promise<AsyncIterableIterator<Job | FinstageError> | null>
    followAll(owner: string): Promise<AsyncIterableIterator<Job | FinstageError>>
    cancel(id: string, owner: string): Promise<JobActionOutcome>
    retry(id: string, owner: string): Promise<JobActionOutcome>
  }
  readonly analyses: {
    find(id: string): Promise<SymbolAnalysis | null>
    ofJob(jobId: string): Promise<SymbolAnalysis[]>
    list(page: AnalysisPage): Promise<SymbolAnalysis[]>
    /** One place for each key, in order. */
    newest(keys: readonly AnalysisKey[]): Promise<(SymbolAnalysis | null)[]>
  }
  readonly signals: {
    list(page: SignalPage): Promise<StoredSignal[]>
    /** One place for each key, in order. */
    find(keys: readonly SignalKey[]): Promise<(StoredSignal | null)[]>
  }
  readonly signalEvents: {
    follow(filter: SignalFilter): Promise<AsyncIterableIterator<StoredSignal | FinstageError>>
  }
  readonly limits: { readonly symbolsPerSubscription: number; readonly upstreamCallsPerOperation: number }
  readonly jobLimits: { readonly enqueuesPerOperation: number; readonly runAtWithinDays: number }
}

/**
 * Loads each thing once, and what is asked for at the same time together. What gathers is made when it is first asked for: most
 * operations need none of it.
 */
export class Loaders {
  readonly #listings = new Map<string, Listing | Promise<Listing>>()
  readonly #ports: Ports
  #budget: CallBudget | undefined
  #candles: DataLoader<CandleRequest, CandleSeries, string> | undefined
  #signal: DataLoader<SignalKey, StoredSignal | null, string> | undefined
  #signalsOfAnalyses: Map<string, Promise<StoredSignal[]>> | undefined
  #latestAnalysis: DataLoader<AnalysisKey, SymbolAnalysis | null, string> | undefined
  readonly #jobs = new Map<string, Promise<Job | null>>()
  readonly #jobResults = new Map<string, Promise<unknown>>()
  readonly #analysesOfJobs = new Map<string, Promise<SymbolAnalysis[]>>()

  constructor(ports: Ports) {
    this.#ports = ports
  }

  /**
   * The same throughout an operation; at once where it is at hand. Fails with SYMBOL_NOT_FOUND, or as the source does. The
   * market gathers by itself what it has to ask its source for.
   */
  listing(symbol: string): Listing | Promise<Listing> {
    const known = this.#listings.get(symbol)
    if (known) return known
    const listing = this.#ports.market.listing(symbol, this.budget)
    this.#listings.set(symbol, listing)
    return listing
  }

  /** What the calls that the market has to make of its source are paid from. */
  get budget(): CallBudget {
    this.#budget ??= new CallBudget(this.#ports.limits.upstreamCallsPerOperation)
    return this.#budget
  }

  get candles(): DataLoader<CandleRequest, CandleSeries, string> {
    this.#candles ??= new DataLoader((requests) => this.#ports.market.candles(requests, this.budget), {
      cacheKeyFn: JSON.stringify,
    })
    return this.#candles
  }

  /** null: it is not stored. */
  get signal(): DataLoader<SignalKey, StoredSignal | null, string> {
    this.#signal ??= new DataLoader((keys) => this.#ports.signals.find(keys), { cacheKeyFn: signalId })
    return this.#signal
  }

  /** Those that are stored. */
  signalsOf({ id, signals }: SymbolAnalysis): Promise<StoredSignal[]> {
    this.#signalsOfAnalyses ??= new Map()
    return once(this.#signalsOfAnalyses, id, async () => {
      const found = await Promise.all(signals.map((key) => this.signal.load(key)))
      return found.filter((signal) => signal !== null)
    })
  }

  get latestAnalysis(): DataLoader<AnalysisKey, SymbolAnalysis | null, string> {
    this.#latestAnalysis ??= new DataLoader((keys) => this.#ports.analyses.newest(keys), { cacheKeyFn: analysisName })
    return this.#latestAnalysis
  }

  /** null: the owner has no such job. */
  job(id: string, owner: string): Promise<Job | null> {
    return once(this.#jobs, `${id} ${owner}`, () => this.#ports.jobs.find(id, owner))
  }

  jobResult(jobId: string): Promise<unknown> {
    return once(this.#jobResults, jobId, () => this.#ports.jobs.result(jobId))
  }

  analysesOfJob(jobId: string): Promise<SymbolAnalysis[]> {
    return once(this.#analysesOfJobs, jobId, () => this.#ports.analyses.ofJob(jobId))
  }
}

function once<T>(known: Map<string, Promise<T>>, key: string, load: () => Promise<T>): Promise<T> {
  const loading = known.get(key) ?? load()
  known.set(key, loading)
  return loading
}

/** What every resolver gets, on every transport: one for each operation. */
export interface Context extends Ports {
  readonly viewer: Viewer
  /** Whose turn its work takes: see `turns`. */
  caller: Caller
  /** If its answer is long, it waits for room and holds it until it is sent: see `longAnswers`. */
  takesRoom: boolean
  /** For a subscription: those of the current event. */
  loaders: Loaders
  /** What may be added to its answer, or to that of the current event: see `spendRows`. */
  rowsLeft: number
  /** Lists may be resolved to a `WrittenList`. */
  takesWrittenLists: boolean
  /** How many rows of its lists may still be completed at once; those after them are in turns. */
  rowsAtOnce: number
  /** Completes long lists beside the executor; null: the executor takes lists that pause. */
  laterLists: LaterLists | null
  /** Some list was too long to be completed at once. */
  hasLongLists: boolean
  /** When the turn of an interpreter is over that pauses in such lists, by the clock of `turns`. */
  turnEndsMs: number
  /** What it is estimated to cost: points of 10 microseconds of CPU. */
  points: number
  /** Takes notes of what fields give; null: nobody reads them. */
  observations: { note(name: string, observed: { readonly entries: number }): void } | null
  /** What its price is made from, where its result is noted, or that an event is executed or sent; null: it has none. */
  priced: { hadErrors: boolean; countEvent(): void; countDelivery(): void } | null
  /** Its client asks what it costs. */
  tellsCost: boolean
  /** What the first event of a subscription tells its client that it costs; null: nothing. */
  cost: object | null
  /** Stands for the connection that a subscription shares with others; null: it has one to itself. */
  connection: object | null
  /** What a subscription holds until it ends; null: nothing. */
  holding: { giveBack(): void } | null
  /** How many jobs it has asked to queue. */
  enqueueCount: number
  /**
   * Until when the candles of the answer stay as they are, in epoch milliseconds; 0: they may change at any time.
   * undefined: it has none.
   */
  staysUntilMs: number | undefined
  /** Forgets what was loaded and counted, when a subscription's next event is worked on. */
  renewLoaders(): void
}

export function createContext(ports: Ports): Context {
  const context: Context = {
    ...ports,
    viewer: new Viewer(),
    caller: { client: '' },
    takesRoom: false,
    loaders: new Loaders(ports),
    rowsLeft: rowsOfOperation,
    takesWrittenLists: false,
    rowsAtOnce,
    laterLists: null,
    hasLongLists: false,
    turnEndsMs: 0,
    points: 0,
    observations: null,
    priced: null,
    tellsCost: false,
    cost: null,
    connection: null,
    holding: null,
    enqueueCount: 0,
    staysUntilMs: undefined,
    renewLoaders() {
      this.loaders = new Loaders(ports)
      this.rowsLeft = rowsOfEvent
      this.rowsAtOnce = rowsAtOnce
      this.hasLongLists = false
    },
  }
  return context
}
