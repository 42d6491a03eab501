/**
 * Relative to the numbers' origin: more than the rounding of two equal ones, and more than warm-ups leave of the past.
 */
const unclear = 1e-10

/**
 * a - b, or 0 if the difference is too small to tell: nothing is above its average because a sum was rounded down.
 * `scale`: the size of what both were computed from, such as the price. NaN if one of them is.
 */
export function clearDifference(a: number, b: number, scale: number): number {
  const exact = a - b
  return Math.abs(exact) <= unclear * Math.abs(scale) ? 0 : exact
}
