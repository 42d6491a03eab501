import { intervalSeconds, type SourceInterval } from '../../domain/time/interval.ts'
import type { CandleSpan } from './prices.ts'
import type { TradingHours } from './trading-hours.ts'
import { dayMinutes } from './walks/day-path.ts'

/** Which candles under a day are asked for; `from` and `to` in epoch seconds. */
export interface SpanQuery {
  readonly interval: SourceInterval
  readonly extendedHours: boolean
  readonly from: number
  readonly to: number
}

/**
 * The candles under a day that start in [from, to), oldest first. They begin anew with each stretch of trading, and the
 * last one ends with it.
 */
export function* candleSpans(
  hours: TradingHours,
  { interval, extendedHours, from, to }: SpanQuery,
): Generator<CandleSpan> {
  const size = intervalSeconds(interval) / 60
  const [first, end] = [Math.ceil(from / 60), to / 60]
  // Sessions may begin on the day before their date, and end on the day after it.
  for (let day = Math.floor(first / dayMinutes) - 1; (day - 1) * dayMinutes < end; day++) {
    const tradingDay = hours.on(day)
    if (!tradingDay) continue
    for (const stretch of extendedHours ? tradingDay.stretches : tradingDay.regular) {
      const skipped = Math.max(0, Math.ceil((first - stretch.from) / size))
      for (let start = stretch.from + skipped * size; start < Math.min(stretch.to, end); start += size) {
        yield { part: stretch.part, day: tradingDay, from: start, to: Math.min(start + size, stretch.to) }
      }
    }
  }
}
