import type { Candle } from '../../domain/candle.ts'
import { type composedOf, intervalSeconds } from '../../domain/interval.ts'
import { daySeconds, monthStart } from '../../domain/time.ts'

export type ComposedInterval = keyof typeof composedOf

/** 1970-01-01 was a Thursday. */
const firstMonday = 4 * daySeconds

/** The interval in which a time lies, in epoch seconds, `end` exclusive. `sessionOpens`: when any session opened. */
export function composedSpan(
  interval: ComposedInterval,
  epoch: number,
  sessionOpens: number,
): { start: number; end: number } {
  if (interval === 'MONTH_1') {
    return { start: monthStart(epoch), end: monthStart(epoch, 1) }
  }
  const size = intervalSeconds(interval)
  // Daylight saving moves sessions by whole half hours, so that any session's opening is as good as another's.
  const anchor = interval === 'WEEK_1' ? firstMonday : sessionOpens % size
  const start = Math.floor((epoch - anchor) / size) * size + anchor
  return { start, end: start + size }
}

/**
 * Candles put together from shorter ones of the same sessions, oldest first: weeks (of which Monday is the first day) and months
 * from days, since Yahoo's own are wrongly adjusted; half hours from quarters, since Yahoo may answer with whole hours.
 * One is closed when its time is over and the last part of it is; the newest never where the parts may not be current.
 */
export function compose(
  interval: ComposedInterval,
  parts: readonly Candle[],
  { sessionOpens, now, isCurrent }: { sessionOpens: number; now: number; isCurrent: boolean },
): Candle[] {
  const composed: Candle[] = []
  let whole: Candle | undefined
  let end = Number.NEGATIVE_INFINITY
  for (const part of parts) {
    if (whole && part.epoch < end) {
      whole = {
        epoch: whole.epoch,
        open: whole.open,
        high: Math.max(whole.high, part.high),
        low: Math.min(whole.low, part.low),
        close: part.close,
        volume: part.volume === null ? whole.volume : (whole.volume ?? 0) + part.volume,
        closed: part.closed && end <= now,
      }
      composed[composed.length - 1] = whole
      continue
    }
    const span = composedSpan(interval, part.epoch, sessionOpens)
    end = span.end
    whole = { ...pricesOf(part), epoch: span.start, closed: part.closed && end <= now }
    composed.push(whole)
  }
  if (whole && !isCurrent) composed[composed.length - 1] = { ...whole, closed: false }
  return composed
}

const pricesOf = ({ open, high, low, close, volume }: Candle) => ({ open, high, low, close, volume })
