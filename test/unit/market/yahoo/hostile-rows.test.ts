import assert from 'node:assert/strict'
import { test } from 'node:test'
import { catalogue } from '../../../../src/analysis/indicators/catalogue.ts'
import { toColumns } from '../../../../src/analysis/indicators/columns.ts'
import type { IndicatorInput, Output, Parameter } from '../../../../src/analysis/indicators/indicator.ts'
import { type Adjustment, adjustments, type Candle } from '../../../../src/domain/candle.ts'
import { finished, type Steps } from '../../../../src/domain/steps.ts'
import { adjusted as adjustedInSteps } from '../../../../src/market/candles/adjustment.ts'
import { readChart } from '../../../../src/market/yahoo/chart.ts'

const adjusted = (...given: Parameters<typeof adjustedInSteps>) => finished(adjustedInSteps(...given))

/*
 * Answers of Yahoo with one fault each. The same share is read every time, so whatever is served can be held against
 * what it really cost: it is served right, or it is not served and counted.
 */

type Interval = 'DAY_1' | 'MINUTE_15'
interface Row {
  time: unknown
  open: unknown
  high: unknown
  low: unknown
  close: unknown
  volume: unknown
  adjusted: unknown
}
type Price = 'open' | 'high' | 'low' | 'close'
const priceNames = ['open', 'high', 'low', 'close'] as const

interface Answer {
  readonly interval: Interval
  readonly rows: Row[]
  readonly dividends: Record<string, unknown>
  readonly splits: Record<string, unknown>
  readonly capitalGains: Record<string, unknown>
  /** How many values at the end of a column are missing. */
  readonly missing: Partial<Record<keyof Row, number>>
}

const count = 120
const splitAt = 30
const sharesPerShare = 4
/** The nth row's dividend. */
const paid = new Map([
  [60, 12],
  [90, 6],
])
const quartersPerDay = 26
const dayOf = (interval: Interval, i: number): number =>
  interval === 'DAY_1' ? i : Math.floor(i / quartersPerDay) + splitAt - 1
const opening = (day: number): number => Date.UTC(2025, 0, 6 + day, 14, 30) / 1000
const timeOf = (interval: Interval, i: number): number =>
  opening(dayOf(interval, i)) + (interval === 'DAY_1' ? 0 : (i % quartersPerDay) * 900)
const epochOf = (interval: Interval, i: number): number =>
  interval === 'DAY_1' ? Date.UTC(2025, 0, 6 + i) / 1000 : timeOf(interval, i)

const cents = (price: number): number => Math.round(price * 100) / 100
/** Prices in cents, adjusted for the split. */
const priceOf = (i: number): Record<Price, number> => {
  const close = cents(600 + 10 * Math.sin(i / 5) + (i % 3))
  return { open: cents(close - 1.25), high: cents(close + 2.5), low: cents(close - 2.75), close }
}
/** What is left of the price of the nth day without the dividends since. */
const shareOf = (i: number): number =>
  [...paid].reduce((share, [at, amount]) => (at > i ? share * (1 - amount / priceOf(at - 1).close) : share), 1)

function goodAnswer(interval: Interval): Answer {
  const rows = Array.from({ length: count }, (_, i): Row => {
    const { open, high, low, close } = priceOf(i)
    const sent = { open: Math.fround(open), high: Math.fround(high), low: Math.fround(low), close: Math.fround(close) }
    const adjusted = interval === 'DAY_1' ? Math.fround(close * shareOf(i)) : undefined
    return { time: timeOf(interval, i), ...sent, volume: 1_000_003 + i, adjusted }
  })
  const dividends = Object.fromEntries([...paid].map(([at, amount]) => [at, { date: opening(at), amount }]))
  const splits = { one: { date: opening(splitAt), numerator: sharesPerShare, denominator: 1 } }
  return { interval, rows, dividends, splits, capitalGains: {}, missing: {} }
}

/** Spoils an answer at its nth row. */
type Fault = (answer: Answer, at: number) => void

const row = (answer: Answer, at: number): Row => answer.rows[at] as Row
const put =
  (...values: readonly [keyof Row, unknown][]): Fault =>
  (answer, at) => {
    for (const [name, value] of values) row(answer, at)[name] = value
  }
const allPrices = (value: unknown): Fault => put(...priceNames.map((name): [keyof Row, unknown] => [name, value]))
const scale =
  (factor: number, length = 1, names: readonly Price[] = priceNames): Fault =>
  ({ rows }, at) => {
    for (const each of rows.slice(at, at + length)) for (const name of names) each[name] = Number(each[name]) * factor
  }
const shift =
  (name: Price, by: number): Fault =>
  (answer, at) => {
    row(answer, at)[name] = Number(row(answer, at)[name]) + by
  }
const scaleAdjusted =
  (factor: number): Fault =>
  (answer, at) => {
    row(answer, at).adjusted = Number(row(answer, at).adjusted) * factor
  }
/** The adjusted closes before the dividend on the nth day take another step there. */
const step =
  (at: number, factor: (paid: number, close: number) => number): Fault =>
  ({ rows }) => {
    const [amount, close] = [paid.get(at) ?? 0, priceOf(at - 1).close]
    for (const each of rows.slice(0, at))
      each.adjusted = (Number(each.adjusted) * factor(amount, close)) / (1 - amount / close)
  }
const unsplit =
  (from: number): Fault =>
  ({ interval, rows }) => {
    for (const [i, each] of rows.entries()) {
      if (i < from || dayOf(interval, i) >= splitAt) continue
      for (const name of [...priceNames, 'adjusted'] as const) each[name] = Number(each[name]) * sharesPerShare
    }
  }
const again =
  (change: Partial<Row>): Fault =>
  ({ rows }, at) => {
    rows.splice(at + 1, 0, { ...(rows[at] as Row), ...change })
  }

const faults: Readonly<Record<string, Fault>> = {
  'no open': put(['open', null]),
  'no high': put(['high', null]),
  'no low': put(['low', null]),
  'no close': put(['close', null]),
  'no price at all': allPrices(null),
  'an open in words': put(['open', '601.5']),
  'a close that is no number': put(['close', Number.NaN]),
  'an infinite close': put(['close', Number.POSITIVE_INFINITY]),
  'a close that is an object': put(['close', { raw: 600 }]),
  'an open of 0': put(['open', 0]),
  'a low of 0': put(['low', 0]),
  'a close of 0': put(['close', 0]),
  'nothing but 0': allPrices(0),
  'a negative close': scale(-1, 1, ['close']),
  'negative prices': scale(-1),
  'high and low exchanged': (answer, at) =>
    Object.assign(row(answer, at), { high: row(answer, at).low, low: row(answer, at).high }),
  'an open below the low': shift('open', -8),
  'an open above the high': shift('open', 8),
  'a close below the low': shift('close', -8),
  'a close above the high': shift('close', 8),
  'a high below the close': shift('high', -4),
  'a low above the open': shift('low', 4),
  pounds: scale(0.01),
  'a hundred times the price': scale(100),
  'a close in pounds': scale(0.01, 1, ['close']),
  'a low in pounds': scale(0.01, 1, ['low']),
  'a high a hundred times too high': scale(100, 1, ['high']),
  'an open and a low in pounds': scale(0.01, 1, ['open', 'low']),
  'two rows in pounds': scale(0.01, 2),
  'five rows in pounds': scale(0.01, 5),
  'five rows a hundred times too high': scale(100, 5),
  'no time': put(['time', null]),
  'a time in words': put(['time', 'yesterday']),
  'a time in milliseconds': (answer, at) => put(['time', Number(row(answer, at).time) * 1000])(answer, at),
  'a time far ahead': put(['time', 9e9]),
  'a time ten days back': (answer, at) =>
    put(['time', Number(row(answer, at).time) - (at > 0 ? 864_000 : 0)])(answer, at),
  'the same row again, empty': again({ open: null, high: null, low: null, close: null, volume: null, adjusted: null }),
  'the same row again, all 0': again({ open: 0, high: 0, low: 0, close: 0, volume: 0, adjusted: 0 }),
  'the same row again, in pounds': again({ open: 6, high: 6.05, low: 5.9, close: 6 }),
  'a negative volume': put(['volume', -5]),
  'no volume': put(['volume', null]),
  'a volume in words': put(['volume', '1,000']),
  'no adjusted close': put(['adjusted', null]),
  'an adjusted close in words': put(['adjusted', '-Infinity']),
  'an adjusted close of 0': put(['adjusted', 0]),
  'a negative adjusted close': scaleAdjusted(-1),
  'an adjusted close above the close': scaleAdjusted(1.2),
  'half an adjusted close': scaleAdjusted(0.5),
  'a plain close among adjusted ones': (answer, at) => put(['adjusted', row(answer, at).close])(answer, at),
  'a dividend not taken off': step(60, () => 1),
  'a dividend taken off twice': step(60, (amount, close) => 1 - (2 * amount) / close),
  'a capital gain taken off again': (answer, at) => {
    answer.capitalGains.one = { date: opening(90), amount: 4 }
    step(90, (amount, close) => 1 - (amount + 4) / close)(answer, at)
  },
  'a dividend in another currency': ({ dividends }) => {
    dividends[60] = { date: opening(60), amount: 0.15, currency: 'USD' }
  },
  'no adjusted closes at all': ({ rows }) => {
    for (const each of rows) each.adjusted = undefined
  },
  'a split told and not applied': unsplit(0),
  'a split told and applied in part': unsplit(10),
  'a split of nothing': ({ splits }) => {
    splits.bad = { date: opening(50), numerator: 0, denominator: 1 }
  },
  'closes that end early': ({ missing }) => {
    missing.close = 3
  },
  'volumes that end early': ({ missing }) => {
    missing.volume = 3
  },
}

function bodyOf({ interval, rows, dividends, splits, capitalGains, missing }: Answer): unknown {
  const column = (name: keyof Row) => rows.map((each) => each[name]).slice(0, rows.length - (missing[name] ?? 0))
  const quote = Object.fromEntries([...priceNames, 'volume' as const].map((name) => [name, column(name)]))
  const meta = {
    exchangeTimezoneName: 'America/New_York',
    instrumentType: 'EQUITY',
    currency: 'GBp',
    chartPreviousClose: priceOf(0).close,
  }
  const indicators = {
    quote: [quote],
    ...(interval === 'DAY_1' ? { adjclose: [{ adjclose: column('adjusted') }] } : {}),
  }
  const events = { dividends, splits, capitalGains }
  return { chart: { result: [{ meta, timestamp: column('time'), events, indicators }] } }
}

/** What the candle really cost. */
function truth(interval: Interval, i: number, adjustment: Adjustment): Record<Price, number> {
  const { open, high, low, close } = priceOf(i)
  const day = dayOf(interval, i)
  const factor = { NONE: day < splitAt ? sharesPerShare : 1, SPLITS: 1, SPLITS_AND_DIVIDENDS: shareOf(day) }[adjustment]
  return { open: open * factor, high: high * factor, low: low * factor, close: close * factor }
}

const isBeside = (a: number, b: number): boolean => Math.abs(a / b - 1) < 1e-5

function check(interval: Interval, fault: Fault, at: number, name: string): void {
  const answer = goodAnswer(interval)
  fault(answer, at)
  const query = { symbol: 'TEST', interval, extendedHours: false, from: 0, to: 1e10 } as const
  const batch = readChart(bodyOf(answer), query, Date.UTC(2026, 0, 1))
  const days = readChart(bodyOf(goodAnswer('DAY_1')), { ...query, interval: 'DAY_1' }, Date.UTC(2026, 0, 1))
  const facts = {
    timezone: interval === 'DAY_1' ? null : 'America/New_York',
    splits: days.splits,
    days: interval === 'DAY_1' ? [] : days.candles,
  }
  const places = new Map(Array.from({ length: count }, (_, i) => [epochOf(interval, i), i]))
  assert.ok(batch.candles.length >= count - 8, `${name}: only ${batch.candles.length} candles`)
  for (const adjustment of adjustments) {
    const candles = adjusted(batch.candles, adjustment, facts)
    for (const candle of candles) {
      const where = `${name}, ${adjustment}: ${JSON.stringify(candle)}`
      const place = places.get(candle.epoch)
      assert.ok(place !== undefined, where)
      const { open, high, low, close, volume } = candle
      assert.ok(low > 0 && Math.max(open, low, close) <= high && Math.min(open, high, close) >= low, where)
      assert.ok(volume === null || (volume > 0 && Number.isFinite(volume)), where)
      const right = truth(interval, place, adjustment)
      for (const each of priceNames) assert.ok(isBeside(candle[each], right[each]), `${where}: not ${right[each]}`)
    }
    checkIndicators(interval, candles, `${name}, ${adjustment}`)
  }
  // Rows without a time of their own cannot be counted under it.
  if (name.includes('time')) return
  const known = new Set([...batch.candles.map(({ epoch }) => epoch), ...batch.excluded])
  for (const epoch of places.keys()) assert.ok(known.has(epoch), `${name}: ${epoch} is neither served nor counted`)
}

interface Entry {
  readonly description: string
  readonly parameters: Readonly<Record<string, Parameter>>
  readonly compute: (
    input: IndicatorInput,
    parameters: Readonly<Record<string, number | string>>,
  ) => Steps<Readonly<Record<string, Output>>>
}
const indicators = Object.entries(catalogue as unknown as Readonly<Record<string, Entry>>)

/** Within the bounds that the schema promises, as the description says them; without bounds, finite. */
function checkIndicators(interval: Interval, candles: readonly Candle[], where: string): void {
  const input: IndicatorInput = {
    candles: toColumns(candles),
    first: 0,
    isWhole: true,
    interval,
    timezone: 'America/New_York',
  }
  for (const [name, { description, parameters, compute }] of indicators) {
    const [, least = '-Infinity', most = 'Infinity'] = /(-?\d+) to (\d+)/.exec(description) ?? []
    const defaults = Object.fromEntries(Object.entries(parameters).map(([key, each]) => [key, each.default]))
    for (const [part, values] of Object.entries(finished(compute(input, defaults)))) {
      for (const value of values) {
        const isRight =
          Number.isNaN(value) || (Number.isFinite(value) && value >= Number(least) && value <= Number(most))
        if (!isRight) assert.fail(`${where}: ${name}.${part} is ${value}`)
      }
    }
  }
}

test('an answer without a fault is served as it is', () => {
  for (const interval of ['DAY_1', 'MINUTE_15'] as const) {
    check(interval, () => {}, 0, 'no fault')
    const { candles } = readChart(
      bodyOf(goodAnswer(interval)),
      { symbol: 'TEST', interval, extendedHours: false, from: 0, to: 1e10 },
      Date.UTC(2026, 0, 1),
    )
    assert.deepEqual(
      candles.map(({ open, high, low, close }) => ({ open, high, low, close })),
      Array.from({ length: count }, (_, i) => priceOf(i)),
    )
  }
})

test('there are faults of forty kinds', () => {
  assert.ok(Object.keys(faults).length >= 40)
  assert.ok(indicators.filter(([, { description }]) => /(-?\d+) to (\d+)/.test(description)).length >= 5)
})

for (const [name, fault] of Object.entries(faults)) {
  test(`whatever is served is right, and what is not is counted: ${name}`, () => {
    for (const interval of ['DAY_1', 'MINUTE_15'] as const) {
      // The first row and the last, those beside a split and a dividend, and one in the middle.
      for (const at of [0, 1, 29, 30, 45, 59, 60, 90, count - 2, count - 1]) {
        check(interval, fault, at, `${name}, ${interval} at ${at}`)
      }
    }
  })
}
