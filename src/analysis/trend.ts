import type { Columns } from './columns.ts'
import { wilder } from './moving-averages.ts'
import { trueRanges } from './volatility.ts'
import { highest, lowest } from './windows.ts'

/**
 * Directional movement, 0 to 100: what of the true range went up and down, and Wilder's average of how much one of them
 * outweighs. 0 where nothing moved.
 */
export function adx(candles: Columns, period: number) {
  const { high, low } = candles
  const up = high.map((top, i) => top - (high[i - 1] ?? Number.NaN))
  const down = low.map((bottom, i) => (low[i - 1] ?? Number.NaN) - bottom)
  const greater = (moves: Float64Array, others: Float64Array): Float64Array =>
    moves.map((move, i) => (Number.isNaN(move) ? Number.NaN : move > 0 && move > (others[i] as number) ? move : 0))
  const ranges = wilder(trueRanges(candles), period)
  const share = (moves: Float64Array): Float64Array =>
    wilder(moves, period).map((move, i) => (ranges[i] === 0 ? 0 : (100 * move) / (ranges[i] as number)))
  const plusDi = share(greater(up, down))
  const minusDi = share(greater(down, up))
  const imbalance = plusDi.map((plus, i) => {
    const minus = minusDi[i] as number
    return plus + minus === 0 ? 0 : (100 * Math.abs(plus - minus)) / (plus + minus)
  })
  return { adx: wilder(imbalance, period), plusDi, minusDi }
}

/**
 * Parabolic stop and reverse, in the unit of the prices, from the second candle on. The first trade is long unless between the
 * first two candles the low fell by more than the high rose; its first stop is the first candle's extreme on the other side.
 */
export function psar({ high, low }: Columns, step: number, max: number): Float64Array {
  const stops = new Float64Array(high.length).fill(Number.NaN)
  if (high.length < 2) return stops
  const at = (values: Float64Array, i: number): number => values[i] as number
  let isLong = at(high, 1) - at(high, 0) >= at(low, 0) - at(low, 1)
  let stop = isLong ? at(low, 0) : at(high, 0)
  let extreme = isLong ? at(high, 0) : at(low, 0)
  let acceleration = step
  for (let i = 1; i < high.length; i++) {
    if (isLong ? at(low, i) < stop : at(high, i) > stop) {
      // The stop was hit: the other trade begins, and its stop is the extreme of the one that ended.
      stop = isLong ? Math.max(extreme, at(high, i)) : Math.min(extreme, at(low, i))
      isLong = !isLong
      extreme = isLong ? at(high, i) : at(low, i)
      acceleration = step
    } else if (isLong ? at(high, i) > extreme : at(low, i) < extreme) {
      extreme = isLong ? at(high, i) : at(low, i)
      acceleration = Math.min(max, acceleration + step)
    }
    stops[i] = stop
    const next = stop + acceleration * (extreme - stop)
    stop = isLong ? Math.min(next, at(low, i), at(low, i - 1)) : Math.max(next, at(high, i), at(high, i - 1))
  }
  return stops
}

/**
 * Ichimoku kinko hyo: middles between the highest high and the lowest low. spanA and spanB stand `displacement` candles ahead and
 * have so many entries more than there are candles; lagging is the close `displacement` candles later.
 */
export function ichimoku(candles: Columns, conversion: number, base: number, span: number, displacement: number) {
  const conversionLine = middles(candles, conversion)
  const baseLine = middles(candles, base)
  return {
    conversion: conversionLine,
    base: baseLine,
    spanA: ahead(
      conversionLine.map((value, i) => (value + (baseLine[i] as number)) / 2),
      displacement,
    ),
    spanB: ahead(middles(candles, span), displacement),
    lagging: candles.close.map((_, i) => candles.close[i + displacement] ?? Number.NaN),
  }
}

function middles({ high, low }: Columns, period: number): Float64Array {
  const lows = lowest(low, period)
  return highest(high, period).map((top, i) => (top + (lows[i] as number)) / 2)
}

function ahead(values: Float64Array, displacement: number): Float64Array {
  const moved = new Float64Array(values.length + displacement).fill(Number.NaN)
  moved.set(values, displacement)
  return moved
}
