const formats = new Map<string, Intl.DateTimeFormat>()

/** Midnight UTC, in epoch seconds, of the date that an exchange's calendar shows at that time. */
export function tradingDate(epoch: number, timezone: string): number {
  // en-CA writes 2025-02-14.
  return Date.parse(formatOf(timezone).format(epoch * 1000)) / 1000
}

function formatOf(timezone: string): Intl.DateTimeFormat {
  const known = formats.get(timezone)
  if (known) return known
  const format = newFormat(timezone)
  formats.set(timezone, format)
  return format
}

/** A zone that this Node does not know is read as UTC: better a date off by one at the edge than no candles. */
function newFormat(timezone: string): Intl.DateTimeFormat {
  const parts = { year: 'numeric', month: '2-digit', day: '2-digit' } as const
  try {
    return new Intl.DateTimeFormat('en-CA', { ...parts, timeZone: timezone })
  } catch {
    return new Intl.DateTimeFormat('en-CA', { ...parts, timeZone: 'UTC' })
  }
}
