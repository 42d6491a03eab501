import type { Instrument } from '../domain/instrument.ts'
import type { Quote } from '../domain/quote.ts'
import type { Context } from './context.ts'
import { loadQuote, orNull } from './quote.ts'

const loadInstrument = async (symbol: string, context: Context): Promise<Instrument> =>
  (await context.loaders.listing.load(symbol)).instrument

/** By the symbols of global ids; null for what is none. */
export const instrumentsById = (symbols: readonly string[], context: Context): Promise<Instrument | null>[] =>
  symbols.map((symbol) => orNull(symbol, (valid) => loadInstrument(valid, context)))

export const instrument = (_root: unknown, { symbol }: { symbol: string }, context: Context): Promise<Instrument> =>
  loadInstrument(symbol, context)

export const instrumentQuote = (instrument: Instrument, _args: unknown, context: Context): Promise<Quote> =>
  loadQuote(instrument.symbol, context)
