/** `numerator / denominator`; NaN if the denominator is 0 or next to 0. */
export function ratio(numerator: number, denominator: number): number {
  const value = numerator / denominator
  return Number.isFinite(value) ? value : Number.NaN
}

export const difference = (one: Float64Array, other: Float64Array): Float64Array =>
  one.map((value, i) => value - (other[i] as number))

/**
 * Whether one number is greater than another by more than rounding. Quotes are decimals, which doubles only
 * approximate: otherwise the last bit would tell 5.07 - 5.05 from 5.02 - 5.00. `size`: that of the prices from which
 * the two were computed.
 */
export const isGreater = (one: number, other: number, size: number): boolean => one - other > 1e-12 * Math.abs(size)

/**
 * Wilder's average of parts in per cent of Wilder's average of their wholes; `none` if there is no whole. While nothing
 * is added to the wholes, both shrink alike, and the share stays exactly as it is, even when they have become too small
 * for numbers.
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
