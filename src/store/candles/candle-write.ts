import type pg from 'pg'
import type { TimeSpan } from '../../domain/time/units.ts'
import type { DatabasePool } from '../../platform/database/pool.ts'
import { copyCandles } from './candle-copy.ts'
import type { WrittenEnd } from './candle-memory.ts'
import { deleteRows, type Row, type RowChanges, replacing, revising, rowsOf, toRow } from './candle-rows.ts'
import { changedActions } from './corporate-action-store.ts'
import { applyActions } from './coverage.ts'
import { createSeries, fewRows, recordFetch } from './fetch-record.ts'
import { aheadSeconds, type FetchedCandles, type Series, seriesKey } from './series.ts'
import type { StoredSeries } from './stored-series.ts'
import { readBasis, type WriteBasis } from './write-basis.ts'

/*
 * A fetch is written in one of three ways. Most fetches move the newest candle of a series and change nothing else:
 * these are two statements, the second of which writes only if nothing was written to the series since the first. First
 * fetches of symbols share a transaction (first-writes.ts). All others take their turn with the other writers of the
 * symbol.
 */

/** undefined: this takes a turn. */
export async function writeAtOnce(
  pool: DatabasePool,
  series: Series,
  span: TimeSpan,
  fetched: FetchedCandles,
): Promise<{ readonly left: StoredSeries; readonly end: WrittenEnd } | undefined> {
  if (fetched.revises || fetched.candles.length + fetched.excluded.length > fewRows) return undefined
  const basis = await readBasis(pool, series, span, fetched)
  const { id, rows, rowVersion, isOvertaken, isLate } = basis
  if (id === null || rows === null || isOvertaken || isLate || hasNews(series, basis, fetched)) return undefined
  const { wanted, obsolete } = replacingIn(basis.gaps, rows, fetched)
  if (obsolete.some((minute) => !wanted.some((row) => row.minute === minute))) return undefined
  const finalTo = finalEnd(span, fetched)
  const unrevised = { hasRevised: false, changesSettled: false }
  const left = await recordFetch(pool, { id, span, finalTo, rows: wanted, ...unrevised, rowVersion }, fetched)
  if (!left) return undefined
  const ends = new Map([...rows.map(toRow), ...wanted].map((row) => [row.minute, row]))
  const end: WrittenEnd = {
    ...{ id, finalTo, generation: left.generation, settledVersion: left.settledVersion, rowVersion: left.rowVersion },
    rows: [...ends.values()].sort((a, b) => a.minute - b.minute),
    from: basis.gaps[0]?.from ?? span.to,
    to: span.to + aheadSeconds,
  }
  return { left, end }
}

/**
 * Runs within a transaction of the client. Returns what it has left of the series; null: a later fetch has brought a split
 * or dividend that this one lacks.
 */
export async function writeInTurn(
  client: pg.PoolClient,
  series: Series,
  span: TimeSpan,
  fetched: FetchedCandles,
): Promise<StoredSeries | null> {
  const locked = await lockSymbol(client, series)
  let basis = await readBasis(client, series, span, fetched)
  // Created while this waited for its turn.
  if (basis.id !== locked) {
    await lockSymbol(client, series)
    basis = await readBasis(client, series, span, fetched)
  }
  if (basis.isOvertaken) return null
  const id = basis.id ?? (await createSeries(client, series, fetched.startedMs))
  if (hasNews(series, basis, fetched)) {
    await applyActions(client, series, changedActions(basis.actions, fetched), fetched)
    basis = await readBasis(client, series, span, fetched)
  }
  const finalTo = finalEnd(span, fetched)
  // For candles that may still change, the later fetch wins.
  const gaps = basis.isLate ? within(basis.gaps, { from: span.from, to: finalTo }) : basis.gaps
  const stored = basis.rows ?? (await rowsIn(client, id, gaps))
  const changes = [replacingIn(gaps, stored, fetched)]
  const hasRevised = fetched.revises && !basis.isLate
  if (hasRevised) {
    for (const part of within(basis.stored, { from: span.from, to: finalTo })) {
      changes.push(revising(await rowsOf(client, id, part), part, fetched))
    }
  }
  const { wanted, obsolete } = joined(changes)
  if (obsolete.length > 0) await deleteRows(client, id, obsolete)
  const isCopied = wanted.length > fewRows
  if (isCopied) await copyCandles(client, [{ seriesId: id, rows: wanted }])
  const changesSettled = changes.slice(1).some((each) => each.wanted.length + each.obsolete.length > 0)
  const rows = isCopied ? [] : wanted
  const record = { id, span, finalTo, rows, hasRevised, changesSettled, rowVersion: null }
  return recordFetch(client, record, fetched)
}

/**
 * Waits for the other writers of a symbol, and keeps them and those who delete from the series waiting until the
 * transaction ends. Returns the id of the series; null: it was not there when the wait began.
 */
export async function lockSymbol(client: pg.PoolClient, series: Series): Promise<number | null> {
  const { rows } = await client.query<{ id: number | null }>({
    name: 'candle-lock',
    // The lock of the symbol first, and also if there is no row to lock.
    text: `SELECT (SELECT id FROM finstage.candle_series WHERE source = $1 AND symbol = $2 AND interval = $3
             AND extended_hours = $4 AND turn.taken IS NOT NULL FOR NO KEY UPDATE) AS id
           FROM (SELECT pg_advisory_xact_lock(hashtextextended('candles ' || $1 || ' ' || $2, 0))::text AS taken
             OFFSET 0) AS turn`,
    values: seriesKey(series),
  })
  return rows[0]?.id ?? null
}

/** Whether a fetch of days brings other dividends or splits than are known. */
function hasNews({ interval }: Series, { actions }: WriteBasis, fetched: FetchedCandles): boolean {
  if (interval !== 'DAY_1') return false
  const { dividends, splits } = changedActions(actions, fetched)
  return dividends.length + splits.length > 0
}

/** Up to where a span is stored for good once the fetch is written, in epoch seconds. */
export const finalEnd = ({ from, to }: TimeSpan, { finalBefore }: FetchedCandles): number =>
  Math.max(from, Math.min(to, finalBefore))

const replacingIn = (gaps: readonly TimeSpan[], stored: readonly Row[], fetched: FetchedCandles): RowChanges =>
  joined(
    gaps.map((gap) => {
      const isInside = ([minute]: Row): boolean => minute * 60 >= gap.from && minute * 60 < gap.to
      return replacing(stored.filter(isInside), gap, fetched)
    }),
  )

const joined = (changes: readonly RowChanges[]): RowChanges => ({
  wanted: changes.flatMap(({ wanted }) => wanted),
  obsolete: changes.flatMap(({ obsolete }) => obsolete),
})

async function rowsIn(client: pg.PoolClient, id: number, spans: readonly TimeSpan[]): Promise<Row[]> {
  const rows: Row[] = []
  for (const span of spans) rows.push(...(await rowsOf(client, id, span)))
  return rows
}

const within = (spans: readonly TimeSpan[], { from, to }: TimeSpan): TimeSpan[] =>
  spans
    .map((each) => ({ from: Math.max(each.from, from), to: Math.min(each.to, to) }))
    .filter((each) => each.from < each.to)
