import { LRUCache } from 'lru-cache'
import { type Interval, intervalSeconds } from '../../domain/time/interval.ts'
import { daySeconds, hourSeconds, minuteMs } from '../../domain/time/units.ts'
import { type Bar, divide, merge } from './bars.ts'
import { firstDay, simulatedDays } from './days.ts'
import type { SimulatedInstrument } from './instruments.ts'
import { type LiveMinute, liveMinute, soFar, type Today } from './minute.ts'
import { childKey, randomFrom } from './random.ts'

/** How a bar is divided. `key` keeps the randomness of the levels apart. */
interface Division {
  readonly key: number
  readonly perDay: number
  readonly count: number
}

const dayToHours: Division = { key: 2, perDay: 1, count: 24 }
const hourToMinutes: Division = { key: 3, perDay: 24, count: 60 }
const secondsKey = 4

/** Epoch seconds. */
export const historyStart = firstDay * daySeconds

export interface SimulatedPrices {
  /**
   * The complete bar that starts at a time, in epoch seconds: a whole multiple of the interval, in history or in the
   * future.
   */
  bar(of: SimulatedInstrument, interval: Interval, start: number): Bar
  /** The running bar at a time, up to that time. */
  openBar(of: SimulatedInstrument, interval: Interval, timeMs: number): Bar
  minuteAt(of: SimulatedInstrument, timeMs: number): LiveMinute
}

/**
 * Prices of all symbols at all times and intervals. Only days are walked; everything finer divides a day, with
 * randomness that depends only on seed, symbol and time. So all intervals agree, and earlier requests change nothing.
 */
export function simulatedPrices(): SimulatedPrices {
  const days = simulatedDays()
  // Neighbouring candles share their hour, so it is kept for about as long as one request lasts.
  const hoursKept = new LRUCache<string, Bar[]>({ max: 200 })
  const minutesKept = new LRUCache<string, Bar[]>({ max: 200 })
  const live = new LRUCache<string, LiveMinute>({ max: 10_000 })

  /**
   * A live symbol's own day comes first: with thousands of symbols, not all of their blocks of days fit into the cache.
   */
  function dayOf(of: SimulatedInstrument, day: number): Bar {
    const today = live.peek(of.instrument.symbol)?.today
    return today?.day === day ? today.bar : days.bar(of, day)
  }

  function hoursOf(of: SimulatedInstrument, day: number): Bar[] {
    return keep(hoursKept, `${of.instrument.symbol}:${day}`, () => divided(of, dayOf(of, day), dayToHours, day))
  }

  function minutesOf(of: SimulatedInstrument, hour: number): Bar[] {
    return keep(minutesKept, `${of.instrument.symbol}:${hour}`, () => {
      const ofDay = hour % 24
      const bar = merge(hoursOf(of, Math.floor(hour / 24)).slice(ofDay, ofDay + 1))
      return divided(of, bar, hourToMinutes, hour)
    })
  }

  function bar(of: SimulatedInstrument, interval: Interval, start: number): Bar {
    if (interval === 'DAY_1') return days.bar(of, start / daySeconds)
    const hour = Math.floor(start / hourSeconds)
    const size = intervalSeconds(interval) / 60
    const parts = size === 60 ? hoursOf(of, Math.floor(hour / 24)) : minutesOf(of, hour)
    const first = size === 60 ? hour % 24 : (start / 60) % 60
    return merge(parts.slice(first, first + (size === 60 ? 1 : size)))
  }

  /**
   * The whole hours and minutes from a time (within the hour, or the day's start) up to a minute; null: there are none.
   */
  function upTo(of: SimulatedInstrument, start: number, minute: number): Bar | null {
    const hour = Math.floor(minute / hourSeconds)
    const bars: Bar[] = []
    if (start < hour * hourSeconds) bars.push(...hoursOf(of, Math.floor(hour / 24)).slice(0, hour % 24))
    const first = Math.max(0, (start - hour * hourSeconds) / 60)
    bars.push(...minutesOf(of, hour).slice(first, (minute / 60) % 60))
    return bars.length > 0 ? merge(bars) : null
  }

  function openBar(of: SimulatedInstrument, interval: Interval, timeMs: number): Bar {
    const minute = minuteAt(of, timeMs)
    const size = intervalSeconds(interval)
    const before = upTo(of, Math.floor(minute.start / size) * size, minute.start)
    const now = soFar(minute, timeMs)
    return before ? merge([before, now]) : now
  }

  function minuteAt(of: SimulatedInstrument, timeMs: number): LiveMinute {
    const { symbol } = of.instrument
    const start = Math.floor(timeMs / minuteMs) * 60
    const last = live.get(symbol)
    if (last?.start === start) return last
    const minute = enterMinute(of, start, last?.today)
    live.set(symbol, minute)
    return minute
  }

  function enterMinute(of: SimulatedInstrument, start: number, lastDay: Today | undefined): LiveMinute {
    const day = Math.floor(start / daySeconds)
    const random = randomFrom(keyOf(of, secondsKey, start / 60))
    const today = lastDay?.day === day ? lastDay : enterDay(of, day)
    return liveMinute(start, bar(of, 'MINUTE_1', start), random, today, upTo(of, day * daySeconds, start))
  }

  function enterDay(of: SimulatedInstrument, day: number): Today {
    return {
      day,
      bar: days.bar(of, day),
      previousClose: days.previousClose(of, day),
      year: days.extremes(of, day - 364, day),
    }
  }

  return { bar, openBar, minuteAt }
}

const keyOf = (of: SimulatedInstrument, level: number, index: number): number =>
  childKey(childKey(of.key, level), index)

/** Divides a bar that is one of the `perDay` equal parts of a day. */
function divided(of: SimulatedInstrument, bar: Bar, { key, perDay, count }: Division, index: number): Bar[] {
  const random = randomFrom(keyOf(of, key, index))
  const weights = Array.from({ length: count }, (_, i) => {
    const time = ((index % perDay) + (i + 0.5) / count) / perDay
    return volumeAt(time) * noise(random())
  })
  return divide(bar, weights, random)
}

/** How much is traded at a time of the day (0 to 1), as a U: busy at both ends, quiet in the middle. */
const volumeAt = (time: number): number => 1 + 3 * (2 * time - 1) ** 2
const noise = (random: number): number => 0.5 + random

function keep(kept: LRUCache<string, Bar[]>, key: string, build: () => Bar[]): Bar[] {
  const found = kept.get(key)
  if (found) return found
  const built = build()
  kept.set(key, built)
  return built
}
