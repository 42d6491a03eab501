/** Lengths of time. A day has 24 hours here; `calendar/` handles clock changes. */
export const minuteMs = 60_000
export const dayMs = 24 * 60 * minuteMs
export const hourSeconds = 3600
export const daySeconds = 24 * hourSeconds
export const weekSeconds = 7 * daySeconds
/** Time zones differ from UTC by whole quarters of an hour, and clocks are changed at whole quarters. */
export const quarterHourSeconds = 900

/** Epoch seconds, `from` inclusive, `to` exclusive. */
export interface TimeSpan {
  readonly from: number
  readonly to: number
}

/**
 * Midnight UTC, in epoch seconds, of the first day of the month that contains a time, or of the month `ahead` months
 * later.
 */
export function monthStart(epoch: number, ahead = 0): number {
  const date = new Date(epoch * 1000)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + ahead, 1) / 1000
}

/** Midnight UTC, in epoch seconds, of the first day of the calendar quarter that contains a time. */
export const quarterStart = (epoch: number): number => monthStart(epoch, -(new Date(epoch * 1000).getUTCMonth() % 3))
