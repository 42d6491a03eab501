import { inOneStep, type Steps } from '../../domain/steps.ts'
import { meanAt, means, weightedMeans, wholePeriod } from './windows.ts'

/** Simple moving average: the mean of the last `period` values; NaN if one is missing. */
export const sma = (values: Float64Array, period: number): Steps<Float64Array> => means(values, period)

/** Linearly weighted moving average: the newest value has weight `period`, the oldest 1; NaN if one is missing. */
export const wma = (values: Float64Array, period: number): Steps<Float64Array> =>
  weightedMeans(
    values,
    new Float64Array(period).map((_, i) => i + 1),
  )

/** Exponential moving average: the newest value has weight 2 / (period + 1), the previous average the rest. */
export const ema = (values: Float64Array, period: number): Steps<Float64Array> =>
  inOneStep(() => smoothed(values, wholePeriod(period), (period - 1) / (period + 1)))

/** Wilder's moving average: the newest value has weight 1 / period, the previous average the rest. */
export const wilder = (values: Float64Array, period: number): Steps<Float64Array> =>
  inOneStep(() => smoothed(values, wholePeriod(period), (period - 1) / period))

/**
 * An average that keeps the share `kept` of itself with each value. It starts as the mean of the first `period` values,
 * and again after each hole; NaN before.
 */
function smoothed(values: Float64Array, period: number, kept: number): Float64Array {
  const averages = new Float64Array(values.length)
  let known = 0
  let average = Number.NaN
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    known = Number.isNaN(value) ? 0 : known + 1
    // In this form, equal values stay exactly what they are, and small values after a huge one stay exact too.
    if (known > period) average = value + (average - value) * kept
    else average = known === period ? meanAt(values, i, period) : Number.NaN
    averages[i] = average
  }
  return averages
}
