import type pg from 'pg'
import type { Signal, SignalKey, SignalOutcome } from '../../domain/analysis/signal.ts'
import type { Source } from '../../domain/instrument.ts'

/** A stored signal whose outcome may have something to fill in now. */
export interface DueSignal extends Pick<Signal, keyof SignalKey | 'direction' | 'knownAtMs'> {
  /** When it was due, as the database writes it: to the microsecond. */
  readonly followAt: string
}

/** What a look at a signal found. */
export interface FollowedSignal {
  readonly signal: DueSignal
  /** null: nothing was found. */
  readonly outcome: SignalOutcome | null
  /** When to look next, in epoch milliseconds; null: never again. */
  readonly followAtMs: number | null
}

/** The outcomes of the signals of one source, and when each signal is due for another look. */
export class OutcomeStore {
  readonly #pool: pg.Pool
  readonly #source: Source

  constructor(options: { pool: pg.Pool; source: Source }) {
    this.#pool = options.pool
    this.#source = options.source
  }

  /** Signals that are due at `nowMs` (epoch milliseconds), the last to become due first. */
  async due(nowMs: number, limit: number): Promise<DueSignal[]> {
    const { rows } = await this.#pool.query<DueSignal>(
      `SELECT symbol, interval, kind, epoch::float8 AS epoch, direction,
         floor(extract(epoch FROM known_at) * 1000)::float8 AS "knownAtMs", follow_at::text AS "followAt"
       FROM finstage.signals WHERE source = $1 AND follow_at <= to_timestamp($2::float8 / 1000)
       ORDER BY follow_at DESC LIMIT $3`,
      [this.#source, nowMs, limit],
    )
    return rows
  }

  /**
   * Fills in what was found, unless somebody else has looked at the signal meanwhile. A value that was filled in before
   * and is not found any more stays. Returns how many signals were updated.
   */
  async fill(followed: readonly FollowedSignal[]): Promise<number> {
    const rows = followed.map(({ signal, outcome, followAtMs }) => ({ ...signal, ...outcome, followAtMs }))
    const { rowCount } = await this.#pool.query(
      `UPDATE finstage.signals AS signal SET
         return_1d = coalesce("return1d", return_1d),
         return_1w = coalesce("return1w", return_1w),
         return_1m = coalesce("return1m", return_1m),
         max_return = coalesce("maxReturn", max_return),
         min_return = coalesce("minReturn", min_return),
         follow_at = to_timestamp("followAtMs" / 1000)
       FROM jsonb_to_recordset($2) AS followed(symbol text, interval text, kind text, epoch bigint, "followAt" timestamptz,
         "return1d" float8, "return1w" float8, "return1m" float8, "maxReturn" float8, "minReturn" float8, "followAtMs" float8)
       WHERE signal.source = $1 AND signal.symbol = followed.symbol AND signal.interval = followed.interval
         AND signal.kind = followed.kind AND signal.epoch = followed.epoch AND signal.follow_at = followed."followAt"`,
      [this.#source, JSON.stringify(rows)],
    )
    return rowCount ?? 0
  }
}
