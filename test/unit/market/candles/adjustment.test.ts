import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SourceCandle } from '../../../../src/domain/candle.ts'
import { finished } from '../../../../src/domain/steps.ts'
import { adjusted as adjustedInSteps } from '../../../../src/market/candles/adjustment.ts'

const adjusted = (...given: Parameters<typeof adjustedInSteps>) => finished(adjustedInSteps(...given))

const at = (iso: string): number => Date.parse(iso) / 1000
const day = (date: string): number => at(`${date}T00:00:00Z`)
const candle = (epoch: number, price: number, adjustedClose: number | null = null): SourceCandle => ({
  epoch,
  open: price,
  high: price + 1,
  low: price - 1,
  close: price,
  volume: 1200,
  closed: true,
  adjustedClose,
})
const nothing = { timezone: null, splits: [], days: [] }
const brief = (candles: readonly { open: number; close: number; volume: number | null }[]) =>
  candles.map(({ open, close, volume }) => [open, close, volume])

test('adjusted for splits is as the source has it, to the bit', () => {
  const candles = [candle(day('2025-01-02'), 75.0875015258789, 70)]
  assert.equal(adjusted(candles, 'SPLITS', nothing), candles)
})

test('as traded, prices are times the splits after their date and volumes divided by them; the day of a split is after it', () => {
  const candles = ['2024-06-06', '2024-06-07', '2024-06-10', '2025-02-03'].map((date) => candle(day(date), 100))
  const splits = [
    { epoch: day('2024-06-10'), numerator: 10, denominator: 1 },
    { epoch: day('2024-06-07'), numerator: 3, denominator: 2 },
  ]
  assert.deepEqual(brief(adjusted(candles, 'NONE', { ...nothing, splits })), [
    [1500, 1500, 80],
    [1000, 1000, 120],
    [100, 100, 1200],
    [100, 100, 1200],
  ])
})

test('as traded, a minute is of the date on the exchange, not in Greenwich', () => {
  const splits = [{ epoch: day('2025-02-04'), numerator: 2, denominator: 1 }]
  // Sydney opens at 23:00 UTC the day before; New York's evening is the next day in Greenwich.
  const inSydney = [candle(at('2025-02-03T04:00:00Z'), 10), candle(at('2025-02-03T23:00:00Z'), 10)]
  const inNewYork = [candle(at('2025-02-04T00:30:00Z'), 10), candle(at('2025-02-04T09:00:00Z'), 10)]
  for (const [timezone, candles] of [
    ['Australia/Sydney', inSydney],
    ['America/New_York', inNewYork],
  ] as const) {
    assert.deepEqual(
      adjusted(candles, 'NONE', { ...nothing, timezone, splits }).map(({ close }) => close),
      [20, 10],
      timezone,
    )
  }
})

test("with dividends, a day's close is its adjusted close itself and its other prices are scaled alike; volume stays", () => {
  const [first, second, third] = adjusted(
    [candle(day('2025-01-02'), 200, 150.123), candle(day('2025-01-03'), 100, 100), candle(day('2025-01-06'), 0, 0)],
    'SPLITS_AND_DIVIDENDS',
    nothing,
  )
  const factor = 150.123 / 200
  assert.deepEqual(
    [first?.open, first?.high, first?.low, first?.close, first?.volume],
    [200 * factor, 201 * factor, 199 * factor, 150.123, 1200],
  )
  assert.equal(second?.close, 100)
  assert.equal(third?.close, 0)
})

test('with dividends, a day without a possible adjusted close has no candle, nor have its minutes', () => {
  const days = [null, 0, -5, 95].map((adjustedClose, i) => candle(day(`2025-01-0${i + 6}`), 100, adjustedClose))
  assert.deepEqual(
    adjusted(days, 'SPLITS_AND_DIVIDENDS', nothing).map(({ close }) => close),
    [95],
  )
  const minutes = days.map(({ epoch }) => candle(epoch + 15 * 3600, 10))
  const timezone = 'America/New_York'
  assert.deepEqual(
    adjusted(minutes, 'SPLITS_AND_DIVIDENDS', { ...nothing, timezone, days }).map(({ close }) => close),
    [9.5],
  )
  assert.deepEqual(adjusted(minutes, 'SPLITS_AND_DIVIDENDS', { ...nothing, timezone }), [])
})

test('with dividends, rounding never puts the close outside of the range', () => {
  for (let i = 1; i <= 2000; i++) {
    const price = i * 0.37
    const flat = { ...candle(day('2025-01-06'), price, price * 0.9731), high: price, low: price }
    for (const { high, low, close } of adjusted([flat], 'SPLITS_AND_DIVIDENDS', nothing)) {
      assert.ok(low <= close && close <= high, `${low} ${close} ${high}`)
    }
  }
})

test('with dividends, a minute is scaled as its day, and as the next one where its day has no usable row', () => {
  const timezone = 'America/New_York'
  const days = [candle(day('2025-01-02'), 100, 50), candle(day('2025-01-06'), 100, 80)]
  const minutes = ['2025-01-02T15:00:00Z', '2025-01-03T15:00:00Z', '2025-01-06T15:00:00Z', '2025-01-07T15:00:00Z']
  const result = adjusted(
    minutes.map((iso) => candle(at(iso), 10)),
    'SPLITS_AND_DIVIDENDS',
    { ...nothing, timezone, days },
  )
  assert.deepEqual(
    result.map(({ close }) => close),
    [5, 8, 8, 8],
  )
})
