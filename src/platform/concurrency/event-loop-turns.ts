import { performance } from 'node:perf_hooks'

interface Piece {
  /** `untilMs`: when the turn is over, by the clock of the turns. */
  readonly begin: (untilMs: number) => void
  /** It begins a turn and nothing else begins in it. */
  readonly isWhole: boolean
}

/** How many turns in a row may give way. */
const maxGivenWay = 32

/** How long work has taken in this process that had to wait for its turn. */
let waitedWorkMs = 0

/**
 * For how long so far, in milliseconds, the event loop has had time for whatever came: it was idle, or took up work
 * that waits for everything else.
 */
export const spareMs = (): number => performance.eventLoopUtilization().idle + waitedWorkMs

/**
 * Spreads long work over turns of the event loop, so that everything else gets its share. In each turn pieces begin
 * until they have taken `turnMs` together; the others wait for the next turn. Callers take turns as well: one with much
 * work does not hold up the others. A caller is any object.
 */
export class EventLoopTurns {
  readonly #turnMs: number
  readonly #now: () => number
  /** By caller, the one that has waited longest first. */
  readonly #waiting = new Map<object, Piece[]>()
  /** Callers whose work was dropped, and whom to tell that it has stopped. */
  readonly #gone = new WeakMap<object, () => void>()
  /** How long the pieces of the current turn have taken so far. */
  #spentMs = 0
  #isScheduled = false
  #givesWay = false
  /** How many turns in a row have given way. */
  #givenWay = 0

  constructor(turnMs: number, now = (): number => performance.now()) {
    this.#turnMs = turnMs
    this.#now = now
  }

  /**
   * Runs `work`: returns its result directly if it begins at once, else a promise. Work that can be divided stops at
   * `untilMs`; `goOn` runs the rest.
   */
  run<T>(caller: object, work: (untilMs: number) => T): T | Promise<T> {
    return this.#waiting.has(caller) ? this.#later(caller, work, false) : this.goOn(caller, work)
  }

  /** Runs the rest of work that has begun: before pieces of the caller that have not. */
  goOn<T>(caller: object, work: (untilMs: number) => T): T | Promise<T> {
    if (this.#spentMs >= this.#turnMs || this.#gone.has(caller)) return this.#later(caller, work, true)
    return this.#timed(work)
  }

  /**
   * Like `goOn`, for work that goes on in promises: nothing else begins in the turn, at whose end the promise is
   * resolved with. `isFirst`: it is not the rest of work that has begun.
   */
  whole(caller: object, { isFirst }: { readonly isFirst: boolean }): Promise<number> {
    return new Promise((resolve) => {
      const begin = (untilMs: number): void => {
        this.#spentMs = this.#turnMs
        resolve(untilMs)
      }
      this.#wait(caller, { begin, isWhole: true }, !isFirst)
    })
  }

  /** The clock by which turns end, in milliseconds. */
  now(): number {
    return this.#now()
  }

  /**
   * Something has come that has to wait for the next round of the event loop: waiting pieces do not begin before it,
   * unless many turns in a row have given way.
   */
  giveWay(): void {
    this.#givesWay = true
  }

  /**
   * Nobody waits for the caller's work any more: pieces that have not begun never do, and their promises never settle.
   * `stopped` is called whenever its work ends so.
   */
  drop(caller: object, stopped = (): void => {}): void {
    this.#gone.set(caller, stopped)
    if (this.#waiting.delete(caller)) stopped()
  }

  #later<T>(caller: object, work: (untilMs: number) => T, goesFirst: boolean): Promise<T> {
    return new Promise((resolve, reject) => {
      const begin = (untilMs: number): void => {
        try {
          resolve(work(untilMs))
        } catch (error) {
          reject(error as Error)
        }
      }
      this.#wait(caller, { begin, isWhole: false }, goesFirst)
    })
  }

  #wait(caller: object, piece: Piece, goesFirst: boolean): void {
    const stopped = this.#gone.get(caller)
    if (stopped) {
      stopped()
      return
    }
    const pieces = this.#waiting.get(caller)
    if (!pieces) this.#waiting.set(caller, [piece])
    else if (goesFirst) pieces.unshift(piece)
    else pieces.push(piece)
    this.#schedule()
  }

  #timed<T>(work: (untilMs: number) => T): T {
    const startedMs = this.#now()
    try {
      return work(startedMs + this.#turnMs - this.#spentMs)
    } finally {
      this.#spentMs += this.#now() - startedMs
      this.#schedule()
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#next())
  }

  #next(): void {
    this.#isScheduled = false
    this.#spentMs = 0
    const givesWay = this.#givesWay && this.#givenWay < maxGivenWay
    this.#givesWay = false
    this.#givenWay = givesWay ? this.#givenWay + 1 : 0
    if (!givesWay) this.#beginWaiting()
    if (this.#waiting.size > 0) this.#schedule()
  }

  #beginWaiting(): void {
    // A caller that is put back comes up again in the same loop.
    for (const [caller, pieces] of this.#waiting) {
      if (this.#spentMs >= this.#turnMs || (pieces[0]?.isWhole && this.#spentMs > 0)) break
      this.#waiting.delete(caller)
      const piece = pieces.shift()
      if (pieces.length > 0) this.#waiting.set(caller, pieces)
      if (piece) this.#timed(piece.begin)
    }
    waitedWorkMs += this.#spentMs
  }
}
