import { PSAR } from 'technicalindicators'
import type { Columns } from './columns.ts'
import { wilder } from './moving-averages.ts'
import { aligned, shares } from './series.ts'
import { trueRanges } from './volatility.ts'
import { highest, lowest } from './windows.ts'

/**
 * plusDi and minusDi: averages of how far highs rose and lows fell, the greater of the two alone, in per cent of the average true
 * range; adx: average of their difference in per cent of their sum. Averages are Wilder's. 0 where nothing moved.
 */
export function adx(candles: Columns, period: number) {
  const { high, low } = candles
  const rises = high.map((top, i) => top - (high[i - 1] ?? Number.NaN))
  const falls = low.map((bottom, i) => (low[i - 1] ?? Number.NaN) - bottom)
  const ranges = trueRanges(candles)
  const averageRanges = wilder(ranges, period)
  const indicator = (moves: Float64Array, opposite: Float64Array): Float64Array =>
    shares(wilder(greaterMoves(moves, opposite), period), averageRanges, ranges, 0)
  const plusDi = indicator(rises, falls)
  const minusDi = indicator(falls, rises)
  const imbalances = plusDi.map((plus, i) => {
    const minus = minusDi[i] as number
    return plus + minus === 0 ? 0 : 100 * (Math.abs(plus - minus) / (plus + minus))
  })
  return { adx: wilder(imbalances, period), plusDi, minusDi }
}

/** Moves that are greater than the opposite one, 0 for the others; NaN at the first candle. */
const greaterMoves = (moves: Float64Array, opposite: Float64Array): Float64Array =>
  moves.map((move, i) => {
    if (i === 0) return Number.NaN
    return move > 0 && move > (opposite[i] as number) ? move : 0
  })

/**
 * Parabolic stop and reverse, from the second candle on. At the first one a trade begins whose stop is that candle's low; or its
 * high, where from the first to the second candle the low falls by more than the high rises.
 */
export function psar({ high, low }: Columns, step: number, max: number): Float64Array {
  const [firstHigh, secondHigh] = high
  const [firstLow, secondLow] = low
  if (secondHigh === undefined || secondLow === undefined) return aligned(high.length, [])
  const isShort = (firstLow as number) - secondLow > secondHigh - (firstHigh as number)
  // The library begins long always: a short trade is a long one upside down.
  const upsideDown = (values: Float64Array): number[] => Array.from(values, (value) => -value)
  const stops = isShort
    ? PSAR.calculate({ high: upsideDown(low), low: upsideDown(high), step, max }).map((stop) => -stop)
    : PSAR.calculate({ high: [...high], low: [...low], step, max })
  return aligned(high.length, stops.slice(1))
}

/**
 * Ichimoku kinko hyo. conversion and base: middles between the highest high and the lowest low; spanA: the middle of these two, and
 * spanB: that of `span` candles, both drawn `displacement` candles ahead and so many entries longer than the candles; lagging: the
 * close `displacement` candles later.
 */
export function ichimoku(candles: Columns, conversion: number, base: number, span: number, displacement: number) {
  const conversionLine = middles(candles, conversion)
  const baseLine = middles(candles, base)
  const spanA = conversionLine.map((value, i) => (value + (baseLine[i] as number)) / 2)
  return {
    conversion: conversionLine,
    base: baseLine,
    spanA: ahead(spanA, displacement),
    spanB: ahead(middles(candles, span), displacement),
    lagging: candles.close.map((_, i) => candles.close[i + displacement] ?? Number.NaN),
  }
}

function middles({ high, low }: Columns, period: number): Float64Array {
  const lows = lowest(low, period)
  return highest(high, period).map((top, i) => (top + (lows[i] as number)) / 2)
}

const ahead = (values: Float64Array, displacement: number): Float64Array =>
  Float64Array.from({ length: values.length + displacement }, (_, i) => values[i - displacement] ?? Number.NaN)
