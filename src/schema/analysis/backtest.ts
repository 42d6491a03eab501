import type {
  BacktestResult as BacktestShape,
  SignalPerformance as PerformanceShape,
} from '../../domain/analysis/backtest.ts'
import { type EquityPoint as EquityPointShape, equityPoints } from '../../resolvers/analysis/backtest.ts'
import { builder } from '../builder.ts'
import { SignalKind } from '../market/signal.ts'
import { SymbolFailure } from './analysis.ts'

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
    winRate: t.exposeFloat('winRate', { nullable: true, description: 'null where there were no trades' }),
    averageReturn: t.exposeFloat('averageReturn', {
      nullable: true,
      description: 'Mean of what the trades returned after costs, as a share of what was put into each',
    }),
  }),
})

export const BacktestResult = builder
  .objectRef<BacktestShape & { readonly kind: 'BACKTEST' }>('BacktestResult')
  .implement({
    description: 'Rates and returns are shares: 0.1 is a tenth. null where there is nothing to divide by',
    fields: (t) => ({
      tradeCount: t.exposeInt('tradeCount'),
      winRate: t.exposeFloat('winRate', {
        nullable: true,
        description: 'Of all trades, those with a profit after costs',
      }),
      totalReturn: t.exposeFloat('totalReturn', { description: '0 where there are no candles' }),
      annualReturn: t.exposeFloat('annualReturn', {
        nullable: true,
        description:
          'The same for a year of 365.25 days, compound. null too where no time has passed, or nothing of the capital is left',
      }),
      maxDrawdown: t.exposeFloat('maxDrawdown', {
        description:
          'The largest fall of the equity, as a positive share of the highest before it; the capital is the first high',
      }),
      sharpe: t.exposeFloat('sharpe', {
        nullable: true,
        description: 'Of daily returns, annualised over 252 days, without a risk-free rate; sample deviation',
      }),
      sortino: t.exposeFloat('sortino', {
        nullable: true,
        description: 'The same with the downside deviation: the root of the mean square, gains counting as 0',
      }),
      profitFactor: t.exposeFloat('profitFactor', {
        nullable: true,
        description: 'Profits of all trades that won, by losses of all that lost, after costs; null without losses',
      }),
      benchmarkReturn: t.exposeFloat('benchmarkReturn', {
        nullable: true,
        description:
          'Holding the same symbols over the same time: equal shares, each from the open of its first candle to the close of its last, without costs',
      }),
      equity: t.field({
        type: [EquityPoint],
        description:
          'At the close of each date on which any of the symbols has a candle, open trades at their last close',
        resolve: equityPoints,
      }),
      bySignal: t.expose('bySignal', {
        type: [SignalPerformance],
        description: 'In the order in which they were asked for',
      }),
      failures: t.expose('failures', { type: [SymbolFailure], description: 'Symbols that were left out' }),
    }),
  })
