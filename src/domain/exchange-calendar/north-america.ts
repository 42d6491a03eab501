import type { CalendarRules, HalfDay, Holiday } from './calendar-rules.ts'
import {
  date,
  dates,
  daysAfter,
  easter,
  except,
  last,
  lastBefore,
  monday,
  nearestWeekday,
  nth,
  onDay,
  thursday,
} from './date-rules.ts'
import { always, hours, mondayToFriday, timeOfDay } from './hours.ts'

const thanksgiving = nth(4, thursday, 11)
const dayAfterThanksgiving = daysAfter(1, thanksgiving)

/** On these holidays New York is closed; Chicago's futures trade until noon. */
const federalHolidays: readonly Holiday[] = [
  { name: 'Martin Luther King Day', on: nth(3, monday, 1), since: 1998 },
  { name: "Washington's Birthday", on: nth(3, monday, 2) },
  { name: 'Memorial Day', on: last(monday, 5) },
  { name: 'Juneteenth', on: nearestWeekday(onDay(6, 19)), since: 2022 },
  { name: 'Independence Day', on: nearestWeekday(onDay(7, 4)) },
  { name: 'Labor Day', on: nth(1, monday, 9) },
  { name: 'Thanksgiving', on: thanksgiving },
]

/** On these both are closed. */
const commonHolidays: readonly Holiday[] = [
  // On a Saturday it is not observed, because that Friday ends the year's accounts (NYSE rule 7.2).
  { name: "New Year's Day", on: onDay(1, 1), substitute: 'AFTER_SUNDAY' },
  { name: 'Good Friday', on: easter(-2) },
  { name: 'Christmas', on: nearestWeekday(onDay(12, 25)) },
]

const presidentialMourning = {
  reason: 'National days of mourning for Nixon, Reagan, Ford, Bush and Carter',
  dates: dates(`
    1994 0427
    2004 0611
    2007 0102
    2018 1205
    2025 0109
  `),
}

/** Until 2002 a Wednesday's half day went to the Friday after the holiday. */
const eveOfIndependenceDay = except(dates('1996 0705\n2002 0705'), onDay(7, 3))

export const newYork: CalendarRules = {
  id: 'XNYS',
  timezone: 'America/New_York',
  sources: [
    'NYSE rule 7.2, and lists of holidays and early closings of NYSE Group: 2025-12-23 for 2026 to 2028',
    'exchange_calendars (Apache-2.0), tests/resources/xnys.csv: 1990-01-02 to 2023-01-13',
  ],
  knownFrom: date('1990-01-02'),
  knownTo: date('2028-12-31'),
  weeks: [mondayToFriday],
  hours: [always(hours('09:30', '16:00'))],
  holidays: [...federalHolidays, ...commonHolidays],
  closures: [
    presidentialMourning,
    { reason: 'Attacks of 11 September', dates: dates('2001 0911-0914') },
    { reason: 'Hurricane Sandy', dates: dates('2012 1029-1030') },
  ],
  halfDays: [
    { name: 'Eve of Independence Day', on: eveOfIndependenceDay, closes: timeOfDay('13:00'), since: 1995 },
    { name: 'Day after Thanksgiving', on: dayAfterThanksgiving, closes: timeOfDay('14:00'), since: 1992, until: 1992 },
    { name: 'Day after Thanksgiving', on: dayAfterThanksgiving, closes: timeOfDay('13:00'), since: 1993 },
    { name: 'Christmas Eve', on: onDay(12, 24), closes: timeOfDay('14:00'), until: 1992 },
    { name: 'Christmas Eve', on: onDay(12, 24), closes: timeOfDay('13:00'), since: 1993 },
  ],
  specialHours: [
    {
      reason: 'Fridays after Christmas, and the last day of 1999',
      ...hours('09:30', '13:00'),
      dates: dates(`
        1997 1226
        1999 1231
        2003 1226
      `),
    },
  ],
}

export const toronto: CalendarRules = {
  id: 'XTSE',
  timezone: 'America/Toronto',
  sources: [
    'TMX Group, trading calendar and holiday operating schedules: 2020 to 2025',
    'exchange_calendars (Apache-2.0), tests/resources/xtse.csv: 1990-01-02 to 2019-10-04',
  ],
  knownFrom: date('1990-01-02'),
  knownTo: date('2027-12-31'),
  weeks: [mondayToFriday],
  hours: [always(hours('09:30', '16:00'))],
  holidays: [
    { name: "New Year's Day", on: onDay(1, 1), substitute: 'AFTER_WEEKEND' },
    { name: 'Family Day', on: nth(3, monday, 2), since: 2008 },
    { name: 'Good Friday', on: easter(-2) },
    { name: 'Victoria Day', on: lastBefore(monday, 5, 25) },
    { name: 'Canada Day', on: onDay(7, 1), substitute: 'AFTER_WEEKEND' },
    { name: 'Civic Holiday', on: nth(1, monday, 8) },
    { name: 'Labour Day', on: nth(1, monday, 9) },
    { name: 'Thanksgiving', on: nth(2, monday, 10) },
    { name: 'Christmas', on: onDay(12, 25), substitute: 'AFTER_WEEKEND' },
    { name: 'Boxing Day', on: onDay(12, 26), substitute: 'AFTER_WEEKEND' },
  ],
  closures: [{ reason: 'Attacks of 11 September', dates: dates('2001 0911-0912') }],
  halfDays: [{ name: 'Christmas Eve', on: onDay(12, 24), closes: timeOfDay('13:00'), since: 2010 }],
  specialHours: [],
}

const untilNoon = ({ name, on, since = -Infinity }: Holiday): HalfDay => ({
  name,
  on,
  since,
  closes: timeOfDay('12:00'),
})

/**
 * CME Globex. A session begins the evening before its date and is counted until 17:00, when the next one begins: the source
 * leaves out the pause before it. Half days are those of equity index futures; other futures may trade longer on them.
 */
export const chicago: CalendarRules = {
  id: 'CMES',
  timezone: 'America/Chicago',
  sources: ['exchange_calendars (Apache-2.0), tests/resources/cmes.csv: 1990-01-02 to 2027-07-16'],
  knownFrom: date('1990-01-02'),
  knownTo: date('2027-12-31'),
  weeks: [mondayToFriday],
  hours: [always(hours('17:00-1d', '17:00'))],
  holidays: commonHolidays,
  closures: [presidentialMourning],
  halfDays: [
    ...federalHolidays.map(untilNoon),
    untilNoon({ name: 'Day after Thanksgiving', on: dayAfterThanksgiving, since: 1993 }),
    untilNoon({ name: 'Christmas Eve', on: onDay(12, 24) }),
  ],
  specialHours: [],
}
