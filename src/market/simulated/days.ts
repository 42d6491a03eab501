import { LRUCache } from 'lru-cache'
import { at, type Bar } from './bars.ts'
import type { SimulatedInstrument } from './instruments/instruments.ts'
import type { SimulatedPaths } from './paths.ts'
import type { TradingHours } from './trading-hours.ts'
import { dayVolume } from './volumes.ts'
import { type DayPath, dayMinutes, type LogRange, markAt, widen } from './walks/day-path.ts'
import { blockDays, blockOf, firstDay } from './walks/walks.ts'

const blocksKept = 10_000
const columns = 5
/** No exchange was ever closed for so long between two sessions. */
const longestPauseDays = 60

export interface SimulatedDays {
  /** The complete bar of a trading date, even if it is not over; null: closed. The day is `firstDay` or later. */
  bar(of: SimulatedInstrument, day: number): Bar | null
  /** The same, without the days around it. */
  single(of: SimulatedInstrument, day: number): Bar | null
  /** The close before a day, in price steps; before the first day, the starting price. */
  previousClose(of: SimulatedInstrument, day: number): number
  /** Highest high and lowest low of the days in [from, to); null: there are none. */
  extremes(of: SimulatedInstrument, from: number, to: number): { high: number; low: number } | null
}

/** The trading days of all instruments, in blocks that are built when a day of them is first asked for. */
export function simulatedDays(
  paths: SimulatedPaths,
  hoursOf: (of: SimulatedInstrument) => TradingHours,
): SimulatedDays {
  const blocks = new LRUCache<string, Float64Array>({ max: blocksKept })

  function rowsOf(of: SimulatedInstrument, block: number): Float64Array {
    const key = keyOf(of, block)
    const kept = blocks.get(key)
    if (kept) return kept
    const built = new Float64Array(blockDays * columns)
    const hours = hoursOf(of)
    const start = firstDay + block * blockDays
    paths.eachDay(of, start, start + blockDays, (path, day, before) => {
      const range = rangeOf(hours, day, path, before, undefined)
      const row = (day - start) * columns
      if (range) {
        built[row] = priceOf(range.open)
        built[row + 1] = priceOf(range.high)
        built[row + 2] = priceOf(range.low)
        built[row + 3] = priceOf(range.close)
        built[row + 4] = dayVolume(of, day, path.events)
      } else built.fill(Number.NaN, row, row + columns)
    })
    blocks.set(key, built)
    return built
  }

  function bar(of: SimulatedInstrument, day: number): Bar | null {
    const rows = rowsOf(of, blockOf(day))
    const row = ((day - firstDay) % blockDays) * columns
    const open = at(rows, row)
    if (Number.isNaN(open)) return null
    return {
      open,
      high: at(rows, row + 1),
      low: at(rows, row + 2),
      close: at(rows, row + 3),
      volume: at(rows, row + 4),
    }
  }

  function single(of: SimulatedInstrument, day: number): Bar | null {
    if (blocks.has(keyOf(of, blockOf(day)))) return bar(of, day)
    const path = paths.of(of, day)
    const range = rangeOf(hoursOf(of), day, path, () => paths.of(of, Math.max(firstDay, day - 1)), undefined)
    if (!range) return null
    const { open, high, low, close } = range
    const volume = dayVolume(of, day, path.events)
    return { open: priceOf(open), high: priceOf(high), low: priceOf(low), close: priceOf(close), volume }
  }

  function previousClose(of: SimulatedInstrument, day: number): number {
    const hours = hoursOf(of)
    for (let before = day - 1; before >= Math.max(firstDay, day - longestPauseDays); before--) {
      const closes = hours.on(before)?.regular.at(-1)?.to
      if (closes === undefined) continue
      return priceOf(markAt(paths.of(of, before), closes - before * dayMinutes))
    }
    return priceOf(paths.startOf(of))
  }

  function extremes(of: SimulatedInstrument, from: number, to: number) {
    const hours = hoursOf(of)
    // Days within the range of those before them cost little: their minutes are not looked at.
    let range: LogRange | undefined
    paths.eachDay(of, Math.max(from, firstDay), to, (path, day, before) => {
      range = rangeOf(hours, day, path, before, range) ?? range
    })
    return range ? { high: priceOf(range.high), low: priceOf(range.low) } : null
  }

  return { bar, single, previousClose, extremes }
}

const keyOf = (of: SimulatedInstrument, block: number): string => `${of.instrument.symbol}:${block}`

/** A price in whole steps from its logarithm. */
export const priceOf = (logarithm: number): number => Math.max(1, Math.round(Math.exp(logarithm)))

/**
 * The range of a date's regular hours, which lie on its own day and the one before (UTC), or another one widened by it;
 * null: closed.
 */
function rangeOf(
  hours: TradingHours,
  day: number,
  path: DayPath,
  before: () => DayPath,
  wider: LogRange | undefined,
): LogRange | null {
  const tradingDay = hours.on(day)
  if (!tradingDay) return null
  let range = wider
  for (const { from, to } of tradingDay.regular) {
    const start = day * dayMinutes
    if (from < start) range = widened(before(), from - start + dayMinutes, Math.min(to - start, 0) + dayMinutes, range)
    if (to > start) range = widened(path, Math.max(0, from - start), to - start, range)
  }
  return range ?? null
}

/** A range, or a new one, with the minutes [from, to) of a day. */
export function widened(path: DayPath, from: number, to: number, range: LogRange | undefined): LogRange {
  const open = markAt(path, from)
  const wider = range ?? { open, high: open, low: open, close: open }
  if (open > wider.high) wider.high = open
  if (open < wider.low) wider.low = open
  widen(path, from, to, wider)
  return wider
}
