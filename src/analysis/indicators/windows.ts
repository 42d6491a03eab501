/** Weighted mean of the values up to each place, the last weight for the newest value; NaN if a value is missing. */
export const weightedMeans = (values: Float64Array, weights: Float64Array): Float64Array =>
  values.map((_, end) => (end < weights.length - 1 ? Number.NaN : weightedMean(values, end, weights)))

/**
 * The weighted mean at `end`. Each window is summed afresh, so that it does not depend on earlier values, and then
 * corrected by the mean of the residuals, so that equal values have exactly themselves as mean.
 */
export function weightedMean(values: Float64Array, end: number, weights: Float64Array): number {
  const start = end - weights.length + 1
  let total = 0
  let sum = 0
  for (let i = 0; i < weights.length; i++) {
    total += weights[i] as number
    sum += (weights[i] as number) * (values[start + i] as number)
  }
  const mean = sum / total
  let left = 0
  for (let i = 0; i < weights.length; i++) left += (weights[i] as number) * ((values[start + i] as number) - mean)
  return mean + left / total
}

/**
 * Mean deviation of the last `period` values from their mean, which is given for each place: of absolute values (power
 * 1) or squares (power 2).
 */
export function meanDeviations(values: Float64Array, period: number, means: Float64Array, power: 1 | 2): Float64Array {
  return means.map((mean, end) => {
    if (Number.isNaN(mean)) return Number.NaN
    let sum = 0
    for (let i = end - period + 1; i <= end; i++) {
      // Not a function argument: calling one for each value takes ten times as long.
      const deviation = (values[i] as number) - mean
      sum += power === 1 ? Math.abs(deviation) : deviation * deviation
    }
    return sum / period
  })
}

/** The highest of the last `period` values; NaN if a value is missing. */
export const highest = (values: Float64Array, period: number): Float64Array => extremes(values, period, Math.max)

/** The lowest of the last `period` values; NaN if a value is missing. */
export const lowest = (values: Float64Array, period: number): Float64Array => extremes(values, period, Math.min)

/**
 * Takes three comparisons a value, however long the window. Values are cut into blocks of `period`; a window is the end
 * of one block and the beginning of the next (M. van Herk, A fast algorithm for local minimum and maximum filters on
 * rectangular and octagonal kernels, 1992).
 */
function extremes(values: Float64Array, period: number, further: (one: number, other: number) => number): Float64Array {
  const ends = values.slice()
  for (let i = values.length - 2; i >= 0; i--) {
    if ((i + 1) % period !== 0) ends[i] = further(values[i] as number, ends[i + 1] as number)
  }
  let beginning = Number.NaN
  return values.map((value, i) => {
    beginning = i % period === 0 ? value : further(beginning, value)
    return i < period - 1 ? Number.NaN : further(ends[i - period + 1] as number, beginning)
  })
}
