import { type ComposedInterval, intervalSeconds } from '../time/interval.ts'
import { monthStart } from '../time/units.ts'
import type { SessionHours } from './session-hours.ts'
import { weekOf } from './trading-week.ts'

/**
 * The interval that contains a time, in epoch seconds, `end` exclusive. For WEEK_1 and MONTH_1 times are trading dates.
 */
export function composedSpan(
  interval: ComposedInterval,
  epoch: number,
  hours: SessionHours,
): { start: number; end: number } {
  switch (interval) {
    case 'MONTH_1':
      return { start: monthStart(epoch), end: monthStart(epoch, 1) }
    case 'WEEK_1': {
      const { from, to } = weekOf(epoch, hours)
      return { start: from, end: to }
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
