import { candleUpdateKinds } from '../../domain/candle-update.ts'
import type { CandleUpdate as UpdateShape } from '../../market/live-candles/update.ts'
import { candleUpdate, candleUpdates } from '../../resolvers/market/candle-update.ts'
import { builder } from '../builder.ts'
import { Candle, CandleSeries, Interval } from './candle.ts'

const CandleUpdateKind = builder.enumType('CandleUpdateKind', {
  description:
    'SNAPSHOT: as the candle stood when the subscription began. UPDATE: it has changed and goes on forming. CLOSE: its time is over, ' +
    'or it was closed and has changed since: a price came late, or the source has its last word',
  values: candleUpdateKinds,
})

const CandleUpdate = builder.objectRef<UpdateShape>('CandleUpdate').implement({
  fields: (t) => ({
    kind: t.expose('kind', { type: CandleUpdateKind }),
    symbol: t.expose('symbol', { type: 'Symbol' }),
    interval: t.expose('interval', { type: Interval }),
    candle: t.expose('candle', { type: Candle }),
    series: t.expose('series', {
      type: CandleSeries,
      description:
        'This one candle as a series: the same fragment that drew the history draws what is live, indicators included',
    }),
    revision: t.exposeInt('revision', {
      description: 'Counts up with each change of this candle; another subscription may count from elsewhere',
    }),
  }),
})

builder.subscriptionField('candleUpdates', (t) =>
  t.field({
    type: CandleUpdate,
    description:
      'The candle being formed, each time it changes, and once more when it closes; with `from`, first every candle since, as it now stands. ' +
      'In the end each is what `candles` gives: a late price or the source may change one that has closed. ' +
      'A slow reader loses updates between, never a close; one for whom over 20,000 wait gets those, then LIMIT_EXCEEDED. At most 20,000 candles since `from`: more is RANGE_NOT_AVAILABLE',
    args: {
      symbol: t.arg({ type: 'Symbol', required: true }),
      interval: t.arg({ type: Interval, required: true, defaultValue: 'MINUTE_1' }),
      extendedHours: t.arg.boolean({ required: true, defaultValue: false }),
      from: t.arg({ type: 'DateTime' }),
    },
    subscribe: candleUpdates,
    resolve: candleUpdate,
  }),
)
