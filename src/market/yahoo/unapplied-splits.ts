import type { Split } from '../../domain/corporate-action.ts'
import { shortestDecimal } from './float32.ts'
import type { PricedRow } from './rows.ts'

/** A smaller split moves prices no further than a wild day does, so it cannot be told whether it was applied. */
const leastFactor = 1.5
/** The rows speak for one reading of them if the other one takes a move this many times as large, in logarithms. */
const clearly = 3

/**
 * Yahoo sometimes tells of a split before it has divided the prices before it, or divides only some of them. This
 * applies such a split to the rows before its date that lack it: with 1:190 told, 0.019 | 2.51 is a rise of 13,000 per
 * cent if the split was applied, and a fall of 31 per cent if not. Where neither is clear, the rows stay as they are,
 * and `unsure` is called with the row before the split.
 */
export function withSplitsApplied<T extends PricedRow>(
  rows: readonly T[],
  splits: readonly Split[],
  options: {
    dateOf: (epoch: number) => number
    /** Called with the last of the rows that were changed. */
    applied: (row: T) => void
    unsure: (row: T) => void
  },
): readonly T[] {
  if (splits.length === 0) return rows
  const result = [...rows]
  for (const { epoch, numerator, denominator } of splits) {
    const factor = denominator / numerator
    if (Math.abs(Math.log(factor)) < Math.log(leastFactor)) continue
    const first = result.findIndex((row) => options.dateOf(row.epoch) >= epoch)
    const [before, after] = [result[first - 1], result[first]]
    if (!before || !after) continue
    const reading = readingOf(before.close, after, factor)
    if (reading === 'unsure') options.unsure(before)
    if (reading !== 'unapplied') continue
    options.applied(before)
    const adjustedToo = lacksAdjusted(before, after, factor)
    for (let i = first - 1; i >= 0; i--) {
      const [row, next] = [result[i], rows[i + 1]]
      if (!row || (i < first - 1 && next && isApplied(rows[i], next, factor))) break
      result[i] = divided(row, factor, adjustedToo)
    }
  }
  return result
}

/** What the step over a split says, by the open and the close of the first row after it. */
function readingOf(
  close: number,
  { open, close: next }: PricedRow,
  factor: number,
): 'applied' | 'unapplied' | 'unsure' {
  const moves = [open, next].map((price) => Math.log(price / close))
  const ifApplied = Math.max(...moves.map(Math.abs))
  const ifUnapplied = Math.max(...moves.map((move) => Math.abs(move - Math.log(factor))))
  if (!Number.isFinite(ifApplied)) return 'applied'
  if (ifUnapplied * clearly < ifApplied) return 'unapplied'
  return ifApplied < Math.abs(Math.log(factor)) / 2 ? 'applied' : 'unsure'
}

/** Whether the split was applied up to a row, and not from the next one on: the step has its inverse size. */
function isApplied(row: PricedRow | undefined, next: PricedRow, factor: number): boolean {
  if (!row) return false
  const step = Math.log(next.close / row.close)
  return Math.abs(step + Math.log(factor)) < Math.abs(Math.log(factor)) / (clearly + 1)
}

function divided<T extends PricedRow>(row: T, factor: number, adjustedToo: boolean): T {
  const scaled = (price: number): number => shortestDecimal(Math.fround(price * factor))
  const { adjustedClose, volume } = row
  return {
    ...row,
    open: scaled(row.open),
    high: scaled(row.high),
    low: scaled(row.low),
    close: scaled(row.close),
    volume: typeof volume === 'number' ? volume / factor : volume,
    adjustedClose: adjustedToo && typeof adjustedClose === 'number' ? scaled(adjustedClose) : adjustedClose,
  }
}

/** Whether the adjusted closes before a split lack it too: both sides of it are about the same share of their close. */
function lacksAdjusted(before: PricedRow, after: PricedRow, factor: number): boolean {
  const change = Math.log(shareOf(before) / shareOf(after))
  return !(Math.abs(change - Math.log(factor)) < Math.abs(change))
}

const shareOf = ({ adjustedClose, close }: PricedRow): number => Number(adjustedClose) / close
