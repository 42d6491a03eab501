import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { JobMetrics } from '../../../../src/jobs/queue/metrics.ts'
import { WorkerWatch } from '../../../../src/jobs/queue/worker-watch.ts'
import type { WorkerStore } from '../../../../src/store/jobs/worker-store.ts'
import { LocalBus } from '../../../../src/stream/local-bus.ts'
import { silentLog } from '../../../support/log.ts'

test('a pool that ends while its beat is counted is removed after that, so that the beat does not bring it back', async () => {
  const [begun, counted] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const workers = new Set<string>()
  const store = {
    beat: async (ids: readonly string[]) => {
      begun.resolve()
      await counted.promise
      for (const id of ids) workers.add(id)
    },
    beats: async () => [],
  } as unknown as WorkerStore
  const watch = new WorkerWatch({
    store,
    bus: new LocalBus(),
    log: silentLog,
    metrics: new JobMetrics(new Registry(), async () => [], 1),
    pools: () => [{ id: 'ending', carriers: [] }],
    onLook: () => new Promise(() => {}),
    onStuck: () => {},
    taskNames: [],
    agingSeconds: 60,
  })
  watch.start()
  await begun.promise
  const removed = watch.beaten().then(() => workers.delete('ending'))
  setImmediate(counted.resolve)
  assert.ok(await removed)
  assert.equal(workers.size, 0)
})
