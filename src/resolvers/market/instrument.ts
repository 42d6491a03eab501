import { badInput } from '../../domain/errors.ts'
import type { Instrument, InstrumentMatch } from '../../domain/instrument.ts'
import type { Quote } from '../../domain/quote.ts'
import type { Interval } from '../../domain/time/interval.ts'
import { bounded, boundedList } from '../bounds.ts'
import type { Context } from '../context.ts'
import { loadQuote, orNull } from './quote.ts'

/** No control characters and no lone surrogates: not every source accepts them. */
const searchPattern = /^[^\p{Cc}\p{Cs}]{1,100}$/u

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
  // Tested before trimming, because that would remove line breaks.
  const text = query.trim()
  if (!searchPattern.test(text) || /\p{Cc}/u.test(query)) {
    throw badInput('query must have 1 to 100 printable characters', 'query')
  }
  return context.market.search(text, bounded(first, 1, 100, 'first'), context.loaders.budget)
}

export const matchInstrument = ({ symbol }: InstrumentMatch, _args: unknown, context: Context): Promise<Instrument> =>
  loadInstrument(symbol, context)
