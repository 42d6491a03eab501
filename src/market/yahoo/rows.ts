import { isUsable } from '../../domain/candle.ts'
import { dailyDates } from '../../domain/sessions/session-dates.ts'
import { clockTime } from '../../domain/time/exchange-clock.ts'
import { tradingDate, tradingDates } from '../../domain/time/trading-date.ts'
import { daySeconds, hourSeconds } from '../../domain/time/units.ts'
import type { Nonsense } from '../quarantine.ts'
import { type DatedSession, type MarketHours, regularSessions } from './hours.ts'

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

/** How far, as a share of the price, rounding may put the open or the close outside of the range. */
const rounding = 1e-6

/** The rows whose prices can be true by themselves: four prices, positive unless the instrument is a future. */
export function credible<T extends Row>(
  rows: readonly T[],
  { mayBeNegative, leaveOut }: { mayBeNegative: boolean; leaveOut: LeaveOut },
): (T & PricedRow)[] {
  const good: (T & PricedRow)[] = []
  for (const row of rows) {
    if (!hasPrices(row)) leaveOut(isReversed(row) ? 'high below low' : 'no price', row)
    else if (!mayBeNegative && Math.min(row.open, row.low, row.close) <= 0) leaveOut('negative price', row)
    else if (Math.min(row.open, row.close) >= row.low && Math.max(row.open, row.close) <= row.high) good.push(row)
    else {
      // Which of the four prices is wrong cannot be known, so a wider range could be invented.
      const whole = inRange(row)
      if (whole) good.push(whole)
      else leaveOut('outside its range', row)
    }
  }
  return good
}

/** The row with a range that holds its open and close, if only rounding puts them outside; else null. */
function inRange<T extends PricedRow>(row: T): T | null {
  const high = Math.max(row.open, row.high, row.close)
  const low = Math.min(row.open, row.low, row.close)
  const slack = rounding * Math.abs(row.close)
  return high - row.high <= slack && row.low - low <= slack ? { ...row, high, low } : null
}

/** A price this many times another one of its session, or its inverse, is a jump. */
const jump = 10
/** How many rows in a row have to agree before a jump is believed. */
const agreeing = 3

/**
 * The rows that can be true beside those before them: none ten times that of the row before in the same session, unless
 * three rows in a row agree.
 */
export function withoutJumps<T extends PricedRow>(
  rows: readonly T[],
  { sessionOf, leaveOut }: { sessionOf: (epoch: number) => number; leaveOut: LeaveOut },
): T[] {
  const good: T[] = []
  let doubtful: T[] = []
  const settle = (): void => {
    for (const row of doubtful) leaveOut('price jump', row)
    doubtful = []
  }
  for (const row of rows) {
    const last = good.at(-1)
    // Looked up last: it costs more than all the rest.
    if (!last || !isJump(last.close, row) || sessionOf(last.epoch) !== sessionOf(row.epoch)) {
      settle()
      good.push(row)
      continue
    }
    const [first] = doubtful
    if (first && isJump(first.close, row)) settle()
    doubtful.push(row)
    if (doubtful.length < agreeing) continue
    good.push(...doubtful)
    doubtful = []
  }
  settle()
  return good
}

/**
 * Yahoo sends rows of a share quoted in pence in pounds, or the other way round: 100 times less or more. With the moves
 * of a day, that is a factor of 60 to 160.
 */
const leastUnit = 60
const mostUnit = 160

/**
 * Leaves out rows in another unit than those around them: they step away from the price by a factor of about 100, and
 * the row after them steps back. However long, such a block is no price; a crash or rise that stays has no step back.
 * The last rows, after which no row can tell yet, are left out until three agree and the current price does not
 * contradict them; `doubtfulFrom` is when they begin.
 *
 * `closeBefore`: the close before the first row. `currentPrice`: that of the last row's date. null: unknown.
 */
export function inOneUnit<T extends PricedRow>(
  rows: readonly T[],
  options: { closeBefore: number | null; currentPrice: number | null; leaveOut: LeaveOut },
): { rows: readonly T[]; doubtfulFrom: number | null } {
  const { currentPrice, leaveOut } = options
  let close = options.closeBefore
  let at = 0
  while (at < rows.length && !isOtherUnit(close, rows[at])) close = rows[at++]?.close ?? null
  if (at === rows.length) return { rows, doubtfulFrom: null }

  const good = rows.slice(0, at)
  const settleUpTo = (end: number): void => {
    for (const row of rows.slice(at, end)) leaveOut('another unit', row)
    at = end
  }
  while (at < rows.length) {
    const row = rows[at]
    if (!row) break
    if (isOtherUnit(close, row)) {
      const back = stepBack(rows, at, close)
      if (back !== null) {
        settleUpTo(back)
        continue
      }
      if (rows.length - at < agreeing || isContradicted(currentPrice, close, rows.at(-1))) {
        const doubtfulFrom = row.epoch
        settleUpTo(rows.length)
        return { rows: good, doubtfulFrom }
      }
    }
    good.push(row)
    close = row.close
    at++
  }
  return { rows: good, doubtfulFrom: null }
}

/** Whether the current price is in the unit of the close before a block of rows, and the last of them is in another. */
const isContradicted = (currentPrice: number | null, close: number | null, last: PricedRow | undefined): boolean =>
  currentPrice !== null && close !== null && !isFar(currentPrice / close) && isOtherUnit(currentPrice, last)

/** The first row after `start` that is back at `close` by one step; null: none. */
function stepBack(rows: readonly PricedRow[], start: number, close: number | null): number | null {
  if (close === null) return null
  // Rows with a close in the right unit, and another price in the wrong one.
  let isCloseRight = true
  for (let i = start + 1; i < rows.length; i++) {
    const [before, row] = [rows[i - 1], rows[i]]
    if (!before || !row) break
    isCloseRight &&= !isFar(before.close / close)
    // A price that comes back little by little was a price.
    if (!isJump(close, row) && (isCloseRight || isOtherUnit(before.close, row))) return i
  }
  return null
}

/** Whether any price of the row is about 100 times the close before, or a hundredth of it. */
function isOtherUnit(close: number | null, row: PricedRow | undefined): boolean {
  if (close === null || row === undefined) return false
  // Almost always true, and cheap.
  if (row.high < close * leastUnit && row.low * leastUnit > close) return false
  return isFactor(row.high / close) || isFactor(row.low / close) || isFactor(row.close / close)
}

const isFactor = (ratio: number): boolean =>
  (ratio >= leastUnit && ratio <= mostUnit) || (ratio <= 1 / leastUnit && ratio >= 1 / mostUnit)

const isReversed = ({ high, low }: Row): boolean =>
  Number.isFinite(high) && Number.isFinite(low) && Number(high) < Number(low)

const isJump = (close: number, { open, high, low, close: next }: PricedRow): boolean =>
  [open, high, low, next].some((price) => isFar(price / close))

/** Zero and prices of both signs are not compared. */
const isFar = (ratio: number): boolean => Number.isFinite(ratio) && (ratio >= jump || (ratio > 0 && ratio <= 1 / jump))

/** Where clocks are put forward at midnight, Yahoo stamps some days with a full hour from here on of the evening before. */
const eveningSeconds = 22 * hourSeconds

/**
 * The trading dates of daily rows or events. A full hour late in the evening means the midnight that follows, and a
 * session that begins then is of that date anyway.
 */
export function rowDates(hours: Pick<MarketHours, 'timezone' | 'exchange'>): (epoch: number) => number {
  const dateOf = dailyDates(hours)
  return (epoch) => {
    const clock = clockTime(epoch, hours.timezone)
    const date = Math.floor(clock / daySeconds) * daySeconds
    const isEvening = clock - date >= eveningSeconds && clock % hourSeconds === 0
    return isEvening ? date + daySeconds : dateOf(epoch, date)
  }
}

/**
 * Moves each row to its trading date, including the current price, which Yahoo appends with the time of the last trade.
 */
export function onDates(rows: readonly Row[], hours: MarketHours): PlacedRow[] {
  const [dateOf, dateOnClock] = [rowDates(hours), dailyDates(hours)]
  const placed = rows.map((row) => placedAt(dateOf(row.epoch), row))
  const [before, last] = [rows.at(-2), rows.at(-1)]
  if (last === undefined || last.epoch !== hours.lastTradeEpoch) return placed
  // The last trade may have been at a full hour by chance, unless the row before it has such a time, too.
  if (before !== undefined && dateOf(before.epoch) !== dateOnClock(before.epoch)) return placed
  return [...placed.slice(0, -1), placedAt(dateOnClock(last.epoch), last)]
}

/** Written out, since spreading some thousand rows takes several times as long. */
const placedAt = (
  epoch: number,
  { epoch: sentEpoch, open, high, low, close, volume, adjustedClose }: Row,
): PlacedRow => ({
  epoch,
  open,
  high,
  low,
  close,
  volume,
  adjustedClose,
  sentEpoch,
})

/**
 * Moves each row to the start of its interval. Only the last row can be the current price, which Yahoo appends with the
 * time of the last trade instead. In any session the price after the bell is the close of the last candle.
 */
export function onGrid(rows: readonly Row[], hours: MarketHours, seconds: number): PlacedRow[] {
  const dateOf = tradingDates(hours.timezone)
  // With the hours after the session, the price after the bell is one of theirs.
  const sessionOf = hours.periods.length === 1 ? regularSessions(hours) : () => null
  const placed: PlacedRow[] = []
  for (const [i, row] of rows.entries()) {
    const next = rows[i + 1]
    const before = placed.at(-1)?.epoch ?? null
    let epoch = next ? Math.floor(row.epoch / 60) * 60 : gridStart(row, before, hours, seconds)
    // Looked up only for the few rows that may need it.
    const session = isFlat(row) ? sessionOf(dateOf(row.epoch)) : null
    if (session && row.epoch >= session.end) {
      const isLastOfDate = !next || dateOf(next.epoch) !== dateOf(row.epoch)
      epoch = lastOfSession(session, before, { seconds, isLastOfDate }) ?? epoch
    }
    placed.push(placedAt(epoch, row))
  }
  return placed
}

/** The start of a session's last candle; null: the rows show that the session goes on after its supposed end. */
function lastOfSession(
  { start, end, isSupposed }: DatedSession,
  before: number | null,
  { seconds, isLastOfDate }: { seconds: number; isLastOfDate: boolean },
): number | null {
  if (before !== null && before >= end) return null
  // A half day is no measure for other dates, on which there may be rows without a trade at that time.
  if (isSupposed && !isLastOfDate) return null
  if (before !== null && before >= start) return before
  return end - seconds + ((((start - end) % seconds) + seconds) % seconds)
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
  // A candle of the closing auction, which stays one when trades have come after it.
  const isAuction = isAfterBell && !isFlat(row)
  if (epoch % 60 === 0 && (epoch !== lastTradeEpoch || isAuction) && !looksAppended) return epoch
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
  const [known, next] = [volumeOf(first), volumeOf(second)]
  // Each row has the volume so far; a bare price has none or 0, and says nothing about it.
  const isUnknown = known === null || (next === null && !isFlat(second))
  return {
    ...second,
    open: first.open,
    high: Math.max(first.high, second.high),
    low: Math.min(first.low, second.low),
    volume: isUnknown ? null : Math.max(known, next ?? 0),
  }
}
