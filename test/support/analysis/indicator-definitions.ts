import type { Columns, PriceField } from '../../../src/analysis/indicators/columns.ts'
import type { IndicatorInput, VwapAnchor } from '../../../src/analysis/indicators/indicator.ts'
import { isDaily } from '../../../src/domain/time/interval.ts'
import { type Exact, exact, highest, lowest, magnitude, mean, ratio, sum, times, toNumber } from '../candles/exact.ts'

/**
 * Every indicator as its definition says, slowly, over exact decimals: what the fast ones are held against. Nothing here is
 * shared with them. It is one long file because they share the few means and smoothings that it begins with.
 */
export type Definition = (input: ExactInput, parameters: Parameters) => Readonly<Record<string, Part>>

/** What an indicator should be at each place; null where it has no value. */
export type Part = readonly (Point | null)[]
interface Point {
  readonly value: number
  /** What an error is to be small against; infinite where no double can tell whether there is a value at all. */
  readonly scale: number
}

type Values = readonly (Exact | null)[]

export interface ExactCandles extends Readonly<Record<'open' | 'high' | 'low' | 'close', readonly Exact[]>> {
  readonly epoch: readonly number[]
  readonly volume: Values
}

export interface ExactInput extends Omit<IndicatorInput, 'candles'> {
  readonly candles: ExactCandles
}

/** All that there are: each indicator knows its own by these names. */
interface Parameters
  extends Readonly<
    Record<'period' | 'fast' | 'slow' | 'signal' | 'stdDev' | 'atrPeriod' | 'multiplier' | 'step' | 'max', number> &
      Record<'kPeriod' | 'kSmoothing' | 'dPeriod' | 'rsiPeriod', number> &
      Record<'conversion' | 'base' | 'span' | 'displacement', number>
  > {
  readonly source: PriceField
  readonly anchor: VwapAnchor
}

export function exactCandles({ epoch, open, high, low, close, volume }: Columns): ExactCandles {
  const all = (column: Float64Array): Exact[] => Array.from(column, exact)
  return {
    ...{ epoch: [...epoch], open: all(open), high: all(high), low: all(low), close: all(close) },
    volume: Array.from(volume, (value) => (Number.isNaN(value) ? null : exact(value))),
  }
}

// ---- what they are made of ----------------------------------------------------------------------------

/** The newest `period` values at a place; null where there are fewer or one of them is missing. */
function windowAt(values: Values, place: number, period: number): Exact[] | null {
  if (place + 1 < period) return null
  const window = values.slice(place + 1 - period, place + 1)
  return window.every((value) => value !== null) ? window : null
}

const overWindows = (values: Values, period: number, of: (window: Exact[]) => Exact | null): Values =>
  values.map((_, place) => {
    const window = windowAt(values, place, period)
    return window && of(window)
  })

/** Place by place; null where one of them is missing. */
const combine = (a: Values, b: Values, of: (a: Exact, b: Exact) => Exact | null): Values =>
  a.map((value, place) => {
    const other = b[place] ?? null
    return value === null || other === null ? null : of(value, other)
  })

const plus = (a: Values, b: Values): Values => combine(a, b, (x, y) => x + y)
const minus = (a: Values, b: Values): Values => combine(a, b, (x, y) => x - y)
const product = (a: Values, b: Values): Values => combine(a, b, times)
const each = (values: Values, of: (value: Exact) => Exact): Values =>
  values.map((value) => (value === null ? null : of(value)))
const absolute = (values: Values): Values => each(values, magnitude)
/** The one before, at each place. */
const before = (values: Values): Values => values.map((_, place) => values[place - 1] ?? null)

const sma = (values: Values, period: number): Values => overWindows(values, period, mean)

/** Begins as the plain mean of the first `period` values, and anew after a missing one. */
function smoothed(values: Values, period: number, next: (previous: Exact, value: Exact) => Exact): Values {
  let previous: Exact | null = null
  return values.map((value, place) => {
    if (value === null || previous === null) {
      const seed = windowAt(values, place, period)
      previous = seed && mean(seed)
    } else previous = next(previous, value)
    return previous
  })
}

/** Weight of the newest value: 2 / (period + 1). */
const ema = (values: Values, period: number): Values =>
  smoothed(values, period, (previous, value) => (previous * BigInt(period - 1) + value * 2n) / BigInt(period + 1))

/** Weight of the newest value: 1 / period. */
const wilder = (values: Values, period: number): Values =>
  smoothed(values, period, (previous, value) => (previous * BigInt(period - 1) + value) / BigInt(period))

function prices({ open, high, low, close }: ExactCandles, field: PriceField): Exact[] {
  const meanOf = (...columns: (readonly Exact[])[]): Exact[] =>
    close.map((_, place) => mean(columns.map((column) => column[place] as Exact)))
  switch (field) {
    case 'OPEN':
      return meanOf(open)
    case 'HIGH':
      return meanOf(high)
    case 'LOW':
      return meanOf(low)
    case 'CLOSE':
      return meanOf(close)
    case 'HL2':
      return meanOf(high, low)
    case 'HLC3':
      return meanOf(high, low, close)
    case 'OHLC4':
      return meanOf(open, high, low, close)
  }
}

/** The largest price that is looked at for a candle's true range: what its rounding is relative to. */
const priceScale = ({ high, low, close }: ExactCandles): Values =>
  close.map((_, place) =>
    highest([high[place], low[place], close[place - 1] ?? 0n].map((price) => magnitude(price as Exact))),
  )

const part = (values: Values, scales: Values): Part =>
  values.map((value, place) =>
    value === null ? null : { value: toNumber(value), scale: toNumber(scales[place] as Exact) },
  )
const outOf = (scale: number, values: Values): Part =>
  part(
    values,
    values.map(() => exact(scale)),
  )
const hundred = exact(100)

// ---- averages -------------------------------------------------------------------------------------------

const average =
  (of: (values: Values, period: number) => Values): Definition =>
  ({ candles }, { period, source }) => {
    const values = prices(candles, source)
    return { value: part(of(values, period), of(absolute(values), period)) }
  }

/** The newest value weighs `period` times as much as the oldest. */
const wma = (values: Values, period: number): Values =>
  overWindows(values, period, (window) => {
    const weights = window.map((_, i) => BigInt(i + 1))
    return sum(window.map((value, i) => value * (weights[i] as bigint))) / sum(weights)
  })

const macd: Definition = ({ candles: { close } }, { fast, slow, signal }) => {
  const line = minus(ema(close, fast), ema(close, slow))
  const signals = ema(line, signal)
  const scale = plus(ema(absolute(close), fast), ema(absolute(close), slow))
  const signalScale = ema(scale, signal)
  return {
    macd: part(line, scale),
    signal: part(signals, signalScale),
    histogram: part(minus(line, signals), plus(scale, signalScale)),
  }
}

// ---- momentum -------------------------------------------------------------------------------------------

function relativeStrength(values: Values, period: number): Values {
  const changes = minus(values, before(values))
  const gains = wilder(
    each(changes, (change) => (change > 0n ? change : 0n)),
    period,
  )
  const losses = wilder(
    each(changes, (change) => (change < 0n ? -change : 0n)),
    period,
  )
  return combine(gains, losses, (gain, loss) => (gain + loss === 0n ? hundred / 2n : ratio(100n * gain, gain + loss)))
}

/** Where the value is among those of the window, in per cent; null where they are all the same. */
const placeInRange = (value: Exact, lows: readonly Exact[], highs: readonly Exact[]): Exact | null => {
  const bottom = lowest(lows)
  const range = highest(highs) - bottom
  return range === 0n ? null : ratio(100n * (value - bottom), range)
}

const stochastic: Definition = ({ candles: { high, low, close } }, { kPeriod, kSmoothing, dPeriod }) => {
  const raw = close.map((value, place) => {
    const lows = windowAt(low, place, kPeriod)
    const highs = windowAt(high, place, kPeriod)
    return lows && highs && placeInRange(value, lows, highs)
  })
  const k = sma(raw, kSmoothing)
  return { k: outOf(100, k), d: outOf(100, sma(k, dPeriod)) }
}

/** RSI values that differ by less are the same. */
const rsiStep = exact(1e-100)
/** A range of RSI values below this is as much rounding as movement, in doubles. */
const rsiRounding = exact(1e-9)

const stochasticRsi: Definition = ({ candles: { close } }, { rsiPeriod, kPeriod, kSmoothing, dPeriod }) => {
  const strengths = each(relativeStrength(close, rsiPeriod), (value) => ((value + rsiStep / 2n) / rsiStep) * rsiStep)
  const raw = overWindows(strengths, kPeriod, (window) => placeInRange(window.at(-1) as Exact, window, window))
  // An RSI is good to 1e-10, which is as much of the raw %K as it is of the range.
  const scale = strengths.map((_, place) => {
    const window = windowAt(strengths, place, kPeriod)
    const range = window && highest(window) - lowest(window)
    if (!range) return 0
    return range < rsiRounding ? Number.POSITIVE_INFINITY : 100 + 10 / toNumber(range)
  })
  const largest = (scales: readonly number[], period: number): number[] =>
    scales.map((_, place) => Math.max(...scales.slice(Math.max(0, place + 1 - period), place + 1)))
  const points = (values: Values, scales: readonly number[]): Part =>
    values.map((value, place) => (value === null ? null : { value: toNumber(value), scale: scales[place] as number }))
  const k = sma(raw, kSmoothing)
  const kScale = largest(scale, kSmoothing)
  return { k: points(k, kScale), d: points(sma(k, dPeriod), largest(kScale, dPeriod)) }
}

const perCentChange = (values: Values, earlier: Values): Values =>
  combine(values, earlier, (value, from) => (from === 0n ? null : ratio(100n * (value - from), from)))

/** Both values' sizes, as per cent of what the change is from. */
const changeScale = (sizes: Values, earlierSizes: Values, earlier: Values): Values =>
  combine(plus(sizes, earlierSizes), absolute(earlier), (size, from) => (from === 0n ? null : ratio(100n * size, from)))

const roc: Definition = ({ candles: { close } }, { period }) => {
  const earlier = close.map((_, place) => close[place - period] ?? null)
  return {
    value: part(perCentChange(close, earlier), changeScale(absolute(close), absolute(earlier), earlier)),
  }
}

const trix: Definition = ({ candles: { close } }, { period }) => {
  const triple = (values: Values): Values => ema(ema(ema(values, period), period), period)
  const line = triple(close)
  const size = triple(absolute(close))
  return {
    value: part(perCentChange(line, before(line)), changeScale(size, before(size), before(line))),
  }
}

const cci: Definition = ({ candles }, { period }) => {
  const typical = prices(candles, 'HLC3')
  return {
    value: typical.map((price, place) => {
      const window = windowAt(typical, place, period)
      if (!window) return null
      const middle = mean(window)
      const deviation = mean(window.map((value) => magnitude(value - middle)))
      // The mean itself is rounded, in the last of its places.
      if (highest(window) === lowest(window)) return { value: 0, scale: 1 }
      const unit = times(exact(0.015), deviation)
      const size = highest(window.map(magnitude))
      // Prices are good to 1e-12 of themselves, which is as much of the deviation as they are.
      return { value: toNumber(ratio(price - middle, unit)), scale: 100 + 1e-3 * toNumber(ratio(size, unit)) }
    }),
  }
}

const williamsR: Definition = ({ candles: { high, low, close } }, { period }) => {
  const values = close.map((price, place) => {
    const lows = windowAt(low, place, period)
    const highs = windowAt(high, place, period)
    const fromBottom = lows && highs && placeInRange(price, lows, highs)
    return fromBottom === null ? null : fromBottom - hundred
  })
  return { value: outOf(100, values) }
}

const awesomeOscillator: Definition = ({ candles }, { fast, slow }) => {
  const middles = prices(candles, 'HL2')
  const size = absolute(middles)
  return {
    value: part(minus(sma(middles, fast), sma(middles, slow)), plus(sma(size, fast), sma(size, slow))),
  }
}

// ---- volatility -----------------------------------------------------------------------------------------

const trueRange = ({ high, low, close }: ExactCandles): Values =>
  before(close).map((previous, place) => {
    if (previous === null) return null
    const top = high[place] as Exact
    const bottom = low[place] as Exact
    return highest([top - bottom, magnitude(top - previous), magnitude(bottom - previous)])
  })

/** Sizes of prices, smoothed as true ranges are. */
const trueRangeScale = (candles: ExactCandles, period: number): Values =>
  wilder([null, ...priceScale(candles).slice(1)].slice(0, candles.close.length), period)

const atr: Definition = ({ candles }, { period }) => ({
  value: part(wilder(trueRange(candles), period), trueRangeScale(candles, period)),
})

const bollingerBands: Definition = ({ candles: { close } }, { period, stdDev }) => {
  const means = sma(close, period)
  const sizes = sma(absolute(close), period)
  // Mean of the squares less the square of the mean: exact numbers bear it.
  const variances = minus(sma(product(close, close), period), product(means, means))
  const line = (side: number): Part =>
    means.map((middle, place) => {
      if (middle === null) return null
      const width = stdDev * Math.sqrt(toNumber(variances[place] as Exact))
      return { value: toNumber(middle) + side * width, scale: toNumber(sizes[place] as Exact) + Math.abs(side) * width }
    })
  return { upper: line(1), middle: line(0), lower: line(-1) }
}

const keltnerChannels: Definition = ({ candles }, { period, atrPeriod, multiplier }) => {
  const multiplied = (values: Values): Values => each(values, (value) => times(exact(multiplier), value))
  const middle = ema(candles.close, period)
  const size = ema(absolute(candles.close), period)
  const width = multiplied(wilder(trueRange(candles), atrPeriod))
  const scale = plus(size, multiplied(trueRangeScale(candles, atrPeriod)))
  return {
    upper: part(plus(middle, width), scale),
    middle: part(middle, size),
    lower: part(minus(middle, width), scale),
  }
}

// ---- volume ---------------------------------------------------------------------------------------------

/** Adds up from 0 at `first`, until something is unknown; `size` is what has been added up, without signs. */
function cumulated(first: number, added: Values, sizes: Values): { value: Part } {
  const value: (Point | null)[] = []
  let total: Exact | null = 0n
  let size: Exact = 0n
  for (const [place, next] of added.entries()) {
    if (place > first && total !== null) total = next === null ? null : total + next
    if (place > first) size += sizes[place] ?? 0n
    value.push(place < first || total === null ? null : { value: toNumber(total), scale: toNumber(size) })
  }
  return { value }
}

const obv: Definition = ({ candles: { close, volume }, first }) => {
  const signed = combine(minus(close, before(close)), volume, (change, traded) =>
    change > 0n ? traded : change < 0n ? -traded : 0n,
  )
  return cumulated(first, signed, volume)
}

const adl: Definition = ({ candles: { high, low, close, volume }, first }) => {
  const flow = close.map((price, place) => {
    const [top, bottom, traded] = [high[place] as Exact, low[place] as Exact, volume[place] as Exact | null]
    if (traded === null) return null
    return top === bottom ? 0n : times(ratio(price - bottom - (top - price), top - bottom), traded)
  })
  return cumulated(first, flow, volume)
}

const mfi: Definition = ({ candles }, { period }) => {
  const typical = prices(candles, 'HLC3')
  const change = minus(typical, before(typical))
  const flow = product(typical, candles.volume)
  const up = combine(change, flow, (by, money) => (by > 0n ? money : 0n))
  const down = combine(change, flow, (by, money) => (by < 0n ? money : 0n))
  return {
    value: typical.map((_, place) => {
      const [ups, downs] = [windowAt(up, place, period), windowAt(down, place, period)]
      if (!ups || !downs) return null
      const [positive, both] = [sum(ups), sum(ups) + sum(downs)]
      const size = sum([...ups, ...downs].map(magnitude))
      if (size === 0n) return { value: 50, scale: 100 }
      // Below zero a flow has the wrong sign, and sums of both kinds come to nothing.
      if (both === 0n) return { value: 50, scale: Number.POSITIVE_INFINITY }
      return { value: toNumber(ratio(100n * positive, both)), scale: 100 * toNumber(ratio(size, magnitude(both))) }
    }),
  }
}

const forceIndex: Definition = ({ candles: { close, volume } }, { period }) => {
  const force = product(minus(close, before(close)), volume)
  const size = product(plus(absolute(close), absolute(before(close))), volume)
  return { value: part(ema(force, period), ema(size, period)) }
}

/** Names the stretch of time between two anchors that a date (2025-02-14) belongs to. */
function stretchOf(date: string, anchor: VwapAnchor): string {
  switch (anchor) {
    case 'SESSION':
      return date
    case 'WEEK': {
      const monday = new Date(`${date}T00:00:00Z`)
      while (monday.getUTCDay() !== 1) monday.setUTCDate(monday.getUTCDate() - 1)
      return monday.toISOString()
    }
    case 'MONTH':
      return date.slice(0, 7)
    case 'YEAR':
      return date.slice(0, 4)
    case 'SERIES':
      return 'all'
  }
}

const vwap: Definition = ({ candles, first, isWhole, interval, timezone }, { anchor, source }) => {
  const { epoch, volume } = candles
  // From a day on a candle's time is its date, at midnight UTC.
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: isDaily(interval) ? 'UTC' : timezone,
    dateStyle: 'short',
  })
  const stretches = epoch.map((time) => stretchOf(format.format(time * 1000), anchor))
  const startsAt = (place: number): boolean =>
    anchor === 'SERIES' ? place === first : place === 0 ? isWhole : stretches[place] !== stretches[place - 1]
  let [paid, size, traded]: [Exact | null, Exact, Exact] = [null, 0n, 0n]
  return {
    value: prices(candles, source).map((price, place) => {
      if (startsAt(place)) [paid, size, traded] = [0n, 0n, 0n]
      const shares = volume[place] ?? null
      if (shares === null) paid = null
      if (shares === null || paid === null) return null
      paid += price * shares
      size += magnitude(price) * shares
      traded += shares
      return traded === 0n ? null : { value: toNumber(paid / traded), scale: toNumber(size / traded) }
    }),
  }
}

// ---- trend ----------------------------------------------------------------------------------------------

const adx: Definition = ({ candles }, { period }) => {
  const rise = minus(candles.high, before(candles.high))
  const fall = minus(before(candles.low), candles.low)
  const larger = (a: Exact, b: Exact): Exact => (a > b && a > 0n ? a : 0n)
  const ranges = wilder(trueRange(candles), period)
  const index = (movement: Values): Values =>
    combine(wilder(movement, period), ranges, (moved, range) => (range === 0n ? 0n : ratio(100n * moved, range)))
  const plusDi = index(combine(rise, fall, larger))
  const minusDi = index(combine(fall, rise, larger))
  const directional = combine(plusDi, minusDi, (up, down) =>
    up + down === 0n ? 0n : ratio(100n * magnitude(up - down), up + down),
  )
  return {
    adx: outOf(100, wilder(directional, period)),
    plusDi: outOf(100, plusDi),
    minusDi: outOf(100, minusDi),
  }
}

/**
 * Wilder's parabolic stop and reverse, from the second candle on. The first trade is entered at the first candle: short where the
 * low falls, from it to the second, by more than the high rises; else long. Its stop is the first candle's other extreme.
 */
interface Trade {
  readonly isLong: boolean
  readonly stop: Exact
  readonly extreme: Exact
  readonly factor: Exact
}

/** As TradingView publishes ta.sar: the stop is tested, and only then moved out of the ranges of the two candles before. */
const psar: Definition = ({ candles: { high, low, close } }, { step, max }) => {
  const stops: (Exact | null)[] = high.map(() => null)
  if (high.length < 2) return { value: part(stops, stops) }
  const begun = (isLong: boolean, stop: Exact, place: number): Trade => ({
    ...{ isLong, stop, extreme: (isLong ? high : low)[place] as Exact, factor: exact(step) },
  })
  /** The trade after a candle has been tested against its stop. */
  const tested = ({ isLong, stop, extreme, factor }: Trade, place: number): Trade => {
    const [top, bottom] = [high[place] as Exact, low[place] as Exact]
    const moved = stop + times(factor, extreme - stop)
    if (isLong && bottom < moved) return begun(false, highest([extreme, top]), place)
    if (!isLong && top > moved) return begun(true, lowest([extreme, bottom]), place)
    const reached = isLong ? highest([extreme, top]) : lowest([extreme, bottom])
    const raised = reached === extreme ? factor : lowest([factor + exact(step), exact(max)])
    return { isLong, stop: moved, extreme: reached, factor: raised }
  }
  const isRising = (close[1] as Exact) > (close[0] as Exact)
  let trade = begun(isRising, (isRising ? low : high)[0] as Exact, 1)
  for (let place = 1; place < high.length; place++) {
    trade = tested(trade, place)
    const earlier = (trade.isLong ? low : high).slice(Math.max(0, place - 2), place)
    trade = { ...trade, stop: (trade.isLong ? lowest : highest)([trade.stop, ...earlier]) }
    stops[place] = trade.stop
  }
  const size = high.map((top, place) => highest([top, low[place] as Exact, stops[place] ?? 0n].map(magnitude)))
  return { value: part(stops, size) }
}

const ichimoku: Definition = ({ candles: { high, low, close } }, { conversion, base, span, displacement }) => {
  const midpoints = (period: number): Values =>
    close.map((_, place) => {
      const [highs, lows] = [windowAt(high, place, period), windowAt(low, place, period)]
      return highs && lows && (highest(highs) + lowest(lows)) / 2n
    })
  const sizes = (period: number): Values =>
    close.map((_, place) => {
      const [highs, lows] = [windowAt(high, place, period), windowAt(low, place, period)]
      return highs && lows && highest([...highs, ...lows].map(magnitude))
    })
  // The candle itself is the first of those that the spans and the lagging line stand away.
  const away = displacement - 1
  const ahead = (points: Part): Part => [...Array<null>(away).fill(null), ...points]
  const conversions = midpoints(conversion)
  const bases = midpoints(base)
  const lagging = close.map((_, place) => close[place + away] ?? null)
  return {
    conversion: part(conversions, sizes(conversion)),
    base: part(bases, sizes(base)),
    spanA: ahead(
      part(
        combine(conversions, bases, (a, b) => (a + b) / 2n),
        plus(sizes(conversion), sizes(base)),
      ),
    ),
    spanB: ahead(part(midpoints(span), sizes(span))),
    lagging: part(lagging, absolute(lagging)),
  }
}

export const definitions: Readonly<Record<string, Definition>> = {
  ...{ sma: average(sma), ema: average(ema), wma: average(wma) },
  rsi: ({ candles }, { period, source }) => ({ value: outOf(100, relativeStrength(prices(candles, source), period)) }),
  ...{ roc, trix, cci, mfi, williamsR, atr, obv, adl, vwap, forceIndex, awesomeOscillator, psar, macd, bollingerBands },
  ...{ keltnerChannels, stochastic, stochasticRsi, adx, ichimoku },
}
