import type pg from 'pg'
import type { TimeSpan } from '../../domain/time/units.ts'
import type { CandleRow } from './candle-copy.ts'
import { prices } from './candle-rows.ts'
import { type FetchedCandles, type Series, seriesKey } from './series.ts'
import { type StoredSeries, type StoredSeriesRow, storedColumns, toStoredSeries } from './stored-series.ts'
import { longestAnswerSeconds } from './write-basis.ts'

/** So few rows are written with the record of their fetch; more by COPY. */
export const fewRows = 16

/** Makes the row of a series that nothing is stored of yet, and returns its id. */
export async function createSeries(client: pg.PoolClient, series: Series, startedMs: number): Promise<number> {
  const { rows } = await client.query<{ id: number }>({
    name: 'candle-series-created',
    text: `INSERT INTO finstage.candle_series
             (source, symbol, interval, extended_hours, received_at, basis_at, revised_at)
           SELECT $1, $2, $3, $4, started_at, started_at, started_at
           FROM to_timestamp($5::float8 / 1000) AS started_at RETURNING id`,
    values: [...seriesKey(series), startedMs],
  })
  const [row] = rows
  if (!row) throw new Error('the database returned no row')
  return row.id
}

/** What is to be recorded of a fetch. */
export interface FetchRecord {
  readonly id: number
  readonly span: TimeSpan
  /** Up to there, in epoch seconds, the span is stored for good. */
  readonly finalTo: number
  /** Rows that are new or replace others: at most `fewRows`. */
  readonly rows: readonly CandleRow[]
  /** All that was unsettled was asked for again, and is stored as the source has it now. */
  readonly hasRevised: boolean
  /** Candles that were stored for good have changed. */
  readonly changesSettled: boolean
  /** What the series has to be at; null: the caller holds its locks. */
  readonly rowVersion: string | null
}

const startedAt = 'to_timestamp($12::float8 / 1000)'
const isImpossible = `received_at > ${startedAt} + interval '${longestAnswerSeconds} seconds'`

const update = `UPDATE finstage.candle_series AS known SET
    timezone = coalesce($2, timezone), currency = coalesce($3, currency),
    first_trade = coalesce($4, first_trade), exchange = coalesce($5, exchange),
    session_opens = coalesce($6::bigint, session_opens),
    session_closes = coalesce($6::bigint + greatest($7::bigint - $6::bigint, session_closes - session_opens),
      session_closes),
    open_from = CASE WHEN (received_at <= ${startedAt} OR ${isImpossible})
        AND ($8::bigint IS NOT NULL OR open_from >= $9::bigint AND open_from < $10::bigint)
      THEN $8::bigint ELSE open_from END,
    received_at = CASE WHEN ${isImpossible} THEN ${startedAt} ELSE greatest(received_at, ${startedAt}) END,
    settled_version = settled_version + $15::int,
    covered = covered + int8multirange(int8range($9::bigint, $11::bigint)),
    basis_at = CASE WHEN isempty(covered) THEN ${startedAt} ELSE basis_at END,
    revised_at = CASE WHEN isempty(covered) OR $14::boolean THEN ${startedAt} ELSE revised_at END,
    actions_at = CASE WHEN $13::boolean AND interval = 'DAY_1'
        AND covered + int8multirange(int8range($9::bigint, $10::bigint)) @> int8range(least($10::bigint,
          (SELECT floor(extract(epoch FROM coalesce(max(actions_at), min(basis_at))))::bigint
           FROM finstage.candle_series WHERE source = known.source AND symbol = known.symbol)), $10::bigint)
      THEN greatest(actions_at, ${startedAt}) ELSE actions_at END
  WHERE id = $1 AND ($16::text IS NULL OR known.xmin::text = $16::text
    AND pg_try_advisory_xact_lock(hashtextextended('candles ' || source || ' ' || symbol, 0)))
  RETURNING ${storedColumns}`
const updateValues = 16
const rowColumns = ['minute', 'open', 'high', 'low', 'close', 'volume', 'adjustedClose'] as const

/** One statement for each number of rows: most fetches have none or one, and arrays would take more time than rows. */
function textFor(rowCount: number): string {
  if (rowCount === 0) return update
  const values = Array.from({ length: rowCount }, (_, row) => {
    const places = rowColumns.map((column, i) => {
      return `$${updateValues + row * rowColumns.length + i + 1}::${column === 'minute' ? 'int' : 'float8'}`
    })
    return `(${places.join(', ')})`
  })
  return `WITH recorded AS (${update}), put AS (
      INSERT INTO finstage.candles (series_id, minute, ${prices})
      SELECT id, row.* FROM recorded, (VALUES ${values.join(', ')}) AS row
      ON CONFLICT (series_id, minute) DO UPDATE SET open = excluded.open, high = excluded.high, low = excluded.low,
        close = excluded.close, volume = excluded.volume, adjusted_close = excluded.adjusted_close
    ) SELECT * FROM recorded`
}

const texts = Array.from({ length: fewRows + 1 }, (_, rowCount) => textFor(rowCount))

/** From here on, in epoch seconds, candles were still forming when they were fetched; null: none was. */
export const openFromOf = ({ candles }: FetchedCandles): number | null =>
  candles.find(({ closed }) => !closed)?.epoch ?? null

/**
 * Records a fetch: what the source says of the series, its few rows, and that a span is stored for good up to `finalTo`.
 * If days are known without a gap from the last look at actions up to the present, this counts as a look too. If nothing
 * was stored before, there is nothing to ask for again. Returns what the series is at then; null: nothing was recorded,
 * because it has another row version by now, or somebody else is writing to the symbol.
 */
export async function recordFetch(
  client: Pick<pg.Pool, 'query'>,
  { id, span, finalTo, rows, hasRevised, changesSettled, rowVersion }: FetchRecord,
  fetched: FetchedCandles,
): Promise<StoredSeries | null> {
  const { facts, startedMs, isCurrent } = fetched
  const { rows: recorded } = await client.query<StoredSeriesRow>({
    name: `candle-fetch-record-${rows.length}`,
    text: texts[rows.length] as string,
    values: [
      id,
      facts?.timezone ?? null,
      facts?.currency ?? null,
      facts?.firstTradeEpoch ?? null,
      facts?.exchange ?? null,
      facts?.sessionOpens ?? null,
      facts?.sessionCloses ?? null,
      ...[
        openFromOf(fetched),
        span.from,
        span.to,
        finalTo,
        startedMs,
        isCurrent,
        hasRevised,
        Number(changesSettled),
        rowVersion,
      ],
      ...rows.flatMap((row) => rowColumns.map((column) => row[column])),
    ],
  })
  return recorded[0] ? toStoredSeries(recorded[0]) : null
}
