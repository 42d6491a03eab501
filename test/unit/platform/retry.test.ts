import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { RetryPauses, retrying } from '../../../src/platform/retry.ts'

const pace = { firstMs: 100, longestMs: 500 }
const always = (): boolean => true
/** Fails so many times, then succeeds. */
function failing(times: number): { work: () => Promise<string>; attempts: () => number } {
  let attempts = 0
  const work = async (): Promise<string> => {
    attempts += 1
    if (attempts <= times) throw new Error(`failure ${attempts}`)
    return 'done'
  }
  return { work, attempts: () => attempts }
}

test('the limit of a pause doubles with each failure up to the longest, and begins anew after a success', () => {
  const pauses = new RetryPauses({ ...pace, random: () => 1 })
  assert.deepEqual(
    Array.from({ length: 5 }, () => pauses.nextMs()),
    [100, 200, 400, 500, 500],
  )
  pauses.reset()
  assert.equal(pauses.nextMs(), 100)
})

test('a pause is anywhere between nothing and its limit: the jitter is full', () => {
  for (const share of [0, 0.25, 0.75]) {
    const pauses = new RetryPauses({ ...pace, random: () => share })
    assert.deepEqual([pauses.nextMs(), pauses.nextMs()], [share * 100, share * 200])
  }
})

test('work is done again until it succeeds, each attempt after its pause', async () => {
  const { work, attempts } = failing(2)
  const startedMs = performance.now()
  const limits = { firstMs: 30, longestMs: 1000, random: () => 0.999 }
  assert.equal(await retrying(work, { ...limits, mayRetry: always }), 'done')
  assert.equal(attempts(), 3)
  const tookMs = performance.now() - startedMs
  assert.ok(tookMs > 85, `pauses of 30 and 60 ms took ${tookMs} ms`)
})

test('the last error is thrown when there is to be no further attempt, which is asked after each', async () => {
  const { work, attempts } = failing(5)
  const asked: number[] = []
  const mayRetry = (_error: unknown, { failures }: { readonly failures: number }): boolean => {
    asked.push(failures)
    return failures < 3
  }
  await assert.rejects(retrying(work, { ...pace, random: () => 0, mayRetry }), new Error('failure 3'))
  assert.deepEqual([attempts(), asked], [3, [1, 2, 3]])
})

test('an abort ends a pause at once, with no further attempt', async () => {
  const { work, attempts } = failing(5)
  const controller = new AbortController()
  const slow = { firstMs: 1e8, longestMs: 1e8, random: () => 0.9 }
  const result = retrying(work, { ...slow, mayRetry: always, signal: controller.signal })
  await nextTurn()
  controller.abort()
  await assert.rejects(result, new Error('failure 1'))
  assert.equal(attempts(), 1)
})
