import type pg from 'pg'
import { daySeconds } from '../../domain/time/units.ts'
import { type ActionChanges, replaceActions } from './corporate-action-store.ts'
import { type FetchedCandles, type Series, unsettledDays } from './series.ts'

/*
 * What revokes that spans of a series are stored for good. Everything here runs within a transaction of the client that
 * holds the symbol's lock.
 */

/**
 * A source may publish an action a while after its date: candles fetched until then are fetched again. Days for as long
 * as they are asked for again; others not as long, since the source may have lost them.
 */
const actionSettleSeconds = `CASE WHEN interval = 'DAY_1' THEN ${unsettledDays * daySeconds} ELSE ${2 * daySeconds} END`

/** Stores dividends and splits that have changed, and revokes what was fetched without them. */
export async function applyActions(
  client: pg.PoolClient,
  series: Series,
  changes: ActionChanges,
  fetched: FetchedCandles,
): Promise<void> {
  await replaceActions(client, series, changes, fetched, fetched.startedMs)
  // What was fetched before an earlier dividend was fetched before the newest, too.
  if (changes.dividends.length > 0) await uncover(client, series, Math.max(...changes.dividends), "interval = 'DAY_1'")
  for (const date of changes.splits) {
    const changed = await uncover(client, series, date, 'true')
    await client.query(
      `DELETE FROM finstage.candles USING finstage.candle_series AS series
       WHERE series_id = id AND id = ANY ($1)
         AND minute < $2::bigint / 60 + CASE WHEN interval = 'DAY_1' THEN 0 ELSE 1440 END`,
      [changed, date],
    )
  }
}

/**
 * Revokes what was fetched before an action's date, and therefore without the action. The sessions of a trading date
 * are over everywhere a day after its midnight UTC.
 */
async function uncover(client: pg.PoolClient, series: Series, date: number, which: string): Promise<number[]> {
  const { rows } = await client.query<{ id: number }>(
    `UPDATE finstage.candle_series
     SET generation = generation + 1,
       covered = covered - int8multirange(int8range(NULL, $3::bigint + CASE WHEN interval = 'DAY_1' THEN 0 ELSE ${daySeconds} END))
     WHERE source = $1 AND symbol = $2 AND basis_at < to_timestamp($3::bigint + ${actionSettleSeconds}) AND ${which} RETURNING id`,
    [series.source, series.symbol, date],
  )
  return rows.map(({ id }) => id)
}
