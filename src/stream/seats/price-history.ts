import type { PriceUpdate } from '../../domain/price-update.ts'

/** Remembers the last updates of one symbol within the current run. */
export class PriceHistory {
  /** Oldest first; entries before `#start` are forgotten. */
  #updates: PriceUpdate[] = []
  #start = 0
  /** The newest update as a SNAPSHOT for new subscribers, and the update it was made from. */
  #snapshot: PriceUpdate | undefined
  #snapshotOf: PriceUpdate | undefined

  get newest(): PriceUpdate | undefined {
    return this.#updates.at(-1)
  }

  /** `length`: how many to remember at most. */
  add(update: PriceUpdate, length: number): void {
    if (this.newest && this.newest.run !== update.run) {
      this.#updates = []
      this.#start = 0
    }
    this.#updates.push(update)
    this.#start = Math.max(this.#start, this.#updates.length - length)
    // Done rarely, because it moves all the others.
    if (this.#start > length) {
      this.#updates = this.#updates.slice(this.#start)
      this.#start = 0
    }
  }

  /** The updates after a number of that run, oldest first; null: not remembered. */
  since(run: string, seq: number): PriceUpdate[] | null {
    const oldest = this.#updates[this.#start]
    if (!oldest || oldest.run !== run || oldest.seq > seq + 1) return null
    const first = this.#updates.findIndex((update, i) => i >= this.#start && update.seq > seq)
    return first === -1 ? [] : this.#updates.slice(first)
  }

  /**
   * The newest update as a SNAPSHOT sent now. Within a millisecond it is the same object for all, so it is executed
   * once.
   */
  snapshot(nowMs: number): PriceUpdate {
    const newest = this.newest
    if (!newest) throw new Error('there is no price yet')
    if (!this.#snapshot || this.#snapshotOf !== newest || this.#snapshot.publishedAtMs !== nowMs) {
      this.#snapshotOf = newest
      this.#snapshot = { ...newest, kind: 'SNAPSHOT', publishedAtMs: nowMs }
    }
    return this.#snapshot
  }
}
