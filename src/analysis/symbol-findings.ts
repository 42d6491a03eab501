import type { IndicatorSnapshot, SymbolFindings } from '../domain/analysis.ts'
import { FinstageError } from '../domain/errors.ts'
import type { Source } from '../domain/instrument.ts'
import type { Interval } from '../domain/interval.ts'
import { closedAt, type SessionHours } from '../domain/session.ts'
import type { Signal } from '../domain/signal.ts'
import { catalogue } from './catalogue.ts'
import type { Columns } from './columns.ts'
import type { IndicatorInput } from './indicator.ts'
import { sma } from './moving-averages.ts'
import { type Reading, scoreOf, sentimentOf, trendOf } from './sentiment.ts'
import { findSignals, signalsWarmUp } from './signals.ts'

/** How many of the newest closed candles signals are told of: whoever analyses once in so many candles misses none. */
export const signalCandles = 5

/** What findings are made of: a symbol's newest candles. */
export interface FindingsInput {
  readonly symbol: string
  readonly source: Source
  readonly interval: Interval
  readonly sessions: SessionHours
  /** Those of `findingsCandles`, or fewer where there are no more. */
  readonly candles: Columns
  /** How many of them, from the first on, are closed. */
  readonly closedCount: number
  /** There is no candle before these. */
  readonly isWhole: boolean
}

/** An indicator with its parameters: what it needs, and what it gives. */
interface Computation<Outputs> {
  readonly warmUp: (interval: Interval) => number
  readonly compute: (input: IndicatorInput) => Outputs
}

function computation<Parameters, Outputs>(
  indicator: {
    readonly warmUp: (parameters: Parameters, interval: Interval) => number
    readonly compute: (input: IndicatorInput, parameters: Parameters) => Outputs
  },
  parameters: NoInfer<Parameters>,
): Computation<Outputs> {
  return {
    warmUp: (interval) => indicator.warmUp(parameters, interval),
    compute: (input) => indicator.compute(input, parameters),
  }
}

const smaOf = (period: number) => computation(catalogue.sma, { period, source: 'CLOSE' })
const emaOf = (period: number) => computation(catalogue.ema, { period, source: 'CLOSE' })
const volumePeriod = 20

const computations = {
  ...{ sma5: smaOf(5), sma20: smaOf(20), sma50: smaOf(50), sma60: smaOf(60), sma200: smaOf(200) },
  ...{ ema9: emaOf(9), ema21: emaOf(21), ema50: emaOf(50) },
  vwap: computation(catalogue.vwap, { anchor: 'SESSION', source: 'HLC3' }),
  rsi14: computation(catalogue.rsi, { period: 14, source: 'CLOSE' }),
  macd: computation(catalogue.macd, { fast: 12, slow: 26, signal: 9 }),
  bollinger: computation(catalogue.bollingerBands, { period: 20, stdDev: 2 }),
  stochastic: computation(catalogue.stochastic, { kPeriod: 14, kSmoothing: 3, dPeriod: 3 }),
  atr14: computation(catalogue.atr, { period: 14 }),
  adx14: computation(catalogue.adx, { period: 14 }),
}

/** How many of the newest candles findings need, one that is not closed among them, so that it does not matter where they begin. */
export function findingsCandles(interval: Interval): number {
  const warmUps = Object.values(computations).map(({ warmUp }) => warmUp(interval))
  return Math.max(signalsWarmUp + signalCandles + 1, ...warmUps.map((warmUp) => warmUp + 1))
}

/**
 * Indicators, trend, sentiment and score at the newest candle, closed or not, and the signals of the newest closed ones. Throws
 * NO_DATA where there is no candle.
 */
export function symbolFindings(input: FindingsInput): SymbolFindings {
  const { symbol, source, interval, candles } = input
  const newest = candles.epoch.length - 1
  const [epoch, close] = [candles.epoch[newest], candles.close[newest]]
  if (epoch === undefined || close === undefined) {
    throw new FinstageError('NO_DATA', `The source has no ${interval} candles of ${symbol}`, { symbol })
  }
  const indicators = snapshot(input)
  const reading: Reading = {
    ...{ close, indicators },
    previousClose: candles.close[newest - 1] ?? null,
    volume: known(candles.volume[newest]),
  }
  const score = scoreOf(reading)
  return {
    ...{ symbol, source, interval },
    ...{ asOfMs: epoch * 1000, price: close, indicators },
    trend: trendOf(reading),
    score,
    sentiment: score === null ? null : sentimentOf(score),
    signals: newestSignals(input),
  }
}

function snapshot({ candles, interval, sessions, isWhole }: FindingsInput): IndicatorSnapshot {
  const newest = candles.epoch.length - 1
  const input: IndicatorInput = { candles, first: newest, isWhole, interval, timezone: sessions.timezone }
  const value = ({ compute }: Computation<{ readonly value: Float64Array }>): number | null =>
    known(compute(input).value[newest])
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
    macd: known(macd.macd[newest]),
    macdSignal: known(macd.signal[newest]),
    macdHistogram: known(macd.histogram[newest]),
    bollingerUpper: known(bollinger.upper[newest]),
    bollingerMiddle: known(bollinger.middle[newest]),
    bollingerLower: known(bollinger.lower[newest]),
    stochasticK: known(stochastic.k[newest]),
    stochasticD: known(stochastic.d[newest]),
    atr14: value(computations.atr14),
    adx14: known(computations.adx14.compute(input).adx[newest]),
    volumeSma20: known(sma(candles.volume, volumePeriod)[newest]),
  }
}

/** A candle that is not closed comes last: it is in no rule's two candles but its own. */
function newestSignals({ symbol, source, interval, sessions, candles, closedCount }: FindingsInput): Signal[] {
  return findSignals(candles).flatMap(({ index, ...found }) => {
    const epoch = candles.epoch[index]
    if (epoch === undefined || index >= closedCount || index < closedCount - signalCandles) return []
    const knownAtMs = closedAt(epoch, interval, sessions) * 1000
    return [{ ...found, symbol, source, interval, epoch, knownAtMs }]
  })
}

const known = (value: number | undefined): number | null =>
  value !== undefined && Number.isFinite(value) ? value : null
