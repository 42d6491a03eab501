import { badInput } from '../../domain/errors.ts'
import { decodeCursor, encodeCursor, type PriceCursor, type PriceUpdate } from '../../domain/price-update.ts'
import type { PriceBatches } from '../../stream/price-batches.ts'
import type { PriceSubscription } from '../../stream/price-subscription.ts'
import { bounded, boundedList } from '../bounds.ts'
import type { Context } from '../context.ts'

const maxCursors = 200
const longestWindowMs = 60_000
const shortestBatchMs = 50

export interface PriceUpdatesArgs {
  readonly symbols: readonly string[]
  readonly throttleMs: number
  readonly after?: readonly string[] | null | undefined
}

/**
 * The source events of `priceUpdates`. A transport iterates over them, or pipes them into a sink of its own.
 * Rejects with BAD_USER_INPUT, or with the error of the first symbol that can't be served.
 */
export async function priceUpdates(
  _root: unknown,
  { symbols, throttleMs, after }: PriceUpdatesArgs,
  context: Context,
): Promise<PriceSubscription> {
  return context.prices.subscribe({
    symbols: boundedList(symbols, context.limits.symbolsPerSubscription, 'symbols'),
    throttleMs: bounded(throttleMs, 0, longestWindowMs, 'throttleMs'),
    after: cursors(after ?? []),
  })
}

export interface PriceBatchesArgs extends Omit<PriceUpdatesArgs, 'throttleMs'> {
  readonly batchMs: number
}

/** The source events of `priceBatches`, as those of `priceUpdates` are. */
export async function priceBatches(
  _root: unknown,
  { symbols, batchMs, after }: PriceBatchesArgs,
  context: Context,
): Promise<PriceBatches> {
  return context.prices.subscribeBatches({
    symbols: boundedList(symbols, context.limits.symbolsPerSubscription, 'symbols'),
    batchMs: bounded(batchMs, shortestBatchMs, longestWindowMs, 'batchMs'),
    after: cursors(after ?? []),
  })
}

function cursors(after: readonly string[]): Map<string, PriceCursor> {
  if (after.length > maxCursors)
    throw badInput(`after has ${after.length} entries; at most ${maxCursors} are allowed`, 'after')
  const furthest = new Map<string, PriceCursor>()
  for (const text of after) {
    const cursor = decodeCursor(text)
    if (!cursor) throw badInput('after contains a value that is not a price cursor', 'after')
    const known = furthest.get(cursor.symbol)
    if (!known || isFurther(cursor, known)) furthest.set(cursor.symbol, cursor)
  }
  return furthest
}

const isFurther = (one: PriceCursor, other: PriceCursor): boolean =>
  one.run === other.run ? one.seq > other.seq : one.run > other.run

export const priceCursor = ({ run, seq, quote }: PriceUpdate): string =>
  encodeCursor({ symbol: quote.symbol, run, seq })

export function priceUpdate(update: PriceUpdate, _args: unknown, context: Context): PriceUpdate {
  context.renewLoaders()
  return update
}

export function priceBatch(batch: readonly PriceUpdate[], _args: unknown, context: Context): readonly PriceUpdate[] {
  context.renewLoaders()
  return batch
}
