import type { Candle } from '../../domain/candle.ts'
import { composedSpan } from '../../domain/sessions/composed-span.ts'
import type { SessionHours } from '../../domain/sessions/session-hours.ts'
import { inParts, type Steps } from '../../domain/steps.ts'
import type { ComposedInterval } from '../../domain/time/interval.ts'

const partsPerStep = 1000

/**
 * Composes candles from shorter ones of the same sessions, oldest first: weeks (the exchange's own), months and quarters
 * from days, because Yahoo adjusts its own wrongly; half hours from quarters, because Yahoo may answer with whole hours;
 * two and four hours from hours, which go back furthest and begin with the session as they do. A candle is closed when
 * its time is over and its last part is closed; the newest never is if the parts may not be current. If the volume of
 * one part is unknown, so is that of the whole.
 */
export function* compose(
  interval: ComposedInterval,
  parts: readonly Candle[],
  { hours, now, isCurrent }: { hours: SessionHours; now: number; isCurrent: boolean },
): Steps<Candle[]> {
  const composed: Candle[] = []
  let whole: Candle | undefined
  let end = Number.NEGATIVE_INFINITY
  const add = (part: Candle): void => {
    if (whole && part.epoch < end) {
      whole = {
        epoch: whole.epoch,
        open: whole.open,
        high: Math.max(whole.high, part.high),
        low: Math.min(whole.low, part.low),
        close: part.close,
        volume: part.volume === null || whole.volume === null ? null : whole.volume + part.volume,
        closed: part.closed && end <= now,
      }
      composed[composed.length - 1] = whole
      return
    }
    const span = composedSpan(interval, part.epoch, hours)
    end = span.end
    whole = { ...pricesOf(part), epoch: span.start, closed: part.closed && end <= now }
    composed.push(whole)
  }
  yield* inParts(0, parts.length, partsPerStep, (from, to) => {
    for (let i = from; i < to; i++) add(parts[i] as Candle)
  })
  if (whole && !isCurrent) composed[composed.length - 1] = { ...whole, closed: false }
  return composed
}

const pricesOf = ({ open, high, low, close, volume }: Candle) => ({ open, high, low, close, volume })
