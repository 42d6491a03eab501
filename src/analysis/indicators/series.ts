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
 * By more than rounding. Quotes are decimals, to which doubles only come near: else the last bit would tell 5.07 - 5.05 from
 * 5.02 - 5.00. `size` is that of the prices from which the two were computed.
 */
export const isGreater = (one: number, other: number, size: number): boolean => one - other > 1e-12 * Math.abs(size)

/**
 * Per cent that Wilder's average of parts is of that of their wholes; `none` where there is no whole. While nothing is added to the
 * wholes both shrink alike: the share stays exactly as it is, also when they have become too small for numbers.
 */
export function shares(
  parts: Float64Array,
  wholes: Float64Array,
  period: number,
  added: Float64Array,
  none: number,
): Float64Array {
  let share = Number.NaN
  return wholes.map((whole, i) => {
    const stays = added[i] === 0 && period > 1 && !Number.isNaN(share)
    if (!stays) share = whole === 0 ? none : 100 * ((parts[i] as number) / whole)
    return share
  })
}
