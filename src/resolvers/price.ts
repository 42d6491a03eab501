import type { PriceUpdate } from '../domain/price-update.ts'
import { boundedList } from './bounds.ts'
import type { Context } from './context.ts'

const maxSymbols = 200

/** Rejects with BAD_USER_INPUT, or the error of the first symbol that can't be served. */
export async function priceUpdates(
  _root: unknown,
  { symbols }: { symbols: readonly string[] },
  context: Context,
): Promise<AsyncIterableIterator<PriceUpdate>> {
  return context.prices.subscribe(boundedList(symbols, maxSymbols, 'symbols'))
}

export function priceUpdate(update: PriceUpdate, _args: unknown, context: Context): PriceUpdate {
  context.renewLoaders()
  return update
}
