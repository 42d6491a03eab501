import { tradingDate } from '../../domain/time/trading-date.ts'
import { hourSeconds } from '../../domain/time/units.ts'

/** Overnight trade of American shares starts at 20:00 and counts for the date that follows. */
const hoursLeftAtStart = 4

/** The trading date, in epoch seconds, of a price that was made at a time outside of regular hours. */
export const overnightDate = (timeMs: number, timezone: string): number =>
  tradingDate(timeMs / 1000 + hoursLeftAtStart * hourSeconds, timezone)
