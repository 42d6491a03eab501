/** Simple moving average: the mean of the last `period` values; NaN where one of them is missing. */
export function sma(values: Float64Array, period: number): Float64Array {
  return values.map((_, end) => {
    if (end < period - 1) return Number.NaN
    let sum = 0
    for (let i = end - period + 1; i <= end; i++) sum += values[i] as number
    return sum / period
  })
}
