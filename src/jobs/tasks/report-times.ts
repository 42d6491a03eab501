import { calendarOf } from '../../domain/exchange-calendar/calendars.ts'
import { saturday, sunday, weekdayOf } from '../../domain/exchange-calendar/date-rules.ts'
import { daySeconds, hourSeconds } from '../../domain/time/units.ts'

/** New York's exchange. */
const newYork = calendarOf('NYQ')
/** Half an hour after the close, the source has its last prices. */
const settledSeconds = hourSeconds / 2
/** In years that the calendar does not know: when the session is over in summer and in winter. */
const assumedSeconds = 21.5 * hourSeconds

/** At these times a report may be due: New York closes at 13:00 or 16:00, in summer and in winter time. In UTC. */
export const reportCron = '30 17,18,20,21 * * 1-5'

/** Whether a daily report is due at a time, in epoch milliseconds: half an hour after a session of New York. */
export const isReportTime = (ms: number): boolean => reportTimeMs(midnightOf(ms)) === ms

/** When the report before the one of this time was due. */
export function reportBeforeMs(ms: number): number {
  let date = midnightOf(ms)
  for (;;) {
    date -= daySeconds
    const before = reportTimeMs(date)
    if (before !== null) return before
  }
}

/** null: there is none on that date (midnight UTC, in epoch seconds). */
function reportTimeMs(date: number): number | null {
  const session = newYork?.sessionOn(date)
  if (session) return (session.closes + settledSeconds) * 1000
  const isWeekend = [saturday, sunday].includes(weekdayOf(date))
  return session === null || isWeekend ? null : (date + assumedSeconds) * 1000
}

/** New York closes on the same date in UTC. */
const midnightOf = (ms: number): number => Math.floor(ms / 1000 / daySeconds) * daySeconds
