import type { PriceUpdate } from '../domain/price-update.ts'
import { Channel } from './channel.ts'
import type { PriceOrder, PriceSubscription } from './price-subscription.ts'
import type { Sink } from './seats/price-seat.ts'

/** How many subscriptions are told of the end of a window before the event loop serves others. */
const perTurn = 250

/** What a client asks for that wants prices in lists. */
export interface BatchOrder extends Pick<PriceOrder, 'symbols' | 'after'> {
  /** How long the windows are, in milliseconds. */
  readonly batchMs: number
}

/** Whoever wants to be told when the present window ends. */
export interface Windowed {
  readonly batchMs: number
  windowEnded(): void
}

/**
 * Windows of time, one behind the other. Those of one length begin and end for all at the same time, so that whoever
 * waits for the same symbols gets the same batch.
 */
export class BatchWindows {
  readonly #now: () => number
  /** Who waits for the end of a window, by its length. */
  readonly #waiting = new Map<number, Set<Windowed>>()

  constructor(now: () => number) {
    this.#now = now
  }

  /** Tells it once. */
  awaitEnd(windowed: Windowed): void {
    const { batchMs } = windowed
    const waiting = this.#waiting.get(batchMs)
    if (waiting) {
      waiting.add(windowed)
      return
    }
    this.#waiting.set(batchMs, new Set([windowed]))
    const leftMs = batchMs - (this.#now() % batchMs)
    // A timer may fire a little early, and then the window that follows would be over at once.
    setTimeout(() => this.#end(batchMs), leftMs < batchMs / 10 ? leftMs + batchMs : leftMs).unref()
  }

  forget(windowed: Windowed): void {
    this.#waiting.get(windowed.batchMs)?.delete(windowed)
  }

  #end(batchMs: number): void {
    const waiting = [...(this.#waiting.get(batchMs) ?? [])]
    this.#waiting.delete(batchMs)
    tellInTurns(waiting)
  }
}

function tellInTurns(waiting: readonly Windowed[]): void {
  for (const windowed of waiting.slice(0, perTurn)) windowed.windowEnded()
  if (waiting.length > perTurn) setImmediate(() => tellInTurns(waiting.slice(perTurn)))
}

/**
 * The prices of some symbols on their way to one client, in lists: at once the newest of each symbol, then, at the end of
 * each window in which symbols have changed, the newest of those. A client that does not take a list gets the newest of
 * its symbols with a later one.
 */
export class PriceBatches implements AsyncIterableIterator<readonly PriceUpdate[]>, Windowed, Sink<PriceUpdate> {
  readonly batchMs: number
  readonly #subscription: PriceSubscription
  readonly #windows: BatchWindows
  #sink: Sink<readonly PriceUpdate[]> | undefined
  /** For a consumer that iterates. */
  #channel: Channel<readonly PriceUpdate[]> | undefined
  /** The list that is being made. */
  #batch: PriceUpdate[] | undefined

  /** `subscription`: one that keeps only the newest of what its sink does not take. */
  constructor(subscription: PriceSubscription, batchMs: number, windows: BatchWindows) {
    this.#subscription = subscription
    this.batchMs = batchMs
    this.#windows = windows
  }

  /** From now on the sink gets every list. To be called once, and not by a consumer that iterates. */
  pipe(sink: Sink<readonly PriceUpdate[]>): void {
    this.#sink = sink
    this.#deliver(() => this.#subscription.pipe(this))
  }

  /** The sink takes more. */
  resume(): void {
    this.#windows.awaitEnd(this)
  }

  /** The sink had taken the list, and could not send it. Its symbols come again in a later one. */
  lost(updates: readonly PriceUpdate[]): void {
    for (const update of updates) this.#subscription.lost(update)
    this.#windows.awaitEnd(this)
  }

  windowEnded(): void {
    this.#deliver(() => this.#subscription.resume())
  }

  take(update: PriceUpdate): boolean {
    if (this.#batch) {
      this.#batch.push(update)
      return true
    }
    this.#windows.awaitEnd(this)
    return false
  }

  /** The subscription has ended. */
  end(): void {
    this.#windows.forget(this)
    this.#sink?.end()
  }

  next(): Promise<IteratorResult<readonly PriceUpdate[]>> {
    const channel = this.#channel ?? this.#openChannel()
    return channel.next()
  }

  async return(): Promise<IteratorResult<readonly PriceUpdate[]>> {
    await this.#subscription.return()
    return { value: undefined, done: true }
  }

  async throw(error: unknown): Promise<IteratorResult<readonly PriceUpdate[]>> {
    await this.return()
    throw error
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #deliver(collect: () => void): void {
    const batch: PriceUpdate[] = []
    this.#batch = batch
    collect()
    this.#batch = undefined
    if (batch.length > 0 && !this.#sink?.take(batch)) this.lost(batch)
  }

  #openChannel(): Channel<readonly PriceUpdate[]> {
    const channel = new Channel<readonly PriceUpdate[]>({
      maxWaiting: 1,
      // The sink takes no more than that, so there is nothing to compact.
      compact: (waiting) => [...waiting],
      onEnd: () => void this.#subscription.return(),
    })
    this.#channel = channel
    this.pipe({
      take: (batch) => {
        if (channel.size > 0) return false
        channel.push(batch)
        return true
      },
      end: () => void channel.return(),
    })
    return channel
  }
}
