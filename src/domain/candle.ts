/** Prices of one interval. Columns of one array each would be a third of the bytes; rows are what everybody reads. */
export interface Candle {
  /** Start of the interval in epoch seconds. DAY_1: midnight UTC of the exchange's trading date. */
  readonly epoch: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number | null
  /** false while the interval runs. */
  readonly closed: boolean
}

/** Whether a source's row is a candle at all: four finite prices, and no high below its low. */
export function isUsable(row: { open: unknown; high: unknown; low: unknown; close: unknown }): boolean {
  const { open, high, low, close } = row
  return isFiniteNumber(open) && isFiniteNumber(high) && isFiniteNumber(low) && isFiniteNumber(close) && high >= low
}

const isFiniteNumber = (value: unknown): value is number => Number.isFinite(value)
