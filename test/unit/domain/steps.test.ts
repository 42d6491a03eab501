import assert from 'node:assert/strict'
import { test } from 'node:test'
import { finished, inParts, SharedSteps, type Steps } from '../../../src/domain/steps.ts'
import { DerivedRoom, DerivedValues } from '../../../src/store/candles/derived-values.ts'

test('parts follow each other without a gap, whatever their length, and what is short has no pause', () => {
  for (const [from, to] of [
    [0, 0],
    [3, 4],
    [2, 12],
    [0, 1000],
  ] as const) {
    for (const length of [1, 3, 10, 1000, 5000]) {
      const parts: [number, number][] = []
      const pauses = [...inParts(from, to, length, (...part) => parts.push(part))].length
      assert.deepEqual(
        parts.flatMap(([first, end]) => Array.from({ length: end - first }, (_, i) => first + i)),
        Array.from({ length: to - from }, (_, i) => from + i),
      )
      assert.ok(parts.every(([first, end]) => end - first <= length))
      if (2 * (to - from) < length) assert.equal(pauses, 0)
      else assert.equal(pauses, Math.max(1, parts.length))
    }
  }
})

function* counting(steps: number, ends: () => number, done: { steps: number }): Steps<number> {
  for (let i = 0; i < steps; i++) {
    done.steps++
    yield
  }
  return ends()
}

test('work that two go on with by turns is done once, and each gets its result or its error', () => {
  for (const [ends, error] of [
    [() => 7, null],
    [() => assert.fail('it is wrong'), /it is wrong/],
  ] as const) {
    const done = { steps: 0 }
    const shared = new SharedSteps(counting(5, ends, done))
    const [one, other] = [shared.rest(), shared.rest()]
    for (let i = 0; i < 2; i++) for (const each of [one, other]) assert.equal(each.next().done, false)
    assert.equal(done.steps, 4)
    for (const each of [one, other, shared.rest()]) {
      if (error) assert.throws(() => finished(each), error)
      else assert.equal(finished(each), 7)
    }
    assert.equal(done.steps, 5)
  }
})

test('what several ask of a series while it is made is made once, and anew after a change', () => {
  const derived = new DerivedValues(0, new DerivedRoom(1_000_000), () => {})
  const done = { steps: 0 }
  const make = function* (): Steps<{ bytes: number }> {
    yield* counting(4, () => 1, done)
    return { bytes: 100 }
  }
  const ask = (of: DerivedValues) => of.get('sma', make, () => 0)
  const [one, other] = [ask(derived), ask(derived)]
  one.next()
  other.next()
  const later = ask(derived.changed(0))
  later.next()
  assert.equal(done.steps, 3)
  assert.equal(finished(one), finished(other))
  assert.equal(done.steps, 5)
  finished(later)
  assert.equal(done.steps, 8)
})
