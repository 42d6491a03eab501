import type { CandleUpdate as UpdateShape } from '../../domain/candle-update.ts'
import { candleUpdateKinds } from '../../domain/candle-update.ts'
import { candleUpdate, candleUpdates } from '../../resolvers/market/candle-update.ts'
import { builder } from '../builder.ts'
import { liveSeries, seriesOfEvent } from '../price/series.ts'
import { Candle, CandleSeries, Interval } from './candle.ts'

const CandleUpdateKind = builder.enumType('CandleUpdateKind', {
  description:
    'SNAPSHOT: the candle as it stood when the subscription began. UPDATE: it changed and is still forming. CLOSE: its time is over, ' +
    'or it was closed before and changed since, because a price came late or the source corrected it',
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
      extensions: seriesOfEvent,
      description:
        'This one candle as a series, indicators included: the fragment that draws the history can draw the live candle',
    }),
    revision: t.exposeInt('revision', {
      description: 'Counts the changes of this candle. Another subscription may start at another number',
    }),
  }),
})

builder.subscriptionField('candleUpdates', (t) =>
  t.field({
    type: CandleUpdate,
    description:
      'The forming candle, each time it changes and when it closes. With `from`: first every candle since then, as it now stands ' +
      '(at most 20,000, otherwise RANGE_NOT_AVAILABLE). A late price or the source may still change a closed candle, so that each ends ' +
      'as what `candles` gives. A slow reader loses some UPDATEs, never a CLOSE; if over 20,000 wait for it, it gets those, then ' +
      'LIMIT_EXCEEDED',
    args: {
      symbol: t.arg({ type: 'Symbol', required: true }),
      interval: t.arg({ type: Interval, required: true, defaultValue: 'MINUTE_1' }),
      extendedHours: t.arg.boolean({ required: true, defaultValue: false }),
      from: t.arg({ type: 'DateTime' }),
    },
    extensions: liveSeries,
    subscribe: candleUpdates,
    resolve: candleUpdate,
  }),
)
