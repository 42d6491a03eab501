import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { type BacktestSymbol, backtest } from '../../../src/analysis/backtest.ts'
import { findSignals, signalsWarmUp } from '../../../src/analysis/signals.ts'
import type { BacktestRules } from '../../../src/domain/analysis/backtest.ts'
import { FinstageError } from '../../../src/domain/errors.ts'
import {
  bearish,
  bullish,
  columnsOf,
  daySeconds,
  generator,
  plainRules,
  type Row,
  symbolOf,
} from '../../support/analysis/backtests.ts'
import { type Recomputed, recomputed } from '../../support/analysis/recomputed-backtest.ts'

const numRuns = Number(process.env.PROPERTY_RUNS ?? 100)

const ofSome = <T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values)
const rulesArbitrary: fc.Arbitrary<BacktestRules> = fc.record({
  signals: ofSome(plainRules.signals, plainRules.signals.toReversed(), plainRules.signals.slice(1)),
  initialCapital: ofSome(1000, 12_345.67),
  positionSize: ofSome(0.05, 0.1, 0.3, 0.5, 1),
  holdDays: ofSome(1, 2, 3, 7, 30),
  stopLoss: ofSome(null, 0.02, 0.1, 0.5),
  takeProfit: ofSome(null, 0.02, 0.1, 1.5),
  cost: ofSome(0, 0.0005, 0.05),
})
const marketArbitrary = fc.record({
  seed: fc.nat(),
  symbols: fc.integer({ min: 1, max: 4 }),
  days: fc.integer({ min: 1, max: 60 }),
})

interface Market {
  readonly seed: number
  readonly symbols: number
  readonly days: number
}

/** Prices that leap, signals one day in three, and no candle one day in four. From day `otherFrom` on the prices and signals are others. */
function marketOf({ seed, symbols, days }: Market, otherFrom = Number.POSITIVE_INFINITY): BacktestSymbol[] {
  return Array.from({ length: symbols }, (_, place) => {
    const dates = generator(seed + place)
    const usual = generator(seed + 100 + place)
    const other = generator(seed + 200 + place)
    const first = Math.floor(3 * dates())
    let price = 100
    const rows: Row[] = []
    const signals = []
    for (let day = 0; day < days; day++) {
      const random = day < otherFrom ? usual : other
      if (dates() < 0.25) continue
      const leap = (size: number): number => 1 + size * (random() - 0.5)
      const open = price * leap(0.1)
      const close = open * (random() < 0.03 ? 2.5 : leap(0.2))
      rows.push([
        day,
        open,
        Math.max(open, close) * (1 + 0.1 * random()),
        Math.min(open, close) * (1 - 0.1 * random()),
        close,
      ])
      if (random() < 0.33) signals.push((random() < 0.5 ? bullish : bearish)(rows.length - 1))
      price = close
    }
    return symbolOf(rows, signals, Math.min(rows.length, first))
  })
}

function assertNear(actual: readonly number[], expected: readonly number[], what: string): void {
  assert.equal(actual.length, expected.length, what)
  for (const [i, value] of expected.entries()) {
    const off = Math.abs((actual[i] ?? Number.NaN) - value)
    assert.ok(off <= 1e-9 * Math.max(1, Math.abs(value)), `${what} ${i}: ${actual[i]}, not ${value}`)
  }
}

/** Throws where the two differ. */
function compare(symbols: readonly BacktestSymbol[], rules: BacktestRules): Recomputed {
  const actual = backtest(symbols, rules)
  const expected = recomputed(symbols, rules)
  const { equity, trades } = expected
  assertNear(actual.curve.equity, equity, 'equity')
  const wins = (of: Recomputed['trades']): number | null =>
    of.length === 0 ? null : of.filter(({ profit }) => profit > 0).length / of.length
  assert.equal(actual.tradeCount, trades.length)
  assert.equal(actual.winRate, wins(trades))
  const [won, lost] = [1, -1].map((sign) => trades.reduce((sum, { profit }) => sum + Math.max(0, sign * profit), 0))
  if (lost) assertNear([actual.profitFactor ?? Number.NaN], [(won ?? 0) / lost], 'profit factor')
  else assert.equal(actual.profitFactor, null)
  for (const [i, kind] of rules.signals.entries()) {
    const of = trades.filter((trade) => trade.kind === kind)
    const told = actual.bySignal[i]
    assert.deepEqual([told?.kind, told?.tradeCount, told?.winRate], [kind, of.length, wins(of)])
    if (of.length === 0) assert.equal(told?.averageReturn, null)
    else {
      const mean = of.reduce((sum, { profit, invested }) => sum + profit / invested, 0) / of.length
      assertNear([told?.averageReturn ?? Number.NaN], [mean], 'average return')
    }
  }
  const last = equity.at(-1) ?? rules.initialCapital
  assertNear([actual.totalReturn], [last / rules.initialCapital - 1], 'total return')
  const drawdowns = equity.map((value, i) => 1 - value / Math.max(rules.initialCapital, ...equity.slice(0, i + 1)))
  assertNear([actual.maxDrawdown], [Math.max(0, ...drawdowns)], 'drawdown')
  return expected
}

const seen = { trades: 0, passedOver: 0, ruined: 0 }

test('a backtest of any market is what adding it up trade by trade gives', () => {
  fc.assert(
    fc.property(marketArbitrary, rulesArbitrary, (market, rules) => {
      const { trades, passedOver, isRuined } = compare(marketOf(market), rules)
      seen.trades += trades.length
      seen.passedOver += passedOver
      seen.ruined += Number(isRuined)
    }),
    { numRuns: 3 * numRuns },
  )
  assert.ok(seen.trades > numRuns && seen.passedOver > 0 && seen.ruined > 0, JSON.stringify(seen))
})

test('what comes after a date changes no equity up to it', () => {
  const arbitrary = fc.tuple(marketArbitrary, rulesArbitrary, fc.integer({ min: 1, max: 60 }))
  fc.assert(
    fc.property(arbitrary, ([market, rules, day]) => {
      const upTo = (symbols: readonly BacktestSymbol[]): number[] => {
        const { epoch, equity } = backtest(symbols, rules).curve
        // At the last of all dates trades are closed for that alone.
        return equity.slice(0, -1).filter((_, i) => (epoch[i] ?? 0) < day * daySeconds)
      }
      assert.deepEqual(upTo(marketOf(market, day)), upTo(marketOf(market)))
      const cut = upTo(marketOf({ ...market, days: Math.min(day, market.days) }))
      assert.deepEqual(cut, upTo(marketOf(market)).slice(0, cut.length))
    }),
    { numRuns },
  )
})

const isNumberOrNull = (value: unknown): boolean => value === null || Number.isFinite(value)

test('whatever the prices, all numbers of a result are finite, or it is NO_DATA', () => {
  const price = fc.oneof(fc.double({ min: -1e12, max: 1e12, noNaN: true }), ofSome(0, 1e-12, -1e-12, 1, 2))
  const row = fc.tuple(price, price, price, price)
  let results = 0
  fc.assert(
    fc.property(fc.array(row, { maxLength: 20 }), rulesArbitrary, (rows, rules) => {
      const dated = rows.map(([open, a, b, close], day): Row => [day, open, Math.max(a, b), Math.min(a, b), close])
      const signals = rows.map((_, i) => bullish(i))
      try {
        const { curve, bySignal, ...rest } = backtest([symbolOf(dated, signals)], rules)
        const ofKinds = bySignal.flatMap(({ kind: _, ...numbers }) => Object.values(numbers))
        const all = [...Object.values(rest), ...curve.equity, ...ofKinds]
        assert.ok(all.every(isNumberOrNull), JSON.stringify(all))
        results += 1
      } catch (error) {
        if (!(error instanceof FinstageError && error.code === 'NO_DATA')) throw error
      }
    }),
    { numRuns },
  )
  assert.ok(results > numRuns / 2)
})

const folder = process.env.MARKET_DATA_DIR
const skip = folder === undefined ? 'MARKET_DATA_DIR is not set: no candles to trade' : false
const rulesOfMicrosoft: BacktestRules = {
  signals: ['MACD_BULLISH_CROSS', 'MACD_BEARISH_CROSS', 'RSI_OVERSOLD', 'BOLLINGER_BREAK_UPPER', 'DEATH_CROSS'],
  ...{ initialCapital: 10_000, positionSize: 0.2, holdDays: 10, stopLoss: 0.04, takeProfit: 0.06, cost: 0.0005 },
}

/** From 1990 to 2022. */
function microsoft(): Row[] {
  const lines = readFileSync(join(folder ?? '', 'msft-daily-1990-2022.csv'), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
  return lines.map((line) => {
    const [time = '', ...prices] = line.split(',')
    const [open = 0, high = 0, low = 0, close = 0] = prices.map(Number)
    return [Date.parse(time) / 1000 / daySeconds, open, high, low, close]
  })
}

const traded = (rows: readonly Row[]): BacktestSymbol => {
  const candles = columnsOf(rows)
  return { candles, first: signalsWarmUp, signals: findSignals(candles) }
}

test('thirty years of Microsoft come to what adding them up trade by trade gives', { skip }, () => {
  const { trades, passedOver } = compare([traded(microsoft())], rulesOfMicrosoft)
  assert.ok(trades.length > 500 && passedOver > 0, `${trades.length} trades`)
  for (const kind of rulesOfMicrosoft.signals)
    assert.ok(
      trades.some((trade) => trade.kind === kind),
      kind,
    )
})

test('of thirty years of Microsoft, what comes after a day changes no equity before it', { skip }, () => {
  const rows = microsoft()
  const whole = backtest([traded(rows)], rulesOfMicrosoft).curve.equity
  for (const count of [1500, 3333, 5000, 8000]) {
    const cut = backtest([traded(rows.slice(0, count))], rulesOfMicrosoft).curve.equity
    assert.equal(cut.length, count - signalsWarmUp)
    assert.deepEqual(cut.slice(0, -1), whole.slice(0, cut.length - 1))
  }
})
