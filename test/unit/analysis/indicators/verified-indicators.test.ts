import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Columns, toColumns } from '../../../../src/analysis/indicators/columns.ts'
import { macd, rsi } from '../../../../src/analysis/indicators/momentum.ts'
import { sma } from '../../../../src/analysis/indicators/moving-averages.ts'
import { atr, bollingerBands } from '../../../../src/analysis/indicators/volatility.ts'
import { finished } from '../../../../src/domain/steps.ts'

/**
 * The verified values are printed as doubles, in full. Other sums of the same numbers differ in the last digits, and a difference
 * of averages that are much alike loses two or three more.
 */
const tolerance = 1e-12

const folder = process.env.MARKET_DATA_DIR
const skip = folder === undefined ? 'MARKET_DATA_DIR is not set' : false
const read = (file: string): string => readFileSync(join(folder ?? '', file), 'utf8')

type Period = Readonly<Record<'period' | 'stdDev' | 'fast' | 'slow' | 'signal', number>>
const computed: Readonly<Record<string, (candles: Columns, of: Period) => Record<string, Float64Array>>> = {
  sma: ({ close }, { period }) => ({ sma: finished(sma(close, period)) }),
  rsi: ({ close }, { period }) => ({ rsi: rsi(close, period) }),
  atr: (candles, { period }) => ({ atr: finished(atr(candles, period)) }),
  macd: ({ close }, { fast, slow, signal }) => ({ ...finished(macd(close, fast, slow, signal)) }),
  bb: ({ close }, { period, stdDev }) => {
    const { upper, middle, lower } = finished(bollingerBands(close, period, stdDev))
    return { upperBand: upper, sma: middle, lowerBand: lower }
  },
}

function candlesOf(file: string, time: readonly string[]): Columns {
  const rows = read(`${file}.csv`).trim().split('\n').slice(1)
  const candles = rows.map((row) => {
    const [date = '', ...numbers] = row.split(',')
    const [open, high, low, close, volume] = numbers.map(Number) as [number, number, number, number, number]
    return { epoch: Date.parse(date) / 1000, open, high, low, close, volume, closed: true }
  })
  assert.deepEqual(
    candles.map(({ epoch }) => epoch),
    time.map((date) => Date.parse(date) / 1000),
  )
  return toColumns(candles)
}

for (const [name, compute] of Object.entries(computed)) {
  test(`${name} is what was computed and verified elsewhere, over real candles`, { skip }, () => {
    const { candles, params, time, series } = JSON.parse(read(`indicators/${name}.json`)) as {
      candles: string
      params: Period
      time: string[]
      series: Record<string, (number | null)[]>
    }
    for (const [part, values] of Object.entries(compute(candlesOf(candles, time), params))) {
      const verified = series[part] ?? assert.fail(`there is no verified ${part}`)
      assert.equal(values.length, verified.length)
      assert.ok(verified.filter((value) => value !== null).length > 400)
      for (const [i, value] of values.entries()) {
        const expected = verified[i] as number | null
        const agrees =
          expected === null ? Number.isNaN(value) : Math.abs(value - expected) <= tolerance * Math.abs(expected)
        assert.ok(agrees, `${part} on ${time[i]}: ${value}, not ${expected}`)
      }
    }
  })
}
