import type { PriceCursor, PriceUpdate } from '../domain/price-update.ts'
import { Channel } from './channel.ts'
import { type PriceCounts, Seat, type SeatOwner, type Sink } from './seats/price-seat.ts'

/** How many updates wait for a consumer that iterates. */
const maxWaiting = 1024

/** What a client asks for. */
export interface PriceOrder {
  readonly symbols: readonly string[]
  /** Deliver at most the latest update per symbol in each window of this length; 0 delivers every update. */
  readonly throttleMs: number
  /** The sink takes updates from time to time only, the newest of each symbol. */
  readonly isBatched?: boolean
  /** How far the client had come, by symbol. */
  readonly after: ReadonlyMap<string, PriceCursor>
}

export interface PriceSubscriptionOptions {
  readonly now: () => number
  readonly counts: PriceCounts
  readonly onEnd: (subscription: PriceSubscription) => void
}

/**
 * The updates of some symbols on their way to one client. They have one way out: `pipe(sink)`, at the sink's pace.
 * Iterating pipes them into a bounded queue. A slow client gets the newest update of each symbol in place of those that
 * it did not take: it loses prices between, never the order.
 */
export class PriceSubscription implements AsyncIterableIterator<PriceUpdate>, SeatOwner {
  readonly seats: readonly Seat[]
  readonly throttleMs: number
  readonly isWhole: boolean
  readonly counts: PriceCounts
  readonly #options: PriceSubscriptionOptions
  #sink: Sink<PriceUpdate> | undefined
  /** For a consumer that iterates. */
  #channel: Channel<PriceUpdate> | undefined
  /** Seats whose sink has not taken an update, in the order in which they fell behind: so each has its turn. */
  #behind: Seat[] = []
  #isEnded = false

  constructor({ symbols, throttleMs, after, isBatched }: PriceOrder, options: PriceSubscriptionOptions) {
    this.#options = options
    this.throttleMs = throttleMs
    this.isWhole = throttleMs === 0 && !isBatched
    this.counts = options.counts
    this.seats = [...new Set(symbols)].map((symbol) => new Seat(this, symbol, after.get(symbol)))
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /**
   * From now on the sink gets every update, beginning with the newest of each symbol or the updates that the client has
   * missed. To be called once, and not by a consumer that iterates.
   */
  pipe(sink: Sink<PriceUpdate>): void {
    if (this.#isEnded) {
      sink.end()
      return
    }
    this.#sink = sink
    for (const seat of this.seats) seat.begin(sink)
    this.resume()
  }

  /** The sink takes more: it is offered what it has not taken. */
  resume(): void {
    const behind = this.#behind
    this.#behind = []
    for (const [i, seat] of behind.entries()) {
      if (seat.catchUp()) continue
      this.#behind = [...this.#behind, ...behind.slice(i + 1)]
      return
    }
  }

  /**
   * The sink had taken the update, and could not send it. It gets the newest update instead, when it calls resume().
   */
  lost(update: PriceUpdate): void {
    this.seats.find(({ symbol }) => symbol === update.quote.symbol)?.lost(update)
  }

  nowMs(): number {
    return this.#options.now()
  }

  fellBehind(seat: Seat): void {
    this.#behind.push(seat)
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
      // The sink takes no more than that, so there is nothing to compact.
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
    this.#behind = []
    this.#options.onEnd(this)
    this.#sink?.end()
  }
}
