import { setImmediate as nextTurn } from 'node:timers/promises'
import { maxCandles } from '../domain/candle.ts'
import { Channel } from '../stream/channel.ts'
import type { CandleUpdate } from './live-candle-update.ts'

/** So many updates wait for a reader before only the newest of each candle is kept. */
const maxWaiting = 100
/** A reader that always finds something to read would keep everything else waiting. */
const readsAtATime = 50

/**
 * The updates of one subscription on their way to its reader: the snapshots, then what changes. A slow reader loses updates
 * between, never a CLOSE, nor the order; one that is further behind than a new subscription could make good is ended.
 */
export class LiveCandleSubscription implements AsyncIterableIterator<CandleUpdate> {
  #snapshots: Iterator<CandleUpdate>
  readonly #changes: Channel<CandleUpdate>
  #reads = 0

  constructor(snapshots: Iterable<CandleUpdate>, onEnd: (subscription: LiveCandleSubscription) => void) {
    this.#snapshots = snapshots[Symbol.iterator]()
    this.#changes = new Channel<CandleUpdate>({
      maxWaiting,
      compact: (waiting) => this.#compact(waiting),
      onEnd: () => onEnd(this),
    })
  }

  push(update: CandleUpdate): void {
    this.#changes.push(update)
  }

  /** The reader gets what waits, and then the end. */
  end(): void {
    this.#changes.end()
  }

  async next(): Promise<IteratorResult<CandleUpdate>> {
    this.#reads += 1
    if (this.#reads % readsAtATime === 0) await nextTurn()
    const snapshot = this.#snapshots.next()
    return snapshot.done ? this.#changes.next() : snapshot
  }

  return(): Promise<IteratorResult<CandleUpdate>> {
    this.#snapshots = none()
    return this.#changes.return()
  }

  throw(error: unknown): Promise<IteratorResult<CandleUpdate>> {
    this.#snapshots = none()
    return this.#changes.throw(error)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #compact(waiting: readonly CandleUpdate[]): CandleUpdate[] {
    const kept = withoutOvertaken(waiting)
    if (kept.length > maxCandles) this.#changes.end()
    return kept
  }
}

const none = (): Iterator<CandleUpdate> => [][Symbol.iterator]()

/** Without what a later update of the same candle tells too. */
export function withoutOvertaken(updates: readonly CandleUpdate[]): CandleUpdate[] {
  const newest = new Map(updates.map((update) => [update.candle.epoch, update]))
  return updates.filter((update) => update.kind !== 'UPDATE' || newest.get(update.candle.epoch) === update)
}
