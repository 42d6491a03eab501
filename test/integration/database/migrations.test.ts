import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shortestDecimal } from '../../../src/market/yahoo/float32.ts'
import { createPool } from '../../../src/platform/database/pool.ts'
import { migrate } from '../../../src/store/migrations.ts'
import { randomNumbers } from '../../support/candles/generated-candles.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database/database.ts'
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
      '000009_revisions.sql',
      '000010_series_exchange.sql',
      '000011_settled_version.sql',
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
     ALTER TABLE finstage.candle_series DROP session_closes, DROP revised_at, DROP exchange, DROP settled_version;
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

/** An empty database in the layout before dividends had a currency. */
async function createOldDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase()
  await database.query('DELETE FROM finstage.migrations WHERE file > $1', ['000008'])
  await database.query('ALTER TABLE finstage.dividends DROP currency')
  await database.query('ALTER TABLE finstage.candle_series DROP revised_at, DROP exchange, DROP settled_version')
  return database
}

async function migrateAnew(database: TestDatabase): Promise<void> {
  const pool = createPool(database.url, silentLog)
  try {
    await migrate(pool, silentLog)
  } finally {
    await pool.end()
  }
}

const storeSeries = `INSERT INTO finstage.candle_series (source, symbol, interval, extended_hours, received_at, basis_at, covered)
  SELECT source, 'AAPL', interval, false, now(), now(), '{[0,6000)}'
  FROM (VALUES ('YAHOO'), ('SIMULATED')) AS sources (source), (VALUES ('MINUTE_1'), ('DAY_1')) AS intervals (interval)
  RETURNING id, source, interval`

interface StoredPrices {
  readonly open: number | null
  readonly high: number | null
  readonly low: number | null
  readonly close: number | null
  readonly volume: number | null
  readonly adjusted: number | null
}

test('stored prices become the decimals that their float32 values stand for; volumes and other prices stay', async () => {
  await using database = await createOldDatabase()
  const series = await database.query<{ id: number; source: string; interval: string }>(storeSeries)
  const random = randomNumbers(8)
  const widened = Array.from({ length: 2000 }, () => Math.fround(Math.round(random() * 10 ** 7) / 10 ** (random() * 6)))
  const special = [
    0, 1e-40, 1e-45, 3e38, 129.04, 129.0399932861328, 123.456789012, 1e300, 1e-300, 16_777_215, 2_256_948.25, 99_999.99,
  ]
  const values = [...widened, ...special, ...special.map(Math.fround)].filter(Number.isFinite)
  const rows = [...values, ...values.map((value) => -value)].map((price, i) => ({
    ...{ series: series[i % 4] ?? assert.fail(), minute: i },
    ...{ price, next: values[(i + 1) % values.length] ?? null, volume: i % 5 === 0 ? null : 45_743_112 + (i % 3) / 2 },
  }))
  // As a row that could not be used is kept.
  rows.push({ ...(rows[0] ?? assert.fail()), minute: -1, price: null as never, next: null, volume: null })
  await database.query(
    `INSERT INTO finstage.candles SELECT series, minute, price, next, price, next, volume, price
     FROM unnest($1::int[], $2::int[], $3::float8[], $4::float8[], $5::float8[])
       AS rows (series, minute, price, next, volume)`,
    [
      ...[rows.map(({ series }) => series.id), rows.map(({ minute }) => minute), rows.map(({ price }) => price)],
      ...[rows.map(({ next }) => next), rows.map(({ volume }) => volume)],
    ],
  )
  await migrateAnew(database)
  const stored = await database.query<StoredPrices>(
    'SELECT open, high, low, close, volume, adjusted_close AS adjusted FROM finstage.candles ORDER BY minute',
  )
  const right = (price: number | null): number | null => (price === null ? null : shortestDecimal(price))
  const expected = rows
    .toSorted((a, b) => a.minute - b.minute)
    .filter(({ series }) => series.source === 'YAHOO')
    .map(({ price, next, volume }) => ({
      ...{ open: right(price), high: right(next), low: right(price), close: right(next), volume },
      adjusted: right(price),
    }))
  assert.equal(stored.length, expected.length)
  for (const [i, row] of stored.entries()) assert.deepEqual({ ...row }, expected[i], `row ${i}`)
})

test('days of Yahoo and all simulated candles are asked for again; minutes of Yahoo stay', async () => {
  await using database = await createOldDatabase()
  await database.query(storeSeries)
  await migrateAnew(database)
  const found = await database.query<{ source: string; interval: string; covered: string; generation: number }>(
    'SELECT source, interval, covered::text, generation FROM finstage.candle_series ORDER BY source, interval',
  )
  assert.deepEqual(found, [
    { source: 'SIMULATED', interval: 'DAY_1', covered: '{}', generation: 1 },
    { source: 'SIMULATED', interval: 'MINUTE_1', covered: '{}', generation: 1 },
    { source: 'YAHOO', interval: 'DAY_1', covered: '{}', generation: 1 },
    { source: 'YAHOO', interval: 'MINUTE_1', covered: '{[0,6000)}', generation: 0 },
  ])
})

test('of what was stored before final candles were asked for again, at most the newest sixteen days are, once', async () => {
  await using database = await createOldDatabase()
  await database.query(
    `INSERT INTO finstage.candle_series (source, symbol, interval, extended_hours, basis_at, received_at)
     SELECT 'YAHOO', symbol, 'DAY_1', false, now() - basis::interval, now() - received::interval
     FROM (VALUES ('A', '100 days', '0 days'), ('B', '100 days', '20 days'), ('C', '3 days', '0 days'))
       AS known(symbol, basis, received)`,
  )
  await migrateAnew(database)
  assert.deepEqual(
    await database.query(
      'SELECT symbol, round(extract(epoch FROM now() - revised_at) / 86400)::int AS days FROM finstage.candle_series ORDER BY 1',
    ),
    [
      { symbol: 'A', days: 8 },
      { symbol: 'B', days: 20 },
      { symbol: 'C', days: 3 },
    ],
  )
})
