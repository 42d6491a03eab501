import type { Listing } from '../../../domain/quote.ts'
import { calendarFor } from '../../../domain/sessions/session-hours.ts'
import { minuteMs } from '../../../domain/time/units.ts'

/**
 * Whether prices of an instrument are to be expected at a time (epoch milliseconds), so that silence is a fault. Yahoo
 * says whether its market is open; the exchange's calendar knows of lunch, and of holidays and early closes of which Yahoo
 * has not told yet.
 */
export function isInSession({ instrument, quote }: Listing, nowMs: number): boolean {
  const { exchange, marketState } = instrument
  const calendar = exchange && calendarFor({ exchange: exchange.code, timezone: exchange.timezone })
  const delayMs = (quote?.delayMinutes ?? exchange?.delayMinutes ?? 0) * minuteMs
  const time = (nowMs - delayMs) / 1000
  const session = calendar ? calendar.sessionAt(time) : undefined
  if (session === null || session?.breaks.some(({ from, to }) => time >= from && time < to)) return false
  const state = quote?.marketState ?? marketState
  return state === 'REGULAR' || (state === 'UNKNOWN' && session !== undefined && calendar?.hasBell === true)
}
