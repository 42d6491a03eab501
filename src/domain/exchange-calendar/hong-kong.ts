import type { CalendarRules } from './calendar-rules.ts'
import { date, dates, easter, last, monday, onDay } from './date-rules.ts'
import { always, hours, mondayToFriday, timeOfDay } from './hours.ts'

const lunch = ['12:00', '13:00'] as const
const earlyOpening = date('2011-03-07')

/** Since 2024-09-23 HKEX trades through typhoons. */
export const hongKong: CalendarRules = {
  id: 'XHKG',
  timezone: 'Asia/Hong_Kong',
  sources: [
    'General holidays of Hong Kong, gazetted for 2025 to 2027; half days of HKEX',
    'exchange_calendars (Apache-2.0), tests/resources/xhkg.csv: 1990-01-02 to 2025-09-05',
  ],
  knownFrom: date('1990-01-02'),
  knownTo: date('2027-12-31'),
  weeks: [mondayToFriday],
  hours: [
    always(hours('10:00', '16:00', lunch)),
    { ...hours('09:30', '16:00', lunch), since: earlyOpening, weekday: null },
  ],
  holidays: [
    { name: "New Year's Day", on: onDay(1, 1), substitute: 'AFTER_SUNDAY' },
    { name: 'Good Friday', on: easter(-2) },
    { name: 'Easter Monday', on: easter(1) },
    { name: 'Labour Day', on: onDay(5, 1), substitute: 'AFTER_SUNDAY', since: 1999 },
    { name: 'Establishment Day', on: onDay(7, 1), substitute: 'AFTER_SUNDAY', since: 1997 },
    { name: 'Liberation Day', on: last(monday, 8), until: 1996 },
    { name: 'National Day', on: onDay(10, 1), substitute: 'AFTER_SUNDAY', since: 1997 },
    { name: 'Christmas', on: onDay(12, 25), substitute: 'AFTER_SUNDAY' },
    { name: 'First weekday after Christmas', on: onDay(12, 26), substitute: 'AFTER_SUNDAY' },
  ],
  closures: [
    {
      reason: 'Typhoons and rainstorms',
      dates: dates(`
        1992 0722
        1993 0917
        1999 0916
        2001 0706 0725
        2008 0806 0822
        2011 0929
        2013 0814
        2016 0802 1021
        2017 0823
        2020 1013
        2021 1013
        2023 0717
        2024 0906
      `),
    },
    {
      reason: "Queen's birthday until 1997; anniversaries of the end of the war; turn of the millennium",
      dates: dates(`
        1990 0618
        1991 0617-0618
        1992 0615
        1993 0614
        1994 0613-0614
        1995 0619
        1996 0617
        1997 0630 0818
        1998 0817
        1999 1231
        2015 0903
      `),
    },
    {
      reason:
        'Lunar New Year, Ching Ming, Buddha, Tuen Ng, Mid-Autumn, Chung Yeung; days given for others that coincide',
      dates: dates(`
        1990 0126-0129 0405 0502 0528 1004 1026
        1991 0215 0405 0521 0923 1016
        1992 0204-0206 0511 0605 1005
        1993 0122-0125 0405 0528 0624
        1994 0210-0211 0405 0518 0921 1013
        1995 0131-0202 0405 0508 0602 1101
        1996 0219-0221 0404 0524 0620 1021
        1997 0207 0514 0609 0702 0917 1002 1010
        1998 0128-0130 0406 0504 1002 1006 1028
        1999 0216-0218 0406 0618 1018
        2000 0204-0207 0404 0511 0606 0913 1006
        2001 0124-0126 0405 0430 0625 1002 1025
        2002 0212-0214 0405 0520 1014
        2003 0131-0203 0508 0604 0912
        2004 0122-0123 0405 0526 0622 0929 1022
        2005 0209-0211 0405 0516 0919 1011
        2006 0130-0131 0405 0505 0531 1030
        2007 0219-0220 0405 0524 0619 0926 1019
        2008 0207-0208 0404 0512 0609 0915 1007
        2009 0126-0128 0528 1026
        2010 0215-0216 0406 0521 0616 0923
        2011 0203-0204 0405 0510 0606 0913 1005
        2012 0123-0125 0404 1002 1023
        2013 0211-0213 0404 0517 0612 0920 1014
        2014 0131-0203 0506 0602 0909 1002
        2015 0219-0220 0407 0525 0928 1021
        2016 0208-0210 0404 0609 0916 1010
        2017 0130-0131 0404 0503 0530 1005
        2018 0216-0219 0405 0522 0618 0925 1017
        2019 0205-0207 0405 0513 0607 1007
        2020 0127-0128 0430 0625 1002 1026
        2021 0212-0215 0406 0519 0614 0922 1014
        2022 0201-0203 0405 0509 0603 0912 1004
        2023 0123-0125 0405 0526 0622 1023
        2024 0212-0213 0404 0515 0610 0918 1011
        2025 0129-0131 0404 0505 1007 1029
        2026 0217-0219 0407 0525 0619 1019
        2027 0208-0209 0405 0513 0609 0916 1008
      `),
    },
  ],
  halfDays: [
    { name: 'Christmas Eve', on: onDay(12, 24), closes: timeOfDay('12:30'), until: 2010 },
    { name: 'Christmas Eve', on: onDay(12, 24), closes: timeOfDay('12:00'), since: 2011 },
    { name: "New Year's Eve", on: onDay(12, 31), closes: timeOfDay('12:30'), until: 2010 },
    { name: "New Year's Eve", on: onDay(12, 31), closes: timeOfDay('12:00'), since: 2011 },
  ],
  specialHours: [
    {
      reason: 'Eve of the Lunar New Year',
      ...hours('09:30', '12:00'),
      dates: dates(`
        2014 0130
        2015 0218
        2017 0127
        2018 0215
        2019 0204
        2020 0124
        2021 0211
        2022 0131
        2024 0209
        2025 0128
        2026 0216
        2027 0205
      `),
    },
  ],
}
