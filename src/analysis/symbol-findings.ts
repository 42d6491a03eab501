import type { IndicatorSnapshot, SymbolFindings } from '../domain/analysis/analysis.ts'
import type { Signal } from '../domain/analysis/signal.ts'
import { FinstageError } from '../domain/errors.ts'
import { finished, type Steps } from '../domain/steps.ts'
import type { Interval } from '../domain/time/interval.ts'
import { catalogue } from './indicators/catalogue.ts'
import { type Columns, newest } from './indicators/columns.ts'
import type { IndicatorInput } from './indicators/indicator.ts'
import { sma } from './indicators/moving-averages.ts'
import { type Reading, scoreOf, sentimentOf, trendOf } from './sentiment.ts'
import { findSignals, namedSignal, type SignalSeries, signalsWarmUp } from './signals.ts'

/** How many of the newest closed candles signals are told of: whoever analyses once in so many candles misses none. */
export const signalCandles = 5

/** A symbol's newest candles, from which findings are computed. */
export interface FindingsInput extends SignalSeries {
  /** As many as `findingsCandles` says, or all there are. */
  readonly candles: Columns
  /** How many of them are closed, counted from the first. */
  readonly closedCount: number
  /** There is no candle before these. */
  readonly isWhole: boolean
}

/** An indicator with fixed parameters: how many candles it needs before the newest, and its values up to that one. */
interface Computation<Outputs> {
  readonly warmUp: (interval: Interval) => number
  readonly compute: (input: FindingsInput) => Outputs
}

function computation<Parameters, Outputs>(
  indicator: {
    warmUp(parameters: Parameters, interval: Interval): number
    compute(input: IndicatorInput, parameters: Parameters): Steps<Outputs>
  },
  parameters: NoInfer<Parameters>,
): Computation<Outputs> {
  const warmUp = (interval: Interval): number => indicator.warmUp(parameters, interval)
  return {
    warmUp,
    compute({ candles: all, interval, sessions, isWhole }) {
      // More candles would change nothing and cost time.
      const candles = newest(all, warmUp(interval) + 1)
      const input: IndicatorInput = {
        candles,
        interval,
        timezone: sessions.timezone,
        exchange: sessions.exchange,
        first: candles.epoch.length - 1,
        isWhole: isWhole && candles.epoch.length === all.epoch.length,
      }
      return finished(indicator.compute(input, parameters))
    },
  }
}

const smaOf = (period: number) => computation(catalogue.sma, { period, source: 'CLOSE' })
const emaOf = (period: number) => computation(catalogue.ema, { period, source: 'CLOSE' })
const volumePeriod = 20

const computations = {
  sma5: smaOf(5),
  sma20: smaOf(20),
  sma50: smaOf(50),
  sma60: smaOf(60),
  sma200: smaOf(200),
  ema9: emaOf(9),
  ema21: emaOf(21),
  ema50: emaOf(50),
  vwap: computation(catalogue.vwap, { anchor: 'SESSION', source: 'HLC3' }),
  rsi14: computation(catalogue.rsi, { period: 14, source: 'CLOSE' }),
  macd: computation(catalogue.macd, { fast: 12, slow: 26, signal: 9 }),
  bollinger: computation(catalogue.bollingerBands, { period: 20, stdDev: 2 }),
  stochastic: computation(catalogue.stochastic, { kPeriod: 14, kSmoothing: 3, dPeriod: 3 }),
  atr14: computation(catalogue.atr, { period: 14 }),
  adx14: computation(catalogue.adx, { period: 14 }),
}

/** How many candles are searched for signals: the newest may be one that is not closed. */
const signalsSpan = signalsWarmUp + signalCandles + 1

/** How many of the newest candles findings need, so that it does not matter where they begin. */
export function findingsCandles(interval: Interval): number {
  const warmUps = Object.values(computations).map(({ warmUp }) => warmUp(interval))
  return Math.max(signalsSpan, ...warmUps.map((warmUp) => warmUp + 1))
}

/**
 * Indicators, trend, sentiment and score at the newest candle, closed or not, and the signals of the newest closed
 * ones. Throws NO_DATA if there is no candle.
 */
export function symbolFindings(input: FindingsInput): SymbolFindings {
  const { symbol, source, interval, candles } = input
  const [epoch, close] = [candles.epoch.at(-1), candles.close.at(-1)]
  if (epoch === undefined || close === undefined) {
    throw new FinstageError('NO_DATA', `The source has no ${interval} candles of ${symbol}`, { symbol })
  }
  const indicators = snapshot(input)
  const reading: Reading = {
    close,
    indicators,
    previousClose: candles.close.at(-2) ?? null,
    volume: newestValue(candles.volume),
  }
  const score = scoreOf(reading)
  return {
    symbol,
    source,
    interval,
    asOfMs: epoch * 1000,
    price: close,
    indicators,
    trend: trendOf(reading),
    score,
    sentiment: score === null ? null : sentimentOf(score),
    signals: newestSignals(input),
  }
}

function snapshot(input: FindingsInput): IndicatorSnapshot {
  const value = ({ compute }: Computation<{ readonly value: Float64Array }>): number | null =>
    newestValue(compute(input).value)
  const macd = computations.macd.compute(input)
  const bollinger = computations.bollinger.compute(input)
  const stochastic = computations.stochastic.compute(input)
  return {
    sma5: value(computations.sma5),
    sma20: value(computations.sma20),
    sma50: value(computations.sma50),
    sma60: value(computations.sma60),
    sma200: value(computations.sma200),
    ema9: value(computations.ema9),
    ema21: value(computations.ema21),
    ema50: value(computations.ema50),
    vwap: value(computations.vwap),
    rsi14: value(computations.rsi14),
    macd: newestValue(macd.macd),
    macdSignal: newestValue(macd.signal),
    macdHistogram: newestValue(macd.histogram),
    bollingerUpper: newestValue(bollinger.upper),
    bollingerMiddle: newestValue(bollinger.middle),
    bollingerLower: newestValue(bollinger.lower),
    stochasticK: newestValue(stochastic.k),
    stochasticD: newestValue(stochastic.d),
    atr14: value(computations.atr14),
    adx14: newestValue(computations.adx14.compute(input).adx),
    volumeSma20: newestValue(finished(sma(input.candles.volume.subarray(-volumePeriod), volumePeriod))),
  }
}

function newestSignals({ candles: all, closedCount, ...series }: FindingsInput): Signal[] {
  const candles = newest(all, signalsSpan)
  const end = closedCount - (all.epoch.length - candles.epoch.length)
  return findSignals(candles)
    .filter(({ index }) => index >= end - signalCandles && index < end)
    .map((found) => namedSignal(found, candles.epoch[found.index] as number, series))
}

/** null: the newest candle has no value. */
function newestValue(values: Float64Array): number | null {
  const value = values.at(-1)
  return value !== undefined && Number.isFinite(value) ? value : null
}
