import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, type Bar, divide, knots, merge } from '../../../../src/market/simulated/bars.ts'
import { randomFrom } from '../../../../src/market/simulated/random.ts'

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

test('the parts of a bar are, put together, the bar', () => {
  bars.forEach((bar, i) => {
    const weights = Array.from({ length: i % 2 ? 24 : 60 }, (_, part) => 1 + (part % 5))
    const parts = divide(bar, weights, randomFrom(i))
    assert.equal(parts.length, weights.length)
    assert.deepEqual(merge(parts), bar)
  })
})

test('each part of a bar is a sound bar of whole numbers, and opens where the last one closed', () => {
  bars.forEach((bar, i) => {
    let previous = bar.open
    for (const part of divide(bar, new Array(24).fill(1), randomFrom(i))) {
      assert.ok(Object.values(part).every(Number.isSafeInteger), JSON.stringify(part))
      assert.ok(part.low <= Math.min(part.open, part.close) && part.high >= Math.max(part.open, part.close))
      assert.ok(part.volume >= 0)
      assert.equal(part.open, previous)
      previous = part.close
    }
  })
})

test('the knots of a bar lead from its open to its close and touch its high and its low, exactly', () => {
  bars.forEach((bar, i) => {
    const prices = knots(bar, 60, randomFrom(i))
    assert.equal(prices.length, 61)
    assert.ok(prices.every(Number.isSafeInteger))
    const [open, close, high, low] = [at(prices, 0), at(prices, 60), Math.max(...prices), Math.min(...prices)]
    assert.deepEqual({ open, close, high, low }, { open: bar.open, close: bar.close, high: bar.high, low: bar.low })
  })
})

test('parts of a bar trade in proportion to their weights', () => {
  const parts = divide({ open: 50, high: 60, low: 40, close: 55, volume: 1000 }, [1, 2, 0, 7], randomFrom(1))
  assert.deepEqual(
    parts.map(({ volume }) => volume),
    [100, 200, 0, 700],
  )
})

test('the extremes of a bar do not pile up: of a day in hours, few share its high', () => {
  const wide = bars.filter(({ high, low, open, close }) => high - low > 1000 && open < high && close < high)
  const atHigh = wide.map((bar, i) =>
    divide(bar, new Array(24).fill(1), randomFrom(i)).filter((p) => p.high === bar.high),
  )
  const mean = atHigh.reduce((sum, each) => sum + each.length, 0) / wide.length
  assert.ok(mean < 1.5, `${mean} of 24`)
})
