import type { PartValues } from '../../analysis/indicators/points.ts'
import type { Earlier, Sized } from '../../domain/candle-list.ts'
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
export function writtenColumns(values: PartValues, earlier?: Earlier<WrittenColumns>): WrittenColumns {
  const lists: Record<string, WrittenList> = {}
  const columns: Record<string, WrittenColumn> = {}
  let bytes = 200
  for (const [part, of] of Object.entries(values)) {
    const column = written(of, earlier?.value.columns[part], earlier?.sameRows)
    const pieces = [column.head, column.tail].filter((json) => json !== '')
    columns[part] = column
    lists[part] = new WrittenList(pieces, of.length)
    bytes += column.head.length + column.tail.length + 400
  }
  return { lists, columns, bytes }
}

/** More rows than these are put to the head. */
const maxTailRows = 32

function written(values: Float64Array, earlier?: WrittenColumn, sameRows = 0): WrittenColumn {
  const headRows = earlier ? Math.min(sameRows, earlier.headRows) : 0
  const head = earlier && headRows > 0 ? firstRows(earlier, headRows) : ''
  const tail = numbersAsJson(values.subarray(headRows))
  if (head !== '' && values.length - headRows <= maxTailRows) return { head, headRows, tail }
  return { head: head === '' ? tail : `${head},${tail}`, headRows: values.length, tail: '' }
}

/** The JSON of so many of the rows of a head, at least one. */
function firstRows({ head, headRows }: WrittenColumn, rows: number): string {
  let end = head.length
  for (let left = headRows; left > rows; left--) end = head.lastIndexOf(',', end - 1)
  return head.slice(0, end)
}
