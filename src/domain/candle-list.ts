import { inOneStep, type Steps } from './steps.ts'

export const candleColumns = ['epoch', 'open', 'high', 'low', 'close', 'volume'] as const
export type CandleColumn = (typeof candleColumns)[number]

/** Candles of one series, oldest first, to be read by column or one by one. */
export interface CandleList<C> {
  readonly length: number
  /** All of them as objects. Whoever needs columns only should not ask for them. */
  readonly candles: readonly C[]
  /** The same, made in steps. */
  candleSteps(): Steps<readonly C[]>
  epochAt(index: number): number
  slice(from: number, to: number): CandleList<C>
  /** A copy of a column. Unknown volumes are NaN. */
  floats(column: CandleColumn): Float64Array<ArrayBuffer>
  /**
   * The values of a column as JSON, null for an unknown volume: pieces of several values with commas between them. null:
   * it is not at hand.
   */
  json(column: CandleColumn): Steps<readonly string[] | null>
  /** What `remembered` has kept under a name for these very candles. */
  recalled<T extends Sized>(name: string): T | undefined
  /**
   * What `make` returns, or what it returned before for these very candles under the same name. It is given what it
   * returned before some of the candles changed, if that is at hand.
   */
  remembered<T extends Sized>(name: string, make: (earlier?: Earlier<T>) => Steps<T>): Steps<T>
}

/** Something made of a list before it changed. */
export interface Earlier<T> {
  readonly value: T
  /** How many of the first candles have stayed the same, as have those before the list. */
  readonly sameRows: number
}

/** Something that takes memory. */
export interface Sized {
  readonly bytes: number
}

/** How many of the candles start before a time. */
export function countBefore(list: CandleList<unknown>, epoch: number): number {
  let [low, high] = [0, list.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (list.epochAt(middle) < epoch) low = middle + 1
    else high = middle
  }
  return low
}

/** Candles that are objects already. */
export const listOf = <C extends Readonly<Record<CandleColumn, number | null>>>(
  candles: readonly C[],
): CandleList<C> => ({
  length: candles.length,
  candles,
  candleSteps: () => inOneStep(() => candles),
  epochAt: (index) => (candles[index] as C).epoch as number,
  slice: (from, to) => listOf(candles.slice(from, to)),
  floats(column) {
    const floats = new Float64Array(candles.length)
    for (let i = 0; i < floats.length; i++) floats[i] = candles[i]?.[column] ?? Number.NaN
    return floats
  },
  json: () => inOneStep(() => null),
  recalled: () => undefined,
  remembered: (_name, make) => make(),
})
