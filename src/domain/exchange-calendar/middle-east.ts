import type { CalendarRules } from './calendar-rules.ts'
import { date, dates, friday, monday, onDay, sunday, thursday, tuesday, wednesday } from './date-rules.ts'
import { always, hours } from './hours.ts'

const sundayToThursday = { tradingWeekdays: [sunday, monday, tuesday, wednesday, thursday], firstWeekday: sunday }

/** The feasts of coming years are computed (Umm al-Qura). */
export const riyadh: CalendarRules = {
  id: 'XSAU',
  timezone: 'Asia/Riyadh',
  sources: ['exchange_calendars (Apache-2.0), tests/resources/xsau.csv: 2021-01-03 to 2029-12-31'],
  knownFrom: date('2021-01-03'),
  knownTo: date('2029-12-31'),
  weeks: [{ ...sundayToThursday, since: -Infinity, until: Infinity }],
  hours: [always(hours('10:00', '15:00'))],
  holidays: [
    { name: 'Founding Day', on: onDay(2, 22) },
    { name: 'National Day', on: onDay(9, 23) },
  ],
  closures: [
    {
      reason: 'Eid al-Fitr and Eid al-Adha',
      dates: dates(`
        2021 0513-0516 0718-0722
        2022 0428-0508 0707-0713
        2023 0418-0425 0627-0702
        2024 0407-0415 0613-0623
        2025 0327-0402 0604-0609
        2026 0317-0323 0524-0528
        2027 0307-0311 0516-0520
        2028 0227-0302 0503-0509
        2029 0212-0218 0422-0426
      `),
    },
  ],
  halfDays: [],
  specialHours: [],
}

const movedToMonday = date('2026-01-05')

/**
 * On 2026-01-05 it moved from a week of Sunday to Thursday to one of Monday to Friday: the Sunday before is a week of its own.
 */
export const telAviv: CalendarRules = {
  id: 'XTAE',
  timezone: 'Asia/Tel_Aviv',
  sources: ['exchange_calendars (Apache-2.0), tests/resources/xtae.csv: 2019-01-01 to 2026-12-31'],
  knownFrom: date('2019-01-01'),
  knownTo: date('2026-12-31'),
  weeks: [
    { ...sundayToThursday, since: -Infinity, until: movedToMonday },
    {
      tradingWeekdays: [monday, tuesday, wednesday, thursday, friday],
      firstWeekday: monday,
      since: movedToMonday,
      until: Infinity,
    },
  ],
  hours: [
    always(hours('09:59', '17:15')),
    { ...hours('09:59', '15:40'), since: -Infinity, weekday: sunday },
    { ...hours('09:59', '13:50'), since: movedToMonday, weekday: friday },
  ],
  holidays: [],
  closures: [
    {
      reason:
        "Purim, Passover, Memorial and Independence Day, Shavuot, Tisha B'Av, New Year, Yom Kippur, Sukkot; elections",
      dates: dates(`
        2019 0321 0409 0425 0508-0509 0609 0811 0917 0929-1001 1008-1009 1013-1014 1020-1021
        2020 0302 0310 0408-0409 0414-0415 0428-0429 0528 0730 0920 0927-0928
        2021 0323 0328 0414-0415 0516-0517 0718 0906-0908 0915-0916 0920-0921 0927-0928
        2022 0317 0421 0504-0505 0605 0807 0925-0927 1004-1005 1009-1010 1016-1017 1101
        2023 0307 0405-0406 0411-0412 0425-0426 0525 0727 0917 0924-0925
        2024 0324 0422-0423 0428-0429 0513-0514 0611-0612 0813 1002-1003 1016-1017 1023-1024
        2025 0413 0430-0501 0601-0602 0803 0922-0924 1001-1002 1006-1007 1013-1014
        2026 0303 0401-0402 0407-0408 0421-0422 0521-0522 0723 0911 0918-0921 0925 1002
      `),
    },
  ],
  halfDays: [],
  specialHours: [
    {
      reason: 'Intermediate days of Passover and Sukkot',
      ...hours('09:59', '14:15'),
      dates: dates(`
        2019 0421-0424 1015-1017
        2020 0412-0413 1004-1008
        2021 0329-0401 0922-0926
        2022 0417-0420 1011-1013
        2023 0409-0410 1001-1005
        2024 0424-0425 1020-1022
        2025 0414-0417 1008-1012
        2026 0403-0406 0928-1001
      `),
    },
  ],
}
