import { LRUCache } from 'lru-cache'
import { FinstageError, symbolNotFound } from '../../domain/errors.ts'
import type { Instrument, MarketState } from '../../domain/instrument.ts'
import type { Listing, Quote } from '../../domain/quote.ts'
import { calendarFor } from '../../domain/sessions/session-hours.ts'
import { minuteMs } from '../../domain/time/units.ts'
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
/** A closed market's price from outside of the regular session that is younger than this: overnight trade goes on. */
const overnightMs = 15 * minuteMs
const overnightLifetimeMs = 5000
/** A quote that is still asked for when it has so little left to live is fetched anew before anybody has to wait. */
const aheadMs = 500
/** For a symbol that the source does not know, or has no price of. */
const nothingLifetimeMs = minuteMs
/** For a last known value that stands in for a failed answer: the source is soon asked again. */
const lastKnownLifetimeMs = 1000

interface Entry {
  /** null: the source does not know the symbol. */
  readonly listing: Listing | null
  /** Known from before; the source could not be reached or believed. */
  readonly isLastKnown: boolean
  readonly lifetimeMs: number
}

export interface QuoteCacheOptions {
  readonly source: Pick<MarketSource, 'listings'>
  readonly guard: QuoteGuard
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  /** Called once for each symbol that is asked for. */
  readonly count: (result: CacheResult) => void
}

/**
 * Caches the listing of each symbol for all requests of this process. A symbol is asked for once at a time, and again
 * when its listing has grown old. Old listings are kept for when the source is out of reach or slow.
 */
export class QuoteCache {
  readonly #batcher: ListingBatcher
  readonly #guard: QuoteGuard
  readonly #count: (result: CacheResult) => void
  readonly #entries: LRUCache<string, Entry>
  /** By symbol: the request under way, which answers all who wait for it. */
  readonly #flights = new Map<string, Promise<Entry>>()

  constructor({ source, guard, now, count }: QuoteCacheOptions) {
    this.#batcher = new ListingBatcher({ source })
    this.#guard = guard
    this.#count = count
    this.#entries = new LRUCache<string, Entry>({
      max: maxSymbols,
      perf: { now },
      // Read the clock each time: lru-cache would read it once per millisecond of the machine's time.
      ttlResolution: 0,
      // Old listings stay available for when the source is out of reach.
      noDeleteOnStaleGet: true,
      dispose: (_entry, symbol, reason) => {
        if (reason === 'evict') guard.forget(symbol)
      },
    })
  }

  /** The answer of `get`, if it is cached. What is about to grow old is asked for again, for those who ask later. */
  atHand(symbol: string): Listing | undefined {
    const entry = this.#entries.get(symbol)
    if (!entry?.listing) return undefined
    this.#count(entry.isLastKnown ? 'stale' : 'hit')
    if (!entry.isLastKnown && this.#entries.getRemainingTTL(symbol) < aheadMs && !this.#flights.has(symbol)) {
      // Whoever asks once it is old hears of an error.
      this.#ask(symbol, undefined).catch(() => {})
    }
    return entry.listing
  }

  /**
   * The newest listing. If the source fails, takes longer than 2.5 s, lacks a symbol that it had before, or sends
   * something unbelievable: the last known one, with its quote `stale`. Rejects with SYMBOL_NOT_FOUND, with the
   * source's error if nothing is known, or with LIMIT_EXCEEDED.
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
    // A late answer still updates the cache.
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
    // An answer that a newer one overtook does not make that one stale.
    return believed === 'time backwards' ? answered(marked(known, false)) : lastKnown(known)
  }
}

const answered = (listing: Listing): Entry => ({
  listing,
  isLastKnown: false,
  lifetimeMs: listing.quote ? lifetimeOf(listing.instrument, listing.quote) : nothingLifetimeMs,
})

function lifetimeOf({ exchange }: Instrument, { marketState, regularPrice, timeMs, receivedAtMs }: Quote): number {
  if (marketState !== 'CLOSED') return lifetimesMs[marketState]
  if (regularPrice !== null && receivedAtMs - timeMs < overnightMs) return overnightLifetimeMs
  const calendar = exchange && calendarFor({ exchange: exchange.code, timezone: exchange.timezone })
  const opens = calendar?.nextOpen(receivedAtMs / 1000)
  if (opens == null) return lifetimesMs.CLOSED
  return Math.max(lifetimesMs.REGULAR, Math.min(lifetimesMs.CLOSED, opens * 1000 - receivedAtMs))
}

const lastKnown = (known: Listing): Entry => ({
  listing: marked(known, true),
  isLastKnown: true,
  lifetimeMs: lastKnownLifetimeMs,
})

const marked = (listing: Listing, stale: boolean): Listing =>
  listing.quote && listing.quote.stale !== stale ? { ...listing, quote: { ...listing.quote, stale } } : listing
