import assert from 'node:assert/strict'
import { test } from 'node:test'
import { finished } from '../../../../src/domain/steps.ts'
import { adjusted as adjustedInSteps } from '../../../../src/market/candles/adjustment.ts'
import type { Nonsense } from '../../../../src/market/quarantine.ts'
import { readChart } from '../../../../src/market/yahoo/chart.ts'

const adjusted = (...given: Parameters<typeof adjustedInSteps>) => finished(adjustedInSteps(...given))

const firstDay = Date.UTC(2025, 2, 3) / 1000
const midnight = (n: number): number => firstDay + n * 86_400
/** When New York opens on the nth day. */
const opening = (n: number): number => midnight(n) + 14.5 * 3600

interface Paid {
  /** The day from which on a buyer does not get it. */
  readonly day: number
  readonly amount: number
  readonly currency?: string
}

/** Days with these closes and adjusted closes. */
function read(
  closes: readonly number[],
  adjclose: readonly unknown[],
  { dividends = [], capitalGains = [] }: { dividends?: readonly Paid[]; capitalGains?: readonly Paid[] } = {},
  instrumentType = 'EQUITY',
  currency = 'USD',
) {
  const quote = { open: closes, high: closes, low: closes, close: closes, volume: closes.map(() => 1) }
  const keyed = (paid: readonly Paid[]) =>
    Object.fromEntries(paid.map(({ day, ...each }) => [opening(day), { date: opening(day), ...each }]))
  const meta = { exchangeTimezoneName: 'America/New_York', instrumentType, currency }
  const indicators = { quote: [quote], adjclose: [{ adjclose }] }
  const events = { dividends: keyed(dividends), capitalGains: keyed(capitalGains) }
  const timestamp = closes.map((_, i) => opening(i))
  const reasons: Nonsense[] = []
  const batch = readChart(
    { chart: { result: [{ meta, timestamp, indicators, events }] } },
    { symbol: 'TEST', interval: 'DAY_1', extendedHours: false, from: 0, to: 1e10 },
    (firstDay + 100 * 86_400) * 1000,
    (reason) => reasons.push(reason),
  )
  const shown = adjusted(batch.candles, 'SPLITS_AND_DIVIDENDS', { timezone: null, splits: [], days: [] })
  return { ...batch, reasons, adjusted: shown.map(({ close }) => close), epochs: shown.map(({ epoch }) => epoch) }
}

const isBeside = (actual: readonly number[], expected: readonly number[]): void => {
  assert.equal(actual.length, expected.length)
  for (const [i, price] of expected.entries()) {
    assert.ok(Math.abs((actual[i] ?? 0) / price - 1) < 1e-6, `${actual.join()} instead of ${expected.join()}`)
  }
}

test('where there is no adjusted close, there is no adjusted candle', () => {
  const { adjusted, epochs, candles } = read([10, 10, 10, 10, 10], ['-Infinity', null, 9, 0, 8])
  assert.deepEqual(adjusted, [9, 8])
  assert.deepEqual(epochs, [midnight(2), midnight(4)])
  // Their plain prices are there.
  assert.equal(candles.length, 5)
})

test('an adjusted close below 0 or above its close is none', () => {
  assert.deepEqual(read([10, 10, 10], [-9, 10, 10]).adjusted, [10, 10])
  assert.deepEqual(read([10, 10, 10], [11, 10, 10]).adjusted, [10, 10])
})

test('a dividend that was taken off twice, its capital gain once more, is taken off once', () => {
  const told = { dividends: [{ day: 1, amount: 7.86 }], capitalGains: [{ day: 1, amount: 6.42 }] }
  const { adjusted, reasons } = read([38, 30.2], [23.72, 30.2], told)
  isBeside(adjusted, [30.14, 30.2])
  assert.deepEqual(reasons, ['adjusted close'])
})

test('a dividend that was not taken off is, from all days before it', () => {
  const told = { dividends: [{ day: 2, amount: 0.7 }] }
  isBeside(read([37, 38, 37.2], [37, 38, 37.2], told).adjusted, [37 * (37.3 / 38), 37.3, 37.2])
})

test('what was taken off rightly stays to the bit, and is reported by nobody', () => {
  const told = { dividends: [{ day: 2, amount: 0.7 }] }
  const right = [36.318421, 37.3, 37.2, 39]
  const { adjusted, reasons } = read([37, 38, 37.2, 39], right, told)
  assert.deepEqual([adjusted, reasons], [right, []])
})

test('without a dividend, the adjusted close is the same share of the close from one day to the next', () => {
  isBeside(read([10, 10, 10, 10, 10], [9, 9, 10, 9, 9]).adjusted, [9, 9, 9, 9, 9])
  isBeside(read([10, 11, 12, 13, 14], [9, 9.9, 12, 13, 14]).adjusted, [10, 11, 12, 13, 14])
})

test('the newest day alone does not change all days before it', () => {
  assert.deepEqual(read([10, 10, 10, 10, 10], [9, 9, 9, 9, 5]).adjusted, [9, 9, 9, 9])
  assert.deepEqual(read([10, 10, 10, 10], [9, 9, 9, 10]).adjusted, [9, 9, 9])
  // Fewer than three days that agree say no more than the newest.
  assert.deepEqual(read([10, 10, 10], [9, 9, 10]).adjusted, [10, 10, 10])
})

test('a capital gain without a dividend lowers the adjusted closes before it', () => {
  const told = { capitalGains: [{ day: 1, amount: 2 }] }
  assert.deepEqual(read([10, 8], [8, 8], told).adjusted, [8, 8])
  isBeside(read([10, 8], [10, 8], told).adjusted, [8, 8])
})

test('a capital gain beside a dividend that does not hold it is taken off too', () => {
  const paid = (amount: number, gain: number) => ({
    dividends: [{ day: 1, amount }],
    capitalGains: [{ day: 1, amount: gain }],
  })
  // The price fell by both.
  const both = read([38, 23.8], [23.72, 23.8], paid(7.86, 6.42))
  assert.deepEqual([both.adjusted, both.reasons], [[23.72, 23.8], []])
  // The dividend is too small to hold the gain.
  assert.deepEqual(read([38, 31.4], [31.5, 31.4], paid(0.5, 6)).adjusted, [31.5, 31.4])
  isBeside(read([38, 31.4], [37.5, 31.4], paid(0.5, 6)).adjusted, [31.5, 31.4])
})

test('where the price does not tell clearly, a dividend holds the capital gain, as Yahoo has it by now', () => {
  const told = { dividends: [{ day: 1, amount: 0.7 }], capitalGains: [{ day: 1, amount: 0.5 }] }
  // Falls of 1 and 0.9, where 0.7 or 1.2 would be the whole.
  for (const close of [37, 37.1]) {
    for (const adjustedClose of [36.8, 37.3])
      isBeside(read([38, close], [adjustedClose, close], told).adjusted, [37.3, close])
  }
})

test('a capital gain in another currency is no measure of the step', () => {
  const told = { dividends: [{ day: 1, amount: 0.7 }], capitalGains: [{ day: 1, amount: 50, currency: 'JPY' }] }
  const { adjusted, reasons } = read([38, 37], [37, 37], told)
  assert.deepEqual([adjusted, reasons], [[37, 37], []])
})

test('a dividend in another currency, or told in pounds instead of pence, is no measure of the step', () => {
  const foreign = { day: 1, amount: 0.5, currency: 'GBp' }
  const inPounds = { day: 1, amount: 0.0188 }
  for (const dividend of [foreign, inPounds]) {
    const { adjusted, reasons } = read([100, 98], [98.12, 98], { dividends: [dividend] })
    assert.deepEqual([adjusted, reasons], [[98.12, 98], []])
  }
  isBeside(read([100, 98], [98.12, 98], { dividends: [{ ...foreign, currency: 'USD' }] }).adjusted, [99.5, 98])
  // Pence for pounds.
  assert.deepEqual(read([100, 99], [99.5, 99], { dividends: [{ day: 1, amount: 50 }] }).adjusted, [99.5, 99])
  const inPenceOfPounds = { dividends: [{ day: 1, amount: 1.5, currency: 'GBp' }] }
  assert.deepEqual(read([100, 98], [98.12, 98], inPenceOfPounds, 'EQUITY', 'GBP').adjusted, [98.12, 98])
})

test('a dividend in another currency does not make a share greater than that of the next day', () => {
  const foreign = { dividends: [{ day: 1, amount: 0.5, currency: 'GBp' }] }
  isBeside(read([100, 98, 99], [100, 97, 98], foreign).adjusted, [(100 * 97) / 98, 97, 98])
})

test('steps are right up to the rounding of prices and a tenth of the payment, and wrong beyond', () => {
  const paid = (amount: number) => ({ dividends: [{ day: 1, amount }] })
  assert.deepEqual(read([10, 9.8], [9.812, 9.8], paid(0.2)).adjusted, [9.812, 9.8])
  isBeside(read([10, 9.8], [9.83, 9.8], paid(0.2)).adjusted, [9.8, 9.8])
  assert.deepEqual(read([100, 100], [99.96, 100]).adjusted, [99.96, 100])
  isBeside(read([100, 100], [99.8, 100]).adjusted, [100, 100])
  isBeside(read([100, 99.7], [100, 99.7], paid(0.3)).adjusted, [99.7, 99.7])
})

test('an impossible dividend is no measure either', () => {
  const told = { dividends: [{ day: 1, amount: 120 }] }
  assert.deepEqual(read([100, 98], [98.8, 98], told).adjusted, [98.8, 98])
})

test("a future's adjusted close is its close, below 0 too", () => {
  assert.deepEqual(read([10, -37.63, 0, 10], [null, 5, 'x', 9], {}, 'FUTURE').adjusted, [10, -37.63, 0, 10])
})
