import { type Actions, dividendFactors, sharesSince } from './test-yahoo-actions.ts'
import type { ChartRequest, ChartRow } from './test-yahoo-charts.ts'
import { type Bar, barOf, inSharesOfNow, joined, priceAt, priceOnly } from './test-yahoo-prices.ts'
import { dateOf, dayOf, midnightOf, type Periods } from './test-yahoo-sessions.ts'

/** The rows of a made-up chart, with the habits and the known faults of the real ones. */

/** An instrument as it is at a time. */
export interface Market {
  readonly basePrice: number
  readonly actions: Actions
  readonly now: number
  /** The trading day whose session was the last to begin. */
  readonly latestDay: number
  readonly zone: string
  periods(day: number): Periods
  isTrading(day: number): boolean
}

export const intradaySeconds: Readonly<Record<string, number>> = {
  '1m': 60,
  '2m': 120,
  '5m': 300,
  '15m': 900,
  // Known fault: hours are what it sends for half hours.
  '30m': 3600,
  '60m': 3600,
  '1h': 3600,
}

const rowOf = (time: number, bar: Bar): ChartRow => ({ time: Math.floor(time), ...bar })

/** Of the days `first` to `last`, a few of them null. */
export function dayRows(market: Market, first: number, last: number): ChartRow[] {
  const { basePrice, actions, now, latestDay, periods } = market
  const closeBefore = ({ day }: { day: number }): number => {
    let before = day - 1
    while (!market.isTrading(before)) before--
    return priceAt(basePrice, periods(before).regular.end) / sharesSince(before, actions)
  }
  const factorOf = dividendFactors(actions, closeBefore)
  const rows: ChartRow[] = []
  for (const day of sessionDays(market, first, last)) {
    const { start, end } = periods(day).regular
    const isLatest = day === latestDay
    if (day % 29 === 0 && !isLatest) {
      rows.push({ time: start })
      continue
    }
    const bar = inSharesOfNow(barOf(basePrice, start, end, now), sharesSince(day, actions))
    const time = isLatest ? Math.min(now, end) : start
    rows.push({ ...rowOf(time, bar), adjclose: Math.fround(bar.close * factorOf(day)) })
  }
  return rows
}

/** Known fault: weeks and months are adjusted for nothing, and so is what they call the adjusted close. */
export function longRows(market: Market, interval: '1wk' | '1mo', first: number, last: number): ChartRow[] {
  const { basePrice, now, latestDay, periods, zone } = market
  // From a Monday on: 1970-01-01 was a Thursday.
  const startOf = (day: number): number =>
    interval === '1wk' ? Math.floor((day + 3) / 7) * 7 - 3 : dayOf(`${dateOf(day).slice(0, 7)}-01`)
  const groups = new Map<number, [Bar, ...Bar[]]>()
  for (const day of sessionDays(market, startOf(first), last)) {
    const { start, end } = periods(day).regular
    const bar = barOf(basePrice, start, end, now)
    const group = groups.get(startOf(day))
    if (group) group.push(bar)
    else groups.set(startOf(day), [bar])
  }
  return [...groups].map(([start, bars]) => {
    const bar = inSharesOfNow(joined(bars), 1)
    const time = start === startOf(latestDay) ? Math.min(now, periods(latestDay).regular.end) : midnightOf(start, zone)
    return { ...rowOf(time, bar), adjclose: bar.close }
  })
}

export function intradayRows(market: Market, request: ChartRequest, first: number, last: number): ChartRow[] {
  const { basePrice, actions, now, periods } = market
  const seconds = intradaySeconds[request.interval] ?? 60
  const rows: ChartRow[] = []
  /** The end of the last period that has rows. */
  let bell = 0
  let shares = 1
  for (let day = first; day <= last; day++) {
    if (!market.isTrading(day)) continue
    const { pre, regular, post } = periods(day)
    shares = sharesSince(day, actions)
    for (const period of request.includePrePost ? [pre, regular, post] : [regular]) {
      if (period.start >= period.end || period.start > now) continue
      bell = period.end
      for (let time = period.start; time < period.end && time <= now; time += seconds) {
        const end = Math.min(time + seconds, period.end)
        const bar = inSharesOfNow(barOf(basePrice, time, end, now), shares)
        const isNull = (time / 60) % 97 === 5 && end <= now
        rows.push(isNull ? { time } : rowOf(time, period === regular ? bar : { ...bar, volume: 0 }))
      }
    }
  }
  if (bell > 0) {
    const price = inSharesOfNow(priceOnly(basePrice, Math.min(now, bell)), shares)
    if (now < bell || isNewest(market, bell)) rows.push(rowOf(Math.min(now, bell), price))
  }
  return rows
}

/** Whether nothing has been traded since that period ended. */
const isNewest = ({ latestDay, periods }: Market, end: number): boolean => end >= periods(latestDay).regular.end

/** The trading days whose session has begun. */
const sessionDays = ({ latestDay, isTrading }: Market, first: number, last: number): number[] => {
  const days = Array.from({ length: Math.max(0, Math.min(last, latestDay) - first + 1) }, (_, i) => first + i)
  return days.filter(isTrading)
}
