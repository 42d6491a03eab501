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

/** Whether a candle can be true: finite prices above nothing at all, and the others within high and low. */
export function isUsable(candle: { open: unknown; high: unknown; low: unknown; close: unknown }): boolean {
  const { open, high, low, close } = candle
  if (!isNumber(open) || !isNumber(high) || !isNumber(low) || !isNumber(close)) return false
  return high >= low && open >= low && open <= high && close >= low && close <= high
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
