import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TrueRange } from 'technicalindicators'
import { catalogue } from '../../../../src/analysis/indicators/catalogue.ts'
import { type Columns, prices } from '../../../../src/analysis/indicators/columns.ts'
import type { IndicatorInput, Output, Parameter } from '../../../../src/analysis/indicators/indicator.ts'
import { sma, wma } from '../../../../src/analysis/indicators/moving-averages.ts'
import { trueRanges } from '../../../../src/analysis/indicators/volatility.ts'
import { highest, lowest, meanDeviations } from '../../../../src/analysis/indicators/windows.ts'
import { finished, type Steps } from '../../../../src/domain/steps.ts'
import { candleKinds } from '../../../support/candles/generated-candles.ts'

/** More than a step of anything takes. */
const count = 40_000
const walked = candleKinds['that walk at random'] as (length: number, seed: number) => Columns
const candles = walked(count, 7)
const { high, low, close } = candles
const periods = [1, 2, 14, 999, 1000]

interface Counted<T> {
  readonly steps: number
  readonly result: T
}

function counted<T>(work: Steps<T>): Counted<T> {
  for (let steps = 1; ; steps++) {
    const { done, value } = work.next()
    if (done) return { steps, result: value }
  }
}

/** What a window of values gives, without any other value. */
function assertByWindow(
  name: string,
  found: Counted<Float64Array>,
  period: number,
  ofWindow: (first: number, end: number) => number,
): void {
  assert.ok(found.steps > 2 || period < 100, `${name} of ${period} takes ${found.steps} steps`)
  // Each place would take a minute; these are all around the ends of steps of any length.
  for (let end = 0; end < count; end += end % 997 === 0 ? 1 : 7) {
    const expected = end < period - 1 ? Number.NaN : ofWindow(end - period + 1, end + 1)
    assert.ok(
      Object.is(found.result[end], expected),
      `${name} of ${period} at ${end}: ${found.result[end]}, not ${expected}`,
    )
  }
}

const lastOf = (values: Steps<Float64Array>): number => finished(values).at(-1) as number

test('what is computed in several steps is bit for bit what each window gives by itself', () => {
  for (const period of periods) {
    const means = counted(sma(close, period))
    assertByWindow('sma', means, period, (first, end) => lastOf(sma(close.subarray(first, end), period)))
    assertByWindow('wma', counted(wma(close, period)), period, (first, end) =>
      lastOf(wma(close.subarray(first, end), period)),
    )
    for (const power of [1, 2] as const) {
      assertByWindow(
        'mean deviation',
        counted(meanDeviations(close, period, means.result, power)),
        period,
        (first, end) =>
          lastOf(meanDeviations(close.subarray(first, end), period, means.result.subarray(first, end), power)),
      )
    }
    assertByWindow('highest', counted(highest(high, period)), period, (first, end) =>
      Math.max(...high.subarray(first, end)),
    )
    assertByWindow('lowest', counted(lowest(low, period)), period, (first, end) =>
      Math.min(...low.subarray(first, end)),
    )
  }
})

test('true ranges and means of prices are bit for bit the same in several steps', () => {
  const ranges = counted(trueRanges(candles))
  assert.ok(ranges.steps > 2)
  const whole = TrueRange.calculate({ high: [...high], low: [...low], close: [...close] })
  assert.deepEqual([...ranges.result], [Number.NaN, ...whole])
  for (const field of ['HL2', 'HLC3', 'OHLC4'] as const) {
    const means = counted(prices(candles, field))
    assert.ok(means.steps > 2)
    for (let i = 0; i < count; i += 13) {
      const alone = finished(prices(columnsAt(i), field))
      assert.ok(Object.is(means.result[i], alone[0]), `${field} at ${i}`)
    }
  }
})

function columnsAt(i: number): Columns {
  const at = (column: Float64Array): Float64Array => column.subarray(i, i + 1)
  const { epoch, open, volume } = candles
  return { epoch: at(epoch), open: at(open), high: at(high), low: at(low), close: at(close), volume: at(volume) }
}

interface Entry {
  readonly parameters: Readonly<Record<string, Parameter>>
  readonly compute: (input: IndicatorInput, parameters: object) => Steps<Readonly<Record<string, Output>>>
}

test('indicators whose steps alternate are bit for bit what each of them is by itself', () => {
  const input: IndicatorInput = {
    ...{ candles: walked(5000, 3), first: 0, isWhole: true, interval: 'HOUR_1', timezone: 'America/New_York' },
  }
  const entries = Object.entries(catalogue) as unknown as [string, Entry][]
  const begin = ([, { parameters, compute }]: [string, Entry]) =>
    compute(input, Object.fromEntries(Object.entries(parameters).map(([name, of]) => [name, of.default])))
  const alternating = entries.map(begin)
  const found: unknown[] = []
  while (found.filter(Boolean).length < entries.length) {
    for (const [i, steps] of alternating.entries()) {
      const { done, value } = steps.next()
      if (done && value) found[i] = value
    }
  }
  for (const [i, entry] of entries.entries()) assert.deepEqual(found[i], finished(begin(entry)), entry[0])
})
