import type pg from 'pg'
import type { CorporateActions } from '../../domain/corporate-action.ts'
import { daySeconds, type TimeSpan } from '../../domain/time/units.ts'
import { prices, type Row } from './candle-rows.ts'
import { aheadSeconds, type FetchedCandles, type Series, seriesKey, spansOf, unsettledDays } from './series.ts'

/**
 * Longer than any answer takes. If an earlier answer claims to have been asked for this much later than the current
 * one, the clock was put back in between.
 */
export const longestAnswerSeconds = 300
/** As many stored rows as come with the basis of a write. */
const mostRows = 32

/** What is stored where a fetch is about to be written. */
export interface WriteBasis {
  /** null: nothing of the series was ever stored. */
  readonly id: number | null
  /** Changes with every write to the series. */
  readonly rowVersion: string | null
  /** A fetch that began later has brought a split or dividend that this one cannot include. */
  readonly isOvertaken: boolean
  /** The source was asked for the series again since this fetch began. */
  readonly isLate: boolean
  /** The parts of the span that are not stored for good, oldest first. */
  readonly gaps: readonly TimeSpan[]
  /** The others. */
  readonly stored: readonly TimeSpan[]
  /** All from the first gap on until `aheadSeconds` after the span, oldest first; null: they are many. */
  readonly rows: readonly Row[] | null
  /** Of days: the dividends and splits of the span. */
  readonly actions: CorporateActions
}

interface Found extends Omit<WriteBasis, 'gaps' | 'stored' | 'actions' | 'rows'> {
  readonly gaps: string
  readonly stored: string
  readonly rows: readonly Row[] | null
  readonly dividends: CorporateActions['dividends'] | null
  readonly splits: CorporateActions['splits'] | null
}

const ofSymbol = 'source = $1 AND symbol = $2'
const inSpan = `${ofSymbol} AND epoch >= $5 AND epoch < $6`

/** Reads all that a write depends on, in one statement. */
export async function readBasis(
  client: Pick<pg.Pool, 'query'>,
  series: Series,
  { from, to }: TimeSpan,
  { startedMs }: FetchedCandles,
): Promise<WriteBasis> {
  const { rows } = await client.query<Found>({
    name: 'candle-write-basis',
    text: `SELECT known.id, known.xmin::text AS "rowVersion",
             EXISTS (
               SELECT FROM (SELECT source, symbol, epoch, seen_at FROM finstage.splits
                 UNION ALL SELECT source, symbol, epoch, seen_at FROM finstage.dividends) AS action
               WHERE ${ofSymbol} AND seen_at > started_at
                 AND to_timestamp(epoch + ${unsettledDays * daySeconds}) > started_at) AS "isOvertaken",
             coalesce(received_at > started_at AND received_at <= started_at + interval '${longestAnswerSeconds} seconds',
               false) AS "isLate",
             (span - coalesce(covered, '{}'))::text AS gaps, (span * coalesce(covered, '{}'))::text AS stored,
             (SELECT json_agg(json_build_array(minute, ${prices})) FROM (
               SELECT minute, ${prices} FROM finstage.candles WHERE series_id = id
                 AND minute >= ceil(lower(span - covered) / 60.0)::int AND minute < ceil($6 / 60.0)::int + ${aheadSeconds / 60}
               ORDER BY minute LIMIT ${mostRows + 1}) AS row) AS rows,
             CASE WHEN $3 = 'DAY_1' THEN (
               SELECT json_agg(json_build_object('epoch', epoch, 'amount', amount, 'currency', currency))
               FROM finstage.dividends WHERE ${inSpan}) END AS dividends,
             CASE WHEN $3 = 'DAY_1' THEN (
               SELECT json_agg(json_build_object('epoch', epoch, 'numerator', numerator, 'denominator', denominator))
               FROM finstage.splits WHERE ${inSpan}) END AS splits
           FROM (SELECT int8multirange(int8range($5, $6)) AS span, to_timestamp($7::float8 / 1000) AS started_at) AS fetched
           LEFT JOIN finstage.candle_series AS known
             ON ${ofSymbol} AND interval = $3 AND extended_hours = $4`,
    values: [...seriesKey(series), from, to, startedMs],
  })
  const [found] = rows
  if (!found) throw new Error('the database returned no row')
  const { gaps, stored, dividends, splits, ...others } = found
  const known = others.rows ?? []
  return {
    ...others,
    gaps: spansOf(gaps),
    stored: spansOf(stored),
    rows: known.length > mostRows ? null : known,
    actions: { dividends: dividends ?? [], splits: splits ?? [] },
  }
}
