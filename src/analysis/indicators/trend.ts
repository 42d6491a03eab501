import { inOneStep, type Steps } from '../../domain/steps.ts'
import type { Columns } from './columns.ts'
import { wilder } from './moving-averages.ts'
import { isGreater, shares } from './series.ts'
import { trueRanges } from './volatility.ts'
import { highest, lowest } from './windows.ts'

/**
 * plusDi and minusDi: averages of how far highs rose and lows fell, counting only the greater of the two, in per cent
 * of the average true range; adx: average of their difference in per cent of their sum. The averages are Wilder's. 0 if
 * nothing moved.
 */
export function* adx(candles: Columns, period: number) {
  const { high, low } = candles
  const rises = high.map((top, i) => top - (high[i - 1] ?? Number.NaN))
  const falls = low.map((bottom, i) => (low[i - 1] ?? Number.NaN) - bottom)
  const ranges = yield* trueRanges(candles)
  const averageRanges = yield* wilder(ranges, period)
  function* indicator(moves: Float64Array, opposite: Float64Array): Steps<Float64Array> {
    const greater = yield* inOneStep(() => greaterMoves(candles, moves, opposite))
    const averageMoves = yield* wilder(greater, period)
    return yield* inOneStep(() => shares(averageMoves, averageRanges, period, ranges, 0))
  }
  const plusDi = yield* indicator(rises, falls)
  const minusDi = yield* indicator(falls, rises)
  const imbalances = plusDi.map((plus, i) => {
    const minus = minusDi[i] as number
    return plus + minus === 0 ? 0 : 100 * (Math.abs(plus - minus) / (plus + minus))
  })
  return { adx: yield* wilder(imbalances, period), plusDi, minusDi }
}

/** Moves that are greater than the opposite one, 0 for the others; NaN at the first candle. */
const greaterMoves = ({ high, low }: Columns, moves: Float64Array, opposite: Float64Array): Float64Array =>
  moves.map((move, i) => {
    if (i === 0) return Number.NaN
    const size = Math.abs(high[i] as number) + Math.abs(low[i] as number)
    return move > 0 && isGreater(move, opposite[i] as number, size) ? move : 0
  })

/**
 * Parabolic stop and reverse as TradingView draws it (its published definition of ta.sar), from the second candle on. A
 * trade begins at the second candle: long if it closes above the first, else short. The stop comes from the first
 * candle's opposite extreme.
 */
export function psar({ high, low, close }: Columns, step: number, max: number): Float64Array {
  const stops = new Float64Array(high.length).fill(Number.NaN)
  const top = (i: number): number => high[i] as number
  const bottom = (i: number): number => low[i] as number
  let isLong = (close[1] as number) > (close[0] as number)
  let stop = isLong ? bottom(0) : top(0)
  let extreme = isLong ? top(1) : bottom(1)
  let acceleration = step
  for (let i = 1; i < high.length; i++) {
    stop += acceleration * (extreme - stop)
    if (isLong ? isGreater(stop, bottom(i), stop) : isGreater(top(i), stop, stop)) {
      // The stop was hit. The new trade's stop is the extreme of the old trade, to which this candle still belongs.
      stop = isLong ? Math.max(extreme, top(i)) : Math.min(extreme, bottom(i))
      isLong = !isLong
      extreme = isLong ? top(i) : bottom(i)
      acceleration = step
    } else if (isLong ? top(i) > extreme : bottom(i) < extreme) {
      extreme = isLong ? top(i) : bottom(i)
      acceleration = Math.min(acceleration + step, max)
    }
    // Never within the ranges of the two candles before. Wilder keeps it out of them before he tests it.
    const earlier = Math.max(0, i - 2)
    stop = isLong ? Math.min(stop, bottom(i - 1), bottom(earlier)) : Math.max(stop, top(i - 1), top(earlier))
    stops[i] = stop
  }
  return stops
}

/**
 * Ichimoku kinko hyo as TradingView draws it, which counts the candle itself as the first of `displacement`. conversion
 * and base: midpoints between the highest high and the lowest low. spanA: the midpoint of these two; spanB: the midpoint
 * over `span` candles. Both spans are drawn `displacement - 1` candles ahead, and so have that many entries more than
 * there are candles. lagging: the close `displacement - 1` candles later.
 */
export function* ichimoku(candles: Columns, conversion: number, base: number, span: number, displacement: number) {
  const shift = displacement - 1
  const conversionLine = yield* middles(candles, conversion)
  const baseLine = yield* middles(candles, base)
  const spanA = conversionLine.map((value, i) => (value + (baseLine[i] as number)) / 2)
  const spanB = yield* middles(candles, span)
  return {
    conversion: conversionLine,
    base: baseLine,
    spanA: ahead(spanA, shift),
    spanB: ahead(spanB, shift),
    lagging: candles.close.map((_, i) => candles.close[i + shift] ?? Number.NaN),
  }
}

function* middles({ high, low }: Columns, period: number): Steps<Float64Array> {
  const lows = yield* lowest(low, period)
  const highs = yield* highest(high, period)
  return yield* inOneStep(() => highs.map((top, i) => (top + (lows[i] as number)) / 2))
}

function ahead(values: Float64Array, shift: number): Float64Array {
  const later = new Float64Array(values.length + shift)
  later.fill(Number.NaN, 0, shift)
  later.set(values, shift)
  return later
}
