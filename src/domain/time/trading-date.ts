import { clockTime } from './exchange-clock.ts'
import { daySeconds, quarterHourSeconds } from './units.ts'

/** Midnight UTC, in epoch seconds, of the date that an exchange's calendar shows at a time. */
export function tradingDate(epoch: number, timezone: string): number {
  return Math.floor(clockTime(epoch, timezone) / daySeconds) * daySeconds
}

/** `tradingDate` for many times in order. Looks each quarter of an hour up once: the date cannot change within one. */
export function tradingDates(timezone: string): (epoch: number) => number {
  let last = Number.NaN
  let date = Number.NaN
  return (epoch) => {
    const quarter = Math.floor(epoch / quarterHourSeconds)
    if (quarter !== last) {
      last = quarter
      date = tradingDate(epoch, timezone)
    }
    return date
  }
}
