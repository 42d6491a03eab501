import { setImmediate as nextTurn } from 'node:timers/promises'
import { maxCandles } from '../../domain/candle.ts'
import type { CandleUpdate } from '../../domain/candle-update.ts'
import { type FinstageError, readerTooSlow } from '../../domain/errors.ts'
import { Channel } from '../../stream/channel.ts'

/** When more updates than this wait for a reader, only the newest of each candle is kept. */
const maxWaiting = 100
/**
 * After this many reads the event loop gets a turn: a reader that always finds an update would block everything else.
 */
const readsAtATime = 50

/**
 * The updates of one subscription on their way to its reader: the snapshots, then the changes. A slow reader loses
 * intermediate updates, never a CLOSE and never the order. If more updates wait than a new subscription could begin
 * with, the reader gets those, then LIMIT_EXCEEDED as the last.
 */
export class LiveCandleSubscription implements AsyncIterableIterator<CandleUpdate | FinstageError> {
  #snapshots: Iterator<CandleUpdate>
  readonly #changes: Channel<CandleUpdate | FinstageError>
  #reads = 0

  constructor(snapshots: Iterable<CandleUpdate>, onEnd: (subscription: LiveCandleSubscription) => void) {
    this.#snapshots = snapshots[Symbol.iterator]()
    this.#changes = new Channel<CandleUpdate | FinstageError>({
      maxWaiting,
      // The error is pushed last, so there is none among these.
      compact: (waiting) => withoutOvertaken(waiting as readonly CandleUpdate[]),
      bound: { waiting: maxCandles, last: () => readerTooSlow(maxCandles, 'updates') },
      onEnd: () => onEnd(this),
    })
  }

  push(update: CandleUpdate): void {
    this.#changes.push(update)
  }

  /** The reader still gets the waiting updates, then the end. */
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

/** Drops updates that a later update of the same candle supersedes. */
export function withoutOvertaken(updates: readonly CandleUpdate[]): CandleUpdate[] {
  const newest = new Map(updates.map((update) => [update.candle.epoch, update]))
  return updates.filter((update) => update.kind !== 'UPDATE' || newest.get(update.candle.epoch) === update)
}
