import pg from 'pg'
import type { Logger } from '../logger.ts'
import { retrying } from '../retry.ts'
import { DatabaseClient, type StatementListener } from './client.ts'
import { type DatabaseMetrics, type PoolMetrics, statementName } from './metrics.ts'
import { asUnavailable, databaseBusy, isConflict, isFull, isOutage, isSilence, refusesWrites } from './outage.ts'

/** How long a caller waits for a connection. */
const waitMs = 3000
/** How many callers may wait at once: the pool serves that many in this time, or none at all. */
const maxWaiting = 5000
/** How many connections stay open when idle, so that a server whose connections others use up remains reachable. */
const keptConnections = 2
/** How soon work that an outage has stopped is tried again. */
const outagePace = { firstMs: 100, longestMs: 500 }
/** While the database gives no answer, one caller per interval may try whether it does again. */
const trialMs = 1000
/** Postgres' own time-out comes first, which leaves the connection usable. */
const answerMarginMs = 1000
/** How long `end` waits for queries under way. */
const endMs = 2000
/**
 * Work that lost against another transaction is repeated, up to six attempts, at random times so that the losers do not
 * meet again.
 */
const conflictRetries = {
  firstMs: 40,
  longestMs: 640,
  mayRetry: (error: unknown, { failures }: { readonly failures: number }): boolean => isConflict(error) && failures < 6,
}
/** How often a database that was full is tested for room. */
const writeTrialMs = 5000
const roomTrial = `BEGIN; CREATE TEMP TABLE finstage_room ON COMMIT DROP AS
  SELECT repeat('x', 1000) AS filling FROM generate_series(1, 500); ROLLBACK`
const logEveryMs = 1000

export interface PoolOptions {
  /** The maximum number of connections. */
  readonly max?: number
  /** How long a statement may run before it fails as UNAVAILABLE. 0 or absent: no limit. */
  readonly statementTimeoutMs?: number
  /**
   * How long to keep trying to get a connection. Queries under way when a connection is lost fail all the same: see
   * `persistently`.
   */
  readonly patienceMs?: number
  /** Where the pool is measured, and its name there. */
  readonly measured?: { readonly by: DatabaseMetrics; readonly as: string }
}

/**
 * The connections for everything but LISTEN and the leader's term. Nothing waits for ever, neither for a connection nor
 * for an answer. Failures of the database are UNAVAILABLE; a statement that lost against another transaction is
 * repeated.
 */
export class DatabasePool extends pg.Pool {
  readonly #log: Logger
  readonly #patienceMs: number
  readonly #metrics: PoolMetrics | undefined
  readonly #clients = new Set<DatabaseClient>()
  readonly #connectOnce: () => Promise<pg.PoolClient>
  /** The database does not answer, and is not asked before then. null: it answers. */
  #silentUntilMs: number | null = null
  /** Why the database takes no writes, and when that was last tested. */
  #refusal: { readonly reason: string; readonly atMs: number } | null = null
  #waiting = 0
  #loggedAtMs = Number.NEGATIVE_INFINITY

  constructor(connectionString: string, log: Logger, options: PoolOptions) {
    const { max = 20, statementTimeoutMs = 0, patienceMs = 0, measured } = options
    const metrics = measured?.by.pool(measured.as, () => ({
      open: this.totalCount,
      busy: this.totalCount - this.idleCount,
      waiting: this.#waiting,
      maxConnections: max,
      maxWaiting,
    }))
    const onStatement: StatementListener | undefined =
      metrics && (({ name, text }, seconds, failure) => metrics.ran(statementName(text, name), seconds, failure))
    super({
      connectionString,
      max,
      min: Math.min(keptConnections, max),
      connectionTimeoutMillis: waitMs,
      ...(statementTimeoutMs > 0 ? { query_timeout: statementTimeoutMs + answerMarginMs, statementTimeoutMs } : {}),
      ...(onStatement ? { onStatement } : {}),
      // The type says that the class takes no options; pg-pool passes its own.
      Client: DatabaseClient as unknown as new () => pg.ClientBase,
    })
    this.#log = log
    this.#patienceMs = patienceMs
    this.#metrics = metrics
    this.#connectOnce = () => super.connect()
    const query = super.query.bind(this) as (...given: unknown[]) => Promise<pg.QueryResult>
    this.query = ((...given: unknown[]) => this.guarded(() => query(...given))) as typeof this.query
    // Not the error itself: it refers to the whole client.
    this.on('error', ({ message }) => log.warn({ reason: message }, 'a database connection was lost'))
    this.on('connect', (client) => this.#clients.add(client as unknown as DatabaseClient))
    this.on('remove', (client) => this.#clients.delete(client as unknown as DatabaseClient))
  }

  override connect(): Promise<pg.PoolClient>
  override connect(
    callback: (error: Error | undefined, client: pg.PoolClient | undefined, done: (release?: unknown) => void) => void,
  ): void
  override connect(
    callback?: (error: Error | undefined, client: pg.PoolClient | undefined, done: (release?: unknown) => void) => void,
  ): Promise<pg.PoolClient> | undefined {
    const connected = this.#connect()
    if (!callback) return connected
    void connected.then(
      (client) => callback(undefined, client, (broken) => client.release(broken as boolean)),
      (error: Error) => callback(error, undefined, () => {}),
    )
    return undefined
  }

  /** Rejects if the database is out of reach or takes no writes. */
  async check(): Promise<void> {
    if (await this.guarded(() => this.#isReadOnly())) throw new Error('is read-only')
    if (this.#refusal === null) return
    if (performance.now() - this.#refusal.atMs >= writeTrialMs)
      await this.guarded(() => this.#tryToWrite()).catch(() => {})
    if (this.#refusal) throw new Error(`takes no writes: ${this.#refusal.reason}`)
  }

  /** Waits for queries under way, but not for long. */
  override end(): Promise<void>
  override end(callback: () => void): void
  override end(callback?: () => void): Promise<void> | undefined {
    const timer = setTimeout(() => {
      for (const client of this.#clients) client.cut()
    }, endMs)
    const ended = super.end().finally(() => clearTimeout(timer))
    if (!callback) return ended
    void ended.then(callback)
    return undefined
  }

  async #connect(): Promise<pg.PoolClient> {
    if (this.#waiting >= maxWaiting) throw databaseBusy()
    this.#waiting++
    const startedMs = performance.now()
    try {
      return await retrying(() => this.#connectNow(), {
        ...outagePace,
        mayRetry: (error, { elapsedMs }) => {
          // If the server has no connection left, one of our own may become free.
          const patienceMs = isFull(error) ? Math.max(waitMs, this.#patienceMs) : this.#patienceMs
          return !this.ending && isOutage(error) && elapsedMs < patienceMs
        },
      })
    } catch (error) {
      throw this.#failed(error)
    } finally {
      this.#waiting--
      this.#metrics?.waited((performance.now() - startedMs) / 1000)
    }
  }

  async #connectNow(): Promise<pg.PoolClient> {
    if (this.#silentUntilMs !== null) {
      if (performance.now() < this.#silentUntilMs) throw databaseBusy()
      this.#silentUntilMs = performance.now() + trialMs
    }
    return this.#connectOnce()
  }

  /** Repeats work that lost against another transaction, and reports outages as UNAVAILABLE. */
  async guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await retrying(work, conflictRetries)
      this.#silentUntilMs = null
      return result
    } catch (error) {
      throw this.#failed(error)
    }
  }

  async #isReadOnly(): Promise<boolean> {
    const client = await this.connect()
    let isReadOnly = true
    try {
      const { rows } = await client.query<{ readOnly: boolean }>(
        `SELECT current_setting('transaction_read_only')::bool AS "readOnly"`,
      )
      isReadOnly = rows[0]?.readOnly ?? true
      return isReadOnly
    } finally {
      // A session stays read-only even after the database no longer is.
      client.release(isReadOnly)
    }
  }

  /** Takes up some room on the disk and frees it again. */
  async #tryToWrite(): Promise<void> {
    const client = await this.connect()
    let hasFailed = true
    try {
      await client.query(roomTrial)
      hasFailed = false
      this.#refusal = null
    } finally {
      client.release(hasFailed)
    }
  }

  /** The error that the caller gets. */
  #failed(error: unknown): unknown {
    const shown = asUnavailable(error)
    if (shown === error) return error
    const now = performance.now()
    if (isSilence(error)) this.#silentUntilMs = now + trialMs
    const reason = error instanceof Error ? error.message : String(error)
    if (refusesWrites(error)) this.#refusal = { reason, atMs: now }
    if (now - this.#loggedAtMs >= logEveryMs) {
      this.#loggedAtMs = now
      this.#log.warn({ reason }, 'the database is out of reach, or refuses what it is asked')
    }
    return shown
  }
}

export const createPool = (connectionString: string, log: Logger, options: PoolOptions = {}): DatabasePool =>
  new DatabasePool(connectionString, log, options)

/**
 * Runs `work` in one transaction, which is rolled back if it throws. It may run several times, so it must have no other
 * effects.
 */
export const transaction = <T>(pool: DatabasePool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> =>
  pool.guarded(() => transactionOnce(pool, work))

async function transactionOnce<T>(pool: DatabasePool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query('BEGIN')
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    // If the connection may be at fault, a ROLLBACK would be waited for as long again.
    if (isOutage(error) && !isConflict(error)) broken = error as Error
    else {
      await client.query('ROLLBACK').catch((cause: Error) => {
        broken = cause
      })
    }
    throw error
  } finally {
    client.release(broken)
  }
}

/**
 * Repeats work that fails because the database is out of reach, for up to `patienceMs`. It may have taken effect before
 * it failed.
 */
export const persistently = <T>(work: () => Promise<T>, patienceMs: number): Promise<T> =>
  retrying(work, { ...outagePace, mayRetry: (error, { elapsedMs }) => isOutage(error) && elapsedMs < patienceMs })
