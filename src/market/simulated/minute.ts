import { minuteMs } from '../../domain/time/units.ts'
import { at, type Bar, knots } from './bars.ts'
import type { Random } from './random.ts'

/** A running minute, and all that a quote needs of the time before it. Prices in price steps. */
export interface LiveMinute {
  /** Epoch seconds. */
  readonly start: number
  /** Prices at its 61 second marks, and the extremes up to each. */
  readonly prices: Float64Array
  readonly highs: Float64Array
  readonly lows: Float64Array
  readonly volume: number
  readonly today: Today
  /** The day up to this minute; null in the day's first one. */
  readonly dayBefore: Bar | null
}

/** What stays the same all day. */
export interface Today {
  readonly day: number
  /** The complete bar; only its open is public yet. */
  readonly bar: Bar
  readonly previousClose: number
  /** High and low of the 364 days before this one; null on the very first day. */
  readonly year: { readonly high: number; readonly low: number } | null
}

const seconds = 60

/** Opens a minute: its bar, known only in the end, is spread over its seconds. */
export function liveMinute(start: number, bar: Bar, random: Random, today: Today, dayBefore: Bar | null): LiveMinute {
  const prices = knots(bar, seconds, random)
  return {
    start,
    prices,
    highs: running(prices, Math.max),
    lows: running(prices, Math.min),
    volume: bar.volume,
    today,
    dayBefore,
  }
}

/**
 * The running minute up to a time within it: its second marks so far and the live price, on the straight line to the
 * next mark.
 */
export function soFar({ start, prices, highs, lows, volume }: LiveMinute, timeMs: number): Bar {
  const elapsedMs = timeMs - start * 1000
  const second = Math.floor(elapsedMs / 1000)
  const from = at(prices, second)
  const close = Math.round(from + ((at(prices, second + 1) - from) * (elapsedMs - second * 1000)) / 1000)
  return {
    open: at(prices, 0),
    high: Math.max(at(highs, second), close),
    low: Math.min(at(lows, second), close),
    close,
    volume: Math.floor((volume * elapsedMs) / minuteMs),
  }
}

function running(values: Float64Array, better: (a: number, b: number) => number): Float64Array {
  let best = at(values, 0)
  return values.map((value) => {
    best = better(best, value)
    return best
  })
}
