import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type pg from 'pg'
import { from } from 'pg-copy-streams'

/** A row of finstage.candles. Prices are null if the source sent an unusable row. */
export interface CandleRow {
  readonly minute: number
  readonly open: number | null
  readonly high: number | null
  readonly low: number | null
  readonly close: number | null
  readonly volume: number | null
  readonly adjustedClose: number | null
}

const command =
  'COPY finstage.candles (series_id, minute, open, high, low, close, volume, adjusted_close) FROM STDIN BINARY'

/** Signature, flags, length of the header extension. */
const header = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
const fieldCount = 8
const trailer = -1
/** Two integers and six doubles, each preceded by its length. */
const longestRow = 2 + 2 * 8 + 6 * 12

/** Rows of a series. */
export interface SeriesRows {
  readonly seriesId: number
  readonly rows: readonly CandleRow[]
}

/** Inserts rows; a row that exists already fails the transaction. Runs within a transaction of the client. */
export async function copyCandles(client: pg.PoolClient, series: readonly SeriesRows[]): Promise<void> {
  await pipeline(Readable.from([encodeCandles(series)], { objectMode: false }), client.query(from(command)))
}

/** The binary format of COPY: https://www.postgresql.org/docs/current/sql-copy.html */
export function encodeCandles(series: readonly SeriesRows[]): Buffer {
  const rowCount = series.reduce((sum, { rows }) => sum + rows.length, 0)
  const buffer = Buffer.allocUnsafe(header.length + rowCount * longestRow + 2)
  let at = header.copy(buffer)
  const integer = (value: number): void => {
    at = buffer.writeInt32BE(4, at)
    at = buffer.writeInt32BE(value, at)
  }
  const double = (value: number | null): void => {
    at = buffer.writeInt32BE(value === null ? -1 : 8, at)
    if (value !== null) at = buffer.writeDoubleBE(value, at)
  }
  for (const { seriesId, rows } of series) {
    for (const row of rows) {
      at = buffer.writeInt16BE(fieldCount, at)
      integer(seriesId)
      integer(row.minute)
      double(row.open)
      double(row.high)
      double(row.low)
      double(row.close)
      double(row.volume)
      double(row.adjustedClose)
    }
  }
  at = buffer.writeInt16BE(trailer, at)
  return buffer.subarray(0, at)
}
