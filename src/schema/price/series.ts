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
import { candlesBefore, maxWarmUp, rowsPerSignalCandle } from '../../resolvers/market/indicator.ts'
import { nameOf } from './names.ts'
import type { Observe } from './observed.ts'
import {
  type Asked,
  numberOf,
  type Price,
  type Priced,
  type PricedArgs,
  type PricedSeries,
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

const observedSeries: Observe = (result) => {
  const series = result as CandleSeries | null
  // `nodes` would make an object of each candle.
  return { entries: (series?.lists?.nodes ?? series?.nodes)?.length ?? 0 }
}

/** Of a field that returns a series which it loads. */
export const loadedSeries = pricedAsObserved(observedSeries, (asked) => {
  const interval = intervalOf(asked.args, 'DAY_1')
  const rows = rowsOf(asked, interval)
  return rows === null ? refused : seriesPrice(rows, interval, asked, [])
})

/** Of a field that begins a live series. Each event then has a series of one candle. */
export const liveSeries = priced((asked) => {
  const interval = intervalOf(asked.args, 'MINUTE_1')
  const events = eventsSince(numberOf(asked.args.from), interval, asked)
  const { micros, passes } = seriesPrice({ rows: 1, loaded: events }, interval, asked, ['series'])
  const begins = { places: 1, executes: 'series', perRound: 1, events } as const
  return { micros, ...(passes && { passes }), begins }
})

/** How many candles there are since `from`: the subscription begins with an event of each. */
function eventsSince(from: number | null, interval: Interval, { nowMs }: Asked): number {
  if (from === null) return 1
  const candles = ((nowMs - from) / 1000 / intervalSeconds(interval)) * openShare(interval)
  return Math.max(1, Math.min(maxCandles, Math.floor(candles)))
}

/** The series of an event: its candle, and copies of those before it that its indicators need. */
export const seriesOfEvent = priced(({ passed }) => ({
  micros: weights.eventRow * (passed.series?.before ?? 1),
  passes: passed,
}))

/** `path`: where the fields of the series are selected; empty: below the field itself, else it is live. */
function seriesPrice({ rows, loaded }: Rows, interval: Interval, asked: Asked, path: readonly string[]): Price {
  const isLive = path.length > 0
  let before = 1
  for (const below of [path, [...path, 'columns']]) {
    for (const { name, args } of asked.selected(below)) before = Math.max(before, candlesBefore(name, args, interval))
  }
  before = Math.max(1, Math.min(before, maxWarmUp, historyOf(asked, interval) - loaded))
  const { symbol, adjustment, extendedHours } = asked.args
  const of = `${nameOf(symbol ?? asked.passed.symbols)} ${sourceInterval(interval)} ${extendedHours}`
  const parts = partsPerCandle(interval)
  const all = (loaded + before) * parts
  const isAdjusted = adjustment === 'NONE' || adjustment === 'SPLITS_AND_DIVIDENDS'
  const name = `${of} ${interval} ${asked.argsName}`
  // Each event of a live series has another candle.
  const isKept = !isComposed(interval) && !isAdjusted && !isLive
  const passes = { series: { of, rows, before, interval, name, isKept } }
  if (!asked.isFirst(`${name} ${before}`)) return { micros: 0, rows: (rows + before) * parts, passes }
  let micros = (isLive ? weights.liveSeries : weights.series) + weights.row * all
  // Others are looked up together with the first.
  if (!isLive && asked.isFirst('series')) micros += weights.firstSeries
  if (isComposed(interval)) {
    micros += weights.composed + (isDaily(interval) ? weights.composedDay : weights.composedPart) * all
  }
  // Those of hours reach over many splits and dividends, and each has to be put to its date.
  const isOfHours = !isDaily(interval) && intervalSeconds(sourceInterval(interval)) >= quarterSeconds
  if (isAdjusted) micros += weights.adjusted + (isOfHours ? weights.adjustedHour : weights.adjustedRow) * all
  // As far back as a fetch reaches that was doubled a few times.
  if (!asked.hasLoaded(`${of} ${Math.ceil(Math.log2(all))}`)) micros += weights.newSeries + weights.newRow * all
  return { micros, rows: (rows + before) * parts, passes }
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
  const from = numberOf(args.from)
  const to = numberOf(args.to) ?? nowMs
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

/** By estimate: an object, and each of its numbers; a number as JSON. */
const bytesPerPoint = 40
const bytesPerNumber = 24
const bytesPerWritten = 16

const partsOf = (name: IndicatorName): number => Object.keys(pointShapes[catalogue[name].point]).length

export const indicatorPoints = (name: IndicatorName): Priced =>
  priced((asked) => {
    const bytes = bytesPerPoint + bytesPerNumber * (1 + partsOf(name))
    const computing = computed('points', name, asked, weights.point, bytes)
    return computing ? { micros: computing.micros, rows: computing.before, entries: computing.series.rows } : refused
  })

export const indicatorColumns = (name: IndicatorName): Priced =>
  priced((asked) => {
    const parts = partsOf(name)
    const computing = computed('columns', name, asked, parts * weights.written, parts * bytesPerWritten)
    if (!computing) return refused
    const { micros, before, series } = computing
    const rows = before + series.rows
    if (catalogue[name].point !== 'IndicatorPoint') return { micros, rows, passes: { series } }
    return { ...columnPrice(series), micros: weights.column + micros, rows }
  })

interface Computing {
  readonly micros: number
  readonly before: number
  readonly series: PricedSeries
}

/**
 * Computing an indicator over a series, from as many candles as it needs. null: its parameters are refused. `shape`: as
 * points or by column, which are kept apart; `shaping`: CPU of putting a row into that shape, which takes so many bytes.
 */
function computed(
  shape: string,
  name: IndicatorName,
  asked: Asked,
  shaping: number,
  bytesPerRow: number,
): Computing | null {
  const { args, passed } = asked
  const { series } = passed
  const needed = series && warmUpOf(name, args, series.interval)
  if (!series || needed == null) return null
  const before = Math.min(needed, series.before)
  // What is drawn ahead depends on more than the candles, and is not kept.
  const mayBeKept = series.isKept && name !== 'ichimoku'
  const isKept =
    mayBeKept &&
    asked.hasComputed(series.of, `${series.name} ${shape} ${name} ${asked.argsName}`, bytesPerRow * series.rows)
  if (isKept) return { micros: weights.indicator, before, series }
  const { row, window, fixed } = weights.indicators[name]
  let longest = 0
  for (const value of Object.values(args)) {
    if (Number.isInteger(value)) longest = Math.max(longest, value as number)
  }
  // Candles that only fill the first window have none of their own.
  const windows = Math.max(series.rows, series.rows + before - longest)
  const micros =
    weights.indicator + fixed + series.rows * shaping + (series.rows + before) * row + windows * window * longest
  return { micros, before, series }
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
  const candles = rows + Math.min(signalsWarmUp, series?.before ?? 0)
  return {
    micros: weights.signalRow * candles,
    rows: rowsPerSignalCandle * candles,
    entries: Math.ceil(signalsPerCandle * rows),
  }
})
