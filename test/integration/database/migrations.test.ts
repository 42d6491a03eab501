import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPool } from '../../../src/platform/database/pool.ts'
import { migrate } from '../../../src/store/migrations.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { silentLog } from '../../support/log.ts'

test('five processes that migrate an empty database at once leave one complete layout', async () => {
  await using database = await createTestDatabase({ empty: true })
  const pools = Array.from({ length: 5 }, () => createPool(database.url, silentLog))
  try {
    await Promise.all(pools.map((pool) => migrate(pool, silentLog)))
  } finally {
    await Promise.all(pools.map((pool) => pool.end()))
  }
  const files = await database.query<{ file: string }>('SELECT file FROM finstage.migrations ORDER BY file')
  assert.deepEqual(
    files.map((row) => row.file),
    [
      '000001_candles.sql',
      '000002_jobs.sql',
      '000003_candle_series.sql',
      '000004_queue.sql',
      '000005_analysis.sql',
      '000006_job_room.sql',
      '000007_leader_terms.sql',
      '000008_believed_rows.sql',
    ],
  )
  assert.deepEqual(await database.query('SELECT count(*)::int AS jobs FROM finstage.jobs'), [{ jobs: 0 }])
})

test('jobs that were queued before there were carriers are carried on, with all the attempts that they had left', async () => {
  await using database = await createTestDatabase()
  await database.query('DELETE FROM finstage.migrations WHERE file > $1', ['000004'])
  await database.query('DROP TABLE finstage.job_parts, finstage.workers, finstage.job_room, finstage.leader_terms')
  await database.query(
    `ALTER TABLE finstage.jobs DROP queue_job_id, DROP failures, DROP losses, DROP history, DROP changed_at;
     DROP TABLE finstage.signals;
     ALTER TABLE finstage.symbol_analyses DROP source, DROP position, DROP sentiment, DROP score, DROP signals;
     ALTER TABLE finstage.candle_series DROP session_closes;
     ALTER TABLE finstage.dividends DROP currency`,
  )
  const enqueue = async (priority: string, number: number): Promise<void> => {
    await database.query(
      `WITH job AS (INSERT INTO finstage.jobs (kind, owner, priority, state, attempt, max_attempts, timeout_seconds, input)
         VALUES ('ANALYSIS', 'ada', $1, 'RUNNING', 2, 2, 60, '{}') RETURNING id)
       SELECT graphile_worker.add_job('ANALYSIS', json_build_object('jobId', job.id), max_attempts => 2, priority => $2)
       FROM job`,
      [priority, number],
    )
  }
  await enqueue('HIGH', 10)
  await enqueue('LOW', 30)
  // As graphile-worker leaves the last attempt of a worker that died.
  await database.query(`UPDATE graphile_worker._private_jobs SET attempts = 2`)
  const pool = createPool(database.url, silentLog)
  try {
    await migrate(pool, silentLog)
  } finally {
    await pool.end()
  }
  assert.deepEqual(
    await database.query(
      `SELECT jobs.priority, failures, queued.priority AS number, is_available, flags FROM finstage.jobs
       JOIN graphile_worker._private_jobs AS queued ON queued.id = queue_job_id ORDER BY position`,
    ),
    [
      { priority: 'HIGH', failures: 1, number: 12, is_available: true, flags: { ada: true } },
      { priority: 'LOW', failures: 1, number: 30, is_available: true, flags: { ada: true } },
    ],
  )
})
