import { noPrice } from '../domain/errors.ts'
import type { Instrument } from '../domain/instrument.ts'
import type { Quote } from '../domain/quote.ts'
import { boundedList } from './bounds.ts'
import type { Context } from './context.ts'

/** The quote of a symbol. Rejects with SYMBOL_NOT_FOUND, NO_DATA, or what the source fails with. */
export async function loadQuote(symbol: string, context: Context): Promise<Quote> {
  const listing = await context.loaders.listing.load(symbol)
  if (!listing.quote) throw noPrice(symbol)
  return listing.quote
}

export const quote = (_root: unknown, { symbol }: { symbol: string }, context: Context): Promise<Quote> =>
  loadQuote(symbol, context)

/** One place per symbol asked, in order; each may fail on its own. */
export function quotes(
  _root: unknown,
  { symbols }: { symbols: readonly string[] },
  context: Context,
): Promise<Quote>[] {
  boundedList(symbols, 100, 'symbols')
  return symbols.map((symbol) => loadQuote(symbol, context))
}

export const quoteInstrument = async (quote: Quote, _args: unknown, context: Context): Promise<Instrument> =>
  (await context.loaders.listing.load(quote.symbol)).instrument
