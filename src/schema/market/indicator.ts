import { catalogue } from '../../analysis/indicators/catalogue.ts'
import { priceFields } from '../../analysis/indicators/columns.ts'
import { type Parameter, type PointShape, pointShapes, vwapAnchors } from '../../analysis/indicators/indicator.ts'
import { indicatorNames, type Point } from '../../analysis/indicators/points.ts'
import { pointsOf, seriesSignals } from '../../resolvers/market/indicator.ts'
import { builder } from '../builder.ts'
import { CandleSeries } from './candle.ts'
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

builder.objectFields(CandleSeries, (t) =>
  Object.fromEntries(
    indicatorNames.map((name) => {
      const { description, source, point, parameters } = catalogue[name]
      const args = Object.fromEntries(
        Object.entries<Parameter>(parameters).map(([parameter, of]) => [parameter, argument(of)]),
      )
      const field = t.field({
        type: [pointTypes[point]],
        nullable: true,
        description: `${description} (${source})`,
        args,
        resolve: pointsOf(name),
      })
      return [name, field]

      function argument(of: Parameter) {
        switch (of.type) {
          case 'PriceField':
            return t.arg({ type: PriceField, required: true, defaultValue: of.default })
          case 'VwapAnchor':
            return t.arg({ type: VwapAnchor, required: true, defaultValue: of.default })
          default: {
            const description = `${of.min} to ${of.max}`
            return t.arg({ type: of.type, required: true, defaultValue: of.default, description })
          }
        }
      }
    }),
  ),
)

builder.objectField(CandleSeries, 'signals', (t) =>
  t.field({
    type: [Signal],
    nullable: true,
    description: 'The signals that the rules find at the closed candles of this series, oldest first',
    args: { kinds: t.arg({ type: [SignalKind] }) },
    resolve: seriesSignals,
  }),
)
