import type pg from 'pg'
import type { SourceCandle, SourceCandles } from '../../domain/candle.ts'
import type { CorporateActions } from '../../domain/corporate-action.ts'
import { daySeconds, type TimeSpan } from '../../domain/time/units.ts'
import { type DatabasePool, transaction } from '../../platform/database/pool.ts'
import { epochMs } from '../epoch-ms.ts'
import { replaceRows, reviseRows, rowsOf } from './candle-rows.ts'
import { readActions } from './corporate-action-store.ts'
import { applyActions, cover, gapsOf, isOvertaken, storedOf } from './coverage.ts'
import { type FetchedCandles, type Series, type SeriesState, seriesKey, unsettledDays } from './series.ts'

/**
 * Longer than any answer takes. If an earlier answer claims to have been asked for this much later than the current
 * one, the clock was put back in between.
 */
const longestAnswerSeconds = 300
/** How many minutes of one series retention deletes per transaction. */
const pruneMinutes = 60 * 24 * 30

/** What is stored of a span. */
export interface StoredExtent {
  readonly count: number
  /** Start times in epoch seconds; null: none. */
  readonly firstEpoch: number | null
  readonly lastEpoch: number | null
}

/**
 * Candles in Postgres, and the record of which spans are stored for good. Writers of candles of one symbol take turns,
 * across processes: a split that one of them brings changes the candles of the others.
 */
export class CandleStore {
  readonly #pool: DatabasePool

  constructor(pool: DatabasePool) {
    this.#pool = pool
  }

  /** null: nothing of the series was ever stored. */
  async state(series: Series, span: TimeSpan): Promise<SeriesState | null> {
    const { rows } = await this.#pool.query<SeriesState>({
      name: 'candle-state',
      text: `SELECT id, timezone, currency, first_trade::float8 AS "firstTradeEpoch", session_opens::float8 AS "sessionOpens",
               session_closes::float8 AS "sessionCloses", exchange, generation,
               ${epochMs('received_at')} AS "receivedAtMs", ${epochMs('basis_at')} AS "basisAtMs",
               ${epochMs('revised_at')} AS "revisedAtMs",
               (SELECT ${epochMs('coalesce(max(actions_at), min(basis_at))')} FROM finstage.candle_series
                WHERE source = $1 AND symbol = $2) AS "actionsAtMs",
               (SELECT coalesce(json_agg(json_build_object('from', lower(gap), 'to', upper(gap)) ORDER BY gap), '[]')
                FROM unnest(int8multirange(int8range($5, $6)) - covered) AS gap) AS gaps,
               (SELECT coalesce(json_agg(json_build_object('from', lower(part), 'to', upper(part)) ORDER BY part), '[]')
                FROM unnest(covered * int8multirange(int8range(
                  extract(epoch FROM revised_at)::bigint - ${unsettledDays * daySeconds}, NULL))) AS part) AS recent
             FROM finstage.candle_series WHERE source = $1 AND symbol = $2 AND interval = $3 AND extended_hours = $4`,
      values: [...seriesKey(series), span.from, span.to],
    })
    return rows[0] ?? null
  }

  /** The stored candles of a span; none if the series has changed its generation meanwhile. */
  async read({ id, generation }: SeriesState, span: TimeSpan): Promise<SourceCandles> {
    const candles: SourceCandle[] = []
    const excluded: number[] = []
    const rows = await rowsOf(this.#pool, id, span, generation)
    for (const [minute, closed, open, high, low, close, volume, adjustedClose] of rows) {
      const epoch = minute * 60
      if (open == null || high == null || low == null || close == null) excluded.push(epoch)
      else {
        candles.push({
          epoch,
          open,
          high,
          low,
          close,
          volume: volume ?? null,
          closed,
          adjustedClose: adjustedClose ?? null,
        })
      }
    }
    return { candles, excluded }
  }

  /** How many candles are stored in a span, and when the first and the last start. */
  async extent({ id }: SeriesState, { from, to }: TimeSpan): Promise<StoredExtent> {
    const { rows } = await this.#pool.query<StoredExtent>(
      `SELECT count(*)::float8 AS count, min(minute)::float8 * 60 AS "firstEpoch", max(minute)::float8 * 60 AS "lastEpoch"
       FROM finstage.candles WHERE series_id = $1 AND minute >= $2 AND minute < $3 AND close IS NOT NULL`,
      [id, Math.ceil(from / 60), Math.ceil(to / 60)],
    )
    return rows[0] ?? { count: 0, firstEpoch: null, lastEpoch: null }
  }

  /** Dividends and splits in the span, as far as days were fetched there. */
  actions(series: Pick<Series, 'source' | 'symbol'>, span: TimeSpan): Promise<CorporateActions> {
    return readActions(this.#pool, series, span)
  }

  /**
   * Stores a fetch as all that the span holds, and its final part for good. Candles that are already stored for good
   * stay, unless the fetch revises them and none that began later has been stored. A new split or dividend invalidates
   * what was fetched without it before its date: prices before a split are dropped, adjusted closes before a dividend
   * are fetched again. Returns the generation of the series; null: nothing was written, because a fetch that began later
   * has brought such an action.
   */
  async write(series: Series, span: TimeSpan, fetched: FetchedCandles): Promise<number | null> {
    return transaction(this.#pool, async (client) => {
      await lockSymbol(client, series)
      if (await isOvertaken(client, series, fetched)) return null
      const { id, isLate } = await upsertSeries(client, series, span, fetched)
      if (series.interval === 'DAY_1') await applyActions(client, series, span, fetched)
      const finalTo = Math.max(span.from, Math.min(span.to, fetched.finalBefore))
      // For candles that may still change, the later fetch wins.
      for (const open of await gapsOf(client, id, { from: span.from, to: isLate ? finalTo : span.to })) {
        await replaceRows(client, id, open, fetched)
      }
      if (!fetched.revises || isLate) return await cover(client, id, span, finalTo, { ...fetched, revises: false })
      for (const part of await storedOf(client, id, { from: span.from, to: finalTo })) {
        await reviseRows(client, id, part, fetched)
      }
      return await cover(client, id, span, finalTo, fetched)
    })
  }

  /** Drops all of a series, when its symbol has come to mean something else. */
  async forget(series: Series): Promise<void> {
    await transaction(this.#pool, async (client) => {
      await lockSymbol(client, series)
      const { rows } = await client.query<{ id: number }>(
        `UPDATE finstage.candle_series
         SET covered = '{}', currency = NULL, session_closes = NULL, generation = generation + 1
         WHERE source = $1 AND symbol = $2 AND interval = $3 AND extended_hours = $4 RETURNING id`,
        seriesKey(series),
      )
      await client.query('DELETE FROM finstage.candles WHERE series_id = ANY ($1)', [rows.map(({ id }) => id)])
    })
  }

  /** Deletes candles of intervals under a day that start before a time in epoch seconds. Returns how many. */
  async prune(before: number): Promise<number> {
    const { rows } = await this.#pool.query<{ id: number }>(
      "SELECT id FROM finstage.candle_series WHERE interval <> 'DAY_1'",
    )
    let deleted = 0
    for (const { id } of rows) {
      for (let part = await this.#prunePart(id, before); part > 0; part = await this.#prunePart(id, before)) {
        deleted += part
      }
    }
    return deleted
  }

  /**
   * Deletes a month at a time, so that locks and transactions stay short. Deleted candles stop counting as stored in
   * the same transaction.
   */
  #prunePart(id: number, before: number): Promise<number> {
    return transaction(this.#pool, async (client) => {
      await client.query(
        `UPDATE finstage.candle_series SET covered = covered - int8multirange(int8range(NULL, $2)) WHERE id = $1`,
        [id, before],
      )
      const { rowCount } = await client.query(
        `DELETE FROM finstage.candles WHERE series_id = $1 AND minute < least($2::int,
           (SELECT min(minute) + $3::int FROM finstage.candles WHERE series_id = $1 AND minute < $2))`,
        [id, Math.ceil(before / 60), pruneMinutes],
      )
      return rowCount ?? 0
    })
  }
}

/** Held until the transaction ends. */
async function lockSymbol(client: pg.PoolClient, { source, symbol }: Series): Promise<void> {
  await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`candles ${source} ${symbol}`])
}

const isImpossible = `known.received_at > excluded.received_at + interval '${longestAnswerSeconds} seconds'`

/**
 * Creates the row of the series if it is missing, and records the source's facts. `isLate`: the source was asked for
 * the series again since this fetch began.
 */
async function upsertSeries(
  client: pg.PoolClient,
  series: Series,
  span: TimeSpan,
  fetched: FetchedCandles,
): Promise<{ id: number; isLate: boolean }> {
  const { facts, startedMs, candles } = fetched
  // From here on, candles were still forming when they were stored.
  const openFrom = candles.find(({ closed }) => !closed)?.epoch ?? null
  const { rows } = await client.query<{ id: number; isLate: boolean }>(
    `INSERT INTO finstage.candle_series AS known
       (source, symbol, interval, extended_hours, timezone, currency, first_trade, session_opens, session_closes,
        open_from, received_at, basis_at, revised_at, exchange)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, to_timestamp($11::float8 / 1000), to_timestamp($11::float8 / 1000),
       to_timestamp($11::float8 / 1000), $14)
     ON CONFLICT (source, symbol, interval, extended_hours) DO UPDATE SET
       timezone = coalesce(excluded.timezone, known.timezone),
       currency = coalesce(excluded.currency, known.currency),
       first_trade = coalesce(excluded.first_trade, known.first_trade),
       session_opens = coalesce(excluded.session_opens, known.session_opens),
       session_closes = coalesce(excluded.session_opens + greatest(excluded.session_closes - excluded.session_opens,
         known.session_closes - known.session_opens), known.session_closes),
       exchange = coalesce(excluded.exchange, known.exchange),
       open_from = CASE WHEN (known.received_at <= excluded.received_at OR ${isImpossible})
           AND (excluded.open_from IS NOT NULL OR known.open_from >= $12 AND known.open_from < $13)
         THEN excluded.open_from ELSE known.open_from END,
       received_at = CASE WHEN ${isImpossible} THEN excluded.received_at
         ELSE greatest(known.received_at, excluded.received_at) END
     RETURNING id, received_at > to_timestamp($11::float8 / 1000) AS "isLate"`,
    [
      ...seriesKey(series),
      facts?.timezone ?? null,
      facts?.currency ?? null,
      facts?.firstTradeEpoch ?? null,
      facts?.sessionOpens ?? null,
      facts?.sessionCloses ?? null,
      openFrom,
      startedMs,
      span.from,
      span.to,
      facts?.exchange ?? null,
    ],
  )
  const [row] = rows
  if (!row) throw new Error('the database returned no row')
  return row
}
