import assert from 'node:assert/strict'
import { test } from 'node:test'
import { performance } from '../../../src/analysis/performance.ts'
import type { Performance } from '../../../src/domain/analysis/backtest.ts'

const daySeconds = 86_400

/** Of one point a day. */
const of = (capital: number, equity: readonly number[]): Performance =>
  performance(capital, { epoch: equity.map((_, day) => day * daySeconds), equity })

const near = (actual: number | null, expected: number): void =>
  assert.ok(actual !== null && Math.abs(actual - expected) <= 1e-12 * Math.abs(expected), `${actual}, not ${expected}`)

test('Sharpe and Sortino are of the daily returns, the first against the capital, times the root of the points of a year', () => {
  // Returns: 0.1, -0.05, 0.2, -0.1. Mean 0.0375.
  const { sharpe, sortino } = of(100, [110, 104.5, 125.4, 112.86])
  // Squares of 0.0625, -0.0875, 0.1625, -0.1375: 0.00390625 + 0.00765625 + 0.02640625 + 0.01890625 = 0.056875, by 3.
  near(sharpe, (0.0375 / Math.sqrt(0.056875 / 3)) * Math.sqrt(365.25))
  // Squares of 0, -0.05, 0, -0.1: 0.0125, by 4.
  near(sortino, (0.0375 / Math.sqrt(0.0125 / 4)) * Math.sqrt(365.25))
})

/** Every day of 2015 to 2024 for which `isTraded`. */
const datesWhere = (isTraded: (date: Date) => boolean): number[] =>
  Array.from({ length: 3653 }, (_, day) => new Date(Date.UTC(2015, 0, 1 + day)))
    .filter(isTraded)
    .map((date) => date.getTime() / 1000)

const isWeekday = (date: Date): boolean => date.getUTCDay() % 6 !== 0
/** The first weekday of nine months: as many holidays as New York has. */
const isHoliday = (date: Date): boolean => {
  const [day, weekday] = [date.getUTCDate(), date.getUTCDay()]
  return date.getUTCMonth() < 9 && (day === 1 || (weekday === 1 && day <= 3))
}

for (const [what, isTraded, sharpe, sortino] of [
  ['trades every day', () => true, '0.47', '0.68'],
  ['trades on weekdays', isWeekday, '0.40', '0.58'],
  ['trades on weekdays but nine a year', (date: Date) => isWeekday(date) && !isHoliday(date), '0.39', '0.57'],
  ['has one candle a week', (date: Date) => date.getUTCDay() === 1, '0.18', '0.26'],
] as const) {
  test(`the same returns are annualised by the points that a series has which ${what}`, () => {
    const dates = datesWhere(isTraded)
    // As many returns up as down.
    const epoch = dates.slice(dates.length % 2)
    // Up by 2.049 % and down by 1.951 %: 0.39 at 252 a year.
    const mean = (0.39 / Math.sqrt(252)) * 0.02
    let value = 100
    const equity = epoch.map((_, i) => (value *= 1 + mean + (i % 2 === 0 ? 0.02 : -0.02)))
    const found = performance(100, { epoch, equity })
    assert.deepEqual([found.sharpe?.toFixed(2), found.sortino?.toFixed(2)], [sharpe, sortino])
  })
}

test('the annual return is compound over the days from the first point to the last', () => {
  const epoch = [0, 730.5 * daySeconds]
  near(performance(100, { epoch, equity: [100, 121] }).annualReturn, 0.1)
  near(performance(100, { epoch, equity: [50, 81] }).annualReturn, -0.1)
})

test('the annual return is null where no time passed, nothing is left, or it is beyond all numbers', () => {
  for (const equity of [90, 100, 110]) assert.equal(of(100, [equity]).annualReturn, null)
  assert.equal(of(100, [110, 0]).annualReturn, null)
  assert.equal(of(100, [110, -5]).annualReturn, null)
  // 10 to the power of 365.
  assert.equal(of(100, [100, 1000]).annualReturn, null)
})

test('the largest drawdown is of the highest equity before, the capital included', () => {
  near(of(100, [90, 95, 120, 60, 200, 110]).maxDrawdown, 0.5)
  near(of(100, [80, 90]).maxDrawdown, 0.2)
  assert.equal(of(100, [100, 101, 105]).maxDrawdown, 0)
})

test('the ratios are null where fewer than two returns are known or none deviates', () => {
  assert.deepEqual([of(100, []).sharpe, of(100, []).sortino], [null, null])
  assert.deepEqual([of(100, [90]).sharpe, of(100, [90]).sortino], [null, null])
  assert.deepEqual([of(100, [100, 100, 100]).sharpe, of(100, [100, 100, 100]).sortino], [null, null])
  const rising = of(100, [101, 103, 104])
  assert.ok(rising.sharpe !== null && rising.sortino === null)
})

test('returns that are the same but for rounding do not deviate', () => {
  for (const rate of [0.1, -0.03, 0.0007]) {
    const equity = Array.from({ length: 50 }, (_, day) => 1234.5 * (1 + rate) ** (day + 1))
    assert.equal(of(1234.5, equity).sharpe, null)
  }
  // A loss that is none: what is left of adding up the same amounts in another order.
  assert.equal(of(100, [100, 110, 110 - 1.5e-14, 112]).sortino, null)
})

test('once nothing is left there are no returns any more', () => {
  const [ruined, later] = [of(100, [90, -10]), of(100, [90, -10, -10, -10])]
  assert.deepEqual([later.sharpe, later.sortino], [ruined.sharpe, ruined.sortino])
  assert.ok(ruined.sharpe !== null)
  near(later.totalReturn, -1.1)
  near(later.maxDrawdown, 1.1)
})
