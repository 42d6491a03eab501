import type { PartValues } from '../../analysis/indicators/points.ts'
import type { Earlier, Sized } from '../../domain/candle-list.ts'
import { inParts, type Steps } from '../../domain/steps.ts'
import { numbersAsJson } from '../../platform/number-json.ts'
import { WrittenList } from '../written-list.ts'

/** Columns of an indicator as JSON, by part. */
export interface WrittenColumns extends Sized {
  readonly lists: Readonly<Record<string, WrittenList>>
  readonly columns: Readonly<Record<string, WrittenColumn>>
}

/** JSON of the first rows, and of those that may still change. */
interface WrittenColumn {
  readonly head: string
  readonly headRows: number
  readonly tail: string
}

/**
 * Writes columns as JSON, null for what is no finite number. `earlier`: of the same indicator before its newest candles
 * changed. No value may depend on a later candle, so the JSON of rows that have stayed the same is taken from there.
 */
export function* writtenColumns(values: PartValues, earlier?: Earlier<WrittenColumns>): Steps<WrittenColumns> {
  const lists: Record<string, WrittenList> = {}
  const columns: Record<string, WrittenColumn> = {}
  let bytes = 200
  for (const [part, of] of Object.entries(values)) {
    const column = yield* written(of, earlier?.value.columns[part], earlier?.sameRows)
    const pieces = [column.head, column.tail].filter((json) => json !== '')
    columns[part] = column
    lists[part] = new WrittenList(pieces, of.length)
    bytes += column.head.length + column.tail.length + 400
  }
  return { lists, columns, bytes }
}

/** More rows than these are put to the head. */
const maxTailRows = 32

function* written(values: Float64Array, earlier?: WrittenColumn, sameRows = 0): Steps<WrittenColumn> {
  const headRows = earlier ? Math.min(sameRows, earlier.headRows) : 0
  const head = earlier && headRows > 0 ? firstRows(earlier, headRows) : ''
  const tail = yield* asJson(values.subarray(headRows))
  if (head !== '' && values.length - headRows <= maxTailRows) return { head, headRows, tail }
  return { head: head === '' ? tail : `${head},${tail}`, headRows: values.length, tail: '' }
}

/** A number takes some 35 ns to write, and a very large or small one 200. */
const numbersPerStep = 4000

function* asJson(values: Float64Array): Steps<string> {
  const pieces: string[] = []
  yield* inParts(0, values.length, numbersPerStep, (from, to) => {
    pieces.push(numbersAsJson(values.subarray(from, to)))
  })
  return pieces.length === 1 ? (pieces[0] as string) : pieces.join(',')
}

/** The JSON of so many of the rows of a head, at least one. */
function firstRows({ head, headRows }: WrittenColumn, rows: number): string {
  let end = head.length
  for (let left = headRows; left > rows; left--) end = head.lastIndexOf(',', end - 1)
  return head.slice(0, end)
}
