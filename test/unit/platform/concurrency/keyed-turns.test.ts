import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { KeyedTurns } from '../../../../src/platform/concurrency/keyed-turns.ts'

test('work of one key runs one after the other in order, work of other keys meanwhile', async () => {
  const turns = new KeyedTurns()
  const begun: string[] = []
  const ends = [Promise.withResolvers<string>(), Promise.withResolvers<string>()]
  const work = (name: string, end: Promise<string> | undefined) => (): Promise<string> => {
    begun.push(name)
    return end ?? Promise.resolve(name)
  }
  const results = [
    turns.run('A', work('A1', ends[0]?.promise)),
    turns.run('A', work('A2', ends[1]?.promise)),
    turns.run('A', work('A3', undefined)),
    turns.run('B', work('B1', undefined)),
  ]
  await nextTurn()
  assert.deepEqual(begun, ['A1', 'B1'])
  ends[0]?.resolve('first')
  await nextTurn()
  assert.deepEqual(begun, ['A1', 'B1', 'A2'])
  ends[1]?.resolve('second')
  assert.deepEqual(await Promise.all(results), ['first', 'second', 'A3', 'B1'])
})

test('a failure is told to its own caller alone, and the next of its key runs', async () => {
  const turns = new KeyedTurns()
  const failed = turns.run('A', () => Promise.reject(new Error('failed')))
  const next = turns.run('A', async () => 'next')
  await assert.rejects(failed, new Error('failed'))
  assert.equal(await next, 'next')
  assert.equal(await turns.run('A', async () => 'later'), 'later')
})
