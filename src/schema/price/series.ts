import { catalogue } from '../../analysis/indicators/catalogue.ts'
import { pointShapes } from '../../analysis/indicators/indicator.ts'
import { type IndicatorName, indicatorWarmUp } from '../../analysis/indicators/points.ts'
import { signalsWarmUp } from '../../analysis/signals.ts'
import { type CandleSeries, maxCandles } from '../../domain/candle.ts'
import {
  type Interval,
  intervalSeconds,
  intervals,
  isComposed,
  isDaily,
  partsPerCandle,
  sourceInterval,
} from '../../domain/time/interval.ts'
import { daySeconds } from '../../domain/time/units.ts'
import { candlesBefore, maxWarmUp } from '../../resolvers/market/indicator.ts'
import type { Observe } from './observed.ts'
import {
  type Asked,
  instantOf,
  numberOf,
  type Price,
  type PricedArgs,
  type PricedSeries,
  type Pricing,
  priced,
  pricedAsObserved,
  refused,
} from './price.ts'
import { weights } from './weights.ts'

const defaultLast = 500
const quarterSeconds = 900
/** In a range that has a beginning. */
const mostIntervals = 60_000
/** Days of history that a source without an end is taken to have. */
const usualHistoryDays = 4350

const intervalOf = ({ interval }: PricedArgs, usual: Interval): Interval =>
  intervals.includes(interval as Interval) ? (interval as Interval) : usual

const observedSeries: Observe = (result) => ({ entries: (result as CandleSeries | null)?.nodes.length ?? 0 })

/** Of a field that returns a series which it loads. */
export const loadedSeries = pricedAsObserved(observedSeries, (asked) => {
  const interval = intervalOf(asked.args, 'DAY_1')
  const rows = rowsOf(asked, interval)
  return rows === null ? refused : seriesPrice(rows, interval, asked, [])
})

/** Of a field that begins a live series. Each event then has a series of one candle. */
export const liveSeries = priced((asked) => {
  const interval = intervalOf(asked.args, 'MINUTE_1')
  const { micros, passes } = seriesPrice({ rows: 1, loaded: 1 }, interval, asked, ['series'])
  return { micros: weights.liveSeries + micros, ...(passes && { passes }) }
})

function seriesPrice({ rows, loaded }: Rows, interval: Interval, asked: Asked, path: readonly string[]): Price {
  let before = 1
  for (const below of [path, [...path, 'columns']]) {
    for (const { name, args } of asked.selected(below)) before = Math.max(before, candlesBefore(name, args, interval))
  }
  before = Math.max(1, Math.min(before, maxWarmUp, historyOf(asked, interval) - loaded))
  const { symbol, last, from, to, adjustment, extendedHours } = asked.args
  const of = `${symbol ?? asked.passed.symbols} ${sourceInterval(interval)} ${extendedHours}`
  const all = (loaded + before) * partsPerCandle(interval)
  let micros = weights.series + weights.row * all
  if (isComposed(interval)) {
    micros += weights.composed + (isDaily(interval) ? weights.composedDay : weights.composedPart) * all
  }
  const isAdjusted = adjustment !== undefined && adjustment !== 'SPLITS'
  // Those of hours reach over many splits and dividends, and each has to be put to its date.
  const isOfHours = !isDaily(interval) && intervalSeconds(sourceInterval(interval)) >= quarterSeconds
  if (isAdjusted) micros += weights.adjusted + (isOfHours ? weights.adjustedHour : weights.adjustedRow) * all
  // As far back as a fetch reaches that was doubled a few times.
  if (!asked.isKnown('loaded', `${of} ${Math.ceil(Math.log2(all))}`)) micros += weights.newSeries + weights.newRow * all
  const name = `${of} ${interval} ${from} ${to} ${last} ${adjustment}`
  return { micros, passes: { series: { rows, before, interval, name, isKept: !isComposed(interval) && !isAdjusted } } }
}

const reachDaysOf = (asked: Asked, interval: Interval): number => asked.reachDays(interval) ?? usualHistoryDays

/** How many candles there are of an interval at all. */
const historyOf = (asked: Asked, interval: Interval): number =>
  Math.floor(((reachDaysOf(asked, interval) * daySeconds) / intervalSeconds(interval)) * openShare(interval))

interface Rows {
  readonly rows: number
  /** With a `from`, all of the range are loaded, whatever `last` leaves of them. */
  readonly loaded: number
}

/** How many candles are asked for. null: so many are refused. */
function rowsOf(asked: Asked, interval: Interval): Rows | null {
  const { args, nowMs } = asked
  const last = numberOf(args.last)
  if (last !== null && (last < 1 || last > maxCandles)) return null
  const from = instantOf(args.from)
  const to = instantOf(args.to) ?? nowMs
  if (from !== null && from >= to) return null
  const reachMs = reachDaysOf(asked, interval) * daySeconds * 1000
  const rangeMs = Math.max(0, Math.min(to, nowMs) - Math.max(from ?? Number.NEGATIVE_INFINITY, nowMs - reachMs))
  if (from !== null && (to - from) / 1000 / intervalSeconds(interval) > mostIntervals) return null
  const inRange = (rangeMs / 1000 / intervalSeconds(interval)) * openShare(interval)
  const wanted = last ?? (from === null ? defaultLast : maxCandles)
  const rows = Math.round(asked.observed?.entries ?? Math.min(wanted, inRange))
  return { rows, loaded: from === null ? rows : Math.floor(inRange) }
}

/**
 * The share of a range that has candles. Exchanges are open for a fifth of the week, some markets always: this is at
 * most three times off.
 */
const openShare = (interval: Interval): number => (intervalSeconds(interval) < daySeconds ? 0.6 : 1)

/** A list with an entry for each candle. */
export const candleNodes = priced(({ passed: { series } }) => {
  const entries = series?.rows ?? 0
  return { micros: weights.node * entries, entries }
})

/** A list of numbers with one for each candle. */
export const candleColumn = priced(({ passed: { series } }) => columnPrice(series))

const columnPrice = (series: PricedSeries | undefined): Price => ({
  micros: weights.column,
  entries: series?.rows ?? 0,
  entryMicros: series?.isKept ? weights.columnNumber : weights.plainNumber,
})

/** What reads one of the columns of an indicator, which are computed together. */
export const indicatorPart = candleColumn

export const aheadOfSeries = priced(() => ({ micros: 0, entries: 26, entryMicros: weights.interpretedNumber }))

export const indicatorPoints = (name: IndicatorName): { readonly price: Pricing } =>
  priced((asked) => {
    const series = asked.passed.series
    if (!series) return refused
    const micros = computing('points', name, asked, weights.point)
    return micros === null ? refused : { micros, entries: series.rows }
  })

export const indicatorColumns = (name: IndicatorName): { readonly price: Pricing } =>
  priced((asked) => {
    const { series } = asked.passed
    const parts = Object.keys(pointShapes[catalogue[name].point]).length
    const micros = computing('columns', name, asked, parts * weights.written)
    if (!series || micros === null) return refused
    if (catalogue[name].point === 'IndicatorPoint') return { ...columnPrice(series), micros: weights.column + micros }
    return { micros, passes: { series } }
  })

/**
 * CPU of computing an indicator over a series, from as many candles as it needs. null: its parameters are refused.
 * `shape`: as points or by column; each is kept by itself. `shaping`: CPU of putting a row into that shape.
 */
function computing(shape: string, name: IndicatorName, asked: Asked, shaping: number): number | null {
  const { args, passed } = asked
  const { series } = passed
  if (!series) return null
  const before = warmUpOf(name, args, series.interval)
  if (before === null) return null
  const isKnown =
    series.isKept &&
    name !== 'ichimoku' &&
    asked.isKnown('computed', `${series.name} ${shape} ${name} ${JSON.stringify(args)}`)
  if (isKnown) return weights.indicator
  const { row, window, fixed } = weights.indicators[name]
  let longest = 0
  for (const value of Object.values(args)) longest = Math.max(longest, Number.isInteger(value) ? (value as number) : 0)
  const reached = Math.min(before, series.before)
  return weights.indicator + fixed + series.rows * shaping + (series.rows + reached) * (row + window * longest)
}

function warmUpOf(name: IndicatorName, args: PricedArgs, interval: Interval): number | null {
  try {
    const before = indicatorWarmUp(name, args, interval)
    return Number.isFinite(before) ? Math.min(before, maxWarmUp) : null
  } catch {
    return null
  }
}

/** How many signals the rules find, of a candle. */
const signalsPerCandle = 0.7

export const seriesSignals = priced(({ passed: { series } }) => {
  const rows = series?.rows ?? 0
  return { micros: weights.signalRow * (rows + signalsWarmUp), entries: Math.ceil(signalsPerCandle * rows) }
})
