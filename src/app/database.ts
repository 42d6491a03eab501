import { createPool, type DatabasePool } from '../platform/database/pool.ts'
import { requireOwnSessions } from '../platform/database/probe.ts'
import { EmbeddedPostgres } from '../platform/embedded-postgres/server.ts'
import type { Logger } from '../platform/logger.ts'
import { migrate } from '../store/migrations.ts'
import type { Config } from './config.ts'
import { naming } from './start-errors.ts'
import type { StopStack } from './stop-stack.ts'

export interface DatabaseOptions {
  readonly config: Config
  readonly log: Logger
  readonly stops: StopStack
  /** Called when the embedded Postgres ends by itself. */
  readonly onFatal: (message: string, cause?: unknown) => void
}

/** Starts the embedded Postgres unless the settings name another, and migrates. Resolves to the connection string. */
export async function startDatabase(options: DatabaseOptions): Promise<string> {
  const connectionString = options.config.DATABASE_URL ?? (await startEmbedded(options))
  await naming('the database that DATABASE_URL or DATA_DIR names', () => prepare(connectionString, options))
  return connectionString
}

async function startEmbedded({ config, stops, onFatal }: DatabaseOptions): Promise<string> {
  const embedded = new EmbeddedPostgres(config.DATA_DIR, onFatal)
  stops.push(() => embedded.stop())
  await naming(`DATA_DIR=${config.DATA_DIR}`, () => embedded.start())
  return embedded.connectionString
}

/** Uses a pool of its own: a migration may run longer than the time-outs of the pool for requests allow. */
async function prepare(connectionString: string, { config, log }: DatabaseOptions): Promise<void> {
  if (config.DATABASE_URL) await requireOwnSessions(connectionString)
  const pool = createPool(connectionString, log, { max: 2 })
  try {
    await migrate(pool, log)
  } finally {
    await pool.end()
  }
}

/** The time by the database's clock, in epoch milliseconds. */
export async function databaseTimeMs(pool: DatabasePool): Promise<number> {
  const { rows } = await pool.query<{ ms: number }>('SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms')
  return rows[0]?.ms ?? Number.NaN
}
