import type { SignalKind } from '../../../src/domain/analysis/signal.ts'
import type { Candle } from '../../../src/domain/candle.ts'

/** A candle without its time. */
export type Bar = Omit<Candle, 'epoch' | 'closed'>

/** How many bars stand before the one that raises the signal: enough for every rule. */
const quietBars = 500
/** How far highs and lows are from the prices between. */
const wick = 0.3
const quietVolume = 1_000_000
const daySeconds = 86_400

/** Each candle opens where the one before it closed. */
export function barsOf(closes: readonly number[]): Bar[] {
  return closes.map((close, i) => {
    const open = closes[i - 1] ?? close
    const [high, low] = [Math.max(open, close) + wick, Math.min(open, close) - wick]
    return { open, high, low, close, volume: quietVolume }
  })
}

/** Days, Monday to Friday, all of them closed; the newest begins at `newestEpoch`, midnight of a weekday. */
export function daysOf(bars: readonly Bar[], newestEpoch = Date.UTC(2025, 2, 14) / 1000): Candle[] {
  const epochs: number[] = []
  for (let epoch = newestEpoch; epochs.length < bars.length; epoch -= daySeconds) {
    const weekday = new Date(epoch * 1000).getUTCDay()
    if (weekday !== 0 && weekday !== 6) epochs.unshift(epoch)
  }
  return bars.map((bar, i) => ({ ...bar, epoch: epochs[i] ?? Number.NaN, closed: true }))
}

const quiet = (price: (i: number) => number): number[] => Array.from({ length: quietBars }, (_, i) => price(i))

/** The quiet bars, and one that closes so much above the last of them. */
const leap = (closes: readonly number[], by: number): number[] => [...closes, (closes.at(-1) ?? Number.NaN) + by]

/** Falls and rises in turn; where it rises by less than it falls, it falls in the long run. */
const zigzag = (start: number, rise: number, fall: number): number[] =>
  quiet((i) => start + Math.ceil(i / 2) * rise - Math.floor(i / 2) * fall)

const falling = quiet((i) => 200 - 0.2 * i)
/** Ever faster, so that MACD and %K stay below their averages. */
const fallingFaster = quiet((i) => 200 - 0.0004 * i ** 2)
/** As many rising bars as it takes until the average of the last 50 closes has passed that of the last 200. */
const turning = [...falling, ...Array.from({ length: 59 }, (_, i) => (falling.at(-1) ?? Number.NaN) + 0.4 * (i + 1))]

const upwards = {
  overAverageOf50: leap(falling, 7),
  overAverageOf200: leap(falling, 25),
  averagesCross: turning,
  overbought: leap(zigzag(120, 1, 0.8), 6.5),
  stronger: leap(zigzag(180, 0.8, 1), 2),
  overBand: leap(zigzag(120, 1, 0.8), 4),
  nearBand: leap(zigzag(147, 6, 6), 2.5),
  overSignal: leap(fallingFaster, 3),
}
/** Of upwards, turned over. */
const downwards = (closes: readonly number[]): Bar[] => barsOf(closes.map((close) => 300 - close))

const spike = barsOf(leap(zigzag(120, 1, 0.8), 3)).map((bar, i) => ({
  ...bar,
  volume: i === quietBars ? 3 * quietVolume : quietVolume,
}))

/** Of each kind, bars of which the newest raises it, and none before. Other kinds may be raised too. */
export const barsRaising: Readonly<Record<SignalKind, readonly Bar[]>> = {
  MA50_BREAKOUT_UP: barsOf(upwards.overAverageOf50),
  MA50_BREAKOUT_DOWN: downwards(upwards.overAverageOf50),
  MA200_BREAKOUT_UP: barsOf(upwards.overAverageOf200),
  MA200_BREAKOUT_DOWN: downwards(upwards.overAverageOf200),
  GOLDEN_CROSS: barsOf(upwards.averagesCross),
  DEATH_CROSS: downwards(upwards.averagesCross),
  RSI_OVERBOUGHT: barsOf(upwards.overbought),
  RSI_OVERSOLD: downwards(upwards.overbought),
  RSI_BULLISH: barsOf(upwards.stronger),
  RSI_BEARISH: downwards(upwards.stronger),
  BOLLINGER_BREAK_UPPER: barsOf(upwards.overBand),
  BOLLINGER_BREAK_LOWER: downwards(upwards.overBand),
  BOLLINGER_TOUCH_UPPER: barsOf(upwards.nearBand),
  BOLLINGER_TOUCH_LOWER: downwards(upwards.nearBand),
  MACD_BULLISH_CROSS: barsOf(upwards.overSignal),
  MACD_BEARISH_CROSS: downwards(upwards.overSignal),
  STOCHASTIC_BULLISH_CROSS: barsOf(upwards.overSignal),
  STOCHASTIC_BEARISH_CROSS: downwards(upwards.overSignal),
  VOLUME_SPIKE: spike,
}
