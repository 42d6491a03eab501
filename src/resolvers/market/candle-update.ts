import type { GraphQLResolveInfo } from 'graphql'
import type { CandleUpdate } from '../../domain/candle-update.ts'
import { FinstageError } from '../../domain/errors.ts'
import type { Interval } from '../../domain/time/interval.ts'
import type { Context } from '../context.ts'
import { turns } from '../rows.ts'
import { warmUp } from './indicator.ts'

export interface CandleUpdatesArgs {
  readonly symbol: string
  readonly interval: Interval
  readonly extendedHours: boolean
  /** Epoch milliseconds. */
  readonly from?: number | null | undefined
}

/** Rejects with SYMBOL_NOT_FOUND, RANGE_NOT_AVAILABLE, or as the source does. */
export function candleUpdates(
  _root: unknown,
  { symbol, interval, extendedHours, from }: CandleUpdatesArgs,
  context: Context,
  info: GraphQLResolveInfo,
): Promise<AsyncIterableIterator<CandleUpdate | FinstageError>> {
  return context.liveCandles.subscribe({
    symbol,
    interval,
    extendedHours,
    from: from == null ? null : Math.ceil(from / 1000),
    earlier: warmUp(info, interval, ['series']),
    inTurn: (work) => turns.run(context.caller, work),
  })
}

export function candleUpdate(update: CandleUpdate | FinstageError, _args: unknown, context: Context): CandleUpdate {
  if (update instanceof FinstageError) throw update
  context.renewLoaders()
  return update
}
