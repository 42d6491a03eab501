import { type Interval, intervalSeconds } from '../domain/interval.ts'
import type { VwapAnchor } from './indicator.ts'

/** What may be left of the candles before the first that is loaded, in units of the scale of the values. */
const negligible = 1e-12

/** How many candles an exponential average of `period`, taken `times` over, goes on after its first value until it is settled. */
export const emaSettling = (period: number, times = 1): number => settling((period - 1) / (period + 1), times)

/** The same for Wilder's average. */
export const wilderSettling = (period: number, times = 1): number => settling((period - 1) / period, times)

/**
 * After n candles left^n is left of the start of one average. Of several in a row, n (1 - left) steps of the start can have gone
 * from one to the next, so that it is at most (1 + n (1 - left))^(times - 1) as much.
 */
function settling(left: number, times: number): number {
  if (left === 0) return 0
  let candles = Math.ceil(Math.log(negligible) / Math.log(left))
  while ((times - 1) * Math.log1p(candles * (1 - left)) + candles * Math.log(left) > Math.log(negligible)) candles++
  return candles
}

const anchorDays = { SESSION: 1, WEEK: 7, MONTH: 31, YEAR: 366 } as const

/** As many candles as the longest stretch of an anchor can have, so that the one before it is seen too. */
export function vwapWarmUp(anchor: VwapAnchor, interval: Interval): number {
  if (anchor === 'SERIES') return 0
  // A day has an hour more where clocks are put back.
  return Math.ceil((anchorDays[anchor] * 86_400 + 3_600) / intervalSeconds(interval))
}

/** Provisional. */
export const psarWarmUp = (_step: number, _max: number): number => 1000
