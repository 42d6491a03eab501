import { performance } from 'node:perf_hooks'
import { RecentSpending } from './recent-spending.ts'

/** Whose work takes turns: the object stands for one operation of a client. */
export interface Caller {
  /** Names the client. */
  readonly client: string
}

/** Kinds of work, by which its pieces are counted. */
export const workKinds = ['candles', 'indicators', 'signals', 'lists', 'answers', 'other'] as const
export type WorkKind = (typeof workKinds)[number]

interface Piece {
  /** null: how long it takes is not known. */
  readonly kind: WorkKind | null
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

/** By caller, the one that has waited longest first. */
type WaitingCallers = Map<Caller, Piece[]>

/**
 * Spreads long work over turns of the event loop, so that everything else gets its share. In each turn pieces begin
 * until they have taken `turnMs` together; the others wait for the next turn. The client goes first that has spent the
 * least time lately; of those that have spent the same, the one that has waited longest. The callers of a client take
 * turns as well. So who asks for much waits for himself.
 */
export class EventLoopTurns {
  readonly #turnMs: number
  readonly #now: () => number
  /** By client, the one that has waited longest first. */
  readonly #waiting = new Map<string, WaitingCallers>()
  readonly #spending: RecentSpending
  /** Callers whose work was dropped, and whom to tell that it has stopped. */
  readonly #gone = new WeakMap<Caller, () => void>()
  /** How long the pieces of the current turn have taken so far. */
  #spentMs = 0
  #isScheduled = false
  #givesWay = false
  /** How many turns in a row have given way. */
  #givenWay = 0
  #observe = (_kind: WorkKind, _ms: number): void => {}

  constructor(turnMs: number, now = (): number => performance.now()) {
    this.#turnMs = turnMs
    this.#now = now
    this.#spending = new RecentSpending(now)
  }

  /**
   * Runs `work`: returns its result directly if it begins at once, else a promise. Work that can be divided stops at
   * `untilMs`; `goOn` runs the rest.
   */
  run<T>(caller: Caller, work: (untilMs: number) => T, kind: WorkKind = 'other'): T | Promise<T> {
    const isBehind = this.#waiting.size > 0 && this.#waiting.get(caller.client)?.has(caller)
    return isBehind ? this.#later(caller, work, kind, false) : this.goOn(caller, work, kind)
  }

  /** Runs the rest of work that has begun: before pieces of the caller that have not. */
  goOn<T>(caller: Caller, work: (untilMs: number) => T, kind: WorkKind = 'other'): T | Promise<T> {
    if (this.#spentMs >= this.#turnMs || this.#gone.has(caller)) return this.#later(caller, work, kind, true)
    return this.#timed(caller, work, kind)
  }

  /**
   * Like `goOn`, for work that goes on in promises: nothing else begins in the turn, at whose end the promise is
   * resolved with. `isFirst`: it is not the rest of work that has begun.
   */
  whole(caller: Caller, { isFirst }: { readonly isFirst: boolean }): Promise<number> {
    return new Promise((resolve) => {
      const begin = (untilMs: number): void => {
        this.#spentMs = this.#turnMs
        this.#spending.add(caller.client, this.#turnMs)
        resolve(untilMs)
      }
      this.#wait(caller, { begin, kind: null, isWhole: true }, !isFirst)
    })
  }

  /** `observe` is told how long each piece takes. */
  observed(observe: (kind: WorkKind, ms: number) => void): void {
    this.#observe = observe
  }

  /** The clock by which turns end, in milliseconds. */
  now(): number {
    return this.#now()
  }

  /** Counts time that the caller's client has spent outside of its turns. */
  charge({ client }: Caller, ms: number): void {
    this.#spending.add(client, ms)
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
  drop(caller: Caller, stopped = (): void => {}): void {
    this.#gone.set(caller, stopped)
    if (this.#waiting.size === 0) return
    const callers = this.#waiting.get(caller.client)
    if (!callers?.delete(caller)) return
    if (callers.size === 0) this.#waiting.delete(caller.client)
    stopped()
  }

  #later<T>(caller: Caller, work: (untilMs: number) => T, kind: WorkKind, goesFirst: boolean): Promise<T> {
    return new Promise((resolve, reject) => {
      const begin = (untilMs: number): void => {
        try {
          resolve(work(untilMs))
        } catch (error) {
          reject(error as Error)
        }
      }
      this.#wait(caller, { begin, kind, isWhole: false }, goesFirst)
    })
  }

  #wait(caller: Caller, piece: Piece, goesFirst: boolean): void {
    const stopped = this.#gone.get(caller)
    if (stopped) {
      stopped()
      return
    }
    const callers = this.#waiting.get(caller.client)
    const pieces = callers?.get(caller)
    if (!callers) this.#waiting.set(caller.client, new Map([[caller, [piece]]]))
    else if (!pieces) callers.set(caller, [piece])
    else if (goesFirst) pieces.unshift(piece)
    else pieces.push(piece)
    this.#schedule()
  }

  #timed<T>({ client }: Caller, work: (untilMs: number) => T, kind: WorkKind | null): T {
    const startedMs = this.#now()
    try {
      return work(startedMs + this.#turnMs - this.#spentMs)
    } finally {
      const tookMs = this.#now() - startedMs
      this.#spentMs += tookMs
      this.#spending.add(client, tookMs)
      if (kind) this.#observe(kind, tookMs)
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
    while (this.#spentMs < this.#turnMs) {
      const client = this.#nextClient()
      if (client === undefined) break
      const callers = this.#waiting.get(client) as WaitingCallers
      const [first] = callers
      const [caller, pieces] = first as [Caller, Piece[]]
      const [piece] = pieces as [Piece]
      if (piece.isWhole && this.#spentMs > 0) break
      pieces.shift()
      // Both wait behind the others now.
      callers.delete(caller)
      this.#waiting.delete(client)
      if (pieces.length > 0) callers.set(caller, pieces)
      if (callers.size > 0) this.#waiting.set(client, callers)
      this.#timed(caller, piece.begin, piece.kind)
    }
    waitedWorkMs += this.#spentMs
  }

  #nextClient(): string | undefined {
    let next: string | undefined
    let leastMs = Number.POSITIVE_INFINITY
    for (const client of this.#waiting.keys()) {
      const spentMs = this.#spending.of(client)
      if (spentMs >= leastMs) continue
      next = client
      leastMs = spentMs
    }
    return next
  }
}
