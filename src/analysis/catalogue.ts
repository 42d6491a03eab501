import { priceFields, prices } from './columns.ts'
import { indicator } from './indicator.ts'
import * as averages from './moving-averages.ts'

const period = <D extends number>(byDefault: D) =>
  ({ type: 'Int', default: byDefault as number, min: 1, max: 1000 }) as const
const source = { type: 'PriceField', default: 'CLOSE', values: priceFields } as const

/** Every indicator of a series of candles: an entry here is all that a new one needs. */
export const catalogue = {
  sma: indicator({
    description: 'Simple moving average: the mean of the last `period` prices',
    source: 'J. J. Murphy, Technical Analysis of the Financial Markets, 1999, chapter 9',
    parameters: { period: period(20), source },
    point: 'IndicatorPoint',
    warmUp: ({ period }) => period - 1,
    compute: ({ candles }, { period, source }) => ({ value: averages.sma(prices(candles, source), period) }),
  }),
}
