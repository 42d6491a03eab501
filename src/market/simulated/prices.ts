import { LRUCache } from 'lru-cache'
import type { Instrument } from '../../domain/instrument.ts'
import { daySeconds, minuteMs } from '../../domain/time/units.ts'
import { type Bar, merge } from './bars.ts'
import { priceOf, simulatedDays, widened } from './days.ts'
import type { SimulatedInstrument } from './instruments/instruments.ts'
import { type LiveMinute, secondsOf, soFar, type Today } from './minute.ts'
import { simulatedPaths } from './paths.ts'
import {
  type Moment,
  type Part,
  type Stretch,
  type TradingDay,
  type TradingHours,
  tradingHours,
} from './trading-hours.ts'
import { simulatedVolumes } from './volumes.ts'
import { dayMinutes, type LogRange } from './walks/day-path.ts'
import { childKey, randomFrom } from './walks/random.ts'
import type { SimulatedHours } from './walks/rhythm.ts'
import { firstDay } from './walks/walks.ts'

const secondsKey = 7

/** Epoch seconds. */
export const historyStart = firstDay * daySeconds

/** By then, every exchange has had a session. */
const firstMinute = (firstDay + 7) * dayMinutes

/** The minutes of a candle, in minutes since the epoch, `to` exclusive. */
export type CandleSpan = Stretch & { readonly day: TradingDay }

export interface SimulatedPrices {
  hoursOf(of: SimulatedInstrument): TradingHours
  /** The complete bar of a trading date, in history or in the future; null: closed. */
  day(of: SimulatedInstrument, day: number): Bar | null
  /** The complete bar of some minutes of a stretch. */
  bar(of: SimulatedInstrument, span: CandleSpan): Bar
  /** The bar of the minutes of a stretch up to a time within it. */
  openBar(of: SimulatedInstrument, span: CandleSpan, timeMs: number): Bar
  /** The running bar of a trading date, whose session has begun. */
  openDay(of: SimulatedInstrument, timeMs: number): Bar
  minuteAt(of: SimulatedInstrument, timeMs: number): LiveMinute
  /** The instrument with the state of its market in a minute since the epoch. */
  instrumentAt(of: SimulatedInstrument, minute: number): Instrument
  /** The close of the last session before a day. */
  previousClose(of: SimulatedInstrument, day: number): number
}

/**
 * Prices of all symbols at all times and intervals, read off the same paths. Their randomness depends only on seed,
 * symbol and time, so all intervals agree, and earlier requests change nothing.
 */
export function simulatedPrices(hours: SimulatedHours = 'always'): SimulatedPrices {
  const hoursOf = tradingHours(hours)
  const paths = simulatedPaths()
  const days = simulatedDays(paths, hoursOf)
  const volumes = simulatedVolumes()
  const live = new LRUCache<string, LiveMinute>({ max: 10_000 })

  function bar(of: SimulatedInstrument, { day, part, from, to }: CandleSpan): Bar {
    const { open, high, low, close } = rangeOf(of, from, to)
    const volume = volumeBefore(of, day, part, to) - volumeBefore(of, day, part, from)
    return { open: priceOf(open), high: priceOf(high), low: priceOf(low), close: priceOf(close), volume }
  }

  function rangeOf(of: SimulatedInstrument, from: number, to: number): LogRange {
    let range: LogRange | undefined
    for (let minute = from; minute < to; ) {
      const day = Math.floor(minute / dayMinutes)
      const start = day * dayMinutes
      const end = Math.min(to, start + dayMinutes)
      range = widened(paths.of(of, day), minute - start, end - start, range)
      minute = end
    }
    if (!range) throw new RangeError('A bar has at least a minute')
    return range
  }

  const volumeBefore = (of: SimulatedInstrument, day: TradingDay, part: Part, minute: number): number =>
    volumes.before(of, day, part, () => days.single(of, day.day)?.volume ?? 0, minute)

  /** The session up to a minute; null: it has just begun. */
  function sessionUpTo(of: SimulatedInstrument, day: TradingDay, minute: number): Bar | null {
    const bars = day.regular
      .filter(({ from }) => from < minute)
      .map((stretch) => bar(of, { ...stretch, day, to: Math.min(minute, stretch.to) }))
    return bars.length > 0 ? merge(bars) : null
  }

  function openBar(of: SimulatedInstrument, span: CandleSpan, timeMs: number): Bar {
    const minute = minuteAt(of, timeMs)
    const running = minute.start / 60
    const now = soFar(minute, timeMs)
    return running > span.from ? merge([bar(of, { ...span, to: running }), now]) : now
  }

  function openDay(of: SimulatedInstrument, timeMs: number): Bar {
    const minute = minuteAt(of, timeMs)
    const now = soFar(minute, timeMs)
    return minute.dayBefore ? merge([minute.dayBefore, now]) : now
  }

  function minuteAt(of: SimulatedInstrument, timeMs: number): LiveMinute {
    const { symbol } = of.instrument
    const last = live.get(symbol)
    if (last && timeMs >= last.fromMs && timeMs < last.untilMs) return last
    const minute = enterMinute(of, hoursOf(of).at(Math.floor(timeMs / minuteMs)), timeMs, last?.today)
    live.set(symbol, minute)
    return minute
  }

  function enterMinute(
    of: SimulatedInstrument,
    moment: Moment,
    timeMs: number,
    lastToday: Today | undefined,
  ): LiveMinute {
    const { day, part, minute, running, until } = moment
    const isRegular = part === 'REGULAR'
    const session = part === 'PRE' ? sessionBefore(of, day) : day
    const today = lastToday?.day === session.day ? lastToday : enterDay(of, session.day)
    return {
      start: minute * 60,
      endMs: (minute + 1) * minuteMs,
      fromMs: (running ? minute : Math.floor(timeMs / minuteMs)) * minuteMs,
      untilMs: until * minuteMs,
      instrument: withState(of, moment),
      ...secondsOf(
        bar(of, { day, part, from: minute, to: minute + 1 }),
        randomFrom(childKey(childKey(of.own.key, secondsKey), minute)),
      ),
      today,
      dayBefore: isRegular ? sessionUpTo(of, day, minute) : today.bar,
      previousClose: part === 'PRE' ? today.bar.close : today.closeBefore,
      isRunning: running,
      regularClose: isRegular ? null : today.bar.close,
    }
  }

  function sessionBefore(of: SimulatedInstrument, { day }: TradingDay): TradingDay {
    const hours = hoursOf(of)
    for (let before = day - 1; before >= firstDay; before--) {
      const found = hours.on(before)
      if (found) return found
    }
    throw new RangeError(`No session before day ${day}`)
  }

  function enterDay(of: SimulatedInstrument, day: number): Today {
    const bar = days.single(of, day)
    if (!bar) throw new RangeError(`No session on day ${day}`)
    return { day, bar, closeBefore: days.previousClose(of, day), year: days.extremes(of, day - 364, day) }
  }

  return {
    hoursOf,
    day: days.bar,
    bar,
    openBar,
    openDay,
    minuteAt,
    instrumentAt: (of, minute) => (minute < firstMinute ? of.instrument : withState(of, hoursOf(of).at(minute))),
    previousClose: days.previousClose,
  }
}

const withState = ({ instrument }: SimulatedInstrument, { running, part }: Moment): Instrument => ({
  ...instrument,
  marketState: running ? part : 'CLOSED',
})
