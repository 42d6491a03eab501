import { badInput } from '../../domain/errors.ts'
import { inParts, type Steps } from '../../domain/steps.ts'
import { catalogue } from './catalogue.ts'
import { newest } from './columns.ts'
import type { IndicatorInput, Output, Parameter } from './indicator.ts'
import { pointShapes } from './indicator.ts'

export type IndicatorName = keyof typeof catalogue

/** A client's parameters of an indicator, with defaults filled in. */
export type IndicatorArgs = Readonly<Record<string, unknown>>

/** A point in time with the parts of the point's shape; null if an optional part has no value. */
export interface Point {
  /** Start of the candle in epoch seconds. */
  readonly epoch: number
  readonly [part: string]: number | null
}

/** An entry of the catalogue, whatever its parameters and points. */
interface AnyIndicator {
  readonly parameters: Readonly<Record<string, Parameter>>
  readonly point: keyof typeof pointShapes
  readonly warmUp: (parameters: never, interval: IndicatorInput['interval']) => number
  readonly compute: (input: IndicatorInput, parameters: never) => Steps<Readonly<Record<string, Output>>>
  readonly check?: (parameters: never) => void
}

export const indicatorNames = Object.keys(catalogue) as IndicatorName[]

export const isIndicator = (name: string): name is IndicatorName => Object.hasOwn(catalogue, name)

/**
 * How many candles an indicator needs before the first requested one. Throws BAD_USER_INPUT for parameters out of
 * bounds.
 */
export function indicatorWarmUp(
  name: IndicatorName,
  args: IndicatorArgs,
  interval: IndicatorInput['interval'],
): number {
  const indicator: AnyIndicator = catalogue[name]
  return indicator.warmUp(checked(indicator, args), interval)
}

/** An object takes some 150 ns. */
const pointsPerStep = 2000

/** Returns the start times of that many candles after the last. */
export type Ahead = (count: number) => readonly number[]

/**
 * The points of an indicator at the requested candles, oldest first, followed by points drawn ahead of the last candle;
 * none if no candle is requested. Throws BAD_USER_INPUT for parameters out of bounds.
 */
export function* indicatorPoints(
  name: IndicatorName,
  input: IndicatorInput,
  args: IndicatorArgs,
  ahead: Ahead,
): Steps<Point[]> {
  const parts = yield* computed(name, input, args)
  const { epoch } = input.candles
  const length = lengthOf(parts, input)
  const later = length > epoch.length ? ahead(length - epoch.length) : []
  const points: Point[] = []
  yield* inParts(input.first, length, pointsPerStep, (from, to) => {
    for (let i = from; i < to; i++) {
      if (!isPoint(parts, i)) continue
      const point: Record<string, number | null> & { epoch: number } = {
        epoch: epoch[i] ?? (later[i - epoch.length] as number),
      }
      for (const { part, output } of parts) point[part] = knownAt(output, i)
      points.push(point)
    }
  })
  return points
}

/** null: no value. */
export type Column = (number | null)[]

/** The points of an indicator, column by column. */
export interface IndicatorColumns {
  /** By part; each has one entry per requested candle. */
  readonly parts: Readonly<Record<string, Column>>
  /** The candles after the last that the indicator is drawn ahead to, and its parts there. */
  readonly ahead: { readonly epoch: readonly number[]; readonly parts: Readonly<Record<string, Column>> }
}

/** What `indicatorPoints` returns, by column: a candle without a point is null in every part. Throws as it does. */
export function* indicatorColumns(
  name: IndicatorName,
  input: IndicatorInput,
  args: IndicatorArgs,
  ahead: Ahead,
): Steps<IndicatorColumns> {
  const parts = yield* computed(name, input, args)
  const count = input.candles.epoch.length
  const length = lengthOf(parts, input)
  return {
    parts: yield* columnsOf(valuesOf(parts, input.first, count)),
    ahead: {
      epoch: length > count ? ahead(length - count) : [],
      parts: yield* columnsOf(valuesOf(parts, count, length)),
    },
  }
}

/** The parts of `indicatorColumns` as numbers: what is null there is NaN or infinite. */
export function* indicatorValues(name: IndicatorName, input: IndicatorInput, args: IndicatorArgs): Steps<PartValues> {
  return valuesOf(yield* computed(name, input, args), input.first, input.candles.epoch.length)
}

/** By part. */
export type PartValues = Readonly<Record<string, Float64Array>>

interface ComputedPart {
  readonly part: string
  readonly isRequired: boolean
  readonly output: Output
}

/** Without a candle there is nothing to compute, nor to draw ahead of. */
function* computed(name: IndicatorName, input: IndicatorInput, args: IndicatorArgs): Steps<ComputedPart[]> {
  const indicator: AnyIndicator = catalogue[name]
  const parameters = checked(indicator, args)
  const isEmpty = input.first === input.candles.epoch.length
  const outputs = isEmpty ? {} : yield* indicator.compute(input, parameters)
  yield
  return Object.entries(pointShapes[indicator.point]).map(([part, need]) => ({
    part,
    isRequired: need === 'required',
    output: outputs[part] ?? new Float64Array(),
  }))
}

/** How many candles the parts reach over, with those that are drawn ahead to. */
const lengthOf = (parts: readonly ComputedPart[], { candles }: IndicatorInput): number =>
  Math.max(candles.epoch.length, ...parts.map(({ output }) => output.length))

function valuesOf(parts: readonly ComputedPart[], from: number, to: number): PartValues {
  const values: Record<string, Float64Array> = {}
  for (const { part, output } of parts) {
    const found = new Float64Array(to - from).fill(Number.NaN)
    found.set(output.subarray(from, to))
    values[part] = found
  }
  for (const { part, isRequired } of parts) {
    const required = values[part] as Float64Array
    if (!isRequired) continue
    for (let i = 0; i < required.length; i++) {
      if (!Number.isFinite(required[i])) for (const found of Object.values(values)) found[i] = Number.NaN
    }
  }
  return values
}

function* columnsOf(values: PartValues): Steps<Record<string, Column>> {
  const columns: Record<string, Column> = {}
  for (const [part, found] of Object.entries(values)) {
    const column: Column = []
    for (const value of found) column.push(Number.isFinite(value) ? value : null)
    columns[part] = column
    yield
  }
  return columns
}

const knownAt = (output: Output, i: number): number | null =>
  Number.isFinite(output[i]) ? (output[i] as number) : null

/** Whether there is a point at a candle: all that it has to have, and anything at all. */
function isPoint(parts: readonly ComputedPart[], i: number): boolean {
  let isKnown = false
  for (const { isRequired, output } of parts) {
    if (Number.isFinite(output[i])) isKnown = true
    else if (isRequired) return false
  }
  return isKnown
}

/**
 * Keeps only as many candles before the first requested one as the indicator needs: others change nothing and cost
 * time.
 */
export function withWarmUp({ candles, first, isWhole, ...rest }: IndicatorInput, warmUp: number): IndicatorInput {
  const unneeded = Math.max(0, first - warmUp)
  const kept = newest(candles, candles.epoch.length - unneeded)
  return { ...rest, candles: kept, first: first - unneeded, isWhole: isWhole && unneeded === 0 }
}

function checked({ parameters, check }: AnyIndicator, args: IndicatorArgs): never {
  for (const [name, parameter] of Object.entries(parameters)) {
    if (!('min' in parameter)) continue
    const { min, max } = parameter
    const value = args[name] as number
    if (!(value >= min && value <= max)) throw badInput(`${name} is ${value}; it has to be from ${min} to ${max}`, name)
  }
  check?.(args as never)
  return args as never
}
