import { badInput } from '../../domain/errors.ts'
import { decodeCursor, encodeCursor, type PriceCursor, type PriceUpdate } from '../../domain/price-update.ts'
import type { PriceSubscription } from '../../stream/price-subscription.ts'
import { bounded, boundedList } from '../bounds.ts'
import type { Context } from '../context.ts'

const maxCursors = 200
const longestThrottleMs = 60_000

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
    throttleMs: bounded(throttleMs, 0, longestThrottleMs, 'throttleMs'),
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
