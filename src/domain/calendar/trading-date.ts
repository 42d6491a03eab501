import { clockTime } from './exchange-clock.ts'

const daySeconds = 86_400

/** Midnight UTC, in epoch seconds, of the date that an exchange's calendar shows at that time. */
export function tradingDate(epoch: number, timezone: string): number {
  return Math.floor(clockTime(epoch, timezone) / daySeconds) * daySeconds
}
