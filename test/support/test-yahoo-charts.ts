/** Charts that test Yahoo makes up: the same numbers for the same times, in sessions that are those of the real exchange. */

export interface Session {
  /** Seconds after midnight in the exchange's zone. */
  readonly opens: number
  readonly closes: number
  readonly days: 'weekdays' | 'all'
}

export interface Instrument {
  /** null: has no chart. */
  readonly session: Session | null
  readonly row: QuoteRow
}

/** A row of a quote answer, in Yahoo's own names. */
export type QuoteRow = Readonly<Record<string, unknown>> & { readonly symbol: string }

export interface ChartRow {
  /** Epoch seconds. */
  readonly time: number | null
  readonly open?: number | null
  readonly high?: number | null
  readonly low?: number | null
  readonly close?: number | null
  readonly volume?: number | null
}

export interface ChartRequest {
  readonly interval: string
  readonly period1: number
  readonly period2: number
}

const daySeconds = 86_400
export const firstTradeEpoch = Date.UTC(2015, 0, 2) / 1000

const intervalSeconds: Readonly<Record<string, number>> = {
  '1m': 60,
  '2m': 120,
  '5m': 300,
  '15m': 900,
  '30m': 1800,
  '60m': 3600,
  '1h': 3600,
  '1d': daySeconds,
}

const reachDays: Readonly<Record<string, number>> = {
  '1m': 30,
  '2m': 60,
  '5m': 60,
  '15m': 60,
  '30m': 60,
  '60m': 730,
  '1h': 730,
}

/** What Yahoo says to a window that it does not serve; null: it does. */
export function refusalOf({ interval, period1, period2 }: ChartRequest, now: number): [number, string, string] | null {
  const reach = reachDays[interval]
  const window = `startTime=${period1} and endTime=${period2}`
  if (intervalSeconds[interval] === undefined)
    return [422, 'Unprocessable Entity', `Invalid input - interval=${interval}`]
  if (interval === '1m' && period2 - period1 > 7 * daySeconds) {
    return [
      422,
      'Unprocessable Entity',
      '1m data not available. Only 7 days worth of 1m granularity data are allowed to be fetched per request.',
    ]
  }
  if (reach !== undefined && period1 < now - reach * daySeconds - 3600) {
    const limit = `The requested range must be within the last ${reach} days.`
    return [422, 'Unprocessable Entity', `${interval} data not available for ${window}. ${limit}`]
  }
  if (period2 <= firstTradeEpoch) {
    return [400, 'Bad Request', `Data doesn't exist for startDate = ${period1}, endDate = ${period2}`]
  }
  return null
}

/** Rows of the window, some of them null; while a session runs, the current price comes last, with the time of the trade. */
export function madeUpRows({ session, row }: Instrument, request: ChartRequest, now: number): ChartRow[] {
  if (!session) return []
  const { interval, period1, period2 } = request
  const zone = String(row.exchangeTimezoneName)
  const seconds = intervalSeconds[interval] ?? daySeconds
  const rows: ChartRow[] = []
  const firstDay = Math.floor(Math.max(period1, firstTradeEpoch) / daySeconds) - 1
  for (let day = firstDay; day * daySeconds <= Math.min(period2, now) + daySeconds; day++) {
    if (!isTradingDay(day, session)) continue
    const { start, end } = sessionOf(day, session, zone)
    if (start > now) break
    if (interval === '1d') {
      const running = now < end
      rows.push(day % 29 === 0 ? { time: start } : rowOf(row, start, Math.min(end, now), running ? now : start))
      continue
    }
    for (let time = start; time < end && time <= now; time += seconds) {
      rows.push((time / 60) % 97 === 5 ? { time } : rowOf(row, time, Math.min(time + seconds, end, now), time))
    }
    if (now < end) rows.push({ ...rowOf(row, now, now, now), volume: 0 })
  }
  return rows.filter(({ time }) => time !== null && time >= period1 && time <= period2)
}

function rowOf(row: QuoteRow, start: number, end: number, time: number): ChartRow {
  const open = priceAt(row, start)
  const close = priceAt(row, end)
  const high = Math.fround(Math.max(open, close) * 1.001)
  const low = Math.fround(Math.min(open, close) * 0.999)
  return { time: Math.floor(time), open, high, low, close, volume: 1000 + (Math.floor(time / 60) % 500) * 10 }
}

/** Float32 written as a double, as Yahoo does it: 75.0875015258789. */
function priceAt(row: QuoteRow, epoch: number): number {
  const days = epoch / daySeconds
  const wave = 1 + 0.15 * Math.sin(days / 58) + 0.02 * Math.sin(days * 1.3) + 0.003 * Math.sin(days * 97)
  return Math.fround(Number(row.regularMarketPrice) * wave)
}

export function chartMeta({ session, row }: Instrument, interval: string, now: number): Record<string, unknown> {
  const zone = String(row.exchangeTimezoneName)
  let day = Math.floor((now + offsetSeconds(zone, now)) / daySeconds)
  while (session && !isTradingDay(day, session)) day--
  const regular = session ? sessionOf(day, session, zone) : null
  return {
    currency: row.currency,
    symbol: row.symbol,
    exchangeName: row.exchange,
    fullExchangeName: row.fullExchangeName,
    instrumentType: row.quoteType,
    firstTradeDate: firstTradeEpoch,
    regularMarketTime: Math.floor(regular ? Math.min(now, regular.end) : now),
    gmtoffset: offsetSeconds(zone, now),
    exchangeTimezoneName: zone,
    regularMarketPrice: row.regularMarketPrice,
    priceHint: row.priceHint,
    ...(regular ? { currentTradingPeriod: { regular } } : {}),
    dataGranularity: interval,
  }
}

/** Days are counted from 1970-01-01, a Thursday. */
function isTradingDay(day: number, { days }: Session): boolean {
  const weekday = (day + 4) % 7
  return days === 'all' || (weekday !== 0 && weekday !== 6)
}

function sessionOf(day: number, { opens, closes }: Session, zone: string): { start: number; end: number } {
  const noon = day * daySeconds + 43_200
  const midnight = day * daySeconds - offsetSeconds(zone, noon)
  return { start: midnight + opens, end: midnight + closes }
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** How far the zone's clock is ahead of UTC at that time. */
function offsetSeconds(zone: string, epoch: number): number {
  const format =
    formats.get(zone) ??
    new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset', hour: 'numeric' })
  formats.set(zone, format)
  const name = format.formatToParts(epoch * 1000).find(({ type }) => type === 'timeZoneName')?.value ?? 'GMT'
  const [, sign, hours, minutes] = /GMT([+-])(\d\d):(\d\d)/.exec(name) ?? ['', '+', '0', '0']
  return (sign === '-' ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60)
}
