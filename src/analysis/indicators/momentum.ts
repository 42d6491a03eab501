import { AverageGain, AverageLoss } from 'technicalindicators'
import { type Columns, prices } from './columns.ts'
import { ema, sma } from './moving-averages.ts'
import { aligned, difference, ratio, shares } from './series.ts'
import { highest, lowest, meanDeviations } from './windows.ts'

/** Rate of change: the difference from the value `period` places before, in per cent of it; NaN if that is 0. */
export const roc = (values: Float64Array, period: number): Float64Array =>
  values.map((value, i) => {
    const base = values[i - period] ?? Number.NaN
    return 100 * ratio(value - base, base)
  })

/** Rate of change, over one place, of an exponential average of an exponential average of an exponential average. */
export const trix = (values: Float64Array, period: number): Float64Array =>
  roc(ema(ema(ema(values, period), period), period), 1)

/**
 * macd: the exponential average over `fast` minus that over `slow`; signal: its exponential average; histogram: macd
 * minus signal.
 */
export function macd(values: Float64Array, fast: number, slow: number, signal: number) {
  const line = difference(ema(values, fast), ema(values, slow))
  const average = ema(line, signal)
  return { macd: line, signal: average, histogram: difference(line, average) }
}

/** Simple average of (high + low) / 2 over `fast` candles minus that over `slow`. */
export function awesomeOscillator(candles: Columns, fast: number, slow: number): Float64Array {
  const middles = prices(candles, 'HL2')
  return difference(sma(middles, fast), sma(middles, slow))
}

/**
 * Relative strength index: the average gain in per cent of average gain plus average loss, with Wilder's averages; 50
 * if nothing has moved. The values must have no holes.
 */
export function rsi(values: Float64Array, period: number): Float64Array {
  // The library rounds its RSI to two decimals.
  const input = { period, values: [...values] }
  const gains = aligned(values.length, AverageGain.calculate(input))
  const losses = aligned(values.length, AverageLoss.calculate(input))
  const moves = gains.map((gain, i) => gain + (losses[i] as number))
  const changes = values.map((value, i) => value - (values[i - 1] ?? Number.NaN))
  return shares(gains, moves, period, changes, 50)
}

/**
 * Commodity channel index: the typical price minus its mean, in units of 0.015 mean deviations; 0 if there is no
 * deviation.
 */
export function cci(candles: Columns, period: number): Float64Array {
  const typical = prices(candles, 'HLC3')
  const means = sma(typical, period)
  const deviations = meanDeviations(typical, period, means, 1)
  return deviations.map((deviation, i) =>
    deviation === 0 ? 0 : ratio((typical[i] as number) - (means[i] as number), 0.015 * deviation),
  )
}

/**
 * Williams %R: how far the close is below the highest high, in negative per cent of the range; NaN if the range is 0.
 */
export function williamsR({ high, low, close }: Columns, period: number): Float64Array {
  const lows = lowest(low, period)
  return highest(high, period).map((top, i) => 100 * ratio((close[i] as number) - top, top - (lows[i] as number)))
}

/**
 * Slow stochastic. k: where the close is in the range of `kPeriod` candles, in per cent, averaged over `kSmoothing` of
 * them; d: the average of k over `dPeriod`. NaN if the range is 0.
 */
export const stochastic = (candles: Columns, kPeriod: number, kSmoothing: number, dPeriod: number) =>
  averagedTwice(placeInRange(candles.close, candles.high, candles.low, kPeriod), kSmoothing, dPeriod)

/** The slow stochastic of the RSI of the values. */
export function stochasticRsi(
  values: Float64Array,
  rsiPeriod: number,
  kPeriod: number,
  kSmoothing: number,
  dPeriod: number,
) {
  const strengths = rsi(values, rsiPeriod)
  return averagedTwice(placeInRange(strengths, strengths, strengths, kPeriod), kSmoothing, dPeriod)
}

/** Where values lie between the lowest low (0) and the highest high (100); NaN if these are equal. */
function placeInRange(values: Float64Array, high: Float64Array, low: Float64Array, period: number): Float64Array {
  const highs = highest(high, period)
  return lowest(low, period).map(
    (bottom, i) => 100 * ratio((values[i] as number) - bottom, (highs[i] as number) - bottom),
  )
}

function averagedTwice(places: Float64Array, kSmoothing: number, dPeriod: number) {
  const k = sma(places, kSmoothing)
  return { k, d: sma(k, dPeriod) }
}
