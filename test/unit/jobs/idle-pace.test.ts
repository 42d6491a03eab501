import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { idlePace } from '../../../src/jobs/idle-pace.ts'

test('something may begin at once, and again only after so much idle time', () => {
  let idle = 100
  const mayBegin = idlePace(5, () => idle)
  assert.deepEqual([mayBegin(), mayBegin()], [true, false])
  idle += 4.9
  assert.equal(mayBegin(), false)
  idle += 0.1
  assert.deepEqual([mayBegin(), mayBegin()], [true, false])
})

test('an event loop that is kept busy lets nothing begin, however long it takes', async () => {
  const mayBegin = idlePace(5)
  assert.equal(mayBegin(), true)
  const endMs = performance.now() + 100
  while (performance.now() < endMs) await new Promise(setImmediate)
  assert.equal(mayBegin(), false)
  await sleep(20)
  assert.equal(mayBegin(), true)
})
