import {
  type InstrumentMatch as InstrumentMatchShape,
  type Instrument as InstrumentShape,
  instrumentKinds,
  marketStates,
  sources,
} from '../../domain/instrument.ts'
import {
  instrument,
  instruments,
  instrumentsById,
  matchInstrument,
  searchInstruments,
} from '../../resolvers/market/instrument.ts'
import { builder } from '../builder.ts'
import { listing, listingsOf, searched } from '../price/price.ts'
import { Exchange } from './exchange.ts'

export const InstrumentKind = builder.enumType('InstrumentKind', { values: instrumentKinds })
export const MarketState = builder.enumType('MarketState', { values: marketStates })
export const Source = builder.enumType('Source', {
  description: "YAHOO_STREAM: Yahoo's push feed. SIMULATED: made up by this server",
  values: sources,
})

export const Instrument = builder.objectRef<InstrumentShape>('Instrument')

builder.node(Instrument, {
  id: { resolve: (instrument) => instrument.symbol },
  loadMany: instrumentsById,
  fields: (t) => ({
    symbol: t.expose('symbol', { type: 'Symbol' }),
    name: t.exposeString('name', { nullable: true }),
    kind: t.expose('kind', { type: InstrumentKind }),
    exchange: t.expose('exchange', { type: Exchange, nullable: true }),
    currency: t.exposeString('currency', {
      nullable: true,
      description: 'As the source writes it: USD, or GBp for pence',
    }),
    priceDecimals: t.exposeInt('priceDecimals', { description: 'How many decimals to show of a price' }),
    marketState: t.expose('marketState', { type: MarketState }),
  }),
})

const InstrumentMatch = builder.objectRef<InstrumentMatchShape>('InstrumentMatch').implement({
  description: 'An instrument that a search found',
  fields: (t) => ({
    symbol: t.expose('symbol', { type: 'Symbol' }),
    name: t.exposeString('name', { nullable: true }),
    kind: t.expose('kind', { type: InstrumentKind }),
    exchange: t.exposeString('exchange', { nullable: true, description: 'As the source names it' }),
    instrument: t.field({
      type: Instrument,
      nullable: true,
      description:
        'null with SYMBOL_NOT_FOUND if the search finds the symbol but the source knows nothing more about it',
      extensions: listing,
      resolve: matchInstrument,
    }),
  }),
})

builder.queryFields((t) => ({
  instrument: t.field({
    type: Instrument,
    nullable: true,
    description: 'Everything that is known about one symbol. null with SYMBOL_NOT_FOUND if the source does not know it',
    args: { symbol: t.arg({ type: 'Symbol', required: true }) },
    extensions: listing,
    resolve: instrument,
  }),
  instruments: t.field({
    type: [Instrument],
    nullable: { list: false, items: true },
    description: 'One entry per requested symbol, in order; an entry that fails is null, as in `quotes`',
    args: { symbols: t.arg({ type: ['Symbol'], required: true }) },
    extensions: listingsOf('symbols'),
    resolve: instruments,
  }),
  searchInstruments: t.field({
    type: [InstrumentMatch],
    nullable: true,
    description:
      'Instruments whose symbol or name matches the text, the best match first. `query` has 1 to 100 characters',
    args: {
      query: t.arg.string({ required: true }),
      first: t.arg.int({ required: true, defaultValue: 10 }),
    },
    extensions: searched,
    resolve: searchInstruments,
  }),
}))
