import { randomUUID } from 'node:crypto'
import type { Registry } from 'prom-client'
import { FinstageError } from '../domain/errors.ts'
import { type FeedUpdate, isUnheard, type PriceUpdate, unheard } from '../domain/price-update.ts'
import { counterOf, gaugeOf } from '../platform/metrics.ts'
import type { Bus, PriceFailure, WatchAnnouncement } from './bus.ts'
import { announceIntervalMs } from './demand.ts'
import type { FeedPulse } from './feed-pulse.ts'
import { type BatchOrder, BatchWindows, PriceBatches } from './price-batches.ts'
import { type PriceOrder, PriceSubscription, type PriceSubscriptionOptions } from './price-subscription.ts'
import { FanOut } from './seats/fan-out.ts'
import type { PriceCounts, Seat } from './seats/price-seat.ts'
import { SymbolSeats } from './seats/symbol-seats.ts'

/** How long a subscriber waits for the first price of a symbol that nobody has watched before. */
const firstPriceTimeoutMs = 10_000
/** Keeps an announcement within one bus message. */
const symbolsPerAnnouncement = 200
/** How long a symbol stays watched after its last subscriber has left: a client that reconnects misses nothing. */
const lingerMs = 10_000
/** How many symbols may linger at most: otherwise a client could have ever new symbols watched. */
const maxLingering = 1000
/** How many updates are remembered for all symbols together, and for one symbol at most and at least. */
const remembered = { inAll: 200_000, most: 1000, least: 16 }

/** A symbol that somebody in this process watches. */
interface WatchedSymbol {
  /** How many subscriptions want it, including those that still wait for a first price. */
  holders: number
  readonly seats: SymbolSeats
  readonly waiting: Set<{ arrived: () => void; failed: (error: FinstageError) => void }>
  /** The last update. It may still wait for its turn to be spread. */
  newest: PriceUpdate | undefined
  /** Runs while no subscription wants it. */
  lingering: NodeJS.Timeout | undefined
}

export interface HubOptions {
  readonly bus: Bus
  readonly pulse: FeedPulse
  readonly registry: Registry
  readonly now?: () => number
}

/** Keeps the newest price of every symbol that clients of this process watch, and passes updates on to them. */
export class PriceHub {
  readonly #bus: Bus
  readonly #pulse: FeedPulse
  readonly #now: () => number
  readonly #node = randomUUID()
  readonly #watched = new Map<string, WatchedSymbol>()
  /** Symbols that no subscription wants, the longest lingering first. */
  readonly #lingering = new Set<string>()
  readonly #subscriptions = new Set<PriceSubscription>()
  readonly #counts: PriceCounts = { delivered: 0, conflated: 0 }
  /** Shared by all subscriptions: there are as many as clients. */
  readonly #subscriptionOptions: PriceSubscriptionOptions
  readonly #windows: BatchWindows
  readonly #fanOut = new FanOut()
  #isStopped = false
  #stops: (() => void)[] = []

  constructor(options: HubOptions) {
    this.#bus = options.bus
    this.#pulse = options.pulse
    this.#now = options.now ?? Date.now
    this.#windows = new BatchWindows(this.#now)
    const { registry } = options
    const counts = this.#counts
    this.#subscriptionOptions = { now: this.#now, counts, onEnd: (ended) => this.#remove(ended) }
    counterOf(
      registry,
      'finstage_price_deliveries_total',
      'Price updates handed to subscriptions',
      () => counts.delivered,
    )
    counterOf(
      registry,
      'finstage_conflated_total',
      'Price updates left out for newer ones, because a reader was slow',
      () => counts.conflated,
    )
    gaugeOf(
      registry,
      'finstage_price_subscriptions',
      'Price subscriptions that are open',
      () => this.#subscriptions.size,
    )
    gaugeOf(
      registry,
      'finstage_watched_symbols',
      'Symbols that clients of this process watch',
      () => this.#watched.size,
    )
  }

  start(): void {
    if (this.#stops.length > 0) return
    this.#isStopped = false
    const timer = setInterval(() => this.#announceHeld(), announceIntervalMs)
    this.#stops = [
      this.#bus.subscribe('price', (update) => this.#receive(update)),
      this.#bus.subscribe('priceFailure', (failure) => this.#fail(failure)),
      this.#bus.subscribe('feedStarted', () => this.#announce('held', [...this.#watched.keys()])),
      this.#bus.subscribe('reconnected', () => this.#askAnew()),
      this.#pulse.follow({ silent: () => this.#tellOfSilence(), heard: () => this.#askAnew() }),
      () => clearInterval(timer),
    ]
  }

  /** Ends every subscription. */
  stop(): void {
    this.#isStopped = true
    for (const subscription of [...this.#subscriptions]) void subscription.return()
    this.#drop([...this.#lingering])
    for (const stop of this.#stops) stop()
    this.#stops = []
  }

  /**
   * Sends the current price of each symbol at once, or the updates that the reader has missed if they are remembered;
   * then every update. Rejects with the error of the first symbol that cannot be served (SYMBOL_NOT_FOUND, NO_DATA, the
   * source's error), or SOURCE_UNAVAILABLE if no feed answers within 10 s.
   */
  async subscribe(order: PriceOrder): Promise<PriceSubscription> {
    const subscription = new PriceSubscription(order, this.#subscriptionOptions)
    const added = this.#add(subscription)
    const firstPrices = Promise.all(subscription.seats.flatMap(({ symbol }) => this.#firstPrice(symbol) ?? []))
    // Announced only once somebody waits: a feed in this process answers synchronously.
    this.#announce('added', added)
    try {
      await firstPrices
    } catch (error) {
      void subscription.return()
      throw error
    }
    if (this.#isStopped) void subscription.return()
    // If it has ended meanwhile, nobody would remove the seats again.
    if (!subscription.isEnded) for (const seat of subscription.seats) this.#seat(seat)
    return subscription
  }

  /** The same in lists: see `PriceBatches`. Rejects as `subscribe` does. */
  async subscribeBatches({ batchMs, ...order }: BatchOrder): Promise<PriceBatches> {
    const subscription = await this.subscribe({ ...order, throttleMs: 0, isBatched: true })
    return new PriceBatches(subscription, batchMs, this.#windows)
  }

  #seat(seat: Seat): void {
    const watched = this.#watched.get(seat.symbol)
    if (!watched) throw new Error(`${seat.symbol} is not watched`)
    seat.open(watched.seats)
    watched.seats.add(seat)
  }

  /** Returns the symbols that nobody in this process watched before. */
  #add(subscription: PriceSubscription): string[] {
    this.#subscriptions.add(subscription)
    const added: string[] = []
    for (const { symbol } of subscription.seats) {
      const watched = this.#watched.get(symbol)
      if (watched) {
        watched.holders += 1
        this.#lingering.delete(symbol)
        clearTimeout(watched.lingering)
        continue
      }
      this.#watched.set(symbol, {
        holders: 1,
        seats: new SymbolSeats(this.#counts),
        waiting: new Set(),
        newest: undefined,
        lingering: undefined,
      })
      added.push(symbol)
    }
    return added
  }

  #remove(subscription: PriceSubscription): void {
    if (!this.#subscriptions.delete(subscription)) return
    const dropped: string[] = []
    for (const seat of subscription.seats) {
      const watched = this.#watched.get(seat.symbol)
      if (!watched) continue
      watched.seats.delete(seat)
      watched.holders -= 1
      if (watched.holders > 0) continue
      // Those who still wait have left: no timer may be pending.
      for (const waiter of [...watched.waiting]) waiter.failed(notComing(seat.symbol))
      if (watched.newest) this.#linger(seat.symbol, watched)
      else dropped.push(seat.symbol)
    }
    for (const symbol of this.#lingering) {
      if (this.#lingering.size - dropped.length <= maxLingering) break
      dropped.push(symbol)
    }
    this.#drop(dropped)
  }

  #linger(symbol: string, watched: WatchedSymbol): void {
    this.#lingering.add(symbol)
    watched.lingering = setTimeout(() => this.#drop([symbol]), lingerMs).unref()
  }

  #drop(symbols: readonly string[]): void {
    for (const symbol of symbols) {
      clearTimeout(this.#watched.get(symbol)?.lingering)
      this.#watched.delete(symbol)
      this.#lingering.delete(symbol)
    }
    this.#announce('dropped', symbols)
  }

  #announce(event: WatchAnnouncement['event'], symbols: readonly string[]): void {
    for (let start = 0; start < symbols.length; start += symbolsPerAnnouncement) {
      const part = symbols.slice(start, start + symbolsPerAnnouncement)
      this.#bus.publish('watch', { node: this.#node, event, symbols: part })
    }
  }

  #announceHeld(): void {
    this.#announce('held', [...this.#watched.keys()])
    if (this.#pulse.isSilent) return
    // The feed is alive but has not sent these prices again: it may not have been asked.
    const unsaid = [...this.#watched].filter(([, { newest }]) => newest && isUnheard(newest.run))
    this.#announce(
      'added',
      unsaid.map(([symbol]) => symbol),
    )
  }

  /** Announces all symbols as new, so that the feed sends their state again. */
  #askAnew(): void {
    this.#announce('added', [...this.#watched.keys()])
  }

  /** Marks all prices as stale. The feed has not numbered these updates, so they use a run of the hub's own. */
  #tellOfSilence(): void {
    for (const watched of this.#watched.values()) {
      const last = watched.newest
      if (!last || last.quote.stale) continue
      const { run, seq, quote } = last
      this.#spread(watched, {
        kind: 'STATUS',
        run: unheard(run),
        seq: seq + 1,
        publishedAtMs: this.#now(),
        quote: { ...quote, stale: true },
      })
    }
  }

  /** undefined: it is there. */
  #firstPrice(symbol: string): Promise<void> | undefined {
    const watched = this.#watched.get(symbol)
    if (!watched || watched.seats.history.newest) return undefined
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
    // A deposed leader may still speak for a moment.
    if (run < this.#pulse.run) return
    if (this.#pulse.isSilent) this.#pulse.hear(run)
    const last = watched.newest
    if (last && !isNews(run, seq, last)) return
    // If the price before a STATUS was lost on the way, the update carries that price too.
    const isStatus = kind === 'STATUS' && last?.run === run && seq === last.seq + 1
    this.#spread(watched, { kind: isStatus ? 'STATUS' : 'TICK', run, seq, publishedAtMs: this.#now(), quote })
  }

  #spread(watched: WatchedSymbol, update: PriceUpdate): void {
    const fair = Math.floor(remembered.inAll / this.#watched.size)
    watched.newest = update
    const spread = {
      update,
      seats: watched.seats,
      remembered: Math.min(Math.max(fair, remembered.least), remembered.most),
      begun: () => {
        for (const waiter of [...watched.waiting]) waiter.arrived()
      },
    }
    this.#fanOut.add(spread, this.#watched.size)
  }

  #fail({ symbol, run, code, message, details }: PriceFailure): void {
    const watched = this.#watched.get(symbol)
    if (!watched || run < this.#pulse.run) return
    const last = watched.newest
    if (!last) for (const waiter of [...watched.waiting]) waiter.failed(new FinstageError(code, message, details))
    // A leader that has started during an outage has no price, and the one known here is no longer current.
    if (!last || run <= last.run) return
    this.#spread(watched, {
      kind: 'SNAPSHOT',
      run,
      seq: 0,
      publishedAtMs: this.#now(),
      quote: { ...last.quote, stale: true },
    })
  }
}

function isNews(run: string, seq: number, last: PriceUpdate): boolean {
  if (run === last.run) return seq > last.seq
  if (run > last.run) return true
  // The silent feed goes on. The updates sent meanwhile have none of its numbers, so it may be the same price.
  return last.run === unheard(run) && seq >= last.seq - 1
}

const notComing = (symbol: string): FinstageError =>
  new FinstageError('SOURCE_UNAVAILABLE', `No live price of ${symbol} has come in`, { symbol })
