import { type IndicatorSnapshot, type Sentiment, sentiments, type Trend } from '../domain/analysis/analysis.ts'
import { clearDifference } from './clear-difference.ts'

/** A candle and the indicators at it, from which trend and score are read. */
export interface Reading {
  readonly close: number
  /** null: there is no candle before it. */
  readonly previousClose: number | null
  readonly volume: number | null
  readonly indicators: IndicatorSnapshot
}

/** Volume counts as high from this many times its mean on. */
const highVolumeRatio = 1.5

/**
 * UP if close > SMA 50 > SMA 200, DOWN if close < SMA 50 < SMA 200, else SIDEWAYS; with SMA 20 and 50 if there is no
 * SMA 200. null if those are missing too.
 */
export function trendOf({ close, indicators: { sma20, sma50, sma200 } }: Reading): Trend | null {
  const [fast, slow] = sma200 === null ? [sma20, sma50] : [sma50, sma200]
  if (fast === null || slow === null) return null
  const sides = [clearDifference(close, fast, close), clearDifference(fast, slow, close)]
  if (sides.every((side) => side > 0)) return 'UP'
  return sides.every((side) => side < 0) ? 'DOWN' : 'SIDEWAYS'
}

/**
 * The sum of the scores of RSI, MACD, stochastic, averages and volume, -9 to 9: above zero speaks for rising prices.
 * null if one of them other than the volume is missing. docs/analysis.md has the scores.
 */
export function scoreOf(reading: Reading): number | null {
  const { close, indicators } = reading
  const { rsi14, macd, macdSignal, stochasticK, sma20, sma50 } = indicators
  if (rsi14 === null || macd === null || macdSignal === null || stochasticK === null) return null
  if (sma20 === null || sma50 === null) return null
  return (
    rsiScore(rsi14) +
    macdScore(clearDifference(macd, macdSignal, close), clearDifference(macd, 0, close)) +
    stochasticScore(stochasticK) +
    averagesScore(clearDifference(close, sma20, close), clearDifference(close, sma50, close)) +
    volumeScore(reading)
  )
}

/** 0 is NEUTRAL, 1 SLIGHTLY, 2 and 3 plainly, 4 and more VERY bullish; below zero bearish. */
export function sentimentOf(score: number): Sentiment {
  const size = Math.abs(score)
  const strength = size >= 4 ? 3 : Math.min(size, 2)
  return sentiments[sentiments.indexOf('NEUTRAL') + Math.sign(score) * strength] as Sentiment
}

function rsiScore(rsi: number): number {
  if (rsi >= 70) return -2
  if (rsi >= 60) return -1
  if (rsi <= 30) return 2
  return rsi <= 40 ? 1 : 0
}

/** A line on its signal scores nothing; a line at zero is neither above nor below it. */
function macdScore(overSignal: number, overZero: number): number {
  if (overSignal > 0) return overZero > 0 ? 2 : 1
  if (overSignal < 0) return overZero < 0 ? -2 : -1
  return 0
}

function stochasticScore(k: number): number {
  if (k >= 80) return -2
  return k <= 20 ? 2 : 0
}

function averagesScore(overSma20: number, overSma50: number): number {
  if (overSma20 > 0 && overSma50 > 0) return 2
  return overSma20 < 0 && overSma50 < 0 ? -2 : 0
}

function volumeScore({ close, previousClose, volume, indicators: { volumeSma20 } }: Reading): number {
  if (previousClose === null || volume === null || volumeSma20 === null) return 0
  // If nothing is traded, as with an index, there is no high volume.
  const isHigh = volume > 0 && volume >= highVolumeRatio * volumeSma20
  return isHigh ? Math.sign(close - previousClose) : 0
}
