import { type ComposedInterval, intervalSeconds } from './interval.ts'
import { daySeconds, monthStart } from './units.ts'

/** 1970-01-01 was a Thursday. */
const firstMonday = 4 * daySeconds

/** The interval that contains a time, in epoch seconds, `end` exclusive. `sessionOpens`: when some session opens. */
export function composedSpan(
  interval: ComposedInterval,
  epoch: number,
  sessionOpens: number,
): { start: number; end: number } {
  if (interval === 'MONTH_1') {
    return { start: monthStart(epoch), end: monthStart(epoch, 1) }
  }
  const size = intervalSeconds(interval)
  // Daylight saving moves sessions by whole half hours, so any session's opening will do.
  const anchor = interval === 'WEEK_1' ? firstMonday : sessionOpens % size
  const start = Math.floor((epoch - anchor) / size) * size + anchor
  return { start, end: start + size }
}
