import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Columns, prices } from '../../../../src/analysis/indicators/columns.ts'
import { finished } from '../../../../src/domain/steps.ts'
import { candleKinds, randomNumbers } from '../../../support/candles/generated-candles.ts'

/** The mean as it is defined, by way of text. */
const meanOf = (...values: number[]): number =>
  Number((values.reduce((sum, value) => sum + value, 0) / values.length).toPrecision(14))

function assertMeans({ open, high, low, close, ...rest }: Columns, what: string): void {
  const candles = { open, high, low, close, ...rest }
  const [hl2, hlc3, ohlc4] = [
    finished(prices(candles, 'HL2')),
    finished(prices(candles, 'HLC3')),
    finished(prices(candles, 'OHLC4')),
  ]
  for (const i of close.keys()) {
    const [o, h, l, c] = [open, high, low, close].map((column) => column[i] as number) as [
      number,
      number,
      number,
      number,
    ]
    assert.deepEqual(
      [hl2[i], hlc3[i], ohlc4[i]],
      [meanOf(h, l), meanOf(h, l, c), meanOf(o, h, l, c)],
      `${what} at ${i}`,
    )
  }
}

test('means of prices are rounded to 14 digits as toPrecision rounds them', () => {
  for (const [kind, candlesOf] of Object.entries(candleKinds)) assertMeans(candlesOf(2000, 3), kind)
})

/** Doubles from random ones in [0, 1). */
const kinds: Readonly<Record<string, (random: () => number) => number>> = {
  'of any magnitude': (random) => random() * 10 ** Math.floor(random() * 50 - 25),
  'of many digits': (random) => 200 * random(),
  'whose 15th digit is a 5, or nearly': (random) =>
    (Math.floor(random() * 1e14) + 0.5 + (random() < 0.5 ? 0 : 0.1 * (random() - 0.5))) /
    10 ** Math.floor(random() * 24),
  'next to powers of ten': (random) =>
    10 ** Math.floor(random() * 30 - 12) *
    (1 + Math.round(8 * (random() - 0.5)) * 2 ** -Math.floor(40 + 14 * random())),
}

for (const [kind, of] of Object.entries(kinds)) {
  test(`means ${kind} are rounded as toPrecision rounds them`, () => {
    const coarse = randomNumbers(5)
    const random = (): number => coarse() + coarse() * 2 ** -32
    const mean = Float64Array.from({ length: 20_000 }, () => (random() < 0.5 ? of(random) : -of(random)))
    assertMeans({ epoch: mean, open: mean, high: mean, low: mean, close: mean, volume: mean }, kind)
  })
}
