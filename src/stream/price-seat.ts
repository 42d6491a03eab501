import { type PriceCursor, type PriceUpdate, type PriceUpdateKind, unheard } from '../domain/price-update.ts'
import type { PriceHistory } from './price-history.ts'

/** For how long a reader may be ahead of this process: another one may have told it of prices that are still on their way here. */
const aheadMs = 10_000

/** Takes the updates of a subscription as they come. */
export interface PriceSink {
  /** false: not now. It has to call resume() when it takes more. */
  take(update: PriceUpdate): boolean
  /** Nothing more comes. */
  end(): void
}

/** What is counted over all subscriptions. */
export interface PriceCounts {
  /** Updates that were taken. */
  delivered: number
  /** Updates that were left out for newer ones, because a reader was slow. */
  conflated: number
}

/** Who sits there. */
export interface Reader {
  /** Of each symbol only the newest in each such window; 0: all. */
  readonly throttleMs: number
  nowMs(): number
  /** The seat has come to owe something. */
  owes(seat: Seat): void
}

/**
 * One symbol of a subscription: lets through what its reader has not seen, as a SNAPSHOT where that does not go on from what it
 * has. What the reader does not take is not kept: it is owed, and made good with the newest that there is by then. So a reader
 * that is slow costs no memory.
 */
export class Seat {
  // What each update looks at comes first: of thousands of seats nearly each look is a cache miss.
  #sink: PriceSink | undefined
  /** How far the reader has come, or will have come when nothing is owed. */
  #run: string | undefined
  #seq: number
  /** What the newest is to be told as: of all that it stands for, what says most. undefined: nothing is owed. */
  #owed: PriceUpdateKind | undefined
  #window: NodeJS.Timeout | undefined
  readonly #throttleMs: number
  readonly #counts: PriceCounts
  readonly symbol: string
  readonly #reader: Reader
  #history: PriceHistory | undefined
  #skipped = 0
  /** What was remembered of what the reader has missed is told one by one: up to where, and how far that is. */
  #replay: { at: number; readonly until: number } | undefined
  /** Until when it is believed of a reader that is ahead that it was told so. */
  #aheadUntilMs = Number.POSITIVE_INFINITY

  constructor(reader: Reader, symbol: string, after: PriceCursor | undefined, counts: PriceCounts) {
    this.#reader = reader
    this.#throttleMs = reader.throttleMs
    this.#counts = counts
    this.symbol = symbol
    this.#run = after?.run
    this.#seq = after?.seq ?? 0
  }

  /** From now on there is a price, and what is added to the history is pushed. */
  open(history: PriceHistory): void {
    this.#history = history
  }

  /** The reader is there: it gets the newest price or what it has missed, then everything. */
  begin(sink: PriceSink): void {
    const history = this.#history
    const newest = history?.newest
    if (!history || !newest || this.#sink) return
    this.#sink = sink
    const missed = this.#run === newest.run ? history.since(newest.run, this.#seq) : null
    if (missed?.length === 0) {
      if (this.#seq > newest.seq) this.#aheadUntilMs = this.#reader.nowMs() + aheadMs
      return
    }
    this.#owed = missed ? 'STATUS' : 'SNAPSHOT'
    if (missed && this.#throttleMs === 0) this.#replay = { at: this.#seq, until: newest.seq }
    else for (const { kind } of missed ?? []) this.#owe(kind)
    this.#run = newest.run
    this.#seq = newest.seq
    this.#reader.owes(this)
  }

  /** The newest of the history. */
  push(update: PriceUpdate): void {
    if (!this.#sink) return
    let { kind } = update
    if (update.run !== this.#run) {
      if (!this.#goesOn(update)) kind = 'SNAPSHOT'
      this.#run = update.run
      this.#replay = undefined
    } else if (update.seq <= this.#seq) {
      // Longer than any bus takes: the cursor was none of ours.
      if (this.#reader.nowMs() < this.#aheadUntilMs) return
      kind = 'SNAPSHOT'
    }
    this.#seq = update.seq
    if (this.#owed !== undefined || this.#window !== undefined) {
      this.#owe(kind)
      this.#skipped += 1
    } else {
      this.#offer(kind === update.kind ? update : this.#newest(kind))
    }
  }

  /** Tells what is owed; false: the reader takes no more at present. */
  catchUp(): boolean {
    if (this.#owed === undefined || this.#window !== undefined) return true
    if (this.#replay) {
      if (!this.#replayMissed(this.#replay)) return false
      if (this.#owed === undefined) return true
    }
    const skipped = this.#skipped
    if (!this.#offer(this.#newest(this.#owed))) return false
    this.#owed = undefined
    this.#skipped = 0
    if (skipped > 1 && this.#throttleMs === 0) this.#counts.conflated += skipped - 1
    return true
  }

  /** An update that the reader had taken did not get through. */
  lost({ kind, seq }: PriceUpdate): void {
    if (this.#replay && seq <= this.#replay.until) this.#replay.at = Math.min(this.#replay.at, seq - 1)
    const owedNothing = this.#owed === undefined
    this.#owe(kind)
    this.#skipped += 1
    if (owedNothing && this.#window === undefined) this.#reader.owes(this)
  }

  clear(): void {
    clearTimeout(this.#window)
    this.#window = undefined
    this.#owed = undefined
    this.#sink = undefined
  }

  /** Whether it says that the feed is not heard, of the price that the reader has or is to have. */
  #goesOn({ kind, run, seq }: PriceUpdate): boolean {
    return kind === 'STATUS' && this.#run !== undefined && run === unheard(this.#run) && seq > this.#seq
  }

  #owe(kind: PriceUpdateKind): void {
    if (this.#owed === undefined || rank[kind] > rank[this.#owed]) this.#owed = kind
  }

  #offer(update: PriceUpdate): boolean {
    if (!this.#take(update)) {
      if (this.#owed === undefined) this.#skipped = 1
      this.#owe(update.kind)
      return false
    }
    if (this.#throttleMs > 0) {
      this.#window = setTimeout(() => {
        this.#window = undefined
        this.catchUp()
      }, this.#throttleMs)
    }
    return true
  }

  #take(update: PriceUpdate): boolean {
    if (!this.#sink?.take(update)) {
      this.#reader.owes(this)
      return false
    }
    this.#counts.delivered += 1
    return true
  }

  /** false: the reader takes no more at present. Where nothing has come meanwhile, nothing is owed afterwards. */
  #replayMissed(replay: { at: number; readonly until: number }): boolean {
    const missed = this.#history?.since(this.#run ?? '', replay.at)
    this.#replay = undefined
    if (!missed) {
      this.#owe('SNAPSHOT')
      return true
    }
    for (const update of missed) {
      if (update.seq > replay.until) break
      if (!this.#take(update)) {
        this.#replay = replay
        return false
      }
      replay.at = update.seq
    }
    if (this.#seq === replay.until) this.#owed = undefined
    return true
  }

  #newest(kind: PriceUpdateKind): PriceUpdate {
    const newest = this.#history?.newest
    if (!this.#history || !newest) throw new Error('nothing was pushed that is not in the history')
    if (kind === 'SNAPSHOT') return this.#history.snapshot(this.#reader.nowMs())
    return kind === newest.kind ? newest : { ...newest, kind }
  }
}

const rank: Record<PriceUpdateKind, number> = { SNAPSHOT: 2, TICK: 1, STATUS: 0 }
