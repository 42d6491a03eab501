import { daySeconds } from '../time/units.ts'
import type { CalendarRules, Holiday, Hours, HoursRule, WeekRule } from './calendar-rules.ts'
import { civilDate, saturday, sunday, weekdayOf } from './date-rules.ts'

/** What sets dates of one year apart from others of the same weekday. */
export interface TradingYear {
  /** Dates without a session, beside those on weekdays without trading. */
  readonly closed: ReadonlySet<number>
  /** Hours of the dates that have their own; some of these may be closed. */
  readonly special: ReadonlyMap<number, Hours>
}

/** Works a calendar's rules out for one year. */
export function tradingYear(rules: CalendarRules, year: number): TradingYear {
  const from = civilDate(year, 1, 1)
  const to = civilDate(year + 1, 1, 1)
  const isOfYear = (date: number) => date >= from && date < to
  const closures = rules.closures.flatMap(({ dates }) => dates).filter(isOfYear)
  const closed = new Set([...holidaysOf(rules, year), ...closures])
  const special = new Map<number, Hours>()
  for (const { on, closes } of rules.halfDays.filter((each) => isInForce(each, year))) {
    const date = on(year)
    if (isTradingWeekday(rules, date)) special.set(date, endingEarly(regularHours(rules, date), closes))
  }
  for (const { dates, opens, closes, breaks } of rules.specialHours) {
    for (const date of dates.filter(isOfYear)) special.set(date, { opens, closes, breaks })
  }
  return { closed, special }
}

/** The hours of a date's weekday, holiday or not. */
export function regularHours(rules: CalendarRules, date: number): Hours {
  const weekday = weekdayOf(date)
  const fits = (rule: HoursRule) => rule.since <= date && (rule.weekday === null || rule.weekday === weekday)
  const hours = rules.hours.findLast(fits)
  if (!hours) throw new Error(`${rules.id} has no hours for its weekday ${weekday}`)
  return hours
}

export function weekRule({ id, weeks }: CalendarRules, date: number): WeekRule {
  const week = weeks.find(({ since, until }) => since <= date && date < until)
  if (!week) throw new Error(`${id} has no week at ${date}`)
  return week
}

export const isTradingWeekday = (rules: CalendarRules, date: number): boolean =>
  weekRule(rules, date).tradingWeekdays.includes(weekdayOf(date))

const isInForce = ({ since = -Infinity, until = Infinity }: { since?: number; until?: number }, year: number) =>
  since <= year && year <= until

function holidaysOf(rules: CalendarRules, year: number): Set<number> {
  const holidays = rules.holidays.filter((each) => isInForce(each, year))
  const taken = new Set(holidays.map(({ on }) => on(year)))
  // Only after all holidays that stay are known: Boxing Day on a Monday moves Sunday's Christmas to Tuesday.
  for (const holiday of holidays) {
    const date = substituteOf(holiday, year, taken)
    if (date !== null) taken.add(date)
  }
  return taken
}

function substituteOf({ on, substitute }: Holiday, year: number, taken: ReadonlySet<number>): number | null {
  const date = on(year)
  const weekday = weekdayOf(date)
  if (substitute === undefined || (weekday !== saturday && weekday !== sunday)) return null
  if (weekday === saturday && substitute === 'AFTER_SUNDAY') return null
  let next = date
  do next += daySeconds
  while (taken.has(next) || weekdayOf(next) === sunday || weekdayOf(next) === saturday)
  return next
}

/** A session that ends before or at its break has none. */
function endingEarly({ opens, breaks }: Hours, closes: number): Hours {
  return { opens, closes, breaks: breaks.filter(({ to }) => to < closes) }
}
