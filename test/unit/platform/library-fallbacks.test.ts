import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { LibraryFallbacks } from '../../../src/platform/library-fallbacks.ts'
import type { Logger } from '../../../src/platform/logger.ts'

test('each fallback of a library is logged once and counted every time', async () => {
  const registry = new Registry()
  const logged: unknown[][] = []
  const log = { warn: (...args: unknown[]) => logged.push(args) } as unknown as Logger
  const fallbacks = new LibraryFallbacks(registry, log)

  fallbacks.report('node', 'one')
  fallbacks.report('node', 'one')
  fallbacks.report('node', 'other')
  fallbacks.report('graphile-worker', 'one')

  assert.deepEqual(logged, [
    [{ library: 'node' }, 'one'],
    [{ library: 'node' }, 'other'],
    [{ library: 'graphile-worker' }, 'one'],
  ])
  const metrics = await registry.metrics()
  assert.match(metrics, /finstage_library_fallbacks_total\{library="node"\} 3/)
  assert.match(metrics, /finstage_library_fallbacks_total\{library="graphile-worker"\} 1/)
})
