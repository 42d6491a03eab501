import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClockWatch } from '../../../src/stream/clock-watch.ts'
import { Term, trustedMs } from '../../../src/stream/term.ts'

test('a term is trusted from when its confirmation was asked for, and no longer than that', () => {
  let nowMs = 1000
  const term = new Term('1', 900, () => nowMs)
  assert.equal(term.holds, true)
  nowMs = 900 + trustedMs - 1
  assert.equal(term.holds, true)
  nowMs += 1
  assert.equal(term.holds, false)
  term.confirm(2000)
  assert.equal(term.holds, true)
  nowMs = 2000 + trustedMs
  assert.equal(term.holds, false)
})

test('a clock that is put back by more than a second is noticed once; one that is put forward, or pauses with the process, is not', () => {
  let now = 1_000_000
  let steadyMs = 50
  const watch = new ClockWatch(
    () => now,
    () => steadyMs,
  )
  const pass = (ms: number, bySteadyMs = ms): boolean => {
    now += ms
    steadyMs += bySteadyMs
    return watch.wasPutBack()
  }
  assert.equal(pass(1000), false)
  assert.equal(pass(3_600_000, 1000), false, 'forward')
  assert.equal(pass(1000), false)
  assert.equal(pass(60_000), false, 'a pause of the process')
  assert.equal(pass(0, 900), false, 'a step of a clock that is kept right')
  assert.equal(pass(-7_200_000, 1000), true)
  assert.equal(pass(1000), false)
  assert.equal(pass(-200, 1000), true, 'a small step, but more than a second')
})
