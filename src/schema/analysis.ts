import {
  type SymbolAnalysis as AnalysisShape,
  type SymbolFailure as FailureShape,
  type IndicatorSnapshot as SnapshotShape,
  trends,
} from '../domain/analysis.ts'
import { loadAnalysis } from '../resolvers/analysis.ts'
import { builder } from './builder.ts'
import { Interval } from './candle.ts'
import { ErrorCode } from './error.ts'

const Trend = builder.enumType('Trend', {
  description:
    'UP: close > SMA 50 > SMA 200. DOWN: close < SMA 50 < SMA 200. Else SIDEWAYS. SMA 20 and 50 where there are under 200 candles',
  values: trends,
})

const IndicatorSnapshot = builder.objectRef<SnapshotShape>('IndicatorSnapshot').implement({
  description: 'Values at the newest candle; null where history is too short',
  fields: (t) => ({
    sma5: t.exposeFloat('sma5', { nullable: true }),
    sma20: t.exposeFloat('sma20', { nullable: true }),
    sma50: t.exposeFloat('sma50', { nullable: true }),
    sma60: t.exposeFloat('sma60', { nullable: true }),
    sma200: t.exposeFloat('sma200', { nullable: true }),
    rsi14: t.exposeFloat('rsi14', { nullable: true }),
  }),
})

export const SymbolAnalysis = builder.objectRef<AnalysisShape>('SymbolAnalysis')

builder.node(SymbolAnalysis, {
  id: { resolve: (analysis) => analysis.id },
  loadOne: loadAnalysis,
  fields: (t) => ({
    symbol: t.expose('symbol', { type: 'Symbol' }),
    interval: t.expose('interval', { type: Interval }),
    analysedAt: t.expose('analysedAtMs', { type: 'DateTime', description: 'When it was worked out' }),
    asOf: t.expose('asOfMs', { type: 'DateTime', description: 'Start of the newest candle that went in' }),
    price: t.exposeFloat('price', { description: "That candle's close" }),
    trend: t.expose('trend', { type: Trend, nullable: true }),
    indicators: t.expose('indicators', { type: IndicatorSnapshot, nullable: true }),
  }),
})

export const SymbolFailure = builder.objectRef<FailureShape>('SymbolFailure').implement({
  fields: (t) => ({
    symbol: t.expose('symbol', { type: 'Symbol' }),
    code: t.expose('code', { type: ErrorCode }),
    message: t.exposeString('message'),
  }),
})
