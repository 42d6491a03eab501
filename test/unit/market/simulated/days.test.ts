import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Bar } from '../../../../src/market/simulated/bars.ts'
import { simulatedDays } from '../../../../src/market/simulated/days.ts'
import {
  type SimulatedInstrument,
  simulatedInstruments,
} from '../../../../src/market/simulated/instruments/instruments.ts'
import { simulatedPaths } from '../../../../src/market/simulated/paths.ts'
import { tradingHours } from '../../../../src/market/simulated/trading-hours.ts'
import { firstDay } from '../../../../src/market/simulated/walks/walks.ts'

const days = simulatedDays(simulatedPaths(), tradingHours('always'))
const instruments = [...simulatedInstruments(120, 3).values()].filter((_, i) => i % 3 === 0 || i < 15)
const dayCount = 4000

const barsOf = (of: SimulatedInstrument): Bar[] =>
  Array.from({ length: dayCount }, (_, i) => days.bar(of, firstDay + i) ?? assert.fail())

const returnsOf = (of: SimulatedInstrument): number[] => {
  const closes = barsOf(of).map(({ close }) => close)
  return closes.slice(1).map((close, i) => Math.log(close / (closes[i] ?? Number.NaN)))
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

function autocorrelation(values: readonly number[]): number {
  const centre = mean(values)
  const variance = mean(values.map((value) => (value - centre) ** 2))
  return mean(values.slice(1).map((value, i) => (value - centre) * ((values[i] ?? Number.NaN) - centre))) / variance
}

test('volatility clusters: absolute daily returns are autocorrelated, returns themselves are not', () => {
  const absolute = mean(instruments.map((of) => autocorrelation(returnsOf(of).map(Math.abs))))
  const plain = mean(instruments.map((of) => autocorrelation(returnsOf(of))))
  assert.ok(absolute > 0.1, `absolute: ${absolute}`)
  assert.ok(Math.abs(plain) < 0.03, `plain: ${plain}`)
})

test('each instrument is as volatile as it should be', () => {
  const ratios: number[] = []
  for (const of of instruments) {
    const yearly = Math.sqrt(365 * mean(returnsOf(of).map((each) => each ** 2)))
    const ratio = yearly / of.yearlyVolatility
    assert.ok(ratio > 0.7 && ratio < 1.5, `${of.instrument.symbol}: ${yearly} for ${of.yearlyVolatility}`)
    ratios.push(ratio)
  }
  assert.ok(Math.abs(mean(ratios) - 1) < 0.08, `${mean(ratios)} on average`)
})

test('the worst days are bad, but no market breaks down', () => {
  for (const of of instruments) {
    const worst = Math.max(...returnsOf(of).map(Math.abs)) / (of.yearlyVolatility / Math.sqrt(365))
    assert.ok(worst > 3 && worst < 12, `${of.instrument.symbol}: ${worst} usual days' moves`)
  }
})

test('a price stays within a plausible distance of its growing level for over a decade', () => {
  for (const of of instruments) {
    barsOf(of).forEach(({ close }, i) => {
      const years = (firstDay + i - Date.UTC(2025, 0, 1) / 86_400_000) / 365
      const level = of.level * of.stepsPerUnit * Math.exp(of.yearlyGrowth * years)
      const distance = Math.abs(Math.log(close / level)) / of.yearlyVolatility
      assert.ok(distance < 4, `${of.instrument.symbol} on day ${i}: ${close} for ${level}`)
    })
  }
})

test('the mild pull keeps the level: without it, the walk would be three times as far away after a decade', () => {
  const distances = instruments.map((of) => {
    const level = of.level * of.stepsPerUnit * Math.exp((of.yearlyGrowth * (firstDay + 3999 - 20_089)) / 365)
    return Math.log((days.bar(of, firstDay + 3999) ?? assert.fail()).close / level) / of.yearlyVolatility
  })
  // Stationary deviation: sqrt(1 / (365 * 2 / 300)) = 0.64 years' volatility. Of a free walk after 11 years: 3.3.
  const spread = Math.sqrt(mean(distances.map((each) => each ** 2)))
  assert.ok(spread > 0.3 && spread < 1.2, `${spread}`)
})

test('every day is a sound bar of positive whole numbers that opens near the close before', () => {
  for (const of of instruments) {
    let previous = days.previousClose(of, firstDay)
    barsOf(of).forEach((bar, i) => {
      const { open, high, low, close, volume } = bar
      assert.ok(
        Object.values(bar).every(Number.isSafeInteger) && low >= 1 && volume > 0 === of.hasVolume,
        JSON.stringify(bar),
      )
      assert.ok(low <= Math.min(open, close) && high >= Math.max(open, close), JSON.stringify(bar))
      assert.equal(days.previousClose(of, firstDay + i), previous)
      assert.ok(Math.abs(Math.log(open / previous)) < of.yearlyVolatility / 10, `gap from ${previous} to ${open}`)
      previous = close
    })
  }
})

test('a market that never closes opens at the close before, others near it', () => {
  const gaps = (symbol: string) => {
    const of = instruments.find(({ instrument }) => instrument.symbol === symbol)
    assert.ok(of)
    return barsOf(of).filter((bar, i) => bar.open !== days.previousClose(of, firstDay + i)).length
  }
  assert.equal(gaps('BTC-USD'), 0)
  assert.ok(gaps('AAPL') > dayCount / 2)
})

test('the extremes of a range of days are those of its bars, across blocks and before the first day', () => {
  const [of] = instruments
  assert.ok(of)
  const range = barsOf(of).slice(300, 800)
  assert.deepEqual(days.extremes(of, firstDay + 300, firstDay + 800), {
    high: Math.max(...range.map(({ high }) => high)),
    low: Math.min(...range.map(({ low }) => low)),
  })
  assert.deepEqual(days.extremes(of, firstDay - 10, firstDay + 3), days.extremes(of, firstDay, firstDay + 3))
  assert.equal(days.extremes(of, firstDay - 10, firstDay), null)
})

test('more blocks than are kept: the days are built again the same', () => {
  const small = simulatedInstruments(3000, 3)
  const [of] = small.values()
  assert.ok(of)
  const before = days.bar(of, firstDay + 100)
  for (const other of small.values()) {
    for (let day = 0; day < 4 * 73; day += 73) days.bar(other, firstDay + day)
  }
  assert.deepEqual(days.bar(of, firstDay + 100), before)
})

test('a day by itself is the same as among others', () => {
  const others = simulatedDays(simulatedPaths(), tradingHours('always'))
  for (const of of instruments) {
    for (const day of [firstDay, firstDay + 72, firstDay + 73, firstDay + 3777]) {
      assert.deepEqual(others.single(of, day), days.bar(of, day))
    }
  }
})
