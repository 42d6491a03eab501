import type { PriceUpdate } from '../domain/price-update.ts'

/** The last updates of one symbol, of the run that counts now. */
export class PriceHistory {
  /** Oldest first; what lies before `#start` is no longer remembered. */
  #updates: PriceUpdate[] = []
  #start = 0
  /** The newest as it was last told to one who begins with it, and of which update that was made. */
  #snapshot: PriceUpdate | undefined
  #snapshotOf: PriceUpdate | undefined

  get newest(): PriceUpdate | undefined {
    return this.#updates.at(-1)
  }

  /** `length`: how many are remembered at most. */
  add(update: PriceUpdate, length: number): void {
    if (this.newest && this.newest.run !== update.run) {
      this.#updates = []
      this.#start = 0
    }
    this.#updates.push(update)
    this.#start = Math.max(this.#start, this.#updates.length - length)
    // Rarely, since it moves all the others.
    if (this.#start > length) {
      this.#updates = this.#updates.slice(this.#start)
      this.#start = 0
    }
  }

  /** What came after a number of that run, oldest first; null: that is not remembered. */
  since(run: string, seq: number): PriceUpdate[] | null {
    const oldest = this.#updates[this.#start]
    if (!oldest || oldest.run !== run || oldest.seq > seq + 1) return null
    const first = this.#updates.findIndex((update, i) => i >= this.#start && update.seq > seq)
    return first === -1 ? [] : this.#updates.slice(first)
  }

  /** The newest as a SNAPSHOT that is sent out now: within a millisecond the same for all, so that it is executed once. */
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
