import { daySeconds } from '../time/units.ts'

/** The date of a recurring holiday in a year: midnight UTC, in epoch seconds. */
export type DateRule = (year: number) => number

export type Month = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12

export const sunday = 0
export const monday = 1
export const tuesday = 2
export const wednesday = 3
export const thursday = 4
export const friday = 5
export const saturday = 6

/** Midnight UTC of `YYYY-MM-DD`, in epoch seconds. */
export const date = (text: string): number => Date.parse(`${text}T00:00:00Z`) / 1000

export const civilDate = (year: number, month: number, day: number): number => Date.UTC(year, month - 1, day) / 1000

/** Sunday is 0. 1970-01-01 was a Thursday. */
export const weekdayOf = (date: number): number => (((date / daySeconds + thursday) % 7) + 7) % 7

export const yearOf = (date: number): number => new Date(date * 1000).getUTCFullYear()

/** The same day of every year. */
export const onDay =
  (month: Month, day: number): DateRule =>
  (year) =>
    civilDate(year, month, day)

/** The first (1), second, third or fourth of a weekday in a month. */
export const nth =
  (ordinal: 1 | 2 | 3 | 4, weekday: number, month: Month): DateRule =>
  (year) =>
    onOrAfter(weekday, civilDate(year, month, 7 * ordinal - 6))

/** The last of a weekday in a month. */
export const last =
  (weekday: number, month: Month): DateRule =>
  (year) =>
    onOrAfter(weekday, civilDate(year, month + 1, -6))

/** The last of a weekday before a day of the year. */
export const lastBefore =
  (weekday: number, month: Month, day: number): DateRule =>
  (year) =>
    onOrAfter(weekday, civilDate(year, month, day - 7))

/** Days after the date of another rule. */
export const daysAfter =
  (days: number, rule: DateRule): DateRule =>
  (year) =>
    rule(year) + days * daySeconds

/** A Saturday's date on Friday, a Sunday's on Monday. */
export const nearestWeekday =
  (rule: DateRule): DateRule =>
  (year) => {
    const date = rule(year)
    const weekday = weekdayOf(date)
    if (weekday === saturday) return date - daySeconds
    return weekday === sunday ? date + daySeconds : date
  }

/** A Saturday's or a Sunday's date on the Friday before. */
export const fridayBeforeWeekend =
  (rule: DateRule): DateRule =>
  (year) => {
    const date = rule(year)
    const isWeekend = [saturday, sunday].includes(weekdayOf(date))
    return isWeekend ? onOrAfter(friday, date - 2 * daySeconds) : date
  }

/** The date of another rule, except in the years of `exceptions`: these are dates, at most one for each year. */
export const except =
  (exceptions: readonly number[], rule: DateRule): DateRule =>
  (year) =>
    exceptions.find((date) => yearOf(date) === year) ?? rule(year)

/** Easter Sunday and days after it: the anonymous Gregorian computus (Meeus, Astronomical Algorithms, chapter 8). */
export const easter =
  (days = 0): DateRule =>
  (year) => {
    const a = year % 19
    const b = Math.floor(year / 100)
    const c = year % 100
    const d = Math.floor(b / 4)
    const e = b % 4
    const g = Math.floor((8 * b + 13) / 25)
    const h = (19 * a + b - d - g + 15) % 30
    const i = Math.floor(c / 4)
    const k = c % 4
    const l = (32 + 2 * e + 2 * i - h - k) % 7
    const m = Math.floor((a + 11 * h + 22 * l) / 451)
    const month = Math.floor((h + l - 7 * m + 114) / 31)
    return civilDate(year, month, ((h + l - 7 * m + 114) % 31) + 1 + days)
  }

function onOrAfter(weekday: number, date: number): number {
  return date + ((weekday - weekdayOf(date) + 7) % 7) * daySeconds
}

/**
 * Reads a table of dates: a line for each year, `1998 0101 0127-0202`: month and day, or a span of them, both ends
 * included. A span holds weekends too, where nothing is traded anyway.
 */
export function dates(table: string): readonly number[] {
  return table
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .flatMap(datesOfYear)
}

function datesOfYear(line: string): number[] {
  const [year, ...spans] = line.split(/\s+/)
  return spans.flatMap((span) => {
    const [, first, end] = /^(\d{4})(?:-(\d{4}))?$/.exec(span) ?? []
    if (first === undefined) throw new Error(`${span} in ${line} is no date`)
    const from = dateInYear(Number(year), first)
    const to = dateInYear(Number(year), end ?? first)
    return Array.from({ length: (to - from) / daySeconds + 1 }, (_, day) => from + day * daySeconds)
  })
}

const dateInYear = (year: number, monthAndDay: string): number =>
  civilDate(year, Number(monthAndDay.slice(0, 2)), Number(monthAndDay.slice(2)))
