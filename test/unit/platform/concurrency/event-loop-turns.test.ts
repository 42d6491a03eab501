import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventLoopTurns } from '../../../../src/platform/concurrency/event-loop-turns.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Turns of a cost of 10, and the pieces in the order in which they have begun. */
function started() {
  const turns = new EventLoopTurns(10)
  const begun: string[] = []
  const asker = {}
  const piece = (name: string, cost: number, of: object = asker): unknown => turns.run(of, cost, () => begun.push(name))
  return { begun, piece }
}

test('a turn of the event loop begins pieces up to its cost, and the others in later turns, the oldest first', async () => {
  const { begun, piece } = started()
  piece('a', 6)
  piece('b', 4)
  piece('c', 1)
  piece('d', 9)
  piece('e', 1)
  assert.deepEqual(begun, ['a', 'b'])
  await turn()
  assert.deepEqual(begun, ['a', 'b', 'c', 'd'])
  await turn()
  assert.deepEqual(begun, ['a', 'b', 'c', 'd', 'e'])
  await turn()
  assert.equal(piece('f', 10), 6)
})

test('a piece that costs more than a turn has one alone, and what its asker wants later does not overtake it', async () => {
  const { begun, piece } = started()
  piece('small', 1)
  piece('huge', 1000)
  piece('late', 1)
  assert.deepEqual(begun, ['small'])
  await turn()
  assert.deepEqual(begun, ['small', 'huge'])
  await turn()
  assert.deepEqual(begun, ['small', 'huge', 'late'])
  await turn()
  piece('first', 1000)
  assert.equal(begun.at(-1), 'first')
})

test('who asks for little waits for one piece of those who ask for much, and who asks for much is not put off for ever', async () => {
  const { begun, piece } = started()
  const [big, small] = [{}, {}]
  for (const i of [1, 2, 3, 4]) piece(`big ${i}`, 100, big)
  piece('small 1', 3, small)
  assert.deepEqual(begun, ['big 1'])
  await turn()
  assert.deepEqual(begun, ['big 1', 'big 2'])
  await turn()
  assert.deepEqual(begun, ['big 1', 'big 2', 'small 1'])
  for (const i of [2, 3, 4, 5]) piece(`small ${i}`, 3, small)
  assert.deepEqual(begun.slice(2), ['small 1', 'small 2', 'small 3'])
  await turn()
  assert.deepEqual(begun.slice(5), ['big 3'])
  await turn()
  assert.deepEqual(begun.slice(5), ['big 3', 'small 4', 'small 5'])
  await turn()
  assert.deepEqual(begun.slice(8), ['big 4'])
})

test('what a piece gives or throws is told, at once or as a promise', async () => {
  const turns = new EventLoopTurns(1)
  const fail = (): never => {
    throw new Error('failed')
  }
  assert.throws(() => turns.run({}, 1, fail), { message: 'failed' })
  await assert.rejects(async () => turns.run({}, 1, fail), { message: 'failed' })
  assert.equal(await turns.run({}, 1, () => 'given'), 'given')
})
