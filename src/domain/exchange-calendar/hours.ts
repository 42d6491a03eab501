import { daySeconds } from '../time/units.ts'
import type { Hours, HoursRule, WeekRule } from './calendar-rules.ts'
import { friday, monday, thursday, tuesday, wednesday } from './date-rules.ts'

/** Seconds after midnight of `HH:MM`; `HH:MM-1d` is on the day before. */
export function timeOfDay(text: string): number {
  const [, hours, minutes, dayBefore] = /^(\d\d):(\d\d)(-1d)?$/.exec(text) ?? []
  if (hours === undefined) throw new Error(`${text} is no time of day`)
  return Number(hours) * 3600 + Number(minutes) * 60 - (dayBefore === undefined ? 0 : daySeconds)
}

/** `lunch`: when it begins and ends. */
export const hours = (opens: string, closes: string, lunch?: readonly [string, string]): Hours => ({
  opens: timeOfDay(opens),
  closes: timeOfDay(closes),
  breaks: lunch ? [{ from: timeOfDay(lunch[0]), to: timeOfDay(lunch[1]) }] : [],
})

/** Hours of every weekday from the beginning. */
export const always = (hours: Hours): HoursRule => ({ ...hours, since: -Infinity, weekday: null })

export const mondayToFriday: WeekRule = {
  since: -Infinity,
  until: Infinity,
  tradingWeekdays: [monday, tuesday, wednesday, thursday, friday],
  firstWeekday: monday,
}
