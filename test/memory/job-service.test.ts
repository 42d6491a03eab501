import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JobService } from '../../src/jobs/job-service.ts'
import type { JobStore } from '../../src/store/jobs/job-store.ts'
import { LocalBus } from '../../src/stream/local-bus.ts'
import { collectedMemory } from '../support/collected-memory.ts'

test('attempts to follow jobs that do not exist, or cannot be read, leave nothing behind', async () => {
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
    return (await collectedMemory()).heapUsed
  }
  await bytes()
  // The heap also moves by itself: a leak shows in each of the three differences.
  const grown: number[] = []
  for (let before = await bytes(); grown.length < 3; ) {
    const now = await bytes()
    grown.push(now - before)
    before = now
  }
  assert.ok(Math.min(...grown) < 300_000, grown.join())
})
