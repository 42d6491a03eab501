import type pg from 'pg'
import type { SourceCandle, SourceCandles } from '../../domain/candle.ts'
import type { CorporateActions } from '../../domain/corporate-action.ts'
import type { TimeSpan } from '../../domain/time.ts'
import { type DatabasePool, transaction } from '../../platform/database/pool.ts'
import { epochMs } from '../epoch-ms.ts'
import { replaceRows, rowsOf } from './candle-rows.ts'
import { readActions } from './corporate-action-store.ts'
import { applyActions, cover, gapsOf, isOvertaken } from './coverage.ts'
import { type FetchedCandles, type Series, type SeriesState, seriesKey } from './series.ts'

/**
 * No answer takes so long: what was asked for so much later than a question that is answered now was asked for by a clock that
 * has been put back since.
 */
const longestAnswerSeconds = 300
/** Retention deletes so many minutes of one series in one transaction. */
const pruneMinutes = 60 * 24 * 30

/** What is stored of a span. */
export interface StoredExtent {
  readonly count: number
  /** Start times in epoch seconds; null: there is none. */
  readonly firstEpoch: number | null
  readonly lastEpoch: number | null
}

/**
 * Candles in Postgres, and which spans of them are there for good. Those who write candles of one symbol do so one after the
 * other, whatever the process: a split that one of them brings changes what the others have.
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
               session_closes::float8 AS "sessionCloses", generation,
               ${epochMs('received_at')} AS "receivedAtMs", ${epochMs('basis_at')} AS "basisAtMs",
               (SELECT ${epochMs('coalesce(max(actions_at), min(basis_at))')} FROM finstage.candle_series
                WHERE source = $1 AND symbol = $2) AS "actionsAtMs",
               (SELECT coalesce(json_agg(json_build_object('from', lower(gap), 'to', upper(gap)) ORDER BY gap), '[]')
                FROM unnest(int8multirange(int8range($5, $6)) - covered) AS gap) AS gaps
             FROM finstage.candle_series WHERE source = $1 AND symbol = $2 AND interval = $3 AND extended_hours = $4`,
      values: [...seriesKey(series), span.from, span.to],
    })
    return rows[0] ?? null
  }

  /** What there is of a span; nothing where the series has changed its generation meanwhile. */
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

  /** How many candles there are in a span, and which are the first and the last. */
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
   * Makes what was fetched all that the store has of the span, and the part of it that is final stored for good. What is stored
   * for good already stays. A split or dividend that is news makes what was stored before its date and without it wrong: prices
   * before a split are dropped, adjusted closes before a dividend are to be fetched again. Returns the series' generation; null:
   * nothing was written, since another fetch that began later has brought such news.
   */
  async write(series: Series, span: TimeSpan, fetched: FetchedCandles): Promise<number | null> {
    return transaction(this.#pool, async (client) => {
      await lockSymbol(client, series)
      if (await isOvertaken(client, series, fetched)) return null
      const { id, isLate } = await upsertSeries(client, series, span, fetched)
      if (series.interval === 'DAY_1') await applyActions(client, series, span, fetched)
      const finalTo = Math.max(span.from, Math.min(span.to, fetched.finalBefore))
      // Of what still changes, the answer to the later question stays.
      for (const open of await gapsOf(client, id, { from: span.from, to: isLate ? finalTo : span.to })) {
        await replaceRows(client, id, open, fetched)
      }
      return await cover(client, id, span, finalTo, fetched)
    })
  }

  /** Forgets all of a series: for one that has come to mean something else. */
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

  /** Deletes candles under a day that start before a time in epoch seconds. Returns how many. */
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

  /** A month at a time, so that no lock and no transaction is long. What is deleted stops counting as stored with it. */
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

/** Until the transaction ends. */
async function lockSymbol(client: pg.PoolClient, { source, symbol }: Series): Promise<void> {
  await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`candles ${source} ${symbol}`])
}

const isImpossible = `known.received_at > excluded.received_at + interval '${longestAnswerSeconds} seconds'`

/**
 * Creates the series' row where it is missing, and notes what the source told of it. `isLate`: the source was asked for some of
 * it since this fetch began.
 */
async function upsertSeries(
  client: pg.PoolClient,
  series: Series,
  span: TimeSpan,
  fetched: FetchedCandles,
): Promise<{ id: number; isLate: boolean }> {
  const { facts, startedMs, candles } = fetched
  // Candles from here on were still forming when they were stored.
  const openFrom = candles.find(({ closed }) => !closed)?.epoch ?? null
  const { rows } = await client.query<{ id: number; isLate: boolean }>(
    `INSERT INTO finstage.candle_series AS known
       (source, symbol, interval, extended_hours, timezone, currency, first_trade, session_opens, session_closes,
        open_from, received_at, basis_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, to_timestamp($11::float8 / 1000), to_timestamp($11::float8 / 1000))
     ON CONFLICT (source, symbol, interval, extended_hours) DO UPDATE SET
       timezone = coalesce(excluded.timezone, known.timezone),
       currency = coalesce(excluded.currency, known.currency),
       first_trade = coalesce(excluded.first_trade, known.first_trade),
       session_opens = coalesce(excluded.session_opens, known.session_opens),
       session_closes = coalesce(excluded.session_opens + greatest(excluded.session_closes - excluded.session_opens,
         known.session_closes - known.session_opens), known.session_closes),
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
    ],
  )
  const [row] = rows
  if (!row) throw new Error('the database returned no row')
  return row
}
