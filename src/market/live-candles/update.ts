import type { CandleSeries } from '../../domain/candle.ts'
import type { CandleUpdate } from '../../domain/candle-update.ts'
import type { CandleChange, SeriesNow } from './builder.ts'

/** `earlier`: how many candles before it the series should hold. */
export function candleUpdate(change: CandleChange, now: SeriesNow, earlier: number): CandleUpdate {
  const { kind, candle, revision } = change
  let series: CandleSeries | undefined
  return {
    kind,
    symbol: now.symbol,
    interval: now.interval,
    candle,
    revision,
    get series() {
      series ??= seriesOf(change, now, earlier)
      return series
    },
  }
}

/** The series that `candles` would return for this candle alone. */
function seriesOf({ candle, history, index }: CandleChange, now: SeriesNow, earlier: number): CandleSeries {
  const { isWhole, hasEarlier, ...common } = now
  return {
    ...common,
    adjustment: 'SPLITS',
    excluded: 0,
    hasEarlier: index > 0 || hasEarlier,
    nodes: [candle],
    earlier: history.slice(Math.max(0, index - earlier), index).map((before) => before.candle),
    isWhole: isWhole && index < earlier,
    isFinal: false,
  }
}
