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
import { findSignals, namedSignal, signalsWarmUp } from '../analysis/signals.ts'
import type { Interval } from '../domain/interval.ts'
import { nextStarts } from '../domain/session.ts'
import type { SignalKind } from '../domain/signal.ts'
import type { CandleSeries } from '../market/candle-service.ts'
import { boundedFilter } from './bounds.ts'
import { selectedFields } from './selected-fields.ts'
import type { ShownSignal } from './signal.ts'

/** Above it, a value may move a little with where the range begins; only smoothings over several hundred candles ask for more. */
const maxWarmUp = 30_000

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

/** What the signal rules find at the closed nodes, by the same names as what jobs have stored of them. */
export function seriesSignals(
  series: CandleSeries,
  { kinds }: { readonly kinds?: readonly SignalKind[] | null | undefined },
): ShownSignal[] {
  const wanted = boundedFilter(kinds, 'kinds')
  const { candles, first } = inputOf(series)
  const variant = variantOf(series)
  return findSignals(candles)
    .filter(({ index, kind }) => series.nodes[index - first]?.closed && (wanted === null || wanted.includes(kind)))
    .map((found) => ({ ...namedSignal(found, candles.epoch[found.index] as number, series), ...variant }))
}

/** Jobs look at candles of regular sessions, adjusted for splits. */
function variantOf({ adjustment, extendedHours }: CandleSeries): Pick<ShownSignal, 'variant'> {
  const words = [...(adjustment === 'SPLITS' ? [] : [adjustment]), ...(extendedHours ? ['EXTENDED_HOURS'] : [])]
  return words.length === 0 ? {} : { variant: words.join(' ') }
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
  return Math.min(Math.max(1, ...needed), maxWarmUp)
}
