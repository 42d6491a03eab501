/**
 * Weighted mean of the values up to each place, the last weight going to the newest; NaN where one of them is missing. Each
 * window is summed afresh, so that no value depends on those before it, and then once more as what is left to its own mean:
 * equal values have exactly themselves as mean.
 */
export function weightedMeans(values: Float64Array, weights: Float64Array): Float64Array {
  const period = weights.length
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return values.map((_, end) => {
    const start = end - period + 1
    if (start < 0) return Number.NaN
    let sum = 0
    for (let i = 0; i < period; i++) sum += (weights[i] as number) * (values[start + i] as number)
    const mean = sum / total
    let left = 0
    for (let i = 0; i < period; i++) left += (weights[i] as number) * ((values[start + i] as number) - mean)
    return mean + left / total
  })
}

/** The highest of the last `period` values; NaN where one of them is missing. */
export const highest = (values: Float64Array, period: number): Float64Array => extremes(values, period, Math.max)

/** The lowest of the last `period` values; NaN where one of them is missing. */
export const lowest = (values: Float64Array, period: number): Float64Array => extremes(values, period, Math.min)

/**
 * In three comparisons a value, however long the window: cut into blocks of `period` values, a window is the end of one block
 * and the beginning of the next (M. van Herk, A fast algorithm for local minimum and maximum filters, 1992).
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

/** `numerator / denominator`, NaN where that is nothing or has no end. */
export function ratio(numerator: number, denominator: number): number {
  const value = numerator / denominator
  return Number.isFinite(value) ? value : Number.NaN
}
