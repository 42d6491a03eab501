import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { catalogue } from '../../../../src/analysis/indicators/catalogue.ts'
import type { Columns } from '../../../../src/analysis/indicators/columns.ts'
import {
  type IndicatorInput,
  type Output,
  type Parameter,
  vwapAnchors,
} from '../../../../src/analysis/indicators/indicator.ts'
import { finished, type Steps } from '../../../../src/domain/steps.ts'
import {
  type Definition,
  definitions,
  exactCandles,
  type Part,
} from '../../../support/analysis/indicator-definitions.ts'
import { candleKinds, randomNumbers, withUnknownVolumes } from '../../../support/candles/generated-candles.ts'

/** Relative to the scale that each definition states. */
const tolerance = 1e-9

type Values = Readonly<Record<string, number | string>>
interface Entry {
  readonly parameters: Readonly<Record<string, Parameter>>
  readonly compute: (input: IndicatorInput, parameters: Values) => Steps<Readonly<Record<string, Output>>>
}
const byName = catalogue as unknown as Readonly<Record<string, Entry>>
const entries = Object.entries(byName)

const inputOf = (candles: Columns): IndicatorInput => ({
  ...{ candles, first: 0, isWhole: true, interval: 'DAY_1', timezone: 'America/New_York' },
})

/** The first difference between what is computed and what the definition says, in words; null where there is none. */
function difference(name: string, entry: Entry | undefined, parameters: Values, inputs: Inputs): string | null {
  if (!entry) return `${name}: there is none`
  const actual = finished(entry.compute(inputs.fast, parameters))
  const definition = definitions[name] as Definition
  const expected = definition(inputs.exact, parameters as unknown as Parameters<Definition>[1])
  assert.deepEqual(Object.keys(actual).toSorted(), Object.keys(expected).toSorted(), name)
  for (const [partName, part] of Object.entries(expected)) {
    const found = firstDifference(actual[partName] as Output, part)
    if (found) return `${name}.${partName} ${JSON.stringify(parameters)}: ${found}`
  }
  return null
}

function firstDifference(actual: Output, expected: Part): string | null {
  if (actual.length !== expected.length) return `${actual.length} places, not ${expected.length}`
  for (const [place, point] of expected.entries()) {
    const value = actual[place] as number
    if (Math.abs(value) === Number.POSITIVE_INFINITY) return `infinite at ${place}`
    if (point?.scale === Number.POSITIVE_INFINITY) continue
    const isSame = point ? Math.abs(value - point.value) <= tolerance * point.scale : Number.isNaN(value)
    if (!isSame)
      return `${value} at ${place}, not ${point ? `${point.value} (scale ${point.scale})` : 'without a value'}`
  }
  return null
}

interface Inputs {
  readonly fast: IndicatorInput
  readonly exact: Parameters<Definition>[0]
}
const inputs = (fast: IndicatorInput): Inputs => ({ fast, exact: { ...fast, candles: exactCandles(fast.candles) } })

/** Every indicator of these names, with every set of parameters that these periods make. */
function assertAllDefined(of: Inputs, periods: readonly number[], names = Object.keys(byName)): void {
  const chosen = entries.filter(([name]) => names.includes(name))
  const differences = chosen.flatMap(([name, entry]) =>
    parameterSets(entry, periods).flatMap((set) => difference(name, entry, set, of) ?? []),
  )
  assert.deepEqual(differences, [])
}

// ---- parameters -----------------------------------------------------------------------------------------

const defaults = ({ parameters }: Entry): Values =>
  Object.fromEntries(Object.entries(parameters).map(([name, parameter]) => [name, parameter.default]))

const floats: Readonly<Record<string, readonly number[]>> = {
  ...{ stdDev: [2, 0.5, 3], multiplier: [1.5, 3, 0.1] },
  ...{ step: [0.02, 0.001, 0.05], max: [0.2, 0.05, 0.3] },
}

/** The defaults; each period for all that are periods; and for several, each together with others. */
function parameterSets(entry: Entry, periods: readonly number[]): Values[] {
  const byDefault = defaults(entry)
  const sets = periods.flatMap((_, i) =>
    [0, 1].map((stride) => {
      const varied = Object.entries(entry.parameters).map(([name, parameter], j) => {
        if ('values' in parameter) return [name, parameter.values[i % parameter.values.length]]
        if (parameter.type === 'Int') return [name, periods[(i + j * stride) % periods.length]]
        return [name, (floats[name] as readonly number[])[i % 3]]
      })
      return Object.fromEntries(varied) as Values
    }),
  )
  const distinct = new Map([byDefault, ...sets].map((set) => [JSON.stringify(set), set]))
  return [...distinct.values()]
}

const ofKind = (kind: string): ((length: number, seed: number) => Columns) =>
  candleKinds[kind] ?? assert.fail(`${kind}: there are no such candles`)
const walked = ofKind('that walk at random')
const stepped = ofKind('flat but for one step up')

// ---- series ---------------------------------------------------------------------------------------------

test('every indicator of the catalogue has a definition, and every definition an indicator', () => {
  assert.deepEqual(Object.keys(catalogue).toSorted(), Object.keys(definitions).toSorted())
})

for (const [kind, candles] of Object.entries(candleKinds)) {
  test(`every indicator is what its definition says over candles ${kind}`, () => {
    assertAllDefined(inputs(inputOf(candles(300, 7))), [1, 2, 3, 5, 50, 200])
  })
}

test('every indicator is what its definition says over a long series, with periods up to the longest', () => {
  assertAllDefined(inputs(inputOf(walked(1300, 3))), [2, 200, 1000])
  // These have no value before there are several times as many candles.
  assertAllDefined(inputs(inputOf(walked(3100, 3))), [1000], ['trix', 'adx', 'macd'])
})

test('every indicator is what its definition says where nothing has moved for over a thousand candles', () => {
  assertAllDefined(inputs(inputOf(stepped(1600, 1))), [2, 3, 14])
})

test('every indicator is what its definition says over a series shorter than its periods', () => {
  for (const length of [0, 1, 2, 3, 4, 5, 13, 14, 15, 26, 27, 28]) {
    assertAllDefined(inputs(inputOf(walked(length, length))), [1, 2, 3, 5, 14, 28])
  }
})

// ---- where it begins ------------------------------------------------------------------------------------

test('what is cumulative begins at the first candle asked for, and ends at the first volume not known', () => {
  const candles = walked(60, 2)
  for (const first of [0, 1, 20, 59]) {
    for (const unknown of [[], [first], [first - 1], [first + 1], [30, 40], [59]]) {
      const of = inputs({ ...inputOf(withUnknownVolumes(candles, unknown)), first, isWhole: false })
      const differences = [
        ...[difference('obv', byName.obv, {}, of), difference('adl', byName.adl, {}, of)],
        difference('vwap', byName.vwap, { anchor: 'SERIES', source: 'HLC3' }, of),
      ]
      assert.deepEqual(differences, [null, null, null], `from ${first}, unknown: ${unknown.join()}`)
    }
  }
})

function assertAnchored(input: Omit<IndicatorInput, 'isWhole'>): void {
  for (const isWhole of [true, false]) {
    const of = inputs({ ...input, isWhole })
    const differences = vwapAnchors.map((anchor) => difference('vwap', byName.vwap, { anchor, source: 'HLC3' }, of))
    assert.deepEqual(
      differences,
      vwapAnchors.map(() => null),
      isWhole ? 'of all there is' : 'of a part',
    )
  }
}

for (const [timezone, start] of [
  // Over the change to summer time, and over a new year.
  ['America/New_York', '2024-03-06T14:30Z'],
  ['America/New_York', '2024-12-28T14:30Z'],
  // Dates there begin on UTC's day before.
  ['Asia/Tokyo', '2024-02-26T00:00Z'],
  ['Pacific/Auckland', '2024-04-03T00:00Z'],
  ['UTC', '2023-12-28T00:00Z'],
] as const) {
  test(`a VWAP starts anew at its anchor by the calendar of ${timezone}, from ${start}`, () => {
    const candles = walked(24 * 12, 5)
    const epoch = candles.epoch.map((_, i) => Date.parse(start) / 1000 + i * 3600)
    for (const unknown of [[], [0], [50, 100]]) {
      assertAnchored({
        ...{ candles: withUnknownVolumes({ ...candles, epoch }, unknown), first: 30 },
        ...{ interval: 'HOUR_1', timezone },
      })
    }
  })
}

for (const [interval, days] of [
  ['DAY_1', 1],
  ['WEEK_1', 7],
  ['MONTH_1', 30.4375],
  ['MONTH_3', 91.3125],
] as const) {
  test(`a VWAP of ${interval} takes a candle's time for its date, whatever the time zone`, () => {
    const candles = ofKind('of which most have no volume')(450, 4)
    const monday = Date.parse('2018-01-01T00:00Z') / 86_400_000
    const epoch = candles.epoch.map((_, i) => Math.floor(monday + i * days) * 86_400)
    for (const timezone of ['America/New_York', 'Asia/Tokyo']) {
      assertAnchored({ candles: { ...candles, epoch }, first: 3, interval, timezone })
    }
  })
}

// ---- any candles ----------------------------------------------------------------------------------------

/** In cents, so that much ties: moves, shadows, and volumes of which some are none or not known. */
const someCandles = fc
  .array(fc.tuple(fc.integer({ min: -3, max: 3 }), fc.nat(2), fc.nat(2), fc.option(fc.nat(3), { freq: 8 })), {
    maxLength: 60,
  })
  .map((moves): Columns => {
    let cents = 500
    const rows = moves.map(([move, above, below, volume]) => {
      const open = cents
      cents += move
      return { open, close: cents, high: Math.max(open, cents) + above, low: Math.min(open, cents) - below, volume }
    })
    const column = (of: (row: (typeof rows)[number]) => number): Float64Array => Float64Array.from(rows, of)
    return {
      epoch: Float64Array.from(rows, (_, i) => i * 86_400),
      ...{ open: column((row) => row.open / 100), close: column((row) => row.close / 100) },
      ...{ high: column((row) => row.high / 100), low: column((row) => row.low / 100) },
      volume: column((row) => row.volume ?? Number.NaN),
    }
  })

for (const [name, entry] of entries) {
  const parameters = fc.record(
    Object.fromEntries(
      Object.entries(entry.parameters).map(([parameter, of]) => {
        if ('values' in of) return [parameter, fc.constantFrom<string | number>(...of.values)]
        if (of.type === 'Int') return [parameter, fc.integer({ min: 1, max: 8 })]
        return [parameter, fc.constantFrom(...(floats[parameter] as readonly number[]))]
      }),
    ),
  ) as fc.Arbitrary<Values>

  test(`${name} is what its definition says over any candles`, () => {
    const property = fc.property(someCandles, parameters, fc.nat(3), fc.boolean(), (candles, set, first, isWhole) => {
      const at = Math.min(first, Math.max(0, candles.close.length - 1))
      assert.equal(difference(name, entry, set, inputs({ ...inputOf(candles), first: at, isWhole })), null)
    })
    fc.assert(property, { seed: 1, numRuns: 200 })
  })
}

// ---- real candles ---------------------------------------------------------------------------------------

const folder = process.env.MARKET_DATA_DIR

function realCandles(file: string): Columns {
  const rows = readFileSync(join(folder ?? '', file), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
  const cells = rows.map((row) => row.split(','))
  const column = (place: number): Float64Array => Float64Array.from(cells, (row) => Number(row[place]))
  return {
    epoch: Float64Array.from(cells, ([date]) => Date.parse(`${date}T00:00:00Z`) / 1000),
    ...{ open: column(1), high: column(2), low: column(3), close: column(4), volume: column(5) },
  }
}

for (const [file, periods] of [
  ['spy-daily-2017-2018.csv', [1, 2, 3, 5, 50, 200]],
  ['msft-daily-1990-2022.csv', [40]],
] as const) {
  test(`every indicator is what its definition says over the real candles of ${file}`, (t) => {
    if (folder === undefined) return t.skip('MARKET_DATA_DIR is not set')
    const of = inputs(inputOf(realCandles(file)))
    assert.ok(of.fast.candles.close.length > 400)
    assertAllDefined(of, periods)
  })
}

test('the candles that go in are left as they are', () => {
  const candles = walked(80, 1)
  const copy = structuredClone(candles)
  for (const [, entry] of entries) finished(entry.compute(inputOf(candles), defaults(entry)))
  assert.deepEqual(candles, copy)
})

test('generated candles are candles: the high is nowhere below open and close, the low nowhere above, volumes are not negative', () => {
  const random = randomNumbers(5)
  for (const [kind, generate] of Object.entries(candleKinds)) {
    const { open, high, low, close, volume } = generate(200 + Math.floor(random() * 100), 11)
    for (const i of close.keys()) {
      const [top, bottom] = [high[i] as number, low[i] as number]
      for (const price of [open[i] as number, close[i] as number]) {
        assert.ok(Number.isFinite(price) && price <= top && price >= bottom, `${kind} at ${i}`)
      }
      assert.ok(Number.isFinite(top) && Number.isFinite(bottom) && !((volume[i] as number) < 0), `${kind} at ${i}`)
    }
  }
})
