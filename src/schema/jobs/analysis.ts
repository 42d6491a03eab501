import { usualInput } from '../../jobs/job-inputs.ts'
import type { AnalysisJobResult } from '../../resolvers/jobs/analysis.ts'
import { builder } from '../builder.ts'
import { SymbolAnalysis, SymbolFailure } from '../market/analysis.ts'
import { Interval } from '../market/candle.ts'
import { entriesOf, passedEntries } from '../price/price.ts'
import { orderFields } from './order.ts'

export const AnalysisResult = builder.objectRef<AnalysisJobResult>('AnalysisResult').implement({
  fields: (t) => ({
    analyses: t.expose('analyses', {
      type: [SymbolAnalysis],
      extensions: passedEntries,
      description: 'In the order of the requested symbols',
    }),
    failures: t.expose('failures', { type: [SymbolFailure], extensions: entriesOf(1) }),
  }),
})

export const EnqueueAnalysisInput = builder.inputType('EnqueueAnalysisInput', {
  fields: (t) => ({
    symbols: t.field({ type: ['Symbol'], required: true }),
    interval: t.field({ type: Interval, required: true, defaultValue: usualInput.interval }),
    ...orderFields(t, 'ANALYSIS'),
    runAt: t.field({
      type: 'DateTime',
      description:
        'The job runs no earlier than this. null: at once. At most 30 days ahead, unless the server is configured otherwise',
    }),
  }),
})
