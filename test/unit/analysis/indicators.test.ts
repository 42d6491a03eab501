import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { rsi, rsiWarmUp, sma, smaWarmUp } from '../../../src/analysis/indicators.ts'

type Points = readonly (number | null)[]

const periods = [1, 2, 3, 5, 14, 20, 60, 200]

/** Numbers from 0 to 1, the same on every run. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Closes that walk at random, one step in five without a change. */
function walk(length: number, seed: number, volatility = 0.02): number[] {
  const random = generator(seed)
  let price = 100
  return Array.from({ length }, () => {
    if (random() > 0.2) price *= 1 + volatility * (random() - 0.5)
    return price
  })
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** From the definition, unrolled: the weight of a change shrinks by (period - 1) / period with each later one. */
function wilderRsi(values: readonly number[], period: number): Points {
  const changes = values.slice(1).map((value, i) => value - (values[i] ?? Number.NaN))
  const average = (moves: readonly number[], count: number): number => {
    const left = (period - 1) / period
    const seed = mean(moves.slice(0, period)) * left ** (count - period)
    return moves
      .slice(period, count)
      .reduce((sum, move, i) => sum + (move / period) * left ** (count - period - 1 - i), seed)
  }
  const ups = changes.map((change) => Math.max(change, 0))
  const downs = changes.map((change) => Math.max(-change, 0))
  return values.map((_, i) => {
    if (i < period) return null
    const strength = average(ups, i) / average(downs, i)
    return 100 - 100 / (1 + strength)
  })
}

function assertSame(actual: Points, expected: Points, relative: number, what: string): void {
  assert.equal(actual.length, expected.length, what)
  for (const [i, point] of expected.entries()) {
    const value = actual[i]
    if (point === null || value === null || value === undefined) assert.equal(value, point, `${what}, place ${i}`)
    else assert.ok(Math.abs(value - point) <= relative * Math.abs(point), `${what}, place ${i}: ${value}, not ${point}`)
  }
}

for (const period of periods) {
  test(`an SMA of ${period} is the mean of the last ${period} values, null where there are fewer`, () => {
    const values = walk(1000, period)
    const means = values.map((_, i) => (i + 1 < period ? null : mean(values.slice(i + 1 - period, i + 1))))
    assertSame(sma(values, period), means, 1e-12, 'SMA')
  })

  if (period === 1) continue
  test(`an RSI of ${period} is Wilder's, null for the first ${period} values`, () => {
    const values = walk(600, period)
    assertSame(rsi(values, period), wilderRsi(values, period), 1e-9, 'RSI')
  })
}

test('an RSI of 1 looks at the last change alone', () => {
  assert.deepEqual(rsi([1, 2, 2, 1, 5], 1), [null, 100, 50, 0, 100])
})

const folder = process.env.MARKET_DATA_DIR
const skip = folder === undefined ? 'MARKET_DATA_DIR is not set: no values of others to compare with' : false

for (const [name, calculate] of [
  ['sma', sma],
  ['rsi', rsi],
] as const) {
  test(`${name} agrees to 1e-9 with what others computed over real candles`, { skip }, () => {
    const read = (file: string): string => readFileSync(join(folder ?? '', file), 'utf8')
    const { candles, params, time, series } = JSON.parse(read(`indicators/${name}.json`)) as {
      candles: string
      params: { period: number }
      time: string[]
      series: Record<string, (number | null)[]>
    }
    const rows = read(`${candles}.csv`).trim().split('\n').slice(1)
    assert.ok(rows.length > 400)
    assert.deepEqual(
      rows.map((row) => row.split(',')[0]),
      time,
    )
    const closes = rows.map((row) => Number(row.split(',')[4]))
    assertSame(calculate(closes, params.period), series[name] ?? [], 1e-9, name)
  })
}

test('where nothing moved the SMA is the price and the RSI 50', () => {
  const flat = Array<number>(300).fill(0.1)
  assertSame(sma(flat, 20), [...Array<null>(19).fill(null), ...Array<number>(281).fill(0.1)], 1e-14, 'SMA')
  assert.deepEqual(rsi(flat, 14), [...Array<null>(14).fill(null), ...Array<number>(286).fill(50)])
})

test('where prices only rise the RSI is 100, where they only fall it is 0', () => {
  const rising = Array.from({ length: 500 }, (_, i) => 10 + 0.37 * i)
  assert.ok(
    rsi(rising, 14)
      .slice(14)
      .every((value) => value === 100),
  )
  assert.ok(
    rsi(rising.toReversed(), 14)
      .slice(14)
      .every((value) => value === 0),
  )
})

test('a series too short for the period has null at every place, and an empty one no places', () => {
  for (const period of periods) {
    assert.deepEqual(sma([], period), [])
    assert.deepEqual(rsi([], period), [])
    assert.deepEqual(sma(walk(period - 1, 1), period), Array(period - 1).fill(null))
    assert.deepEqual(rsi(walk(period, 1), period), Array(period).fill(null))
    assert.equal(sma(walk(period, 1), period).filter((value) => value !== null).length, 1)
    assert.equal(rsi(walk(period + 1, 1), period).filter((value) => value !== null).length, 1)
  }
})

test('the values that go in are left as they are', () => {
  const values = Object.freeze(walk(50, 3))
  const before = [...values]
  sma(values, 5)
  rsi(values, 5)
  assert.deepEqual(values, before)
})

test('no value is ever NaN or infinite, and no RSI leaves 0 to 100', () => {
  const stretches = [
    Array<number>(100).fill(7),
    [7, 7.01],
    Array<number>(400).fill(7.01),
    walk(300, 9),
    [0, 0, 5, 0, 0],
  ]
  const odd = stretches.flat()
  for (const scale of [1e-9, 1, 1e12]) {
    const values = odd.map((value) => value * scale)
    for (const period of periods) {
      const points = rsi(values, period).slice(period)
      assert.ok(
        points.every((value) => value !== null && value >= 0 && value <= 100),
        `RSI ${period} at ${scale}`,
      )
      assert.ok(
        sma(values, period)
          .slice(period - 1)
          .every(Number.isFinite),
        `SMA ${period} at ${scale}`,
      )
    }
  }
})

test('after its warm-up an SMA no longer depends on where the series begins', () => {
  for (const period of periods) {
    const values = walk(800, period)
    assertSame(
      sma(values.slice(300 - smaWarmUp(period)), period).slice(smaWarmUp(period)),
      sma(values, period).slice(300),
      1e-12,
      `SMA ${period}`,
    )
  }
})

for (const period of [1, 2, 3, 7, 14, 50, 200, 1000]) {
  test(`after its warm-up an RSI of ${period} depends on where the series begins by less than 1e-6 of itself`, () => {
    for (const seed of [1, 2, 3]) {
      // The part before is ten times as volatile: what is left of it shows.
      const start = rsiWarmUp(period)
      const values = [...walk(period + 500, seed, 0.2), ...walk(start + 100, seed + 10, 0.02)]
      const fromItsStart = rsi(values, period).slice(period + 500 + start)
      const cut = rsi(values.slice(period + 500), period).slice(start)
      assert.equal(cut.length, 100)
      assertSame(cut, fromItsStart, 1e-6, `RSI ${period}`)
    }
  })
}
