import type pg from 'pg'
import type { Signal, SignalKey, SignalKind, StoredSignal } from '../../domain/analysis/signal.ts'
import type { Source } from '../../domain/instrument.ts'
import { intervals, isDaily } from '../../domain/time/interval.ts'
import { epochMs } from '../epoch-ms.ts'

/**
 * The advisory lock that a transaction which stores signals holds until it ends. Any number, the same in every process.
 */
const lockKey = 7_241_990_003

export interface SignalFilter {
  /** null: all. */
  readonly symbols: readonly string[] | null
  readonly kinds: readonly SignalKind[] | null
}

export interface SignalPage extends SignalFilter {
  /** Only signals that come after this one in the order newest first. */
  readonly before: Pick<StoredSignal, 'knownAtMs' | 'position'> | null
  readonly limit: number
}

/** The outcome is null until something is filled in, or nothing more will be (follow_at is null). */
const columns = `source, symbol, interval, kind, epoch::float8 AS epoch, position::float8 AS position, direction,
  ${epochMs('known_at')} AS "knownAtMs", price, indicator_value AS "indicatorValue", strength,
  CASE WHEN follow_at IS NULL OR num_nonnulls(return_1d, return_1w, return_1m, max_return, min_return) > 0 THEN
    json_build_object('return1d', return_1d, 'return1w', return_1w, 'return1m', return_1m, 'maxReturn', max_return,
      'minReturn', min_return, 'complete', follow_at IS NULL) END AS outcome`

/** Detected signals, each stored once. Reads return signals of one source only. */
export class SignalStore {
  readonly #pool: pg.Pool
  readonly #source: Source

  constructor(options: { pool: pg.Pool; source: Source }) {
    this.#pool = options.pool
    this.#source = options.source
  }

  /**
   * Stores the signals that are not there yet: the first of a source, symbol, interval, kind and candle stays. Runs in
   * the caller's transaction, which should end soon: until then nobody else can store signals. That makes positions
   * visible in their order.
   */
  async insert(client: pg.PoolClient, signals: readonly Signal[]): Promise<void> {
    if (signals.length === 0) return
    await client.query('SELECT pg_advisory_xact_lock($1)', [lockKey])
    const each = <T>(pick: (signal: Signal) => T): T[] => signals.map(pick)
    // The first horizon is a day. 24 hours, because '1 day' would depend on the session's time zone.
    await client.query(
      `INSERT INTO finstage.signals
         (source, symbol, interval, kind, epoch, direction, known_at, price, indicator_value, strength, follow_at)
       SELECT source, symbol, interval, kind, epoch, direction, known_at, price, indicator_value, strength,
         known_at + interval '24 hours'
       FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::float8[], $8::float8[],
           $9::float8[], $10::float8[])
           AS found(source, symbol, interval, kind, epoch, direction, known_at_ms, price, indicator_value, strength),
         to_timestamp(known_at_ms / 1000) AS known_at
       ON CONFLICT DO NOTHING`,
      [
        each(({ source }) => source),
        each(({ symbol }) => symbol),
        each(({ interval }) => interval),
        each(({ kind }) => kind),
        each(({ epoch }) => epoch),
        each(({ direction }) => direction),
        each(({ knownAtMs }) => knownAtMs),
        each(({ price }) => price),
        each(({ indicatorValue }) => indicatorValue),
        each(({ strength }) => strength),
      ],
    )
  }

  /** One entry per key, in order; null if there is none. */
  async find(keys: readonly SignalKey[]): Promise<(StoredSignal | null)[]> {
    const { rows } = await this.#pool.query<StoredSignal & { place: number }>(
      `SELECT ${columns}, place::int
       FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) WITH ORDINALITY AS asked(symbol, interval, kind, epoch, place)
         JOIN finstage.signals USING (symbol, interval, kind, epoch) WHERE source = $1`,
      [
        this.#source,
        keys.map(({ symbol }) => symbol),
        keys.map(({ interval }) => interval),
        keys.map(({ kind }) => kind),
        keys.map(({ epoch }) => epoch),
      ],
    )
    const found = new Map(rows.map(({ place, ...signal }) => [place, signal]))
    return keys.map((_, i) => found.get(i + 1) ?? null)
  }

  /** Newest first, by the time at which they were known. */
  async list({ symbols, kinds, before, limit }: SignalPage): Promise<StoredSignal[]> {
    const { rows } = await this.#pool.query<StoredSignal>(
      `SELECT ${columns} FROM finstage.signals
       WHERE source = $1 AND ($2::text[] IS NULL OR symbol = ANY($2)) AND ($3::text[] IS NULL OR kind = ANY($3))
         AND ($5::bigint IS NULL OR (known_at, signals.position) < (to_timestamp($4::float8 / 1000), $5))
       ORDER BY known_at DESC, signals.position DESC LIMIT $6`,
      [this.#source, symbols, kinds, before?.knownAtMs ?? null, before?.position ?? null, limit],
    )
    return rows
  }

  /** Reading on after this position returns everything that is stored from now on. */
  async newestPosition(): Promise<number> {
    const { rows } = await this.#pool.query<{ position: number }>(
      'SELECT coalesce(max(position), 0)::float8 AS position FROM finstage.signals',
    )
    return rows[0]?.position ?? 0
  }

  /** Signals that were stored after a position, oldest first. */
  async after(position: number, limit: number): Promise<StoredSignal[]> {
    const { rows } = await this.#pool.query<StoredSignal>(
      `SELECT ${columns} FROM finstage.signals WHERE source = $1 AND position > $2 ORDER BY signals.position LIMIT $3`,
      [this.#source, position, limit],
    )
    return rows
  }

  /**
   * Deletes signals of candles under a day that start before `before` (epoch seconds), of all sources. Returns how
   * many.
   */
  async prune(before: number): Promise<number> {
    const { rowCount } = await this.#pool.query(
      'DELETE FROM finstage.signals WHERE interval = ANY($1) AND epoch < $2',
      [intervals.filter((interval) => !isDaily(interval)), before],
    )
    return rowCount ?? 0
  }
}
