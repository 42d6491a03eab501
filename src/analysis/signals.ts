import { type Signal, type SignalDirection, type SignalKind, signalKinds } from '../domain/analysis/signal.ts'
import type { Source } from '../domain/instrument.ts'
import { closedAt } from '../domain/sessions/closed-at.ts'
import type { SessionHours } from '../domain/sessions/session-hours.ts'
import { finished, type Steps } from '../domain/steps.ts'
import type { Interval } from '../domain/time/interval.ts'
import { clearDifference } from './clear-difference.ts'
import { catalogue } from './indicators/catalogue.ts'
import type { Columns } from './indicators/columns.ts'
import { macd, rsi, stochastic } from './indicators/momentum.ts'
import { sma } from './indicators/moving-averages.ts'
import { bollingerBands } from './indicators/volatility.ts'

/** A signal that the rules find in a series of candles. */
export interface FoundSignal {
  readonly kind: SignalKind
  readonly direction: SignalDirection
  /** Index of the candle that raised it. */
  readonly index: number
  /** The close of that candle. */
  readonly price: number
  readonly indicatorValue: number | null
  readonly strength: number
}

/** The series that raises signals. */
export interface SignalSeries {
  readonly symbol: string
  readonly source: Source
  readonly interval: Interval
  readonly sessions: SessionHours
}

/** A rule's values for each candle. Values and strengths are NaN where unknown: nothing is raised there. */
interface Rule {
  readonly direction: SignalDirection
  readonly isRaised: (index: number) => boolean
  readonly indicatorValue: Float64Array
  readonly strength: Float64Array
}

/** A close this near to a band, as a share of it, touches the band. */
const touchShare = 0.01
/**
 * A spike has this many times the mean volume of the candles before it, and moves the close by more than the share
 * below.
 */
const spikeRatio = 2
const spikeCandles = 20
const spikeMoveShare = 0.01

/** How many candles are judged in one step. */
const candlesPerStep = 1000

/**
 * How many candles the rules need before the first one that they judge, so that it does not matter where a series
 * begins.
 */
export const signalsWarmUp =
  1 +
  Math.max(
    spikeCandles - 1,
    catalogue.sma.warmUp({ period: 200, source: 'CLOSE' }, 'DAY_1'),
    catalogue.rsi.warmUp({ period: 14, source: 'CLOSE' }, 'DAY_1'),
    catalogue.bollingerBands.warmUp({ period: 20, stdDev: 2 }, 'DAY_1'),
    catalogue.macd.warmUp({ fast: 12, slow: 26, signal: 9 }, 'DAY_1'),
    catalogue.stochastic.warmUp({ kPeriod: 14, kSmoothing: 3, dPeriod: 3 }, 'DAY_1'),
  )

/**
 * All signals in a series, by candle, oldest first; at one candle in the order of `signalKinds`. docs/analysis.md has
 * the rules. Each rule looks at a candle and the one before it; if a value is missing at either, nothing is raised.
 */
export const findSignals = (candles: Columns): FoundSignal[] => finished(signalSteps(candles))

export function* signalSteps(candles: Columns): Steps<FoundSignal[]> {
  const rules = yield* rulesOver(candles)
  const found: FoundSignal[] = []
  for (const [index, price] of candles.close.entries()) {
    if (index % candlesPerStep === 0) yield
    for (const kind of signalKinds) {
      const rule = rules[kind]
      if (!rule.isRaised(index)) continue
      const indicatorValue = at(rule.indicatorValue, index)
      const strength = at(rule.strength, index)
      // A share of an average, price or volume of 0 is not a number.
      if (!Number.isFinite(indicatorValue) || !Number.isFinite(strength)) continue
      found.push({ kind, direction: rule.direction, index, price, indicatorValue, strength })
    }
  }
  return found
}

/** Gives a found signal its key. `epoch`: start of the candle that raised it. */
export function namedSignal({ index: _, ...found }: FoundSignal, epoch: number, series: SignalSeries): Signal {
  const { symbol, source, interval, sessions } = series
  return { ...found, symbol, source, interval, epoch, knownAtMs: closedAt(epoch, interval, sessions) * 1000 }
}

function* rulesOver(candles: Columns): Steps<Record<SignalKind, Rule>> {
  const { close } = candles
  const level = (value: number): Float64Array => close.map(() => value)
  const sma50 = yield* sma(close, 50)
  const sma200 = yield* sma(close, 200)
  const overSma50 = differences(close, sma50, close)
  const overSma200 = differences(close, sma200, close)
  yield
  const sma50OverSma200 = differences(sma50, sma200, sma200)
  const fromSma50 = percentApart(close, sma50)
  const fromSma200 = percentApart(close, sma200)
  const smasApart = percentApart(sma50, sma200)
  yield

  const rsi14 = rsi(close, 14)
  const rsiFrom50 = apart(rsi14, level(50))
  yield
  const rsiOver = (value: number): Float64Array => differences(rsi14, level(value), level(100))
  const [rsiOver30, rsiOver50] = [rsiOver(30), rsiOver(50)]
  yield
  const rsiOver70 = rsiOver(70)
  yield

  const { upper, lower } = yield* bollingerBands(close, 20, 2)
  yield
  const overUpper = differences(close, upper, close)
  const overLower = differences(close, lower, close)
  yield
  const touchesUpper = comesNear(differences(upper, close, close), upper, lower, close)
  yield
  const touchesLower = comesNear(overLower, lower, upper, close)
  const fromUpper = percentApart(close, upper)
  const fromLower = percentApart(close, lower)
  yield

  const { macd: macdLine, signal, histogram } = yield* macd(close, 12, 26, 9)
  yield
  const macdOverSignal = differences(macdLine, signal, close)
  const histogramPercent = histogram.map((value, i) => (100 * Math.abs(value)) / Math.abs(at(close, i)))

  yield
  const { k, d } = yield* stochastic(candles, 14, 3, 3)
  yield
  const kOverD = differences(k, d, level(100))
  const kFromD = apart(k, d)

  yield
  const spike = yield* volumeSpike(candles)
  yield

  const rule = (
    direction: SignalDirection,
    isRaised: Rule['isRaised'],
    indicatorValue: Float64Array,
    strength: Float64Array,
  ): Rule => ({ direction, isRaised, indicatorValue, strength })
  return {
    MA50_BREAKOUT_UP: rule('BULLISH', risesAboveZero(overSma50), sma50, fromSma50),
    MA50_BREAKOUT_DOWN: rule('BEARISH', fallsBelowZero(overSma50), sma50, fromSma50),
    MA200_BREAKOUT_UP: rule('BULLISH', risesAboveZero(overSma200), sma200, fromSma200),
    MA200_BREAKOUT_DOWN: rule('BEARISH', fallsBelowZero(overSma200), sma200, fromSma200),
    GOLDEN_CROSS: rule('BULLISH', risesAboveZero(sma50OverSma200), sma200, smasApart),
    DEATH_CROSS: rule('BEARISH', fallsBelowZero(sma50OverSma200), sma200, smasApart),
    RSI_OVERBOUGHT: rule('BEARISH', risesAboveZero(rsiOver70), rsi14, rsiFrom50),
    RSI_OVERSOLD: rule('BULLISH', fallsBelowZero(rsiOver30), rsi14, rsiFrom50),
    RSI_BULLISH: rule('BULLISH', risesAboveZero(rsiOver50), rsi14, rsiFrom50),
    RSI_BEARISH: rule('BEARISH', fallsBelowZero(rsiOver50), rsi14, rsiFrom50),
    BOLLINGER_BREAK_UPPER: rule('BULLISH', risesAboveZero(overUpper), upper, fromUpper),
    BOLLINGER_BREAK_LOWER: rule('BEARISH', fallsBelowZero(overLower), lower, fromLower),
    BOLLINGER_TOUCH_UPPER: rule('BEARISH', touchesUpper, upper, fromUpper),
    BOLLINGER_TOUCH_LOWER: rule('BULLISH', touchesLower, lower, fromLower),
    MACD_BULLISH_CROSS: rule('BULLISH', risesAboveZero(macdOverSignal), macdLine, histogramPercent),
    MACD_BEARISH_CROSS: rule('BEARISH', fallsBelowZero(macdOverSignal), macdLine, histogramPercent),
    STOCHASTIC_BULLISH_CROSS: rule('BULLISH', risesAboveZero(kOverD), k, kFromD),
    STOCHASTIC_BEARISH_CROSS: rule('BEARISH', fallsBelowZero(kOverD), k, kFromD),
    VOLUME_SPIKE: rule('NEUTRAL', spike.isRaised, spike.ratio, spike.ratio),
  }
}

/** Whether a difference is above zero, and was not at the candle before. */
const risesAboveZero =
  (values: Float64Array) =>
  (index: number): boolean =>
    at(values, index - 1) <= 0 && at(values, index) > 0

const fallsBelowZero =
  (values: Float64Array) =>
  (index: number): boolean =>
    at(values, index - 1) >= 0 && at(values, index) < 0

/**
 * Whether the close is inside a band and within 1 % of it, and was further inside at the candle before. `inside`: its
 * distance from the band, negative beyond it. Bands that coincide, because prices stood still, are not touched.
 */
function comesNear(
  inside: Float64Array,
  band: Float64Array,
  otherBand: Float64Array,
  close: Float64Array,
): Rule['isRaised'] {
  const margin = band.map((value) => touchShare * Math.abs(value))
  const further = differences(inside, margin, close)
  const width = differences(band, otherBand, close)
  return (index) =>
    at(further, index - 1) > 0 && at(further, index) <= 0 && at(inside, index) >= 0 && at(width, index) !== 0
}

/** Each spike is an event of its own, even right after another one. */
function* volumeSpike({ close, volume }: Columns): Steps<{ isRaised: Rule['isRaised']; ratio: Float64Array }> {
  const mean = yield* sma(volume, spikeCandles)
  const ratio = volume.map((value, i) => value / at(mean, i - 1))
  const isRaised = (index: number): boolean => {
    const before = at(close, index - 1)
    const move = Math.abs(at(close, index) - before)
    return (
      clearDifference(at(ratio, index), spikeRatio, spikeRatio) >= 0 &&
      clearDifference(move, spikeMoveShare * Math.abs(before), before) > 0
    )
  }
  return { isRaised, ratio }
}

const differences = (a: Float64Array, b: Float64Array, scale: Float64Array): Float64Array =>
  a.map((value, i) => clearDifference(value, at(b, i), at(scale, i)))

const apart = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, i) => Math.abs(value - at(b, i)))

/** The difference in per cent of b. */
const percentApart = (a: Float64Array, b: Float64Array): Float64Array =>
  a.map((value, i) => (100 * Math.abs(value - at(b, i))) / Math.abs(at(b, i)))

const at = (values: Float64Array, index: number): number => values[index] ?? Number.NaN
