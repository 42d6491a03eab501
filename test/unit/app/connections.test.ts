import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectionShares } from '../../../src/app/connections.ts'

test('a process never holds more connections than it is told, and each pool has the three that the queue needs', () => {
  for (let configured = 8; configured <= 200; configured++) {
    for (const role of ['all', 'api', 'worker', 'ingest'] as const) {
      for (const isShared of [true, false]) {
        const { requests, jobs } = connectionShares(role, configured, isShared)
        const others = (isShared ? 1 : 0) + (role === 'all' || role === 'ingest' ? 1 : 0)
        assert.equal(requests + jobs + others, configured)
        assert.ok(requests >= 3)
        if (role === 'all' || role === 'worker') assert.ok(jobs >= 3)
        else assert.equal(jobs, 0)
      }
    }
  }
})
