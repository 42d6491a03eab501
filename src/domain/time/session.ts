import { clockTime, epochOf } from './exchange-clock.ts'
import { type Interval, intervalSeconds, isDaily } from './interval.ts'
import { tradingDate } from './trading-date.ts'
import { daySeconds, hourSeconds, monthStart, weekSeconds } from './units.ts'

/** When a market's regular sessions are. */
export interface SessionHours {
  /** IANA name of the exchange's time zone. */
  readonly timezone: string
  /**
   * When some session opens and closes, in epoch seconds: the others do at the same time of day, by the exchange's
   * clock. null: unknown.
   */
  readonly opens: number | null
  readonly closes: number | null
}

/** Sessions of this length leave no more than a pause between them. */
const roundTheClockSeconds = 23 * hourSeconds
/** How many dates a market's habits are read from: four weeks of shares. */
const recentDates = 20
/** Two weeks of dates: with fewer, a weekday may be missing by chance. */
const fewDates = 10

/**
 * When a candle is complete, in epoch seconds; if its session was shorter than others, the latest time it can have
 * been.
 */
export function closedAt(epoch: number, interval: Interval, hours: SessionHours): number {
  if (isDaily(interval)) return sessionEnd(lastDate(epoch, interval, isRoundTheClock(hours)), hours)
  const end = epoch + intervalSeconds(interval)
  if (hours.closes === null || isRoundTheClock(hours)) return end
  const date = tradingDate(epoch, hours.timezone)
  // A session that began the date before may still run.
  const closes = [date - daySeconds, date].map((each) => sessionEnd(each, hours)).find((closes) => closes > epoch)
  return Math.min(end, closes ?? end)
}

/** The last date within a candle on which its market may trade; holidays are not known. */
function lastDate(epoch: number, interval: Interval, everyDay: boolean): number {
  if (interval === 'DAY_1') return epoch
  if (interval === 'WEEK_1') return epoch + (everyDay ? 6 : 4) * daySeconds
  const last = monthStart(epoch, 1) - daySeconds
  const daysSinceFriday = (weekdayOf(last) + 2) % 7
  return everyDay || daysSinceFriday > 2 ? last : last - daysSinceFriday * daySeconds
}

/**
 * When the regular session of a trading date ends. If the market runs round the clock or its close is unknown: with the
 * date.
 */
function sessionEnd(date: number, hours: SessionHours): number {
  const { timezone, opens, closes } = hours
  if (closes === null || isRoundTheClock(hours)) return epochOf(date + daySeconds, timezone)
  const closesOnClock = clockTime(closes, timezone)
  // One second earlier, because midnight belongs to the date that it ends.
  const sessionDate = tradingDate(opens ?? closes - 1, timezone)
  return epochOf(date + closesOnClock - sessionDate, timezone)
}

/** Whether a market has no bell: its sessions leave no more than a pause. */
export const isRoundTheClock = ({ opens, closes }: SessionHours): boolean =>
  opens !== null && closes !== null && closes - opens >= roundTheClockSeconds

/**
 * When the candles after the given ones will start, for drawing ahead: in epoch seconds, or midnight UTC of the trading
 * date from DAY_1 on. Holidays are not known. Days follow the weekdays on which the given candles show trading (Monday
 * to Friday at least, unless there is trading at weekends). Candles within a day follow the times of the fullest recent
 * date.
 * @param epochs Start times of candles, oldest first: some weeks of days, some days of minutes. None gives none.
 * @param count How many starts to return.
 */
export function nextStarts(epochs: Float64Array, interval: Interval, hours: SessionHours, count: number): number[] {
  const last = epochs.at(-1)
  if (last === undefined) return []
  const starts: number[] = []
  for (const start of startsAfter(last, epochs, interval, hours.timezone)) {
    if (starts.length >= count) break
    starts.push(start)
  }
  return starts
}

function* startsAfter(last: number, epochs: Float64Array, interval: Interval, timezone: string): Generator<number> {
  switch (interval) {
    case 'MONTH_1':
      for (let month = monthStart(last, 1); ; month = monthStart(month, 1)) yield month
    case 'WEEK_1':
      for (let week = last + weekSeconds; ; week += weekSeconds) yield week
    case 'DAY_1':
      yield* datesAfter(last, [...epochs.slice(-recentDates)])
      return
    default:
      yield* timesAfter(last, recentTimes(epochs, timezone), timezone)
  }
}

function* datesAfter(last: number, traded: readonly number[]): Generator<number> {
  const weekdays = tradingWeekdays(traded)
  for (let date = last + daySeconds; ; date += daySeconds) if (weekdays.has(weekdayOf(date))) yield date
}

/** @param recent By date: the times of the day at which candles started. */
function* timesAfter(
  last: number,
  recent: ReadonlyMap<number, ReadonlySet<number>>,
  timezone: string,
): Generator<number> {
  const most = Math.max(...[...recent.values()].map(({ size }) => size))
  const times = [...recent.values()].find(({ size }) => size === most) ?? []
  const ofTheDay = [...times].sort((a, b) => a - b)
  const date = tradingDate(last, timezone)
  // An evening before the week, or a date that has just begun, says nothing about its weekday.
  const full = [...recent].filter(([, { size }]) => 2 * size >= most).map(([date]) => date)
  let before = last
  for (const each of datesFrom(date, full)) {
    for (const time of ofTheDay) {
      const start = epochOf(each + time, timezone)
      // A time that the clock skips falls together with the next candle.
      if (start <= before) continue
      yield start
      before = start
    }
  }
}

function* datesFrom(date: number, traded: readonly number[]): Generator<number> {
  yield date
  yield* datesAfter(date, traded)
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

/** Sunday is 0. */
const weekdayOf = (date: number): number => new Date(date * 1000).getUTCDay()
