import type { Quote as QuoteShape } from '../../domain/quote.ts'
import { instrumentQuote } from '../../resolvers/market/instrument.ts'
import { quote, quoteInstrument, quotes, quotesById } from '../../resolvers/market/quote.ts'
import { builder } from '../builder.ts'
import { listing, listingsOf } from '../price/price.ts'
import { Instrument, MarketState, Source } from './instrument.ts'

export const Quote = builder.objectRef<QuoteShape>('Quote')

builder.node(Quote, {
  id: { resolve: (quote) => quote.symbol },
  loadMany: quotesById,
  fields: (t) => ({
    symbol: t.expose('symbol', { type: 'Symbol' }),
    instrument: t.field({ type: Instrument, extensions: listing, resolve: quoteInstrument }),
    price: t.exposeFloat('price', { description: 'The newest price of any session' }),
    previousClose: t.exposeFloat('previousClose', {
      nullable: true,
      description:
        "The last regular close before the trading date of `price`: before the open that is yesterday's close, after the close still that " +
        'of the day before',
    }),
    change: t.exposeFloat('change', { nullable: true, description: '`price` against `previousClose`' }),
    changePercent: t.exposeFloat('changePercent', { nullable: true }),
    open: t.exposeFloat('open', { nullable: true }),
    dayHigh: t.exposeFloat('dayHigh', { nullable: true }),
    dayLow: t.exposeFloat('dayLow', { nullable: true }),
    volume: t.exposeFloat('volume', { nullable: true, description: 'Volume of the day' }),
    bid: t.exposeFloat('bid', { nullable: true }),
    ask: t.exposeFloat('ask', { nullable: true }),
    marketCap: t.exposeFloat('marketCap', { nullable: true }),
    fiftyTwoWeekHigh: t.exposeFloat('fiftyTwoWeekHigh', { nullable: true }),
    fiftyTwoWeekLow: t.exposeFloat('fiftyTwoWeekLow', { nullable: true }),
    currency: t.exposeString('currency', { nullable: true }),
    marketState: t.expose('marketState', { type: MarketState }),
    time: t.expose('timeMs', {
      type: 'DateTime',
      description: 'When the price was made; `price` is the newest of any session',
    }),
    regularPrice: t.exposeFloat('regularPrice', {
      nullable: true,
      description: "The regular session's last price, if `price` is from before or after that session",
    }),
    extendedChange: t.exposeFloat('extendedChange', {
      nullable: true,
      description: '`price` against `regularPrice`, if `price` is from before or after the regular session; else null',
    }),
    extendedChangePercent: t.exposeFloat('extendedChangePercent', { nullable: true }),
    source: t.expose('source', { type: Source }),
    receivedAt: t.expose('receivedAtMs', { type: 'DateTime', description: 'When this server received it' }),
    delayMinutes: t.exposeInt('delayMinutes', { nullable: true }),
    stale: t.exposeBoolean('stale', {
      description: 'true: the source could not be reached, so this is the last known price',
    }),
  }),
})

builder.objectField(Instrument, 'quote', (t) =>
  t.field({ type: Quote, nullable: true, extensions: listing, resolve: instrumentQuote }),
)

builder.queryFields((t) => ({
  quote: t.field({
    type: Quote,
    nullable: true,
    args: { symbol: t.arg({ type: 'Symbol', required: true }) },
    extensions: listing,
    resolve: quote,
  }),
  quotes: t.field({
    type: [Quote],
    nullable: { list: false, items: true },
    description:
      'One entry per requested symbol, in order, at most 100. An entry that fails is null, with an error whose path points at it; the ' +
      'others arrive',
    args: { symbols: t.arg({ type: ['Symbol'], required: true }) },
    extensions: listingsOf('symbols'),
    resolve: quotes,
  }),
}))
