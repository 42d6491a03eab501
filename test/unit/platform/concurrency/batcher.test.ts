import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Batcher } from '../../../../src/platform/concurrency/batcher.ts'

test('items that come while others gather go with them, and those that come during a call gather for the next', async () => {
  const calls: (readonly number[])[] = []
  const later: Promise<number>[] = []
  const run = async (items: readonly number[]): Promise<readonly number[]> => {
    calls.push(items)
    if (calls.length === 1) later.push(batcher.add(4))
    return items.map((item) => 10 * item)
  }
  const batcher = new Batcher(run, 100, () => false, 150)
  const first = batcher.add(1)
  await sleep(5)
  assert.deepEqual(await Promise.all([first, batcher.add(2), batcher.add(3)]), [10, 20, 30])
  await sleep(5)
  later.push(batcher.add(5))
  assert.deepEqual(await Promise.all(later), [40, 50])
  assert.deepEqual(calls, [
    [1, 2, 3],
    [4, 5],
  ])
})
