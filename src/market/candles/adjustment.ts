import type { Adjustment, Candle, SourceCandle } from '../../domain/candle.ts'
import type { Split } from '../../domain/corporate-action.ts'
import { inParts, type Steps } from '../../domain/steps.ts'
import { tradingDates } from '../../domain/time/trading-date.ts'

export interface AdjustmentFacts {
  /** null if candles are dated by trading date. */
  readonly timezone: string | null
  /** All splits after the first candle; needed for NONE. */
  readonly splits: readonly Split[]
  /** The days of the candles, oldest first; needed for SPLITS_AND_DIVIDENDS of intervals under a day. */
  readonly days: readonly SourceCandle[]
}

const candlesPerStep = 2000

/**
 * Takes candles adjusted for splits and adjusts them as asked. NONE undoes the splits after each candle's date, so
 * prices are as traded on the day. SPLITS_AND_DIVIDENDS scales prices by adjusted close / close of the candle's day;
 * the close of a day becomes its adjusted close itself. Where there is no adjusted close, there is no candle of that
 * adjustment: its plain price among adjusted ones would be a jump. Volumes follow splits only.
 */
export function* adjusted(
  candles: readonly SourceCandle[],
  adjustment: Adjustment,
  facts: AdjustmentFacts,
): Steps<readonly Candle[]> {
  if (adjustment === 'SPLITS' || (adjustment === 'NONE' && facts.splits.length === 0)) return candles
  const adjust = adjustment === 'NONE' ? asTraded(facts) : withDividends(facts)
  const found: Candle[] = []
  yield* inParts(0, candles.length, candlesPerStep, (from, to) => {
    for (let i = from; i < to; i++) {
      const candle = adjust(candles[i] as SourceCandle)
      if (candle) found.push(candle)
    }
  })
  return found
}

/** Asked for each candle, oldest first. null: it has none of that adjustment. */
type Adjust = (candle: SourceCandle) => Candle | null

function asTraded({ timezone, splits }: AdjustmentFacts): Adjust {
  const dateOf = dates(timezone)
  const newestFirst = splits.toSorted((a, b) => b.epoch - a.epoch)
  return (candle) => {
    const date = dateOf(candle.epoch)
    let ratio = 1
    for (const { epoch, numerator, denominator } of newestFirst) {
      if (epoch <= date) break
      ratio *= numerator / denominator
    }
    if (ratio === 1) return candle
    return { ...scaled(candle, ratio), volume: candle.volume === null ? null : candle.volume / ratio }
  }
}

function withDividends({ timezone, days }: AdjustmentFacts): Adjust {
  if (timezone === null) {
    return (candle) => {
      const share = shareOf(candle)
      return share === null ? null : withClose(scaled(candle, share), candle.adjustedClose ?? candle.close)
    }
  }
  const dateOf = dates(timezone)
  // If the source has no usable row for a day, its candles take the adjustment of the next day.
  let next = 0
  return (candle) => {
    const date = dateOf(candle.epoch)
    while (next < days.length - 1 && (days[next]?.epoch ?? 0) < date) next++
    const day = days[next]
    const share = day ? shareOf(day) : null
    return share === null ? null : scaled(candle, share)
  }
}

/** What is left of a day's prices without the dividends since; null: unknown. */
function shareOf({ close, adjustedClose }: SourceCandle): number | null {
  if (adjustedClose === null) return null
  // Futures may close at 0 or below.
  if (adjustedClose === close) return 1
  const share = adjustedClose / close
  return Number.isFinite(share) && share > 0 ? share : null
}

/** Dividing and multiplying again is not exact: the range is kept around the close. */
const withClose = (candle: Candle, close: number): Candle => ({
  ...candle,
  high: Math.max(candle.high, close),
  low: Math.min(candle.low, close),
  close,
})

const scaled = ({ epoch, open, high, low, close, volume, closed }: Candle, factor: number): Candle => ({
  epoch,
  open: open * factor,
  high: high * factor,
  low: low * factor,
  close: close * factor,
  volume,
  closed,
})

const dates = (timezone: string | null): ((epoch: number) => number) =>
  timezone === null ? (epoch) => epoch : tradingDates(timezone)
