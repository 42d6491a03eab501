import { weightedMeans } from './windows.ts'

/** Simple moving average: the mean of the last `period` values; NaN where one of them is missing. */
export const sma = (values: Float64Array, period: number): Float64Array =>
  weightedMeans(values, new Float64Array(period).fill(1))

/** Linearly weighted moving average: weights 1 to `period`, the newest value's the greatest; NaN where one is missing. */
export const wma = (values: Float64Array, period: number): Float64Array =>
  weightedMeans(
    values,
    new Float64Array(period).map((_, i) => i + 1),
  )

/** Exponential moving average: a new value weighs 2 / (period + 1). Begun as `smoothed` says. */
export const ema = (values: Float64Array, period: number): Float64Array =>
  smoothed(values, period, (period - 1) / (period + 1))

/** Wilder's smoothing: a new value weighs 1 / period. Begun as `smoothed` says. */
export const wilder = (values: Float64Array, period: number): Float64Array =>
  smoothed(values, period, (period - 1) / period)

/**
 * An average of which `left` is left at the next value, first the mean of `period` values: at the first place that has so many
 * behind it, and likewise after each hole. NaN up to there.
 */
function smoothed(values: Float64Array, period: number, left: number): Float64Array {
  const averages = new Float64Array(values.length).fill(Number.NaN)
  let known = 0
  let average = Number.NaN
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    known = Number.isNaN(value) ? 0 : known + 1
    if (known < period) continue
    // In this form a flat series stays exactly as it is, and with nothing left the average is exactly the value.
    average =
      known === period
        ? (sma(values.subarray(i - period + 1, i + 1), period)[period - 1] as number)
        : value + (average - value) * left
    averages[i] = average
  }
  return averages
}
