interface Piece {
  readonly cost: number
  readonly begin: () => void
}

/**
 * Cuts what takes long together into pieces, between which the event loop gets to everything else. In each of its turns, pieces
 * begin up to a cost, in whatever unit, or a single one that costs more; the others wait for the next turn, the oldest first.
 */
export class EventLoopTurns {
  readonly #mostPerTurn: number
  readonly #waiting: Piece[] = []
  /** Of the current turn. */
  #spent = 0

  constructor(mostPerTurn: number) {
    this.#mostPerTurn = mostPerTurn
  }

  /** What `work` gives or throws: itself where it begins at once, else as a promise. `cost` is above 0. */
  run<T>(cost: number, work: () => T): T | Promise<T> {
    if (this.#waiting.length === 0 && this.#fits(cost)) {
      this.#spend(cost)
      return work()
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push({ cost, begin: resolve })
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
    for (let piece = this.#waiting[0]; piece && this.#fits(piece.cost); piece = this.#waiting[0]) {
      this.#waiting.shift()
      this.#spend(piece.cost)
      piece.begin()
    }
  }
}
