import { type ComposedInterval, intervalSeconds } from '../time/interval.ts'
import { monthStart, quarterStart } from '../time/units.ts'
import type { SessionHours } from './session-hours.ts'
import { tradingStretch } from './trading-stretch.ts'
import { weekOf } from './trading-week.ts'

/**
 * The interval that contains a time, in epoch seconds, `end` exclusive. For weeks and longer, times are trading dates.
 * Hours begin with the session, and anew after a break; the last ones of a stretch end with it. A time within a break is
 * of the hours that begin after it.
 */
export function composedSpan(
  interval: ComposedInterval,
  epoch: number,
  hours: SessionHours,
): { start: number; end: number } {
  switch (interval) {
    case 'MONTH_3': {
      const start = quarterStart(epoch)
      return { start, end: monthStart(start, 3) }
    }
    case 'MONTH_1':
      return { start: monthStart(epoch), end: monthStart(epoch, 1) }
    case 'WEEK_1': {
      const { from, to } = weekOf(epoch, hours)
      return { start: from, end: to }
    }
    case 'HOUR_2':
    case 'HOUR_4': {
      const size = intervalSeconds(interval)
      const { from, to } = tradingStretch(epoch, hours)
      const start = from + Math.max(0, Math.floor((epoch - from) / size)) * size
      return { start, end: Math.min(start + size, to) }
    }
    case 'MINUTE_30': {
      const size = intervalSeconds(interval)
      // Daylight saving moves sessions by whole half hours, so any session's opening will do.
      const anchor = (hours.opens ?? 0) % size
      const start = Math.floor((epoch - anchor) / size) * size + anchor
      return { start, end: start + size }
    }
  }
}
