import { type PriceCursor, type PriceUpdate, type PriceUpdateKind, unheard } from '../../domain/price-update.ts'
import type { PriceHistory } from './price-history.ts'

/**
 * How long a client's cursor may be ahead of this process: another process may have sent it prices that are still on
 * their way here.
 */
const aheadMs = 10_000

/** Takes the items of a subscription as they come. */
export interface Sink<T> {
  /**
   * Returns false where it does not take the item now. It then calls the subscription's resume() when it takes more.
   */
  take(item: T): boolean
  /** The subscription has ended. */
  end(): void
}

/** Counts over all subscriptions. */
export interface PriceCounts {
  /** Updates that sinks took. */
  delivered: number
  /** Updates that were left out in favour of newer ones, because a client was slow. */
  conflated: number
}

/** A subscription, as its seats see it. */
export interface SeatOwner {
  /** Deliver at most the latest update in each window of this length; 0 delivers every update. */
  readonly throttleMs: number
  /** Every update is delivered to a sink that takes it; otherwise only the newest. */
  readonly isWhole: boolean
  readonly counts: PriceCounts
  nowMs(): number
  /** The seat has an update to deliver that its sink has not taken. */
  fellBehind(seat: Seat): void
}

/** All seats of a symbol, as each of them sees it. */
export interface SeatRow {
  readonly history: PriceHistory
  /** From now on the seat knows by itself how far it has come. */
  unfollow(seat: Seat): void
}

/**
 * One symbol of a subscription. It lets through the updates that its client has not seen, and sends a SNAPSHOT where an
 * update does not continue what the client has. It keeps no update that the sink does not take: later it delivers the
 * newest update instead. So a slow client holds no updates.
 */
export class Seat {
  /** Its place among those that follow, kept by its row; undefined: it does not follow. */
  place: number | undefined
  #sink: Sink<PriceUpdate> | undefined
  /** How far the client has come, or will have come once nothing is pending. */
  #run: string | undefined
  #seq: number
  /**
   * The kind under which the newest update is still to be delivered: the most significant kind among the updates it
   * replaces. undefined: the client is up to date.
   */
  #pendingKind: PriceUpdateKind | undefined
  #window: NodeJS.Timeout | undefined
  readonly symbol: string
  readonly #owner: SeatOwner
  #row: SeatRow | undefined
  #skipped = 0
  /**
   * The updates that the client has missed and that are delivered one by one: those after `at`, up to and with `until`.
   */
  #replay: { at: number; readonly until: number } | undefined
  /** Until when a cursor that is ahead of this process is believed; undefined: it is not ahead. */
  #aheadUntilMs: number | undefined

  constructor(owner: SeatOwner, symbol: string, after: PriceCursor | undefined) {
    this.#owner = owner
    this.symbol = symbol
    this.#run = after?.run
    this.#seq = after?.seq ?? 0
  }

  get sink(): Sink<PriceUpdate> | undefined {
    return this.#sink
  }

  /** The symbol has a price. From now on every update that is added to the history comes here too. */
  open(row: SeatRow): void {
    this.#row = row
  }

  /** The client is there: it gets the newest price, or the updates that it has missed, and then every update. */
  begin(sink: Sink<PriceUpdate>): void {
    const history = this.#row?.history
    const newest = history?.newest
    if (!history || !newest || this.#sink) return
    this.#sink = sink
    const missed = this.#run === newest.run ? history.since(newest.run, this.#seq) : null
    if (missed?.length === 0) {
      if (this.#seq > newest.seq) this.#aheadUntilMs = this.#owner.nowMs() + aheadMs
      return
    }
    this.#pendingKind = missed ? 'STATUS' : 'SNAPSHOT'
    if (missed && this.#owner.isWhole) this.#replay = { at: this.#seq, until: newest.seq }
    else for (const { kind } of missed ?? []) this.#addPending(kind)
    this.#run = newest.run
    this.#seq = newest.seq
    this.#owner.fellBehind(this)
  }

  /** `update`: the newest of the history. */
  push(update: PriceUpdate): void {
    if (!this.#sink) return
    const kind = this.#note(update)
    if (kind === undefined) return
    if (this.#pendingKind !== undefined || this.#window !== undefined) {
      this.#addPending(kind)
      this.#skipped += 1
    } else {
      this.#offer(kind === update.kind ? update : this.#newest(kind))
    }
  }

  /** Whether the client has every update up to this one, and its sink takes each by itself. */
  mayFollow({ run, seq }: PriceUpdate): boolean {
    const isHere = this.#run === run && this.#seq === seq
    return isHere && this.#owner.isWhole && this.#sink !== undefined && this.#pendingKind === undefined
  }

  /** The seat followed until this update. */
  hasCome({ run, seq }: PriceUpdate): void {
    this.#run = run
    this.#seq = seq
  }

  /** Delivers what is pending. Returns false where the sink takes no more at present. */
  catchUp(): boolean {
    if (this.#pendingKind === undefined || this.#window !== undefined) return true
    this.#noteNewest()
    if (this.#replay) {
      if (!this.#replayMissed(this.#replay)) return false
      if (this.#pendingKind === undefined) return true
    }
    const skipped = this.#skipped
    if (!this.#offer(this.#newest(this.#pendingKind))) return false
    this.#pendingKind = undefined
    this.#skipped = 0
    if (skipped > 1 && this.#owner.isWhole) this.#owner.counts.conflated += skipped - 1
    return true
  }

  /** The sink had taken the update, and could not send it. */
  lost({ kind, seq }: PriceUpdate): void {
    this.#row?.unfollow(this)
    if (this.#replay && seq <= this.#replay.until) this.#replay.at = Math.min(this.#replay.at, seq - 1)
    const wasUpToDate = this.#pendingKind === undefined
    this.#addPending(kind)
    this.#skipped += 1
    if (wasUpToDate && this.#window === undefined) this.#owner.fellBehind(this)
  }

  clear(): void {
    clearTimeout(this.#window)
    this.#window = undefined
    this.#pendingKind = undefined
    this.#sink = undefined
  }

  /** Returns the kind under which an update is to be delivered; undefined: the client has it. */
  #note(update: PriceUpdate): PriceUpdateKind | undefined {
    let { kind } = update
    if (update.run !== this.#run) {
      if (!this.#continues(update)) kind = 'SNAPSHOT'
      this.#run = update.run
      this.#replay = undefined
    } else if (update.seq <= this.#seq) {
      // No bus takes longer than that, so this server has never sent the client's cursor.
      if (this.#aheadUntilMs === undefined || this.#owner.nowMs() < this.#aheadUntilMs) return undefined
      kind = 'SNAPSHOT'
    }
    this.#seq = update.seq
    this.#aheadUntilMs = undefined
    return kind
  }

  /** The newest update may be on its way to here: it is delivered now, and not a second time when it comes. */
  #noteNewest(): void {
    const newest = this.#row?.history.newest
    if (!newest || (newest.run === this.#run && newest.seq === this.#seq)) return
    const kind = this.#note(newest)
    if (kind === undefined) return
    this.#addPending(kind)
    this.#skipped += 1
  }

  /** Whether the update only says that the feed is silent, about the price that the client has or is about to have. */
  #continues({ kind, run, seq }: PriceUpdate): boolean {
    return kind === 'STATUS' && this.#run !== undefined && run === unheard(this.#run) && seq > this.#seq
  }

  #addPending(kind: PriceUpdateKind): void {
    if (this.#pendingKind === undefined || significance[kind] > significance[this.#pendingKind]) {
      this.#pendingKind = kind
    }
  }

  #offer(update: PriceUpdate): boolean {
    if (!this.#take(update)) {
      if (this.#pendingKind === undefined) this.#skipped = 1
      this.#addPending(update.kind)
      return false
    }
    if (this.#owner.throttleMs > 0) {
      this.#window = setTimeout(() => {
        this.#window = undefined
        this.catchUp()
      }, this.#owner.throttleMs)
    }
    return true
  }

  #take(update: PriceUpdate): boolean {
    if (!this.#sink?.take(update)) {
      this.#owner.fellBehind(this)
      return false
    }
    this.#owner.counts.delivered += 1
    return true
  }

  /**
   * Returns false where the sink takes no more at present. If nothing new has come meanwhile, nothing is pending
   * afterwards.
   */
  #replayMissed(replay: { at: number; readonly until: number }): boolean {
    const missed = this.#row?.history.since(this.#run ?? '', replay.at)
    this.#replay = undefined
    if (!missed) {
      this.#addPending('SNAPSHOT')
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
    if (this.#seq === replay.until) this.#pendingKind = undefined
    return true
  }

  #newest(kind: PriceUpdateKind): PriceUpdate {
    const history = this.#row?.history
    const newest = history?.newest
    if (!history || !newest) throw new Error('every update that is pushed is in the history')
    if (kind === 'SNAPSHOT') return history.snapshot(this.#owner.nowMs())
    return kind === newest.kind ? newest : { ...newest, kind }
  }
}

const significance: Record<PriceUpdateKind, number> = { SNAPSHOT: 2, TICK: 1, STATUS: 0 }
