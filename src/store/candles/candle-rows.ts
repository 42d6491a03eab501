import type pg from 'pg'
import type { SourceCandles } from '../../domain/candle.ts'
import type { TimeSpan } from '../../domain/time/units.ts'
import { type CandleRow, copyCandles } from './candle-copy.ts'

type Row = [minute: number, closed: boolean, ...prices: (number | null)[]]

/**
 * Reads rows, oldest first; none if the series has another generation than the given one. Whether a row is closed is
 * read in the same statement: an earlier read of the series may be older than the rows.
 */
export async function rowsOf(
  client: Pick<pg.Pool, 'query'>,
  id: number,
  { from, to }: TimeSpan,
  generation: number | null = null,
): Promise<Row[]> {
  const { rows } = await client.query<Row>({
    name: 'candle-rows',
    text: `SELECT minute, coalesce(minute::bigint * 60 < (SELECT open_from FROM finstage.candle_series WHERE id = $1), true),
             open, high, low, close, volume, adjusted_close FROM finstage.candles
           WHERE series_id = $1 AND minute >= $2 AND minute < $3
             AND ($4::int IS NULL OR $4 = (SELECT generation FROM finstage.candle_series WHERE id = $1)) ORDER BY minute`,
    values: [id, Math.ceil(from / 60), Math.ceil(to / 60), generation],
    rowMode: 'array',
  })
  return rows
}

/** Makes a fetch all that is stored of a span. Leaves identical rows alone. */
export function replaceRows(client: pg.PoolClient, id: number, span: TimeSpan, fetched: SourceCandles): Promise<void> {
  return changeRows(client, id, span, fetched, () => false)
}

/**
 * Adds and changes what a later fetch brings. A candle stays that the fetch lacks or has no usable prices for: the
 * answer may be cut, or have a hole of its own. A row without prices goes if the fetch has candles before and after it.
 */
export function reviseRows(client: pg.PoolClient, id: number, span: TimeSpan, fetched: SourceCandles): Promise<void> {
  const first = fetched.candles[0]?.epoch ?? Number.POSITIVE_INFINITY
  const last = fetched.candles.at(-1)?.epoch ?? Number.NEGATIVE_INFINITY
  return changeRows(client, id, span, fetched, ([minute, , open], next) => {
    if (next) return open != null && next.open === null
    const isWithin = minute * 60 > first && minute * 60 < last
    return open != null || !isWithin
  })
}

/** `keeps`: whether a row stays as it is, beside what the fetch has in its place. */
async function changeRows(
  client: pg.PoolClient,
  id: number,
  span: TimeSpan,
  fetched: SourceCandles,
  keeps: (row: Row, next: CandleRow | undefined) => boolean,
): Promise<void> {
  const wanted = rowsToStore(fetched, span)
  const obsolete: number[] = []
  for (const row of await rowsOf(client, id, span)) {
    const next = wanted.get(row[0])
    if ((next && isSame(row, next)) || keeps(row, next)) wanted.delete(row[0])
    else obsolete.push(row[0])
  }
  if (obsolete.length > 0) {
    await client.query('DELETE FROM finstage.candles WHERE series_id = $1 AND minute = ANY ($2::int[])', [id, obsolete])
  }
  if (wanted.size > 0) await copyCandles(client, id, [...wanted.values()])
}

/** Keyed by whole minutes: a time between two of them would fail the whole COPY. */
function rowsToStore({ candles, excluded }: SourceCandles, { from, to }: TimeSpan): Map<number, CandleRow> {
  const rows = new Map<number, CandleRow>()
  const isInside = (epoch: number) => epoch >= from && epoch < to
  for (const epoch of excluded.filter(isInside)) {
    const minute = Math.floor(epoch / 60)
    rows.set(minute, { minute, open: null, high: null, low: null, close: null, volume: null, adjustedClose: null })
  }
  for (const { epoch, open, high, low, close, volume, adjustedClose } of candles) {
    if (!isInside(epoch)) continue
    const minute = Math.floor(epoch / 60)
    rows.set(minute, { minute, open, high, low, close, volume, adjustedClose })
  }
  return rows
}

const isSame = ([, , open, high, low, close, volume, adjustedClose]: Row, row: CandleRow): boolean =>
  open === row.open &&
  high === row.high &&
  low === row.low &&
  close === row.close &&
  volume === row.volume &&
  adjustedClose === row.adjustedClose
