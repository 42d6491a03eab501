import type pg from 'pg'
import { daySeconds, type TimeSpan } from '../../domain/time/units.ts'
import { replaceActions } from './corporate-action-store.ts'
import { type FetchedCandles, type Series, unsettledDays } from './series.ts'

/*
 * Which spans of a series are stored for good, and what revokes that. Everything here runs within a transaction of the
 * client that holds the symbol's lock.
 */

/**
 * A source may publish an action a while after its date: candles fetched until then are fetched again. Days for as long
 * as they are asked for again; others not as long, since the source may have lost them.
 */
const actionSettleSeconds = `CASE WHEN interval = 'DAY_1' THEN ${unsettledDays * daySeconds} ELSE ${2 * daySeconds} END`

/** Whether a fetch that began later has brought a split or dividend that this one cannot include. */
export async function isOvertaken(client: pg.PoolClient, { source, symbol }: Series, { startedMs }: FetchedCandles) {
  const { rows } = await client.query<{ overtaken: boolean }>({
    name: 'candle-overtaken',
    text: `SELECT EXISTS (
             SELECT FROM (SELECT source, symbol, epoch, seen_at FROM finstage.splits
               UNION ALL SELECT source, symbol, epoch, seen_at FROM finstage.dividends) AS action
             WHERE source = $1 AND symbol = $2 AND seen_at > to_timestamp($3::float8 / 1000)
               AND to_timestamp(epoch + ${unsettledDays * daySeconds}) > to_timestamp($3::float8 / 1000)) AS overtaken`,
    values: [source, symbol, startedMs],
  })
  return rows[0]?.overtaken === true
}

export async function applyActions(
  client: pg.PoolClient,
  series: Series,
  span: TimeSpan,
  fetched: FetchedCandles,
): Promise<void> {
  const changes = await replaceActions(client, series, span, fetched, fetched.startedMs)
  for (const date of changes.dividends) await uncover(client, series, date, "interval = 'DAY_1'")
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

/** The parts of a span that are not stored for good. */
export async function gapsOf(client: pg.PoolClient, id: number, { from, to }: TimeSpan): Promise<TimeSpan[]> {
  const { rows } = await client.query<TimeSpan>({
    name: 'candle-gaps',
    text: `SELECT lower(gap)::float8 AS from, upper(gap)::float8 AS to
     FROM finstage.candle_series, unnest(int8multirange(int8range($2, $3)) - covered) AS gap WHERE id = $1`,
    values: [id, from, to],
  })
  return rows
}

/** The parts of a span that are stored for good. */
export async function storedOf(client: pg.PoolClient, id: number, { from, to }: TimeSpan): Promise<TimeSpan[]> {
  const { rows } = await client.query<TimeSpan>(
    `SELECT lower(part)::float8 AS from, upper(part)::float8 AS to
     FROM finstage.candle_series, unnest(int8multirange(int8range($2, $3)) * covered) AS part WHERE id = $1`,
    [id, from, to],
  )
  return rows
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

/**
 * Records that a span is stored for good up to `finalTo`. If days are known without a gap from the last look at actions
 * up to the present, this counts as a look too. If nothing was stored before, there is nothing to ask for again.
 * `changesSettled`: candles that were stored for good have changed. Returns the generation.
 */
export async function cover(
  client: pg.PoolClient,
  id: number,
  span: TimeSpan,
  finalTo: number,
  fetched: FetchedCandles,
  changesSettled: boolean,
): Promise<number> {
  const { rows } = await client.query<{ generation: number }>({
    name: 'candle-cover',
    text: `UPDATE finstage.candle_series AS series SET
       settled_version = settled_version + $8::int,
       covered = covered + int8multirange(int8range($2, $4)),
       basis_at = CASE WHEN isempty(covered) THEN to_timestamp($5::float8 / 1000) ELSE basis_at END,
       revised_at = CASE WHEN isempty(covered) OR $7 THEN to_timestamp($5::float8 / 1000) ELSE revised_at END,
       actions_at = CASE WHEN $6 AND interval = 'DAY_1' AND covered + int8multirange(int8range($2, $3)) @> int8range(
           least($3, (SELECT floor(extract(epoch FROM coalesce(max(actions_at), min(basis_at))))::bigint FROM finstage.candle_series
             WHERE source = series.source AND symbol = series.symbol)), $3)
         THEN greatest(actions_at, to_timestamp($5::float8 / 1000)) ELSE actions_at END
     WHERE id = $1 RETURNING generation`,
    values: [
      ...[id, span.from, span.to, finalTo, fetched.startedMs, fetched.isCurrent, fetched.revises],
      Number(changesSettled),
    ],
  })
  return rows[0]?.generation ?? 0
}
