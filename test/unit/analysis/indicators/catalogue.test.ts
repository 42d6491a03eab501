import assert from 'node:assert/strict'
import { test } from 'node:test'
import { catalogue } from '../../../../src/analysis/indicators/catalogue.ts'
import type { Columns } from '../../../../src/analysis/indicators/columns.ts'
import {
  type AnyIndicator,
  type IndicatorInput,
  type Output,
  pointShapes,
  type Values,
} from '../../../../src/analysis/indicators/indicator.ts'
import { FinstageError } from '../../../../src/domain/errors.ts'
import { finished } from '../../../../src/domain/steps.ts'
import { type Interval, intervalSeconds, intervals, isDaily } from '../../../../src/domain/time/interval.ts'
import { candleKinds, candlesOf, randomNumbers } from '../../../support/candles/generated-candles.ts'

type AnyValues = Values<AnyIndicator['parameters']>
const indicators: [string, AnyIndicator][] = Object.entries(catalogue)

const defaults = ({ parameters }: AnyIndicator): AnyValues =>
  Object.fromEntries(Object.entries(parameters).map(([name, parameter]) => [name, parameter.default]))

/** What every period is, and the other parameters as by default. */
const withPeriods = (indicator: AnyIndicator, period: () => number): AnyValues =>
  Object.fromEntries(
    Object.entries(indicator.parameters).map(([name, parameter]) => [
      name,
      parameter.type === 'Int' ? period() : parameter.default,
    ]),
  )

const inputOf = (candles: Columns, first = 0, interval: Interval = 'DAY_1', isWhole = true): IndicatorInput => ({
  ...{ candles, first, isWhole, interval, timezone: 'America/New_York' },
})

/** The candles from `start` on. */
const cut = (candles: Columns, start: number): Columns => ({
  epoch: candles.epoch.subarray(start),
  open: candles.open.subarray(start),
  high: candles.high.subarray(start),
  low: candles.low.subarray(start),
  close: candles.close.subarray(start),
  volume: candles.volume.subarray(start),
})

const outputsOf = (indicator: AnyIndicator, input: IndicatorInput, values: AnyValues): [string, Output][] =>
  Object.entries(finished(indicator.compute(input, values)))

/** Closes that walk at random, the first `wild` of them ten times as much as the others. */
function walk(wild: number, length: number, seed: number): Columns {
  const random = randomNumbers(seed)
  let price = 100
  const closes = Array.from({ length }, (_, i) => {
    price *= 1 + (i < wild ? 0.1 : 0.01) * (random() - 0.5)
    return price
  })
  return candlesOf(closes, seed)
}

test('every parameter has a default that is allowed, and the defaults go together', () => {
  for (const [name, indicator] of indicators) {
    for (const [parameterName, parameter] of Object.entries(indicator.parameters)) {
      const isAllowed =
        'values' in parameter
          ? (parameter.values as readonly unknown[]).includes(parameter.default)
          : parameter.min <= parameter.default && parameter.default <= parameter.max
      assert.ok(isAllowed, `${name} ${parameterName}`)
      if (parameter.type === 'Int') assert.deepEqual([parameter.min, parameter.max], [1, 1000])
    }
    assert.doesNotThrow(() => indicator.check?.(defaults(indicator)), name)
  }
})

test('a parabolic whose step is above its maximum is refused, which names the field', () => {
  assert.throws(
    () => catalogue.psar.check?.({ step: 0.3, max: 0.2 }),
    (error) => error instanceof FinstageError && error.code === 'BAD_USER_INPUT' && error.details.field === 'step',
  )
  assert.doesNotThrow(() => catalogue.psar.check?.({ step: 0.2, max: 0.2 }))
})

test('outputs are those of the point, one value for each candle, and what is drawn ahead so many more', () => {
  const { displacement } = catalogue.ichimoku.parameters
  for (const [name, indicator] of indicators) {
    for (const length of [0, 1, 2, 100]) {
      const outputs = outputsOf(indicator, inputOf(walk(0, length, 1)), defaults(indicator))
      assert.deepEqual(
        outputs.map(([part]) => part),
        Object.keys(pointShapes[indicator.point]),
      )
      for (const [part, output] of outputs) {
        const ahead = part === 'spanA' || part === 'spanB' ? displacement.default - 1 : 0
        assert.equal(output.length, length + ahead, `${name}.${part}`)
      }
    }
  }
})

test('no value is ever infinite, whatever the prices', () => {
  for (const [kind, candles] of Object.entries(candleKinds)) {
    const input = inputOf(candles(400, 5))
    for (const [name, indicator] of indicators) {
      for (const values of [defaults(indicator), withPeriods(indicator, () => 1)]) {
        for (const [part, output] of outputsOf(indicator, input, values)) {
          const bad = output.findIndex((value) => !Number.isFinite(value) && !Number.isNaN(value))
          assert.equal(bad, -1, `${name}.${part} over candles ${kind}`)
        }
      }
    }
  }
})

test('where nothing moves averages are exactly the price, bands have no width and differences are exactly nothing', () => {
  for (const price of [0.1, 1 / 3, 1e-8, 123_456_789_012.3, -7.7]) {
    const input = inputOf(candlesOf(Array<number>(400).fill(price), 1, 0))
    const expected: Record<string, Record<string, number>> = {
      ...{ sma: { value: price }, ema: { value: price }, wma: { value: price }, vwap: { value: price } },
      ...{ rsi: { value: 50 }, mfi: { value: 50 }, cci: { value: 0 }, atr: { value: 0 }, forceIndex: { value: 0 } },
      ...{ roc: { value: 0 }, trix: { value: 0 }, awesomeOscillator: { value: 0 } },
      macd: { macd: 0, signal: 0, histogram: 0 },
      bollingerBands: { upper: price, middle: price, lower: price },
      keltnerChannels: { upper: price, middle: price, lower: price },
      ...{ psar: { value: price }, adx: { adx: 0, plusDi: 0, minusDi: 0 } },
    }
    for (const [name, parts] of Object.entries(expected)) {
      const indicator = (catalogue as Record<string, AnyIndicator>)[name] ?? assert.fail(name)
      for (const period of [3, 14, 20, 100]) {
        const outputs = outputsOf(
          indicator,
          input,
          withPeriods(indicator, () => period),
        )
        // The third of a price is rounded as means of several prices are.
        const exact = (value: number): number => (name === 'vwap' ? Number(value.toPrecision(14)) : value)
        for (const [part, output] of outputs) {
          assert.ok(output.at(-1) === exact(parts[part] as number), `${name}.${part} of ${period} at ${price}`)
        }
      }
    }
    for (const name of ['williamsR', 'stochastic', 'stochasticRsi'] as const) {
      const indicator: AnyIndicator = catalogue[name]
      for (const [part, output] of outputsOf(indicator, input, defaults(indicator))) {
        assert.ok(output.every(Number.isNaN), `${name}.${part}: a range of nothing has no place in it`)
      }
    }
  }
})

test('no value depends on a later candle, to the last bit, apart from the lagging line of Ichimoku', () => {
  for (const [kind, candlesOf] of Object.entries(candleKinds)) {
    for (const [length, known] of [
      [300, 299],
      [300, 170],
      [40, 3],
    ] as const) {
      const [candles, others] = [candlesOf(length, 5), walk(length, length, 6)]
      const changed = Object.fromEntries(
        Object.entries(candles).map(([name, column]: [string, Float64Array]) => {
          const other = others[name as keyof Columns]
          return [name, column.map((value, i) => (i < known || name === 'epoch' ? value : (other[i] as number)))]
        }),
      ) as unknown as Columns
      for (const [name, indicator] of indicators) {
        for (const values of [defaults(indicator), withPeriods(indicator, () => 1), withPeriods(indicator, () => 7)]) {
          const found = outputsOf(indicator, inputOf(changed, 2), values)
          for (const [i, [part, output]] of outputsOf(indicator, inputOf(candles, 2), values).entries()) {
            if (part === 'lagging') continue
            const same = output.subarray(0, known)
            assert.deepEqual(found[i]?.[1].subarray(0, known), same, `${name}.${part} over candles ${kind}`)
          }
        }
      }
    }
  }
})

// ---- warm-up --------------------------------------------------------------------------------------------

/** Those that look at a fixed number of candles alone. */
const windowed = ['sma', 'wma', 'roc', 'cci', 'mfi', 'williamsR', 'awesomeOscillator', 'bollingerBands', 'stochastic']

test('every node after the warm-up has a value of each part, and with one candle less a window is not full', () => {
  for (const [name, indicator] of indicators) {
    for (const period of [null, 1, 2, 50, 400]) {
      // A range of one RSI is nothing.
      if (name === 'stochasticRsi' && period === 1) continue
      const values = period === null ? defaults(indicator) : withPeriods(indicator, () => period)
      const first = indicator.warmUp(values, 'DAY_1')
      // The lagging line needs later candles.
      const candles = walk(0, first + 500, 2)
      const parts = outputsOf(indicator, inputOf(candles, first, 'DAY_1', false), values)
      for (const [part, output] of parts) {
        assert.ok(output.subarray(first, first + 50).every(Number.isFinite), `${name}.${part} of ${period}`)
      }
      if (!windowed.includes(name) && name !== 'ichimoku') continue
      const isFull = parts.every(([, output]) => Number.isFinite(output[first - 1]))
      assert.ok(!isFull, `${name} of ${period} has a longer warm-up than it needs`)
    }
  }
})

/** How far a value may be from the same one of a series begun elsewhere, relative to itself. */
const tolerance = 1e-6

/** Of the places from `first` on; the two may differ by `earlier` in where they begin. */
function assertSame(what: string, early: Output, late: Output, first: number, earlier: number): void {
  assert.equal(early.length, late.length + earlier)
  for (let i = first; i < late.length; i++) {
    const expected = early[earlier + i] as number
    const value = late[i] as number
    const agrees = Number.isNaN(expected)
      ? Number.isNaN(value)
      : Math.abs(value - expected) <= tolerance * Math.abs(expected)
    assert.ok(agrees, `${what} at ${i - first}: ${value}, not ${expected}`)
  }
}

/** Some that may be asked for: short and long periods alike, and parabolics fast and slow. */
function someValues(indicator: AnyIndicator, seed: number): AnyValues[] {
  const random = randomNumbers(seed)
  const upTo = (longest: number) => () => 1 + Math.floor(random() * longest)
  if ('step' in indicator.parameters) {
    return [defaults(indicator), { step: 0.005, max: 0.1 }, { step: 0.05, max: 0.05 }, { step: 0.5, max: 1 }]
  }
  return [
    ...[defaults(indicator), withPeriods(indicator, upTo(5)), withPeriods(indicator, upTo(60))],
    withPeriods(indicator, upTo(1000)),
  ]
}

for (const [name, indicator] of indicators) {
  test(`after its warm-up ${name} does not depend on where its candles begin, even if those before were wild`, () => {
    for (const seed of [1, 2, 3]) {
      for (const values of someValues(indicator, seed)) {
        const first = indicator.warmUp(values, 'DAY_1')
        for (const earlier of [1, 40, 1500]) {
          const candles = walk(earlier + 20, earlier + first + 200, 10 * seed)
          const early = outputsOf(indicator, inputOf(candles, earlier + first), values)
          const late = outputsOf(indicator, inputOf(cut(candles, earlier), first, 'DAY_1', false), values)
          for (const [i, [part, output]] of late.entries()) {
            const what = `${name}.${part} ${JSON.stringify(values)}, begun ${earlier} earlier`
            assertSame(what, early[i]?.[1] ?? assert.fail(what), output, first, earlier)
          }
        }
      }
    }
  })
}

test('the anchor of a VWAP is within its warm-up at every interval, also where clocks are put back', () => {
  const { vwap } = catalogue
  const earlier = 700
  for (const interval of intervals.filter((interval) => interval !== 'MINUTE_1')) {
    for (const anchor of ['SESSION', 'WEEK', 'MONTH', 'YEAR'] as const) {
      const values = { anchor, source: 'HLC3' } as const
      const first = vwap.warmUp(values, interval)
      const candles = walk(0, earlier + first + 500, 4)
      const early = inputOf(
        { ...candles, epoch: withoutPause(candles, interval, earlier + first) },
        earlier + first,
        interval,
      )
      const late = inputOf(cut(early.candles, earlier), first, interval, false)
      const { value } = finished(vwap.compute(late, values))
      assert.ok(value.subarray(first).every(Number.isFinite), `${anchor} of ${interval}`)
      assertSame(`${anchor} of ${interval}`, finished(vwap.compute(early, values)).value, value, first, earlier)
    }
  }
})

/** Times of which that at `place` is the last of 3 November 2024, a Sunday that has 25 hours in New York. */
function withoutPause({ epoch }: Columns, interval: Interval, place: number): Float64Array {
  if (interval === 'MONTH_1') return epoch.map((_, i) => Date.UTC(2024, 10 + i - place) / 1000)
  const nextDay = Date.UTC(2024, 10, 4, isDaily(interval) ? 0 : 5) / 1000
  return epoch.map((_, i) => nextDay + (i - place - 1) * intervalSeconds(interval))
}
