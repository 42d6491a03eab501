import type { Steps } from '../../domain/steps.ts'
import type { Interval } from '../../domain/time/interval.ts'
import type { Columns, PriceField } from './columns.ts'

/** The input of an indicator. */
export interface IndicatorInput {
  /** The requested candles, and before them as many as the warm-up needs, as far as history reaches. */
  readonly candles: Columns
  /** Index of the first requested candle. */
  readonly first: number
  /** There is no candle before these. */
  readonly isWhole: boolean
  readonly interval: Interval
  /** IANA name of the exchange's time zone. */
  readonly timezone: string
  /** The source's code of the exchange, by which its calendar is found; null or absent: unknown. */
  readonly exchange?: string | null | undefined
}

/**
 * One value for each candle, NaN if there is none; an output that is drawn ahead has more values, past the last candle.
 */
export type Output = Float64Array

/** The kinds of points and their parts; an optional part may be missing although the others are there. */
export const pointShapes = {
  IndicatorPoint: { value: 'required' },
  MacdPoint: { macd: 'required', signal: 'optional', histogram: 'optional' },
  BandPoint: { upper: 'required', middle: 'required', lower: 'required' },
  StochasticPoint: { k: 'required', d: 'optional' },
  AdxPoint: { adx: 'optional', plusDi: 'required', minusDi: 'required' },
  IchimokuPoint: {
    conversion: 'optional',
    base: 'optional',
    spanA: 'optional',
    spanB: 'optional',
    lagging: 'optional',
  },
} as const
export type PointShape = keyof typeof pointShapes
type Outputs<S extends PointShape> = { readonly [Part in keyof (typeof pointShapes)[S]]: Output }

/** A parameter with its bounds, both inclusive, or its values. */
export type Parameter =
  | { readonly type: 'Int' | 'Float'; readonly default: number; readonly min: number; readonly max: number }
  | { readonly type: 'PriceField'; readonly default: PriceField; readonly values: readonly PriceField[] }
  | { readonly type: 'VwapAnchor'; readonly default: VwapAnchor; readonly values: readonly VwapAnchor[] }

/** Where the cumulation of a VWAP starts anew; SERIES: once, at the first requested candle. */
export const vwapAnchors = ['SESSION', 'WEEK', 'MONTH', 'YEAR', 'SERIES'] as const
export type VwapAnchor = (typeof vwapAnchors)[number]

type Value<P extends Parameter> = P extends { readonly type: 'Int' | 'Float' }
  ? number
  : P extends { readonly values: readonly (infer Choice)[] }
    ? Choice
    : never

/** The values of the parameters. */
export type Values<P extends Record<string, Parameter>> = { readonly [Name in keyof P]: Value<P[Name]> }

/** The definition of an indicator. */
export interface Indicator<P extends Record<string, Parameter>, S extends PointShape> {
  /** One line, with units. */
  readonly description: string
  /** Where its formula was published. */
  readonly source: string
  readonly parameters: P
  readonly point: S
  /** How many candles it needs before the first requested one, so that no value depends on where the range begins. */
  warmUp(parameters: Values<P>, interval: Interval): number
  compute(input: IndicatorInput, parameters: Values<P>): Steps<Outputs<S>>
  /** Throws BAD_USER_INPUT if parameters within their bounds do not go together. */
  check?(parameters: Values<P>): void
}

/** Any entry of the catalogue, for code that handles all of them. */
export type AnyIndicator = Indicator<Record<string, Parameter>, PointShape>

/** Infers the types of an entry. */
export const indicator = <P extends Record<string, Parameter>, S extends PointShape>(
  of: Indicator<P, S>,
): Indicator<P, S> => of
