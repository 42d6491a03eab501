import { randomUUID } from 'node:crypto'
import { Counter, Gauge, type Registry } from 'prom-client'
import { FinstageError } from '../domain/errors.ts'
import type { FeedUpdate, PriceUpdate } from '../domain/price-update.ts'
import type { Bus, PriceFailure, WatchAnnouncement } from './bus.ts'
import { announceIntervalMs } from './demand.ts'
import { type NumberedUpdate, PriceSubscription } from './price-subscription.ts'

/** How long a subscriber waits for the first price of a symbol that nobody watched until now. */
const firstPriceTimeoutMs = 10_000
/** Keeps an announcement within what the bus carries in one message. */
const symbolsPerAnnouncement = 200

/** What is known of a symbol that somebody here watches. */
interface Watched {
  /** How many subscriptions ask for it, those included that still wait for a first price. */
  holders: number
  readonly subscriptions: Set<PriceSubscription>
  readonly waiting: Set<{ arrived: () => void; failed: (error: FinstageError) => void }>
  newest: NumberedUpdate | undefined
}

export interface HubOptions {
  readonly bus: Bus
  readonly registry: Registry
  readonly now?: () => number
}

/** The newest price of every symbol that clients of this process watch, and who gets to know of the next. */
export class PriceHub {
  readonly #bus: Bus
  readonly #now: () => number
  readonly #node = randomUUID()
  readonly #watched = new Map<string, Watched>()
  readonly #subscriptions = new Set<PriceSubscription>()
  readonly #deliveries: Counter
  #stops: (() => void)[] = []

  constructor(options: HubOptions) {
    this.#bus = options.bus
    this.#now = options.now ?? Date.now
    const registers = [options.registry]
    this.#deliveries = new Counter({
      name: 'finstage_price_deliveries_total',
      help: 'Price updates handed to subscriptions',
      registers,
    })
    const gauge = (name: string, help: string, value: () => number): void => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value())
        },
      })
    }
    gauge('finstage_price_subscriptions', 'Price subscriptions that are open', () => this.#subscriptions.size)
    gauge('finstage_watched_symbols', 'Symbols that clients of this process watch', () => this.#watched.size)
  }

  start(): void {
    if (this.#stops.length > 0) return
    const timer = setInterval(() => this.#announce('held', [...this.#watched.keys()]), announceIntervalMs)
    this.#stops = [
      this.#bus.subscribe('price', (update) => this.#receive(update)),
      this.#bus.subscribe('priceFailure', (failure) => this.#fail(failure)),
      this.#bus.subscribe('feedStarted', () => this.#announce('held', [...this.#watched.keys()])),
      // As if all were new: the feed tells again how things stand.
      this.#bus.subscribe('reconnected', () => this.#announce('added', [...this.#watched.keys()])),
      () => clearInterval(timer),
    ]
  }

  /** Ends every subscription. */
  stop(): void {
    for (const subscription of [...this.#subscriptions]) void subscription.updates.return()
    for (const stop of this.#stops) stop()
    this.#stops = []
  }

  /**
   * The current price of each symbol at once, then every update. Rejects with the error of the first symbol that can't be
   * served (SYMBOL_NOT_FOUND, NO_DATA, what the source says), or SOURCE_UNAVAILABLE where no feed answers within 10 s.
   */
  async subscribe(symbols: readonly string[]): Promise<AsyncIterableIterator<PriceUpdate>> {
    const subscription = new PriceSubscription([...new Set(symbols)], (ended) => this.#remove(ended))
    const added = this.#add(subscription)
    const firstPrices = Promise.all(subscription.symbols.map((symbol) => this.#firstPrice(symbol)))
    // Not before somebody waits: a feed in this process answers at once.
    this.#announce('added', added)
    try {
      await firstPrices
    } catch (error) {
      void subscription.updates.return()
      throw error
    }
    for (const symbol of subscription.symbols) {
      const watched = this.#watched.get(symbol)
      if (!watched?.newest) continue
      const { run, update } = watched.newest
      subscription.push({ run, update: { ...update, publishedAtMs: this.#now() } })
      this.#deliveries.inc()
      watched.subscriptions.add(subscription)
    }
    return subscription.updates
  }

  /** Returns the symbols that nobody here has watched before. */
  #add(subscription: PriceSubscription): string[] {
    this.#subscriptions.add(subscription)
    const added: string[] = []
    for (const symbol of subscription.symbols) {
      const watched = this.#watched.get(symbol)
      if (watched) watched.holders += 1
      else {
        this.#watched.set(symbol, { holders: 1, subscriptions: new Set(), waiting: new Set(), newest: undefined })
        added.push(symbol)
      }
    }
    return added
  }

  #remove(subscription: PriceSubscription): void {
    if (!this.#subscriptions.delete(subscription)) return
    const dropped: string[] = []
    for (const symbol of subscription.symbols) {
      const watched = this.#watched.get(symbol)
      if (!watched) continue
      watched.subscriptions.delete(subscription)
      watched.holders -= 1
      if (watched.holders > 0) continue
      this.#watched.delete(symbol)
      // Whoever still waits has left: nothing may be waiting for a timer.
      for (const waiter of [...watched.waiting]) waiter.failed(notComing(symbol))
      dropped.push(symbol)
    }
    this.#announce('dropped', dropped)
  }

  #announce(event: WatchAnnouncement['event'], symbols: readonly string[]): void {
    for (let start = 0; start < symbols.length; start += symbolsPerAnnouncement) {
      const part = symbols.slice(start, start + symbolsPerAnnouncement)
      this.#bus.publish('watch', { node: this.#node, event, symbols: part })
    }
  }

  #firstPrice(symbol: string): Promise<void> {
    const watched = this.#watched.get(symbol)
    if (!watched || watched.newest) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer)
        watched.waiting.delete(waiter)
        act()
      }
      const waiter = {
        arrived: () => settle(resolve),
        failed: (error: FinstageError) => settle(() => reject(error)),
      }
      const timer = setTimeout(() => {
        waiter.failed(notComing(symbol))
      }, firstPriceTimeoutMs)
      watched.waiting.add(waiter)
    })
  }

  #receive({ kind, run, seq, quote }: FeedUpdate): void {
    const watched = this.#watched.get(quote.symbol)
    if (!watched) return
    const last = watched.newest
    // A leader that was deposed may speak for a moment yet.
    if (last && (run < last.run || (run === last.run && seq <= last.update.seq))) return
    // A mere status that follows a price which was lost on the way tells of that price too.
    const isStatus = kind === 'STATUS' && last?.run === run && seq === last.update.seq + 1
    const update: PriceUpdate = { kind: isStatus ? 'STATUS' : 'TICK', seq, publishedAtMs: this.#now(), quote }
    watched.newest = { run, update }
    for (const waiter of [...watched.waiting]) waiter.arrived()
    for (const subscription of watched.subscriptions) subscription.push(watched.newest)
    this.#deliveries.inc(watched.subscriptions.size)
  }

  #fail({ symbol, code, message, details }: PriceFailure): void {
    for (const waiter of [...(this.#watched.get(symbol)?.waiting ?? [])]) {
      waiter.failed(new FinstageError(code, message, details))
    }
  }
}

const notComing = (symbol: string): FinstageError =>
  new FinstageError('SOURCE_UNAVAILABLE', `No live price of ${symbol} has come in`, { symbol })
