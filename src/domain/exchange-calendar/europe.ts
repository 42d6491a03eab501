import type { CalendarRules } from './calendar-rules.ts'
import { date, dates, easter, except, fridayBeforeWeekend, last, monday, nth, onDay } from './date-rules.ts'
import { always, hours, mondayToFriday, timeOfDay } from './hours.ts'

/** In 1995 and 2020 it was moved to the anniversary of the end of the war. */
const earlyMay = except(dates('1995 0508\n2020 0508'), nth(1, monday, 5))

/** Moved for jubilees of the Queen. */
const spring = except(dates('2002 0604\n2012 0604\n2022 0602'), last(monday, 5))

export const london: CalendarRules = {
  id: 'XLON',
  timezone: 'Europe/London',
  sources: [
    'Bank holidays of England and Wales (gov.uk, published to 2028)',
    'exchange_calendars (Apache-2.0), tests/resources/xlon.csv: 1990-01-02 to 2023-09-12',
  ],
  knownFrom: date('1990-01-02'),
  knownTo: date('2028-12-31'),
  weeks: [mondayToFriday],
  hours: [always(hours('08:00', '16:30'))],
  holidays: [
    { name: "New Year's Day", on: onDay(1, 1), substitute: 'AFTER_WEEKEND' },
    { name: 'Good Friday', on: easter(-2) },
    { name: 'Easter Monday', on: easter(1) },
    { name: 'Early May bank holiday', on: earlyMay },
    { name: 'Spring bank holiday', on: spring },
    { name: 'Summer bank holiday', on: last(monday, 8) },
    { name: 'Christmas', on: onDay(12, 25), substitute: 'AFTER_WEEKEND' },
    { name: 'Boxing Day', on: onDay(12, 26), substitute: 'AFTER_WEEKEND' },
  ],
  closures: [
    { reason: 'Turn of the millennium', dates: dates('1999 1231') },
    {
      reason: 'Jubilees, a wedding, a funeral and a coronation of the royal house',
      dates: dates(`
        2002 0603
        2011 0429
        2012 0605
        2022 0603 0919
        2023 0508
      `),
    },
  ],
  halfDays: [
    { name: 'Christmas Eve', on: fridayBeforeWeekend(onDay(12, 24)), closes: timeOfDay('12:30') },
    { name: "New Year's Eve", on: fridayBeforeWeekend(onDay(12, 31)), closes: timeOfDay('12:30') },
  ],
  specialHours: [],
}

const euronextHours = hours('09:00', '17:30')

/** Each December the exchange fixes the early close anew; it has been the last session of every year since 2010. */
export const xetra: CalendarRules = {
  id: 'XETR',
  timezone: 'Europe/Berlin',
  sources: [
    'Deutsche Börse, non-trading days 2024 to 2029',
    'exchange_calendars (Apache-2.0), tests/resources/xetr.csv: 1990-01-02 to 2023-06-06',
  ],
  knownFrom: date('1990-01-02'),
  knownTo: date('2028-12-31'),
  weeks: [mondayToFriday],
  hours: [always(euronextHours)],
  holidays: [
    { name: "New Year's Day", on: onDay(1, 1) },
    { name: 'Good Friday', on: easter(-2) },
    { name: 'Easter Monday', on: easter(1) },
    { name: 'Labour Day', on: onDay(5, 1) },
    { name: 'Whit Monday', on: easter(50), since: 2015, until: 2021 },
    { name: 'Day of German Unity', on: onDay(10, 3), since: 2014, until: 2021 },
    { name: 'Christmas Eve', on: onDay(12, 24) },
    { name: 'Christmas', on: onDay(12, 25) },
    { name: 'Boxing Day', on: onDay(12, 26) },
    { name: "New Year's Eve", on: onDay(12, 31) },
  ],
  closures: [
    { reason: 'Whit Monday', dates: dates('2007 0528') },
    { reason: '500 years of the Reformation', dates: dates('2017 1031') },
  ],
  halfDays: [
    {
      name: 'Last session of the year',
      on: fridayBeforeWeekend(onDay(12, 30)),
      closes: timeOfDay('14:00'),
      since: 2010,
    },
  ],
  specialHours: [],
}

export const paris: CalendarRules = {
  id: 'XPAR',
  timezone: 'Europe/Paris',
  sources: [
    'Euronext, trading calendar',
    'exchange_calendars (Apache-2.0), tests/resources/xpar.csv: 1990-01-02 to 2019-09-27',
  ],
  knownFrom: date('1990-01-02'),
  knownTo: date('2027-12-31'),
  weeks: [mondayToFriday],
  hours: [always(euronextHours)],
  holidays: [
    { name: "New Year's Day", on: onDay(1, 1) },
    { name: 'Good Friday', on: easter(-2) },
    { name: 'Easter Monday', on: easter(1) },
    { name: 'Labour Day', on: onDay(5, 1) },
    { name: 'Christmas', on: onDay(12, 25) },
    { name: 'Boxing Day', on: onDay(12, 26) },
    { name: 'Whit Monday', on: easter(50), until: 2001 },
    { name: 'National Day', on: onDay(7, 14), until: 2000 },
    { name: "New Year's Eve", on: onDay(12, 31), until: 2001 },
  ],
  closures: [],
  halfDays: [
    { name: 'Christmas Eve', on: onDay(12, 24), closes: timeOfDay('14:05') },
    { name: "New Year's Eve", on: onDay(12, 31), closes: timeOfDay('14:05') },
  ],
  specialHours: [],
}

export const zurich: CalendarRules = {
  id: 'XSWX',
  timezone: 'Europe/Zurich',
  sources: [
    'SIX Swiss Exchange, trading calendar',
    'exchange_calendars (Apache-2.0), tests/resources/xswx.csv: 1990-01-03 to 2019-09-19',
  ],
  knownFrom: date('1990-01-03'),
  knownTo: date('2027-12-31'),
  weeks: [mondayToFriday],
  hours: [always(euronextHours)],
  holidays: [
    { name: "New Year's Day", on: onDay(1, 1) },
    { name: "Berchtold's Day", on: onDay(1, 2) },
    { name: 'Good Friday', on: easter(-2) },
    { name: 'Easter Monday', on: easter(1) },
    { name: 'Labour Day', on: onDay(5, 1) },
    { name: 'Ascension', on: easter(39) },
    { name: 'Whit Monday', on: easter(50) },
    { name: 'National Day', on: onDay(8, 1) },
    { name: 'Christmas Eve', on: onDay(12, 24) },
    { name: 'Christmas', on: onDay(12, 25) },
    { name: "St Stephen's Day", on: onDay(12, 26) },
    { name: "New Year's Eve", on: onDay(12, 31) },
  ],
  closures: [],
  halfDays: [],
  specialHours: [],
}

export const milan: CalendarRules = {
  id: 'XMIL',
  timezone: 'Europe/Rome',
  sources: [
    'Borsa Italiana, trading calendars: 2020, 2021, 2023 to 2026',
    'exchange_calendars (Apache-2.0), tests/resources/xmil.csv: 1990-01-02 to 2019-09-27',
  ],
  knownFrom: date('1990-01-02'),
  knownTo: date('2027-12-31'),
  weeks: [mondayToFriday],
  hours: [always(euronextHours)],
  holidays: [
    { name: "New Year's Day", on: onDay(1, 1) },
    { name: 'Good Friday', on: easter(-2) },
    { name: 'Easter Monday', on: easter(1) },
    { name: 'Labour Day', on: onDay(5, 1) },
    { name: 'Assumption', on: onDay(8, 15) },
    { name: 'Christmas Eve', on: onDay(12, 24) },
    { name: 'Christmas', on: onDay(12, 25) },
    { name: "St Stephen's Day", on: onDay(12, 26) },
    { name: "New Year's Eve", on: onDay(12, 31) },
  ],
  closures: [],
  halfDays: [],
  specialHours: [],
}

export const madrid: CalendarRules = {
  id: 'XMAD',
  timezone: 'Europe/Madrid',
  sources: [
    'BME, calendar of sessions 2026',
    'exchange_calendars (Apache-2.0), tests/resources/xmad.csv: 1990-01-02 to 2025-12-31',
  ],
  knownFrom: date('1990-01-02'),
  knownTo: date('2027-12-31'),
  weeks: [mondayToFriday],
  hours: [always(euronextHours)],
  holidays: [
    { name: "New Year's Day", on: onDay(1, 1) },
    { name: 'Good Friday', on: easter(-2) },
    { name: 'Easter Monday', on: easter(1) },
    { name: 'Labour Day', on: onDay(5, 1) },
    { name: 'Christmas', on: onDay(12, 25) },
    { name: "St Stephen's Day", on: onDay(12, 26) },
    { name: 'Epiphany', on: onDay(1, 6), until: 2006 },
    { name: 'Assumption', on: onDay(8, 15), substitute: 'AFTER_WEEKEND', until: 2004 },
    { name: 'National Day', on: onDay(10, 12), until: 2004 },
    { name: 'All Saints', on: onDay(11, 1), until: 2004 },
    { name: 'Constitution Day', on: onDay(12, 6), until: 2004 },
    { name: 'Immaculate Conception', on: onDay(12, 8), until: 2004 },
    { name: 'Christmas Eve', on: onDay(12, 24), until: 2011 },
    { name: "New Year's Eve", on: onDay(12, 31), until: 2011 },
  ],
  closures: [{ reason: "Christmas Eve and New Year's Eve", dates: dates('2021 1224 1231') }],
  halfDays: [
    { name: 'Christmas Eve', on: onDay(12, 24), closes: timeOfDay('14:00'), since: 2012 },
    { name: "New Year's Eve", on: onDay(12, 31), closes: timeOfDay('14:00'), since: 2012 },
  ],
  specialHours: [],
}
