import { TrueRange } from 'technicalindicators'
import { inParts, type Steps } from '../../domain/steps.ts'
import type { Columns } from './columns.ts'
import { ema, sma, wilder } from './moving-averages.ts'
import { meanDeviations } from './windows.ts'

/** The library takes some 200 ns for a candle. */
const rangesPerStep = 2000

/** The range of each candle including the close before it; NaN at the first. */
export function* trueRanges({ high, low, close }: Columns): Steps<Float64Array> {
  const ranges = new Float64Array(high.length).fill(Number.NaN)
  yield* inParts(1, high.length, rangesPerStep, (from, to) => {
    const part = (column: Float64Array): number[] => [...column.subarray(from - 1, to)]
    ranges.set(TrueRange.calculate({ high: part(high), low: part(low), close: part(close) }), from)
  })
  return ranges
}

/** Average true range: Wilder's moving average of the true ranges. */
export function* atr(candles: Columns, period: number): Steps<Float64Array> {
  return yield* wilder(yield* trueRanges(candles), period)
}

/** middle: the mean of the last `period` values; upper and lower: `stdDev` population standard deviations from it. */
export function* bollingerBands(values: Float64Array, period: number, stdDev: number) {
  const middle = yield* sma(values, period)
  const variances = yield* meanDeviations(values, period, middle, 2)
  return around(
    middle,
    variances.map((variance) => stdDev * Math.sqrt(variance)),
  )
}

/** middle: an exponential average of the close; upper and lower: `multiplier` average true ranges from it. */
export function* keltnerChannels(candles: Columns, period: number, atrPeriod: number, multiplier: number) {
  const middle = yield* ema(candles.close, period)
  const ranges = yield* atr(candles, atrPeriod)
  return around(
    middle,
    ranges.map((range) => multiplier * range),
  )
}

const around = (middle: Float64Array, widths: Float64Array) => ({
  upper: middle.map((value, i) => value + (widths[i] as number)),
  middle,
  lower: middle.map((value, i) => value - (widths[i] as number)),
})
