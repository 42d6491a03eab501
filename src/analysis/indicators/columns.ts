import type { Candle } from '../../domain/candle.ts'
import { type CandleColumn, type CandleList, listOf } from '../../domain/candle-list.ts'
import { finished, inOneStep, inParts, type Steps } from '../../domain/steps.ts'
import { placesPerStep } from './windows.ts'

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
export const joinedColumns = (lists: readonly CandleList<unknown>[]): Columns => finished(joinedInSteps(lists))

export function* joinedInSteps(lists: readonly CandleList<unknown>[]): Steps<Columns> {
  const column = (name: CandleColumn): Float64Array => {
    if (lists.length === 1) return (lists[0] as CandleList<unknown>).floats(name)
    const joined = new Float64Array(lists.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const list of lists) {
      joined.set(list.floats(name), at)
      at += list.length
    }
    return joined
  }
  return {
    epoch: yield* inOneStep(() => column('epoch')),
    open: yield* inOneStep(() => column('open')),
    high: yield* inOneStep(() => column('high')),
    low: yield* inOneStep(() => column('low')),
    close: yield* inOneStep(() => column('close')),
    volume: yield* inOneStep(() => column('volume')),
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
export function* prices({ open, high, low, close }: Columns, field: PriceField): Steps<Float64Array> {
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
      return yield* meansOf(high, low)
    case 'HLC3':
      return yield* meansOf(high, low, close)
    case 'OHLC4':
      return yield* meansOf(open, high, low, close)
  }
}

function* meansOf(...columns: Float64Array[]): Steps<Float64Array> {
  const means = new Float64Array(columns[0]?.length ?? 0)
  let power = 1
  yield* inParts(0, means.length, placesPerStep, (from, to) => {
    power = meansInto(means, columns, power, from, to)
  })
  return means
}

/** `power`: the one of the mean before `from`. Returns that of the mean before `to`. */
function meansInto(means: Float64Array, columns: readonly Float64Array[], power: number, from: number, to: number) {
  for (const column of columns) for (let i = from; i < to; i++) means[i] = (means[i] as number) + (column[i] as number)
  for (let i = from; i < to; i++) {
    const mean = (means[i] as number) / columns.length
    if (!hasDigits(mean * power)) power = powerFor(mean)
    means[i] = rounded(mean, power)
  }
  return power
}

const digits = 14
const [least, most] = [10 ** (digits - 1), 10 ** digits]
/** Powers of ten that are exact. */
const powers = Float64Array.from({ length: 23 }, (_, power) => Number(`1e${power}`))

/** Whether so many digits are before the point. */
const hasDigits = (scaled: number): boolean => Math.abs(scaled) > least + 1 && Math.abs(scaled) < most - 1

/** By how much a number has to be multiplied for that; NaN if there is no exact power of ten for it. */
const powerFor = (value: number): number => powers[digits - 1 - Math.floor(Math.log10(Math.abs(value)))] ?? Number.NaN

/**
 * Rounds to 14 digits, as toPrecision does by way of text, which takes fifty times as long. The quotient of whole number and
 * power is the double that the decimal is read as, because both are exact.
 */
function rounded(value: number, power: number): number {
  const scaled = value * power
  const whole = Math.round(scaled)
  // Near a half, the rounding of the product may decide.
  const isSure = hasDigits(scaled) && Math.abs(scaled - whole) < 0.48
  return isSure ? whole / power : Number(value.toPrecision(digits))
}
