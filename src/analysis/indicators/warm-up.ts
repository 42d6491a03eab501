/**
 * How much influence the candles before the first loaded one may keep, relative to the values: little enough that even
 * the difference of two close averages is right to 1e-6 of itself.
 */
const negligible = 1e-12

/** How many candles an exponential average over `period` takes to forget its first value. */
export const emaSettling = (period: number, inRow = 1): number => settling((period - 1) / (period + 1), inRow)

/** The same for Wilder's average. */
export const wilderSettling = (period: number, inRow = 1): number => settling((period - 1) / period, inRow)

/**
 * An average that keeps the share r of itself with each candle has r^n of its first value left after n candles. In a
 * row of averages, what is left in one passes on to the next, by 1 - r with each candle, so that the last has up to (1
 * + n (1 - r))^(inRow - 1) r^n.
 */
function settling(kept: number, inRow: number): number {
  if (kept === 0) return 0
  const left = (n: number): number => (inRow - 1) * Math.log1p(n * (1 - kept)) + n * Math.log(kept)
  let n = Math.ceil(Math.log(negligible) / Math.log(kept))
  while (left(n) > Math.log(negligible)) n++
  return n
}

/** For stops so fast that they catch up with the price even in a trend: two may turn in step at different candles. */
const turningInStep = 2500

/**
 * How many candles two parabolics with different starts take until they agree to the last bit, which happens soon after
 * both have turned at the same candle. A long trend without a turn takes in proportion to 1 / max, since their distance
 * shrinks by `max` with each candle, and a slow start that seldom turns in proportion to 1 / step. Measured over random
 * walks of 60 kinds (0.01 to 2 per cent per candle, with a drift of 0 to 2 times that, with and without wicks), started
 * at 120,000 places with the default parameters and at 3,600 to 24,000 with each of 33 others: at most 425 candles with
 * the defaults, and in general at most 0.65 of this number. With a `step` above 0.9 nearly every candle is a turn, and
 * no number is enough.
 */
export const psarWarmUp = (step: number, max: number): number =>
  Math.ceil(80 / max + 6 / step) + (max > 0.5 ? turningInStep : 0)
