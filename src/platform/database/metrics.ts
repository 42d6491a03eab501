import { Counter, type Registry } from 'prom-client'
import { Histogram, type HistogramSeries } from '../histogram.ts'
import { durationBuckets, gaugeOf, type SharedGauge, saturation, seriesOfGauge } from '../metrics.ts'
import { isConflict, isOutage } from './outage.ts'

/** Names of statements come from our own sources and from graphile-worker's, never from a client. */
const maxStatements = 300
/** The texts whose names are remembered: some are put together at run time. */
const maxTexts = 2000
const askEveryMs = 15_000
const statementBuckets = [0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1, 5, 30]

const connectionLimit: SharedGauge = {
  name: 'finstage_database_connections_limit',
  help: 'How many connections a pool may hold',
  label: 'pool',
}
const openConnections: SharedGauge = {
  name: 'finstage_database_connections_open',
  help: 'Connections that a pool holds',
  label: 'pool',
}
const busyConnections: SharedGauge = {
  name: 'finstage_database_connections_busy',
  help: 'Connections of a pool that are in use',
  label: 'pool',
}
const waitingCallers: SharedGauge = {
  name: 'finstage_database_callers_waiting',
  help: 'Callers that wait for a connection of a pool',
  label: 'pool',
}

export interface PoolState {
  readonly open: number
  readonly busy: number
  readonly waiting: number
  readonly maxConnections: number
  readonly maxWaiting: number
}

/** The metrics of one pool. */
export interface PoolMetrics {
  /** Call when the caller has a connection, or has failed to get one. */
  waited(seconds: number): void
  /** `failure`: the error; undefined: it has worked. */
  ran(statement: string, seconds: number, failure: unknown): void
}

/** The metrics of what this process asks of Postgres. One per process; its pools share the names of statements. */
export class DatabaseMetrics {
  readonly #registry: Registry
  readonly #wait: Histogram<'pool'>
  readonly #statements: Histogram<'statement'>
  readonly #failures: Counter<'reason'>
  readonly #series = new Map<string, HistogramSeries>()

  constructor(registry: Registry) {
    this.#registry = registry
    this.#wait = new Histogram({
      name: 'finstage_database_pool_wait_seconds',
      help: 'How long callers waited for a connection, those included that got none',
      buckets: durationBuckets,
      registry,
    })
    this.#statements = new Histogram({
      name: 'finstage_database_statement_seconds',
      help: 'How long statements took until their last row was here, by their name, or by what they do to which table',
      buckets: statementBuckets,
      registry,
    })
    this.#failures = new Counter({
      name: 'finstage_database_failures_total',
      help: 'Statements that failed: outage (the state of the database), conflict (lost against another transaction), other',
      labelNames: ['reason'],
      registers: [registry],
    })
    for (const reason of ['outage', 'conflict', 'other']) this.#failures.inc({ reason }, 0)
  }

  pool(pool: string, state: () => PoolState): PoolMetrics {
    const add = (gauge: SharedGauge, read: (state: PoolState) => number): void =>
      seriesOfGauge(this.#registry, gauge, pool, () => read(state()))
    add(connectionLimit, ({ maxConnections }) => maxConnections)
    add(openConnections, ({ open }) => open)
    add(busyConnections, ({ busy }) => busy)
    add(waitingCallers, ({ waiting }) => waiting)
    seriesOfGauge(this.#registry, saturation, `database_callers_${pool}`, () => state().waiting / state().maxWaiting)
    const wait = this.#wait.series({ pool })
    return {
      waited: (seconds) => wait.observe(seconds),
      ran: (statement, seconds, failure) => {
        this.#seriesOf(statement).observe(seconds)
        if (failure !== undefined) this.#failures.inc({ reason: reasonOf(failure) })
      },
    }
  }

  /** Tells the size of the embedded database, in bytes, and of the disk below it. */
  embedded(
    database: () => Promise<number>,
    disk: () => Promise<{ readonly free: number; readonly size: number }>,
  ): void {
    const bytes = lately(database)
    const space = lately(disk)
    const tell = (name: string, help: string, value: () => number | undefined): void =>
      gaugeOf(this.#registry, name, help, () => value() ?? Number.NaN)
    tell('finstage_embedded_postgres_bytes', 'Size of the embedded database', bytes)
    tell('finstage_data_disk_free_bytes', 'Free space on the disk of DATA_DIR', () => space()?.free)
    tell('finstage_data_disk_size_bytes', 'Size of the disk of DATA_DIR', () => space()?.size)
  }

  /** Tells how full the queue is in which Postgres keeps notifications for listeners that do not read them: 0 to 1. */
  notifications(usage: () => Promise<number>): void {
    const newest = lately(usage)
    seriesOfGauge(this.#registry, saturation, 'notifications', () => newest() ?? null)
  }

  #seriesOf(statement: string): HistogramSeries {
    const known = this.#series.get(statement)
    if (known) return known
    const series = this.#statements.series({ statement: this.#series.size < maxStatements ? statement : 'other' })
    if (this.#series.size < maxStatements) this.#series.set(statement, series)
    return series
  }
}

/**
 * A scrape does not wait for what the database has to be asked for: it gets the newest answer, and asks anew if that is
 * older than 15 s. The old answer stays if there is no new one.
 */
function lately<T>(ask: () => Promise<T>): () => T | undefined {
  let newest: T | undefined
  let askedMs = Number.NEGATIVE_INFINITY
  const refresh = async (): Promise<void> => {
    askedMs = performance.now()
    newest = await ask().catch(() => newest)
  }
  void refresh()
  return () => {
    if (performance.now() - askedMs >= askEveryMs) void refresh()
    return newest
  }
}

function reasonOf(error: unknown): 'outage' | 'conflict' | 'other' {
  if (isConflict(error)) return 'conflict'
  return isOutage(error) ? 'outage' : 'other'
}

const names = new Map<string, string>()

/** The name of a prepared statement; of others, the verb and the first table: `select finstage.jobs`. */
export function statementName(text: string, name: string | undefined): string {
  if (name !== undefined) return name
  const known = names.get(text)
  if (known !== undefined) return known
  const verb =
    /\b(select|insert|update|delete|copy|begin|commit|rollback|set|lock|listen|notify)\b/i.exec(text)?.[1] ?? 'other'
  const [, schema, table] =
    /\b(?:from|into|update|copy|table)\s+(?:only\s+)?"?([a-z_]+)"?\."?([a-z_]+)/i.exec(text) ?? []
  const made = (table === undefined ? verb : `${verb} ${schema}.${table}`).toLowerCase()
  if (names.size < maxTexts) names.set(text, made)
  return made
}
