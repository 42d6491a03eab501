import type pg from 'pg'
import type { Registry } from 'prom-client'
import type { CorporateActions } from '../../domain/corporate-action.ts'
import { finished, type RunSteps } from '../../domain/steps.ts'
import type { TimeSpan } from '../../domain/time/units.ts'
import { type DatabasePool, transaction } from '../../platform/database/pool.ts'
import { counterOf, gaugeOf } from '../../platform/metrics.ts'
import { CandleMemory } from './candle-memory.ts'
import { stampedRows } from './candle-rows.ts'
import { lockSymbol, writeAtOnce, writeInTurn } from './candle-write.ts'
import { readActions } from './corporate-action-store.ts'
import { FirstWrites } from './first-writes.ts'
import { type FetchedCandles, type Series, type SeriesState, type StoredRows, seriesKey } from './series.ts'
import { SeriesStates } from './series-states.ts'

/** How many minutes of one series retention deletes per transaction. */
const pruneMinutes = 60 * 24 * 30

const usualMemoryBytes = 256 * 1024 * 1024

export interface CandleStoreOptions {
  /** How much of what is stored may be kept in memory. */
  readonly memoryBytes?: number
  /** Only this store writes to the database: nothing that it has read can change behind its back. */
  readonly isOnlyWriter?: boolean
  /** How the rows of long series are worked through. */
  readonly run?: RunSteps
}

/** What is stored of a span. */
export interface StoredExtent {
  readonly count: number
  /** Start times in epoch seconds; null: none. */
  readonly firstEpoch: number | null
  readonly lastEpoch: number | null
}

/**
 * Candles in Postgres, and the record of which spans are stored for good. Writers of candles of one symbol take turns,
 * across processes: a split that one of them brings changes the candles of the others. Candles that were read are kept in
 * memory, as long as they are what is stored.
 */
export class CandleStore {
  readonly #pool: DatabasePool
  #states: SeriesStates
  #memory: CandleMemory
  #firstWrites: FirstWrites

  constructor(pool: DatabasePool, options: CandleStoreOptions = {}) {
    const { memoryBytes = usualMemoryBytes, isOnlyWriter = false, run = finished } = options
    this.#pool = pool
    this.#states = new SeriesStates(pool, isOnlyWriter)
    this.#firstWrites = new FirstWrites(pool)
    this.#memory = new CandleMemory(
      async (state, span) => {
        const rows = this.#firstWrites.take(state, span) ?? (await stampedRows(pool, state.id, span, run))
        return rows?.generation === state.generation ? rows : null
      },
      memoryBytes,
      run,
    )
  }

  /** null: nothing of the series was ever stored. */
  state(series: Series, span: TimeSpan): Promise<SeriesState | null> {
    return this.#states.state(series, span)
  }

  /** The stored candles of a span; none if the series has changed its generation since the state was read. */
  read(state: SeriesState, span: TimeSpan): Promise<StoredRows> {
    return this.#memory.rows(state, span)
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
    const { left } = await this.#states.write(series, async () => {
      const first = await this.#firstWrites.write(series, span, fetched)
      if (first) return { left: first }
      const written = await writeAtOnce(this.#pool, series, span, fetched)
      if (written) this.#memory.written(written.end)
      const inTurn = (client: pg.PoolClient) => writeInTurn(client, series, span, fetched)
      return { left: written?.left ?? (await transaction(this.#pool, inTurn)) }
    })
    return left?.generation ?? null
  }

  /** Drops all of a series, when its symbol has come to mean something else. */
  async forget(series: Series): Promise<void> {
    await this.#transaction(series, async (client) => {
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
    return this.#transaction(null, async (client) => {
      await client.query(
        `UPDATE finstage.candle_series
         SET covered = covered - int8multirange(int8range(NULL, $2)), settled_version = settled_version + 1 WHERE id = $1`,
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

  /** `series`: whose symbol it writes; null: any. */
  async #transaction<T>(series: Series | null, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const { result } = await this.#states.write(series, async () => ({
      ...{ left: null, result: await transaction(this.#pool, work) },
    }))
    return result
  }

  /** Tells how much is kept in memory, and how often that was enough. */
  register(registry: Registry): void {
    const memory = this.#memory
    gaugeOf(
      registry,
      'finstage_candle_memory_bytes',
      'Size of the stored candles that are kept in memory',
      () => memory.bytes,
    )
    gaugeOf(
      registry,
      'finstage_candle_memory_series',
      'Of how many series candles are kept in memory',
      () => memory.size,
    )
    counterOf(
      registry,
      'finstage_candle_memory_hits_total',
      'How often stored candles were read and all of them were in memory',
      () => memory.hits,
    )
  }

  /** The same store, over other connections. */
  over(pool: DatabasePool): CandleStore {
    const other = new CandleStore(pool)
    other.#states = this.#states
    other.#memory = this.#memory
    return other
  }
}
