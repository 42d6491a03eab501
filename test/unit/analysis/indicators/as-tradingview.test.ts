import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Columns } from '../../../../src/analysis/indicators/columns.ts'
import { ichimoku, psar } from '../../../../src/analysis/indicators/trend.ts'
import { finished } from '../../../../src/domain/steps.ts'

type Bar = readonly [high: number, low: number, close: number]

function columnsOf(bars: readonly Bar[]): Columns {
  const column = (of: (bar: Bar) => number): Float64Array => Float64Array.from(bars, of)
  const close = column((bar) => bar[2])
  return {
    epoch: close.map((_, i) => i * 86_400),
    open: close,
    high: column((bar) => bar[0]),
    low: column((bar) => bar[1]),
    close,
    volume: close.map(() => 1),
  }
}

const rounded = (values: Float64Array): number[] => Array.from(values.subarray(1), (value) => Number(value.toFixed(9)))

test('a candle is tested against the stop of the parabolic before the stop leaves the ranges of the candles before', () => {
  const rising = columnsOf([
    [10, 9, 9.5],
    // Long, since it closes higher: 9 + 0.2 * (12 - 9) = 9.6, moved to the low of 9.
    [12, 11, 11.5],
    [20, 11.5, 19],
    // 9 + 0.2 * (20 - 9) = 11.2, moved to the low of 11.
    [20, 12, 19],
    // 11 + 0.2 * (20 - 11) = 12.8, above its low. Moved first to 11.5, it would not have been hit.
    [19, 12.5, 18],
    // 20 + 0.2 * (12.5 - 20) = 18.5, moved to the high of 20.
    [18, 13, 14],
    // 18.5 again, moved to the high of 19.
    [17, 13, 14],
  ])
  assert.deepEqual(rounded(psar(rising, 0.2, 0.2)), [9, 9, 11, 20, 20, 19])
  const falling = { ...rising, high: rising.low.map((low) => 30 - low), low: rising.high.map((high) => 30 - high) }
  const mirrored = psar({ ...falling, close: rising.close.map((close) => 30 - close) }, 0.2, 0.2)
  assert.deepEqual(rounded(mirrored), [21, 21, 19, 10, 10, 11])
})

test('the first trade of the parabolic is long only if the second candle closes higher, and may end with it', () => {
  const first: Bar = [10, 9, 9.5]
  assert.deepEqual(rounded(psar(columnsOf([first, [11, 9.5, 9.6]]), 0.02, 0.2)), [9])
  assert.deepEqual(rounded(psar(columnsOf([first, [9.9, 9.5, 9.5]]), 0.02, 0.2)), [10])
  assert.deepEqual(rounded(psar(columnsOf([first, [9.8, 8, 9.4]]), 0.02, 0.2)), [10])
  // Long from 9, and below 9 + 0.02 * (11 - 9) at once: short from the high of 11.
  assert.deepEqual(rounded(psar(columnsOf([first, [11, 9.03, 9.6]]), 0.02, 0.2)), [11])
})

test('the spans of Ichimoku stand displacement - 1 candles ahead, and the lagging line as many behind', () => {
  const candles = columnsOf(Array.from({ length: 80 }, (_, i): Bar => [i + 1, i - 1, i]))
  for (const displacement of [1, 2, 26]) {
    const { conversion, spanA, spanB, lagging } = finished(ichimoku(candles, 1, 1, 1, displacement))
    const away = displacement - 1
    assert.deepEqual([conversion.length, lagging.length, spanA.length, spanB.length], [80, 80, 80 + away, 80 + away])
    assert.deepEqual([spanA[40 + away], spanB[79 + away], lagging[40]], [40, 79, 40 + away])
    assert.deepEqual([spanA.subarray(0, away).every(Number.isNaN), lagging[79 - away]], [true, 79])
    assert.ok(lagging.subarray(80 - away).every(Number.isNaN))
  }
})
