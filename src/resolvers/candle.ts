import type { GraphQLResolveInfo } from 'graphql'
import { rsi, rsiWarmUp, sma, smaWarmUp } from '../analysis/indicators.ts'
import type { Adjustment, Candle } from '../domain/candle.ts'
import { badInput, FinstageError } from '../domain/errors.ts'
import type { Instrument } from '../domain/instrument.ts'
import type { Interval } from '../domain/interval.ts'
import type { CandleSeries } from '../market/candle-service.ts'
import { bounded } from './bounds.ts'
import type { Context } from './context.ts'
import { selectedFields } from './selected-fields.ts'

const defaultLast = 500
const maxRows = 20_000
const maxPeriod = 1000

export interface CandleArgs {
  readonly interval: Interval
  /** Epoch milliseconds. */
  readonly from?: number | null | undefined
  readonly to?: number | null | undefined
  readonly last?: number | null | undefined
  readonly adjustment: Adjustment
  readonly extendedHours: boolean
}

/** Which price of a candle goes into an indicator. */
export const priceFields = ['OPEN', 'HIGH', 'LOW', 'CLOSE', 'HL2', 'HLC3', 'OHLC4'] as const
export type PriceField = (typeof priceFields)[number]

export interface IndicatorArgs {
  readonly period: number
  readonly source: PriceField
}

export interface IndicatorPoint {
  readonly epoch: number
  readonly value: number
}

/** Candles by column: as many entries in each as there are nodes. */
export interface CandleColumns {
  readonly time: number[]
  readonly open: number[]
  readonly high: number[]
  readonly low: number[]
  readonly close: number[]
  readonly volume: (number | null)[]
}

export const candles = (
  _root: unknown,
  args: CandleArgs & { readonly symbol: string },
  context: Context,
  info: GraphQLResolveInfo,
): Promise<CandleSeries> => loadCandles(args.symbol, args, context, warmUp(info))

export const instrumentCandles = (
  instrument: Instrument,
  args: CandleArgs,
  context: Context,
  info: GraphQLResolveInfo,
): Promise<CandleSeries> => loadCandles(instrument.symbol, args, context, warmUp(info))

/** Rejects with BAD_USER_INPUT, RANGE_NOT_AVAILABLE, SYMBOL_NOT_FOUND, or what the source fails with. */
export async function loadCandles(
  symbol: string,
  { interval, from, to, last, adjustment, extendedHours }: CandleArgs,
  context: Context,
  earlier: number,
): Promise<CandleSeries> {
  if (from != null && to != null && from >= to) throw badInput('from has to lie before to', 'from')
  if (last != null && last < 1) throw badInput(`last is ${last}; it has to be 1 or more`, 'last')
  if (last != null && last > maxRows) throw tooManyRows()
  const series = await context.loaders.candles.load({
    symbol,
    interval,
    from: from == null ? null : Math.ceil(from / 1000),
    to: to == null ? null : Math.ceil(to / 1000),
    last: last ?? (from == null ? defaultLast : null),
    earlier,
    adjustment,
    extendedHours,
  })
  if (series.nodes.length > maxRows) throw tooManyRows()
  return series
}

const tooManyRows = (): FinstageError =>
  new FinstageError('RANGE_NOT_AVAILABLE', `At most ${maxRows} candles at once: ask for a shorter range`)

export function columns({ nodes }: CandleSeries): CandleColumns {
  return {
    time: nodes.map((candle) => candle.epoch),
    open: nodes.map((candle) => candle.open),
    high: nodes.map((candle) => candle.high),
    low: nodes.map((candle) => candle.low),
    close: nodes.map((candle) => candle.close),
    volume: nodes.map((candle) => candle.volume),
  }
}

export const smaPoints = (series: CandleSeries, { period, source }: IndicatorArgs): IndicatorPoint[] =>
  points(series, sma(prices(series, source), bounded(period, 1, maxPeriod, 'period')))

export const rsiPoints = (series: CandleSeries, { period, source }: IndicatorArgs): IndicatorPoint[] =>
  points(series, rsi(prices(series, source), bounded(period, 1, maxPeriod, 'period')))

/** How many candles before the first node the selected indicators need; one tells whether there are any. A period out of bounds is refused at its own field. */
function warmUp(info: GraphQLResolveInfo): number {
  const needed = selectedFields(info).map(({ name, args }) => {
    const period = Math.min(Math.max(Number(args.period ?? 0), 1), maxPeriod)
    if (name === 'sma') return smaWarmUp(period)
    return name === 'rsi' ? rsiWarmUp(period) : 0
  })
  return Math.max(1, ...needed)
}

function prices({ earlier, nodes }: CandleSeries, source: PriceField): number[] {
  return [...earlier, ...nodes].map((candle) => priceOf(candle, source))
}

function priceOf({ open, high, low, close }: Candle, source: PriceField): number {
  switch (source) {
    case 'OPEN':
      return open
    case 'HIGH':
      return high
    case 'LOW':
      return low
    case 'CLOSE':
      return close
    case 'HL2':
      return (high + low) / 2
    case 'HLC3':
      return (high + low + close) / 3
    case 'OHLC4':
      return (open + high + low + close) / 4
  }
}

/** Values of the earlier candles and the nodes, cut to the nodes that have one. */
function points({ earlier, nodes }: CandleSeries, values: readonly (number | null)[]): IndicatorPoint[] {
  return nodes.flatMap(({ epoch }, i) => {
    const value = values[earlier.length + i]
    return value == null ? [] : [{ epoch, value }]
  })
}
