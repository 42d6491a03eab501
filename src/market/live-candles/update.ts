import type { Candle, CandleSeries } from '../../domain/candle.ts'
import type { CandleUpdateKind } from '../../domain/candle-update.ts'
import type { Interval } from '../../domain/interval.ts'
import type { CandleChange, SeriesNow } from './builder.ts'

/** What a subscriber gets. */
export interface CandleUpdate {
  readonly kind: CandleUpdateKind
  readonly symbol: string
  readonly interval: Interval
  readonly candle: Candle
  /** 1 at first; one more with each change of this candle. */
  readonly revision: number
  /** The candle, and before it as many as the subscriber asked for, where history reaches so far. Put together when it is read. */
  readonly series: CandleSeries
}

/** `earlier`: how many candles before it are wanted in the series. */
export function candleUpdate(change: CandleChange, now: SeriesNow, earlier: number): CandleUpdate {
  const { kind, candle, revision } = change
  let series: CandleSeries | undefined
  return {
    ...{ kind, symbol: now.symbol, interval: now.interval, candle, revision },
    get series() {
      series ??= seriesOf(change, now, earlier)
      return series
    },
  }
}

/** As `candles` gives it for this candle alone. */
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
  }
}
