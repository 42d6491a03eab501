import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventLoopTurns } from '../../../src/platform/event-loop-turns.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('a turn of the event loop begins pieces up to its cost, and the others in later turns, the oldest first', async () => {
  const turns = new EventLoopTurns(10)
  const begun: string[] = []
  const piece = (name: string, cost: number): unknown => turns.run(cost, () => begun.push(name))
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

test('a piece that costs more than a turn has one alone, and what comes later does not overtake it', async () => {
  const turns = new EventLoopTurns(10)
  const begun: string[] = []
  const piece = (name: string, cost: number): unknown => turns.run(cost, () => begun.push(name))
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

test('what a piece gives or throws is told, at once or as a promise', async () => {
  const turns = new EventLoopTurns(1)
  const fail = (): never => {
    throw new Error('failed')
  }
  assert.throws(() => turns.run(1, fail), { message: 'failed' })
  await assert.rejects(async () => turns.run(1, fail), { message: 'failed' })
  assert.equal(await turns.run(1, () => 'given'), 'given')
})
