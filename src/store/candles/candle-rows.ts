import type pg from 'pg'
import type { SourceCandles } from '../../domain/candle.ts'
import { inParts, type RunSteps, type Steps } from '../../domain/steps.ts'
import type { TimeSpan } from '../../domain/time/units.ts'
import type { CandleRow } from './candle-copy.ts'

/** A stored row, column by column. */
export type Row = [minute: number, ...prices: (number | null)[]]

/** Rows of a series, oldest first, with what tells whether they have changed since. */
export interface StampedRows {
  readonly rows: readonly CandleRow[]
  readonly generation: number
  readonly settledVersion: number
  readonly rowVersion: string
  /** Candles from here on, in epoch seconds, were still forming when they were stored; null: none was. */
  readonly openFrom: number | null
}

export const prices = 'open, high, low, close, volume, adjusted_close'

/** Rows of a span, oldest first. */
export async function rowsOf(client: pg.PoolClient, id: number, { from, to }: TimeSpan): Promise<Row[]> {
  const { rows } = await client.query<Row>({
    name: 'candle-rows',
    text: `SELECT minute, ${prices} FROM finstage.candles
           WHERE series_id = $1 AND minute >= $2 AND minute < $3 ORDER BY minute`,
    values: [id, Math.ceil(from / 60), Math.ceil(to / 60)],
    rowMode: 'array',
  })
  return rows
}

/**
 * Postgres sends so many rows, and the next when they have been asked for: about a millisecond of reading. Otherwise all
 * that has arrived would be read in one round of the event loop.
 */
const rowsAtATime = 1000

/** Sorts before the minute of any candle, those before 1970 included. */
const stampMinute = -(2 ** 31)

/**
 * Reads rows and what is known of their series in one statement, so that they belong together: the series comes first,
 * in the columns of a row.
 */
export async function stampedRows(
  client: Pick<pg.Pool, 'query'>,
  id: number,
  { from, to }: TimeSpan,
  run: RunSteps,
): Promise<StampedRows | null> {
  const { rows } = await client.query<Row>({
    name: 'candle-rows-stamped',
    text: `SELECT (${stampMinute})::int4 AS minute, generation::float8 AS open, settled_version::float8 AS high, open_from::float8 AS low,
             xmin::text::float8 AS close, NULL::float8 AS volume, NULL::float8 AS adjusted_close
           FROM finstage.candle_series WHERE id = $1
           UNION ALL SELECT minute, ${prices} FROM finstage.candles
           WHERE series_id = $1 AND minute >= $2 AND minute < $3 ORDER BY minute`,
    values: [id, Math.ceil(from / 60), Math.ceil(to / 60)],
    rowMode: 'array',
    rows: rowsAtATime,
  } as pg.QueryArrayConfig)
  const stamp = rows[0]
  if (!stamp || stamp[0] !== stampMinute) return null
  const [, generation, settledVersion, openFrom, rowVersion] = stamp
  return {
    rows: await run(toRows(rows)),
    generation: generation ?? 0,
    settledVersion: settledVersion ?? 0,
    rowVersion: String(rowVersion),
    openFrom: openFrom ?? null,
  }
}

const rowsPerStep = 4000

/** All but the first. */
function* toRows(stored: readonly Row[]): Steps<CandleRow[]> {
  const rows: CandleRow[] = []
  yield* inParts(1, stored.length, rowsPerStep, (from, to) => {
    for (let i = from; i < to; i++) rows.push(toRow(stored[i] as Row))
  })
  return rows
}

export const toRow = ([minute, open, high, low, close, volume, adjustedClose]: Row): CandleRow => ({
  minute,
  open: open ?? null,
  high: high ?? null,
  low: low ?? null,
  close: close ?? null,
  volume: volume ?? null,
  adjustedClose: adjustedClose ?? null,
})

/** What a fetch changes of the rows that are stored. */
export interface RowChanges {
  readonly wanted: readonly CandleRow[]
  /** The minutes of stored rows that go, or are replaced. */
  readonly obsolete: readonly number[]
}

/** Makes a fetch all that is stored of a span, given what is. Leaves identical rows alone. */
export const replacing = (stored: readonly Row[], span: TimeSpan, fetched: SourceCandles): RowChanges =>
  changesOf(stored, span, fetched, () => false)

/**
 * Adds and changes what a later fetch brings. A candle stays that the fetch lacks or has no usable prices for: the
 * answer may be cut, or have a hole of its own. A row without prices goes if the fetch has candles before and after it.
 */
export function revising(stored: readonly Row[], span: TimeSpan, fetched: SourceCandles): RowChanges {
  const first = fetched.candles[0]?.epoch ?? Number.POSITIVE_INFINITY
  const last = fetched.candles.at(-1)?.epoch ?? Number.NEGATIVE_INFINITY
  return changesOf(stored, span, fetched, ([minute, open], next) => {
    if (next) return open != null && next.open === null
    const isWithin = minute * 60 > first && minute * 60 < last
    return open != null || !isWithin
  })
}

/** `keeps`: whether a row stays as it is, beside what the fetch has in its place. */
function changesOf(
  stored: readonly Row[],
  span: TimeSpan,
  fetched: SourceCandles,
  keeps: (row: Row, next: CandleRow | undefined) => boolean,
): RowChanges {
  const wanted = rowsToStore(fetched, span)
  const obsolete: number[] = []
  for (const row of stored) {
    const next = wanted.get(row[0])
    if ((next && isSame(row, next)) || keeps(row, next)) wanted.delete(row[0])
    else obsolete.push(row[0])
  }
  return { wanted: [...wanted.values()], obsolete }
}

export const deleteRows = (client: pg.PoolClient, id: number, minutes: readonly number[]) =>
  client.query('DELETE FROM finstage.candles WHERE series_id = $1 AND minute = ANY ($2::int[])', [id, minutes])

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

const isSame = ([, open, high, low, close, volume, adjustedClose]: Row, row: CandleRow): boolean =>
  open === row.open &&
  high === row.high &&
  low === row.low &&
  close === row.close &&
  volume === row.volume &&
  adjustedClose === row.adjustedClose
