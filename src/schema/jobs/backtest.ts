import type { SignalPerformance as PerformanceShape } from '../../domain/analysis/backtest.ts'
import { signalKinds } from '../../domain/analysis/signal.ts'
import { jobBounds, usualInput } from '../../jobs/job-inputs.ts'
import {
  type BacktestJobResult,
  type EquityPoint as EquityPointShape,
  equityPoints,
} from '../../resolvers/jobs/backtest.ts'
import { builder } from '../builder.ts'
import { SymbolFailure } from '../market/analysis.ts'
import { SignalKind } from '../market/signal.ts'
import { entriesOf, observedEntries } from '../price/price.ts'
import { inWords, orderFields } from './order.ts'

const EquityPoint = builder.objectRef<EquityPointShape>('EquityPoint').implement({
  fields: (t) => ({
    time: t.field({
      type: 'DateTime',
      description: 'Midnight UTC of the trading date',
      resolve: ({ epoch }) => epoch * 1000,
    }),
    epoch: t.expose('epoch', { type: 'EpochSeconds' }),
    equity: t.exposeFloat('equity'),
  }),
})

const SignalPerformance = builder.objectRef<PerformanceShape>('SignalPerformance').implement({
  fields: (t) => ({
    kind: t.expose('kind', { type: SignalKind }),
    tradeCount: t.exposeInt('tradeCount'),
    winRate: t.exposeFloat('winRate', {
      nullable: true,
      description: 'Share of the trades with a profit after costs. null without trades',
    }),
    averageReturn: t.exposeFloat('averageReturn', {
      nullable: true,
      description: 'Mean return of the trades after costs, each as a share of the amount put in',
    }),
  }),
})

export const BacktestResult = builder.objectRef<BacktestJobResult>('BacktestResult').implement({
  description: 'Rates and returns are shares: 0.1 is a tenth. null if there is nothing to divide by',
  fields: (t) => ({
    tradeCount: t.exposeInt('tradeCount'),
    winRate: t.exposeFloat('winRate', {
      nullable: true,
      description: 'Share of the trades with a profit after costs',
    }),
    totalReturn: t.exposeFloat('totalReturn', { description: 'Last equity / capital - 1. 0 without candles' }),
    annualReturn: t.exposeFloat('annualReturn', {
      nullable: true,
      description:
        '`totalReturn` per year of 365.25 days, compounded. null if no time has passed, or nothing of the capital is left',
    }),
    maxDrawdown: t.exposeFloat('maxDrawdown', {
      description:
        'The largest fall of the equity, as a positive share of the highest before it; the capital is the first high',
    }),
    sharpe: t.exposeFloat('sharpe', {
      nullable: true,
      description:
        'Sharpe ratio of daily returns, annualised by the points that `equity` has in a year, without a risk-free rate, with the sample deviation',
    }),
    sortino: t.exposeFloat('sortino', {
      nullable: true,
      description: 'Like `sharpe`, with the downside deviation: the root of the mean square, gains counting as 0',
    }),
    profitFactor: t.exposeFloat('profitFactor', {
      nullable: true,
      description:
        'Profits of all winning trades divided by losses of all losing trades, after costs. null without losses',
    }),
    benchmarkReturn: t.exposeFloat('benchmarkReturn', {
      nullable: true,
      description:
        'Return of holding the same symbols in equal shares, each from the open of its first candle to the close of its last, without costs',
    }),
    equity: t.field({
      type: [EquityPoint],
      description:
        'One point at the close of each date on which any symbol has a candle; open trades are valued at their last close',
      extensions: observedEntries(500),
      resolve: equityPoints,
    }),
    bySignal: t.expose('bySignal', {
      type: [SignalPerformance],
      extensions: observedEntries(4),
      description: 'In the order of the requested kinds',
    }),
    failures: t.expose('failures', {
      type: [SymbolFailure],
      extensions: entriesOf(1),
      description: 'Symbols that were left out',
    }),
  }),
})

export const EnqueueBacktestInput = builder.inputType('EnqueueBacktestInput', {
  fields: (t) => ({
    symbols: t.field({ type: ['Symbol'], required: true, description: `1 to ${jobBounds.symbols.BACKTEST}` }),
    signals: t.field({
      type: [SignalKind],
      required: true,
      description: `1 to ${signalKinds.length}. VOLUME_SPIKE says no direction and is not traded`,
    }),
    from: t.field({ type: 'DateTime', description: 'Inclusive; null: all history' }),
    to: t.field({ type: 'DateTime', description: 'Exclusive; null: now' }),
    initialCapital: t.float({
      required: true,
      defaultValue: usualInput.initialCapital,
      description: `Above 0, up to ${inWords(jobBounds.initialCapital)}`,
    }),
    positionSize: t.float({
      required: true,
      defaultValue: usualInput.positionSize,
      description:
        'Share of the equity put into a trade: above 0, up to 1. A signal is skipped if less than that is left',
    }),
    holdDays: t.int({
      required: true,
      defaultValue: usualInput.holdDays,
      description: `After how many candles a trade is closed, the first included: 1 to ${inWords(jobBounds.holdDays)}`,
    }),
    stopLoss: t.float({ description: 'As a share of the entry price, above 0 and below 1; null: none' }),
    takeProfit: t.float({
      description: `As a share of the entry price, above 0 up to ${jobBounds.takeProfit}; null: none`,
    }),
    cost: t.float({
      required: true,
      defaultValue: usualInput.cost,
      description: `Cost of a trade, each way, as a share of the value traded: from 0 to below ${jobBounds.cost}`,
    }),
    ...orderFields(t, 'BACKTEST'),
  }),
})
