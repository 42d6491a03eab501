/** As a share of what numbers were computed from: more than rounding makes of two equal ones, and than warm-ups leave of the past. */
const unclear = 1e-10

/**
 * a - b, and 0 where that is too little to tell: nothing is above its average because a sum was rounded down. `scale` is the
 * size of what both were computed from, such as the price. NaN where one of them is.
 */
export function clearDifference(a: number, b: number, scale: number): number {
  const exact = a - b
  return Math.abs(exact) <= unclear * Math.abs(scale) ? 0 : exact
}
