import { isUsable } from '../domain/candle.ts'
import { tradingDate } from './yahoo-trading-date.ts'

/** A row as Yahoo sent it, checked for nothing but its time. */
export interface Row {
  readonly epoch: number
  readonly open: unknown
  readonly high: unknown
  readonly low: unknown
  readonly close: unknown
  readonly volume: unknown
}

export interface Session {
  /** Epoch seconds. */
  readonly start: number
  readonly end: number
}

/** What places rows in time: all of it from the answer's `meta`. */
export interface MarketHours {
  readonly timezone: string
  /** The regular session that runs, ran last or comes next; null where Yahoo does not say. */
  readonly session: Session | null
  readonly lastTradeEpoch: number | null
}

export type PricedRow = Row & {
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
}

export const hasPrices = (row: Row): row is PricedRow => isUsable(row)

export const volumeOf = (row: Row): number | null => (typeof row.volume === 'number' ? row.volume : null)

/** Oldest first; of rows with the same time the last one wins. */
export function inOrder(rows: readonly Row[]): Row[] {
  const byTime = new Map(rows.map((row) => [row.epoch, row]))
  return [...byTime.values()].sort((a, b) => a.epoch - b.epoch)
}

/** One row for each trading date: the current price, which Yahoo appends with the time of the last trade, goes into its day. */
export function byDate(rows: readonly Row[], { timezone }: MarketHours): Row[] {
  const days = new Map<number, Row>()
  for (const sent of rows) {
    const row = { ...sent, epoch: tradingDate(sent.epoch, timezone) }
    const day = days.get(row.epoch)
    days.set(row.epoch, day ? merged(day, row) : row)
  }
  return [...days.values()]
}

/** Only the last row can be the current price, appended with the time of the last trade instead of an interval's start. */
export function endOnGrid(rows: Row[], hours: MarketHours, seconds: number): Row[] {
  const last = rows.at(-1)
  if (!last) return rows
  const before = rows.at(-2)
  const epoch = gridStart(last, before?.epoch ?? null, hours, seconds)
  const placed = { ...last, epoch }
  if (before?.epoch !== epoch) return [...rows.slice(0, -1), placed]
  return [...rows.slice(0, -2), merged(before, placed)]
}

/**
 * When the interval began that the time lies in. Intervals are counted from the session's start, which need not be a full
 * hour; where that is not known, from the row before.
 */
function gridStart(row: Row, before: number | null, { session, lastTradeEpoch }: MarketHours, seconds: number): number {
  const { epoch } = row
  if (before !== null && epoch - before < seconds) return before
  const inSession = session !== null && epoch >= session.start
  const isAfterBell = inSession && epoch >= session.end
  const isPrice = epoch % 60 !== 0 || epoch === lastTradeEpoch || (isAfterBell && isFlat(row))
  if (!isPrice) return epoch
  // The price after the bell is the close of the session's last candle.
  if (isAfterBell && before !== null && before >= session.start) return before
  const startsSession = inSession && (before === null || before < session.start)
  const anchor = startsSession ? session.start : (before ?? 0)
  return anchor + Math.floor((epoch - anchor) / seconds) * seconds
}

/** Nothing but a price: so looks the row that Yahoo appends after the bell. */
const isFlat = (row: Row): boolean =>
  hasPrices(row) && row.open === row.close && row.high === row.close && row.low === row.close && !row.volume

/** Two rows of one candle, the later one second. An unusable one takes nothing from the other. */
function merged(first: Row, second: Row): Row {
  if (!hasPrices(second)) return first
  if (!hasPrices(first)) return { ...second, epoch: first.epoch }
  const volumes = [volumeOf(first), volumeOf(second)].filter((volume) => volume !== null)
  return {
    epoch: first.epoch,
    open: first.open,
    high: Math.max(first.high, second.high),
    low: Math.min(first.low, second.low),
    close: second.close,
    // Each row has the volume so far, or 0 for a mere price.
    volume: volumes.length > 0 ? Math.max(...volumes) : null,
  }
}
