import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FinstageError } from '../../../../src/domain/errors.ts'
import { retryInSeconds } from '../../../../src/jobs/queue/retry-delay.ts'

const failures = Array.from({ length: 12 }, (_, i) => i + 1)
const plain = new Error('away')
const wanting = (retryAfterSeconds: number) => new FinstageError('SOURCE_RATE_LIMITED', 'later', { retryAfterSeconds })

test('the back-off doubles with each failure, up to 300 s', () => {
  const longest = failures.map((count) => retryInSeconds(count, plain, () => 1))
  assert.deepEqual(longest, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300])
})

test('half of the back-off is sure, and the other half left to chance', () => {
  const shortest = failures.map((count) => retryInSeconds(count, plain, () => 0))
  assert.deepEqual(shortest, [1, 2, 4, 8, 16, 32, 64, 128, 150, 150, 150, 150])
  assert.equal(
    retryInSeconds(3, plain, () => 0.25),
    5,
  )
})

test('jobs that failed together do not come back together', () => {
  let next = 0
  const random = (): number => (next += 0.01)
  const delays = Array.from({ length: 50 }, () => retryInSeconds(4, plain, random))
  assert.equal(new Set(delays).size, 50)
})

test('nothing is tried again before the source wants to be asked, and the back-off is kept beside it', () => {
  assert.equal(
    retryInSeconds(1, wanting(30), () => 0),
    31,
  )
  assert.equal(
    retryInSeconds(1, wanting(30), () => 1),
    32,
  )
  assert.equal(
    retryInSeconds(1, wanting(-5), () => 1),
    2,
  )
})

test('every delay lies within its bounds, however often a job has failed', () => {
  const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), chance, fc.integer({ min: 0, max: 900 }), (count, share, after) => {
      const seconds = retryInSeconds(count, wanting(after), () => share)
      return seconds >= after + 1 && seconds <= after + 300
    }),
  )
})
