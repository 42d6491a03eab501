import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPool } from '../../src/platform/database/pool.ts'
import { EmbeddedPostgres } from '../../src/platform/embedded-postgres/server.ts'
import { migrate } from '../../src/store/migrations.ts'
import { silentLog } from './log.ts'

const directory = mkdtempSync(join(tmpdir(), 'finstage-test-'))
const postgres = new EmbeddedPostgres(directory, (message) => {
  throw new Error(message)
})

/**
 * One Postgres for the whole run, whose database is the template that each test file clones. FINSTAGE_TEST_POSTGRES is a copy of
 * its data, for tests that start a Postgres of their own: initdb takes longer than copying.
 */
export async function globalSetup(): Promise<void> {
  // Hundreds of processes are started: what was compiled once is kept.
  process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'node-compile-cache')
  await postgres.start()
  const pool = createPool(postgres.connectionString, silentLog)
  await migrate(pool, silentLog)
  // Only a crash of the machine could tell the difference.
  await pool.query('ALTER SYSTEM SET fsync = off')
  await pool.end()
  await postgres.stop()
  const copy = join(directory, 'copy')
  execFileSync('cp', ['-a', join(directory, 'postgres'), copy])
  process.env.FINSTAGE_TEST_POSTGRES = copy
  await postgres.start()
  process.env.FINSTAGE_TEST_DATABASE = postgres.connectionString
}

export async function globalTeardown(): Promise<void> {
  await postgres.stop()
  rmSync(directory, { recursive: true, force: true })
}
