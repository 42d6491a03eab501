/** `numerator / denominator`; NaN where the denominator is nothing, or next to nothing. */
export function ratio(numerator: number, denominator: number): number {
  const value = numerator / denominator
  return Number.isFinite(value) ? value : Number.NaN
}

export const difference = (one: Float64Array, other: Float64Array): Float64Array =>
  one.map((value, i) => value - (other[i] as number))

/** The points that a library gives from the first one on, put where they belong: at the end of `length` places. */
export function aligned(length: number, points: readonly number[]): Float64Array {
  const values = new Float64Array(length).fill(Number.NaN)
  values.set(points, length - points.length)
  return values
}

/**
 * Per cent that an average of parts is of the average of their wholes, both of Wilder's kind; `none` where there is no whole. Where
 * nothing is added to the wholes both averages shrink alike: the share stays exactly as it is, however small they become.
 */
export function shares(parts: Float64Array, wholes: Float64Array, added: Float64Array, none: number): Float64Array {
  let share = Number.NaN
  return wholes.map((whole, i) => {
    if (whole === 0) share = none
    else if (added[i] !== 0 || Number.isNaN(share)) share = 100 * ((parts[i] as number) / whole)
    return share
  })
}
