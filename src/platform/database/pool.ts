import pg from 'pg'
import type { Logger } from '../logger.ts'
import { retrying } from '../retry.ts'
import { DatabaseClient } from './client.ts'
import { asUnavailable, databaseBusy, isConflict, isFull, isOutage, isSilence, refusesWrites } from './outage.ts'

/** How long a caller waits for a connection of its own. */
const waitMs = 3000
/** How many wait at once: so many are gone in that time, or none at all is. */
const maxWaiting = 5000
/** Those stay open, so that a server whose connections others use up is still within reach. */
const keptConnections = 2
/** How soon what an outage has stopped is tried again. */
const outagePace = { firstMs: 100, longestMs: 500 }
/** While the database gives no answer, so often somebody may find out whether it does again. */
const trialMs = 1000
/** A statement that Postgres gives up itself leaves its connection as it was. */
const answerMarginMs = 1000
/** How long a pool that ends waits for what is under way. */
const endMs = 2000
/** How often work is done again that lost against another transaction, and when: whoever else has lost comes at another time. */
const conflictRetries = {
  firstMs: 40,
  longestMs: 640,
  mayRetry: (error: unknown, { failures }: { readonly failures: number }): boolean => isConflict(error) && failures < 6,
}
/** How often it is tried whether a database that was full still is. */
const writeTrialMs = 5000
const roomTrial = `BEGIN; CREATE TEMP TABLE finstage_room ON COMMIT DROP AS
  SELECT repeat('x', 1000) AS filling FROM generate_series(1, 500); ROLLBACK`
const logEveryMs = 1000

export interface PoolOptions {
  /** How many connections, at most. */
  readonly max?: number
  /** For how long a statement may run; it fails as UNAVAILABLE then. 0, or absent: for ever. */
  readonly statementTimeoutMs?: number
  /** For how long a connection that can't be had is tried for. What was under way when it was lost fails all the same: see `persistently`. */
  readonly patienceMs?: number
}

/**
 * The connections that everything but LISTEN and the locks goes through. Nothing waits for ever: not for a connection, not for
 * an answer. What the database is at fault for is UNAVAILABLE; a statement that lost against another transaction is done again.
 */
export class DatabasePool extends pg.Pool {
  readonly #log: Logger
  readonly #patienceMs: number
  readonly #clients = new Set<DatabaseClient>()
  readonly #connectOnce: () => Promise<pg.PoolClient>
  /** It gives no answer, and is not asked before then. null: it answers. */
  #silentUntilMs: number | null = null
  /** Why it takes no writes, and when that was tried last. */
  #refusal: { readonly reason: string; readonly atMs: number } | null = null
  #waiting = 0
  #loggedAtMs = Number.NEGATIVE_INFINITY

  constructor(connectionString: string, log: Logger, options: PoolOptions) {
    const { max = 20, statementTimeoutMs = 0, patienceMs = 0 } = options
    super({
      connectionString,
      max,
      min: Math.min(keptConnections, max),
      connectionTimeoutMillis: waitMs,
      ...(statementTimeoutMs > 0 ? { query_timeout: statementTimeoutMs + answerMarginMs, statementTimeoutMs } : {}),
      // The type knows of no options for it, and it is given the pool's own.
      Client: DatabaseClient as unknown as new () => pg.ClientBase,
    })
    this.#log = log
    this.#patienceMs = patienceMs
    this.#connectOnce = () => super.connect()
    const query = super.query.bind(this) as (...given: unknown[]) => Promise<pg.QueryResult>
    this.query = ((...given: unknown[]) => this.guarded(() => query(...given))) as typeof this.query
    // Not the error itself: the whole client hangs on it.
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

  /** Rejects where it can't be reached, or takes no writes. */
  async check(): Promise<void> {
    if (await this.guarded(() => this.#isReadOnly())) throw new Error('is read-only')
    if (this.#refusal === null) return
    if (performance.now() - this.#refusal.atMs >= writeTrialMs)
      await this.guarded(() => this.#tryToWrite()).catch(() => {})
    if (this.#refusal) throw new Error(`takes no writes: ${this.#refusal.reason}`)
  }

  /** Waits for what is under way, but not for long. */
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
    try {
      return await retrying(() => this.#connectNow(), {
        ...outagePace,
        mayRetry: (error, { elapsedMs }) => {
          // Where the server has no connection left, one of our own may get free.
          const patienceMs = isFull(error) ? Math.max(waitMs, this.#patienceMs) : this.#patienceMs
          return !this.ending && isOutage(error) && elapsedMs < patienceMs
        },
      })
    } catch (error) {
      throw this.#failed(error)
    } finally {
      this.#waiting--
    }
  }

  async #connectNow(): Promise<pg.PoolClient> {
    if (this.#silentUntilMs !== null) {
      if (performance.now() < this.#silentUntilMs) throw databaseBusy()
      this.#silentUntilMs = performance.now() + trialMs
    }
    return this.#connectOnce()
  }

  /** Does what may be done again where it lost against another transaction, and tells of an outage as of one. */
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
      // A session stays read-only when the database no longer is.
      client.release(isReadOnly)
    }
  }

  /** Takes some room on the disk and gives it back. */
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

  /** What the caller is told of an error. */
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

/** Runs `work` in one transaction: all of it, or nothing where it throws. It may be run again, so it changes nothing else. */
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
    // Where the connection may be at fault, another word on it would be waited for as long again.
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

/** Does the work again while it fails because the database can't be reached, for up to `patienceMs`. It may have been done before it failed. */
export const persistently = <T>(work: () => Promise<T>, patienceMs: number): Promise<T> =>
  retrying(work, { ...outagePace, mayRetry: (error, { elapsedMs }) => isOutage(error) && elapsedMs < patienceMs })
