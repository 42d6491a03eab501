import type { Dividend as DividendShape, Split as SplitShape } from '../../domain/corporate-action.ts'
import { dividends, splits } from '../../resolvers/market/corporate-action.ts'
import { builder } from '../builder.ts'
import { corporateActions } from '../price/price.ts'
import { Instrument } from './instrument.ts'

const Dividend = builder.objectRef<DividendShape>('Dividend').implement({
  fields: (t) => ({
    time: t.field({
      type: 'DateTime',
      description: 'Midnight UTC of the ex-dividend date, the first trading date without the dividend',
      resolve: (dividend) => dividend.epoch * 1000,
    }),
    amount: t.exposeFloat('amount', { description: 'Per share, adjusted for later splits' }),
    currency: t.exposeString('currency', {
      nullable: true,
      description: 'As the source writes it; null: that of the instrument',
    }),
  }),
})

const Split = builder.objectRef<SplitShape>('Split').implement({
  description: 'Every `denominator` shares became `numerator` shares',
  fields: (t) => ({
    time: t.field({
      type: 'DateTime',
      description: 'Midnight UTC of the first trading date after the split',
      resolve: (split) => split.epoch * 1000,
    }),
    numerator: t.exposeFloat('numerator'),
    denominator: t.exposeFloat('denominator'),
  }),
})

builder.objectFields(Instrument, (t) => {
  const range = { from: t.arg({ type: 'DateTime' }), to: t.arg({ type: 'DateTime' }) }
  return {
    dividends: t.field({
      type: [Dividend],
      nullable: true,
      description: 'Oldest first. `from` is inclusive, `to` exclusive; null: no bound',
      args: range,
      extensions: corporateActions(40),
      resolve: dividends,
    }),
    splits: t.field({
      type: [Split],
      nullable: true,
      description: 'Oldest first. `from` is inclusive, `to` exclusive; null: no bound',
      args: range,
      extensions: corporateActions(2),
      resolve: splits,
    }),
  }
})
