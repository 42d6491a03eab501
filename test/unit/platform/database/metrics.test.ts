import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { DatabaseMetrics, statementName } from '../../../../src/platform/database/metrics.ts'

test('statements are named as they were prepared, or by what they do to which table', () => {
  const named = [
    ['SELECT 1', 'job insert', 'job insert'],
    ['SELECT id AS worker, beat::text FROM finstage.workers', undefined, 'select finstage.workers'],
    ['\n  INSERT INTO finstage.workers (id) SELECT unnest($1::text[])', undefined, 'insert finstage.workers'],
    ['update "graphile_worker"."_private_jobs" as jobs set x = 1', undefined, 'update graphile_worker._private_jobs'],
    ['BEGIN', undefined, 'begin'],
    ['SELECT now()', undefined, 'select'],
    ['VACUUM', undefined, 'other'],
  ] as const
  for (const [text, name, expected] of named) assert.equal(statementName(text, name), expected)
})

test('however many statements there are, their series are bounded', async () => {
  const registry = new Registry()
  const state = { open: 2, busy: 1, waiting: 0, maxConnections: 10, maxWaiting: 5000 }
  const pool = new DatabaseMetrics(registry).pool('requests', () => state)
  for (let i = 0; i < 1000; i++) pool.ran(`statement ${i}`, 0.001, undefined)
  const text = await registry.metrics()
  const counts = text.match(/^finstage_database_statement_seconds_count.*$/gm) ?? []
  assert.equal(counts.length, 301)
  assert.ok(counts.includes('finstage_database_statement_seconds_count{statement="other"} 700'))
})
