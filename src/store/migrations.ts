import { readdir, readFile } from 'node:fs/promises'
import { runMigrations as runQueueMigrations } from 'graphile-worker'
import type pg from 'pg'
import { graphileLogger } from '../platform/graphile-logger.ts'
import type { Logger } from '../platform/logger.ts'

const directory = new URL('../../migrations/', import.meta.url)

/** The advisory lock that is held while migrating: any number, the same in every process. */
const lockKey = 7_241_990_001

/**
 * Migrates the database: our tables in the schema `finstage`, the queue's in `graphile_worker`. Several processes may
 * call it at once. It does nothing when the database is up to date. Each file is one transaction.
 */
export async function migrate(pool: pg.Pool, log: Logger): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('SELECT pg_advisory_lock($1)', [lockKey])
    const applied = await appliedVersions(client)
    const files = (await readdir(directory)).filter((name) => /^\d{6}_.*\.sql$/.test(name)).sort()
    for (const file of files) {
      if (applied.has(file)) continue
      const sql = await readFile(new URL(file, directory), 'utf8')
      await client.query('BEGIN')
      await client.query(sql)
      await client.query('INSERT INTO finstage.migrations (file) VALUES ($1)', [file])
      await client.query('COMMIT')
      log.info({ file }, 'migrated')
    }
    await runQueueMigrations({ pgPool: pool, logger: graphileLogger(log) })
  } finally {
    // Ends the session, and with it the lock and a transaction that failed.
    client.release(true)
  }
}

async function appliedVersions(client: pg.PoolClient): Promise<Set<string>> {
  const { rows: found } = await client.query<{ exists: boolean }>(
    `SELECT to_regclass('finstage.migrations') IS NOT NULL AS exists`,
  )
  if (!found[0]?.exists) {
    await client.query('CREATE SCHEMA IF NOT EXISTS finstage')
    await client.query(
      'CREATE TABLE finstage.migrations (file text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())',
    )
  }
  const { rows } = await client.query<{ file: string }>('SELECT file FROM finstage.migrations')
  return new Set(rows.map((row) => row.file))
}
