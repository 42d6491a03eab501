import { gaussian, type Random } from './walks/random.ts'

/** A candle in whole price steps (10^-priceDecimals), so that all of its parts add up exactly. */
export interface Bar {
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number
}

/** Variance of a Brownian motion from its range (Parkinson 1980): how much a bar moves. */
const varianceOf = ({ high, low }: Bar): number => (high - low) ** 2 / (4 * Math.LN2)

/**
 * The prices at the ends of `count` equal parts of a bar: from its open to its close, within its low and high, touching
 * both.
 */
export function knots(bar: Bar, count: number, random: Random): Float64Array {
  const path = bridge(bar, count, random)
  // Both searches start at opposite ends, so that they find two places even on a level path.
  let highest = 1
  let lowest = count - 1
  for (let i = 1; i < count; i++) {
    if (at(path, i) > at(path, highest)) highest = i
    if (at(path, i) < at(path, lowest)) lowest = i
  }
  const placed = path.map(stretch(bar, at(path, highest), at(path, lowest)))
  if (bar.high > Math.max(bar.open, bar.close)) placed[highest] = bar.high
  if (bar.low < Math.min(bar.open, bar.close)) placed[lowest] = bar.low
  return placed
}

/** Merges consecutive bars into one. Throws if there are none. */
export function merge(bars: readonly Bar[]): Bar {
  const first = bars[0]
  if (!first) throw new Error('No bars to merge')
  let { high, low, close, volume } = first
  for (let i = 1; i < bars.length; i++) {
    const bar = bars[i]
    if (!bar) continue
    if (bar.high > high) high = bar.high
    if (bar.low < low) low = bar.low
    close = bar.close
    volume += bar.volume
  }
  return { open: first.open, high, low, close, volume }
}

/** A column's value, for loops that stay within it: outside, NaN would show in every price. */
export const at = (column: Float64Array | Float32Array, index: number): number => column[index] ?? Number.NaN

function bridge(bar: Bar, count: number, random: Random): Float64Array {
  const path = new Float64Array(count + 1)
  for (let i = 1; i <= count; i++) path[i] = at(path, i - 1) + gaussian(random)
  const end = at(path, count)
  const spread = Math.sqrt(varianceOf(bar) / count)
  for (let i = 1; i < count; i++) {
    const part = i / count
    path[i] = fold(bar.open + (bar.close - bar.open) * part + spread * (at(path, i) - end * part), bar)
  }
  path[0] = bar.open
  path[count] = bar.close
  return path
}

/** Reflects a value at the bar's high and low until it lies between them. */
function fold(value: number, { low, high }: Bar): number {
  if (value >= low && value <= high) return value
  const range = high - low
  if (range === 0) return low
  const beyond = Math.abs(value - low) % (2 * range)
  return low + (beyond > range ? 2 * range - beyond : beyond)
}

/**
 * Moves a path's values so that its extremes become the bar's, in whole steps. Open and close stay, and so does the
 * order of the values.
 */
function stretch(bar: Bar, top: number, bottom: number): (value: number) => number {
  const upper = Math.max(bar.open, bar.close)
  const lower = Math.min(bar.open, bar.close)
  const up = top > upper ? (bar.high - upper) / (top - upper) : 0
  const down = bottom < lower ? (bar.low - lower) / (bottom - lower) : 0
  return (value) => {
    if (value > upper) return Math.round(upper + (value - upper) * up)
    if (value < lower) return Math.round(lower + (value - lower) * down)
    return Math.round(value)
  }
}
