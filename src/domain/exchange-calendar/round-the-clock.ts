import type { CalendarRules } from './calendar-rules.ts'
import { friday, monday, saturday, sunday, thursday, tuesday, wednesday } from './date-rules.ts'
import { always, hours, mondayToFriday } from './hours.ts'

/** Currencies trade from Sunday 17:00 in New York to Friday 17:00; a day ends there at 17:00. */
export const currencies: CalendarRules = {
  id: 'FX',
  timezone: 'America/New_York',
  sources: ['Custom of the currency markets'],
  knownFrom: -Infinity,
  knownTo: Infinity,
  weeks: [mondayToFriday],
  hours: [always(hours('17:00-1d', '17:00'))],
  holidays: [],
  closures: [],
  halfDays: [],
  specialHours: [],
}

/** Always; days are those of UTC. */
export const crypto: CalendarRules = {
  id: 'CRYPTO',
  timezone: 'UTC',
  sources: ['Custom of the crypto markets'],
  knownFrom: -Infinity,
  knownTo: Infinity,
  weeks: [
    {
      since: -Infinity,
      until: Infinity,
      tradingWeekdays: [monday, tuesday, wednesday, thursday, friday, saturday, sunday],
      firstWeekday: monday,
    },
  ],
  hours: [always(hours('00:00', '24:00'))],
  holidays: [],
  closures: [],
  halfDays: [],
  specialHours: [],
}
