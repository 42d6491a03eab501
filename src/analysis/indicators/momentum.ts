import { inOneStep, type Steps } from '../../domain/steps.ts'
import { type Columns, prices } from './columns.ts'
import { ema, sma } from './moving-averages.ts'
import { difference, ratio } from './series.ts'
import { highest, lowest, meanDeviations } from './windows.ts'

/** Rate of change: the difference from the value `period` places before, in per cent of it; NaN if that is 0. */
export const roc = (values: Float64Array, period: number): Float64Array =>
  values.map((value, i) => {
    const base = values[i - period] ?? Number.NaN
    return 100 * ratio(value - base, base)
  })

/** Rate of change, over one place, of an exponential average of an exponential average of an exponential average. */
export function* trix(values: Float64Array, period: number): Steps<Float64Array> {
  const twice = yield* ema(yield* ema(values, period), period)
  return roc(yield* ema(twice, period), 1)
}

/**
 * macd: the exponential average over `fast` minus that over `slow`; signal: its exponential average; histogram: macd
 * minus signal.
 */
export function* macd(values: Float64Array, fast: number, slow: number, signal: number) {
  const line = difference(yield* ema(values, fast), yield* ema(values, slow))
  const average = yield* ema(line, signal)
  return { macd: line, signal: average, histogram: difference(line, average) }
}

/** Simple average of (high + low) / 2 over `fast` candles minus that over `slow`. */
export function* awesomeOscillator(candles: Columns, fast: number, slow: number): Steps<Float64Array> {
  const middles = yield* prices(candles, 'HL2')
  return difference(yield* sma(middles, fast), yield* sma(middles, slow))
}

/**
 * Relative strength index: the average gain in per cent of average gain plus average loss, with Wilder's averages; 50
 * if nothing has moved. While nothing moves, both shrink alike, and it stays exactly as it is, even when they have become
 * too small for numbers. The values must have no holes.
 */
export function rsi(values: Float64Array, period: number): Float64Array {
  const strengths = new Float64Array(values.length).fill(Number.NaN)
  let [gain, loss] = [0, 0]
  let strength = Number.NaN
  for (let i = 1; i < values.length; i++) {
    const change = (values[i] as number) - (values[i - 1] as number)
    const [risen, fallen] = [Math.max(change, 0), Math.max(-change, 0)]
    if (i <= period) {
      gain += risen
      loss += fallen
    }
    if (i < period) continue
    if (i === period) {
      gain /= period
      loss /= period
    } else {
      gain = (gain * (period - 1) + risen) / period
      loss = (loss * (period - 1) + fallen) / period
    }
    const stays = change === 0 && period > 1 && !Number.isNaN(strength)
    if (!stays) strength = gain + loss === 0 ? 50 : 100 * (gain / (gain + loss))
    strengths[i] = strength
  }
  return strengths
}

/**
 * Commodity channel index: the typical price minus its mean, in units of 0.015 mean deviations; 0 if there is no
 * deviation.
 */
export function* cci(candles: Columns, period: number): Steps<Float64Array> {
  const typical = yield* prices(candles, 'HLC3')
  const means = yield* sma(typical, period)
  const deviations = yield* meanDeviations(typical, period, means, 1)
  return deviations.map((deviation, i) =>
    deviation === 0 ? 0 : ratio((typical[i] as number) - (means[i] as number), 0.015 * deviation),
  )
}

/**
 * Williams %R: how far the close is below the highest high, in negative per cent of the range; NaN if the range is 0.
 */
export function* williamsR({ high, low, close }: Columns, period: number): Steps<Float64Array> {
  const lows = yield* lowest(low, period)
  const highs = yield* highest(high, period)
  return highs.map((top, i) => 100 * ratio((close[i] as number) - top, top - (lows[i] as number)))
}

/**
 * Slow stochastic. k: where the close is in the range of `kPeriod` candles, in per cent, averaged over `kSmoothing` of
 * them; d: the average of k over `dPeriod`. NaN if the range is 0.
 */
export function* stochastic(candles: Columns, kPeriod: number, kSmoothing: number, dPeriod: number) {
  const places = yield* placeInRange(candles.close, candles.high, candles.low, kPeriod)
  return yield* averagedTwice(places, kSmoothing, dPeriod)
}

/** The slow stochastic of the RSI of the values. */
export function* stochasticRsi(
  values: Float64Array,
  rsiPeriod: number,
  kPeriod: number,
  kSmoothing: number,
  dPeriod: number,
) {
  const strengths = yield* inOneStep(() => rsi(values, rsiPeriod))
  const places = yield* placeInRange(strengths, strengths, strengths, kPeriod)
  return yield* averagedTwice(places, kSmoothing, dPeriod)
}

/** Where values lie between the lowest low (0) and the highest high (100); NaN if these are equal. */
function* placeInRange(
  values: Float64Array,
  high: Float64Array,
  low: Float64Array,
  period: number,
): Steps<Float64Array> {
  const highs = yield* highest(high, period)
  const lows = yield* lowest(low, period)
  return lows.map((bottom, i) => 100 * ratio((values[i] as number) - bottom, (highs[i] as number) - bottom))
}

function* averagedTwice(places: Float64Array, kSmoothing: number, dPeriod: number) {
  const k = yield* sma(places, kSmoothing)
  return { k, d: yield* sma(k, dPeriod) }
}
