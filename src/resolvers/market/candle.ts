import type { GraphQLResolveInfo } from 'graphql'
import {
  type Adjustment,
  type Candle,
  type CandleRequest,
  type CandleSeries,
  maxCandles,
  tooManyCandles,
} from '../../domain/candle.ts'
import type { CandleColumn, CandleList, Sized } from '../../domain/candle-list.ts'
import { badInput } from '../../domain/errors.ts'
import type { Instrument } from '../../domain/instrument.ts'
import type { SessionHours } from '../../domain/sessions/session-hours.ts'
import type { Steps } from '../../domain/steps.ts'
import { clockTime, epochOf } from '../../domain/time/exchange-clock.ts'
import { type Interval, intervalSeconds, isDaily, partsPerCandle } from '../../domain/time/interval.ts'
import { daySeconds } from '../../domain/time/units.ts'
import type { Context } from '../context.ts'
import { answerRows, runSteps, spendRows } from '../rows.ts'
import { WrittenList } from '../written-list.ts'
import { coarse, warmUp } from './indicator.ts'

const defaultLast = 500

export interface CandleArgs {
  readonly interval: Interval
  /** Epoch milliseconds. */
  readonly from?: number | null | undefined
  readonly to?: number | null | undefined
  readonly last?: number | null | undefined
  readonly adjustment: Adjustment
  readonly extendedHours: boolean
}

export const candles = (
  _root: unknown,
  args: CandleArgs & { readonly symbol: string },
  context: Context,
  info: GraphQLResolveInfo,
): Promise<CandleSeries> => loadCandles(args.symbol, args, context, warmUp(info, args.interval))

export const instrumentCandles = (
  instrument: Instrument,
  args: CandleArgs,
  context: Context,
  info: GraphQLResolveInfo,
): Promise<CandleSeries> => loadCandles(instrument.symbol, args, context, warmUp(info, args.interval))

/**
 * `needed`: how many candles before the first node. Rejects with BAD_USER_INPUT, RANGE_NOT_AVAILABLE, SYMBOL_NOT_FOUND,
 * or as the source does.
 */
export async function loadCandles(
  symbol: string,
  { interval, from, to, last, adjustment, extendedHours }: CandleArgs,
  context: Context,
  needed: number,
): Promise<CandleSeries> {
  if (from != null && to != null && from >= to) throw badInput('from must be earlier than to', 'from')
  if (last != null && last < 1) throw badInput(`last is ${last}; it must be 1 or more`, 'last')
  if (last != null && last > maxCandles) throw tooManyCandles()
  const request: CandleRequest = {
    symbol,
    interval,
    from: from == null ? null : Math.ceil(from / 1000),
    to: to == null ? null : Math.ceil(to / 1000),
    last: last ?? (from == null ? defaultLast : null),
    earlier: coarse(needed, interval),
    adjustment,
    extendedHours,
  }
  const parts = partsPerCandle(interval)
  // History bounds how many days there can be.
  const expected = (leastRows(request) + needed) * (isDaily(interval) ? 1 : parts)
  spendRows(expected, context)
  const series = await context.loaders.candles.load(request)
  context.staysUntilMs = Math.min(context.staysUntilMs ?? Number.POSITIVE_INFINITY, staysUntilMs(series, context))
  const { nodes, earlier: before } = series.lists ?? series
  if (nodes.length > maxCandles) throw tooManyCandles()
  return answerRows(
    Math.max(0, (nodes.length + Math.min(before.length, needed)) * parts - expected),
    context,
    () => series,
  )
}

/**
 * Until when a series stays as it is: splits and dividends take effect when a session opens, and the first request after
 * that time of day looks for them. 0: it may change at any time. Rows that were left out may come later.
 */
function staysUntilMs({ isFinal, stale, excluded, sessions }: CandleSeries, context: Context): number {
  return !isFinal || stale || excluded > 0 ? 0 : nextOpening(sessions, context.now() / 1000) * 1000
}

/** The next time of day at which sessions open, by the exchange's clock, which may have changed since the known one. */
function nextOpening({ opens, timezone }: SessionHours, now: number): number {
  const zone = opens === null ? 'UTC' : timezone
  const [clock, opening] = [clockTime(Math.floor(now), zone), clockTime(opens ?? 0, zone)]
  return epochOf(opening + Math.floor((clock - opening) / daySeconds + 1) * daySeconds, zone)
}

/**
 * Exchanges are open for at least a fifth of a week. So this share of a long range has candles, known before loading.
 */
const openShare = 0.2

function leastRows({ interval, from, to, last }: CandleRequest): number {
  if (from === null) return last ?? 0
  const inRange = (openShare * ((to ?? Date.now() / 1000) - from)) / intervalSeconds(interval)
  return Math.floor(Math.min(last ?? maxCandles, maxCandles, Math.max(0, inRange)))
}

export const nodes = (series: CandleSeries, _args: unknown, context: Context) =>
  series.lists ? runSteps(series.lists.nodes.candleSteps(), context.caller, 'candles') : series.nodes

/** One entry per node. */
export const column =
  <C extends CandleColumn>(name: C) =>
  (series: CandleSeries, _args: unknown, context: Context): Candle[C][] | Promise<Candle[C][]> => {
    const list = series.lists?.nodes
    if (!list) return columnOf(series.nodes, name)
    // In most requests, it is at hand.
    const known = context.takesWrittenLists ? list.recalled<KeptColumn>(name)?.written : undefined
    // To the executor it is a list.
    if (known) return known as unknown as Candle[C][]
    return runSteps(context.takesWrittenLists ? written(list, name) : values(list, name), context.caller, 'candles')
  }

const columnOf = <C extends CandleColumn>(candles: readonly Candle[], name: C): Candle[C][] =>
  candles.map((candle) => candle[name])

function* values<C extends CandleColumn>(list: CandleList<Candle>, name: C): Steps<Candle[C][]> {
  return columnOf(yield* list.candleSteps(), name)
}

function* written<C extends CandleColumn>(list: CandleList<Candle>, name: C): Steps<Candle[C][]> {
  const kept = yield* list.remembered(name, () => keptColumn(list, name))
  return kept.written ? (kept.written as unknown as Candle[C][]) : yield* values(list, name)
}

/** The same one as long as the candles stay as they are: so that it is digested once. */
interface KeptColumn extends Sized {
  /** null: it cannot be written as it is. */
  readonly written: WrittenList | null
}

/** By estimate, beside the pieces, of which all but the last are kept in any case. */
const bytesPerColumn = 400

function* keptColumn(list: CandleList<Candle>, name: CandleColumn): Steps<KeptColumn> {
  const json = yield* list.json(name)
  const bytes = bytesPerColumn + (json?.at(-1)?.length ?? 0)
  return { written: json && new WrittenList(json, list.length), bytes }
}
