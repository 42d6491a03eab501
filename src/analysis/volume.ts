import { isDaily } from '../domain/interval.ts'
import { tradingDate } from '../domain/trading-date.ts'
import { type Columns, type PriceField, prices } from './columns.ts'
import type { IndicatorInput, VwapAnchor } from './indicator.ts'
import { ema } from './moving-averages.ts'
import { ratio } from './windows.ts'

/** On-balance volume: volumes of candles that closed higher than the one before less those that closed lower, 0 at `first`. */
export const obv = ({ close, volume }: Columns, first: number): Float64Array =>
  cumulated(close.length, first, (i) => {
    return Math.sign((close[i] as number) - (close[i - 1] as number)) * (volume[i] as number)
  })

/** Accumulation/distribution line: volumes times where the close is in the candle's range, from -1 to 1; 0 at `first`. */
export const adl = ({ high, low, close, volume }: Columns, first: number): Float64Array =>
  cumulated(close.length, first, (i) => {
    const range = (high[i] as number) - (low[i] as number)
    const above = (close[i] as number) - (low[i] as number)
    const below = (high[i] as number) - (close[i] as number)
    return (range === 0 ? 0 : (above - below) / range) * (volume[i] as number)
  })

/** Money flow index, 0 to 100: the share of rising typical prices in price times volume. 50 where nothing flowed. */
export function mfi(candles: Columns, period: number): Float64Array {
  const typical = prices(candles, 'HLC3')
  return typical.map((_, end) => {
    if (end < period) return Number.NaN
    let rising = 0
    let falling = 0
    for (let i = end - period + 1; i <= end; i++) {
      const flow = (typical[i] as number) * (candles.volume[i] as number)
      const before = typical[i - 1] as number
      if ((typical[i] as number) > before) rising += flow
      else if ((typical[i] as number) < before) falling += flow
      else if (Number.isNaN(flow)) return Number.NaN
    }
    return rising === 0 && falling === 0 ? 50 : 100 * ratio(rising, rising + falling)
  })
}

/** Exponential average of the change of the close times volume. */
export const forceIndex = ({ close, volume }: Columns, period: number): Float64Array =>
  ema(
    close.map((price, i) => (price - (close[i - 1] ?? Number.NaN)) * (volume[i] as number)),
    period,
  )

/**
 * Volume-weighted average price since the anchor. NaN before the first anchor that can be seen: where a candle follows one of
 * an earlier stretch, or history begins.
 */
export function vwap(input: IndicatorInput, anchor: VwapAnchor, source: PriceField): Float64Array {
  const { candles, first, isWhole, interval, timezone } = input
  const price = prices(candles, source)
  const starts = candles.epoch.map((epoch) => stretch(isDaily(interval) ? epoch : tradingDate(epoch, timezone), anchor))
  let isAnchored = isWhole && anchor !== 'SERIES'
  let total = 0
  let mean = Number.NaN
  return price.map((value, i) => {
    const begins = anchor === 'SERIES' ? i === first : i > 0 && starts[i] !== starts[i - 1]
    if (begins) {
      isAnchored = true
      total = 0
      mean = Number.NaN
    }
    if (!isAnchored) return Number.NaN
    const before = total
    total += candles.volume[i] as number
    if (total > 0) mean = before === 0 ? value : value + (mean - value) * (before / total)
    else if (Number.isNaN(total)) mean = Number.NaN
    return mean
  })
}

/** What tells one stretch of a VWAP from the next, by its trading date (midnight UTC in epoch seconds). */
function stretch(date: number, anchor: VwapAnchor): number {
  const day = Math.floor(date / 86_400)
  const calendar = new Date(date * 1000)
  switch (anchor) {
    case 'SESSION':
      return day
    case 'WEEK':
      // 1 January 1970 was a Thursday.
      return Math.floor((day + 3) / 7)
    case 'MONTH':
      return calendar.getUTCFullYear() * 12 + calendar.getUTCMonth()
    case 'YEAR':
      return calendar.getUTCFullYear()
    case 'SERIES':
      return 0
  }
}

/** Sums of what each candle after `first` adds, 0 there; NaN before it. */
function cumulated(length: number, first: number, added: (i: number) => number): Float64Array {
  const sums = new Float64Array(length).fill(Number.NaN)
  let sum = 0
  for (let i = first; i < length; i++) {
    if (i > first) sum += added(i)
    sums[i] = sum
  }
  return sums
}
