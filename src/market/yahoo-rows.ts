import { isUsable } from '../domain/candle.ts'
import type { Nonsense } from './quarantine.ts'
import type { MarketHours } from './yahoo-hours.ts'
import { tradingDate } from './yahoo-trading-date.ts'

/** A row as Yahoo sent it, checked for nothing but its time. */
export interface Row {
  readonly epoch: number
  readonly open: unknown
  readonly high: unknown
  readonly low: unknown
  readonly close: unknown
  readonly volume: unknown
  readonly adjustedClose: unknown
}

export type PricedRow = Row & {
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
}

export const hasPrices = (row: Row): row is PricedRow => isUsable(row)

/** Zero is a volume. */
export const volumeOf = ({ volume }: Row): number | null =>
  typeof volume === 'number' && Number.isFinite(volume) && volume >= 0 ? volume : null

export const adjustedCloseOf = ({ adjustedClose }: Row): number | null =>
  typeof adjustedClose === 'number' && Number.isFinite(adjustedClose) ? adjustedClose : null

type LeaveOut = (reason: Nonsense, row: Row) => void

/** Without those that go back in time; of rows with the same time the last one wins. */
export function inOrder(rows: readonly Row[], leaveOut: LeaveOut): Row[] {
  const ordered: Row[] = []
  for (const row of rows) {
    const last = ordered.at(-1)
    if (last && row.epoch < last.epoch) leaveOut('time backwards', row)
    else if (last?.epoch === row.epoch) ordered[ordered.length - 1] = row
    else ordered.push(row)
  }
  return ordered
}

/** A price is as much of a jump from another of its session, up or down. */
const jump = 10
/** So many rows in a row have to agree before a jump is believed. */
const agreeing = 3

/**
 * The rows that can be true: with four prices, positive ones where the instrument is no future, and none ten times that of
 * the row before in the same session, unless three rows in a row say so.
 */
export function usable(
  rows: readonly Row[],
  options: { mayBeNegative: boolean; sessionOf: (epoch: number) => number; leaveOut: LeaveOut },
): PricedRow[] {
  const { mayBeNegative, sessionOf, leaveOut } = options
  const good: PricedRow[] = []
  let doubtful: PricedRow[] = []
  const settle = (): void => {
    for (const row of doubtful) leaveOut('price jump', row)
    doubtful = []
  }
  for (const row of rows) {
    if (!hasPrices(row)) leaveOut(isReversed(row) ? 'high below low' : 'no price', row)
    else if (!mayBeNegative && Math.min(row.open, row.low, row.close) <= 0) leaveOut('negative price', row)
    else {
      const last = good.at(-1)
      // Looked up last: it costs more than all the rest.
      if (!last || !isJump(last, row) || sessionOf(last.epoch) !== sessionOf(row.epoch)) {
        settle()
        good.push(row)
        continue
      }
      const [first] = doubtful
      if (first && isJump(first, row)) settle()
      doubtful.push(row)
      if (doubtful.length < agreeing) continue
      good.push(...doubtful)
      doubtful = []
    }
  }
  settle()
  return good
}

const isReversed = ({ high, low }: Row): boolean => typeof high === 'number' && typeof low === 'number' && high < low

/** Any price of the row, beside the close of the other. Prices of both signs are not compared. */
const isJump = ({ close }: PricedRow, { open, high, low, close: next }: PricedRow): boolean =>
  [open, high, low, next].some((price) => {
    const ratio = price / close
    return ratio >= jump || (ratio > 0 && ratio <= 1 / jump)
  })

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
    ...second,
    epoch: first.epoch,
    open: first.open,
    high: Math.max(first.high, second.high),
    low: Math.min(first.low, second.low),
    // Each row has the volume so far, or 0 for a mere price.
    volume: volumes.length > 0 ? Math.max(...volumes) : null,
  }
}
