import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Reading, scoreOf, sentimentOf, trendOf } from '../../../src/analysis/sentiment.ts'
import {
  type IndicatorSnapshot,
  type Sentiment,
  sentiments,
  snapshotFields,
  type Trend,
} from '../../../src/domain/analysis/analysis.ts'

const nothing = Object.fromEntries(snapshotFields.map((field) => [field, null])) as IndicatorSnapshot

type Change = Partial<IndicatorSnapshot & Omit<Reading, 'indicators'>>

/** A reading of which no part says anything, and what is changed in it. */
function reading(change: Change = {}): Reading {
  const { close = 100, previousClose = 100, volume = 1000, ...indicators } = change
  const silent = { rsi14: 50, macd: 0, macdSignal: 0, stochasticK: 50, sma20: 100, sma50: 100, volumeSma20: 1000 }
  return { close, previousClose, volume, indicators: { ...nothing, ...silent, ...indicators } }
}

test('a reading in which nothing stands out has a score of 0', () => {
  assert.equal(scoreOf(reading()), 0)
})

for (const [what, change, score] of [
  ['an RSI of 70', { rsi14: 70 }, -2],
  ['an RSI just under 70', { rsi14: 69.99 }, -1],
  ['an RSI of 60', { rsi14: 60 }, -1],
  ['an RSI just under 60', { rsi14: 59.99 }, 0],
  ['an RSI just over 40', { rsi14: 40.01 }, 0],
  ['an RSI of 40', { rsi14: 40 }, 1],
  ['an RSI just over 30', { rsi14: 30.01 }, 1],
  ['an RSI of 30', { rsi14: 30 }, 2],
  ['an RSI just under 30', { rsi14: 29.99 }, 2],
  ['an RSI of 100', { rsi14: 100 }, -2],
  ['an RSI of 0', { rsi14: 0 }, 2],

  ['a MACD above its signal and above zero', { macd: 0.02, macdSignal: 0.01 }, 2],
  ['a MACD above its signal at zero', { macd: 0, macdSignal: -0.01 }, 1],
  ['a MACD above its signal and below zero', { macd: -0.01, macdSignal: -0.02 }, 1],
  ['a MACD on its signal above zero', { macd: 0.02, macdSignal: 0.02 }, 0],
  ['a MACD on its signal below zero', { macd: -0.02, macdSignal: -0.02 }, 0],
  ['a MACD below its signal and above zero', { macd: 0.01, macdSignal: 0.02 }, -1],
  ['a MACD below its signal at zero', { macd: 0, macdSignal: 0.01 }, -1],
  ['a MACD below its signal and below zero', { macd: -0.02, macdSignal: -0.01 }, -2],
  ['a MACD that rounding has put above its signal and zero', { macd: 3e-15, macdSignal: -2e-15 }, 0],

  ['a %K of 80', { stochasticK: 80 }, -2],
  ['a %K just under 80', { stochasticK: 79.99 }, 0],
  ['a %K just over 20', { stochasticK: 20.01 }, 0],
  ['a %K of 20', { stochasticK: 20 }, 2],

  ['a close above both averages', { sma20: 99.99, sma50: 99.98 }, 2],
  ['a close above both averages, whichever is higher', { sma20: 99.98, sma50: 99.99 }, 2],
  ['a close on one average and above the other', { sma50: 99.99 }, 0],
  ['a close between its averages', { sma20: 99.99, sma50: 100.01 }, 0],
  ['a close on one average and below the other', { sma20: 100.01 }, 0],
  ['a close below both averages', { sma20: 100.01, sma50: 100.02 }, -2],
  ['a close that rounding has put above both', { sma20: 100 - 2e-14, sma50: 100 - 3e-14 }, 0],

  ['1.5 times the mean volume on a day that rose', { volume: 1500, previousClose: 99.99 }, 1],
  ['just under 1.5 times the mean volume on a day that rose', { volume: 1499, previousClose: 99.99 }, 0],
  ['1.5 times the mean volume on a day that fell', { volume: 1500, previousClose: 100.01 }, -1],
  ['high volume on a day that stayed', { volume: 9000 }, 0],
  ['high volume on the first day', { volume: 9000, previousClose: null }, 0],
  ['a volume that is not known', { volume: null, previousClose: 99 }, 0],
  ['a mean volume that is not known', { volume: 9000, volumeSma20: null, previousClose: 99 }, 0],
  ['no volume, as of an index, on a day that rose', { volume: 0, volumeSma20: 0, previousClose: 99 }, 0],
] as const satisfies readonly (readonly [string, Change, number])[]) {
  test(`the score counts ${score} for ${what}`, () => {
    assert.equal(scoreOf(reading(change)), score)
  })
}

test('the score is the sum of its parts, from -9 to 9', () => {
  const rising = { rsi14: 25, macd: 2, macdSignal: 1, stochasticK: 10, sma20: 90, sma50: 95, previousClose: 99 }
  const falling = { rsi14: 75, macd: -2, macdSignal: -1, stochasticK: 90, sma20: 110, sma50: 105, previousClose: 101 }
  assert.equal(scoreOf(reading({ ...rising, volume: 2000 })), 9)
  assert.equal(scoreOf(reading({ ...falling, volume: 2000 })), -9)
  assert.equal(scoreOf(reading({ ...rising, rsi14: 65, stochasticK: 85 })), 1)
})

for (const field of ['rsi14', 'macd', 'macdSignal', 'stochasticK', 'sma20', 'sma50'] as const) {
  test(`there is no score without ${field}`, () => {
    assert.equal(scoreOf(reading({ [field]: null })), null)
  })
}

test('what is not part of the score is not needed for it', () => {
  const parts = ['rsi14', 'macd', 'macdSignal', 'stochasticK', 'sma20', 'sma50', 'volumeSma20']
  const others = snapshotFields.filter((field) => !parts.includes(field))
  assert.ok(others.every((field) => reading().indicators[field] === null))
  assert.equal(scoreOf(reading({ close: 101 })), 2)
})

test('each score has its sentiment: 1 is slightly, 2 and 3 plainly, from 4 on very', () => {
  const bySize: Sentiment[][] = [
    ['NEUTRAL', 'NEUTRAL'],
    ['SLIGHTLY_BEARISH', 'SLIGHTLY_BULLISH'],
    ['BEARISH', 'BULLISH'],
    ['BEARISH', 'BULLISH'],
    ...Array<Sentiment[]>(6).fill(['VERY_BEARISH', 'VERY_BULLISH']),
  ]
  for (const [size, expected] of bySize.entries()) {
    assert.deepEqual([sentimentOf(-size), sentimentOf(size)], expected, `${size}`)
  }
  assert.deepEqual(new Set(bySize.flat()), new Set(sentiments))
})

for (const [trend, close, averages, why] of [
  ['UP', 103, { sma20: null, sma50: 102, sma200: 101 }, 'close > SMA 50 > SMA 200'],
  ['DOWN', 99, { sma20: null, sma50: 100, sma200: 101 }, 'close < SMA 50 < SMA 200'],
  ['SIDEWAYS', 101.5, { sma20: 90, sma50: 102, sma200: 101 }, 'the close is below a rising SMA 50'],
  ['SIDEWAYS', 101, { sma20: 110, sma50: 100, sma200: 102 }, 'the close is above a falling SMA 50'],
  ['SIDEWAYS', 102, { sma20: 90, sma50: 102, sma200: 101 }, 'the close is on SMA 50'],
  ['SIDEWAYS', 103, { sma20: 90, sma50: 101, sma200: 101 }, 'SMA 50 is on SMA 200'],
  ['SIDEWAYS', 100, { sma20: 90, sma50: 100 - 2e-14, sma200: 100 - 4e-14 }, 'they differ by rounding alone'],
  ['UP', 103, { sma20: 102, sma50: 101, sma200: null }, 'without SMA 200, close > SMA 20 > SMA 50'],
  ['DOWN', 99, { sma20: 100, sma50: 101, sma200: null }, 'without SMA 200, close < SMA 20 < SMA 50'],
  ['SIDEWAYS', 99, { sma20: 101, sma50: 100, sma200: null }, 'without SMA 200, the close is below a rising SMA 20'],
  [null, 99, { sma20: 101, sma50: null, sma200: null }, 'there is no SMA 50'],
  [null, 99, { sma20: null, sma50: null, sma200: null }, 'there is no average'],
] as const satisfies readonly (readonly [Trend | null, number, Partial<IndicatorSnapshot>, string])[]) {
  test(`the trend is ${trend} where ${why}`, () => {
    assert.equal(trendOf(reading({ close, ...averages })), trend)
  })
}
