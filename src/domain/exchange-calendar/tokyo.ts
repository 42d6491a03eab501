import type { CalendarRules } from './calendar-rules.ts'
import { civilDate, type DateRule, date, dates, except, type Month, monday, nth, onDay } from './date-rules.ts'
import { always, hours, mondayToFriday } from './hours.ts'

/**
 * An equinox in Japan, 1980 to 2099, after the formula of the Hydrographic Department in Shinkoyomi Benricho.
 * @param day Day of the month and its fraction in 1980.
 */
const equinox =
  (month: Month, day: number): DateRule =>
  (year) =>
    civilDate(year, month, Math.floor(day + 0.242194 * (year - 1980) - Math.floor((year - 1980) / 4)))

const lunch = ['11:30', '12:30'] as const

/** Until 2027: the equinoxes of 2028 are announced in February 2027. */
export const tokyo: CalendarRules = {
  id: 'XTKS',
  timezone: 'Asia/Tokyo',
  sources: [
    'Act on National Holidays of Japan; market holidays of JPX',
    'exchange_calendars (Apache-2.0), tests/resources/xtks.csv: 2000-01-04 to 2026-12-30',
  ],
  knownFrom: date('2000-01-04'),
  knownTo: date('2027-12-31'),
  weeks: [mondayToFriday],
  hours: [
    always(hours('09:00', '15:00', lunch)),
    { ...hours('09:00', '15:30', lunch), since: date('2024-11-05'), weekday: null },
  ],
  holidays: [
    { name: "New Year's Day", on: onDay(1, 1) },
    { name: 'Market holiday', on: onDay(1, 2) },
    { name: 'Market holiday', on: onDay(1, 3) },
    { name: 'Market holiday', on: onDay(12, 31) },
    { name: 'Coming of Age Day', on: nth(2, monday, 1) },
    { name: 'National Foundation Day', on: onDay(2, 11), substitute: 'AFTER_SUNDAY' },
    { name: "Emperor's Birthday", on: onDay(2, 23), substitute: 'AFTER_SUNDAY', since: 2020 },
    { name: "Emperor's Birthday", on: onDay(12, 23), substitute: 'AFTER_SUNDAY', until: 2018 },
    { name: 'Vernal Equinox', on: equinox(3, 20.8431), substitute: 'AFTER_SUNDAY' },
    { name: 'Showa Day', on: onDay(4, 29), substitute: 'AFTER_SUNDAY' },
    { name: 'Constitution Day', on: onDay(5, 3), substitute: 'AFTER_SUNDAY' },
    { name: "People's holiday", on: onDay(5, 4), until: 2006 },
    { name: 'Greenery Day', on: onDay(5, 4), substitute: 'AFTER_SUNDAY', since: 2007 },
    { name: "Children's Day", on: onDay(5, 5), substitute: 'AFTER_SUNDAY' },
    { name: 'Marine Day', on: onDay(7, 20), substitute: 'AFTER_SUNDAY', until: 2002 },
    { name: 'Marine Day', on: olympic('2020 0723', '2021 0722', nth(3, monday, 7)), since: 2003 },
    {
      name: 'Mountain Day',
      on: olympic('2020 0810', '2021 0808', onDay(8, 11)),
      substitute: 'AFTER_SUNDAY',
      since: 2016,
    },
    { name: 'Respect for the Aged Day', on: onDay(9, 15), substitute: 'AFTER_SUNDAY', until: 2002 },
    { name: 'Respect for the Aged Day', on: nth(3, monday, 9), since: 2003 },
    { name: 'Autumnal Equinox', on: equinox(9, 23.2488), substitute: 'AFTER_SUNDAY' },
    { name: 'Sports Day', on: olympic('2020 0724', '2021 0723', nth(2, monday, 10)) },
    { name: 'Culture Day', on: onDay(11, 3), substitute: 'AFTER_SUNDAY' },
    { name: 'Labour Thanksgiving Day', on: onDay(11, 23), substitute: 'AFTER_SUNDAY' },
  ],
  closures: [
    {
      reason: 'A day between two holidays is one',
      dates: dates(`
        2009 0922
        2015 0922
        2026 0922
      `),
    },
    { reason: "The Emperor's abdication, accession and enthronement", dates: dates('2019 0430-0502 1022') },
    { reason: 'Failure of the trading system', dates: dates('2020 1001') },
  ],
  halfDays: [],
  specialHours: [],
}

/** Moved for the games of Tokyo, and again when these were put off. */
function olympic(in2020: string, in2021: string, rule: DateRule): DateRule {
  return except([...dates(in2020), ...dates(in2021)], rule)
}
