import type { SourceCandle } from '../../domain/candle.ts'
import { type CandleColumn, type CandleList, countBefore, type Earlier, type Sized } from '../../domain/candle-list.ts'
import { finished, inParts, type Steps } from '../../domain/steps.ts'
import type { CandleRow } from './candle-copy.ts'
import type { DerivedValues } from './derived-values.ts'

/** Rows of one piece of JSON. */
const rowsPerPiece = 256
const growthRows = 32
/** A value of a column takes some 60 ns to write. */
const piecesPerStep = 16
/** An object of a row takes some 100 ns. */
const rowsPerStep = 2000

/** Some rows of one column as JSON. */
interface Piece {
  readonly json: string
  readonly rows: number
  /** A row, and where its value begins: charts that end with the newest candle all begin at the same one. */
  known: { readonly row: number; readonly place: number }
}

type Floats = Float64Array<ArrayBuffer>
type PriceColumn = Exclude<CandleColumn, 'epoch'>

/**
 * Stored rows by column, oldest first; rows can be added at the end. The JSON of a column is made once, in pieces, when
 * it is first asked for.
 */
export class CandleTable {
  #length = 0
  #minutes: Int32Array = new Int32Array()
  readonly #prices: Record<PriceColumn | 'adjustedClose', Floats>
  #excluded: readonly number[] = []
  readonly #pieces = new Map<CandleColumn, (Piece | undefined)[]>()
  #jsonBytes = 0
  /** A number that no JSON can hold. The database has none unless somebody wrote it there by hand. */
  #hasInfinite = false
  #grown: () => void

  /** `grown`: called when it has come to take more memory. */
  constructor(rows: readonly CandleRow[], grown: () => void = () => {}) {
    const none = (): Floats => new Float64Array()
    this.#prices = { open: none(), high: none(), low: none(), close: none(), volume: none(), adjustedClose: none() }
    this.#grown = () => {}
    this.append(rows, 0)
    this.#grown = grown
  }

  /** The same as the constructor makes, in steps. */
  static *inSteps(rows: readonly CandleRow[], grown?: () => void): Steps<CandleTable> {
    const table = new CandleTable([])
    table.#reserve(rows.length)
    yield* inParts(0, rows.length, rowsPerStep, (from, to) => table.append(rows.slice(from, to)))
    if (grown) table.#grown = grown
    return table
  }

  get length(): number {
    return this.#length
  }

  /** Start times, in epoch seconds, of rows without usable prices. */
  get excluded(): readonly number[] {
    return this.#excluded
  }

  /** What it takes in memory, by estimate. */
  get bytes(): number {
    return 600 + 52 * this.#minutes.length + 8 * this.#excluded.length + this.#jsonBytes
  }

  epochAt(index: number): number {
    return (this.#minutes[index] as number) * 60
  }

  /** `spare`: room for so many more. */
  append(rows: readonly CandleRow[], spare = growthRows): void {
    const usable = rows.filter(isUsable)
    if (usable.length < rows.length) {
      this.#excluded = [...this.#excluded, ...rows.filter((row) => !isUsable(row)).map(({ minute }) => minute * 60)]
    }
    const needed = this.#length + usable.length
    if (needed > this.#minutes.length) this.#reserve(needed + spare)
    // By name: asked for by a variable, each would take several times as long.
    const { open, high, low, close, volume, adjustedClose } = this.#prices
    for (const row of usable) {
      const at = this.#length++
      this.#minutes[at] = row.minute
      open[at] = row.open ?? Number.NaN
      high[at] = row.high ?? Number.NaN
      low[at] = row.low ?? Number.NaN
      close[at] = row.close ?? Number.NaN
      volume[at] = row.volume ?? Number.NaN
      adjustedClose[at] = row.adjustedClose ?? Number.NaN
      if (isInfinite(row)) this.#hasInfinite = true
    }
    this.#grown()
  }

  #reserve(rows: number): void {
    const minutes = new Int32Array(rows)
    minutes.set(this.#minutes)
    this.#minutes = minutes
    for (const [column, before] of Object.entries(this.#prices)) {
      const floats = new Float64Array(rows)
      floats.set(before)
      this.#prices[column as PriceColumn] = floats
    }
  }

  candleAt(index: number, openFrom: number | null): SourceCandle {
    const epoch = this.epochAt(index)
    const { open, high, low, close, volume, adjustedClose } = this.#prices
    return {
      epoch,
      open: open[index] as number,
      high: high[index] as number,
      low: low[index] as number,
      close: close[index] as number,
      volume: known(volume[index]),
      closed: openFrom === null || epoch < openFrom,
      adjustedClose: known(adjustedClose[index]),
    }
  }

  copy(column: CandleColumn, from: number, to: number, into: Floats, at: number): void {
    if (column === 'epoch') {
      for (let i = from; i < to; i++) into[at++] = this.epochAt(i)
    } else into.set(this.#prices[column].subarray(from, to), at)
  }

  /** Adds the JSON of some rows to `parts`, piece by piece. false: they cannot be written as JSON. */
  *addJson(column: CandleColumn, from: number, to: number, parts: string[]): Steps<boolean> {
    if (this.#hasInfinite) return false
    for (let number = Math.floor(from / rowsPerPiece); number * rowsPerPiece < to; number++) {
      if (number % piecesPerStep === piecesPerStep - 1) yield
      const first = number * rowsPerPiece
      const piece = this.#piece(column, number)
      const begin = from <= first ? 0 : placeOf(piece, from - first)
      const end = to - first >= piece.rows ? piece.json.length : placeOf(piece, to - first) - 1
      parts.push(begin === 0 && end === piece.json.length ? piece.json : piece.json.slice(begin, end))
    }
    return true
  }

  #piece(column: CandleColumn, number: number): Piece {
    let pieces = this.#pieces.get(column)
    if (!pieces) {
      pieces = []
      this.#pieces.set(column, pieces)
    }
    const first = number * rowsPerPiece
    const rows = Math.min(rowsPerPiece, this.#length - first)
    const known = pieces[number]
    if (known?.rows === rows) return known
    const values = new Float64Array(rows)
    this.copy(column, first, first + rows, values, 0)
    const piece = pieceOf(values)
    pieces[number] = piece
    this.#jsonBytes += bytesOf(piece) - (known ? bytesOf(known) : 0)
    this.#grown()
    return piece
  }
}

/** Stored candles of a span: closed ones from memory, and those after them. Rows that are appended later do not show. */
export class StoredCandles implements CandleList<SourceCandle> {
  readonly length: number
  readonly #parts: readonly Part[]
  readonly #openFrom: number | null
  readonly #derived: DerivedValues | null
  #candles: readonly SourceCandle[] | undefined

  /**
   * `openFrom`: candles from here on, in epoch seconds, were still forming when they were stored; null: none was.
   * `derived`: of the tables as they are.
   */
  constructor(parts: readonly Part[], openFrom: number | null, derived: DerivedValues | null = null) {
    this.#derived = derived
    this.#parts = parts.filter(({ from, to }) => from < to)
    this.length = this.#parts.reduce((sum, { from, to }) => sum + to - from, 0)
    this.#openFrom = openFrom
  }

  get candles(): readonly SourceCandle[] {
    return finished(this.candleSteps())
  }

  *candleSteps(): Steps<readonly SourceCandle[]> {
    if (this.#candles) return this.#candles
    const candles: SourceCandle[] = []
    for (const { table, from, to } of this.#parts) {
      yield* inParts(from, to, rowsPerStep, (first, end) => {
        for (let i = first; i < end; i++) candles.push(table.candleAt(i, this.#openFrom))
      })
    }
    // Others may have made them meanwhile.
    this.#candles ??= candles
    return this.#candles
  }

  epochAt(index: number): number {
    for (const { table, from, to } of this.#parts) {
      if (index < to - from) return table.epochAt(from + index)
      index -= to - from
    }
    throw new RangeError('no such candle')
  }

  slice(from: number, to: number): StoredCandles {
    let before = 0
    const parts = this.#parts.map((part) => {
      const begin = part.from + Math.max(0, from - before)
      const end = Math.min(part.to, part.from + to - before)
      before += part.to - part.from
      return { table: part.table, from: begin, to: end }
    })
    return new StoredCandles(parts, this.#openFrom, this.#derived)
  }

  floats(column: CandleColumn): Floats {
    const floats = new Float64Array(this.length)
    let at = 0
    for (const { table, from, to } of this.#parts) {
      table.copy(column, from, to, floats, at)
      at += to - from
    }
    return floats
  }

  *json(column: CandleColumn): Steps<readonly string[] | null> {
    const parts: string[] = []
    for (const { table, from, to } of this.#parts) {
      if (!(yield* table.addJson(column, from, to, parts))) return null
    }
    return parts
  }

  recalled<T extends Sized>(name: string): T | undefined {
    return this.length === 0 ? undefined : this.#derived?.known(this.#named(name))
  }

  remembered<T extends Sized>(name: string, make: (earlier?: Earlier<T>) => Steps<T>): Steps<T> {
    if (!this.#derived || this.length === 0) return make()
    return this.#derived.get(this.#named(name), make, (before) => countBefore(this, before))
  }

  #named(name: string): string {
    return `${this.epochAt(0)} ${this.epochAt(this.length - 1)} ${name}`
  }
}

/** Rows [from, to) of a table. */
export interface Part {
  readonly table: CandleTable
  readonly from: number
  readonly to: number
}

/** The rows of a table in a span of epoch seconds. */
export function partOf(table: CandleTable, from: number, to: number): Part {
  return { table, from: firstFrom(table, from), to: firstFrom(table, to) }
}

function firstFrom(table: CandleTable, epoch: number): number {
  let [low, high] = [0, table.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (table.epochAt(middle) < epoch) low = middle + 1
    else high = middle
  }
  return low
}

function pieceOf(values: Floats): Piece {
  // A number that is none is null in JSON.
  const json = JSON.stringify(Array.from(values)).slice(1, -1)
  return { json, rows: values.length, known: { row: 0, place: 0 } }
}

/** Where the value of a row begins. */
function placeOf(piece: Piece, row: number): number {
  if (piece.known.row !== row) {
    let place = 0
    for (let i = 0; i < row; i++) place = piece.json.indexOf(',', place) + 1
    piece.known = { row, place }
  }
  return piece.known.place
}

const bytesOf = ({ json }: Piece): number => json.length + 200
const known = (value: number | undefined): number | null => (value === undefined || Number.isNaN(value) ? null : value)

/** Whether a number that is known is none that JSON can hold. */
function isInfinite({ open, high, low, close, volume }: CandleRow): boolean {
  const sum = (open ?? 0) + (high ?? 0) + (low ?? 0) + (close ?? 0)
  return !Number.isFinite(sum) || !Number.isFinite(volume ?? 0)
}

const isUsable = ({ open, high, low, close }: CandleRow): boolean =>
  open !== null && high !== null && low !== null && close !== null
