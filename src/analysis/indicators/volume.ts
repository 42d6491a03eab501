import { inOneStep, type Steps } from '../../domain/steps.ts'
import { type Columns, type PriceField, prices } from './columns.ts'
import type { IndicatorInput, VwapAnchor } from './indicator.ts'
import { ema, sma } from './moving-averages.ts'
import { ratio } from './series.ts'
import { anchorPlaces } from './vwap-anchor.ts'

/**
 * On-balance volume: the volume of candles that closed higher minus that of candles that closed lower; 0 at `first`.
 */
export const obv = ({ close, volume }: Columns, first: number): Float64Array =>
  cumulated(volume, first, (i) => Math.sign((close[i] as number) - (close[i - 1] as number)))

/**
 * Accumulation/distribution line: volumes weighted by the place of the close in the candle, -1 at the low and 1 at the
 * high; 0 at `first`.
 */
export const adl = ({ high, low, close, volume }: Columns, first: number): Float64Array =>
  cumulated(volume, first, (i) => {
    const above = (close[i] as number) - (low[i] as number)
    const below = (high[i] as number) - (close[i] as number)
    return high[i] === low[i] ? 0 : (above - below) / ((high[i] as number) - (low[i] as number))
  })

/** Cumulated weighted volumes after `first`; NaN before, and from an unknown volume on. */
function cumulated(volume: Float64Array, first: number, weight: (i: number) => number): Float64Array {
  let sum = 0
  return volume.map((traded, i) => {
    if (i < first) return Number.NaN
    if (i > first) sum += weight(i) * traded
    return sum
  })
}

/**
 * Money flow index: the flow while the typical price rose, in per cent of all flow while it rose or fell; a flow is
 * typical price times volume. 50 if nothing flowed.
 */
export function* mfi(candles: Columns, period: number): Steps<Float64Array> {
  const typical = yield* prices(candles, 'HLC3')
  const flows = (direction: number): Float64Array =>
    typical.map((price, i) => {
      if (i === 0) return Number.NaN
      const counts = Math.sign(price - (typical[i - 1] as number)) === direction
      return (counts ? price : 0) * (candles.volume[i] as number)
    })
  const falling = yield* sma(yield* inOneStep(() => flows(-1)), period)
  const rising = yield* sma(yield* inOneStep(() => flows(1)), period)
  return rising.map((risen, i) => {
    const fallen = falling[i] as number
    return risen === 0 && fallen === 0 ? 50 : 100 * ratio(risen, risen + fallen)
  })
}

/** Force index: exponential average of the change of the close times volume. */
export const forceIndex = ({ close, volume }: Columns, period: number): Steps<Float64Array> =>
  ema(
    close.map((price, i) => (price - (close[i - 1] ?? Number.NaN)) * (volume[i] as number)),
    period,
  )

/**
 * Volume-weighted average price since the anchor. NaN before the first known anchor, until something has been traded,
 * and from an unknown volume to the next anchor.
 */
export function* vwap(input: IndicatorInput, anchor: VwapAnchor, source: PriceField): Steps<Float64Array> {
  const { volume } = input.candles
  const price = yield* prices(input.candles, source)
  const anchors = yield* anchorPlaces(input, anchor)
  let total = Number.NaN
  let mean = Number.NaN
  return volume.map((traded, i) => {
    const value = price[i] as number
    const before = anchors.has(i) ? 0 : total
    total = before + traded
    // In this form, equal prices stay exactly what they are.
    if (traded > 0) mean = before === 0 ? value : value + (mean - value) * (before / total)
    return total > 0 ? mean : Number.NaN
  })
}
