/**
 * Decimal numbers with 640 places, as integers in units of 1e-640: sums are exact, quotients are so but for the last place.
 * So many places, because a smoothed value halves with each candle that does not move, and must not vanish.
 */
export type Exact = bigint

const places = 640
const zeros = (count: number): bigint => 10n ** BigInt(count)
const unit = zeros(places)

/** The shortest decimal that stands for this double: what a price was quoted as. So 0.1 + 0.2 is 0.3 here. */
export function exact(value: number): Exact {
  const [digits = '', exponent] = value.toExponential().split('e')
  const decimals = digits.split('.')[1]?.length ?? 0
  return BigInt(digits.replace('.', '')) * zeros(places + Number(exponent) - decimals)
}

const numberPlaces = 150
const cut = zeros(places - numberPlaces)

/** The nearest double, or its neighbour. */
export const toNumber = (value: Exact): number => Number(value / cut) / 10 ** numberPlaces

export const times = (a: Exact, b: Exact): Exact => (a * b) / unit
export const ratio = (a: Exact, b: Exact): Exact => (a * unit) / b

export const sum = (values: readonly Exact[]): Exact => values.reduce((total, value) => total + value, 0n)
export const mean = (values: readonly Exact[]): Exact => sum(values) / BigInt(values.length)
export const magnitude = (value: Exact): Exact => (value < 0n ? -value : value)
// biome-ignore lint/complexity/useMathMinMax: Math.max takes no bigint
export const highest = (values: readonly Exact[]): Exact => values.reduce((a, b) => (b > a ? b : a))
// biome-ignore lint/complexity/useMathMinMax: Math.min takes no bigint
export const lowest = (values: readonly Exact[]): Exact => values.reduce((a, b) => (b < a ? b : a))
