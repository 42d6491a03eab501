import { priceUpdateKinds, type PriceUpdate as UpdateShape } from '../../domain/price-update.ts'
import { priceCursor, priceUpdate, priceUpdates } from '../../resolvers/market/price.ts'
import { builder } from '../builder.ts'
import { MarketState, Source } from './instrument.ts'
import { Quote } from './quote.ts'

const PriceUpdateKind = builder.enumType('PriceUpdateKind', {
  description: 'STATUS: no new price, but the feed has gone stale or come back, or the market has changed its state',
  values: priceUpdateKinds,
})

const PriceUpdate = builder.objectRef<UpdateShape>('PriceUpdate').implement({
  fields: (t) => ({
    kind: t.expose('kind', { type: PriceUpdateKind }),
    symbol: t.field({ type: 'Symbol', resolve: ({ quote }) => quote.symbol }),
    price: t.float({ resolve: ({ quote }) => quote.price }),
    previousClose: t.float({ nullable: true, resolve: ({ quote }) => quote.previousClose }),
    change: t.float({ nullable: true, resolve: ({ quote }) => quote.change }),
    changePercent: t.float({ nullable: true, resolve: ({ quote }) => quote.changePercent }),
    volume: t.float({ nullable: true, description: 'Of the day', resolve: ({ quote }) => quote.volume }),
    time: t.field({ type: 'DateTime', resolve: ({ quote }) => quote.timeMs }),
    publishedAt: t.exposeFloat('publishedAtMs', { description: 'When this server sent it out, in epoch milliseconds' }),
    seq: t.expose('seq', {
      type: 'BigInt',
      description:
        'Counts up by one with each update of this symbol: a gap is what was conflated or dropped. It starts anew only with a SNAPSHOT',
    }),
    cursor: t.string({ description: 'For `after`', resolve: priceCursor }),
    stale: t.boolean({ resolve: ({ quote }) => quote.stale }),
    source: t.field({ type: Source, resolve: ({ quote }) => quote.source }),
    marketState: t.field({ type: MarketState, resolve: ({ quote }) => quote.marketState }),
    quote: t.expose('quote', { type: Quote }),
  }),
})

builder.subscriptionField('priceUpdates', (t) =>
  t.field({
    type: PriceUpdate,
    description:
      'The current price of each symbol at once, then every update. An unknown symbol refuses the subscription and is named in the error. ' +
      '`throttleMs` (0 to 60,000) keeps only the newest per symbol in each such window. `after` takes the `cursor` last seen of each symbol: ' +
      'what was missed is replayed, or where that is no longer held, a SNAPSHOT says so. At most 200 symbols',
    args: {
      symbols: t.arg({ type: ['Symbol'], required: true }),
      throttleMs: t.arg.int({ required: true, defaultValue: 0 }),
      after: t.arg.stringList(),
    },
    subscribe: priceUpdates,
    resolve: priceUpdate,
  }),
)
