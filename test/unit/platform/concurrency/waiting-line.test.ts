import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { WaitingLine } from '../../../../src/platform/concurrency/waiting-line.ts'

test('turns come in the order in which they were asked for, and nobody waiting is told', async () => {
  const line = new WaitingLine()
  const come: string[] = []
  for (const name of ['first', 'second']) void line.wait(undefined).then(() => come.push(name))
  assert.equal(line.length, 2)
  assert.equal(line.next(), true)
  await nextTurn()
  assert.deepEqual(come, ['first'])
  assert.equal(line.next(), true)
  assert.equal(line.next(), false)
  await nextTurn()
  assert.deepEqual(come, ['first', 'second'])
})

test('an abort leaves the line at once with its reason, and the turn goes to the next', async () => {
  const line = new WaitingLine()
  const reason = new Error('enough')
  const controller = new AbortController()
  let left = 0
  const aborted = line.wait(controller.signal, () => left++)
  const next = line.wait(undefined)
  controller.abort(reason)
  assert.deepEqual([line.length, left], [1, 1])
  await assert.rejects(aborted, reason)
  assert.equal(line.next(), true)
  await next
  await assert.rejects(line.wait(AbortSignal.abort(reason)), reason)
  assert.equal(line.length, 0)
})

test('a turn that has come is kept when its signal is aborted, which loses its listener', async () => {
  const line = new WaitingLine()
  const controller = new AbortController()
  let left = 0
  const turn = line.wait(controller.signal, () => left++)
  line.next()
  controller.abort()
  await turn
  assert.equal(left, 0)
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
})
