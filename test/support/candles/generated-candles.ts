import type { Columns } from '../../../src/analysis/indicators/columns.ts'

/** Numbers from 0 to 1, the same on every run. */
export function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const start = Date.UTC(2020, 0, 1) / 1000
const daySeconds = 86_400

/**
 * Candles a day apart that open at the close before them. Their shadows are up to `shadow` of the price; volumes are up to a
 * million, and whole.
 */
export function candlesOf(closes: readonly number[], seed = 1, shadow = 0.01): Columns {
  const random = randomNumbers(seed)
  const close = Float64Array.from(closes)
  const open = close.map((price, i) => close[i - 1] ?? price)
  const reach = (price: number): number => Math.abs(price) * shadow * random()
  return {
    epoch: close.map((_, i) => start + i * daySeconds),
    open,
    high: close.map((price, i) => Math.max(price, open[i] as number) + reach(price)),
    low: close.map((price, i) => Math.min(price, open[i] as number) - reach(price)),
    close,
    volume: close.map(() => Math.round(random() * 1e6)),
  }
}

/** Closes of which each is `step` of the one before. */
function closes(length: number, from: number, step: (price: number, i: number) => number): number[] {
  const all: number[] = []
  for (let i = 0; i < length; i++) all.push(i === 0 ? from : step(all[i - 1] as number, i))
  return all
}

/** Closes that walk at random, one step in five without a change. */
function walk(length: number, seed: number, from = 100, volatility = 0.02): number[] {
  const random = randomNumbers(seed)
  return closes(length, from, (price) => (random() < 0.2 ? price : price * (1 + volatility * (random() - 0.5))))
}

/** All prices rounded to so many decimals, as exchanges quote them. */
function quoted(candles: Columns, decimals: number): Columns {
  const round = (column: Float64Array): Float64Array => column.map((price) => Number(price.toFixed(decimals)))
  const { open, high, low, close } = candles
  return { ...candles, open: round(open), high: round(high), low: round(low), close: round(close) }
}

const falling = (length: number, from: number, to: number, seed: number): number[] => {
  const random = randomNumbers(seed)
  const step = (to / from) ** (1 / (length - 1))
  return Array.from({ length }, (_, i) => from * step ** i * (1 + 0.01 * random()))
}

/** Every volume that is at one of these places unknown. */
export function withUnknownVolumes(candles: Columns, places: readonly number[]): Columns {
  return { ...candles, volume: candles.volume.map((volume, i) => (places.includes(i) ? Number.NaN : volume)) }
}

/** Kinds of series that trouble indicators, each of any length and the same for the same seed. */
export const candleKinds: Readonly<Record<string, (length: number, seed: number) => Columns>> = {
  'that walk at random': (length, seed) => candlesOf(walk(length, seed), seed),
  'quoted in cents, which often tie': (length, seed) => quoted(candlesOf(walk(length, seed, 5, 0.01), seed, 0.004), 2),
  'exactly flat': (length) => candlesOf(Array<number>(length).fill(0.1), 1, 0),
  'flat but for one step up': (length) =>
    candlesOf(
      closes(length, 7, (_, i) => (i < length / 4 ? 7 : 7.7)),
      1,
      0,
    ),
  'flat after a walk': (length, seed) => {
    const moving = walk(Math.ceil(length / 3), seed)
    const all = closes(length, 100, (price, i) => moving[i] ?? price)
    const walked = candlesOf(all, seed)
    const calm = (column: Float64Array): Float64Array =>
      column.map((price, i) => (i < moving.length ? price : (walked.close[i] as number)))
    return { ...walked, open: calm(walked.open), high: calm(walked.high), low: calm(walked.low) }
  },
  'that jump tenfold': (length, seed) => {
    const random = randomNumbers(seed)
    const jump = (): number => (random() < 0.9 ? 1 : random() < 0.5 ? 10 : 0.1)
    return candlesOf(
      closes(length, 100, (price) => price * jump() * (1 + 0.02 * (random() - 0.5))),
      seed,
    )
  },
  'of tiny prices': (length, seed) => candlesOf(walk(length, seed, 1e-8), seed),
  'of huge prices': (length, seed) => candlesOf(walk(length, seed, 1e12), seed),
  'that fall from 1e9 to 10': (length, seed) => candlesOf(falling(length, 1e9, 10, seed), seed),
  'that fall from 1e9 to 0.001': (length, seed) => candlesOf(falling(length, 1e9, 1e-3, seed), seed),
  'that only rise': (length) => candlesOf(closes(length, 10, (price) => price + 0.37)),
  'that fall below zero and come back': (length, seed) => {
    const random = randomNumbers(seed)
    const wave = Array.from({ length }, (_, i) => Math.round(2000 * Math.cos(i / 15) + 100 * (random() - 0.5)) / 100)
    return quoted(candlesOf(wave, seed, 0.02), 2)
  },
  'that rest at zero': (length, seed) => {
    const random = randomNumbers(seed)
    return candlesOf(
      Array.from({ length }, () => (random() < 0.7 ? 0 : Math.round(4 * (random() - 0.5)))),
      seed,
    )
  },
  'of which most have no volume': (length, seed) => {
    const walked = candlesOf(walk(length, seed), seed)
    const random = randomNumbers(seed + 1)
    return { ...walked, volume: walked.volume.map((volume) => (random() < 0.8 ? 0 : volume)) }
  },
  'without any volume': (length, seed) => {
    const walked = candlesOf(walk(length, seed), seed)
    return { ...walked, volume: walked.volume.map(() => 0) }
  },
  'with unknown volumes, the first and the last too': (length, seed) =>
    withUnknownVolumes(candlesOf(walk(length, seed), seed), [
      ...[0, 1, Math.floor(length / 3), Math.floor(length / 3) + 7],
      ...[Math.floor(length / 2), length - 1],
    ]),
  'with an unknown volume at the first alone': (length, seed) =>
    withUnknownVolumes(candlesOf(walk(length, seed), seed), [0]),
}
