import { LRUCache } from 'lru-cache'
import { FinstageError, symbolNotFound } from '../../domain/errors.ts'
import type { MarketState } from '../../domain/instrument.ts'
import type { Listing } from '../../domain/quote.ts'
import { minuteMs } from '../../domain/time.ts'
import type { CacheResult } from '../cache-metrics.ts'
import { type CallBudget, patienceMs, within } from '../call-budget.ts'
import type { MarketSource } from '../source.ts'
import type { QuoteGuard } from './guard.ts'
import { ListingBatcher } from './listing-batcher.ts'

const maxSymbols = 20_000

const lifetimesMs: Readonly<Record<MarketState, number>> = {
  REGULAR: 2000,
  PRE: 5000,
  POST: 5000,
  UNKNOWN: 5000,
  CLOSED: minuteMs,
}
/** Of a symbol that the source does not know, or has no price of. */
const nothingLifetimeMs = minuteMs
/** Of what takes the place of an answer that failed: it is soon asked again. */
const lastKnownLifetimeMs = 1000

interface Entry {
  /** null: the source does not know the symbol. */
  readonly listing: Listing | null
  /** This is what was known before, since the source could not be believed or reached. */
  readonly isLastKnown: boolean
  readonly lifetimeMs: number
}

export interface QuoteCacheOptions {
  readonly source: Pick<MarketSource, 'listings'>
  readonly guard: QuoteGuard
  /** Milliseconds that go forward only, from whenever on. */
  readonly now: () => number
  /** Called once for each symbol that is asked for. */
  readonly count: (result: CacheResult) => void
}

/**
 * What is known of each symbol, for all requests of this process: each symbol is asked for once at a time, and again when what
 * is known of it has grown old. That stays at hand for the time when the source can't be reached, or takes long.
 */
export class QuoteCache {
  readonly #batcher: ListingBatcher
  readonly #guard: QuoteGuard
  readonly #count: (result: CacheResult) => void
  readonly #entries: LRUCache<string, Entry>
  /** By symbols that are being asked for: what those who wait are answered with. */
  readonly #flights = new Map<string, Promise<Entry>>()

  constructor({ source, guard, now, count }: QuoteCacheOptions) {
    this.#batcher = new ListingBatcher({ source })
    this.#guard = guard
    this.#count = count
    this.#entries = new LRUCache<string, Entry>({
      max: maxSymbols,
      perf: { now },
      // The clock is asked each time: lru-cache would read it once a millisecond of the machine's time.
      ttlResolution: 0,
      // What has grown old stays at hand for the time when the source can't be reached.
      noDeleteOnStaleGet: true,
      dispose: (_entry, symbol, reason) => {
        if (reason === 'evict') guard.forget(symbol)
      },
    })
  }

  /** What `get` would give, where that is at hand. */
  atHand(symbol: string): Listing | undefined {
    const entry = this.#entries.get(symbol)
    if (!entry?.listing) return undefined
    this.#count(entry.isLastKnown ? 'stale' : 'hit')
    return entry.listing
  }

  /**
   * The newest listing that there is. Where the source fails, takes longer than 2.5 s, lacks a symbol that it had before, or says
   * what can't be true: the last known, its quote `stale`. Rejects with SYMBOL_NOT_FOUND, with what the source fails with where
   * nothing is known, or with LIMIT_EXCEEDED.
   */
  async get(symbol: string, budget?: CallBudget): Promise<Listing> {
    const shared = this.#entries.get(symbol) ?? this.#flights.get(symbol)
    const asked = shared ?? this.#ask(symbol, budget)
    let entry: Entry | undefined
    try {
      entry = await asked
    } finally {
      this.#count(entry?.isLastKnown ? 'stale' : shared ? 'hit' : 'miss')
    }
    if (!entry.listing) throw symbolNotFound(symbol)
    return entry.listing
  }

  #ask(symbol: string, budget: CallBudget | undefined): Promise<Entry> {
    const known = this.#entries.peek(symbol, { allowStale: true })?.listing ?? null
    const arrives = this.#learn(symbol, this.#batcher.load(symbol, budget), known)
    // What comes later is still what is known from then on.
    const flight = known ? within(arrives, patienceMs, () => lastKnown(known)) : arrives
    this.#flights.set(symbol, flight)
    return flight
  }

  async #learn(symbol: string, answer: Promise<Listing | undefined>, known: Listing | null): Promise<Entry> {
    try {
      const entry = await this.#judge(answer, known)
      this.#entries.set(symbol, entry, { ttl: entry.lifetimeMs })
      return entry
    } finally {
      this.#flights.delete(symbol)
    }
  }

  async #judge(answer: Promise<Listing | undefined>, known: Listing | null): Promise<Entry> {
    let said: Listing | undefined
    try {
      said = await answer
    } catch (error) {
      if (!known || !(error instanceof FinstageError)) throw error
      return lastKnown(known)
    }
    if (!said) return known ? lastKnown(known) : { listing: null, isLastKnown: false, lifetimeMs: nothingLifetimeMs }
    const believed = this.#guard.accept(said)
    if (typeof believed !== 'string') return answered(believed)
    if (!known) return { ...answered({ ...said, quote: null }), lifetimeMs: lastKnownLifetimeMs }
    // An answer that was overtaken by a newer one says nothing against that one.
    return believed === 'time backwards' ? answered(marked(known, false)) : lastKnown(known)
  }
}

const answered = (listing: Listing): Entry => ({
  listing,
  isLastKnown: false,
  lifetimeMs: listing.quote ? lifetimesMs[listing.quote.marketState] : nothingLifetimeMs,
})

const lastKnown = (known: Listing): Entry => ({
  listing: marked(known, true),
  isLastKnown: true,
  lifetimeMs: lastKnownLifetimeMs,
})

const marked = (listing: Listing, stale: boolean): Listing =>
  listing.quote && listing.quote.stale !== stale ? { ...listing, quote: { ...listing.quote, stale } } : listing
