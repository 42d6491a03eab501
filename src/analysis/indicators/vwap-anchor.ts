import { sessionDates } from '../../domain/sessions/session-dates.ts'
import { weekOf } from '../../domain/sessions/trading-week.ts'
import { inParts, type Steps } from '../../domain/steps.ts'
import { type Interval, intervalSeconds, isDaily } from '../../domain/time/interval.ts'
import { daySeconds, hourSeconds } from '../../domain/time/units.ts'
import type { IndicatorInput, VwapAnchor } from './indicator.ts'

const datesPerStep = 2000

/**
 * The indices at which the cumulation starts anew. If history goes back before the first candle, the stretch running
 * there has no known start.
 */
export function* anchorPlaces(input: IndicatorInput, anchor: VwapAnchor): Steps<ReadonlySet<number>> {
  if (anchor === 'SERIES') return new Set([input.first])
  const places = new Set<number>(input.isWhole ? [0] : [])
  const { epoch } = input.candles
  const dateOf = isDaily(input.interval) ? (time: number): number => time : sessionDates(input)
  yield* inParts(0, epoch.length, datesPerStep, (from, to) => {
    let [last, found] = [Number.NaN, Number.NaN]
    const first = Math.max(1, from)
    for (let i = Math.max(0, from - 1); i < to; i++) {
      const date = dateOf(epoch[i] as number)
      if (date === last) continue
      const before = found
      last = date
      found = stretch(date, anchor, input)
      if (i >= first && found !== before) places.add(i)
    }
  })
  return places
}

/** A number that identifies the day, week, month or year of a date. */
function stretch(
  date: number,
  anchor: keyof typeof stretchDays,
  exchange: Pick<IndicatorInput, 'timezone' | 'exchange'>,
): number {
  const calendar = new Date(date * 1000)
  switch (anchor) {
    case 'SESSION':
      return date
    case 'WEEK':
      return weekOf(date, exchange).from
    case 'MONTH':
      return calendar.getUTCFullYear() * 12 + calendar.getUTCMonth()
    case 'YEAR':
      return calendar.getUTCFullYear()
  }
}

const stretchDays = { SESSION: 1, WEEK: 7, MONTH: 31, YEAR: 366 } as const

/** How many candles there can be between two anchors, so that the anchor before is included; 0 for SERIES. */
export function longestStretch(anchor: VwapAnchor, interval: Interval): number {
  if (anchor === 'SERIES') return 0
  // A day has one hour more when clocks are put back.
  const seconds = stretchDays[anchor] * daySeconds + (isDaily(interval) ? 0 : hourSeconds)
  return Math.ceil(seconds / intervalSeconds(interval))
}
