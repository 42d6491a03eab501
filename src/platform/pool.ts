import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from './logger.ts'

/** A transaction that does nothing for so long is that of a process which stands still, and holds up others. */
const idleTransactionMs = 4000

/** The connections that everything but LISTEN and the locks goes through. */
export function createPool(connectionString: string, log: Logger, options: { max: number } = { max: 20 }): pg.Pool {
  const pool = new pg.Pool({
    ...{ connectionString, ...options, connectionTimeoutMillis: 10_000 },
    idle_in_transaction_session_timeout: idleTransactionMs,
  })
  // Without listeners, a Postgres that goes away under a connection ends the process.
  // Not the error itself: the whole client hangs on it.
  pool.on('error', ({ message }) => log.warn({ reason: message }, 'a database connection was lost'))
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/** Runs `work` in one transaction: all of it, or nothing where it throws. */
export async function transaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query('BEGIN')
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch((cause: Error) => {
      broken = cause
    })
    throw error
  } finally {
    client.release(broken)
  }
}

/** How soon a connection that failed is tried again. */
const reconnectMs = 200

/**
 * A pool that outlasts a restart of the database: a connection that can't be had is tried again for up to `patienceMs`. A query
 * that was under way when its connection was lost fails all the same: see `persistently`.
 */
export function createPatientPool(
  connectionString: string,
  log: Logger,
  { patienceMs, max }: { patienceMs: number; max: number },
): pg.Pool {
  const pool = createPool(connectionString, log, { max })
  const connectOnce = pool.connect.bind(pool)
  const connect = (): Promise<pg.PoolClient> =>
    persistently(() => (pool.ended ? neverAgain() : connectOnce()), patienceMs)
  type Done = (broken?: Error | boolean) => void
  type Callback = (error: Error | undefined, client: pg.PoolClient | undefined, done: Done) => void
  const connectWith = (callback?: Callback): Promise<pg.PoolClient> | undefined => {
    const connected = connect()
    if (!callback) return connected
    void connected.then(
      (client) => callback(undefined, client, (broken) => client.release(broken)),
      (error: Error) => callback(error, undefined, () => {}),
    )
    return undefined
  }
  pool.connect = connectWith as typeof pool.connect
  return pool
}

function neverAgain(): never {
  throw new Error('the pool has ended')
}

/** Does the work again while it fails because the database can't be reached, for up to `patienceMs`. It may have been done before it failed. */
export async function persistently<T>(work: () => Promise<T>, patienceMs: number): Promise<T> {
  const endMs = performance.now() + patienceMs
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isOutage(error) || performance.now() >= endMs) throw error
      await sleep(reconnectMs)
    }
  }
}

/** SQLSTATEs of a database that goes away, is away or comes back, and of a conflict that the next try does not have. */
const passing = /^(08|57P0[123]$|53300$|25P03$|40001$|40P01$)/
const systemCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOENT',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EAI_AGAIN',
  'ENOTFOUND',
])

/** Whether a query failed for the state that the database was in, and not for what was asked of it. */
export function isOutage(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown }
  if (typeof code === 'string') return passing.test(code) || systemCodes.has(code)
  // node-postgres gives these no code.
  return /connection (terminated|timeout)|timeout exceeded when trying to connect|not queryable/i.test(String(message))
}
