import { badInput } from '../../domain/errors.ts'
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
  readonly compute: (input: IndicatorInput, parameters: never) => Readonly<Record<string, Output>>
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

/**
 * The points of an indicator at the requested candles, oldest first, followed by points drawn ahead of the last candle;
 * none if no candle is requested. `ahead` returns the start times of that many candles after the last. Throws
 * BAD_USER_INPUT for parameters out of bounds.
 */
export function indicatorPoints(
  name: IndicatorName,
  input: IndicatorInput,
  args: IndicatorArgs,
  ahead: (count: number) => readonly number[],
): Point[] {
  const indicator: AnyIndicator = catalogue[name]
  const parameters = checked(indicator, args)
  // Without a candle there is nothing to draw ahead of.
  if (input.first === input.candles.epoch.length) return []
  const outputs = indicator.compute(input, parameters)
  const parts = Object.entries(pointShapes[indicator.point]).map(
    ([part, need]) => [part, need === 'required', outputs[part] as Output] as const,
  )
  const { epoch } = input.candles
  const length = Math.max(...parts.map(([, , output]) => output.length))
  const later = length > epoch.length ? ahead(length - epoch.length) : []
  const points: Point[] = []
  for (let i = input.first; i < length; i++) {
    const point: Record<string, number | null> & { epoch: number } = {
      epoch: epoch[i] ?? (later[i - epoch.length] as number),
    }
    let known = 0
    let isWhole = true
    for (const [part, isRequired, output] of parts) {
      const value = output[i] ?? Number.NaN
      const isKnown = Number.isFinite(value)
      if (isKnown) known += 1
      else if (isRequired) isWhole = false
      point[part] = isKnown ? value : null
    }
    if (isWhole && known > 0) points.push(point)
  }
  return points
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
