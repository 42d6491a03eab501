import { TrueRange } from 'technicalindicators'
import type { Columns } from './columns.ts'
import { ema, sma, wilder } from './moving-averages.ts'
import { aligned } from './series.ts'
import { meanDeviations } from './windows.ts'

/** The range of each candle including the close before it; NaN at the first. */
export const trueRanges = ({ high, low, close }: Columns): Float64Array =>
  aligned(high.length, TrueRange.calculate({ high: [...high], low: [...low], close: [...close] }))

/** Average true range: Wilder's moving average of the true ranges. */
export const atr = (candles: Columns, period: number): Float64Array => wilder(trueRanges(candles), period)

/** middle: the mean of the last `period` values; upper and lower: `stdDev` population standard deviations from it. */
export function bollingerBands(values: Float64Array, period: number, stdDev: number) {
  const middle = sma(values, period)
  const variances = meanDeviations(values, period, middle, 2)
  return around(
    middle,
    variances.map((variance) => stdDev * Math.sqrt(variance)),
  )
}

/** middle: an exponential average of the close; upper and lower: `multiplier` average true ranges from it. */
export const keltnerChannels = (candles: Columns, period: number, atrPeriod: number, multiplier: number) =>
  around(
    ema(candles.close, period),
    atr(candles, atrPeriod).map((range) => multiplier * range),
  )

const around = (middle: Float64Array, widths: Float64Array) => ({
  upper: middle.map((value, i) => value + (widths[i] as number)),
  middle,
  lower: middle.map((value, i) => value - (widths[i] as number)),
})
