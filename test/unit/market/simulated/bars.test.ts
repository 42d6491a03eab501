import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, type Bar, knots, merge } from '../../../../src/market/simulated/bars.ts'
import { randomFrom } from '../../../../src/market/simulated/walks/random.ts'

/** Bars of all shapes: wide and narrow, level, closing at an extreme, with hardly any volume. */
function someBars(count: number): Bar[] {
  const random = randomFrom(7)
  const upTo = (limit: number) => Math.floor(random() * (limit + 1))
  return Array.from({ length: count }, (_, i) => {
    const range = i % 5 === 0 ? upTo(3) : upTo(10_000)
    const low = 1 + upTo(1_000_000)
    const high = low + range
    const pick = () => (i % 3 === 0 && random() < 0.5 ? [low, high][upTo(1)] : undefined) ?? low + upTo(range)
    return { open: pick(), high, low, close: pick(), volume: i % 7 === 0 ? upTo(5) : upTo(5e9) }
  })
}

const bars = someBars(2000)

test('the knots of a bar lead from its open to its close and touch its high and its low, exactly', () => {
  bars.forEach((bar, i) => {
    const prices = knots(bar, 60, randomFrom(i))
    assert.equal(prices.length, 61)
    assert.ok(prices.every(Number.isSafeInteger))
    const [open, close, high, low] = [at(prices, 0), at(prices, 60), Math.max(...prices), Math.min(...prices)]
    assert.deepEqual({ open, close, high, low }, { open: bar.open, close: bar.close, high: bar.high, low: bar.low })
  })
})

test('bars that follow each other merge into one with their extremes and their whole volume', () => {
  const merged = merge([
    { open: 5, high: 9, low: 4, close: 6, volume: 10 },
    { open: 7, high: 8, low: 2, close: 3, volume: 20 },
  ])
  assert.deepEqual(merged, { open: 5, high: 9, low: 2, close: 3, volume: 30 })
  assert.throws(() => merge([]))
})
