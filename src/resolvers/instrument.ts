import type { Instrument } from '../domain/instrument.ts'
import type { Quote } from '../domain/quote.ts'
import type { Context } from './context.ts'
import { loadQuote } from './quote.ts'

export const loadInstrument = async (symbol: string, context: Context): Promise<Instrument> =>
  (await context.loaders.listing.load(symbol)).instrument

export const instrument = (_root: unknown, { symbol }: { symbol: string }, context: Context): Promise<Instrument> =>
  loadInstrument(symbol, context)

export const instrumentQuote = (instrument: Instrument, _args: unknown, context: Context): Promise<Quote> =>
  loadQuote(instrument.symbol, context)
