import { LRUCache } from 'lru-cache'
import { Counter, type Registry } from 'prom-client'
import type { FinstageError } from '../domain/errors.ts'
import type { FeedUpdate } from '../domain/price-update.ts'
import { isSameTrade, type Listing, type Quote } from '../domain/quote.ts'
import type { ListingSink, SourceFeed } from '../domain/source-feed.ts'
import type { Logger } from '../platform/logger.ts'
import { gaugeOf } from '../platform/metrics.ts'
import type { Bus, PriceFailure, Topics, WatchAnnouncement } from './bus.ts'
import { announceIntervalMs, Demand } from './demand.ts'

/** For how many symbols the last number is remembered. */
const rememberedNumbers = 100_000

export interface PriceFeedOptions {
  readonly bus: Bus
  readonly openLive: (sink: ListingSink) => SourceFeed
  readonly log: Logger
  readonly registry: Registry
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number
}

/** The right to lead. */
export interface Lead {
  /** Names the term; the name of a later term is greater. */
  readonly run: string
  /** false: another process may lead by now. */
  readonly holds: boolean
}

/** The state of one term as leader. */
interface Leadership {
  readonly lead: Lead
  readonly demand: Demand
  readonly live: SourceFeed
  readonly newest: Map<string, FeedUpdate>
  /** The last number of each symbol, including symbols that nobody watches now: a hub may still know it. */
  readonly lastSeq: LRUCache<string, number>
  readonly failures: Map<string, PriceFailure>
  /** Symbols with news to send once the term is confirmed: while the term is in doubt, nothing leaves. */
  readonly withheld: Set<string>
  readonly unsubscribes: readonly (() => void)[]
  readonly timer: NodeJS.Timeout
}

/**
 * Numbers prices; this is the only place that does. Takes the source's live prices of all watched symbols, already
 * checked for plausibility, and publishes them on the bus. Leads from lead() to yield(); each term is a new run with
 * numbers of its own. While the term is in doubt, prices are numbered but held back.
 */
export class PriceFeed {
  readonly #options: PriceFeedOptions
  readonly #now: () => number
  readonly #updates: Counter
  #term: Leadership | undefined

  constructor(options: PriceFeedOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    const registers = [options.registry]
    this.#updates = new Counter({
      name: 'finstage_feed_updates_total',
      help: 'Prices that the feed numbered',
      registers,
    })
    gaugeOf(
      options.registry,
      'finstage_feed_symbols',
      'Symbols that this feed serves, because somebody watches them',
      () => this.#term?.demand.symbols.size ?? 0,
    )
    gaugeOf(
      options.registry,
      'finstage_feed_stale_symbols',
      'Of these, how many have no current price: the source has failed for them',
      () => (this.#term ? staleCount(this.#term) : 0),
    )
    gaugeOf(options.registry, 'finstage_feed_leading', 'Whether this feed leads: 1, or 0', () =>
      this.#term?.lead.holds ? 1 : 0,
    )
  }

  lead(lead: Lead): void {
    if (this.#term) return
    const { run } = lead
    const { bus, openLive, log } = this.#options
    const sink: ListingSink = {
      update: (listing) => this.#observe(listing),
      failure: (symbol, error) => this.#fail(symbol, error),
    }
    const term: Leadership = {
      lead,
      demand: new Demand(),
      live: openLive(sink),
      newest: new Map(),
      lastSeq: new LRUCache({ max: rememberedNumbers }),
      failures: new Map(),
      withheld: new Set(),
      unsubscribes: [
        bus.subscribe('watch', (announcement) => this.#hear(announcement)),
        // A hub may have asked for the current state while nothing was heard.
        bus.subscribe('reconnected', () => this.#tellAgain(term, term.demand.symbols)),
      ],
      timer: setInterval(() => this.#forget(), announceIntervalMs),
    }
    this.#term = term
    log.info({ run }, 'the feed leads')
    bus.publish('feedStarted', { run })
  }

  /** The database has just confirmed the term. */
  confirmed(): void {
    const term = this.#term
    if (!term) return
    this.#options.bus.publish('feedConfirmed', { run: term.lead.run })
    if (term.withheld.size === 0) return
    const withheld = [...term.withheld]
    term.withheld.clear()
    this.#tellAgain(term, withheld)
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

  #watch(term: Leadership): void {
    const { symbols } = term.demand
    for (const symbol of term.newest.keys()) if (!symbols.has(symbol)) term.newest.delete(symbol)
    for (const symbol of term.failures.keys()) if (!symbols.has(symbol)) term.failures.delete(symbol)
    term.live.watch(symbols)
  }

  /** Sends the current state of symbols to a node that has just begun to watch them. */
  #tellAgain(term: Leadership, symbols: Iterable<string>): void {
    for (const symbol of symbols) {
      const newest = term.newest.get(symbol)
      const failure = term.failures.get(symbol)
      if (newest) this.#tell(term, symbol, 'price', newest)
      else if (failure) this.#tell(term, symbol, 'priceFailure', failure)
    }
  }

  #tell<T extends 'price' | 'priceFailure'>(term: Leadership, symbol: string, topic: T, message: Topics[T]): void {
    if (term.lead.holds) this.#options.bus.publish(topic, message)
    else term.withheld.add(symbol)
  }

  #observe({ quote }: Listing): void {
    if (!quote || !this.#term) return
    const last = this.#term.newest.get(quote.symbol)?.quote
    // Readers take the greater number for the newer price.
    if (last && quote.timeMs < last.timeMs) return
    this.#publish(this.#term, quote, last !== undefined && isStatusChange(quote, last) ? 'STATUS' : 'TICK')
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
    const failure: PriceFailure = { symbol, run: term.lead.run, code, message, details }
    term.failures.set(symbol, failure)
    this.#tell(term, symbol, 'priceFailure', failure)
  }

  #publish(term: Leadership, quote: Quote, kind: FeedUpdate['kind']): void {
    const seq = (term.lastSeq.get(quote.symbol) ?? 0) + 1
    term.lastSeq.set(quote.symbol, seq)
    const update: FeedUpdate = { kind, run: term.lead.run, seq, quote }
    term.newest.set(quote.symbol, update)
    term.failures.delete(quote.symbol)
    this.#updates.inc()
    this.#tell(term, quote.symbol, 'price', update)
  }
}

function staleCount({ newest, failures }: Leadership): number {
  let count = failures.size
  for (const { quote } of newest.values()) if (quote.stale) count++
  return count
}

/** Whether the only news is not a price: the feed is back, or the market state has changed. */
const isStatusChange = (quote: Quote, last: Quote): boolean =>
  isSameTrade(quote, last) && (quote.stale !== last.stale || quote.marketState !== last.marketState)
