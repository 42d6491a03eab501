import { jobBounds, usualInput } from '../../jobs/job-inputs.ts'
import type { BackfillJobResult } from '../../resolvers/jobs/backfill.ts'
import { builder } from '../builder.ts'
import { SymbolFailure } from '../market/analysis.ts'
import { Interval } from '../market/candle.ts'
import { entriesOf } from '../price/price.ts'
import { orderFields } from './order.ts'

export const BackfillResult = builder.objectRef<BackfillJobResult>('BackfillResult').implement({
  fields: (t) => ({
    candleCount: t.exposeInt('candleCount', {
      description:
        'How many candles of the range are stored now. For composed intervals: the shorter ones that they are composed of',
    }),
    from: t.expose('fromMs', { type: 'DateTime', nullable: true, description: 'Start of the first of these candles' }),
    to: t.expose('toMs', { type: 'DateTime', nullable: true, description: 'Start of the last of these candles' }),
    failures: t.expose('failures', { type: [SymbolFailure], extensions: entriesOf(1) }),
  }),
})

export const EnqueueBackfillInput = builder.inputType('EnqueueBackfillInput', {
  fields: (t) => ({
    symbols: t.field({ type: ['Symbol'], required: true, description: `At most ${jobBounds.symbols.BACKFILL}` }),
    interval: t.field({ type: Interval, required: true, defaultValue: usualInput.interval }),
    from: t.field({ type: 'DateTime', required: true, description: 'Inclusive' }),
    to: t.field({ type: 'DateTime', description: 'Exclusive; null: now' }),
    ...orderFields(t, 'BACKFILL'),
  }),
})
