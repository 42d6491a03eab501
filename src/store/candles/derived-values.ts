import { LRUCache } from 'lru-cache'
import type { Earlier, Sized } from '../../domain/candle-list.ts'
import { SharedSteps, type Steps } from '../../domain/steps.ts'

/** At most this much for each series, so that one that is asked for in many ways does not drive others out. */
const maxSeriesBytes = 1024 * 1024

/** Most parameters of indicators never come again, so only what is asked for a second time is kept. */
const mostAskedOnce = 32
const bytesPerAsked = 300

/** What was not asked for since so many changes is given up: a range that has moved on does not come back. */
const mostChanges = 8

/** So many values of a series are made for several at once. */
const mostMaking = 32

/** A value that is kept. */
interface Entry {
  readonly name: string
  readonly value: Sized
  readonly bytes: number
  /** After how many changes of the series it was made. */
  readonly change: number
  /** Rows before this epoch second have not changed since. */
  readonly sameBefore: number
}

/** Memory that the values of all series share: what was not asked for for the longest time makes room. */
export class DerivedRoom {
  readonly #owners: LRUCache<Entry, SeriesValues>

  constructor(maxBytes: number) {
    this.#owners = new LRUCache({
      maxSize: Math.max(1, maxBytes),
      sizeCalculation: (_owner, { bytes }) => bytes,
      dispose: (owner, entry, reason) => {
        owner.forget(entry)
        // It has been asked for again and again.
        if (reason === 'evict') owner.wasAsked(entry.name)
      },
    })
  }

  get bytes(): number {
    return this.#owners.calculatedSize
  }

  add(entry: Entry, owner: SeriesValues): void {
    this.#owners.set(entry, owner)
    if (!this.#owners.has(entry)) owner.forget(entry)
  }

  touch(entry: Entry): void {
    this.#owners.get(entry)
  }

  /** Takes an entry from its owner, too. */
  drop(entry: Entry): void {
    this.#owners.delete(entry)
  }

  dropOldest(): void {
    this.#owners.pop()
  }
}

/** All that is kept of one series, by name, in the order in which it was made. */
class SeriesValues {
  readonly entries = new Map<string, Entry>()
  readonly askedOnce = new Set<string>()
  /** What is being made since its last change. Weak, because those who make it may have been dropped. */
  readonly making = new Map<string, WeakRef<SharedSteps<Sized>>>()
  change = 0
  bytes = 0
  /** Its candles are kept, too. */
  isKept = true

  add(entry: Entry): void {
    this.entries.set(entry.name, entry)
    this.bytes += entry.bytes
  }

  forget(entry: Entry): void {
    if (this.entries.get(entry.name) !== entry) return
    this.entries.delete(entry.name)
    this.bytes -= entry.bytes
  }

  /** Whether it was asked for before. If not, it is from now on. */
  wasAsked(name: string): boolean {
    if (this.askedOnce.delete(name)) return true
    const [oldest] = this.askedOnce
    if (oldest !== undefined && this.askedOnce.size === mostAskedOnce) this.askedOnce.delete(oldest)
    this.askedOnce.add(name)
    return false
  }
}

/** What was computed from the rows of a series, by name, as long as those do not change. */
export class DerivedValues {
  readonly #settledTo: number
  readonly #room: DerivedRoom
  readonly #grown: () => void
  readonly #series: SeriesValues
  readonly #change: number

  /**
   * `settledTo`: candles before it, in epoch seconds, stay as they are. `grown`: called when it has come to take more
   * memory.
   */
  constructor(settledTo: number, room: DerivedRoom, grown: () => void, series = new SeriesValues()) {
    this.#settledTo = settledTo
    this.#room = room
    this.#grown = grown
    this.#series = series
    this.#change = series.change
  }

  /** Those of the same series, other rows of which have changed. */
  changed(settledTo: number): DerivedValues {
    const series = this.#series
    series.change++
    series.making.clear()
    for (const entry of series.entries.values()) {
      if (series.change - entry.change > mostChanges) this.#room.drop(entry)
    }
    return new DerivedValues(settledTo, this.#room, this.#grown, series)
  }

  /** Of what is kept of the series. */
  get bytes(): number {
    return this.#series.bytes + this.askedBytes
  }

  /** What it takes beside that which is in the room. */
  get askedBytes(): number {
    return bytesPerAsked * this.#series.askedOnce.size
  }

  /** Gives all up: the candles are not kept any more. */
  end(): void {
    this.#series.isKept = false
    for (const entry of this.#series.entries.values()) this.#room.drop(entry)
  }

  /** What is kept under a name. */
  known<T extends Sized>(name: string): T | undefined {
    const entry = this.#series.entries.get(name)
    if (!entry || entry.change !== this.#change) return undefined
    this.#room.touch(entry)
    return entry.value as T
  }

  /** `sameRows`: how many of the rows are before a time. */
  *get<T extends Sized>(
    name: string,
    make: (earlier?: Earlier<T>) => Steps<T>,
    sameRows: (before: number) => number,
  ): Steps<T> {
    const known = this.known<T>(name)
    if (known) return known
    const series = this.#series
    const entry = series.entries.get(name)
    const earlier =
      entry && entry.change < this.#change
        ? { value: entry.value as T, sameRows: sameRows(entry.sameBefore) }
        : undefined
    const made = yield* this.#isNewest ? this.#shared(name, () => make(earlier)) : make(earlier)
    if (!this.#isNewest) return made
    if (earlier || series.wasAsked(name)) this.#keep(name, made)
    else this.#grown()
    return made
  }

  get #isNewest(): boolean {
    return this.#change === this.#series.change && this.#series.isKept
  }

  *#shared<T extends Sized>(name: string, make: () => Steps<T>): Steps<T> {
    const { making } = this.#series
    const steps = (making.get(name)?.deref() as SharedSteps<T> | undefined) ?? new SharedSteps(make())
    if (making.size < mostMaking) making.set(name, new WeakRef(steps))
    try {
      return yield* steps.rest()
    } finally {
      if (making.get(name)?.deref() === steps) making.delete(name)
    }
  }

  #keep(name: string, value: Sized): void {
    const series = this.#series
    const bytes = value.bytes + 2 * name.length + 200
    const known = series.entries.get(name)
    if (known) this.#room.drop(known)
    if (bytes > maxSeriesBytes) return
    for (const entry of series.entries.values()) {
      if (series.bytes + bytes <= maxSeriesBytes) break
      this.#room.drop(entry)
    }
    const entry = { name, value, bytes, change: this.#change, sameBefore: this.#settledTo }
    series.add(entry)
    this.#room.add(entry, series)
    this.#grown()
  }
}
