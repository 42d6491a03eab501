import { daySeconds, type TimeSpan } from '../../domain/time/units.ts'
import { epochMs } from '../epoch-ms.ts'
import { type SeriesState, spansOf, unsettledDays } from './series.ts'

/** A row of finstage.candle_series. */
export interface StoredSeries extends Omit<SeriesState, 'gaps' | 'recent'> {
  /** What is stored for good. */
  readonly covered: readonly TimeSpan[]
  /** What was stored for good before that time is settled, in epoch seconds. */
  readonly recentFrom: number
}

/** As the columns below come from the database. */
export interface StoredSeriesRow extends Omit<StoredSeries, 'covered'> {
  readonly covered: string
}

/**
 * Of a row that goes by the name of `known`, be it one that is being written: what others say of actions is read beside
 * what it says itself.
 */
export const storedColumns = `known.id, timezone, currency, first_trade::float8 AS "firstTradeEpoch",
  session_opens::float8 AS "sessionOpens", session_closes::float8 AS "sessionCloses", exchange, generation,
  settled_version AS "settledVersion", known.xmin::text AS "rowVersion", open_from::float8 AS "openFrom",
  ${epochMs('received_at')} AS "receivedAtMs", ${epochMs('basis_at')} AS "basisAtMs",
  ${epochMs('revised_at')} AS "revisedAtMs", covered::text AS covered,
  (extract(epoch FROM revised_at)::bigint - ${unsettledDays * daySeconds})::float8 AS "recentFrom",
  (SELECT ${epochMs('coalesce(greatest(known.actions_at, max(actions_at)), least(known.basis_at, min(basis_at)))')}
   FROM finstage.candle_series AS other
   WHERE other.source = known.source AND other.symbol = known.symbol AND other.id <> known.id) AS "actionsAtMs"`

export const toStoredSeries = ({ covered, ...row }: StoredSeriesRow): StoredSeries => ({
  ...row,
  covered: spansOf(covered),
})
