/** When test Yahoo's exchanges trade. Days are counted from 1970-01-01, times of day in seconds after midnight of the exchange. */

export interface Calendar {
  readonly opens: number
  readonly closes: number
  readonly days: 'weekdays' | 'all'
  /** When the hours before the regular session begin; absent: there are none. */
  readonly preOpens?: number
  /** When the hours after the regular session end. They are as long after an early close. */
  readonly postCloses?: number
  /** Dates, as 2025-12-25, without any session. */
  readonly holidays?: readonly string[]
  /** By date, when the regular session of a shorter day closes. */
  readonly halfDays?: Readonly<Record<string, number>>
}

/** Epoch seconds, the end exclusive. */
export interface Period {
  readonly start: number
  readonly end: number
}

/** Empty ones, as Yahoo gives them, where there are no hours before or after. */
export interface Periods {
  readonly pre: Period
  readonly regular: Period
  readonly post: Period
}

export const daySeconds = 86_400

export const dayOf = (date: string): number => Date.parse(`${date}T00:00:00Z`) / 1000 / daySeconds

export const dateOf = (day: number): string => new Date(day * daySeconds * 1000).toISOString().slice(0, 10)

/** The day that the exchange's calendar shows at that time. */
export const localDay = (zone: string, epoch: number): number =>
  Math.floor((epoch + offsetSeconds(zone, epoch)) / daySeconds)

export function isTradingDay(day: number, { days, holidays = [] }: Calendar): boolean {
  // 1970-01-01 was a Thursday.
  const weekday = (day + 4) % 7
  if (days === 'weekdays' && (weekday === 0 || weekday === 6)) return false
  return !holidays.includes(dateOf(day))
}

/** The last trading day up to and including that one. */
export function tradingDayUpTo(day: number, calendar: Calendar): number {
  let last = day
  while (!isTradingDay(last, calendar)) last--
  return last
}

export function periodsOf(day: number, calendar: Calendar, zone: string): Periods {
  const { opens, preOpens = opens, postCloses = calendar.closes } = calendar
  const closes = calendar.halfDays?.[dateOf(day)] ?? calendar.closes
  const midnight = midnightOf(day, zone)
  const [start, end] = [midnight + opens, midnight + closes]
  return {
    pre: { start: midnight + preOpens, end: start },
    regular: { start, end },
    post: { start: end, end: end + postCloses - calendar.closes },
  }
}

/** Right for every zone whose clock is not changed between its noon and the next one in Greenwich. */
export const midnightOf = (day: number, zone: string): number =>
  day * daySeconds - offsetSeconds(zone, day * daySeconds + 43_200)

const formats = new Map<string, Intl.DateTimeFormat>()

/** How far the zone's clock is ahead of UTC at that time. */
export function offsetSeconds(zone: string, epoch: number): number {
  const format =
    formats.get(zone) ??
    new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset', hour: 'numeric' })
  formats.set(zone, format)
  const name = format.formatToParts(epoch * 1000).find(({ type }) => type === 'timeZoneName')?.value ?? 'GMT'
  const [, sign, hours, minutes] = /GMT([+-])(\d\d):(\d\d)/.exec(name) ?? ['', '+', '0', '0']
  return (sign === '-' ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60)
}
