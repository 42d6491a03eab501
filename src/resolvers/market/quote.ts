import { type ErrorCode, FinstageError, noPrice } from '../../domain/errors.ts'
import type { Instrument } from '../../domain/instrument.ts'
import type { Listing, Quote } from '../../domain/quote.ts'
import { parseSymbol } from '../../domain/symbol.ts'
import { boundedList } from '../bounds.ts'
import type { Context } from '../context.ts'

/**
 * The quote of a symbol; not a promise if it is cached. Fails with SYMBOL_NOT_FOUND, NO_DATA, or as the source does.
 */
export function loadQuote(symbol: string, context: Context): Quote | Promise<Quote> {
  const listing = context.loaders.listing(symbol)
  return listing instanceof Promise ? listing.then((known) => quoteOf(known, symbol)) : quoteOf(listing, symbol)
}

function quoteOf(listing: Listing, symbol: string): Quote {
  if (!listing.quote) throw noPrice(symbol)
  return listing.quote
}

/** Loads by the symbols of global ids; null for a symbol that does not exist or has no quote. */
export const quotesById = (symbols: readonly string[], context: Context): Promise<Quote | null>[] =>
  symbols.map((symbol) => orNull(symbol, (valid) => loadQuote(valid, context)))

/**
 * Resolves to null if the symbol has nothing to load. Returns other errors: in a list, graphql-js fails only their own
 * entry.
 */
export async function orNull<T>(symbol: string, load: (symbol: string) => T | Promise<T>): Promise<T | null> {
  try {
    return await load(parseSymbol(symbol))
  } catch (error) {
    if (error instanceof FinstageError && nothingThere.has(error.code)) return null
    return error as never
  }
}

const nothingThere: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['BAD_USER_INPUT', 'SYMBOL_NOT_FOUND', 'NO_DATA'])

export const quote = (_root: unknown, { symbol }: { symbol: string }, context: Context): Quote | Promise<Quote> =>
  loadQuote(symbol, context)

/** One entry per requested symbol, in order; each may fail on its own. */
export function quotes(
  _root: unknown,
  { symbols }: { symbols: readonly string[] },
  context: Context,
): Promise<Quote>[] {
  boundedList(symbols, 100, 'symbols')
  return symbols.map(async (symbol) => loadQuote(symbol, context))
}

export const quoteInstrument = async (quote: Quote, _args: unknown, context: Context): Promise<Instrument> =>
  (await context.loaders.listing(quote.symbol)).instrument
