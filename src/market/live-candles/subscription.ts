import { setImmediate as nextTurn } from 'node:timers/promises'
import { maxCandles } from '../../domain/candle.ts'
import type { CandleUpdate } from '../../domain/candle-update.ts'
import { type FinstageError, readerTooSlow } from '../../domain/errors.ts'
import { Channel } from '../../stream/channel.ts'

/** So many updates wait for a reader before only the newest of each candle is kept. */
const maxWaiting = 100
/** A reader that always finds something to read would keep everything else waiting. */
const readsAtATime = 50

/**
 * The updates of one subscription on their way to its reader: the snapshots, then what changes. A slow reader loses updates
 * between, never a CLOSE, nor the order. One for whom more waits than a new subscription could begin with gets that, and
 * LIMIT_EXCEEDED as the last.
 */
export class LiveCandleSubscription implements AsyncIterableIterator<CandleUpdate | FinstageError> {
  #snapshots: Iterator<CandleUpdate>
  readonly #changes: Channel<CandleUpdate | FinstageError>
  #reads = 0

  constructor(snapshots: Iterable<CandleUpdate>, onEnd: (subscription: LiveCandleSubscription) => void) {
    this.#snapshots = snapshots[Symbol.iterator]()
    this.#changes = new Channel<CandleUpdate | FinstageError>({
      maxWaiting,
      // The error comes last, when nothing more is pushed.
      compact: (waiting) => withoutOvertaken(waiting as readonly CandleUpdate[]),
      bound: { waiting: maxCandles, last: () => readerTooSlow(maxCandles, 'updates') },
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

  async next(): Promise<IteratorResult<CandleUpdate | FinstageError>> {
    this.#reads += 1
    if (this.#reads % readsAtATime === 0) await nextTurn()
    const snapshot = this.#snapshots.next()
    return snapshot.done ? this.#changes.next() : snapshot
  }

  return(): Promise<IteratorResult<CandleUpdate | FinstageError>> {
    this.#snapshots = none()
    return this.#changes.return()
  }

  throw(error: unknown): Promise<IteratorResult<CandleUpdate | FinstageError>> {
    this.#snapshots = none()
    return this.#changes.throw(error)
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

const none = (): Iterator<CandleUpdate> => [][Symbol.iterator]()

/** Without what a later update of the same candle tells too. */
export function withoutOvertaken(updates: readonly CandleUpdate[]): CandleUpdate[] {
  const newest = new Map(updates.map((update) => [update.candle.epoch, update]))
  return updates.filter((update) => update.kind !== 'UPDATE' || newest.get(update.candle.epoch) === update)
}
