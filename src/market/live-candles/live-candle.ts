import type { Candle } from '../../domain/candle.ts'
import type { Quote } from '../../domain/quote.ts'

export interface LiveCandle {
  readonly candle: Candle
  /** Starts at 1 and grows by one with each change. */
  readonly revision: number
  /** When the newest price in it was made, in epoch milliseconds; -Infinity: all of it came from the source. */
  readonly pricedMs: number
}

export const isSameCandle = (a: Candle, b: Candle): boolean =>
  a.open === b.open &&
  a.high === b.high &&
  a.low === b.low &&
  a.close === b.close &&
  a.volume === b.volume &&
  a.closed === b.closed

export const plain = ({ epoch, open, high, low, close, volume }: Candle, closed: boolean): Candle => ({
  epoch,
  open,
  high,
  low,
  close,
  volume,
  closed,
})

export const opened = (epoch: number, { price }: Quote, volume: number | null): Candle => ({
  epoch,
  open: price,
  high: price,
  low: price,
  close: price,
  volume,
  closed: false,
})

/** `traded`: since the quote before; null: unknown, or counted with a newer quote. */
export function withPrice({ candle, pricedMs }: LiveCandle, quote: Quote, traded: number | null): Candle {
  const { price, timeMs } = quote
  const isUnknown = candle.volume === null || quote.volume === null
  return {
    ...candle,
    high: Math.max(candle.high, price),
    low: Math.min(candle.low, price),
    close: timeMs >= pricedMs ? price : candle.close,
    volume: isUnknown ? null : candle.volume + (traded ?? 0),
  }
}

/** A forming candle, completed with what the source knows and prices did not show. */
export function completed({ candle, pricedMs }: LiveCandle, sent: Candle): Candle {
  return {
    ...candle,
    open: sent.open,
    high: Math.max(candle.high, sent.high),
    low: Math.min(candle.low, sent.low),
    close: pricedMs === Number.NEGATIVE_INFINITY ? sent.close : candle.close,
    volume:
      candle.volume === null || sent.volume === null
        ? (candle.volume ?? sent.volume)
        : Math.max(candle.volume, sent.volume),
  }
}
