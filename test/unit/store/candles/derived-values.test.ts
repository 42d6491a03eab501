import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Sized } from '../../../../src/domain/candle-list.ts'
import { DerivedValues } from '../../../../src/store/candles/candle-table.ts'

const none = (): number => 0
const sized = (bytes: number) => () => ({ bytes })

test('what is asked for once is not kept, so that parameters that never come again take no memory', () => {
  const derived = new DerivedValues(0, () => {})
  for (let i = 0; i < 1000; i++) derived.get(`sma ${i}`, sized(20_000), none)
  assert.ok(derived.bytes <= 10_000, `${derived.bytes}`)
  const first = derived.get('sma 999', sized(20_000), none)
  assert.ok(derived.bytes >= 20_000)
  assert.equal(derived.get('sma 999', sized(1), none), first)
})

test('when candles change, what was kept is handed to whoever makes it anew, with how many rows have stayed the same', () => {
  let derived = new DerivedValues(10, () => {})
  for (let times = 0; times < 2; times++) derived.get('sma', sized(100), none)
  // A time before which rows have not changed is the earliest of several changes.
  derived = new DerivedValues(20, () => {}, derived)
  const later = new DerivedValues(30, () => {}, derived)
  const made = later.get<Sized & { readonly earlier?: unknown }>(
    'sma',
    (earlier) => ({ bytes: 70, earlier }),
    (before) => before + 1,
  )
  assert.deepEqual(made.earlier, { value: { bytes: 100 }, sameRows: 11 })
  assert.equal(
    later.get('sma', () => assert.fail(), none),
    made,
  )
  assert.ok(later.bytes < derived.bytes, 'what it replaced is not counted any more')
})

test('what is not asked for while candles change again and again is given up, because its range has moved on', () => {
  let derived = new DerivedValues(0, () => {})
  for (let change = 0; change < 100; change++) {
    for (let times = 0; times < 2; times++) derived.get(`sma up to ${change}`, sized(20_000), none)
    derived.get('always', sized(100), none)
    derived = new DerivedValues(0, () => {}, derived)
    assert.ok(derived.bytes < 9 * 21_000, `${derived.bytes}`)
  }
  const always = derived.get<Sized & { readonly from?: unknown }>('always', (from) => ({ bytes: 100, from }), none)
  assert.deepEqual(always.from, { value: { bytes: 100 }, sameRows: 0 })
  for (let change = 0; change < 9; change++) derived = new DerivedValues(0, () => {}, derived)
  assert.ok(derived.bytes < 10_000, 'none of its bytes is counted any more')
})

test('what is derived stays within a mebibyte for a series', () => {
  const derived = new DerivedValues(0, () => {})
  for (let i = 0; i < 300; i++) {
    for (let times = 0; times < 2; times++) derived.get(`sma ${i}`, sized(20_000), none)
    assert.ok(derived.bytes <= 1024 * 1024 + 10_000)
  }
})
