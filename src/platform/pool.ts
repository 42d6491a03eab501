import pg from 'pg'
import type { Logger } from './logger.ts'

/** The connections that everything but LISTEN and the locks goes through. */
export function createPool(connectionString: string, log: Logger): pg.Pool {
  const pool = new pg.Pool({ connectionString, max: 20, connectionTimeoutMillis: 10_000 })
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
