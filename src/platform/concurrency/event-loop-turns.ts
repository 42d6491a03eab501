interface Piece {
  readonly cost: number
  readonly begin: () => void
}

/**
 * Spreads long work over turns of the event loop, so that everything else gets its share. In each turn, pieces begin up
 * to a total cost, in any unit, or a single piece that costs more; the others wait for the next turn. Callers take
 * turns as well: one with much work does not hold up the others.
 */
export class EventLoopTurns {
  readonly #mostPerTurn: number
  /** By caller, the one that has waited longest first. */
  readonly #waiting = new Map<object, Piece[]>()
  /** The cost of the pieces begun in the current turn. */
  #spent = 0

  constructor(mostPerTurn: number) {
    this.#mostPerTurn = mostPerTurn
  }

  /**
   * Runs `work`: returns its result directly if it begins at once, else a promise. `of`: an object that stands for the
   * caller. `cost` must be above 0.
   */
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
    // A caller that is put back comes up again in the same loop; it ends once nothing more fits.
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
