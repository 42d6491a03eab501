import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { JobService } from '../../../src/jobs/job-service.ts'
import type { JobStore } from '../../../src/store/job-store.ts'
import { LocalBus } from '../../../src/stream/local-bus.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

test('who asks to follow jobs that do not exist, or can not be read, leaves nothing behind', async () => {
  let isAway = false
  const away = async (): Promise<never> => {
    throw new Error('away')
  }
  const store = { find: async () => (isAway ? away() : null), nowMs: away } as unknown as JobStore
  const jobs = new JobService({ store, bus: new LocalBus(), tasks: [] })
  const bytes = async (): Promise<number> => {
    for (let i = 0; i < 3000; i++) {
      isAway = i % 3 === 0
      await jobs.follow('nobody', 'ada').catch(() => {})
      await jobs.followAll('ada').catch(() => {})
    }
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  await bytes()
  const before = await bytes()
  assert.ok((await bytes()) - before < 300_000)
})
