/**
 * A made-up market for benches of charts: every server, and the client that checks the answers, makes the same history
 * from the same numbers.
 */
export interface Market {
  /** S0 is the symbol asked for most. */
  readonly symbols: number
  /** The date of the open candle, in days since 1970-01-01. */
  readonly today: number
}

/** Columns of daily candles, oldest first. The last candle is open. */
export interface Chart {
  /** Midnight UTC of the trading date, in epoch seconds. */
  readonly time: number[]
  readonly open: number[]
  readonly high: number[]
  readonly low: number[]
  readonly close: number[]
  readonly volume: number[]
}

export const candleColumns = ['time', 'open', 'high', 'low', 'close', 'volume'] as const

/** Candles of a chart, and those before it that its indicators need. */
export const chartLength = 1000
const historyLength = chartLength + 900

/** One symbol more, with enough days for charts of 20,000 rows. */
export const longSymbol = 'LONG'
export const longHistory = 21_500

export const daySeconds = 86_400

export const symbolAt = (index: number): string => `S${index}`

/**
 * A random walk in cents, on weekdays only: each candle begins where the one before ended. Volumes are hundreds, as those
 * of American shares are.
 */
export function history(index: number, today: number, length = historyLength): Chart {
  const random = randomFrom(index + 1)
  const chart: Chart = { time: [], open: [], high: [], low: [], close: [], volume: [] }
  let price = 40 + 300 * random()
  for (const day of tradingDays(today, length)) {
    const open = price
    price = Math.max(5, price * (1 + 0.03 * (random() - 0.495)))
    chart.time.push(day * daySeconds)
    chart.open.push(cents(open))
    chart.high.push(cents(Math.max(open, price) * (1 + 0.008 * random())))
    chart.low.push(cents(Math.min(open, price) * (1 - 0.008 * random())))
    chart.close.push(cents(price))
    chart.volume.push(100 * Math.round(1e4 * (1 + 40 * random() ** 3)))
  }
  return chart
}

/** Moves the open candle to where the market is at a time, in epoch milliseconds; returns the price. */
export function moveOpen(chart: Chart, index: number, nowMs: number): number {
  const last = chart.time.length - 1
  const open = chart.open[last] ?? Number.NaN
  const price = cents(open * (1 + 0.01 * Math.sin(nowMs / 7000 + index)))
  chart.close[last] = price
  chart.high[last] = Math.max(chart.high[last] ?? price, price)
  chart.low[last] = Math.min(chart.low[last] ?? price, price)
  chart.volume[last] = (chart.volume[last] ?? 0) + 100
  return price
}

/** The newest `length` candles. */
export function newest(chart: Chart, length: number): Chart {
  const { time, open, high, low, close, volume } = chart
  const cut = (column: number[]): number[] => column.slice(-length)
  return { time: cut(time), open: cut(open), high: cut(high), low: cut(low), close: cut(close), volume: cut(volume) }
}

/** Columns of the five indicators of a chart, by their names in the API. */
export interface FiveIndicators {
  readonly sma: number[]
  readonly ema: number[]
  readonly rsi: number[]
  readonly macd: { readonly macd: number[]; readonly signal: number[]; readonly histogram: number[] }
  readonly bollingerBands: { readonly upper: number[]; readonly middle: number[]; readonly lower: number[] }
}

/**
 * SMA and EMA of 20, RSI of 14, MACD of 12, 26 and 9, Bollinger bands of 20 and 2, over the newest candles. Written here
 * once more, so that answers are not checked by the code that made them.
 */
export function fiveIndicators({ close }: Chart, length = chartLength): FiveIndicators {
  const sma = means(close, 20)
  const macd = less(ema(close, 12), ema(close, 26))
  const signal = ema(macd, 9)
  const deviations = close.map((_, i) => {
    const window = close.slice(Math.max(0, i - 19), i + 1)
    const mean = sma[i] ?? Number.NaN
    return Math.sqrt(window.reduce((sum, value) => sum + (value - mean) ** 2, 0) / window.length)
  })
  const cut = (column: number[]): number[] => column.slice(-length)
  const band = (times: number): number[] => cut(sma.map((mean, i) => mean + times * (deviations[i] ?? Number.NaN)))
  return {
    sma: cut(sma),
    ema: cut(ema(close, 20)),
    rsi: cut(rsi(close, 14)),
    macd: { macd: cut(macd), signal: cut(signal), histogram: cut(less(macd, signal)) },
    bollingerBands: { upper: band(2), middle: cut(sma), lower: band(-2) },
  }
}

const cents = (price: number): number => Math.round(price * 100) / 100

function tradingDays(today: number, length: number): number[] {
  const days = [today]
  // 1970-01-01 was a Thursday.
  for (let day = today - 1; days.length < length; day--) if ((day + 4) % 7 !== 0 && (day + 4) % 7 !== 6) days.push(day)
  return days.reverse()
}

/** In [0, 1), the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function means(values: readonly number[], period: number): number[] {
  return values.map((_, i) => {
    const window = values.slice(Math.max(0, i + 1 - period), i + 1)
    return window.reduce((sum, value) => sum + value, 0) / window.length
  })
}

/** Where history is long, it makes no difference that averages start from the first value. */
function ema(values: readonly number[], period: number): number[] {
  let average = values[0] ?? Number.NaN
  return values.map((value) => {
    average += (2 / (period + 1)) * (value - average)
    return average
  })
}

function rsi(values: readonly number[], period: number): number[] {
  let [up, down] = [0, 0]
  return values.map((value, i) => {
    const change = value - (values[i - 1] ?? value)
    up += (Math.max(0, change) - up) / period
    down += (Math.max(0, -change) - down) / period
    return (100 * up) / (up + down)
  })
}

const less = (from: readonly number[], what: readonly number[]): number[] =>
  from.map((value, i) => value - (what[i] ?? Number.NaN))
