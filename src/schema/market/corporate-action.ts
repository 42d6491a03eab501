import type { Dividend as DividendShape, Split as SplitShape } from '../../domain/corporate-action.ts'
import { dividends, splits } from '../../resolvers/market/corporate-action.ts'
import { builder } from '../builder.ts'
import { Instrument } from './instrument.ts'

const Dividend = builder.objectRef<DividendShape>('Dividend').implement({
  fields: (t) => ({
    time: t.field({
      type: 'DateTime',
      description: 'Midnight UTC of the first trading date without it (the ex-dividend date)',
      resolve: (dividend) => dividend.epoch * 1000,
    }),
    amount: t.exposeFloat('amount', { description: 'A share, adjusted for the splits since' }),
  }),
})

const Split = builder.objectRef<SplitShape>('Split').implement({
  description: '`numerator` shares for every `denominator` before',
  fields: (t) => ({
    time: t.field({
      type: 'DateTime',
      description: 'Midnight UTC of the first trading date after it',
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
      description: 'Oldest first; `from` inclusive, `to` exclusive, null: without end',
      args: range,
      resolve: dividends,
    }),
    splits: t.field({
      type: [Split],
      nullable: true,
      description: 'Oldest first; `from` inclusive, `to` exclusive, null: without end',
      args: range,
      resolve: splits,
    }),
  }
})
