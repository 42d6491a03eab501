import type { GraphQLResolveInfo } from 'graphql'
import { toColumns } from '../analysis/columns.ts'
import type { IndicatorInput } from '../analysis/indicator.ts'
import {
  type IndicatorArgs,
  type IndicatorName,
  indicatorPoints,
  indicatorWarmUp,
  isIndicator,
  type Point,
} from '../analysis/points.ts'
import { signalsWarmUp } from '../analysis/signals.ts'
import type { Interval } from '../domain/interval.ts'
import { nextStarts } from '../domain/session.ts'
import type { CandleSeries } from '../market/candle-service.ts'
import { selectedFields } from './selected-fields.ts'

/** Of one answer, since all its indicators are computed from the same candles. */
const inputs = new WeakMap<CandleSeries, IndicatorInput>()

export const pointsOf =
  (name: IndicatorName) =>
  (series: CandleSeries, args: IndicatorArgs): Point[] => {
    const input = inputOf(series)
    return indicatorPoints(name, input, args, (count) =>
      nextStarts(input.candles.epoch, series.interval, series.sessions, count),
    )
  }

export function inputOf(series: CandleSeries): IndicatorInput {
  const known = inputs.get(series)
  if (known) return known
  const { earlier, nodes, isWhole, interval, sessions } = series
  const input: IndicatorInput = {
    candles: toColumns([...earlier, ...nodes]),
    first: earlier.length,
    ...{ isWhole, interval, timezone: sessions.timezone },
  }
  inputs.set(series, input)
  return input
}

/**
 * How many candles before the first node the fields need that are selected of a series: the one that the current resolver gives,
 * or the field `of` what it gives. One tells whether there are any. Parameters out of bounds are refused at their own field.
 */
export function warmUp(info: GraphQLResolveInfo, interval: Interval, of?: string): number {
  const needed = selectedFields(info, of).map(({ name, args }) => {
    if (name === 'signals') return signalsWarmUp
    if (!isIndicator(name)) return 0
    try {
      return indicatorWarmUp(name, args, interval)
    } catch {
      return 0
    }
  })
  return Math.max(1, ...needed)
}
