import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Earlier, Sized } from '../../../../src/domain/candle-list.ts'
import { finished, inOneStep } from '../../../../src/domain/steps.ts'
import { DerivedRoom, DerivedValues } from '../../../../src/store/candles/derived-values.ts'

const none = (): number => 0
const derivedFrom = (settledTo: number) => new DerivedValues(settledTo, new DerivedRoom(10_000_000), () => {})
const sized = (bytes: number) => () => ({ bytes })

/** Made in one step. */
const get = <T extends Sized>(
  derived: DerivedValues,
  name: string,
  make: (earlier?: Earlier<T>) => T,
  sameRows: (before: number) => number,
): T => finished(derived.get<T>(name, (earlier) => inOneStep(() => make(earlier)), sameRows))

test('what is asked for once is not kept, so that parameters that never come again take no memory', () => {
  const derived = derivedFrom(0)
  for (let i = 0; i < 1000; i++) get(derived, `sma ${i}`, sized(20_000), none)
  assert.ok(derived.bytes <= 10_000, `${derived.bytes}`)
  const first = get(derived, 'sma 999', sized(20_000), none)
  assert.ok(derived.bytes >= 20_000)
  assert.equal(get(derived, 'sma 999', sized(1), none), first)
})

test('when candles change, what was kept is handed to whoever makes it anew, with how many rows have stayed the same', () => {
  let derived = derivedFrom(10)
  for (let times = 0; times < 2; times++) get(derived, 'sma', sized(100), none)
  // A time before which rows have not changed is the earliest of several changes.
  derived = derived.changed(20)
  const later = derived.changed(30)
  const { bytes } = later
  const made = get<Sized & { readonly earlier?: unknown }>(
    later,
    'sma',
    (earlier) => ({ bytes: 70, earlier }),
    (before) => before + 1,
  )
  assert.deepEqual(made.earlier, { value: { bytes: 100 }, sameRows: 11 })
  assert.equal(
    get(later, 'sma', () => assert.fail(), none),
    made,
  )
  assert.ok(later.bytes < bytes, 'what it replaced is not counted any more')
})

test('what is not asked for while candles change again and again is given up, because its range has moved on', () => {
  let derived = derivedFrom(0)
  for (let change = 0; change < 100; change++) {
    for (let times = 0; times < 2; times++) get(derived, `sma up to ${change}`, sized(20_000), none)
    get(derived, 'always', sized(100), none)
    derived = derived.changed(0)
    assert.ok(derived.bytes < 9 * 21_000, `${derived.bytes}`)
  }
  const always = get<Sized & { readonly from?: unknown }>(derived, 'always', (from) => ({ bytes: 100, from }), none)
  assert.deepEqual(always.from, { value: { bytes: 100 }, sameRows: 0 })
  for (let change = 0; change < 9; change++) derived = derived.changed(0)
  assert.ok(derived.bytes < 10_000, 'none of its bytes is counted any more')
})

test('what is derived stays within a mebibyte for a series', () => {
  const derived = derivedFrom(0)
  for (let i = 0; i < 300; i++) {
    for (let times = 0; times < 2; times++) get(derived, `sma ${i}`, sized(20_000), none)
    assert.ok(derived.bytes <= 1024 * 1024 + 10_000)
  }
})

test('whoever holds candles from before a change neither gets what was derived after it nor adds to that', () => {
  const before = derivedFrom(0)
  for (let times = 0; times < 2; times++) get(before, 'sma', sized(100), none)
  const after = before.changed(0)
  for (let times = 0; times < 3; times++) get(before, 'ema', sized(100), none)
  const made = get(after, 'sma', sized(101), none)
  for (let times = 0; times < 3; times++) assert.equal(get(before, 'sma', sized(102), none).bytes, 102)
  assert.equal(
    get(after, 'sma', () => assert.fail(), none),
    made,
  )
  get(after, 'ema', (earlier) => (earlier ? assert.fail('that of the candles before') : { bytes: 100 }), none)
})

test('of all series, what was not asked for for the longest time makes room', () => {
  const room = new DerivedRoom(10_000)
  const series = Array.from({ length: 3 }, () => new DerivedValues(0, room, () => {}))
  const ask = (number: number, make = sized(4000)) => get(series[number] as DerivedValues, 'sma', make, none)
  const known = (number: number) => ask(number, () => assert.fail(`${number} is gone`))
  for (let times = 0; times < 2; times++) for (const number of [0, 1]) ask(number)
  known(0)
  for (let times = 0; times < 2; times++) ask(2)
  known(0)
  known(2)
  assert.throws(() => known(1))
  ask(1)
  known(1)
  assert.ok(room.bytes <= 10_000)
})
