import { type Columns, prices } from './columns.ts'
import { ema, sma, wilder } from './moving-averages.ts'
import { highest, lowest, ratio } from './windows.ts'

/** Per cent by which a value differs from the one `period` places before; NaN where that is 0. */
export const roc = (values: Float64Array, period: number): Float64Array =>
  values.map((value, i) => {
    const base = i < period ? Number.NaN : (values[i - period] as number)
    return 100 * ratio(value - base, base)
  })

/** Per cent by which an exponential average, taken three times over, differs from the one before. */
export const trix = (values: Float64Array, period: number): Float64Array =>
  roc(ema(ema(ema(values, period), period), period), 1)

/** Exponential average of `fast` less that of `slow`; its own average over `signal`; what it has over that. */
export function macd(values: Float64Array, fast: number, slow: number, signal: number) {
  const line = difference(ema(values, fast), ema(values, slow))
  const average = ema(line, signal)
  return { macd: line, signal: average, histogram: difference(line, average) }
}

/** Simple average of (high + low) / 2 over `fast` candles less that over `slow`. */
export function awesomeOscillator(candles: Columns, fast: number, slow: number): Float64Array {
  const middles = prices(candles, 'HL2')
  return difference(sma(middles, fast), sma(middles, slow))
}

/** Relative strength index, 0 to 100, over Wilder's averages of gains and losses. Where nothing has moved it is 50. */
export function rsi(values: Float64Array, period: number): Float64Array {
  const changes = values.map((value, i) => value - (values[i - 1] ?? Number.NaN))
  const gains = wilder(
    changes.map((change) => Math.max(change, 0)),
    period,
  )
  const losses = wilder(
    changes.map((change) => Math.max(-change, 0)),
    period,
  )
  let strength = Number.NaN
  return gains.map((gain, i) => {
    const moved = gain + (losses[i] as number)
    // While nothing moves both averages shrink alike: the index stays as it is, and exactly.
    const stays = period > 1 && changes[i] === 0 && strength >= 0
    strength = stays && moved >= 0 ? strength : moved === 0 ? 50 : 100 * (gain / moved)
    return strength
  })
}

/** Commodity channel index: typical price less its mean, in units of 0.015 mean deviations; 0 where nothing has moved. */
export function cci(candles: Columns, period: number): Float64Array {
  const typical = prices(candles, 'HLC3')
  return sma(typical, period).map((mean, i) => {
    let deviation = 0
    for (let j = i - period + 1; j <= i; j++) deviation += Math.abs((typical[j] as number) - mean)
    return deviation === 0 ? 0 : ratio((typical[i] as number) - mean, (0.015 * deviation) / period)
  })
}

/** Williams %R, -100 to 0: how far the close is below the highest high, in per cent of the range; NaN where that is nothing. */
export function williamsR({ high, low, close }: Columns, period: number): Float64Array {
  const highs = highest(high, period)
  const lows = lowest(low, period)
  return close.map((price, i) => -100 * ratio((highs[i] as number) - price, (highs[i] as number) - (lows[i] as number)))
}

/** Slow stochastic: %K, where the close is in the range of `kPeriod` candles (0 to 100), averaged over `kSmoothing`; %D its average. */
export const stochastic = ({ high, low, close }: Columns, kPeriod: number, kSmoothing: number, dPeriod: number) =>
  smoothedPlace(close, highest(high, kPeriod), lowest(low, kPeriod), kSmoothing, dPeriod)

/** The stochastic of the RSI instead of prices. */
export function stochasticRsi(
  values: Float64Array,
  rsiPeriod: number,
  kPeriod: number,
  kSmoothing: number,
  dPeriod: number,
) {
  const strengths = rsi(values, rsiPeriod)
  return smoothedPlace(strengths, highest(strengths, kPeriod), lowest(strengths, kPeriod), kSmoothing, dPeriod)
}

function smoothedPlace(
  values: Float64Array,
  highs: Float64Array,
  lows: Float64Array,
  kSmoothing: number,
  dPeriod: number,
) {
  const raw = values.map(
    (value, i) => 100 * ratio(value - (lows[i] as number), (highs[i] as number) - (lows[i] as number)),
  )
  const k = sma(raw, kSmoothing)
  return { k, d: sma(k, dPeriod) }
}

const difference = (one: Float64Array, other: Float64Array): Float64Array =>
  one.map((value, i) => value - (other[i] as number))
