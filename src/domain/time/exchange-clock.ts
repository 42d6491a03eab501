import { daySeconds, quarterHourSeconds, weekSeconds } from './units.ts'

interface Zone {
  readonly format: Intl.DateTimeFormat
  /**
   * By the number of a quarter of an hour since the epoch, which is a faster key than its time: the clock's offset from
   * UTC at its start, in seconds. Asking Intl takes some microseconds.
   */
  readonly offsets: Map<number, number>
  /** By the number of the week since the epoch: the offset; null: the clock changes within it. */
  readonly weeks: Map<number, number | null>
}
const zones = new Map<string, Zone>()

/** As many as there are weeks in two centuries. */
const rememberedOffsets = 10_000

/**
 * What an exchange's clock shows at a time in epoch seconds: date and time of day, as whole seconds since 1970-01-01
 * 00:00 on that clock. So midnight of a date is its midnight UTC.
 */
export function clockTime(epoch: number, timezone: string): number {
  const zone = zoneOf(timezone)
  const week = Math.floor(epoch / weekSeconds)
  let offset = zone.weeks.get(week)
  if (offset === undefined) {
    const start = week * weekSeconds
    const first = offsetAt(start, zone)
    offset = first === offsetAt(start + weekSeconds, zone) ? first : null
    remember(zone.weeks, week, offset)
  }
  return Math.floor(epoch) + (offset ?? offsetAt(epoch, zone))
}

function offsetAt(epoch: number, { format, offsets }: Zone): number {
  const quarter = Math.floor(epoch / quarterHourSeconds)
  let offset = offsets.get(quarter)
  if (offset === undefined) {
    const start = quarter * quarterHourSeconds
    // sv-SE writes 2025-02-14 09:30:00.
    offset = Date.parse(`${format.format(start * 1000)}Z`) / 1000 - start
    remember(offsets, quarter, offset)
  }
  return offset
}

function remember<Value>(known: Map<number, Value>, key: number, value: Value): void {
  if (known.size >= rememberedOffsets) known.clear()
  known.set(key, value)
}

/**
 * When an exchange's clock shows a time, in epoch seconds. If the clock is set back and shows it twice: the later
 * instant. If the clock is set forward and skips it: an hour later by the clock.
 */
export function epochOf(clock: number, timezone: string): number {
  const candidates = [clock - daySeconds, clock + daySeconds].map((near) => clock - (clockTime(near, timezone) - near))
  const shown = candidates.filter((epoch) => clockTime(epoch, timezone) === clock)
  return Math.max(...(shown.length > 0 ? shown : candidates))
}

function zoneOf(timezone: string): Zone {
  const known = zones.get(timezone)
  if (known) return known
  const zone: Zone = { format: newFormat(timezone), offsets: new Map(), weeks: new Map() }
  zones.set(timezone, zone)
  return zone
}

/** A zone unknown to this Node is read as UTC: better a date off by one at the edge than no candles. */
function newFormat(timezone: string): Intl.DateTimeFormat {
  const parts: Intl.DateTimeFormatOptions = {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }
  try {
    return new Intl.DateTimeFormat('sv-SE', { ...parts, timeZone: timezone })
  } catch {
    return new Intl.DateTimeFormat('sv-SE', { ...parts, timeZone: 'UTC' })
  }
}
