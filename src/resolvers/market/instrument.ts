import type { Instrument, InstrumentMatch } from '../../domain/instrument.ts'
import type { Quote } from '../../domain/quote.ts'
import type { Interval } from '../../domain/time/interval.ts'
import { bounded, boundedList, printable } from '../bounds.ts'
import type { Context } from '../context.ts'
import { loadQuote, orNull } from './quote.ts'

const maxQueryLength = 100

const loadInstrument = async (symbol: string, context: Context): Promise<Instrument> =>
  (await context.loaders.listing(symbol)).instrument

/** Loads by the symbols of global ids; null for a symbol that does not exist. */
export const instrumentsById = (symbols: readonly string[], context: Context): Promise<Instrument | null>[] =>
  symbols.map((symbol) => orNull(symbol, (valid) => loadInstrument(valid, context)))

export const instrument = (_root: unknown, { symbol }: { symbol: string }, context: Context): Promise<Instrument> =>
  loadInstrument(symbol, context)

/** One entry per requested symbol, in order; each may fail on its own. */
export function instruments(
  _root: unknown,
  { symbols }: { symbols: readonly string[] },
  context: Context,
): Promise<Instrument>[] {
  boundedList(symbols, 100, 'symbols')
  return symbols.map((symbol) => loadInstrument(symbol, context))
}

export const instrumentQuote = (instrument: Instrument, _args: unknown, context: Context): Quote | Promise<Quote> =>
  loadQuote(instrument.symbol, context)

export const reachDays = (_root: unknown, { interval }: { interval: Interval }, context: Context): number | null =>
  context.market.reachDays(interval)

/** Rejects with BAD_USER_INPUT, or as the source does. */
export async function searchInstruments(
  _root: unknown,
  { query, first }: { query: string; first: number },
  context: Context,
): Promise<readonly InstrumentMatch[]> {
  // Control characters are looked for before trimming, which would remove line breaks.
  const text = printable(/\p{Cc}/u.test(query) ? query : query.trim(), maxQueryLength, 'query')
  return context.market.search(text, bounded(first, 1, 100, 'first'), context.loaders.budget)
}

export const matchInstrument = ({ symbol }: InstrumentMatch, _args: unknown, context: Context): Promise<Instrument> =>
  loadInstrument(symbol, context)
