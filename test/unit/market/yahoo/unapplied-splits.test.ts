import assert from 'node:assert/strict'
import { test } from 'node:test'
import { finished } from '../../../../src/domain/steps.ts'
import { adjusted as adjustedInSteps } from '../../../../src/market/candles/adjustment.ts'
import type { Nonsense } from '../../../../src/market/quarantine.ts'
import { readChart } from '../../../../src/market/yahoo/chart.ts'

const adjusted = (...given: Parameters<typeof adjustedInSteps>) => finished(adjustedInSteps(...given))

const firstDay = Date.UTC(2025, 2, 3)
const dayMs = 86_400_000
/** When New York opens on the nth day. */
const opening = (n: number): number => (firstDay + n * dayMs) / 1000 + 14.5 * 3600
const midnight = (n: number): number => (firstDay + n * dayMs) / 1000

/** Days with these closes and adjusted closes, and a split on the nth of them. */
function read(
  closes: readonly number[],
  at: number,
  numerator: number,
  denominator: number,
  adjclose: readonly number[] = closes,
) {
  const column = closes.map((close) => close)
  const quote = { open: column, high: column, low: column, close: column, volume: closes.map(() => 1900) }
  const splits = { [opening(at)]: { date: opening(at), numerator, denominator } }
  const meta = { exchangeTimezoneName: 'America/New_York', instrumentType: 'EQUITY' }
  const indicators = { quote: [quote], adjclose: [{ adjclose }] }
  const body = {
    chart: { result: [{ meta, timestamp: closes.map((_, i) => opening(i)), indicators, events: { splits } }] },
  }
  const reasons: Nonsense[] = []
  const query = { symbol: 'TEST', interval: 'DAY_1', extendedHours: false, from: 0, to: 1e10 } as const
  const batch = readChart(body, query, firstDay + 100 * dayMs, (reason) => reasons.push(reason))
  const asTraded = adjusted(batch.candles, 'NONE', { timezone: null, splits: batch.splits, days: [] })
  return { ...batch, reasons, closes: batch.candles.map(({ close }) => close), asTraded }
}

test('a split that was told and not applied is applied to the days before it, and undone for prices as traded', () => {
  const { closes, asTraded, candles, reasons, splits } = read([0.021, 0.019, 2.51, 1.96], 2, 1, 190)
  assert.deepEqual(closes, [3.99, 3.61, 2.51, 1.96])
  assert.deepEqual(
    candles.map(({ volume }) => volume),
    [10, 10, 1900, 1900],
  )
  assert.deepEqual(
    candles.map(({ adjustedClose }) => adjustedClose),
    [3.99, 3.61, 2.51, 1.96],
  )
  assert.deepEqual(splits, [{ epoch: midnight(2), numerator: 1, denominator: 190 }])
  assert.deepEqual(reasons, ['split not applied'])
  for (const [i, close] of [0.021, 0.019, 2.51, 1.96].entries()) {
    assert.ok(Math.abs((asTraded[i]?.close ?? 0) / close - 1) < 1e-6, `${asTraded[i]?.close} for ${close}`)
  }
})

test('adjusted closes that have the split already stay', () => {
  const { closes, candles, reasons } = read([0.021, 0.019, 2.51, 1.96], 2, 1, 190, [3.99, 3.61, 2.51, 1.96])
  assert.deepEqual(closes, [3.99, 3.61, 2.51, 1.96])
  assert.deepEqual(
    candles.map(({ adjustedClose }) => adjustedClose),
    [3.99, 3.61, 2.51, 1.96],
  )
  assert.deepEqual(reasons, ['split not applied'])
})

test('a split that was applied is not applied again', () => {
  for (const [numerator, denominator] of [
    [1, 190],
    [4, 1],
    [2, 1],
    [3, 2],
    [1, 100],
  ] as const) {
    const { closes, reasons } = read([100, 101, 97, 104], 2, numerator, denominator)
    assert.deepEqual([closes, reasons], [[100, 101, 97, 104], []], `${numerator}:${denominator}`)
  }
})

test('a split of shares into more is applied too, and one by a hundred is no other unit', () => {
  assert.deepEqual(read([100, 101, 50, 49], 2, 2, 1).closes, [50, 50.5, 50, 49])
  assert.deepEqual(read([1, 1.01, 104, 102], 2, 1, 100).closes, [100, 101, 104, 102])
  assert.deepEqual(read([100, 101, 1.02, 1.03], 2, 100, 1).closes, [1, 1.01, 1.02, 1.03])
})

test('of days of which only some lack the split, those get it', () => {
  assert.deepEqual(read([98, 99, 1, 1.01, 104, 102], 4, 1, 100).closes, [98, 99, 100, 101, 104, 102])
  assert.deepEqual(read([25, 25.5, 100, 101, 26], 4, 4, 1).closes, [25, 25.5, 25, 25.25, 26])
})

test('where the prices speak for neither, they stay as they are, and that is told', () => {
  const { closes, reasons } = read([100, 101, 800, 790], 2, 1, 50)
  assert.deepEqual([closes, reasons], [[100, 101, 800, 790], ['split in doubt']])
})

test('a split at the edge of the range or too small to see changes nothing', () => {
  assert.deepEqual(read([2.51, 1.96], 0, 1, 190).closes, [2.51, 1.96])
  assert.deepEqual(read([2.51, 1.96], 5, 1, 190).closes, [2.51, 1.96])
  assert.deepEqual(read([100, 91, 90], 1, 11, 10).closes, [100, 91, 90])
})
