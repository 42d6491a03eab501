import type { PriceCursor, PriceUpdate } from '../domain/price-update.ts'
import { Channel } from './channel.ts'
import { type PriceCounts, type PriceSink, type Reader, Seat } from './price-seat.ts'

/** How many updates wait for a reader that asks for each. */
const maxWaiting = 1024

/** What a client wants of prices. */
export interface PriceOrder {
  readonly symbols: readonly string[]
  /** Of each symbol only the newest in each such window; 0: all. */
  readonly throttleMs: number
  /** How far the client had come, by symbol. */
  readonly after: ReadonlyMap<string, PriceCursor>
}

export interface PriceSubscriptionOptions {
  readonly now: () => number
  readonly counts: PriceCounts
  readonly onEnd: (subscription: PriceSubscription) => void
}

/**
 * The updates of some symbols on their way to one reader: one that asks for each, or one that takes them as they come. What a
 * slow one does not take is made good with the newest of each symbol: it loses prices between, never the order.
 */
export class PriceSubscription implements AsyncIterableIterator<PriceUpdate>, Reader {
  readonly seats: readonly Seat[]
  readonly throttleMs: number
  readonly #options: PriceSubscriptionOptions
  #sink: PriceSink | undefined
  /** For a reader that asks. */
  #channel: Channel<PriceUpdate> | undefined
  /** In the order in which they came to owe: each has its turn, however little the reader takes at a time. */
  #owing: Seat[] = []
  #isEnded = false

  constructor({ symbols, throttleMs, after }: PriceOrder, options: PriceSubscriptionOptions) {
    this.#options = options
    this.throttleMs = throttleMs
    this.seats = [...new Set(symbols)].map((symbol) => new Seat(this, symbol, after.get(symbol), options.counts))
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /** From now on the sink has everything, and nobody is to ask for the next. It begins with how things stand by now. */
  pipe(sink: PriceSink): void {
    if (this.#isEnded) {
      sink.end()
      return
    }
    this.#sink = sink
    for (const seat of this.seats) seat.begin(sink)
    this.resume()
  }

  /** Makes good what the sink has not taken. */
  resume(): void {
    const owing = this.#owing
    this.#owing = []
    for (const [i, seat] of owing.entries()) {
      if (seat.catchUp()) continue
      this.#owing = [...this.#owing, ...owing.slice(i + 1)]
      return
    }
  }

  /** An update that the sink had taken did not get through: the newest does, when the sink calls resume(). */
  lost(update: PriceUpdate): void {
    this.seats.find(({ symbol }) => symbol === update.quote.symbol)?.lost(update)
  }

  nowMs(): number {
    return this.#options.now()
  }

  owes(seat: Seat): void {
    this.#owing.push(seat)
  }

  next(): Promise<IteratorResult<PriceUpdate>> {
    const channel = this.#channel ?? this.#openChannel()
    const next = channel.next()
    if (channel.size === 0) this.resume()
    return next
  }

  return(): Promise<IteratorResult<PriceUpdate>> {
    this.#end()
    return Promise.resolve({ value: undefined, done: true })
  }

  throw(error: unknown): Promise<IteratorResult<PriceUpdate>> {
    this.#end()
    return Promise.reject(error)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #openChannel(): Channel<PriceUpdate> {
    const channel = new Channel<PriceUpdate>({
      maxWaiting,
      // There are never more: they are not taken.
      compact: (waiting) => [...waiting],
      onEnd: () => this.#end(),
    })
    this.#channel = channel
    this.pipe({
      take: (update) => {
        if (channel.size >= maxWaiting) return false
        channel.push(update)
        return true
      },
      end: () => void channel.return(),
    })
    return channel
  }

  #end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    for (const seat of this.seats) seat.clear()
    this.#owing = []
    this.#options.onEnd(this)
    this.#sink?.end()
  }
}
