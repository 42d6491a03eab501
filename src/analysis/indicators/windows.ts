/** Mean of the last `period` values at each place; NaN if one is missing. */
export function means(values: Float64Array, period: number): Float64Array {
  const found = new Float64Array(values.length).fill(Number.NaN)
  for (let end = period - 1; end < values.length; end++) found[end] = meanAt(values, end, period)
  return found
}

/**
 * Mean of the `period` values up to `end`. Each window is summed afresh, so that it does not depend on earlier values,
 * and then corrected by the mean of the residuals, so that equal values have exactly themselves as mean.
 */
export function meanAt(values: Float64Array, end: number, period: number): number {
  const start = end - period + 1
  let sum = 0
  for (let i = start; i <= end; i++) sum += values[i] as number
  const mean = sum / period
  let left = 0
  for (let i = start; i <= end; i++) left += (values[i] as number) - mean
  return mean + left / period
}

/** Weighted mean of the values up to each place, the last weight for the newest value; NaN if a value is missing. */
export const weightedMeans = (values: Float64Array, weights: Float64Array): Float64Array =>
  values.map((_, end) => (end < weights.length - 1 ? Number.NaN : weightedMean(values, end, weights)))

/** As `meanAt`. */
function weightedMean(values: Float64Array, end: number, weights: Float64Array): number {
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
  const found = new Float64Array(means.length).fill(Number.NaN)
  for (let end = period - 1; end < means.length; end++) {
    const mean = means[end] as number
    let sum = 0
    // Not a function argument, nor asked for each value: either takes several times as long.
    if (power === 1) for (let i = end - period + 1; i <= end; i++) sum += Math.abs((values[i] as number) - mean)
    else for (let i = end - period + 1; i <= end; i++) sum += squared((values[i] as number) - mean)
    found[end] = sum / period
  }
  return found
}

const squared = (value: number): number => value * value

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
