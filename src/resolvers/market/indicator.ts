import type { GraphQLResolveInfo } from 'graphql'
import { joinedInSteps } from '../../analysis/indicators/columns.ts'
import type { IndicatorInput } from '../../analysis/indicators/indicator.ts'
import {
  type Ahead,
  type Column,
  type IndicatorArgs,
  type IndicatorColumns,
  type IndicatorName,
  indicatorColumns,
  indicatorPoints,
  indicatorValues,
  indicatorWarmUp,
  isIndicator,
  type Point,
  withWarmUp,
} from '../../analysis/indicators/points.ts'
import { namedSignal, signalSteps, signalsWarmUp } from '../../analysis/signals.ts'
import type { SignalKind } from '../../domain/analysis/signal.ts'
import type { CandleSeries } from '../../domain/candle.ts'
import { type Earlier, listOf, type Sized } from '../../domain/candle-list.ts'
import { nextStarts } from '../../domain/sessions/next-starts.ts'
import { inParts, type Steps } from '../../domain/steps.ts'
import type { Interval } from '../../domain/time/interval.ts'
import { boundedFilter } from '../bounds.ts'
import type { Context } from '../context.ts'
import { answerSteps } from '../rows.ts'
import { selectedFields } from '../selected-fields.ts'
import type { ShownSignal } from './signal.ts'
import { type WrittenColumns, writtenColumns } from './written-columns.ts'

/**
 * A month of minutes round the clock, which is how far back sources go. Only a VWAP of minutes anchored at the year
 * asks for more; it has no value if its anchor is not among them.
 */
export const maxWarmUp = 45_000

/** Nine indicators and nineteen rules find signals: a candle takes about 11 µs of CPU, a row 2. */
export const rowsPerSignalCandle = 6

/** One per series of an answer, because all its indicators are computed from the same candles. */
const inputs = new WeakMap<CandleSeries, IndicatorInput>()

type Resolver<T> = (series: CandleSeries, args: IndicatorArgs, context: Context) => T | Promise<T>

/** What an indicator is computed from, and what becomes of it. */
interface Asked {
  readonly series: CandleSeries
  readonly args: IndicatorArgs
  /** How many candles before the first node it needs and gets. */
  readonly first: number
  readonly isWritten: boolean
  readonly input: () => Steps<IndicatorInput>
  readonly ahead: Ahead
}

/** `rowsOf`: what the computing costs beside the entries of the answer, by the number of candles that it goes through. */
const resolver =
  <T>(
    name: IndicatorName,
    rowsOf: (candles: { readonly before: number; readonly all: number }) => number,
    answer: (name: IndicatorName, asked: Asked) => Steps<T>,
  ): Resolver<T> =>
  (series, args, context) => {
    const { interval, sessions } = series
    const { earlier, nodes } = listsOf(series)
    const warmUp = indicatorWarmUp(name, args, interval)
    const first = Math.min(earlier.length, warmUp)
    const rows = rowsOf({ before: first, all: first + nodes.length })
    const asked: Asked = {
      ...{ series, args, first, isWritten: context.takesWrittenLists },
      input: () => warmedUp(series, warmUp),
      // Asked for when the input is there.
      ahead: (count) => nextStarts(inputs.get(series)?.candles.epoch ?? new Float64Array(), interval, sessions, count),
    }
    return answerSteps(rows, context, 'indicators', answer(name, asked))
  }

export const pointsOf = (name: IndicatorName): Resolver<Point[]> => resolver(name, ({ before }) => before, points)

/** Numbers cost so little to complete that the computing is charged by itself. */
const everyCandle = ({ all }: { readonly all: number }): number => all

export const columnsOf = (name: IndicatorName): Resolver<IndicatorColumns> => resolver(name, everyCandle, columns)

/** Of an indicator whose points have one value. */
export const columnOf = (name: IndicatorName): Resolver<Column> =>
  resolver(name, everyCandle, function* (...asked) {
    const { parts } = yield* columns(...asked)
    return parts.value ?? []
  })

/**
 * What `make` returns for an indicator, or what it returned before for the same candles and parameters. Not for one that
 * is drawn ahead: that depends on more than the candles.
 */
function remembered<T extends Sized>(
  shape: string,
  name: IndicatorName,
  asked: Asked,
  make: (earlier?: Earlier<T>) => Steps<T>,
): Steps<T> {
  if (name === 'ichimoku') return make()
  const { args, first, series } = asked
  const { isWhole, interval, sessions } = series
  const of = [shape, name, args, first, isWhole, interval, sessions.timezone, sessions.exchange ?? null]
  return listsOf(series).nodes.remembered(JSON.stringify(of), make)
}

/** By estimate: an object, and each of its numbers. */
const bytesPerPoint = 40
const bytesPerNumber = 24

function* points(name: IndicatorName, asked: Asked): Steps<Point[]> {
  const { input, args, ahead } = asked
  const { found } = yield* remembered('points', name, asked, function* () {
    const found = yield* indicatorPoints(name, yield* input(), args, ahead)
    const numbers = Object.keys(found[0] ?? {}).length
    return { found, bytes: found.length * (bytesPerPoint + numbers * bytesPerNumber) }
  })
  return found
}

/** Where an answer takes lists that are written already, it gets them so. */
function* columns(name: IndicatorName, asked: Asked): Steps<IndicatorColumns> {
  const { isWritten, input, args, ahead } = asked
  if (!isWritten || name === 'ichimoku') return yield* indicatorColumns(name, yield* input(), args, ahead)
  const { lists } = yield* remembered<WrittenColumns>('columns', name, asked, function* (earlier) {
    return yield* writtenColumns(yield* indicatorValues(name, yield* input(), args), earlier)
  })
  // To the executor they are lists of numbers.
  return { parts: lists as unknown as IndicatorColumns['parts'], ahead: { epoch: [], parts: {} } }
}

/** The signals of the closed nodes. A signal that a job also stored has the same id. */
export function seriesSignals(
  series: CandleSeries,
  { kinds }: { readonly kinds?: readonly SignalKind[] | null | undefined },
  context: Context,
): ShownSignal[] | Promise<ShownSignal[]> {
  const wanted = boundedFilter(kinds, 'kinds')
  // What becomes of a signal is filled in later.
  context.staysUntilMs = 0
  const { earlier, nodes } = listsOf(series)
  const rows = rowsPerSignalCandle * (nodes.length + Math.min(earlier.length, signalsWarmUp))
  return answerSteps(rows, context, 'signals', shownSignals(series, wanted))
}

const signalsPerStep = 500

function* shownSignals(series: CandleSeries, wanted: readonly SignalKind[] | null): Steps<ShownSignal[]> {
  const { candles, first } = yield* warmedUp(series, signalsWarmUp)
  const found = yield* signalSteps(candles)
  const nodes = yield* listsOf(series).nodes.candleSteps()
  const variant = variantOf(series)
  const shown: ShownSignal[] = []
  yield* inParts(0, found.length, signalsPerStep, (from, to) => {
    for (const signal of found.slice(from, to)) {
      const { index, kind } = signal
      if (!nodes[index - first]?.closed || (wanted && !wanted.includes(kind))) continue
      shown.push({ ...namedSignal(signal, candles.epoch[index] as number, series), ...variant })
    }
  })
  return shown
}

/** Empty for the candles that jobs use: of regular sessions, adjusted for splits. */
function variantOf({ adjustment, extendedHours }: CandleSeries): Pick<ShownSignal, 'variant'> {
  const words = [...(adjustment === 'SPLITS' ? [] : [adjustment]), ...(extendedHours ? ['EXTENDED_HOURS'] : [])]
  return words.length === 0 ? {} : { variant: words.join(' ') }
}

const listsOf = (series: CandleSeries): NonNullable<CandleSeries['lists']> =>
  series.lists ?? { earlier: listOf(series.earlier), nodes: listOf(series.nodes) }

function* warmedUp(series: CandleSeries, warmUp: number): Steps<IndicatorInput> {
  return withWarmUp(yield* inputOf(series), warmUp)
}

function* inputOf(series: CandleSeries): Steps<IndicatorInput> {
  const known = inputs.get(series)
  if (known) return known
  const { isWhole, interval, sessions } = series
  const { earlier, nodes } = listsOf(series)
  const input: IndicatorInput = {
    candles: yield* joinedInSteps([earlier, nodes]),
    first: earlier.length,
    isWhole,
    interval,
    timezone: sessions.timezone,
    exchange: sessions.exchange,
  }
  inputs.set(series, input)
  return input
}

/**
 * How many candles before the first node the selected fields of a series need, also by column. The series is what the current resolver returns, or what `path` leads to from there. At least one, which tells
 * whether there are earlier candles. Parameters out of bounds are refused at their own field.
 */
export function warmUp(info: GraphQLResolveInfo, interval: Interval, path: readonly string[] = []): number {
  let needed = 1
  const fields = [...selectedFields(info, path), ...selectedFields(info, [...path, 'columns'])]
  for (const { name, args } of fields) needed = Math.max(needed, candlesBefore(name, args, interval))
  return Math.min(needed, maxWarmUp)
}

/**
 * How many candles to load where so many are needed: rounded up to a power of two, or one and a half of one, so that
 * other parameters seldom need a candle more, for which the source would be asked. Not of minutes, for which sources are
 * asked week by week: a candle more may be a call more.
 */
export function coarse(count: number, interval: Interval): number {
  if (interval === 'MINUTE_1') return count
  const power = 2 ** Math.ceil(Math.log2(count))
  return Math.min(count <= 0.75 * power ? 0.75 * power : power, Math.max(count, maxWarmUp))
}

export function candlesBefore(field: string, args: Readonly<Record<string, unknown>>, interval: Interval): number {
  if (field === 'signals') return signalsWarmUp
  if (!isIndicator(field)) return 0
  try {
    return indicatorWarmUp(field, args, interval)
  } catch {
    return 0
  }
}
