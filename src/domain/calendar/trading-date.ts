import { daySeconds } from '../time.ts'
import { clockTime } from './exchange-clock.ts'

/** Midnight UTC, in epoch seconds, of the date that an exchange's calendar shows at a time. */
export function tradingDate(epoch: number, timezone: string): number {
  return Math.floor(clockTime(epoch, timezone) / daySeconds) * daySeconds
}
