/** How far apart rounding may put numbers that are equal, as a share of what they were computed from. */
const rounding = 1e-10

/**
 * a - b, and 0 where that is no more than rounding: nothing is above its average because a sum was rounded down. `scale` is the
 * size of what both were computed from, such as the price. NaN where one of them is.
 */
export function difference(a: number, b: number, scale: number): number {
  const exact = a - b
  return Math.abs(exact) <= rounding * Math.abs(scale) ? 0 : exact
}
