import type { Candle } from '../../domain/candle.ts'
import { type CandleColumn, type CandleList, listOf } from '../../domain/candle-list.ts'

/** Candles by column, oldest first. Unknown volumes are NaN; everything else is finite. */
export interface Columns {
  /** Start of each candle in epoch seconds. */
  readonly epoch: Float64Array
  readonly open: Float64Array
  readonly high: Float64Array
  readonly low: Float64Array
  readonly close: Float64Array
  readonly volume: Float64Array
}

/** The price of a candle that goes into an indicator. */
export const priceFields = ['OPEN', 'HIGH', 'LOW', 'CLOSE', 'HL2', 'HLC3', 'OHLC4'] as const
export type PriceField = (typeof priceFields)[number]

/** The columns of several lists that follow each other. */
export function joinedColumns(lists: readonly CandleList<unknown>[]): Columns {
  const column = (name: CandleColumn): Float64Array => {
    const joined = new Float64Array(lists.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const list of lists) {
      joined.set(list.floats(name), at)
      at += list.length
    }
    return joined
  }
  return {
    epoch: column('epoch'),
    open: column('open'),
    high: column('high'),
    low: column('low'),
    close: column('close'),
    volume: column('volume'),
  }
}

export const toColumns = (candles: readonly Candle[]): Columns => joinedColumns([listOf(candles)])

/** The newest `count` candles, or all if there are fewer. */
export function newest({ epoch, open, high, low, close, volume }: Columns, count: number): Columns {
  const from = Math.max(0, epoch.length - count)
  return {
    epoch: epoch.subarray(from),
    open: open.subarray(from),
    high: high.subarray(from),
    low: low.subarray(from),
    close: close.subarray(from),
    volume: volume.subarray(from),
  }
}

/**
 * HL2, HLC3, OHLC4: the mean of high and low (and close) (and open). It is rounded to 14 digits: quotes are decimals,
 * which doubles only approximate, and candles whose prices have the same sum must have the same mean.
 */
export function prices({ open, high, low, close }: Columns, field: PriceField): Float64Array {
  const mean = (...columns: Float64Array[]): Float64Array =>
    close.map((_, i) => {
      const sum = columns.reduce((sum, column) => sum + (column[i] as number), 0)
      return Number((sum / columns.length).toPrecision(14))
    })
  switch (field) {
    case 'OPEN':
      return open
    case 'HIGH':
      return high
    case 'LOW':
      return low
    case 'CLOSE':
      return close
    case 'HL2':
      return mean(high, low)
    case 'HLC3':
      return mean(high, low, close)
    case 'OHLC4':
      return mean(open, high, low, close)
  }
}
