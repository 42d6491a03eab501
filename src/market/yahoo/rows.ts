import { isUsable } from '../../domain/candle.ts'
import { tradingDate } from '../../domain/time/trading-date.ts'
import type { Nonsense } from '../quarantine.ts'
import type { MarketHours } from './hours.ts'

/** A row as Yahoo sent it; only its time is checked. */
export interface Row {
  readonly epoch: number
  readonly open: unknown
  readonly high: unknown
  readonly low: unknown
  readonly close: unknown
  readonly volume: unknown
  readonly adjustedClose: unknown
}

/** A row moved to the start of its interval. */
export type PlacedRow = Row & { readonly sentEpoch: number }

export type PricedRow = Row & {
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
}

const hasPrices = <T extends Row>(row: T): row is T & PricedRow => isUsable(row)

/** Zero is a valid volume. */
export const volumeOf = ({ volume }: Row): number | null =>
  typeof volume === 'number' && Number.isFinite(volume) && volume >= 0 ? volume : null

export const adjustedCloseOf = ({ adjustedClose }: Row): number | null =>
  typeof adjustedClose === 'number' && Number.isFinite(adjustedClose) ? adjustedClose : null

type LeaveOut = (reason: Nonsense, row: Row) => void

/**
 * Drops rows that go back in time. Of all ways to order the times, it keeps the one that drops the fewest rows, so that
 * a single time far ahead does not cost all rows after it.
 */
export function inOrder(rows: readonly Row[], leaveOut: (row: Row) => void): readonly Row[] {
  if (rows.every(({ epoch }, i) => epoch >= (rows[i - 1]?.epoch ?? epoch))) return rows
  // Patience sorting: rows of the first pile begin a run, and each row of a further pile can follow one of the pile
  // before.
  const piles: { epoch: number; index: number }[][] = []
  for (const [index, { epoch }] of rows.entries()) {
    const at = firstPileBeyond(piles, epoch)
    const pile = piles[at]
    if (pile) pile.push({ epoch, index })
    else piles.push([{ epoch, index }])
  }
  const kept = new Set<number>()
  let next = { epoch: Number.POSITIVE_INFINITY, index: rows.length }
  for (const pile of piles.reverse()) {
    // Among the rows that fit, the one that came first.
    next = pile.find(({ epoch, index }) => epoch <= next.epoch && index < next.index) ?? next
    kept.add(next.index)
  }
  for (const [index, row] of rows.entries()) if (!kept.has(index)) leaveOut(row)
  return rows.filter((_, index) => kept.has(index))
}

/** The tops of the piles are ordered by time. */
function firstPileBeyond(piles: readonly { epoch: number }[][], epoch: number): number {
  let [low, high] = [0, piles.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((piles[middle]?.at(-1)?.epoch ?? 0) > epoch) high = middle
    else low = middle + 1
  }
  return low
}

/** A price this many times another one of its session, or its inverse, is a jump. */
const jump = 10
/** How many rows in a row have to agree before a jump is believed. */
const agreeing = 3

/**
 * The rows that can be true: four prices, positive unless the instrument is a future, and none ten times that of the
 * row before in the same session, unless three rows in a row agree.
 */
export function usable<T extends Row>(
  rows: readonly T[],
  options: { mayBeNegative: boolean; sessionOf: (epoch: number) => number; leaveOut: LeaveOut },
): (T & PricedRow)[] {
  const { mayBeNegative, sessionOf, leaveOut } = options
  const good: (T & PricedRow)[] = []
  let doubtful: (T & PricedRow)[] = []
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

const isReversed = ({ high, low }: Row): boolean =>
  Number.isFinite(high) && Number.isFinite(low) && Number(high) < Number(low)

/** Compares each price of the row with the close of the other. Zero and prices of both signs are not compared. */
const isJump = ({ close }: PricedRow, { open, high, low, close: next }: PricedRow): boolean =>
  [open, high, low, next].some((price) => {
    const ratio = price / close
    return Number.isFinite(ratio) && (ratio >= jump || (ratio > 0 && ratio <= 1 / jump))
  })

/**
 * Moves each row to its trading date, including the current price, which Yahoo appends with the time of the last trade.
 */
export const onDates = (rows: readonly Row[], timezone: string): PlacedRow[] =>
  rows.map((row) => ({ ...row, epoch: tradingDate(row.epoch, timezone), sentEpoch: row.epoch }))

/**
 * Only the last row can be the current price, which Yahoo appends with the time of the last trade instead of an
 * interval's start.
 */
export function onGrid(rows: readonly Row[], hours: MarketHours, seconds: number): PlacedRow[] {
  const placed = rows.map((row) => ({ ...row, epoch: Math.floor(row.epoch / 60) * 60, sentEpoch: row.epoch }))
  const last = rows.at(-1)
  if (!last) return []
  const epoch = gridStart(last, placed.at(-2)?.epoch ?? null, hours, seconds)
  return [...placed.slice(0, -1), { ...last, epoch, sentEpoch: last.epoch }]
}

/**
 * The start of the interval that contains the time. Intervals count from the start of their period, which need not be a
 * full hour; if that is unknown, from the row before.
 */
function gridStart(row: Row, before: number | null, hours: MarketHours, seconds: number): number {
  const { epoch } = row
  const { timezone, periods, lastTradeEpoch } = hours
  const period = periods.findLast(({ start }) => epoch >= start)
  const isHistory = periods.length > 0 && period === undefined
  const isAfterBell = period !== undefined && epoch >= period.end
  const startsPeriod = period !== undefined && (before === null || before < period.start)
  const isWithinLast = before !== null && epoch - before < seconds && !startsPeriod
  const looksAppended = !isHistory && (isWithinLast || isAfterBell) && isFlat(row)
  if (epoch % 60 === 0 && epoch !== lastTradeEpoch && !looksAppended) return epoch
  if (isWithinLast) return before
  // A price after the bell, of this session or the one before, is the close of that session's last candle.
  const isOutOfHours = isAfterBell || isHistory
  if (isOutOfHours && before !== null && tradingDate(before, timezone) === tradingDate(epoch, timezone)) return before
  const anchor = startsPeriod ? period.start : (before ?? 0)
  return anchor + Math.floor((epoch - anchor) / seconds) * seconds
}

/** A bare price: the row that Yahoo appends looks like this. */
const isFlat = (row: Row): boolean =>
  hasPrices(row) && row.open === row.close && row.high === row.close && row.low === row.close && !row.volume

/**
 * One row for each time. Of several rows for the same time the last wins; the current price is merged into its candle.
 */
export function joined<T extends PricedRow & PlacedRow>(rows: readonly T[]): T[] {
  const found: T[] = []
  for (const row of rows) {
    const last = found.at(-1)
    if (last?.epoch !== row.epoch) found.push(row)
    else found[found.length - 1] = last.sentEpoch === row.sentEpoch ? row : merged(last, row)
  }
  return found
}

function merged<T extends PricedRow>(first: T, second: T): T {
  const volumes = [volumeOf(first), volumeOf(second)].filter((volume) => volume !== null)
  return {
    ...second,
    open: first.open,
    high: Math.max(first.high, second.high),
    low: Math.min(first.low, second.low),
    // Each row has the volume so far, or 0 for a bare price.
    volume: volumes.length > 0 ? Math.max(...volumes) : null,
  }
}
