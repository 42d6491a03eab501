/** Below this, float32 values have fewer than six significant digits. */
const smallestNormal = 2 ** -126
/** From here on, neighbouring float32 values lie more than 1 apart, so a shorter decimal may drop integer digits. */
const integersEnd = 2 ** 24
/** Up to here a float32 times the power of ten is exact in a float64: 24 bits of the value and 28 bits of 5^12. */
const exactDecimals = 12
const powersOfTen = Array.from({ length: exactDecimals + 1 }, (_, decimals) => 10 ** decimals)
/** Most prices have two decimals. Below this, a price with fewer is found as well when two are tried first. */
const twoDecimalsEnd = 2 ** 16
const fromTwoDecimals = powersOfTen.slice(2)

/**
 * The price that a source wrote before it was stored as a float32: the shortest decimal that maps to the same float32,
 * 129.04 for 129.0399932861328. A value that is no float32 (as 129.04 itself) is returned as it is. For prices only:
 * of an integer beyond 16,777,216, as a volume may be, it drops digits.
 */
export function shortestDecimal(value: number): number {
  if (Math.fround(value) !== value || !Number.isFinite(value)) return value
  const size = Math.abs(value)
  const shortest = size < integersEnd ? fewestDecimals(size) : fewestDigits(size)
  return value < 0 ? -shortest : shortest
}

/**
 * Digits before the point always stay here, so the fewest decimals are the fewest digits. Of two that are as near, the
 * even one: Postgres and others print a float32 so, and rows that were stored as they came were mended by Postgres.
 */
function fewestDecimals(size: number): number {
  for (const power of size < twoDecimalsEnd ? fromTwoDecimals : powersOfTen) {
    const scaled = size * power
    const nearest = Math.round(scaled)
    const candidate = nearest / power
    if (Math.fround(candidate) !== size) continue
    const isTie = nearest - scaled === 0.5 && nearest % 2 === 1
    const even = (nearest - 1) / power
    return isTie && Math.fround(even) === size ? even : candidate
  }
  return fewestDigits(size)
}

/** A decimal of six digits survives a float32, so fewer are tried only for subnormal values; nine always suffice. */
function fewestDigits(size: number): number {
  for (let digits = size < smallestNormal ? 1 : 6; digits < 9; digits++) {
    const candidate = Number(size.toPrecision(digits))
    if (Math.fround(candidate) === size) return candidate
  }
  return Number(size.toPrecision(9))
}
