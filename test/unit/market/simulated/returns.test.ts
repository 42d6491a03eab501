import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type SimulatedInstrument,
  simulatedInstruments,
} from '../../../../src/market/simulated/instruments/instruments.ts'
import { simulatedPrices } from '../../../../src/market/simulated/prices.ts'

const instruments = simulatedInstruments(110, 1)
const prices = simulatedPrices()
const firstDay = Date.UTC(2019, 0, 1) / 86_400_000
const dayCount = 1500
const monday = Date.UTC(2025, 0, 6) / 86_400_000
const minuteDays = 20

function instrument(symbol: string): SimulatedInstrument {
  const of = instruments.get(symbol)
  assert.ok(of, symbol)
  return of
}

const changes = (values: readonly number[]): number[] =>
  values.slice(1).map((value, i) => Math.log(value / (values[i] ?? Number.NaN)))

const daily = (symbol: string): number[] =>
  changes(Array.from({ length: dayCount }, (_, i) => prices.day(instrument(symbol), firstDay + i)?.close ?? Number.NaN))

/** Closes of the parts of many days, so many minutes each. */
function closes(symbol: string, size: number): number[] {
  const of = instrument(symbol)
  return Array.from({ length: (minuteDays * 1440) / size }, (_, i) => {
    const from = monday * 1440 + i * size
    const day = prices.hoursOf(of).on(Math.floor(from / 1440)) ?? assert.fail()
    return prices.bar(of, { part: 'REGULAR', day, from, to: from + size }).close
  })
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

function correlation(a: readonly number[], b: readonly number[]): number {
  const [centreA, centreB] = [mean(a), mean(b)]
  const product = mean(a.map((value, i) => (value - centreA) * ((b[i] ?? Number.NaN) - centreB)))
  const spread = (values: readonly number[], centre: number) => mean(values.map((value) => (value - centre) ** 2))
  return product / Math.sqrt(spread(a, centreA) * spread(b, centreB))
}

function beta(symbol: string): number {
  const [market, share] = [daily('^GSPC'), daily(symbol)]
  const size = (values: readonly number[]) => Math.sqrt(mean(values.map((each) => each ** 2)))
  return (correlation(market, share) * size(share)) / size(market)
}

const followers = [
  ['^GSPC', 'SPY'],
  ['^GSPC', 'VOO'],
  ['^GSPC', 'VFIAX'],
  ['^GSPC', 'ES=F'],
  ['^IXIC', 'QQQ'],
  ['^DJI', 'DIA'],
  ['^RUT', 'IWM'],
] as const

test('daily changes of an index and its funds have a correlation of at least 0.99', () => {
  for (const [index, fund] of followers) {
    const found = correlation(daily(index), daily(fund))
    assert.ok(found >= 0.99, `${index} and ${fund}: ${found}`)
  }
})

test('changes of minutes of an index and its funds have a correlation of at least 0.9', () => {
  for (const [index, fund] of followers) {
    const found = correlation(changes(closes(index, 1)), changes(closes(fund, 1)))
    assert.ok(found >= 0.9, `${index} and ${fund}: ${found}`)
  }
})

test('an index moves with its members, weighted by their market values', () => {
  const members = [...instruments.values()].filter(
    ({ instrument: { kind, currency, symbol } }) =>
      kind === 'EQUITY' && currency === 'USD' && !symbol.startsWith('SIM'),
  )
  const total = new Array<number>(dayCount - 1).fill(0)
  for (const {
    instrument: { symbol },
    level,
    shares,
  } of members) {
    for (const [i, change] of daily(symbol).entries()) total[i] = (total[i] ?? 0) + change * level * (shares ?? 0)
  }
  const found = correlation(total, daily('^GSPC'))
  assert.ok(found > 0.85, `${found}`)
})

test('shares have the betas that they are known for, and gold, bonds and currencies none', () => {
  for (const [symbol, wanted] of [
    ['NVDA', 1.7],
    ['TSLA', 1.9],
    ['AAPL', 1.2],
    ['KO', 0.5],
    ['JNJ', 0.5],
    ['SPY', 1],
  ] as const) {
    assert.ok(Math.abs(beta(symbol) - wanted) < 0.25, `${symbol}: ${beta(symbol)}`)
  }
  for (const symbol of ['GC=F', 'TLT', 'EURUSD=X', 'BTC-USD', 'CL=F']) {
    const found = correlation(daily('^GSPC'), daily(symbol))
    assert.ok(Math.abs(found) < 0.1, `${symbol}: ${found}`)
  }
  assert.ok(correlation(daily('^GSPC'), daily('^VIX')) < -0.6)
})

test('cryptocurrencies move together, and so do gold and its fund', () => {
  assert.ok(correlation(daily('BTC-USD'), daily('ETH-USD')) > 0.7)
  assert.ok(correlation(daily('GC=F'), daily('GLD')) > 0.9)
})

const liquid = [
  '^GSPC',
  'SPY',
  'AAPL',
  'KO',
  'F',
  'BTC-USD',
  'EURUSD=X',
  'GC=F',
  'SHEL.L',
  '7203.T',
  'SIM0001',
  'SIM0007',
]

test('neither minutes nor hours revert: neighbouring changes have nothing in common', () => {
  const autocorrelation = (values: readonly number[]) => correlation(values.slice(1), values.slice(0, -1))
  const minutes = liquid.map((symbol) => autocorrelation(changes(closes(symbol, 1))))
  for (const [i, each] of minutes.entries()) assert.ok(Math.abs(each) < 0.03, `${liquid[i]}: ${each}`)
  const hours = mean(liquid.map((symbol) => autocorrelation(changes(closes(symbol, 60)))))
  assert.ok(Math.abs(hours) < 0.05, `hours: ${hours}`)
})

test('the variance of changes grows in proportion to time, from a minute to an hour', () => {
  for (const [size, slack] of [
    [5, 0.04],
    [15, 0.06],
    [60, 0.1],
  ] as const) {
    const ratio = mean(
      liquid.map((symbol) => {
        const variance = (minutes: number) => mean(changes(closes(symbol, minutes)).map((each) => each ** 2))
        return variance(size) / (size * variance(1))
      }),
    )
    assert.ok(Math.abs(ratio - 1) < slack, `${size} minutes: ${ratio}`)
  }
})

test('a day reaches exactly as far as the furthest of its minutes, though most of them are never looked at', () => {
  for (const symbol of liquid) {
    const of = instrument(symbol)
    for (let number = monday; number < monday + 40; number++) {
      const day = prices.hoursOf(of).on(number) ?? assert.fail()
      const minutes = Array.from({ length: 1440 }, (_, i) => {
        const from = number * 1440 + i
        return prices.bar(of, { part: 'REGULAR', day, from, to: from + 1 })
      })
      const { high, low } = prices.day(of, number) ?? assert.fail()
      const highest = minutes.reduce((best, each) => Math.max(best, each.high), 0)
      const lowest = minutes.reduce((best, each) => Math.min(best, each.low), Number.POSITIVE_INFINITY)
      assert.deepEqual([high, low], [highest, lowest], `${symbol} on day ${number}`)
    }
  }
})
