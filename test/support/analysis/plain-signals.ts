import { type SignalKind, signalKinds } from '../../../src/domain/analysis/signal.ts'
import type { Bar } from '../candles/signal-candles.ts'

type Values = readonly (number | null)[]

/** Two lines, of which the first crosses the other: up raises one kind, down another. */
export interface Crossing {
  readonly up?: SignalKind
  readonly down?: SignalKind
  readonly line: Values
  readonly other: Values
  /** What the lines were computed from: a ten-billionth of it is no distance. */
  readonly scale: readonly number[]
  readonly indicatorValue: Values
  readonly strength: (index: number) => number
}

export interface PlainSignal {
  readonly kind: SignalKind
  readonly index: number
  readonly indicatorValue: number
  readonly strength: number
}

/** The rules of docs/analysis.md once more, from their definitions and without any of the code that they test. */
export function plainSignals(bars: readonly Bar[]): PlainSignal[] {
  const crossings = crossingsOf(bars)
  const raised: PlainSignal[] = []
  for (const index of bars.keys()) {
    const here: PlainSignal[] = [...touches(bars, index), ...spikes(bars, index)]
    for (const crossing of crossings) {
      const [before, now] = [side(crossing, index - 1), side(crossing, index)]
      const kind =
        before === null
          ? undefined
          : before <= 0 && now === 1
            ? crossing.up
            : before >= 0 && now === -1
              ? crossing.down
              : undefined
      const indicatorValue = crossing.indicatorValue[index]
      if (kind && typeof indicatorValue === 'number')
        here.push({ kind, index, indicatorValue, strength: crossing.strength(index) })
    }
    const isNumber = ({ strength }: PlainSignal): boolean => Number.isFinite(strength)
    raised.push(...here.filter(isNumber).sort((a, b) => signalKinds.indexOf(a.kind) - signalKinds.indexOf(b.kind)))
  }
  return raised
}

/** 1: the first line is above the other, -1: below, 0: neither, null: one of them has no value. */
export function side({ line, other, scale }: Crossing, index: number): -1 | 0 | 1 | null {
  const [a, b] = [line[index] ?? null, other[index] ?? null]
  if (a === null || b === null) return null
  if (Math.abs(a - b) <= 1e-10 * Math.abs(scale[index] ?? Number.NaN)) return 0
  return a > b ? 1 : -1
}

export function crossingsOf(bars: readonly Bar[]): Crossing[] {
  const closes = bars.map(({ close }) => close)
  const constant = (value: number): number[] => closes.map(() => value)
  const [sma50, sma200, rsi14] = [averages(closes, 50), averages(closes, 200), relativeStrength(closes)]
  const { upper, lower } = bands(closes)
  const macd = minus(exponential(closes, 12), exponential(closes, 26))
  const signal = exponential(macd, 9)
  const k = averages(places(bars), 3)
  const d = averages(k, 3)

  const apart = (a: Values, b: Values) => (i: number) => Math.abs((a[i] ?? Number.NaN) - (b[i] ?? Number.NaN))
  const percent = (a: Values, b: Values) => (i: number) => (100 * apart(a, b)(i)) / Math.abs(b[i] ?? Number.NaN)
  const ofPrice = { scale: closes, line: closes }
  const ofRsi = { scale: constant(100), line: rsi14, indicatorValue: rsi14, strength: apart(rsi14, constant(50)) }
  return [
    {
      ...{ up: 'MA50_BREAKOUT_UP', down: 'MA50_BREAKOUT_DOWN' },
      ...{ ...ofPrice, other: sma50, indicatorValue: sma50, strength: percent(closes, sma50) },
    },
    {
      ...{ up: 'MA200_BREAKOUT_UP', down: 'MA200_BREAKOUT_DOWN' },
      ...{ ...ofPrice, other: sma200, indicatorValue: sma200, strength: percent(closes, sma200) },
    },
    {
      ...{ up: 'GOLDEN_CROSS', down: 'DEATH_CROSS', line: sma50, other: sma200, indicatorValue: sma200 },
      ...{ scale: sma200.map((average) => average ?? Number.NaN), strength: percent(sma50, sma200) },
    },
    { up: 'RSI_OVERBOUGHT', ...ofRsi, other: constant(70) },
    { down: 'RSI_OVERSOLD', ...ofRsi, other: constant(30) },
    { up: 'RSI_BULLISH', down: 'RSI_BEARISH', ...ofRsi, other: constant(50) },
    {
      up: 'BOLLINGER_BREAK_UPPER',
      ...{ ...ofPrice, other: upper, indicatorValue: upper, strength: percent(closes, upper) },
    },
    {
      down: 'BOLLINGER_BREAK_LOWER',
      ...{ ...ofPrice, other: lower, indicatorValue: lower, strength: percent(closes, lower) },
    },
    {
      ...{ up: 'MACD_BULLISH_CROSS', down: 'MACD_BEARISH_CROSS', line: macd, other: signal, indicatorValue: macd },
      ...{ scale: closes, strength: (i) => (100 * apart(macd, signal)(i)) / Math.abs(closes[i] ?? Number.NaN) },
    },
    {
      ...{ up: 'STOCHASTIC_BULLISH_CROSS', down: 'STOCHASTIC_BEARISH_CROSS', line: k, other: d, indicatorValue: k },
      ...{ scale: constant(100), strength: apart(k, d) },
    },
  ]
}

function touches(bars: readonly Bar[], index: number): PlainSignal[] {
  const closes = bars.slice(0, index + 1).map(({ close }) => close)
  /** Where a close is, seen from a band of its own candle. */
  const seen = (isUpper: boolean, i: number) => {
    if (i < 19) return null
    const close = closes[i] as number
    const { upper, lower } = band(closes.slice(i - 19, i + 1))
    const [value, distance] = isUpper ? [upper, upper - close] : [lower, close - lower]
    const rounding = 1e-10 * Math.abs(close)
    return {
      ...{ value, distance, hasWidth: upper - lower > rounding, isBeyond: distance < -rounding },
      isNear: distance - 0.01 * Math.abs(value) <= rounding,
    }
  }
  return ([true, false] as const).flatMap((isUpper) => {
    const [before, now] = [seen(isUpper, index - 1), seen(isUpper, index)]
    if (!before || before.isBeyond || before.isNear) return []
    if (!now?.isNear || now.isBeyond || !now.hasWidth) return []
    const strength = (100 * Math.abs(now.distance)) / Math.abs(now.value)
    return [
      { kind: isUpper ? 'BOLLINGER_TOUCH_UPPER' : 'BOLLINGER_TOUCH_LOWER', index, indicatorValue: now.value, strength },
    ]
  })
}

function spikes(bars: readonly Bar[], index: number): PlainSignal[] {
  const [bar, before] = [bars[index], bars[index - 1]]
  const earlier = bars.slice(Math.max(0, index - 20), index).flatMap(({ volume }) => volume ?? [])
  if (!bar || !before || bar.volume === null || earlier.length < 20) return []
  const ratio = bar.volume / mean(earlier)
  const movePercent = 100 * Math.abs(bar.close / before.close - 1)
  if (!(ratio >= 2 - 1e-9 && movePercent > 1 + 1e-8)) return []
  return [{ kind: 'VOLUME_SPIKE', index, indicatorValue: ratio, strength: ratio }]
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

const isKnown = (value: number | null | undefined): value is number => typeof value === 'number'

function averages(values: Values, period: number): Values {
  return values.map((_, i) => {
    const window = values.slice(Math.max(0, i + 1 - period), i + 1).filter(isKnown)
    return window.length === period ? mean(window) : null
  })
}

/** Begins with the mean of the first `period` values that are known. */
function exponential(values: Values, period: number): Values {
  const first = values.findIndex(isKnown)
  const begins = first + period - 1
  let average: number | null = null
  return values.map((value, i) => {
    if (first === -1 || i < begins || !isKnown(value)) return null
    average =
      average === null
        ? mean(values.slice(first, i + 1).filter(isKnown))
        : average + (2 / (period + 1)) * (value - average)
    return average
  })
}

const minus = (a: Values, b: Values): Values =>
  a.map((value, i) => {
    const other = b[i]
    return isKnown(value) && isKnown(other) ? value - other : null
  })

/** Wilder's, over 14 changes. */
function relativeStrength(closes: readonly number[]): Values {
  const changes = closes.slice(1).map((close, i) => close - (closes[i] as number))
  let [gain, loss] = [0, 0]
  return closes.map((_, i) => {
    if (i < 14) return null
    const newest = i === 14 ? changes.slice(0, 14) : changes.slice(i - 1, i)
    const share = i === 14 ? 1 / 14 : 13 / 14
    if (i > 14) [gain, loss] = [gain * share, loss * share]
    for (const change of newest) {
      if (change > 0) gain += change / 14
      else loss -= change / 14
    }
    return gain + loss === 0 ? 50 : 100 - 100 / (1 + gain / loss)
  })
}

function band(closes: readonly number[]): { upper: number; lower: number } {
  const middle = mean(closes)
  const deviation = Math.sqrt(mean(closes.map((close) => (close - middle) ** 2)))
  return { upper: middle + 2 * deviation, lower: middle - 2 * deviation }
}

function bands(closes: readonly number[]): { upper: Values; lower: Values } {
  const each = closes.map((_, i) => (i < 19 ? null : band(closes.slice(i - 19, i + 1))))
  return { upper: each.map((at) => at?.upper ?? null), lower: each.map((at) => at?.lower ?? null) }
}

/** Where each close is in the range of 14 candles, in per cent. */
function places(bars: readonly Bar[]): Values {
  return bars.map(({ close }, i) => {
    const window = bars.slice(Math.max(0, i - 13), i + 1)
    const [top, bottom] = [Math.max(...window.map(({ high }) => high)), Math.min(...window.map(({ low }) => low))]
    return window.length < 14 || top === bottom ? null : (100 * (close - bottom)) / (top - bottom)
  })
}
