import type { PriceCursor, PriceUpdate, PriceUpdateKind } from '../domain/price-update.ts'
import { Channel } from './channel.ts'

/** How many updates wait for a reader before only the newest of each symbol is kept. */
const maxWaiting = 1024

/** What a client wants of prices. */
export interface PriceOrder {
  readonly symbols: readonly string[]
  /** Of each symbol only the newest in each such window; 0: all. */
  readonly throttleMs: number
  /** How far the client had come, by symbol. */
  readonly after: ReadonlyMap<string, PriceCursor>
}

/** Takes the updates of a subscription as they come. */
export interface PriceSink {
  update(update: PriceUpdate, seat: Seat): void
  /** Nothing more comes. */
  end(): void
}

/**
 * The updates of some symbols on their way to one reader: one that asks for each (what waits for it stays bounded: a slow one
 * loses prices between, never the order), or one that takes them as they come.
 */
export class PriceSubscription implements AsyncIterableIterator<PriceUpdate> {
  readonly seats: readonly Seat[]
  readonly #channel: Channel<PriceUpdate>
  #sink: PriceSink | undefined

  constructor({ symbols, throttleMs, after }: PriceOrder, onEnd: (subscription: PriceSubscription) => void) {
    this.seats = [...new Set(symbols)].map((symbol) => new Seat(this, symbol, throttleMs, after.get(symbol)))
    this.#channel = new Channel<PriceUpdate>({
      maxWaiting: maxWaiting + symbols.length,
      compact: newestOfEachSymbol,
      onEnd: () => {
        for (const seat of this.seats) seat.clear()
        onEnd(this)
        this.#sink?.end()
      },
    })
  }

  /** From now on the sink has everything, what waits included, and nobody is to ask for the next. */
  pipe(sink: PriceSink): void {
    const seats = new Map(this.seats.map((seat) => [seat.symbol, seat]))
    for (const update of this.#channel.drain()) sink.update(update, seats.get(update.quote.symbol) as Seat)
    this.#sink = sink
  }

  deliver(update: PriceUpdate, seat: Seat): void {
    if (this.#sink) this.#sink.update(update, seat)
    else this.#channel.push(update)
  }

  next(): Promise<IteratorResult<PriceUpdate>> {
    return this.#channel.next()
  }

  return(): Promise<IteratorResult<PriceUpdate>> {
    return this.#channel.return()
  }

  throw(error: unknown): Promise<IteratorResult<PriceUpdate>> {
    return this.#channel.throw(error)
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

/**
 * One symbol of a subscription: lets through what its reader has not seen, as a SNAPSHOT where that does not go on from what
 * it has, and where the reader wants fewer, the newest of each window.
 */
export class Seat {
  readonly symbol: string
  readonly #subscription: PriceSubscription
  readonly #throttleMs: number
  #run: string | undefined
  #seq = 0
  /** The newest of the window that runs. */
  #held: PriceUpdate | undefined
  #window: NodeJS.Timeout | undefined

  constructor(subscription: PriceSubscription, symbol: string, throttleMs: number, after: PriceCursor | undefined) {
    this.#subscription = subscription
    this.symbol = symbol
    this.#throttleMs = throttleMs
    this.#run = after?.run
    this.#seq = after?.seq ?? 0
  }

  /** How far the reader has come: the number of the last update of a run; null: nothing of that run. */
  seen(run: string): number | null {
    return this.#run === run ? this.#seq : null
  }

  push(update: PriceUpdate): void {
    const { run, seq } = update
    const goesOn = this.#run === run
    if (goesOn && seq <= this.#seq) return
    this.#run = run
    this.#seq = seq
    const told = goesOn ? update : asSnapshot(update)
    if (this.#throttleMs === 0) this.#subscription.deliver(told, this)
    else this.#throttle(told)
  }

  /** What does not go on from what the reader has: the update as it stands, whatever the reader has seen. */
  restart(update: PriceUpdate): void {
    this.#run = undefined
    this.push(update)
  }

  clear(): void {
    clearTimeout(this.#window)
    this.#window = undefined
    this.#held = undefined
  }

  #throttle(update: PriceUpdate): void {
    if (this.#window !== undefined) {
      this.#held = this.#held ? merged(this.#held, update) : update
      return
    }
    this.#subscription.deliver(update, this)
    this.#window = setTimeout(() => {
      this.#window = undefined
      const held = this.#held
      this.#held = undefined
      if (held) this.#throttle(held)
    }, this.#throttleMs)
  }
}

/** Made once for all whom it concerns, so that they can share what is made of it. */
const snapshots = new WeakMap<PriceUpdate, PriceUpdate>()

function asSnapshot(update: PriceUpdate): PriceUpdate {
  if (update.kind === 'SNAPSHOT') return update
  const known = snapshots.get(update)
  if (known) return known
  const snapshot: PriceUpdate = { ...update, kind: 'SNAPSHOT' }
  snapshots.set(update, snapshot)
  return snapshot
}

/** What takes the place of others tells all that they told: of a first price, else of a new one. */
export function newestOfEachSymbol(updates: readonly PriceUpdate[]): PriceUpdate[] {
  const newest = new Map<string, PriceUpdate>()
  for (const update of updates) {
    const { symbol } = update.quote
    const before = newest.get(symbol)
    newest.delete(symbol)
    newest.set(symbol, before ? merged(before, update) : update)
  }
  return [...newest.values()]
}

/** An update that takes the place of the one before it. */
export function merged(before: PriceUpdate, update: PriceUpdate): PriceUpdate {
  if (rank[before.kind] <= rank[update.kind]) return update
  return before.kind === 'SNAPSHOT' ? asSnapshot(update) : { ...update, kind: before.kind }
}

const rank: Record<PriceUpdateKind, number> = { SNAPSHOT: 2, TICK: 1, STATUS: 0 }
