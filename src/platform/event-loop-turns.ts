interface Piece {
  readonly cost: number
  readonly begin: () => void
}

/**
 * Cuts what takes long together into pieces, between which the event loop gets to everything else. In each of its turns, pieces
 * begin up to a cost, in whatever unit, or a single one that costs more; the others wait for the next turn. Those who ask take
 * turns too: who has much to do does not keep the others waiting for all of it.
 */
export class EventLoopTurns {
  readonly #mostPerTurn: number
  /** By who asks, whoever has waited longest first. */
  readonly #waiting = new Map<object, Piece[]>()
  /** Of the current turn. */
  #spent = 0

  constructor(mostPerTurn: number) {
    this.#mostPerTurn = mostPerTurn
  }

  /** What `work` gives or throws: itself where it begins at once, else as a promise. `of`: who asks. `cost` is above 0. */
  run<T>(of: object, cost: number, work: () => T): T | Promise<T> {
    const pieces = this.#waiting.get(of) ?? []
    if (pieces.length === 0 && this.#fits(cost)) {
      this.#spend(cost)
      return work()
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    pieces.push({ cost, begin: resolve })
    this.#waiting.set(of, pieces)
    return promise.then(work)
  }

  #fits(cost: number): boolean {
    return this.#spent === 0 || this.#spent + cost <= this.#mostPerTurn
  }

  #spend(cost: number): void {
    if (this.#spent === 0) setImmediate(() => this.#next())
    this.#spent += cost
  }

  #next(): void {
    this.#spent = 0
    // Who is put back comes up again in the same loop, which ends with those of whom nothing fits.
    for (const [of, pieces] of this.#waiting) {
      const [piece] = pieces
      if (!piece || !this.#fits(piece.cost)) continue
      pieces.shift()
      this.#waiting.delete(of)
      if (pieces.length > 0) this.#waiting.set(of, pieces)
      this.#spend(piece.cost)
      piece.begin()
    }
  }
}
