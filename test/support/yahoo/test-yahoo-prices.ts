import { daySeconds } from './test-yahoo-sessions.ts'

/** Prices that test Yahoo makes up: the same numbers for the same times, whatever the quote is set to meanwhile. */
export interface Bar {
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number
}

/** What was traded in [start, end), seen at `until`. */
export function barOf(basePrice: number, start: number, end: number, until: number): Bar {
  const seen = Math.min(end, until)
  const open = priceAt(basePrice, start)
  const close = priceAt(basePrice, seen)
  const volume = 1000 + (Math.floor(start / 60) % 500) * 10
  return {
    open,
    high: Math.max(open, close) * 1.001,
    low: Math.min(open, close) * 0.999,
    close,
    volume: Math.floor((volume * (seen - start)) / (end - start)),
  }
}

/** The row that Yahoo appends of nothing but a price. */
export function priceOnly(basePrice: number, epoch: number): Bar {
  const price = priceAt(basePrice, epoch)
  return { open: price, high: price, low: price, close: price, volume: 0 }
}

/** In shares of which there are `shares` times as many now. Float32 written as a double, as Yahoo does it: 75.0875015258789. */
export const inSharesOfNow = ({ open, high, low, close, volume }: Bar, shares: number): Bar => ({
  open: Math.fround(open / shares),
  high: Math.fround(high / shares),
  low: Math.fround(low / shares),
  close: Math.fround(close / shares),
  volume: Math.round(volume * shares),
})

export function joined(bars: readonly [Bar, ...Bar[]]): Bar {
  return {
    open: bars[0].open,
    high: Math.max(...bars.map(({ high }) => high)),
    low: Math.min(...bars.map(({ low }) => low)),
    close: (bars.at(-1) ?? bars[0]).close,
    volume: bars.reduce((sum, { volume }) => sum + volume, 0),
  }
}

export function priceAt(basePrice: number, epoch: number): number {
  const days = epoch / daySeconds
  return basePrice * (1 + 0.15 * Math.sin(days / 58) + 0.02 * Math.sin(days * 1.3) + 0.003 * Math.sin(days * 97))
}
