import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { ByteShares } from '../../../../src/platform/concurrency/byte-shares.ts'
import type { Caller } from '../../../../src/platform/concurrency/event-loop-turns.ts'

/** Shares of 100 bytes, and the names of the callers in the order in which they got theirs. */
function started() {
  const shares = new ByteShares(100)
  const begun: string[] = []
  const take = (name: string, client: string, bytes: number): Caller => {
    const caller = { client }
    const waiting = shares.take(caller, bytes)
    if (waiting) void waiting.then(() => begun.push(name))
    else begun.push(name)
    return caller
  }
  return { shares, begun, take }
}

test('whoever finds no room waits until others leave or need less, and room is never used twice', async () => {
  const { shares, begun, take } = started()
  const [a, b] = [take('a', 'one', 40), take('b', 'one', 30)]
  take('c', 'one', 30)
  take('d', 'one', 5)
  assert.deepEqual(begun, ['a', 'b'])
  shares.resize(a, 10)
  await nextTurn()
  assert.deepEqual(begun, ['a', 'b', 'c', 'd'])
  assert.equal(shares.used, 75)
  shares.leave(b)
  shares.leave(b)
  assert.equal(shares.used, 45)
})

test('a client that holds nothing finds room while one that holds much waits, and goes first among those that wait', async () => {
  const { shares, begun, take } = started()
  const held = [1, 2, 3].map((i) => take(`greedy ${i}`, 'greedy', 25))
  for (const i of [4, 5, 6]) take(`greedy ${i}`, 'greedy', 25)
  assert.equal(shares.waiting, 3)
  take('modest', 'modest', 25)
  assert.deepEqual(begun, ['greedy 1', 'greedy 2', 'greedy 3', 'modest'])
  take('late', 'late', 25)
  for (const caller of held) shares.leave(caller)
  await nextTurn()
  assert.deepEqual(begun.slice(4), ['late', 'greedy 4'])
})

test('clients that hold the same take turns', async () => {
  const { shares, begun, take } = started()
  let last = take('first', 'first', 100)
  const waiting = ['one', 'one', 'one', 'two', 'two'].map((client) => take(client, client, 100))
  for (let round = 0; round < 5; round++) {
    shares.leave(last)
    await nextTurn()
    last = waiting.find((caller) => shares.holds(caller)) as Caller
  }
  assert.deepEqual(begun, ['first', 'one', 'two', 'one', 'two', 'one'])
})

test('who has gone neither waits nor keeps room, and its work that goes on waits for nothing', async () => {
  const { shares, begun, take } = started()
  const first = take('first', 'one', 100)
  const gone = take('gone', 'one', 50)
  assert.equal(shares.leave(gone), true)
  assert.equal(shares.waiting, 0)
  assert.equal(shares.take(gone, 50), undefined)
  assert.equal(shares.leave(first), false)
  await nextTurn()
  assert.deepEqual(begun, ['first'])
  assert.equal(shares.used, 0)
})

test('one that wants more than there is gets it when nobody else holds anything', async () => {
  const { shares, begun, take } = started()
  const small = take('small', 'one', 1)
  take('huge', 'two', 1000)
  assert.deepEqual(begun, ['small'])
  shares.leave(small)
  await nextTurn()
  assert.deepEqual(begun, ['small', 'huge'])
})
