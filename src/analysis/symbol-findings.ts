import { type IndicatorSnapshot, type SymbolFindings, snapshotFields, type Trend } from '../domain/analysis.ts'
import type { Candle } from '../domain/candle.ts'
import { FinstageError } from '../domain/errors.ts'
import type { Interval } from '../domain/interval.ts'
import { rsi, rsiWarmUp, sma } from './indicators.ts'

/** How many candles go into findings: the longest average, and what the RSI needs to settle. */
export const findingsCandles = Math.max(200, 1 + rsiWarmUp(14))

/** Indicators and trend at the newest candle. Throws NO_DATA where there is none. */
export function symbolFindings(symbol: string, interval: Interval, candles: readonly Candle[]): SymbolFindings {
  const newest = candles.at(-1)
  if (!newest) throw new FinstageError('NO_DATA', `The source has no ${interval} candles of ${symbol}`, { symbol })
  const closes = candles.map((candle) => candle.close)
  const average = (period: number): number | null => sma(closes, period).at(-1) ?? null
  const indicators: IndicatorSnapshot = {
    ...(Object.fromEntries(snapshotFields.map((field) => [field, null])) as IndicatorSnapshot),
    sma5: average(5),
    sma20: average(20),
    sma50: average(50),
    sma60: average(60),
    sma200: average(200),
    rsi14: rsi(closes, 14).at(-1) ?? null,
  }
  return {
    symbol,
    source: 'YAHOO',
    sentiment: null,
    score: null,
    signals: [],
    interval,
    asOfMs: newest.epoch * 1000,
    price: newest.close,
    trend: trend(newest.close, indicators),
    indicators,
  }
}

/** UP where close > SMA 50 > SMA 200, DOWN where close < SMA 50 < SMA 200; SMA 20 and 50 where there are under 200 candles. */
function trend(close: number, { sma20, sma50, sma200 }: IndicatorSnapshot): Trend | null {
  const [fast, slow] = sma200 === null ? [sma20, sma50] : [sma50, sma200]
  if (fast === null || slow === null) return null
  if (close > fast && fast > slow) return 'UP'
  return close < fast && fast < slow ? 'DOWN' : 'SIDEWAYS'
}
