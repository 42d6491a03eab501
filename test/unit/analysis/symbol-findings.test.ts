import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findingsCandles, symbolFindings } from '../../../src/analysis/symbol-findings.ts'
import type { Trend } from '../../../src/domain/analysis.ts'
import type { Candle } from '../../../src/domain/candle.ts'
import { FinstageError } from '../../../src/domain/errors.ts'

const candlesOf = (closes: readonly number[]): Candle[] =>
  closes.map((close, i) => ({ epoch: i * 86_400, open: 1, high: 9e9, low: 0, close, volume: null, closed: true }))

const findings = (closes: readonly number[]) => symbolFindings('AAPL', 'DAY_1', candlesOf(closes))

const rising = (length: number): number[] => Array.from({ length }, (_, i) => 100 + i)

test('indicators are those of the closes at the newest candle, which is named and priced', () => {
  assert.deepEqual(findings(rising(250)), {
    symbol: 'AAPL',
    interval: 'DAY_1',
    asOfMs: 249 * 86_400_000,
    price: 349,
    trend: 'UP',
    indicators: { sma5: 347, sma20: 339.5, sma50: 324.5, sma60: 319.5, sma200: 249.5, rsi14: 100 },
  })
})

test('an indicator whose history is too short is null, and the others are there', () => {
  const none = { sma5: null, sma20: null, sma50: null, sma60: null, sma200: null, rsi14: null }
  assert.deepEqual(findings(rising(1)).indicators, none)
  assert.deepEqual(findings(rising(14)).indicators, { ...none, sma5: 111 })
  assert.deepEqual(findings(rising(15)).indicators, { ...none, sma5: 112, rsi14: 100 })
  assert.deepEqual(findings(rising(199)).indicators, {
    ...{ sma5: 296, sma20: 288.5, sma50: 273.5, sma60: 268.5, sma200: null, rsi14: 100 },
  })
})

const low = Array<number>(150).fill(50)
const high = Array<number>(50).fill(100)

for (const [closes, trend, why] of [
  [[...low, ...high, 101], 'UP', 'close > SMA 50 > SMA 200'],
  [[...low.map((close) => close + 100), ...high, 99], 'DOWN', 'close < SMA 50 < SMA 200'],
  [[...low, ...high, 90], 'SIDEWAYS', 'the close has fallen below the rising SMA 50'],
  [[...low.map((close) => close + 100), ...high, 101], 'SIDEWAYS', 'the close has risen above the falling SMA 50'],
  [Array<number>(300).fill(10), 'SIDEWAYS', 'nothing moves'],
  [rising(199), 'UP', 'close > SMA 20 > SMA 50, with under 200 candles'],
  [rising(50).toReversed(), 'DOWN', 'close < SMA 20 < SMA 50, with just 50 candles'],
  [[...rising(130), ...rising(50).map((close) => 328 - close)], 'DOWN', 'close < SMA 20 < SMA 50, with 180 candles'],
  [rising(49), null, 'with 49 candles there is no SMA 50'],
] as const satisfies readonly (readonly [readonly number[], Trend | null, string])[]) {
  test(`the trend is ${trend} where ${why}`, () => {
    assert.equal(findings(closes).trend, trend)
  })
}

test('with 200 candles the trend is that of SMA 50 and 200, whatever SMA 20 says', () => {
  const closes = [...rising(170), ...Array.from({ length: 29 }, (_, i) => 269 - i), 300]
  assert.equal(closes.length, 200)
  const { indicators, trend } = findings(closes)
  assert.ok((indicators.sma20 ?? 0) < (indicators.sma50 ?? 0))
  assert.equal(trend, 'UP')
})

test('the newest findingsCandles candles find what all of history does', () => {
  let state = 1
  let price = 100
  const closes = Array.from({ length: 3000 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    price *= 1 + 0.02 * (state / 2 ** 32 - 0.5)
    return price
  })
  const all = findings(closes).indicators
  const newest = findings(closes.slice(-findingsCandles)).indicators
  for (const name of ['sma5', 'sma20', 'sma50', 'sma60', 'sma200', 'rsi14'] as const) {
    const value = all[name] ?? assert.fail(name)
    assert.ok(Math.abs((newest[name] ?? 0) - value) <= 5e-8 * value, name)
  }
})

test('no candles at all is NO_DATA, which names the symbol', () => {
  assert.throws(
    () => symbolFindings('XYZ', 'HOUR_1', []),
    (error) =>
      error instanceof FinstageError &&
      error.code === 'NO_DATA' &&
      error.details.symbol === 'XYZ' &&
      /HOUR_1 candles of XYZ/.test(error.message),
  )
})
