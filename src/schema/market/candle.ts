import { adjustments, type Candle as CandleShape, type CandleSeries as SeriesShape } from '../../domain/candle.ts'
import { intervals } from '../../domain/time/interval.ts'
import { candles, column, instrumentCandles, nodes } from '../../resolvers/market/candle.ts'
import { reachDays } from '../../resolvers/market/instrument.ts'
import { builder } from '../builder.ts'
import { passing } from '../price/price.ts'
import { candleColumn, candleNodes, loadedSeries } from '../price/series.ts'
import { Instrument, Source } from './instrument.ts'

export const Interval = builder.enumType('Interval', {
  description:
    'MINUTE_30, HOUR_2, HOUR_4, weeks, months and quarters are composed; those under a day begin at the open, and anew after a break',
  values: intervals,
})
const Adjustment = builder.enumType('Adjustment', {
  description:
    'SPLITS: prices as Yahoo charts them. SPLITS_AND_DIVIDENDS: scaled to the adjusted close. NONE: prices as traded on the day',
  values: adjustments,
})
export const Candle = builder.objectRef<CandleShape>('Candle').implement({
  fields: (t) => ({
    time: t.field({
      type: 'DateTime',
      description:
        "Start of the interval. DAY_1 and longer: midnight UTC of the exchange's trading date (the first day of the exchange's week, mostly Monday; first of a month or quarter)",
      resolve: (candle) => candle.epoch * 1000,
    }),
    epoch: t.expose('epoch', { type: 'EpochSeconds' }),
    open: t.exposeFloat('open'),
    high: t.exposeFloat('high'),
    low: t.exposeFloat('low'),
    close: t.exposeFloat('close'),
    volume: t.exposeFloat('volume', {
      nullable: true,
      description: 'null: unknown, for the candle or for a part of it',
    }),
    closed: t.exposeBoolean('closed', { description: 'false while the interval runs' }),
  }),
})

export const CandleColumns = builder.objectRef<SeriesShape>('CandleColumns').implement({
  description:
    'Arrays of one length, aligned: what has no value at a candle is null there. An indicator that fails is null as a whole, with its error',
  fields: (t) => ({
    epoch: t.field({ type: ['EpochSeconds'], extensions: candleColumn, resolve: column('epoch') }),
    time: t.field({
      type: ['EpochSeconds'],
      extensions: candleColumn,
      deprecationReason: 'epoch is the same; time is a DateTime everywhere else',
      resolve: column('epoch'),
    }),
    open: t.floatList({ extensions: candleColumn, resolve: column('open') }),
    high: t.floatList({ extensions: candleColumn, resolve: column('high') }),
    low: t.floatList({ extensions: candleColumn, resolve: column('low') }),
    close: t.floatList({ extensions: candleColumn, resolve: column('close') }),
    volume: t.floatList({
      nullable: { list: false, items: true },
      extensions: candleColumn,
      resolve: column('volume'),
    }),
  }),
})

export const CandleSeries = builder.objectRef<SeriesShape>('CandleSeries').implement({
  description:
    'Candles of one symbol and interval. Every indicator is computed from enough earlier candles that its first point is at the first ' +
    'node (if history reaches that far) and that no value depends on where the range begins. Cumulative indicators are the exception: ' +
    'obv and adl start at 0 at the first node, vwap at its anchor. Points without a value are left out. From a candle whose ' +
    'volume is null, obv and adl have no value up to the last node, vwap none up to its next anchor, mfi none while the candle is in ' +
    'its window, and forceIndex begins anew after it',
  fields: (t) => ({
    symbol: t.expose('symbol', { type: 'Symbol' }),
    interval: t.expose('interval', { type: Interval }),
    adjustment: t.expose('adjustment', { type: Adjustment }),
    source: t.expose('source', { type: Source }),
    stale: t.exposeBoolean('stale', {
      description: 'true: the source could not be reached, so these are the stored candles',
    }),
    receivedAt: t.expose('receivedAtMs', { type: 'DateTime' }),
    excluded: t.exposeInt('excluded', {
      description: 'How many rows were left out because the source sent them unusable (null, NaN, high below low)',
    }),
    hasEarlier: t.exposeBoolean('hasEarlier', { description: 'true: the source has candles before the first node' }),
    nodes: t.field({
      type: [Candle],
      extensions: candleNodes,
      description: 'Oldest first, one for each time',
      resolve: nodes,
    }),
    columns: t.field({
      type: CandleColumns,
      description: 'The same candles, column by column: a third of the bytes',
      extensions: passing,
      resolve: (series) => series,
    }),
  }),
})

const candleArgs = builder.args((t) => ({
  interval: t.field({ type: Interval, required: true, defaultValue: 'DAY_1' }),
  from: t.field({ type: 'DateTime' }),
  to: t.field({ type: 'DateTime' }),
  last: t.int(),
  adjustment: t.field({ type: Adjustment, required: true, defaultValue: 'SPLITS' }),
  extendedHours: t.boolean({ required: true, defaultValue: false }),
}))

builder.queryField('candles', (t) =>
  t.field({
    type: CandleSeries,
    nullable: true,
    description:
      'Candles from `from` (inclusive) to `to` (exclusive; null: now), or the `last` of them. With neither `from` nor `last`: the last 500. ' +
      'At most 20,000, otherwise RANGE_NOT_AVAILABLE',
    args: { symbol: t.arg({ type: 'Symbol', required: true }), ...candleArgs },
    extensions: loadedSeries,
    resolve: candles,
  }),
)

builder.objectField(Instrument, 'candles', (t) =>
  t.field({
    type: CandleSeries,
    nullable: true,
    args: candleArgs,
    extensions: loadedSeries,
    resolve: instrumentCandles,
  }),
)

builder.objectField(Instrument, 'reachDays', (t) =>
  t.int({
    nullable: true,
    description: 'How many days back the source goes for an interval. null: as far as there is history',
    args: { interval: t.arg({ type: Interval, required: true }) },
    resolve: reachDays,
  }),
)
