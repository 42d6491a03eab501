import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Batcher } from '../../../../src/platform/concurrency/batcher.ts'

test('items that come while others gather go with them, and those that come during a call gather for the next', async () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const calls: (readonly number[])[] = []
    const run = async (items: readonly number[]): Promise<readonly number[]> => {
      calls.push(items)
      if (calls.length === 1) void batcher.add(4)
      return items.map((item) => 10 * item)
    }
    const batcher = new Batcher(run, 100, () => false, 10)
    const first = batcher.add(1)
    await turn()
    mock.timers.tick(9)
    const others = Promise.all([batcher.add(2), batcher.add(3)])
    await turn()
    assert.deepEqual(calls, [])
    mock.timers.tick(1)
    assert.deepEqual([await first, await others], [10, [20, 30]])
    await turn()
    const last = batcher.add(5)
    mock.timers.tick(10)
    assert.equal(await last, 50)
    assert.deepEqual(calls, [
      [1, 2, 3],
      [4, 5],
    ])
  } finally {
    mock.timers.reset()
  }
})
