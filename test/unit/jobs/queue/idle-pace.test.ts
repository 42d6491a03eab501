import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { idlePace } from '../../../../src/jobs/queue/idle-pace.ts'

test('something may begin at once, and again after so much idle time, or at the longest after so much time', () => {
  let [idle, now] = [100, 1000]
  const mayBegin = idlePace({ eachMs: 5, longestMs: 100, idleMs: () => idle, nowMs: () => now })
  assert.deepEqual([mayBegin(), mayBegin()], [true, false])
  idle += 4.9
  now += 4.9
  assert.equal(mayBegin(), false)
  idle += 0.1
  now += 0.1
  assert.deepEqual([mayBegin(), mayBegin()], [true, false])
  now += 99
  assert.equal(mayBegin(), false)
  now += 1
  assert.deepEqual([mayBegin(), mayBegin()], [true, false])
})

test('an event loop that is kept busy lets nothing begin, one that has nothing to do does', async () => {
  const mayBegin = idlePace({ eachMs: 5, longestMs: 60_000 })
  assert.equal(mayBegin(), true)
  const endMs = performance.now() + 100
  while (performance.now() < endMs) await new Promise(setImmediate)
  assert.equal(mayBegin(), false)
  await sleep(20)
  assert.equal(mayBegin(), true)
})
