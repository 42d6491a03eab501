import { LRUCache } from 'lru-cache'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { FinstageError } from '../domain/errors.ts'
import type { LiveFeed, LiveSink } from '../domain/live-feed.ts'
import type { FeedUpdate } from '../domain/price-update.ts'
import type { Listing, Quote } from '../domain/quote.ts'
import type { Logger } from '../platform/logger.ts'
import type { Bus, PriceFailure, WatchAnnouncement } from './bus.ts'
import { announceIntervalMs, Demand } from './demand.ts'

/** Of how many symbols the last number is remembered. */
const rememberedNumbers = 100_000

export interface FeedOptions {
  readonly bus: Bus
  readonly openLive: (sink: LiveSink) => LiveFeed
  readonly log: Logger
  readonly registry: Registry
  readonly now?: () => number
}

/** What one term of leading holds. */
interface Term {
  readonly run: string
  readonly demand: Demand
  readonly live: LiveFeed
  readonly newest: Map<string, FeedUpdate>
  /** The last number of each symbol, also of those that nobody watches at present: a hub may know it still. */
  readonly lastSeq: LRUCache<string, number>
  readonly failures: Map<string, PriceFailure>
  readonly unsubscribes: readonly (() => void)[]
  readonly timer: NodeJS.Timeout
}

/**
 * The one place where prices are numbered: takes what a source sees live of the symbols that somebody watches and puts
 * it on the bus. Whether it can be true was judged before. Leads from lead() to yield(); a new term is a new run, whose numbers
 * start anew.
 */
export class Feed {
  readonly #options: FeedOptions
  readonly #now: () => number
  readonly #updates: Counter
  #term: Term | undefined

  constructor(options: FeedOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    const registers = [options.registry]
    this.#updates = new Counter({
      name: 'finstage_feed_updates_total',
      help: 'Prices that the feed put on the bus',
      registers,
    })
    const symbols = (): number => this.#term?.demand.symbols.size ?? 0
    new Gauge({
      name: 'finstage_feed_symbols',
      help: 'Symbols that this feed serves, because somebody watches them',
      registers,
      collect() {
        this.set(symbols())
      },
    })
  }

  /** `run` names the term; a later one's name is greater. */
  lead(run: string): void {
    if (this.#term) return
    const { bus, openLive, log } = this.#options
    const sink: LiveSink = {
      update: (listing) => this.#observe(listing),
      failure: (symbol, error) => this.#fail(symbol, error),
    }
    const term: Term = {
      run,
      demand: new Demand(),
      live: openLive(sink),
      newest: new Map(),
      lastSeq: new LRUCache({ max: rememberedNumbers }),
      failures: new Map(),
      unsubscribes: [
        bus.subscribe('watch', (announcement) => this.#hear(announcement)),
        // Who has missed how things stand may have said so while nothing was heard.
        bus.subscribe('reconnected', () => this.#tellAgain(term, term.demand.symbols)),
      ],
      timer: setInterval(() => this.#forget(), announceIntervalMs),
    }
    this.#term = term
    log.info({ run }, 'the feed leads')
    bus.publish('feedStarted', { run })
  }

  async yield(): Promise<void> {
    const term = this.#term
    if (!term) return
    this.#term = undefined
    for (const unsubscribe of term.unsubscribes) unsubscribe()
    clearInterval(term.timer)
    await term.live.stop()
  }

  #hear(announcement: WatchAnnouncement): void {
    const term = this.#term
    if (!term) return
    const changed = term.demand.hear(announcement, this.#now())
    if (announcement.event === 'added') this.#tellAgain(term, announcement.symbols)
    if (changed) this.#watch(term)
  }

  #forget(): void {
    if (this.#term?.demand.forget(this.#now())) this.#watch(this.#term)
  }

  #watch(term: Term): void {
    const { symbols } = term.demand
    for (const symbol of term.newest.keys()) if (!symbols.has(symbol)) term.newest.delete(symbol)
    for (const symbol of term.failures.keys()) if (!symbols.has(symbol)) term.failures.delete(symbol)
    term.live.watch(symbols)
  }

  /** A node that begins to watch a symbol which is served already has missed how it stands. */
  #tellAgain(term: Term, symbols: Iterable<string>): void {
    for (const symbol of symbols) {
      const newest = term.newest.get(symbol)
      const failure = term.failures.get(symbol)
      if (newest) this.#options.bus.publish('price', newest)
      else if (failure) this.#options.bus.publish('priceFailure', failure)
    }
  }

  #observe({ quote }: Listing): void {
    if (!quote || !this.#term) return
    const last = this.#term.newest.get(quote.symbol)?.quote
    // Whoever reads the numbers takes the greater one for the newer price.
    if (last && quote.timeMs < last.timeMs) return
    this.#publish(this.#term, quote, last !== undefined && isSamePrice(quote, last) ? 'STATUS' : 'TICK')
  }

  #fail(symbol: string, error: FinstageError): void {
    const term = this.#term
    if (!term) return
    const last = term.newest.get(symbol)?.quote
    if (last) {
      if (!last.stale) this.#publish(term, { ...last, stale: true }, 'STATUS')
      return
    }
    const { code, message, details } = error
    const failure: PriceFailure = { symbol, run: term.run, code, message, details }
    term.failures.set(symbol, failure)
    this.#options.bus.publish('priceFailure', failure)
  }

  #publish(term: Term, quote: Quote, kind: FeedUpdate['kind']): void {
    const seq = (term.lastSeq.get(quote.symbol) ?? 0) + 1
    term.lastSeq.set(quote.symbol, seq)
    const update: FeedUpdate = { kind, run: term.run, seq, quote }
    term.newest.set(quote.symbol, update)
    term.failures.delete(quote.symbol)
    this.#updates.inc()
    this.#options.bus.publish('price', update)
  }
}

/** No new price: what was told is that the feed is back, or that the market has changed its state. */
function isSamePrice(quote: Quote, last: Quote): boolean {
  const same = quote.price === last.price && quote.timeMs === last.timeMs && quote.volume === last.volume
  return same && (quote.stale !== last.stale || quote.marketState !== last.marketState)
}
