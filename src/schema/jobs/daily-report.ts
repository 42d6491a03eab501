import type { MarketSummary as SummaryShape } from '../../domain/analysis/daily-report.ts'
import { jobBounds } from '../../jobs/job-inputs.ts'
import { type DailyReportJobResult, reportSignals, strongestSignal } from '../../resolvers/jobs/daily-report.ts'
import { builder } from '../builder.ts'
import { Sentiment, SymbolFailure } from '../market/analysis.ts'
import { Signal } from '../market/signal.ts'
import { entriesOf, lookUp, passedEntries, storedSignals } from '../price/price.ts'
import { orderFields } from './order.ts'

const MarketSummary = builder.objectRef<SummaryShape>('MarketSummary').implement({
  fields: (t) => ({
    symbol: t.expose('symbol', { type: 'Symbol' }),
    price: t.exposeFloat('price', {
      description: 'Close of the newest daily candle, or the last price while its session runs',
    }),
    changePercent: t.exposeFloat('changePercent', {
      nullable: true,
      description: "Change from the previous day's close",
    }),
    sentiment: t.expose('sentiment', { type: Sentiment, nullable: true }),
    strongest: t.field({
      type: Signal,
      nullable: true,
      description: 'The new signal with the greatest strength',
      extensions: lookUp,
      resolve: strongestSignal,
    }),
  }),
})

export const DailyReport = builder.objectRef<DailyReportJobResult>('DailyReport').implement({
  fields: (t) => ({
    date: t.expose('date', { type: 'Date', description: 'The newest trading date among the symbols' }),
    markets: t.expose('markets', { type: [MarketSummary], extensions: passedEntries }),
    newSignals: t.field({
      type: [Signal],
      description: "Signals that became known since the last working day's report",
      extensions: storedSignals(20),
      resolve: reportSignals,
    }),
    failures: t.expose('failures', {
      type: [SymbolFailure],
      extensions: entriesOf(1),
      description: 'Symbols that could not be reported on',
    }),
    text: t.exposeString('text', { description: 'The report for people to read' }),
  }),
})

export const EnqueueDailyReportInput = builder.inputType('EnqueueDailyReportInput', {
  fields: (t) => ({
    symbols: t.field({
      type: ['Symbol'],
      description: `At most ${jobBounds.symbols.DAILY_REPORT}; null: ^GSPC, ^IXIC, ^DJI and the watch list of the server`,
    }),
    ...orderFields(t, 'DAILY_REPORT'),
  }),
})
