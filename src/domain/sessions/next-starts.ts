import { weekdayOf } from '../exchange-calendar/date-rules.ts'
import type { ExchangeCalendar } from '../exchange-calendar/exchange-calendar.ts'
import { clockTime, epochOf } from '../time/exchange-clock.ts'
import type { ComposedHours, Interval } from '../time/interval.ts'
import { tradingDate } from '../time/trading-date.ts'
import { daySeconds } from '../time/units.ts'
import { composedSpan } from './composed-span.ts'
import { calendarFor, type SessionHours } from './session-hours.ts'
import { sessionTimezone } from './trading-stretch.ts'
import { isTradingDate } from './trading-week.ts'

/** How many dates a market's habits are read from: four weeks of shares. */
const recentDates = 20
/** Two weeks of dates: with fewer, a weekday may be missing by chance. */
const fewDates = 10

/**
 * When the candles after the given ones will start, for drawing ahead: in epoch seconds, or midnight UTC of the trading
 * date from DAY_1 on. Days are those on which the exchange's calendar has sessions. Where it does not know the date,
 * they follow the weekdays on which the given candles show trading (Monday to Friday at least, unless there is trading
 * at weekends). Candles within a day follow the times of the fullest recent date, within the calendar's sessions.
 * @param epochs Start times of candles, oldest first: some weeks of days, some days of minutes. None gives none.
 * @param count How many starts to return.
 */
export function nextStarts(epochs: Float64Array, interval: Interval, hours: SessionHours, count: number): number[] {
  const last = epochs.at(-1)
  if (last === undefined) return []
  const starts: number[] = []
  for (const start of startsAfter(last, epochs, interval, hours)) {
    if (starts.length >= count) break
    starts.push(start)
  }
  return starts
}

function* startsAfter(last: number, epochs: Float64Array, interval: Interval, hours: SessionHours): Generator<number> {
  switch (interval) {
    case 'MONTH_1':
    case 'MONTH_3': {
      let { end } = composedSpan(interval, last, hours)
      for (;;) {
        yield end
        end = composedSpan(interval, end, hours).end
      }
    }
    case 'WEEK_1':
      yield* weeksAfter(last, hours)
      return
    case 'DAY_1':
      yield* datesAfter(last, [...epochs.slice(-recentDates)], calendarFor(hours))
      return
    case 'HOUR_2':
    case 'HOUR_4':
      yield* hoursAfter(last, epochs, interval, hours)
      return
    default:
      yield* timesAfter(last, recentTimes(epochs, hours.timezone), hours)
  }
}

/**
 * By a calendar, the candles after a session that ends early start earlier than on other dates: the interval that contains
 * a usual time starts when it does on that date.
 */
function* hoursAfter(
  last: number,
  epochs: Float64Array,
  interval: ComposedHours,
  hours: SessionHours,
): Generator<number> {
  const timezone = sessionTimezone(hours)
  const times = timesAfter(last, recentTimes(epochs, timezone), { ...hours, timezone })
  if (!calendarFor(hours)) {
    yield* times
    return
  }
  let before = last
  for (const time of times) {
    const { start } = composedSpan(interval, time, hours)
    if (start > before) yield start
    before = Math.max(before, start)
  }
}

/** A week of holidays has no candle. */
function* weeksAfter(last: number, hours: SessionHours): Generator<number> {
  let { end: next } = composedSpan('WEEK_1', last, hours)
  for (;;) {
    const { start, end } = composedSpan('WEEK_1', next, hours)
    let date = start
    while (date < end && !isTradingDate(date, hours)) date += daySeconds
    if (date < end) yield start
    next = end
  }
}

function* datesAfter(
  last: number,
  traded: readonly number[],
  calendar: ExchangeCalendar | null,
): Generator<number, never> {
  const weekdays = tradingWeekdays(traded)
  for (let date = last + daySeconds; ; date += daySeconds) {
    const session = calendar?.sessionOn(date)
    if (session === undefined ? weekdays.has(weekdayOf(date)) : session !== null) yield date
  }
}

/** @param recent By date: the times of the day at which candles started. */
function* timesAfter(
  last: number,
  recent: ReadonlyMap<number, ReadonlySet<number>>,
  hours: SessionHours,
): Generator<number> {
  const { timezone } = hours
  const most = Math.max(...[...recent.values()].map(({ size }) => size))
  const [fullest, times] = [...recent].find(([, { size }]) => size === most) ?? [last, []]
  const ofTheDay = [...times].sort((a, b) => a - b)
  // An evening before the week, or a date that has just begun, says nothing about its weekday.
  const full = [...recent].filter(([, { size }]) => 2 * size >= most).map(([date]) => date)
  const calendar = calendarFor(hours)
  const outermost = [ofTheDay[0] ?? 0, ofTheDay.at(-1) ?? 0].map((time) => epochOf(fullest + time, timezone))
  const isRegular = calendar !== null && outermost.every((start) => calendar.sessionAt(start))
  const weekdays = tradingWeekdays(full)
  const firstDate = tradingDate(last, timezone)
  /** With candles before and after the session, or without a calendar, the whole date counts. */
  const isOpen = (date: number): boolean => {
    const session = isRegular ? undefined : calendar?.sessionOn(date)
    return date === firstDate || (session === undefined ? weekdays.has(weekdayOf(date)) : session !== null)
  }
  let before = last
  for (let date = firstDate; ; date += daySeconds) {
    const isOpenDate = isOpen(date)
    for (const time of ofTheDay) {
      const start = epochOf(date + time, timezone)
      // A time that the clock skips falls together with the next candle.
      if (start <= before) continue
      const session = isRegular ? calendar.sessionAt(start) : undefined
      if (session === undefined ? !isOpenDate : session === null) continue
      yield start
      before = start
    }
  }
}

/** The newest dates, newest first, with the times of day at which candles started. */
function recentTimes(epochs: Float64Array, timezone: string): Map<number, Set<number>> {
  const times = new Map<number, Set<number>>()
  for (const epoch of epochs.toReversed()) {
    const clock = clockTime(epoch, timezone)
    const date = Math.floor(clock / daySeconds) * daySeconds
    if (!times.has(date) && times.size === recentDates) break
    times.set(date, (times.get(date) ?? new Set()).add(clock - date))
  }
  return times
}

/**
 * The weekdays (Sunday is 0) with regular trading: a holiday does not end one, and an odd Saturday does not start one.
 */
function tradingWeekdays(dates: readonly number[]): Set<number> {
  const counts = new Map<number, number>()
  for (const weekday of dates.map(weekdayOf)) counts.set(weekday, (counts.get(weekday) ?? 0) + 1)
  const most = Math.max(...counts.values())
  const usual = new Set([...counts].filter(([, count]) => 2 * count >= most).map(([weekday]) => weekday))
  const atWeekends = usual.has(0) || usual.has(6)
  return atWeekends && dates.length >= fewDates ? usual : new Set([...usual, 1, 2, 3, 4, 5])
}
