import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Columns, toColumns } from '../../../src/analysis/indicators/columns.ts'
import { macd, rsi, stochastic } from '../../../src/analysis/indicators/momentum.ts'
import { ema, sma } from '../../../src/analysis/indicators/moving-averages.ts'
import { adx } from '../../../src/analysis/indicators/trend.ts'
import { atr, bollingerBands } from '../../../src/analysis/indicators/volatility.ts'
import { scoreOf, sentimentOf, trendOf } from '../../../src/analysis/sentiment.ts'
import { findSignals } from '../../../src/analysis/signals.ts'
import {
  type FindingsInput,
  findingsCandles,
  signalCandles,
  symbolFindings,
} from '../../../src/analysis/symbol-findings.ts'
import { type IndicatorSnapshot, type SymbolFindings, snapshotFields } from '../../../src/domain/analysis/analysis.ts'
import { signalKinds } from '../../../src/domain/analysis/signal.ts'
import { FinstageError } from '../../../src/domain/errors.ts'
import { closedAt } from '../../../src/domain/sessions/closed-at.ts'
import { finished } from '../../../src/domain/steps.ts'
import { intervals } from '../../../src/domain/time/interval.ts'
import { candlesOf, randomNumbers } from '../../support/candles/generated-candles.ts'
import { type Bar, barsOf, barsRaising, daysOf } from '../../support/candles/signal-candles.ts'

const sessions = {
  timezone: 'America/New_York',
  opens: Date.UTC(2025, 2, 14, 13, 30) / 1000,
  closes: Date.UTC(2025, 2, 14, 20) / 1000,
}

/** Findings from all there is, every candle closed, where nothing else is said. */
const findings = (candles: Columns, change: Partial<FindingsInput> = {}): SymbolFindings =>
  symbolFindings({
    ...{ symbol: 'AAPL', source: 'YAHOO', interval: 'DAY_1', sessions, candles },
    ...{ closedCount: candles.epoch.length, isWhole: true },
    ...change,
  })

function walk(length: number, seed = 1): Columns {
  const random = randomNumbers(seed)
  let price = 100
  const closes = Array.from({ length }, () => {
    price *= 1 + 0.03 * (random() - 0.5)
    return price
  })
  return candlesOf(closes, seed)
}

const part = (candles: Columns, start: number, end?: number): Columns => ({
  epoch: candles.epoch.slice(start, end),
  open: candles.open.slice(start, end),
  high: candles.high.slice(start, end),
  low: candles.low.slice(start, end),
  close: candles.close.slice(start, end),
  volume: candles.volume.slice(start, end),
})

/** Each indicator of a snapshot by itself, over all candles. */
function computedApart(candles: Columns): Record<Exclude<keyof IndicatorSnapshot, 'vwap'>, number> {
  const { close, volume } = candles
  const last = (values: Float64Array): number => values.at(-1) ?? Number.NaN
  const [macdLines, bands, oscillator] = [
    finished(macd(close, 12, 26, 9)),
    finished(bollingerBands(close, 20, 2)),
    finished(stochastic(candles, 14, 3, 3)),
  ]
  return {
    ...{
      sma5: last(finished(sma(close, 5))),
      sma20: last(finished(sma(close, 20))),
      sma50: last(finished(sma(close, 50))),
    },
    ...{ sma60: last(finished(sma(close, 60))), sma200: last(finished(sma(close, 200))) },
    ...{
      ema9: last(finished(ema(close, 9))),
      ema21: last(finished(ema(close, 21))),
      ema50: last(finished(ema(close, 50))),
    },
    ...{
      rsi14: last(rsi(close, 14)),
      atr14: last(finished(atr(candles, 14))),
      adx14: last(finished(adx(candles, 14)).adx),
    },
    ...{ macd: last(macdLines.macd), macdSignal: last(macdLines.signal), macdHistogram: last(macdLines.histogram) },
    ...{ bollingerUpper: last(bands.upper), bollingerMiddle: last(bands.middle), bollingerLower: last(bands.lower) },
    ...{
      stochasticK: last(oscillator.k),
      stochasticD: last(oscillator.d),
      volumeSma20: last(finished(sma(volume, 20))),
    },
  }
}

function assertNear(actual: number | null, expected: number, what: string): void {
  const isNear = actual !== null && Math.abs(actual - expected) <= 1e-9 * Math.max(1, Math.abs(expected))
  assert.ok(isNear, `${what}: ${actual}, not ${expected}`)
}

test('a snapshot has each indicator as it is at the newest candle, and names and prices that candle', () => {
  const candles = walk(1200)
  const { asOfMs, price, indicators, symbol, source, interval } = findings(candles)
  assert.deepEqual([symbol, source, interval], ['AAPL', 'YAHOO', 'DAY_1'])
  assert.deepEqual([asOfMs, price], [(candles.epoch.at(-1) ?? 0) * 1000, candles.close.at(-1)])
  assert.deepEqual(Object.keys(indicators).toSorted(), [...snapshotFields].toSorted())
  for (const [field, value] of Object.entries(computedApart(candles))) {
    assertNear(indicators[field as keyof IndicatorSnapshot], value, field)
  }
})

test('trend, score and sentiment are read from the snapshot, the volume and the change of the close', () => {
  const scores = new Set<number>()
  for (let seed = 1; seed <= 60; seed++) {
    const candles = walk(300, seed)
    const volume = candles.volume.with(-1, seed % 2 === 0 ? 2e6 : 1)
    const { indicators, trend, score, sentiment } = findings({ ...candles, volume })
    const [previousClose = null, close = Number.NaN] = candles.close.slice(-2)
    const reading = { close, previousClose, volume: volume.at(-1) ?? null, indicators }
    const expected = scoreOf(reading) ?? assert.fail()
    assert.deepEqual([trend, score, sentiment], [trendOf(reading), expected, sentimentOf(expected)])
    scores.add(expected)
  }
  assert.ok(scores.size >= 6, `only scores of ${[...scores]}`)
})

const candlesNeeded: Record<keyof IndicatorSnapshot, number> = {
  ...{ sma5: 5, sma20: 20, sma50: 50, sma60: 60, sma200: 200, ema9: 9, ema21: 21, ema50: 50, vwap: 1 },
  ...{ rsi14: 15, macd: 26, macdSignal: 34, macdHistogram: 34 },
  ...{ bollingerUpper: 20, bollingerMiddle: 20, bollingerLower: 20 },
  ...{ stochasticK: 16, stochasticD: 18, atr14: 15, adx14: 28, volumeSma20: 20 },
}

for (const [field, count] of Object.entries(candlesNeeded) as [keyof IndicatorSnapshot, number][]) {
  test(`${field} is there from ${count} candles on, and null before`, () => {
    if (count > 1) assert.equal(findings(walk(count - 1)).indicators[field], null)
    assert.equal(typeof findings(walk(count)).indicators[field], 'number')
  })
}

test('score and sentiment are there from 50 candles on, and null before; so is the trend', () => {
  const few = findings(walk(49))
  assert.deepEqual([few.trend, few.score, few.sentiment], [null, null, null])
  const enough = findings(walk(50))
  assert.ok(enough.trend !== null && enough.score !== null && enough.sentiment !== null)
})

test('a volume that is not known leaves out what is made of it, and nothing else', () => {
  const candles = walk(300)
  const { indicators, score } = findings({ ...candles, volume: candles.volume.with(-1, Number.NaN) })
  const missing = snapshotFields.filter((field) => indicators[field] === null)
  assert.deepEqual(missing, ['vwap', 'volumeSma20'])
  assert.equal(typeof score, 'number')
})

/** Minutes of two sessions, of which the later one has so many. */
function minutes(later: number): Columns {
  const candles = walk(390 + later)
  const opens = [sessions.opens - 86_400, sessions.opens]
  const epoch = candles.epoch.map((_, i) => (i < 390 ? (opens[0] ?? 0) + 60 * i : (opens[1] ?? 0) + 60 * (i - 390)))
  return { ...candles, epoch }
}

test('the VWAP is that of the session so far, by typical price', () => {
  const candles = minutes(37)
  const { high, low, close, volume } = part(candles, 390)
  const turnover = close.map((price, i) => (((high[i] ?? 0) + (low[i] ?? 0) + price) / 3) * (volume[i] ?? 0))
  const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0)
  const { indicators } = findings(candles, { interval: 'MINUTE_1', isWhole: false })
  assertNear(indicators.vwap, sum(turnover) / sum(volume), 'vwap')
})

test('there is no VWAP where the beginning of the session is not among the candles, unless history begins with them', () => {
  const candles = part(minutes(37), 390)
  assert.equal(findings(candles, { interval: 'MINUTE_1', isWhole: false }).indicators.vwap, null)
  assert.equal(typeof findings(candles, { interval: 'MINUTE_1', isWhole: true }).indicators.vwap, 'number')
})

for (const interval of intervals) {
  test(`of ${interval} the newest findingsCandles find what all of history does`, () => {
    const count = findingsCandles(interval)
    // A part before that is ten times as wild: what is left of it shows.
    const calm = walk(count, 7).close
    const wild = walk(800, 3).close.map((price) => price * 10)
    const candles = candlesOf([...wild, ...calm])
    const all = findings(candles, { interval, isWhole: false })
    const newest = findings(part(candles, -count), { interval, isWhole: false })
    for (const field of snapshotFields) {
      // Those candles are days apart: each is a session of its own.
      assertNear(newest.indicators[field], all.indicators[field] ?? Number.NaN, field)
    }
    const read = ({ asOfMs, price, trend, score, sentiment, signals }: SymbolFindings) => ({
      ...{ asOfMs, price, trend, score, sentiment },
      signals: signals.map(({ kind, epoch, direction, knownAtMs }) => ({ kind, epoch, direction, knownAtMs })),
    })
    assert.deepEqual(read(newest), read(all))
  })
}

test('a VWAP of minutes has all of a session that lasts the whole day', () => {
  const candles = walk(3 * 1440)
  const midnight = Date.UTC(2025, 2, 14) / 1000
  const epoch = candles.epoch.map((_, i) => midnight + 60 * i)
  const sessions = { timezone: 'UTC', opens: midnight, closes: midnight + 86_400 }
  const all = { ...candles, epoch }
  const some = part(all, -findingsCandles('MINUTE_1'))
  const input = { interval: 'MINUTE_1', isWhole: false, sessions } as const
  assert.equal(typeof findings(some, input).indicators.vwap, 'number')
  assert.equal(findings(some, input).indicators.vwap, findings(all, input).indicators.vwap)
})

const found = (bars: readonly Bar[], closedCount = bars.length): SymbolFindings =>
  findings(toColumns(daysOf(bars)), { closedCount })

for (const kind of signalKinds) {
  const bars = barsRaising[kind]

  test(`${kind} is told of with what names it, when it was known, and what it was held against`, () => {
    const candles = toColumns(daysOf(bars))
    const epoch = candles.epoch.at(-1) ?? assert.fail()
    const raised = findSignals(candles).find((one) => one.kind === kind) ?? assert.fail()
    const { indicatorValue, strength, ...named } =
      found(bars).signals.find((one) => one.kind === kind && one.epoch === epoch) ?? assert.fail()
    assert.deepEqual(named, {
      ...{ symbol: 'AAPL', source: 'YAHOO', interval: 'DAY_1', kind, epoch },
      ...{ direction: raised.direction, price: raised.price },
      knownAtMs: closedAt(epoch, 'DAY_1', sessions) * 1000,
    })
    assertNear(indicatorValue, raised.indicatorValue ?? Number.NaN, 'what it was held against')
    assertNear(strength, raised.strength, 'strength')
  })

  test(`${kind} is not told of while its candle is not closed, which is in the snapshot`, () => {
    const open = found(bars, bars.length - 1)
    const closed = found(bars)
    assert.ok(closed.signals.some((signal) => signal.kind === kind))
    assert.ok(!open.signals.some((signal) => signal.epoch === open.asOfMs / 1000))
    assert.deepEqual([open.indicators, open.price, open.asOfMs], [closed.indicators, closed.price, closed.asOfMs])
    assert.deepEqual([open.trend, open.score, open.sentiment], [closed.trend, closed.score, closed.sentiment])
  })
}

test('signals are those of the newest five closed candles, oldest first', () => {
  assert.equal(signalCandles, 5)
  const candles = toColumns(daysOf(barsRaising.RSI_OVERBOUGHT))
  const [{ length }, epochs] = [candles.epoch, [...candles.epoch]]
  for (const closedCount of [length, length - 1]) {
    const { signals } = findings(candles, { closedCount })
    const expected = findSignals(candles).filter(({ index }) => index >= closedCount - 5 && index < closedCount)
    assert.equal(new Set(expected.map(({ index }) => index)).size, 5)
    assert.deepEqual(
      signals.map(({ kind, epoch }) => [kind, epoch]),
      expected.map(({ kind, index }) => [kind, epochs[index]]),
    )
  }
})

test('who analyses once in five candles is told of every signal once', () => {
  const candles = walk(900, 5)
  const told: string[] = []
  for (let count = 500; count <= 900; count += 5) {
    told.push(...findings(part(candles, 0, count)).signals.map(({ kind, epoch }) => `${kind} ${epoch}`))
  }
  const raised = findSignals(candles).filter(({ index }) => index >= 495)
  assert.deepEqual(
    told,
    raised.map(({ kind, index }) => `${kind} ${candles.epoch[index]}`),
  )
})

test('findings are the same after they were kept as JSON', () => {
  for (const kept of [
    findings(walk(3)),
    findings(walk(300)),
    found(barsRaising.VOLUME_SPIKE),
    found(barsOf([7, 7, 7])),
  ]) {
    assert.deepEqual(JSON.parse(JSON.stringify(kept)), kept)
  }
})

test('no candles at all is NO_DATA, which names the symbol', () => {
  assert.throws(
    () => findings(toColumns([]), { symbol: 'XYZ', interval: 'HOUR_1' }),
    (error) =>
      error instanceof FinstageError &&
      error.code === 'NO_DATA' &&
      error.details.symbol === 'XYZ' &&
      /HOUR_1 candles of XYZ/.test(error.message),
  )
})
