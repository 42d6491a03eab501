import { badInput } from '../../domain/errors.ts'
import { inOneStep } from '../../domain/steps.ts'
import { priceFields, prices } from './columns.ts'
import { type AnyIndicator, indicator, vwapAnchors } from './indicator.ts'
import * as momentum from './momentum.ts'
import * as averages from './moving-averages.ts'
import * as trend from './trend.ts'
import * as volatility from './volatility.ts'
import * as volume from './volume.ts'
import { longestStretch } from './vwap-anchor.ts'
import { emaSettling, psarWarmUp, wilderSettling } from './warm-up.ts'

/** A number of candles. */
const period = (byDefault: number) => ({ type: 'Int', default: byDefault, min: 1, max: 1000 }) as const
const multiple = (byDefault: number) => ({ type: 'Float', default: byDefault, min: 0.0001, max: 100 }) as const
/** A slower one would need more history than there is to forget where it began. */
const acceleration = (byDefault: number, min: number) => ({ type: 'Float', default: byDefault, min, max: 1 }) as const
const source = { type: 'PriceField', default: 'CLOSE', values: priceFields } as const

const wilder = 'J. W. Wilder, New Concepts in Technical Trading Systems, 1978'
const murphy = 'J. J. Murphy, Technical Analysis of the Financial Markets, 1999'

/** All indicators. The API follows from the entries; CONTRIBUTING says what else a new one needs. */
export const catalogue = {
  sma: indicator({
    description: 'Simple moving average: the mean of the last `period` prices',
    source: `${murphy}, chapter 9`,
    parameters: { period: period(20), source },
    point: 'IndicatorPoint',
    warmUp: ({ period }) => period - 1,
    *compute({ candles }, { period, source }) {
      return { value: yield* averages.sma(yield* prices(candles, source), period) }
    },
  }),

  ema: indicator({
    description:
      'Exponential moving average of prices: the newest has the weight 2 / (period + 1), the average before it the rest',
    source: `${murphy}, chapter 9`,
    parameters: { period: period(20), source },
    point: 'IndicatorPoint',
    warmUp: ({ period }) => period - 1 + emaSettling(period),
    *compute({ candles }, { period, source }) {
      return { value: yield* averages.ema(yield* prices(candles, source), period) }
    },
  }),

  wma: indicator({
    description:
      'Linearly weighted moving average of the last `period` prices: the newest has the weight `period`, the oldest 1',
    source: `${murphy}, chapter 9`,
    parameters: { period: period(14), source },
    point: 'IndicatorPoint',
    warmUp: ({ period }) => period - 1,
    *compute({ candles }, { period, source }) {
      return { value: yield* averages.wma(yield* prices(candles, source), period) }
    },
  }),

  rsi: indicator({
    description: "Relative strength index, 0 to 100, with Wilder's smoothing; 50 if prices have not moved at all",
    source: wilder,
    parameters: { period: period(14), source },
    point: 'IndicatorPoint',
    warmUp: ({ period }) => period + wilderSettling(period),
    *compute({ candles }, { period, source }) {
      return { value: momentum.rsi(yield* prices(candles, source), period) }
    },
  }),

  roc: indicator({
    description: 'Rate of change: change of the close from that `period` candles before, in per cent',
    source: 'S. B. Achelis, Technical Analysis from A to Z, 2000',
    parameters: { period: period(12) },
    point: 'IndicatorPoint',
    warmUp: ({ period }) => period,
    compute: ({ candles }, { period }) => inOneStep(() => ({ value: momentum.roc(candles.close, period) })),
  }),

  trix: indicator({
    description: 'TRIX: change of a triple exponential average of the close from the candle before, in per cent',
    source: 'J. K. Hutson, Good TRIX, Technical Analysis of Stocks & Commodities, 1983',
    parameters: { period: period(18) },
    point: 'IndicatorPoint',
    warmUp: ({ period }) => 3 * (period - 1) + 1 + emaSettling(period, 3),
    *compute({ candles }, { period }) {
      return { value: yield* momentum.trix(candles.close, period) }
    },
  }),

  cci: indicator({
    description:
      'Commodity channel index: typical price less its mean, in units of 0.015 mean deviations; 0 if both are 0',
    source: 'D. R. Lambert, Commodity Channel Index, Commodities, October 1980',
    parameters: { period: period(20) },
    point: 'IndicatorPoint',
    warmUp: ({ period }) => period - 1,
    *compute({ candles }, { period }) {
      return { value: yield* momentum.cci(candles, period) }
    },
  }),

  mfi: indicator({
    description: 'Money flow index, 0 to 100: the share of rising prices in price times volume; 50 if nothing flowed',
    source:
      'G. Quong and A. Soudack, Volume-Weighted RSI: Money Flow, Technical Analysis of Stocks & Commodities, 1989',
    parameters: { period: period(14) },
    point: 'IndicatorPoint',
    warmUp: ({ period }) => period,
    *compute({ candles }, { period }) {
      return { value: yield* volume.mfi(candles, period) }
    },
  }),

  williamsR: indicator({
    description: 'Williams %R, -100 to 0: how far the close is below the highest high, in per cent of the range',
    source: 'L. Williams, How I Made One Million Dollars Last Year Trading Commodities, 1973',
    parameters: { period: period(14) },
    point: 'IndicatorPoint',
    warmUp: ({ period }) => period - 1,
    *compute({ candles }, { period }) {
      return { value: yield* momentum.williamsR(candles, period) }
    },
  }),

  atr: indicator({
    description: "Average true range, in the unit of the prices: Wilder's average over `period`",
    source: wilder,
    parameters: { period: period(14) },
    point: 'IndicatorPoint',
    warmUp: ({ period }) => period + wilderSettling(period),
    *compute({ candles }, { period }) {
      return { value: yield* volatility.atr(candles, period) }
    },
  }),

  obv: indicator({
    description: 'On-balance volume: volumes of rising closes less those of falling ones, from 0 at the first node',
    source: "J. E. Granville, Granville's New Key to Stock Market Profits, 1963",
    parameters: {},
    point: 'IndicatorPoint',
    warmUp: () => 0,
    compute: ({ candles, first }) => inOneStep(() => ({ value: volume.obv(candles, first) })),
  }),

  adl: indicator({
    description:
      'Accumulation/distribution line: sum of volumes, weighted by where the close lies in the range, from 0 at the first node',
    source: 'M. Chaikin, in S. B. Achelis, Technical Analysis from A to Z, 2000',
    parameters: {},
    point: 'IndicatorPoint',
    warmUp: () => 0,
    compute: ({ candles, first }) => inOneStep(() => ({ value: volume.adl(candles, first) })),
  }),

  vwap: indicator({
    description: "Volume-weighted average price since the anchor, which goes by the exchange's calendar",
    source:
      'S. A. Berkowitz, D. E. Logue, E. A. Noser, The Total Cost of Transactions on the NYSE, Journal of Finance, 1988',
    parameters: {
      anchor: { type: 'VwapAnchor', default: 'SESSION', values: vwapAnchors },
      source: { type: 'PriceField', default: 'HLC3', values: priceFields },
    },
    point: 'IndicatorPoint',
    warmUp: ({ anchor }, interval) => longestStretch(anchor, interval),
    *compute(input, { anchor, source }) {
      return { value: yield* volume.vwap(input, anchor, source) }
    },
  }),

  forceIndex: indicator({
    description: 'Force index: exponential average of the change of the close times volume',
    source: 'A. Elder, Trading for a Living, 1993',
    parameters: { period: period(13) },
    point: 'IndicatorPoint',
    warmUp: ({ period }) => period + emaSettling(period),
    *compute({ candles }, { period }) {
      return { value: yield* volume.forceIndex(candles, period) }
    },
  }),

  awesomeOscillator: indicator({
    description:
      'Awesome oscillator: simple average of (high + low) / 2 over `fast` candles minus that over `slow`, in the unit of the prices',
    source: 'B. Williams, New Trading Dimensions, 1998',
    parameters: { fast: period(5), slow: period(34) },
    point: 'IndicatorPoint',
    warmUp: ({ fast, slow }) => Math.max(fast, slow) - 1,
    *compute({ candles }, { fast, slow }) {
      return { value: yield* momentum.awesomeOscillator(candles, fast, slow) }
    },
  }),

  psar: indicator({
    description:
      'Parabolic stop and reverse, in the unit of the prices; `step` is added to its acceleration, up to `max`. A candle is tested against the stop before the stop leaves the ranges of the two candles before it',
    source: `${wilder}; in the form of TradingView`,
    parameters: { step: acceleration(0.02, 0.001), max: acceleration(0.2, 0.01) },
    point: 'IndicatorPoint',
    warmUp: ({ step, max }) => psarWarmUp(step, max),
    compute: ({ candles }, { step, max }) => inOneStep(() => ({ value: trend.psar(candles, step, max) })),
    check: ({ step, max }) => {
      if (step > max) throw badInput('step must not be above max', 'step')
    },
  }),

  macd: indicator({
    description:
      'MACD: exponential average of the close over `fast` minus that over `slow`; its average over `signal`; their difference',
    source: 'G. Appel, The Moving Average Convergence-Divergence Trading Method, 1979',
    parameters: { fast: period(12), slow: period(26), signal: period(9) },
    point: 'MacdPoint',
    warmUp: ({ fast, slow, signal }) =>
      Math.max(fast, slow) - 1 + signal - 1 + emaSettling(Math.max(fast, slow, signal), 2),
    compute: ({ candles }, { fast, slow, signal }) => momentum.macd(candles.close, fast, slow, signal),
  }),

  bollingerBands: indicator({
    description:
      'Bollinger bands: mean of the last `period` closes, and `stdDev` population deviations above and below it',
    source: 'J. Bollinger, Bollinger on Bollinger Bands, 2001',
    parameters: { period: period(20), stdDev: multiple(2) },
    point: 'BandPoint',
    warmUp: ({ period }) => period - 1,
    compute: ({ candles }, { period, stdDev }) => volatility.bollingerBands(candles.close, period, stdDev),
  }),

  keltnerChannels: indicator({
    description:
      'Keltner channels: exponential average of the close, and `multiplier` average true ranges above and below it',
    source: 'C. W. Keltner, How to Make Money in Commodities, 1960; in the form of L. B. Raschke',
    parameters: { period: period(20), atrPeriod: period(10), multiplier: multiple(2) },
    point: 'BandPoint',
    warmUp: ({ period, atrPeriod }) =>
      Math.max(period - 1 + emaSettling(period), atrPeriod + wilderSettling(atrPeriod)),
    compute: ({ candles }, { period, atrPeriod, multiplier }) =>
      volatility.keltnerChannels(candles, period, atrPeriod, multiplier),
  }),

  stochastic: indicator({
    description:
      'Slow stochastic, 0 to 100: position of the close in the range of `kPeriod` candles, averaged; and the average of that',
    source: "G. C. Lane, Lane's Stochastics, Technical Analysis of Stocks & Commodities, 1984",
    parameters: { kPeriod: period(14), kSmoothing: period(3), dPeriod: period(3) },
    point: 'StochasticPoint',
    warmUp: ({ kPeriod, kSmoothing, dPeriod }) => kPeriod + kSmoothing + dPeriod - 3,
    compute: ({ candles }, { kPeriod, kSmoothing, dPeriod }) =>
      momentum.stochastic(candles, kPeriod, kSmoothing, dPeriod),
  }),

  stochasticRsi: indicator({
    description: 'The slow stochastic of the RSI of the close, 0 to 100',
    source: 'T. S. Chande and S. Kroll, The New Technical Trader, 1994',
    parameters: { rsiPeriod: period(14), kPeriod: period(14), kSmoothing: period(3), dPeriod: period(3) },
    point: 'StochasticPoint',
    warmUp: ({ rsiPeriod, kPeriod, kSmoothing, dPeriod }) =>
      rsiPeriod + wilderSettling(rsiPeriod) + kPeriod + kSmoothing + dPeriod - 3,
    compute: ({ candles }, { rsiPeriod, kPeriod, kSmoothing, dPeriod }) =>
      momentum.stochasticRsi(candles.close, rsiPeriod, kPeriod, kSmoothing, dPeriod),
  }),

  adx: indicator({
    description: 'Average directional index and the directional indicators, 0 to 100; 0 if nothing moved',
    source: wilder,
    parameters: { period: period(14) },
    point: 'AdxPoint',
    warmUp: ({ period }) => 2 * period - 1 + wilderSettling(period, 2),
    compute: ({ candles }, { period }) => trend.adx(candles, period),
  }),

  ichimoku: indicator({
    description:
      'Ichimoku kinko hyo: midpoints of the ranges of that many candles; spans are shifted `displacement` - 1 candles ahead, the lagging line as many behind',
    source: 'G. Hosoda, Ichimoku Kinko Hyo, 1969; in the form of TradingView',
    parameters: { conversion: period(9), base: period(26), span: period(52), displacement: period(26) },
    point: 'IchimokuPoint',
    warmUp: ({ conversion, base, span, displacement }) => Math.max(conversion, base, span) - 1 + displacement - 1,
    compute: ({ candles }, { conversion, base, span, displacement }) =>
      trend.ichimoku(candles, conversion, base, span, displacement),
  }),
} satisfies Record<string, AnyIndicator>
