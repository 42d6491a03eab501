import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Registry } from 'prom-client'
import { DatabaseMetrics } from '../../../src/platform/database/metrics.ts'
import { createPool } from '../../../src/platform/database/pool.ts'
import { eventually } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { silentLog } from '../../support/log.ts'
import { familiesOf } from '../../support/prometheus.ts'

const database = await createTestDatabase()
const registry = new Registry()
const measured = { by: new DatabaseMetrics(registry), as: 'requests' }
const pool = createPool(database.url, silentLog, { max: 1, measured })
after(async () => {
  await pool.end()
  await database[Symbol.asyncDispose]()
})

async function told(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
  const samples = familiesOf(await registry.metrics()).flatMap((family) => family.samples)
  const isMeant = (sample: (typeof samples)[number]): boolean =>
    sample.name === `finstage_database_${name}` &&
    Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
  return samples.find(isMeant)?.value ?? 0
}

test('statements are timed by name, whether they are asked of a pool or of a connection', async () => {
  await pool.query('SELECT pg_sleep(0.05), count(*) FROM finstage.jobs')
  const client = await pool.connect()
  await client.query({ name: 'slow one', text: 'SELECT pg_sleep(0.1)' })
  client.release()
  assert.equal(await told('statement_seconds_count', { statement: 'select finstage.jobs' }), 1)
  assert.equal(await told('statement_seconds_count', { statement: 'slow one' }), 1)
  const took = await told('statement_seconds_sum', { statement: 'slow one' })
  assert.ok(took >= 0.1 && took < 5, `${took} s`)
})

test('statements that fail are timed, and counted by reason', async () => {
  await assert.rejects(pool.query('SELECT nothing FROM finstage.jobs'), /nothing/)
  assert.equal(await told('failures_total', { reason: 'other' }), 1)
  assert.equal(await told('failures_total', { reason: 'outage' }), 0)
  await assert.rejects(pool.query('SELECT pg_terminate_backend(pg_backend_pid())'), { code: 'UNAVAILABLE' })
  assert.equal(await told('failures_total', { reason: 'outage' }), 1)
})

test('who waits for a connection is counted, and how long', async () => {
  const client = await pool.connect()
  assert.equal(await told('connections_busy'), 1)
  assert.equal(await told('connections_limit'), 1)
  const waiting = pool.query('SELECT 1')
  await eventually(async () => (await told('callers_waiting')) === 1, 'one that waits')
  await new Promise((resolve) => setTimeout(resolve, 100))
  client.release()
  await waiting
  assert.equal(await told('callers_waiting'), 0)
  const waited = await told('pool_wait_seconds_sum', { pool: 'requests' })
  assert.ok(waited >= 0.1 && waited < 10, `${waited} s`)
})
