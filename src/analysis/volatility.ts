import type { Columns } from './columns.ts'
import { ema, sma, wilder } from './moving-averages.ts'

/** True range: the candle's range, or how far it has come from the close before if that is more; NaN at the first. */
export const trueRanges = ({ high, low, close }: Columns): Float64Array =>
  high.map((top, i) => {
    const before = close[i - 1] ?? Number.NaN
    return Math.max(top, before) - Math.min(low[i] as number, before)
  })

/** Average true range, in the unit of the prices: Wilder's average. */
export const atr = (candles: Columns, period: number): Float64Array => wilder(trueRanges(candles), period)

/** The mean of the last `period` values, and `stdDev` population deviations above and below. */
export function bollingerBands(values: Float64Array, period: number, stdDev: number) {
  const middle = sma(values, period)
  const widths = middle.map((mean, i) => {
    let squares = 0
    for (let j = i - period + 1; j <= i; j++) squares += ((values[j] as number) - mean) ** 2
    return stdDev * Math.sqrt(squares / period)
  })
  return around(middle, widths)
}

/** Exponential average of the close, and `multiplier` average true ranges above and below. */
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
