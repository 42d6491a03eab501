import { tradingDate } from '../../domain/calendar/trading-date.ts'
import { type Interval, intervalSeconds, isDaily } from '../../domain/interval.ts'
import type { IndicatorInput, VwapAnchor } from './indicator.ts'

/** The places at which the cumulation begins anew. What began before the first candle, unless history does there, has none. */
export function anchorPlaces(input: IndicatorInput, anchor: VwapAnchor): ReadonlySet<number> {
  if (anchor === 'SERIES') return new Set([input.first])
  const stretches = tradingDates(input).map((date) => stretch(date, anchor))
  const places = new Set<number>(input.isWhole ? [0] : [])
  for (let i = 1; i < stretches.length; i++) if (stretches[i] !== stretches[i - 1]) places.add(i)
  return places
}

/** For each candle midnight UTC of its date in the exchange's calendar, in epoch seconds. */
function tradingDates({ candles, interval, timezone }: IndicatorInput): Float64Array {
  if (isDaily(interval)) return candles.epoch
  // Asking a calendar is slow, and no zone changes its date within a quarter of an hour.
  let quarter = Number.NaN
  let date = Number.NaN
  return candles.epoch.map((epoch) => {
    if (Math.floor(epoch / 900) !== quarter) {
      quarter = Math.floor(epoch / 900)
      date = tradingDate(epoch, timezone)
    }
    return date
  })
}

/** A number for the day, week, month or year of a date. */
function stretch(date: number, anchor: keyof typeof stretchDays): number {
  const day = date / 86_400
  const calendar = new Date(date * 1000)
  switch (anchor) {
    case 'SESSION':
      return day
    case 'WEEK':
      // Weeks begin on Monday; 1 January 1970 was a Thursday.
      return Math.floor((day + 3) / 7)
    case 'MONTH':
      return calendar.getUTCFullYear() * 12 + calendar.getUTCMonth()
    case 'YEAR':
      return calendar.getUTCFullYear()
  }
}

const stretchDays = { SESSION: 1, WEEK: 7, MONTH: 31, YEAR: 366 } as const

/** How many candles there can be from one anchor to the next, so that the one before an anchor is seen too; 0 for SERIES. */
export function longestStretch(anchor: VwapAnchor, interval: Interval): number {
  if (anchor === 'SERIES') return 0
  // A day has an hour more where clocks are put back.
  const seconds = stretchDays[anchor] * 86_400 + (isDaily(interval) ? 0 : 3600)
  return Math.ceil(seconds / intervalSeconds(interval))
}
