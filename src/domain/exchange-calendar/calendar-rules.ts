import type { DateRule } from './date-rules.ts'

/**
 * One exchange's calendar as data. Dates are midnight UTC in epoch seconds (`date('2026-01-05')`), times of day seconds
 * after the session date's midnight on the exchange's clock.
 */
export interface CalendarRules {
  /** ISO 10383 market identifier. */
  readonly id: string
  /** IANA name of the exchange's time zone. */
  readonly timezone: string
  /** Who published the rules and the dates. Dates and hours are facts; none of this is a copy of somebody's file. */
  readonly sources: readonly string[]
  /** The first and the last date about which these rules say anything. */
  readonly knownFrom: number
  readonly knownTo: number
  /** Oldest first. */
  readonly weeks: readonly WeekRule[]
  /** Regular hours; the last entry that fits a date applies. */
  readonly hours: readonly HoursRule[]
  readonly holidays: readonly Holiday[]
  /** Weekdays closed by decree and holidays that no rule gives: dates. */
  readonly closures: readonly Closure[]
  /** Sessions that end early year after year. */
  readonly halfDays: readonly HalfDay[]
  /** Sessions with hours of their own: dates. */
  readonly specialHours: readonly SpecialHours[]
}

/** Weeks of the dates from `since` until before `until`; infinite at either end of a calendar. */
export interface WeekRule {
  readonly since: number
  readonly until: number
  /** Sunday is 0. */
  readonly tradingWeekdays: readonly number[]
  /** The weekday that begins a week. */
  readonly firstWeekday: number
}

/** Times of day in seconds after midnight of the session's date; negative: the evening before. */
export interface Hours {
  readonly opens: number
  readonly closes: number
  readonly breaks: readonly { readonly from: number; readonly to: number }[]
}

export interface HoursRule extends Hours {
  /** The first date; -Infinity: from the beginning. */
  readonly since: number
  /** null: on every trading weekday. */
  readonly weekday: number | null
}

/** Where a holiday on a day without trading goes. */
export type Substitute =
  /** A Sunday's to the next date that is no holiday. */
  | 'AFTER_SUNDAY'
  /** A Saturday's or a Sunday's to the next weekday that is no holiday. */
  | 'AFTER_WEEKEND'

export interface Holiday {
  readonly name: string
  readonly on: DateRule
  /** Absent: a holiday at a weekend is lost. */
  readonly substitute?: Substitute
  /** The first and the last year. */
  readonly since?: number
  readonly until?: number
}

export interface Closure {
  readonly reason: string
  readonly dates: readonly number[]
}

/** Lost in a year in which its date has no session. */
export interface HalfDay {
  readonly name: string
  readonly on: DateRule
  readonly closes: number
  readonly since?: number
  readonly until?: number
}

export interface SpecialHours extends Hours {
  readonly reason: string
  readonly dates: readonly number[]
}
