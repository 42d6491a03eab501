import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RateLimitPause } from '../../../../../src/market/yahoo/calls/rate-limit-pause.ts'

function pauseWithClock() {
  const clock = { nowMs: 1_000_000 }
  return { clock, pause: new RateLimitPause(() => clock.nowMs) }
}

test('there is no pause before a refusal', () => {
  assert.equal(pauseWithClock().pause.secondsLeft(), null)
})

test('what is left is rounded up, to 1 at least, and ends to the millisecond', () => {
  const { clock, pause } = pauseWithClock()
  pause.refused(2)
  assert.equal(pause.secondsLeft(), 2)
  clock.nowMs += 999
  assert.equal(pause.secondsLeft(), 2)
  clock.nowMs += 1000
  assert.equal(pause.secondsLeft(), 1)
  clock.nowMs += 1
  assert.equal(pause.secondsLeft(), null)
})

test('a pause of untold length is 1 s and doubles with each refusal in a row, up to 5 minutes', () => {
  const { clock, pause } = pauseWithClock()
  const seconds = Array.from({ length: 11 }, () => {
    pause.refused(null)
    const left = pause.secondsLeft() ?? 0
    clock.nowMs += left * 1000
    return left
  })
  assert.deepEqual(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300])
})

test('a success brings the pause back to 1 s', () => {
  const { clock, pause } = pauseWithClock()
  for (let refusal = 0; refusal < 5; refusal++) {
    pause.refused(null)
    clock.nowMs += 300_000
  }
  pause.answered()
  pause.refused(null)
  assert.equal(pause.secondsLeft(), 1)
})

test('requests that were refused together double nothing', () => {
  const { clock, pause } = pauseWithClock()
  for (let request = 0; request < 4; request++) pause.refused(null)
  assert.equal(pause.secondsLeft(), 1)
  clock.nowMs += 1000
  pause.refused(null)
  assert.equal(pause.secondsLeft(), 2)
})

test('a later word does not shorten a pause, and none is longer than a day', () => {
  const { pause } = pauseWithClock()
  pause.refused(60)
  pause.refused(5)
  pause.refused(null)
  assert.equal(pause.secondsLeft(), 60)
  pause.refused(10 ** 12)
  assert.equal(pause.secondsLeft(), 86_400)
})
