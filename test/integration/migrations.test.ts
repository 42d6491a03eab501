import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPool } from '../../src/platform/pool.ts'
import { migrate } from '../../src/store/migrations.ts'
import { createTestDatabase } from '../support/database.ts'
import { silentLog } from '../support/log.ts'

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
    ['000001_candles.sql', '000002_jobs.sql', '000003_candle_series.sql', '000004_queue.sql'],
  )
  assert.deepEqual(await database.query('SELECT count(*)::int AS jobs FROM finstage.jobs'), [{ jobs: 0 }])
})
