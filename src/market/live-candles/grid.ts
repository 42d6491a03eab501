import type { Session } from '../../domain/exchange-calendar/exchange-calendar.ts'
import type { Quote } from '../../domain/quote.ts'
import { closedAt } from '../../domain/sessions/closed-at.ts'
import { composedSpan } from '../../domain/sessions/composed-span.ts'
import { dailyDates } from '../../domain/sessions/session-dates.ts'
import { calendarFor, isRoundTheClock, type SessionHours } from '../../domain/sessions/session-hours.ts'
import { earliestSeconds } from '../../domain/sessions/trading-stretch.ts'
import { clockTime, epochOf } from '../../domain/time/exchange-clock.ts'
import {
  type ComposedHours,
  type Interval,
  intervalSeconds,
  isComposed,
  isComposedOfHours,
  isDaily,
  sourceInterval,
} from '../../domain/time/interval.ts'
import { daySeconds, hourSeconds, quarterHourSeconds } from '../../domain/time/units.ts'

/** How long after the bell a market may still be reported as open and its last trades arrive. */
const bellSeconds = 60
/** Post-market trade ends at 20:00 by the exchange's clock. From then until pre-market trade it is night. */
const latestSeconds = 20 * hourSeconds

/**
 * Says which prices belong into the candles of a series, and when those candles start and end, just as `candles` has
 * them. All times in epoch seconds.
 */
export class CandleGrid {
  readonly #interval: Interval
  readonly #extendedHours: boolean
  readonly #sessions: SessionHours
  readonly #dailyDate: (epoch: number) => number
  /** When a regular session opens and closes, in seconds after the midnight of its date on the exchange's clock. */
  readonly #opens: number
  readonly #closes: number
  /** The exchange's offset in the quarter of an hour looked at last: looking it up is slow. */
  #near = { quarter: Number.NaN, offset: 0 }
  /** The composed hours looked at last. */
  #hours = { start: 0, end: 0 }

  constructor(interval: Interval, extendedHours: boolean, sessions: SessionHours) {
    this.#interval = interval
    this.#extendedHours = extendedHours
    this.#sessions = sessions
    this.#dailyDate = dailyDates(sessions)
    const { timezone, opens, closes } = sessions
    const hasBell = opens !== null && closes !== null && !isRoundTheClock(sessions)
    this.#opens = opens === null ? 0 : timeOfDay(clockTime(opens, timezone))
    this.#closes = hasBell ? this.#opens + closes - opens : Number.POSITIVE_INFINITY
  }

  /** The start of the candle that a price belongs to; null: its hours are not part of this series. */
  startOf(quote: Quote): number | null {
    const hours = hoursOf(quote)
    if (hours === null) return null
    const epoch = Math.floor(quote.timeMs / 1000)
    if (isDaily(this.#interval)) return hours === 'regular' ? this.#dayStart(epoch) : null
    if (hours === 'regular') return this.#regularStart(epoch, quote)
    return this.#extendedHours ? this.#extendedStart(epoch) : null
  }

  /**
   * When the candle that starts then is over. A day ends with its regular session; weeks and longer end with a date of
   * the exchange; shorter candles end after their interval, and several hours after their last hour, even if the session
   * ends before.
   */
  endOf(start: number): number {
    const interval = this.#interval
    if (interval === 'DAY_1') return closedAt(start, interval, this.#sessions)
    if (!isComposed(interval)) return start + intervalSeconds(interval)
    const { end } = composedSpan(interval, start, this.#sessions)
    if (isDaily(interval)) return epochOf(end, this.#sessions.timezone)
    const part = intervalSeconds(sourceInterval(interval))
    return start + Math.ceil((end - start) / part) * part
  }

  /** Midnight UTC of the exchange's date at a time. */
  dateOf(epoch: number): number {
    const clock = this.#clock(epoch)
    return clock - timeOfDay(clock)
  }

  #dayStart(epoch: number): number {
    const date = this.#dailyDate(epoch)
    return isComposed(this.#interval) ? composedSpan(this.#interval, date, this.#sessions).start : date
  }

  /**
   * Intervals count from the opening, and anew after a break. A price after the bell is the close of the session's last
   * candle; for hours, a price within a break is that of the last one before.
   */
  #regularStart(epoch: number, { marketState }: Quote): number {
    const time = timeOfDay(this.#clock(epoch))
    const midnight = epoch - time
    const session = this.#sessionOn(midnight + this.#near.offset)
    const closes = session ? session.closes : midnight + this.#closes
    const isAfterBell = epoch >= closes && (marketState !== 'REGULAR' || epoch < closes + bellSeconds)
    const size = intervalSeconds(this.#interval)
    const breaks = session?.breaks ?? []
    const lunch = size < hourSeconds ? undefined : breaks.find(({ from, to }) => from <= epoch && epoch < to)
    const counted = isAfterBell ? closes - 1 : lunch ? lunch.from - 1 : epoch
    if (isComposedOfHours(this.#interval)) return this.#hoursAt(this.#interval, counted)
    const begins = breaks.findLast(({ to }) => to <= counted)?.to ?? midnight + this.#opens
    return counted - remainder(counted - begins, size)
  }

  /** The session of a date, if a calendar knows when its bell is. */
  #sessionOn(date: number): Session | null {
    const calendar = calendarFor(this.#sessions)
    return (calendar?.hasBell && calendar.sessionOn(date)) || null
  }

  /**
   * Before and after the session, candles start at full hours; half hours count from the opening at any time. null: the
   * price was made overnight, of which no source has candles, though the market's state may have changed since.
   */
  #extendedStart(epoch: number): number | null {
    const time = timeOfDay(this.#clock(epoch))
    if (time < earliestSeconds || time >= latestSeconds) return null
    if (isComposedOfHours(this.#interval)) return this.#hoursAt(this.#interval, epoch)
    const counted = time - (this.#interval === 'MINUTE_30' ? this.#opens : 0)
    return epoch - remainder(counted, intervalSeconds(this.#interval))
  }

  /** The start of the hours at a time. */
  #hoursAt(interval: ComposedHours, epoch: number): number {
    const { start, end } = this.#hours
    if (epoch < start || epoch >= end) this.#hours = composedSpan(interval, epoch, this.#sessions)
    return this.#hours.start
  }

  #clock(epoch: number): number {
    const quarter = Math.floor(epoch / quarterHourSeconds)
    if (quarter !== this.#near.quarter) {
      this.#near = { quarter, offset: clockTime(epoch, this.#sessions.timezone) - epoch }
    }
    return epoch + this.#near.offset
  }
}

const remainder = (value: number, size: number): number => ((value % size) + size) % size

const timeOfDay = (clock: number): number => remainder(clock, daySeconds)

/** null: outside of all hours that candles cover. */
function hoursOf({ marketState, regularPrice }: Quote): 'regular' | 'extended' | null {
  if (marketState === 'PRE' || marketState === 'POST') return 'extended'
  if (regularPrice === null) return 'regular'
  // REGULAR: the price was made before the session. Otherwise it was made at night.
  return marketState === 'REGULAR' ? 'extended' : null
}
