import { SMA } from 'technicalindicators'

/**
 * Simple moving average: the mean of the last `period` values. Takes and gives one value for each place; null where fewer
 * than `period` values are known.
 */
export function sma(values: readonly number[], period: number): (number | null)[] {
  return aligned(values.length, SMA.calculate({ period, values: [...values] }))
}

/**
 * Relative strength index, 0 to 100, with Wilder's smoothing (J. Welles Wilder, New Concepts in Technical Trading Systems,
 * 1978): the first averages are plain means of `period` changes, each later one (previous * (period - 1) + current) / period.
 * null for the first `period` places. Where nothing moved at all it is 50: neither side is stronger.
 */
export function rsi(values: readonly number[], period: number): (number | null)[] {
  const points: number[] = []
  let gain = 0
  let loss = 0
  for (let i = 1; i < values.length; i++) {
    const change = (values[i] as number) - (values[i - 1] as number)
    const up = Math.max(change, 0)
    const down = Math.max(-change, 0)
    if (i <= period) {
      gain += up / period
      loss += down / period
    } else {
      gain = (gain * (period - 1) + up) / period
      loss = (loss * (period - 1) + down) / period
    }
    if (i >= period) points.push(gain + loss === 0 ? 50 : 100 * (gain / (gain + loss)))
  }
  return aligned(values.length, points)
}

/** How many earlier values an SMA needs before its first point. */
export const smaWarmUp = (period: number): number => period - 1

/**
 * How many earlier values an RSI needs so that its first point no longer depends on where the series begins: what is left of
 * the start after n steps is ((period - 1) / period)^n, here under 1e-8.
 */
export const rsiWarmUp = (period: number): number =>
  period === 1 ? 1 : period + Math.ceil(Math.log(1e-8) / Math.log((period - 1) / period))

/** Puts null where an indicator has no value yet. */
function aligned(length: number, points: readonly number[]): (number | null)[] {
  return [...Array<null>(Math.max(0, length - points.length)).fill(null), ...points]
}
