import {
  type SymbolAnalysis as AnalysisShape,
  type SymbolFailure as FailureShape,
  type IndicatorSnapshot as SnapshotShape,
  sentiments,
  snapshotFields,
  trends,
} from '../../domain/analysis/analysis.ts'
import { analyses, analysisSignals, latestAnalysis, loadAnalysis } from '../../resolvers/market/analysis.ts'
import { builder } from '../builder.ts'
import { ErrorCode } from '../error.ts'
import { lookUp, page, storedSignals } from '../price/price.ts'
import { Interval } from './candle.ts'
import { Instrument, Source } from './instrument.ts'
import { Signal } from './signal.ts'

const Trend = builder.enumType('Trend', {
  description:
    'UP: close > SMA 50 > SMA 200. DOWN: close < SMA 50 < SMA 200. Otherwise SIDEWAYS. With fewer than 200 candles: SMA 20 and SMA 50',
  values: trends,
})
export const Sentiment = builder.enumType('Sentiment', {
  description:
    'The score in words. 0: NEUTRAL. 1: SLIGHTLY_BULLISH. 2 and 3: BULLISH. 4 and more: VERY_BULLISH. Below zero the same, BEARISH',
  values: sentiments,
})

const IndicatorSnapshot = builder.objectRef<SnapshotShape>('IndicatorSnapshot').implement({
  description: 'Values at the newest candle; null if history is too short',
  fields: (t) => Object.fromEntries(snapshotFields.map((field) => [field, t.exposeFloat(field, { nullable: true })])),
})

export const SymbolAnalysis = builder.objectRef<AnalysisShape>('SymbolAnalysis')

builder.node(SymbolAnalysis, {
  id: { resolve: (analysis) => analysis.id },
  loadOne: loadAnalysis,
  fields: (t) => ({
    symbol: t.expose('symbol', { type: 'Symbol' }),
    interval: t.expose('interval', { type: Interval }),
    source: t.expose('source', { type: Source }),
    analysedAt: t.expose('analysedAtMs', {
      type: 'DateTime',
      description: 'When it was computed; `analyses` is in this order',
    }),
    asOf: t.expose('asOfMs', { type: 'DateTime', description: 'Start of the newest candle that it is computed from' }),
    price: t.exposeFloat('price', { description: "That candle's close" }),
    trend: t.expose('trend', { type: Trend, nullable: true }),
    sentiment: t.expose('sentiment', { type: Sentiment, nullable: true }),
    score: t.exposeInt('score', {
      nullable: true,
      description: 'The sum of the points for RSI, MACD, stochastic, averages and volume: -9 to 9',
    }),
    indicators: t.expose('indicators', { type: IndicatorSnapshot, nullable: true }),
    signals: t.field({
      type: [Signal],
      description: 'The signals of the newest closed candles, oldest first',
      extensions: storedSignals(2),
      resolve: analysisSignals,
    }),
  }),
})

const SymbolAnalysisEdge = builder.edgeObject({ name: 'SymbolAnalysisEdge', type: SymbolAnalysis })
const SymbolAnalysisConnection = builder.connectionObject(
  { name: 'SymbolAnalysisConnection', type: SymbolAnalysis },
  SymbolAnalysisEdge,
)

export const SymbolFailure = builder.objectRef<FailureShape>('SymbolFailure').implement({
  fields: (t) => ({
    symbol: t.expose('symbol', { type: 'Symbol' }),
    code: t.expose('code', { type: ErrorCode }),
    message: t.exposeString('message'),
  }),
})

builder.queryField('analyses', (t) =>
  t.field({
    type: SymbolAnalysisConnection,
    nullable: true,
    description: 'Results of finished analyses, newest first',
    args: {
      symbol: t.arg({ type: 'Symbol', required: true }),
      interval: t.arg({ type: Interval, description: 'null: all' }),
      first: t.arg.int({ required: true, defaultValue: 20 }),
      after: t.arg.string(),
    },
    extensions: page,
    resolve: analyses,
  }),
)

builder.objectField(Instrument, 'latestAnalysis', (t) =>
  t.field({
    type: SymbolAnalysis,
    nullable: true,
    description: 'The newest stored analysis; null if there is none',
    args: { interval: t.arg({ type: Interval, required: true, defaultValue: 'DAY_1' }) },
    extensions: lookUp,
    resolve: latestAnalysis,
  }),
)
