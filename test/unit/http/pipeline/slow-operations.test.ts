import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { OperationMetrics } from '../../../../src/http/pipeline/operation-metrics.ts'
import type { Logger } from '../../../../src/platform/logger.ts'

test('an operation that takes longer than a second is logged with its root field and its points, others are not', () => {
  const lines: unknown[] = []
  const log = { warn: (fields: object, message: string) => lines.push([fields, message]) } as unknown as Logger
  const metrics = new OperationMetrics(new Registry(), log)
  const description = { name: 'candles', kind: 'query' }
  metrics.answered(description, performance.now() - 900, { data: { candles: {} } }, { points: 12 })
  assert.deepEqual(lines, [])
  metrics.answered(description, performance.now() - 1500, { data: { candles: {} } }, { points: 12 })
  const [[fields, message] = assert.fail()] = lines as [{ tookMs: number }, string][]
  assert.equal(message, 'an operation was slow')
  assert.ok(fields.tookMs >= 1500)
  assert.deepEqual({ ...fields, tookMs: 0 }, { operation: 'candles', kind: 'query', points: 12, tookMs: 0 })
})
