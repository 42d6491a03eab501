import { LRUCache } from 'lru-cache'
import { finished, type RunSteps } from '../../domain/steps.ts'
import type { TimeSpan } from '../../domain/time/units.ts'
import type { CandleRow } from './candle-copy.ts'
import type { StampedRows } from './candle-rows.ts'
import { CandleTable, partOf, StoredCandles } from './candle-table.ts'
import { DerivedRoom, DerivedValues } from './derived-values.ts'
import { aheadSeconds, type SeriesState, type StoredRows } from './series.ts'

/** Reads the rows of a series; null: it has another generation by now. */
export type ReadRows = (state: SeriesState, span: TimeSpan) => Promise<StampedRows | null>

/** The newest rows of a series as a write has left them, which has changed nothing else. */
export interface WrittenEnd {
  readonly id: number
  readonly generation: number
  readonly settledVersion: number
  readonly rowVersion: string
  /** All that are stored in [from, to), in epoch seconds. */
  readonly rows: readonly CandleRow[]
  readonly from: number
  readonly to: number
  /** Those before it, in epoch seconds, are stored for good. */
  readonly finalTo: number
}

/** What is kept of one series. */
interface Kept {
  readonly generation: number
  readonly settledVersion: number
  readonly from: number
  /** Up to here all candles are stored for good, and are in `settled`. */
  to: number
  readonly settled: CandleTable
  /** The rows after those, as they were when the series had this version; null: not read yet. */
  tail: { readonly table: CandleTable; readonly rowVersion: string; readonly to: number } | null
  /** Another one after each change: whoever holds candles from before must not add to what is derived from newer ones. */
  derived: DerivedValues
}

/** What is derived makes room before candles do, until it takes no more than this share: reading candles costs more. */
const derivedShare = 0.25

/**
 * Keeps stored candles by column, the least recently used ones making room. What it serves is what the store would:
 * each read brings a state that was read after it was asked for, and that tells whether anything has changed. Candles
 * that are stored for good go by `settledVersion` and `generation`, those after them by any change of the series.
 */
export class CandleMemory {
  readonly #read: ReadRows
  readonly #run: RunSteps
  readonly #maxBytes: number
  readonly #kept: LRUCache<number, Kept>
  readonly #derived: DerivedRoom
  #hits = 0

  constructor(read: ReadRows, maxBytes: number, run: RunSteps = finished) {
    this.#read = read
    this.#run = run
    this.#maxBytes = Math.max(1, maxBytes)
    this.#derived = new DerivedRoom(this.#maxBytes)
    this.#kept = new LRUCache({
      maxSize: this.#maxBytes,
      sizeCalculation: bytesOf,
      dispose: ({ derived }, _id, reason) => {
        if (reason !== 'delete') derived.end()
      },
    })
  }

  get bytes(): number {
    return this.#kept.calculatedSize + this.#derived.bytes
  }

  /** How many reads found all of their rows. */
  get hits(): number {
    return this.#hits
  }

  get size(): number {
    return this.#kept.size
  }

  /** The stored rows of a span; none if the series has another generation by now. */
  async rows(state: SeriesState, span: TimeSpan): Promise<StoredRows> {
    const settledTo = settledEnd(state, span)
    if (settledTo === null || settledTo <= span.from) return this.#unkept(state, span)
    const kept = this.#current(state)
    if (kept && kept.from <= span.from && span.from <= kept.to) {
      if (settledTo <= kept.to && (span.to <= settledTo || hasTail(kept, state, span.to))) {
        this.#hits++
        return served(kept, state, span)
      }
      const read = await this.#readOn(kept, state, span, settledTo)
      if (read) return read
    }
    return this.#readAnew(state, span, settledTo)
  }

  /** Keeps the newest rows, where those before them are kept. */
  written({ rows, rowVersion, from, to, finalTo, ...end }: WrittenEnd): void {
    const kept = this.#current(end)
    if (!kept?.tail || from > kept.to || finalTo > kept.to) return
    this.#keepTail(end.id, kept, tailOf({ rows, rowVersion }, kept.to, to))
  }

  #keepTail(id: number, kept: Kept, tail: Kept['tail']): void {
    kept.tail = tail
    kept.derived = kept.derived.changed(kept.to)
    this.#resize(id, kept)
  }

  #current({ id, generation, settledVersion }: Pick<SeriesState, 'id' | 'generation' | 'settledVersion'>) {
    const kept = this.#kept.get(id)
    return kept?.generation === generation && kept.settledVersion === settledVersion ? kept : undefined
  }

  /** Adds the rows after those that are kept; null: those have changed by now. */
  async #readOn(kept: Kept, state: SeriesState, span: TimeSpan, settledTo: number): Promise<StoredRows | null> {
    const from = kept.to
    const isOpen = settledTo < span.to
    const to = isOpen ? span.to + aheadSeconds : span.to
    const stamped = await this.#read(state, { from, to })
    if (!stamped || !isAsOf(stamped, state) || this.#kept.peek(state.id) !== kept) return null
    // Another read was faster.
    if (kept.to !== from) return this.rows(state, span)
    if (settledTo > from) {
      kept.settled.append(stamped.rows.filter(({ minute }) => minute * 60 < settledTo))
      kept.to = settledTo
    }
    this.#keepTail(state.id, kept, isOpen ? tailOf(stamped, kept.to, to) : null)
    return served(kept, stamped, span)
  }

  async #readAnew(state: SeriesState, span: TimeSpan, settledTo: number): Promise<StoredRows> {
    const isOpen = settledTo < span.to
    const to = isOpen ? span.to + aheadSeconds : span.to
    const stamped = await this.#read(state, { from: span.from, to })
    if (!stamped) return none
    const settled = stamped.rows.filter(({ minute }) => minute * 60 < settledTo)
    const grown = (): void => this.#resize(state.id, kept)
    const table = await this.#run(CandleTable.inSteps(settled, grown))
    const kept: Kept = {
      generation: stamped.generation,
      settledVersion: stamped.settledVersion,
      from: span.from,
      to: settledTo,
      settled: table,
      tail: isOpen ? tailOf(stamped, settledTo, to) : null,
      derived: new DerivedValues(settledTo, this.#derived, grown),
    }
    // What has changed since the state was read may not be stored for good any more.
    if (isAsOf(stamped, state)) this.#keep(state.id, kept)
    else kept.derived.end()
    return served(kept, { openFrom: stamped.openFrom }, span)
  }

  async #unkept(state: SeriesState, span: TimeSpan): Promise<StoredRows> {
    const stamped = await this.#read(state, span)
    if (!stamped) return none
    const table = await this.#run(CandleTable.inSteps(stamped.rows))
    return {
      list: new StoredCandles([{ table, from: 0, to: table.length }], stamped.openFrom),
      excluded: table.excluded,
    }
  }

  #resize(id: number, kept: Kept): void {
    if (this.#kept.peek(id) !== kept) return
    // Setting it again would leave its size as it was.
    this.#kept.delete(id)
    this.#keep(id, kept)
  }

  #keep(id: number, kept: Kept): void {
    this.#kept.set(id, kept)
    while (this.bytes > this.#maxBytes && this.#derived.bytes > derivedShare * this.#maxBytes)
      this.#derived.dropOldest()
    while (this.bytes > this.#maxBytes) this.#kept.pop()
    // There is no room for it at all.
    if (this.#kept.peek(id) !== kept) kept.derived.end()
  }
}

const none: StoredRows = { list: new StoredCandles([], null), excluded: [] }

/** Up to where all candles of a span are stored for good; null: not from its beginning on, or with gaps. */
function settledEnd({ gaps }: SeriesState, { from, to }: TimeSpan): number | null {
  const [first, ...others] = gaps.filter((gap) => gap.to > from)
  if (!first) return to
  return others.length === 0 && first.to >= to ? first.from : null
}

const isAsOf = (stamped: StampedRows, { generation, settledVersion }: SeriesState): boolean =>
  stamped.generation === generation && stamped.settledVersion === settledVersion

const hasTail = ({ tail }: Kept, { rowVersion }: SeriesState, to: number): boolean =>
  tail?.rowVersion === rowVersion && to <= tail.to

function tailOf(
  { rows, rowVersion }: Pick<StampedRows, 'rows' | 'rowVersion'>,
  from: number,
  to: number,
): Kept['tail'] {
  return { table: new CandleTable(rows.filter(({ minute }) => minute * 60 >= from)), rowVersion, to }
}

function served(
  { settled, tail, derived }: Kept,
  { openFrom }: { openFrom: number | null },
  { from, to }: TimeSpan,
): StoredRows {
  const tables = tail ? [settled, tail.table] : [settled]
  const isInside = (epoch: number): boolean => epoch >= from && epoch < to
  return {
    list: new StoredCandles(
      tables.map((table) => partOf(table, from, to)),
      openFrom,
      derived,
    ),
    excluded: tables.flatMap(({ excluded }) => excluded.filter(isInside)),
  }
}

const bytesOf = ({ settled, tail, derived }: Kept): number =>
  500 + settled.bytes + (tail?.table.bytes ?? 0) + derived.askedBytes
