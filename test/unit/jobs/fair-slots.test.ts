import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { FairSlots } from '../../../src/jobs/fair-slots.ts'

/** Slots, and what runs in them: each piece runs until it is told to end. */
function start(count: number) {
  const slots = new FairSlots(count)
  const running: { readonly job: string; readonly end: PromiseWithResolvers<void> }[] = []
  const begun: string[] = []
  return {
    slots,
    begun,
    running: () => running.map(({ job }) => job),
    add(job: string, signal?: AbortSignal): Promise<void> {
      const end = Promise.withResolvers<void>()
      const work = async (): Promise<void> => {
        const entry = { job, end }
        begun.push(job)
        running.push(entry)
        await end.promise.finally(() => running.splice(running.indexOf(entry), 1))
      }
      return slots.run(job, work, signal)
    },
    /** Ends the piece that has run for longest, of a job or of any. */
    async end(job?: string): Promise<void> {
      await turn()
      running.find((each) => job === undefined || each.job === job)?.end.resolve()
      await turn()
    },
  }
}

test('a job of one piece beside one of 500 begins at the next slot that is free, not after the 500', async () => {
  const { add, begun, end } = start(16)
  for (let i = 0; i < 500; i++) void add('big')
  await end()
  const small = add('small')
  assert.equal(begun.filter((job) => job === 'small').length, 0)
  await end('big')
  assert.equal(begun.at(-1), 'small')
  assert.equal(begun.length, 18)
  await end('small')
  await small
})

test('jobs that have work waiting come to hold the same number of slots', async () => {
  const { add, running, end } = start(6)
  for (let i = 0; i < 50; i++) void add('a')
  for (let i = 0; i < 50; i++) void add('b')
  for (let i = 0; i < 50; i++) void add('c')
  for (let i = 0; i < 12; i++) await end()
  assert.deepEqual(running().toSorted(), ['a', 'a', 'b', 'b', 'c', 'c'])
})

test('with one slot jobs take turns', async () => {
  const { add, begun, end } = start(1)
  for (const job of ['a', 'a', 'a', 'b', 'b', 'c']) void add(job)
  for (let i = 0; i < 6; i++) await end()
  assert.deepEqual(begun, ['a', 'b', 'c', 'a', 'b', 'a'])
})

test('no more pieces run at once than there are slots, and none is left idle while there is work', async () => {
  const { add, running, end } = start(3)
  const all = Array.from({ length: 10 }, (_, i) => add(`job ${i % 4}`))
  for (let left = 10; left > 0; left--) {
    await turn()
    assert.equal(running().length, Math.min(3, left))
    await end()
  }
  await Promise.all(all)
})

test('what is aborted while it waits is not begun, and costs no slot', async () => {
  const { add, begun, running, end } = start(1)
  const abort = new AbortController()
  void add('a')
  const waiting = add('b', abort.signal)
  const next = add('c')
  await turn()
  abort.abort(new Error('gone'))
  await assert.rejects(waiting, { message: 'gone' })
  await end('a')
  assert.deepEqual([begun, running()], [['a', 'c'], ['c']])
  await end('c')
  await next
  await assert.rejects(add('d', abort.signal), { message: 'gone' })
  assert.deepEqual(begun, ['a', 'c'])
})

test('work that fails gives its slot back', async () => {
  const { slots } = start(1)
  await assert.rejects(
    slots.run('a', () => Promise.reject(new Error('broken'))),
    { message: 'broken' },
  )
  assert.equal(await slots.run('a', async () => 'done'), 'done')
})
