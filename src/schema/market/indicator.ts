import { catalogue } from '../../analysis/indicators/catalogue.ts'
import { priceFields } from '../../analysis/indicators/columns.ts'
import { type Parameter, type PointShape, pointShapes, vwapAnchors } from '../../analysis/indicators/indicator.ts'
import {
  type IndicatorColumns,
  type IndicatorName,
  indicatorNames,
  type Point,
} from '../../analysis/indicators/points.ts'
import { columnOf, columnsOf, pointsOf, seriesSignals } from '../../resolvers/market/indicator.ts'
import { builder } from '../builder.ts'
import {
  aheadOfSeries,
  indicatorColumns,
  indicatorPart,
  indicatorPoints,
  seriesSignals as signalsPrice,
} from '../price/series.ts'
import { CandleColumns, CandleSeries } from './candle.ts'
import { Signal, SignalKind } from './signal.ts'

const PriceField = builder.enumType('PriceField', {
  description:
    'The price of a candle to compute from. HL2, HLC3, OHLC4: the mean of high and low; with close; with open and close',
  values: priceFields,
})

const VwapAnchor = builder.enumType('VwapAnchor', {
  description: 'Where the cumulation starts anew. SERIES: only once, at the first node',
  values: vwapAnchors,
})

const pointType = (name: PointShape) =>
  builder.objectRef<Point>(name).implement({
    fields: (t) => ({
      time: t.field({ type: 'DateTime', resolve: (point) => point.epoch * 1000 }),
      epoch: t.expose('epoch', { type: 'EpochSeconds' }),
      ...Object.fromEntries(
        Object.entries(pointShapes[name]).map(([part, need]) => [
          part,
          need === 'optional' ? t.exposeFloat(part, { nullable: true }) : t.exposeFloat(part as 'epoch'),
        ]),
      ),
    }),
  })

const pointTypes = Object.fromEntries(
  Object.keys(pointShapes).map((name) => [name, pointType(name as PointShape)]),
) as Record<PointShape, ReturnType<typeof pointType>>

/** A list with null where there is no value. */
const holey = { nullable: { list: false, items: true } } as const

const IchimokuAhead = builder.objectRef<IndicatorColumns['ahead']>('IchimokuAhead').implement({
  fields: (t) => ({
    epoch: t.field({ type: ['EpochSeconds'], extensions: aheadOfSeries, resolve: ({ epoch }) => [...epoch] }),
    ...Object.fromEntries(
      ['spanA', 'spanB'].map((part) => [
        part,
        t.floatList({ ...holey, extensions: aheadOfSeries, resolve: ({ parts }) => parts[part] ?? [] }),
      ]),
    ),
  }),
})

const columnsType = (name: PointShape) =>
  builder.objectRef<IndicatorColumns>(name.replace('Point', 'Columns')).implement({
    fields: (t) => ({
      ...Object.fromEntries(
        Object.keys(pointShapes[name]).map((part) => [
          part,
          t.floatList({ ...holey, extensions: indicatorPart, resolve: ({ parts }) => parts[part] ?? [] }),
        ]),
      ),
      ...(name === 'IchimokuPoint' && {
        ahead: t.field({
          type: IchimokuAhead,
          description: 'The spans that are drawn past the last candle',
          resolve: ({ ahead }) => ahead,
        }),
      }),
    }),
  })

/** A point of one value needs no type of its own by column. */
const columnTypes = Object.fromEntries(
  Object.keys(pointShapes)
    .filter((name) => name !== 'IndicatorPoint')
    .map((name) => [name, columnsType(name as PointShape)]),
) as Record<Exclude<PointShape, 'IndicatorPoint'>, ReturnType<typeof columnsType>>

/** What an indicator is called with and described by, as points and by column. */
const common = (name: IndicatorName) => {
  const { description, source, parameters } = catalogue[name]
  const args = builder.args((t) =>
    Object.fromEntries(
      Object.entries<Parameter>(parameters).map(([parameter, of]) => {
        switch (of.type) {
          case 'PriceField':
            return [parameter, t.field({ type: PriceField, required: true, defaultValue: of.default })]
          case 'VwapAnchor':
            return [parameter, t.field({ type: VwapAnchor, required: true, defaultValue: of.default })]
          default: {
            const bounds = `${of.min} to ${of.max}`
            return [
              parameter,
              t.field({ type: of.type, required: true, defaultValue: of.default, description: bounds }),
            ]
          }
        }
      }),
    ),
  )
  return { description: `${description} (${source})`, args }
}

builder.objectFields(CandleSeries, (t) =>
  Object.fromEntries(
    indicatorNames.map((name) => {
      const { point } = catalogue[name]
      return [
        name,
        t.field({
          ...common(name),
          type: [pointTypes[point]],
          nullable: true,
          extensions: indicatorPoints(name),
          resolve: pointsOf(name),
        }),
      ]
    }),
  ),
)

builder.objectFields(CandleColumns, (t) =>
  Object.fromEntries(
    indicatorNames.map((name) => {
      const { point } = catalogue[name]
      const field =
        point === 'IndicatorPoint'
          ? t.floatList({
              ...common(name),
              nullable: { list: true, items: true },
              extensions: indicatorColumns(name),
              resolve: columnOf(name),
            })
          : t.field({
              ...common(name),
              type: columnTypes[point],
              nullable: true,
              extensions: indicatorColumns(name),
              resolve: columnsOf(name),
            })
      return [name, field]
    }),
  ),
)

builder.objectField(CandleSeries, 'signals', (t) =>
  t.field({
    type: [Signal],
    nullable: true,
    description: 'The signals that the rules find at the closed candles of this series, oldest first',
    args: { kinds: t.arg({ type: [SignalKind] }) },
    extensions: signalsPrice,
    resolve: seriesSignals,
  }),
)
