import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FairSlots } from '../../src/platform/concurrency/fair-slots.ts'
import { collectedMemory } from '../support/collected-memory.ts'

test('a job with nothing waiting or running is forgotten, whether done or aborted', async () => {
  const slots = new FairSlots(1)
  const usedMiB = async (): Promise<number> => (await collectedMemory()).heapUsed / 2 ** 20
  const beforeMiB = await usedMiB()
  for (let i = 0; i < 50; i++) {
    const controller = new AbortController()
    const done = slots.run(`done ${i} ${'x'.repeat(2 ** 20)}`, () => nextTurn())
    const dropped = slots.run(`aborted ${i} ${'x'.repeat(2 ** 20)}`, () => nextTurn(), controller.signal)
    controller.abort()
    await Promise.allSettled([done, dropped])
  }
  const grownMiB = (await usedMiB()) - beforeMiB
  assert.ok(grownMiB < 20, `of names of 100 MiB, ${grownMiB} are kept`)
})
