import type { Instrument } from '../../domain/instrument.ts'
import { minuteMs } from '../../domain/time/units.ts'
import { at, type Bar, knots } from './bars.ts'
import type { Random } from './walks/random.ts'

/** A running minute, or the last one that ran, and all that a quote needs of the time before it. Prices in price steps. */
export interface LiveMinute {
  /** Epoch seconds. */
  readonly start: number
  /** Its end, and the times at which it is the newest minute, in epoch milliseconds. */
  readonly endMs: number
  readonly fromMs: number
  readonly untilMs: number
  /** Whether its market is open at these times. */
  readonly isRunning: boolean
  /** With the state that its market has at these times. */
  readonly instrument: Instrument
  /** Prices at its 61 second marks, and the extremes up to each. */
  readonly prices: Float64Array
  readonly highs: Float64Array
  readonly lows: Float64Array
  readonly volume: number
  readonly today: Today
  /** The session up to this minute; null in its first one. After it, and before the next one, all of it. */
  readonly dayBefore: Bar | null
  /** The last regular close before the trading date of this minute. */
  readonly previousClose: number
  /** The last regular close, if this minute is not of a regular session. */
  readonly regularClose: number | null
}

/** The session of the newest regular price. */
export interface Today {
  readonly day: number
  /** The session's complete bar; before its end, only its open is public. */
  readonly bar: Bar
  readonly closeBefore: number
  /** High and low of the 364 days before the session's; null on the very first day. */
  readonly year: { readonly high: number; readonly low: number } | null
}

const seconds = 60

/** A minute's bar, known only in the end, is spread over its seconds. */
export function secondsOf(bar: Bar, random: Random): Pick<LiveMinute, 'prices' | 'highs' | 'lows' | 'volume'> {
  const prices = knots(bar, seconds, random)
  return { prices, highs: running(prices, Math.max), lows: running(prices, Math.min), volume: bar.volume }
}

/**
 * The minute up to a time: its second marks so far and the live price, on the straight line to the next mark. All of it
 * after its end.
 */
export function soFar({ start, prices, highs, lows, volume }: LiveMinute, timeMs: number): Bar {
  const elapsedMs = Math.min(timeMs - start * 1000, minuteMs)
  const second = Math.min(Math.floor(elapsedMs / 1000), seconds - 1)
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
