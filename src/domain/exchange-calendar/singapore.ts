import type { CalendarRules } from './calendar-rules.ts'
import { date, dates, easter, onDay } from './date-rules.ts'
import { always, hours, mondayToFriday } from './hours.ts'

/** The source does not know the half days on the eves of Christmas, New Year and Lunar New Year. */
export const singapore: CalendarRules = {
  id: 'XSES',
  timezone: 'Asia/Singapore',
  sources: ['exchange_calendars (Apache-2.0), tests/resources/xses.csv: 1986-01-02 to 2026-12-31'],
  knownFrom: date('1986-01-02'),
  knownTo: date('2026-12-31'),
  weeks: [mondayToFriday],
  hours: [always(hours('09:00', '17:00'))],
  holidays: [
    { name: "New Year's Day", on: onDay(1, 1), substitute: 'AFTER_SUNDAY' },
    { name: 'Good Friday', on: easter(-2), since: 1988 },
    { name: 'Labour Day', on: onDay(5, 1), substitute: 'AFTER_SUNDAY' },
    { name: 'National Day', on: onDay(8, 9), substitute: 'AFTER_SUNDAY' },
    { name: 'Christmas', on: onDay(12, 25), substitute: 'AFTER_SUNDAY' },
  ],
  closures: [
    {
      reason: 'Lunar New Year, Vesak, Hari Raya Puasa and Haji, Deepavali; polling days and other decrees',
      dates: dates(`
        1986 0210-0211 0328 0523 0609
        1987 0129-0130 0512 0529 0805 1021
        1988 0217-0218 0517 0530 0725 1108
        1989 0206-0207 0508 0519 0713
        1990 0426 0509 0703
        1991 0115 0416 0528 0624 1105 1224 1231
        1992 0204-0205 0406 0611
        1993 0125 0325 0506 0601
        1994 0110-0111 0201 0211 0314 0525 1013 1102
        1995 0131-0201 0303 0510 0515 1023
        1996 0219-0221 0531
        1997 0207-0210 0418 0521
        1998 0128-0130 0407 0511 1019
        1999 0119 0216-0217 0329 1108 1231
        2000 0207 0316 0518 1026 1227
        2001 0124-0125 0306 0507 1114 1217
        2002 0212-0213 0527 1104 1206
        2003 0203 0212 0515 1024 1125
        2004 0122-0123 0202 0602 1111 1115
        2005 0121 0209-0210 0523 1101 1103
        2006 0110 0130-0131 0512 1024
        2007 0102 0219-0220 0531 1108 1220
        2008 0207-0208 0519 1001 1027 1208
        2009 0126-0127 0921 1127
        2010 0215-0216 0528 0910 1105 1117
        2011 0203-0204 0517 0830 1026 1107
        2012 0123-0124 0820 1026 1113
        2013 0211-0212 0524 0808 1015
        2014 0131 0513 0728 1006 1022
        2015 0219-0220 0601 0717 0807 0911 0924 1110
        2016 0208-0209 0706 0912
        2017 0130 0510 0626 0901 1018
        2018 0216 0529 0615 0822 1106
        2019 0205-0206 0520 0605 0812 1028
        2020 0127 0507 0525 0710 0731
        2021 0212 0513 0526 0720 1104
        2022 0201-0202 0503 0516 0711 1024
        2023 0123-0124 0602 0629 0901 1113
        2024 0212 0410 0522 0617 1031
        2025 0129-0130 0331 0512 1020
        2026 0217-0218 0527 0601 1109
      `),
    },
  ],
  halfDays: [],
  specialHours: [],
}
