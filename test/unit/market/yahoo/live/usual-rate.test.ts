import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsualRate } from '../../../../../src/market/yahoo/live/usual-rate.ts'

function minute(rate: UsualRate, frames: number, isInSession = true): void {
  for (let frame = 0; frame < frames; frame++) rate.frame()
  rate.minute(isInSession)
}

test('a usual rate is known after one whole minute', () => {
  const rate = new UsualRate()
  // Watched in the middle of a minute.
  minute(rate, 7)
  assert.equal(rate.expectedPerSecond, 0)
  minute(rate, 120)
  assert.equal(rate.expectedPerSecond, 2)
})

test('a drip of 2.5 % leaves half of the usual rate as it was for twenty minutes', () => {
  const rate = new UsualRate()
  for (let i = 0; i < 60; i++) minute(rate, 120)
  for (let i = 0; i < 20; i++) minute(rate, 3)
  assert.ok(rate.expectedPerSecond > 1, `${rate.expectedPerSecond}`)
})

test('nothing is expected until the session has lasted for a minute, and nights do not lower what is usual', () => {
  const rate = new UsualRate()
  minute(rate, 0)
  for (let i = 0; i < 10; i++) minute(rate, 60)
  for (let i = 0; i < 600; i++) minute(rate, 0, false)
  assert.equal(rate.expectedPerSecond, 0)
  minute(rate, 20)
  assert.equal(rate.expectedPerSecond, 0)
  minute(rate, 60)
  assert.equal(rate.expectedPerSecond, 1)
})
