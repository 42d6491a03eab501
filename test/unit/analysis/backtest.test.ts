import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BacktestSymbol, backtest } from '../../../src/analysis/backtest.ts'
import type { FoundSignal } from '../../../src/analysis/signals.ts'
import type { BacktestOutcome, BacktestRules } from '../../../src/domain/analysis/backtest.ts'
import {
  bearish,
  bullish,
  daySeconds,
  plainRules,
  type Row,
  signal,
  symbolOf,
} from '../../support/analysis/backtests.ts'

const run = (symbols: readonly BacktestSymbol[], rules: Partial<BacktestRules> = {}): BacktestOutcome =>
  backtest(symbols, { ...plainRules, ...rules })

/** The equity of each day, where one symbol has these candles (from day 0 on: open, high, low, close) and signals. */
function equityOf(
  rows: readonly (readonly [number, number, number, number])[],
  signals: readonly FoundSignal[],
  rules: Partial<BacktestRules> = {},
): number[] {
  const dated = rows.map((row, day): Row => [day, ...row])
  return run([symbolOf(dated, signals)], rules).curve.equity.map((value) => Math.round(value * 1e9) / 1e9)
}

/** A candle whose prices are all the same. */
const flat = (price: number): [number, number, number, number] => [price, price, price, price]

const near = (actual: number | null, expected: number): void =>
  assert.ok(actual !== null && Math.abs(actual - expected) <= 1e-12 * Math.abs(expected), `${actual}, not ${expected}`)

test('five candles, a long and a short trade: all numbers are those that were worked out by hand', () => {
  const candles: Row[] = [
    [0, 99, 101, 98, 100],
    [1, 100, 104, 99, 102],
    [2, 103, 106, 101, 105],
    [3, 102.45, 108, 102, 108],
    [4, 107, 109, 106, 107],
  ]
  const rules = { initialCapital: 10_000, positionSize: 0.5, holdDays: 3, cost: 0.001 }
  const result = run([symbolOf(candles, [bullish(0), bearish(2)])], rules)
  // Long: half of 10,000 at 100 on day 1 is 50 shares, entered for 5, held on days 1, 2 and 3, left at 108 for 50 * 108 * 0.001 = 5.40.
  // Short: half of the 10,245 of day 2 at 102.45 on day 3 is 50 shares, entered for 5.1225, closed at the end at 107 for 5.35.
  const equity = [
    10_000, // nothing is open yet
    10_095, // 10,000 - 5 + 50 * (102 - 100)
    10_245, // 10,000 - 5 + 50 * (105 - 100)
    10_106.9775, // 10,000 + 50 * (108 - 100) - 5 - 5.40 = 10,389.60; - 5.1225 + 50 * (102.45 - 108)
    10_151.6275, // 10,389.60 - 5.1225 + 50 * (102.45 - 107) - 5.35
  ]
  assert.deepEqual(
    result.curve.epoch,
    [0, 1, 2, 3, 4].map((day) => day * daySeconds),
  )
  for (const [day, expected] of equity.entries()) near(result.curve.equity[day] ?? null, expected)
  assert.deepEqual([result.tradeCount, result.winRate], [2, 0.5])
  near(result.totalReturn, 0.01516275)
  // Four days.
  near(result.annualReturn, 1.01516275 ** (365.25 / 4) - 1)
  // From 10,245 down to 10,106.9775.
  near(result.maxDrawdown, 138.0225 / 10_245)
  // Won: 400 - 5 - 5.40. Lost: 227.50 + 5.1225 + 5.35.
  near(result.profitFactor, 389.6 / 237.9725)
  near(result.benchmarkReturn, 107 / 99 - 1)
  const [long, short] = result.bySignal
  assert.deepEqual([long?.kind, long?.tradeCount, long?.winRate], ['RSI_OVERSOLD', 1, 1])
  assert.deepEqual([short?.kind, short?.tradeCount, short?.winRate], ['RSI_OVERBOUGHT', 1, 0])
  near(long?.averageReturn ?? null, 389.6 / 5000)
  near(short?.averageReturn ?? null, -237.9725 / 5122.5)
})

test('a trade is entered at the next open of its symbol, not at the price of the signal', () => {
  assert.deepEqual(equityOf([flat(50), [100, 110, 100, 110], flat(120)], [bullish(0)]), [1000, 1100, 1200])
  // The other symbol has candles in between.
  const late = symbolOf(
    [
      [0, ...flat(50)],
      [3, ...flat(100)],
      [4, ...flat(110)],
    ],
    [bullish(0)],
  )
  const other = symbolOf(
    [
      [1, ...flat(7)],
      [2, ...flat(8)],
    ],
    [],
  )
  assert.deepEqual(run([late, other]).curve.equity.map(Math.round), [1000, 1000, 1000, 1000, 1100])
})

test('a signal of the last candle, and one from before the range, open no trade', () => {
  const rows: Row[] = [10, 11, 12, 13].map((price, day) => [day, ...flat(price)])
  const result = run([symbolOf(rows, [bullish(0), bullish(1), bullish(3)], 2)])
  assert.deepEqual([result.tradeCount, result.curve.equity, result.totalReturn], [0, [1000, 1000], 0])
  assert.equal(run([symbolOf(rows, [bullish(2)], 2)]).tradeCount, 1)
})

test('a bearish signal is sold short: it wins what the price loses', () => {
  assert.deepEqual(equityOf([flat(100), flat(100), flat(80), flat(130)], [bearish(0)]), [1000, 1000, 1200, 700])
})

test('a signal without a direction, and kinds that were not asked for, open no trade', () => {
  const rows: Row[] = [10, 11, 12].map((price, day) => [day, ...flat(price)])
  const spike = signal('VOLUME_SPIKE', 'NEUTRAL', 0)
  const result = run([symbolOf(rows, [spike, bullish(0)])], { signals: ['VOLUME_SPIKE', 'GOLDEN_CROSS'] })
  assert.equal(result.tradeCount, 0)
  assert.deepEqual(
    result.bySignal,
    ['VOLUME_SPIKE', 'GOLDEN_CROSS'].map((kind) => ({ kind, tradeCount: 0, winRate: null, averageReturn: null })),
  )
})

test('the days held are counted in candles, the first one included', () => {
  const rows = [100, 100, 110, 120, 130].map(flat)
  assert.deepEqual(equityOf(rows, [bullish(0)], { holdDays: 1 }), [1000, 1000, 1000, 1000, 1000])
  assert.deepEqual(equityOf(rows, [bullish(0)], { holdDays: 3 }), [1000, 1000, 1100, 1200, 1200])
})

// An eighth of 100 is exact: at a tenth, 110 does not quite reach 100 * 1.1.
test('a stop that is touched ends the trade at the stop, in the candle of its entry too', () => {
  const stopLoss = 0.125
  assert.deepEqual(equityOf([flat(100), [100, 101, 87.5, 99], flat(200)], [bullish(0)], { stopLoss }), [1000, 875, 875])
  assert.deepEqual(equityOf([flat(100), [100, 112.5, 99, 99], flat(50)], [bearish(0)], { stopLoss }), [1000, 875, 875])
  assert.deepEqual(equityOf([flat(100), [100, 101, 87.6, 99], flat(99)], [bullish(0)], { stopLoss }), [1000, 990, 990])
  const later = [flat(100), flat(100), [98, 99, 87, 95], flat(200)] as const
  assert.deepEqual(equityOf(later, [bullish(0)], { stopLoss }), [1000, 1000, 875, 875])
})

test('a target that is touched ends the trade at the target, in the candle of its entry too', () => {
  const takeProfit = 0.125
  const up = [flat(100), [100, 112.5, 99, 101], flat(50)] as const
  assert.deepEqual(equityOf(up, [bullish(0)], { takeProfit }), [1000, 1125, 1125])
  const down = [flat(100), flat(100), [99, 99, 87.5, 95], flat(200)] as const
  assert.deepEqual(equityOf(down, [bearish(0)], { takeProfit }), [1000, 1000, 1125, 1125])
  const almost = [flat(100), flat(100), [99, 99, 87.6, 95], flat(95)] as const
  assert.deepEqual(equityOf(almost, [bearish(0)], { takeProfit }), [1000, 1000, 1050, 1050])
})

test('where a candle touches both the stop counts', () => {
  const both = [flat(100), flat(100), [100, 120, 80, 100], flat(100)] as const
  const rules = { stopLoss: 0.1, takeProfit: 0.1 }
  assert.deepEqual(equityOf(both, [bullish(0)], rules), [1000, 1000, 900, 900])
  assert.deepEqual(equityOf(both, [bearish(0)], rules), [1000, 1000, 900, 900])
  assert.deepEqual(equityOf([flat(100), [100, 120, 80, 100], flat(100)], [bullish(0)], rules), [1000, 900, 900])
})

test('a candle that opens beyond stop or target ends the trade at its open, whatever comes later in it', () => {
  const rules = { stopLoss: 0.1, takeProfit: 0.1 }
  const below = [flat(100), flat(100), [70, 150, 60, 140], flat(140)] as const
  assert.deepEqual(equityOf(below, [bullish(0)], rules), [1000, 1000, 700, 700])
  assert.deepEqual(equityOf(below, [bearish(0)], rules), [1000, 1000, 1300, 1300])
  const above = [flat(100), flat(100), [130, 140, 60, 70], flat(70)] as const
  assert.deepEqual(equityOf(above, [bullish(0)], rules), [1000, 1000, 1300, 1300])
  assert.deepEqual(equityOf(above, [bearish(0)], rules), [1000, 1000, 700, 700])
})

test('without a stop or a target none is looked at', () => {
  const rows = [flat(100), [100, 1000, 1, 100], [100, 1000, 1, 100]] as const
  assert.deepEqual(equityOf(rows, [bullish(0)]), [1000, 1000, 1000])
  assert.deepEqual(equityOf(rows, [bearish(0)]), [1000, 1000, 1000])
})

test('costs are paid at entry of what is put in, and at exit of what it is worth then', () => {
  const rows = [flat(100), flat(100), flat(150), flat(150)]
  const rules = { positionSize: 0.5, holdDays: 2, cost: 0.01 }
  // 500 put in: 5. Worth 750 at the exit, long or short: 7.50.
  assert.deepEqual(equityOf(rows, [bullish(0)], rules), [1000, 995, 1237.5, 1237.5])
  assert.deepEqual(equityOf(rows, [bearish(0)], rules), [1000, 995, 737.5, 737.5])
})

test('a profit that costs eat up is no win', () => {
  const rows: Row[] = [100, 100, 101, 101].map((price, day) => [day, ...flat(price)])
  const rules = { holdDays: 2, cost: 0.006 }
  const { winRate, profitFactor, bySignal } = run([symbolOf(rows, [bullish(0)])], rules)
  assert.deepEqual([winRate, profitFactor, bySignal[0]?.winRate], [0, 0, 0])
  assert.equal(run([symbolOf(rows, [bullish(0)])], { ...rules, cost: 0.004 }).winRate, 1)
})

test('a trade is sized by the equity at the close before, all that is open counted at its last close', () => {
  // 500 at 100 on day 1 are worth 750 on day 2: half of 1,250 at 100 on day 3 is 6.25 shares, and with the first 5 there are 11.25.
  const equity = equityOf([flat(100), flat(100), flat(150), flat(100), flat(104)], [bullish(0), bullish(2)], {
    ...{ positionSize: 0.5, holdDays: 10 },
  })
  assert.deepEqual(equity, [1000, 1000, 1250, 1000, 1045])
})

test('each signal opens a trade of its own, as long as what was put in comes out of the equity', () => {
  const rows: Row[] = [100, 100, 110].map((price, day) => [day, ...flat(price)])
  const copies = (count: number) => Array.from({ length: count }, () => symbolOf(rows, [bullish(0)]))
  const count = (symbols: number, positionSize: number) => run(copies(symbols), { positionSize }).tradeCount
  assert.deepEqual([count(3, 0.3), count(4, 0.3), count(3, 1), count(10, 0.1), count(11, 0.1)], [3, 3, 1, 10, 10])
  assert.equal(run([symbolOf(rows, [bullish(0), bearish(0)])], { positionSize: 0.5 }).tradeCount, 2)
})

test('ten trades of a tenth fit into any equity, however it rounds', () => {
  const rows: Row[] = [100, 100, 110].map((price, day) => [day, ...flat(price)])
  for (let i = 1; i <= 300; i++) {
    const symbols = Array.from({ length: 11 }, () => symbolOf(rows, [bullish(0)]))
    assert.equal(run(symbols, { initialCapital: i / 7, positionSize: 0.1 }).tradeCount, 10)
  }
})

test('of signals of one date the first symbol is served first, and of one symbol the kind that was named first', () => {
  const first = symbolOf(
    [100, 100, 110].map((price, day): Row => [day, ...flat(price)]),
    [bullish(0)],
  )
  const second = symbolOf(
    [100, 100, 130].map((price, day): Row => [day, ...flat(price)]),
    [bearish(0), bullish(0)],
  )
  assert.equal(run([first, second]).curve.equity.at(-1)?.toFixed(6), '1100.000000')
  const ends = (signals: BacktestRules['signals']) =>
    Math.round(run([second, first], { signals }).curve.equity.at(-1) ?? 0)
  assert.deepEqual([ends(['RSI_OVERSOLD', 'RSI_OVERBOUGHT']), ends(['RSI_OVERBOUGHT', 'RSI_OVERSOLD'])], [1300, 700])
})

test('what is closed on a date is to be had for the trades of the next, not of the same', () => {
  const rows: Row[] = [100, 100, 100, 100, 110].map((price, day) => [day, ...flat(price)])
  const trades = (index: number) => run([symbolOf(rows, [bullish(0), bearish(index)])], { holdDays: 2 }).tradeCount
  // Entered on day 1, closed at the close of day 2: a trade of day 2 finds nothing left.
  assert.deepEqual([trades(1), trades(2)], [1, 2])
})

test('what is open at the end of the range is closed at the last close of its symbol, at a cost', () => {
  const short: Row[] = [100, 100, 120].map((price, day) => [day, ...flat(price)])
  const long: Row[] = [50, 50, 50, 50, 50].map((price, day) => [day, ...flat(price)])
  const result = run([symbolOf(short, [bullish(0)]), symbolOf(long, [])], {
    positionSize: 0.5,
    holdDays: 100,
    cost: 0.01,
  })
  // 5 for the entry; 6 for the exit, at the very end: that a symbol has no more candles nobody knows before.
  assert.deepEqual(
    result.curve.equity.map((value) => Math.round(value * 1e9) / 1e9),
    [1000, 995, 1095, 1095, 1089],
  )
  assert.equal(result.tradeCount, 1)
})

test('where nothing is left of the equity all is closed at that close, and nothing more is opened', () => {
  const rows = [flat(100), flat(100), [150, 250, 150, 220], [90, 90, 90, 90], flat(300)] as const
  // Short 10 at 100: at 220 it has lost 1,200 of 1,000. At 90 it would have won.
  assert.deepEqual(equityOf(rows, [bearish(0), bullish(2)]), [1000, 1000, -200, -200, -200])
  const result = run([
    symbolOf(
      rows.map((row, day): Row => [day, ...row]),
      [bearish(0), bullish(2)],
    ),
  ])
  const { tradeCount, totalReturn, annualReturn, maxDrawdown } = result
  assert.deepEqual(
    [tradeCount, totalReturn.toFixed(9), annualReturn, maxDrawdown.toFixed(9)],
    [1, '-1.200000000', null, '1.200000000'],
  )
})

test('an equity of nothing opens no trade, not even of nothing', () => {
  const rows: Row[] = [100, 100, 200, 200, 200].map((price, day) => [day, ...flat(price)])
  const { curve, tradeCount } = run([symbolOf(rows, [bearish(0), bullish(2)])])
  assert.deepEqual([curve.equity, tradeCount], [[1000, 1000, 0, 0, 0], 1])
})

test('a price of 0 or below at the open opens no trade, and one that comes later is traded at', () => {
  assert.deepEqual(equityOf([flat(5), flat(0), flat(5)], [bullish(0)]), [1000, 1000, 1000])
  assert.deepEqual(equityOf([flat(5), flat(-2), flat(5)], [bearish(0)]), [1000, 1000, 1000])
  // As oil in April 2020: 10 put in at 20 lose 28.50 more than they cost.
  assert.deepEqual(equityOf([flat(20), flat(20), flat(-37)], [bullish(0)], { positionSize: 0.01 }), [1000, 1000, 971.5])
})

test('the benchmark holds equal shares of all symbols from their first open to their last close', () => {
  const rising: Row[] = [
    [0, 10, 11, 9, 11],
    [1, 11, 13, 11, 12],
  ]
  const falling: Row[] = [
    [1, 40, 41, 20, 30],
    [2, 30, 30, 10, 20],
  ]
  near(run([symbolOf(rising, []), symbolOf(falling, [])]).benchmarkReturn, (0.2 - 0.5) / 2)
  // From the first candle of the range on.
  near(run([symbolOf(rising, [], 1)]).benchmarkReturn, 12 / 11 - 1)
  near(run([symbolOf(rising, []), symbolOf(falling, [], 2)]).benchmarkReturn, 0.2)
  for (const price of [0, -5]) assert.equal(run([symbolOf([[0, ...flat(price)]], [])]).benchmarkReturn, null)
})

test('without candles in the range there is no point, and nothing to divide by', () => {
  assert.deepEqual(run([symbolOf([[0, ...flat(10)]], [bullish(0)], 1)]), {
    ...{
      tradeCount: 0,
      winRate: null,
      totalReturn: 0,
      annualReturn: null,
      maxDrawdown: 0,
      sharpe: null,
      sortino: null,
    },
    ...{ profitFactor: null, benchmarkReturn: null, curve: { epoch: [], equity: [] } },
    bySignal: plainRules.signals.map((kind) => ({ kind, tradeCount: 0, winRate: null, averageReturn: null })),
  })
})

test('the profit factor is null where no trade lost', () => {
  const rows: Row[] = [100, 100, 110].map((price, day) => [day, ...flat(price)])
  const { profitFactor, winRate } = run([symbolOf(rows, [bullish(0)])])
  assert.deepEqual([profitFactor, winRate], [null, 1])
})

test('a trade that comes to nothing has neither won nor lost', () => {
  const rows: Row[] = [100, 100, 100].map((price, day) => [day, ...flat(price)])
  const { profitFactor, winRate, tradeCount } = run([symbolOf(rows, [bullish(0)])])
  assert.deepEqual([profitFactor, winRate, tradeCount], [null, 0, 1])
})

test('prices so far apart that the equity is no number are NO_DATA', () => {
  const rows: Row[] = [
    [0, ...flat(1)],
    [1, 1e-200, 1e200, 1e-200, 1e200],
  ]
  assert.throws(() => run([symbolOf(rows, [bullish(0)])]), { code: 'NO_DATA' })
})
