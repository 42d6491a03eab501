import { priceUpdateKinds, type PriceUpdate as UpdateShape } from '../../domain/price-update.ts'
import { priceBatch, priceBatches, priceCursor, priceUpdate, priceUpdates } from '../../resolvers/market/price.ts'
import { builder } from '../builder.ts'
import { seats, seatsOfBatches } from '../price/price.ts'
import { MarketState, Source } from './instrument.ts'
import { Quote } from './quote.ts'

const PriceUpdateKind = builder.enumType('PriceUpdateKind', {
  description:
    'SNAPSHOT: the current state of the symbol; `seq` counts on from here. TICK: a new price or other new figures. STATUS: no new price, ' +
    'but the feed went stale or came back, or the market changed its state',
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
    volume: t.float({ nullable: true, description: 'Volume of the day', resolve: ({ quote }) => quote.volume }),
    time: t.field({ type: 'DateTime', resolve: ({ quote }) => quote.timeMs }),
    publishedAt: t.exposeFloat('publishedAtMs', {
      description: 'When this server published it, in epoch milliseconds',
    }),
    seq: t.expose('seq', {
      type: 'BigInt',
      description:
        'Counts the updates of this symbol one by one. A gap means that updates were left out. It starts anew only with a SNAPSHOT',
    }),
    cursor: t.string({ description: 'Pass it in `after` to continue from here', resolve: priceCursor }),
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
      'The current price of each symbol at once, then every update. At most 200 symbols. If one is unknown, the subscription is refused ' +
      'and the error names it. `throttleMs` (0 to 60,000): deliver at most the latest update per symbol per window; 0 delivers every ' +
      'update. `after`: the last `cursor` seen of each symbol. Missed updates are replayed; if they are no longer held, a SNAPSHOT comes ' +
      'instead',
    args: {
      symbols: t.arg({ type: ['Symbol'], required: true }),
      throttleMs: t.arg.int({ required: true, defaultValue: 0 }),
      after: t.arg.stringList(),
    },
    extensions: seats,
    subscribe: priceUpdates,
    resolve: priceUpdate,
  }),
)

builder.subscriptionField('priceBatches', (t) =>
  t.field({
    type: [PriceUpdate],
    description:
      'The same as lists: the current price of each symbol at once, then, at the end of each window of `batchMs` (50 to 60,000), the newest ' +
      'update of each symbol that has changed in it. Over a WebSocket to /graphql?compress, lists come compressed',
    args: {
      symbols: t.arg({ type: ['Symbol'], required: true }),
      batchMs: t.arg.int({ required: true, defaultValue: 1000 }),
      after: t.arg.stringList(),
    },
    extensions: seatsOfBatches,
    subscribe: priceBatches,
    resolve: priceBatch,
  }),
)
