import { calendarOf } from '../../domain/exchange-calendar/calendars.ts'
import type { ExchangeCalendar, Session } from '../../domain/exchange-calendar/exchange-calendar.ts'
import { daySeconds } from '../../domain/time/units.ts'
import type { SimulatedInstrument } from './instruments/instruments.ts'
import { dayMinutes } from './walks/day-path.ts'
import type { SimulatedHours } from './walks/rhythm.ts'
import { firstDay } from './walks/walks.ts'

export type Part = 'PRE' | 'REGULAR' | 'POST'

/** A time of trading without a pause. Minutes since the epoch, `to` exclusive. */
export interface Stretch {
  readonly part: Part
  readonly from: number
  readonly to: number
}

/** One trading date of an exchange. */
export interface TradingDay {
  /** The number of its date since the epoch. */
  readonly day: number
  /** In order. More than one is regular where there is a lunch break. */
  readonly stretches: readonly Stretch[]
  readonly regular: readonly Stretch[]
}

/** Where a time lies among the stretches of an exchange: in one, or after its last minute. */
export interface Moment {
  readonly day: TradingDay
  readonly part: Part
  /** The minute that runs, or ran last. */
  readonly minute: number
  readonly running: boolean
  /** The first minute for which this may be different. */
  readonly until: number
}

export interface TradingHours {
  readonly timezone: string
  /** null: closed on that date. */
  on(day: number): TradingDay | null
  at(minute: number): Moment
}

/** Four in the morning until half past nine, and four hours after the close, on half days too. */
const preMinutes = 330
const postMinutes = 240
/** No exchange was ever closed for so long between two sessions. */
const longestPauseDays = 60

const neverCloses: TradingHours = {
  timezone: 'UTC',
  on(day) {
    const regular = [{ part: 'REGULAR' as const, from: day * dayMinutes, to: (day + 1) * dayMinutes }]
    return { day, stretches: regular, regular }
  },
  at(minute) {
    const day = neverCloses.on(Math.floor(minute / dayMinutes)) as TradingDay
    return { day, part: 'REGULAR', minute, running: true, until: minute + 1 }
  },
}

/** The hours of all instruments, one object for each exchange with its kind of hours. */
export function tradingHours(hours: SimulatedHours): (of: SimulatedInstrument) => TradingHours {
  if (hours === 'always') return () => neverCloses
  const known = new Map<string, TradingHours>()
  return ({ exchange, instrument: { kind } }) => {
    const extended = kind === 'EQUITY' || kind === 'ETF'
    const key = `${exchange} ${extended}`
    const calendar = calendarOf(exchange)
    const found = known.get(key) ?? (calendar ? exchangeHours(calendar, extended) : neverCloses)
    known.set(key, found)
    return found
  }
}

function exchangeHours(calendar: ExchangeCalendar, extended: boolean): TradingHours {
  const days = new Map<number, TradingDay | null>()
  const isExtended = extended && calendar.id === 'XNYS'

  function on(day: number): TradingDay | null {
    const known = days.get(day)
    if (known !== undefined) return known
    const session = sessionOn(calendar, day)
    const hours = session && tradingDay(day, session, isExtended)
    // A session that begins before the first price is left out.
    const built = hours?.stretches.every(({ from }) => from >= firstDay * dayMinutes) ? hours : null
    days.set(day, built)
    return built
  }

  function at(minute: number): Moment {
    const today = Math.floor(minute / dayMinutes)
    let until = Number.POSITIVE_INFINITY
    // The session of tomorrow's date may have begun, and yesterday's post-market may still run.
    for (let day = today + 2; day > today - longestPauseDays; day--) {
      const tradingDay = on(day)
      if (!tradingDay) continue
      for (const { part, from, to } of tradingDay.stretches.toReversed()) {
        if (from > minute) until = from
        else if (minute < to) return { day: tradingDay, part, minute, running: true, until: minute + 1 }
        else {
          // Looked up again after two days at the latest.
          return {
            day: tradingDay,
            part,
            minute: to - 1,
            running: false,
            until: Math.min(until, minute + 2 * dayMinutes),
          }
        }
      }
    }
    throw new RangeError(`No session of ${calendar.id} before minute ${minute}`)
  }

  return { timezone: calendar.timezone, on, at }
}

/** Of dates that a calendar does not know, the session is that of the same weekday a year before. */
function sessionOn(calendar: ExchangeCalendar, day: number): Session | null {
  const found = calendar.sessionOn(day * daySeconds)
  if (found !== undefined) return found
  const earlier = day * daySeconds >= calendar.known.to ? sessionOn(calendar, day - 364) : null
  const move = (epoch: number) => epoch + 364 * daySeconds
  return (
    earlier && {
      ...earlier,
      opens: move(earlier.opens),
      closes: move(earlier.closes),
      breaks: earlier.breaks.map(({ from, to }) => ({ from: move(from), to: move(to) })),
    }
  )
}

function tradingDay(day: number, { opens, closes, breaks }: Session, extended: boolean): TradingDay {
  const edges = [opens, ...breaks.flatMap(({ from, to }) => [from, to]), closes].map((epoch) => epoch / 60)
  const regular: Stretch[] = []
  for (let i = 0; i < edges.length; i += 2) {
    regular.push({ part: 'REGULAR', from: edges[i] as number, to: edges[i + 1] as number })
  }
  if (!extended) return { day, stretches: regular, regular }
  const pre = { part: 'PRE' as const, from: opens / 60 - preMinutes, to: opens / 60 }
  const post = { part: 'POST' as const, from: closes / 60, to: closes / 60 + postMinutes }
  return { day, stretches: [pre, ...regular, post], regular }
}
