import { LRUCache } from 'lru-cache'
import { dayMs } from '../../domain/time/units.ts'
import { at, type Bar, bridgeExtreme } from './bars.ts'
import type { SimulatedInstrument } from './instruments.ts'
import { childKey, gaussian, type Random, randomFrom } from './random.ts'

/** Days are numbered from the epoch: the number of 2015-01-01, the first one. */
export const firstDay = Date.UTC(2015, 0, 1) / dayMs
const levelDay = Date.UTC(2025, 0, 1) / dayMs

// GARCH(1,1), Bollerslev 1986: tomorrow's variance remembers today's surprise and today's variance.
const surpriseWeight = 0.09
const memoryWeight = 0.89
/** In usual variances. Without a ceiling, one symbol in some hundreds loses half of its price within a week. */
const highestVariance = 6
/**
 * The share of its distance from the level that a price loses in a day: half of a surprise is forgotten after seven
 * months.
 */
const dailyPull = 1 / 300
/** How far the open lies from the previous close, in daily volatilities. Markets that never close have no such gap. */
const gapSize = 0.12

/** How many days are built and cached together: 10,000 symbols with all of their days would take gigabytes. */
const blockDays = 365
const blocksKept = 2000
const columns = 5

/** The state of the walk on the eve of a day. */
interface WalkState {
  /** The distance of the log price from that of the level. */
  readonly deviation: number
  /** Of the coming day's return. */
  readonly variance: number
}

export interface SimulatedDays {
  /** The complete bar of a day, even if the day is not over. The day is `firstDay` or later. */
  bar(of: SimulatedInstrument, day: number): Bar
  /** The close before a day, in price steps; before the first day, the starting price. */
  previousClose(of: SimulatedInstrument, day: number): number
  /** Highest high and lowest low of the days in [from, to); null: there are none. */
  extremes(of: SimulatedInstrument, from: number, to: number): { high: number; low: number } | null
}

/**
 * The days of all symbols: a log-price walk with clustered volatility, in blocks that are built when first asked for.
 */
export function simulatedDays(): SimulatedDays {
  const blocks = new LRUCache<string, Float64Array>({ max: blocksKept })
  const states = new Map<string, WalkState[]>()

  function stateBefore(of: SimulatedInstrument, block: number): WalkState {
    const { symbol } = of.instrument
    const known = states.get(symbol) ?? [firstState(of)]
    states.set(symbol, known)
    for (let next = known.length; next <= block; next++) known.push(walkBlock(of, next - 1, known[next - 1]))
    return known[block] ?? firstState(of)
  }

  function blockOf(of: SimulatedInstrument, block: number): Float64Array {
    const key = `${of.instrument.symbol}:${block}`
    const kept = blocks.get(key)
    if (kept) return kept
    const built = buildBlock(of, block, stateBefore(of, block))
    blocks.set(key, built)
    return built
  }

  function bar(of: SimulatedInstrument, day: number): Bar {
    const rows = blockOf(of, Math.floor((day - firstDay) / blockDays))
    const row = ((day - firstDay) % blockDays) * columns
    return {
      open: at(rows, row),
      high: at(rows, row + 1),
      low: at(rows, row + 2),
      close: at(rows, row + 3),
      volume: at(rows, row + 4),
    }
  }

  function previousClose(of: SimulatedInstrument, day: number): number {
    return day > firstDay ? bar(of, day - 1).close : priceSteps(of, firstDay - 1, firstState(of).deviation)
  }

  function extremes(of: SimulatedInstrument, from: number, to: number) {
    let high = Number.NEGATIVE_INFINITY
    let low = Number.POSITIVE_INFINITY
    let day = Math.max(from, firstDay)
    while (day < to) {
      const block = Math.floor((day - firstDay) / blockDays)
      const rows = blockOf(of, block)
      const end = Math.min(to, firstDay + (block + 1) * blockDays)
      for (; day < end; day++) {
        const row = ((day - firstDay) % blockDays) * columns
        high = Math.max(high, at(rows, row + 1))
        low = Math.min(low, at(rows, row + 2))
      }
    }
    return high >= low ? { high, low } : null
  }

  return { bar, previousClose, extremes }
}

const dayRandom = (of: SimulatedInstrument, day: number): Random => randomFrom(childKey(childKey(of.key, 1), day))
const usualVariance = (of: SimulatedInstrument): number => of.yearlyVolatility ** 2 / 365

/** Drawn from the walk's long-run distribution: not every symbol starts at its level. */
function firstState(of: SimulatedInstrument): WalkState {
  const variance = usualVariance(of)
  const deviation = Math.sqrt(variance / (2 * dailyPull)) * gaussian(dayRandom(of, firstDay - 1))
  return { deviation, variance }
}

function walkBlock(of: SimulatedInstrument, block: number, from: WalkState = firstState(of)): WalkState {
  const start = firstDay + block * blockDays
  let state = from
  for (let day = start; day < start + blockDays; day++) state = walkDay(of, state, gaussian(dayRandom(of, day)))
  return state
}

function walkDay(of: SimulatedInstrument, { deviation, variance }: WalkState, normal: number): WalkState {
  const usual = usualVariance(of)
  const surprise = Math.sqrt(variance) * normal
  const next = (1 - surpriseWeight - memoryWeight) * usual + surpriseWeight * surprise ** 2 + memoryWeight * variance
  return { deviation: deviation * (1 - dailyPull) + surprise, variance: Math.min(next, highestVariance * usual) }
}

function buildBlock(of: SimulatedInstrument, block: number, before: WalkState): Float64Array {
  const rows = new Float64Array(blockDays * columns)
  const start = firstDay + block * blockDays
  let state = before
  let previous = priceSteps(of, start - 1, state.deviation)
  for (let i = 0; i < blockDays; i++) {
    const day = start + i
    const random = dayRandom(of, day)
    const normal = gaussian(random)
    const { variance } = state
    state = walkDay(of, state, normal)
    const close = priceSteps(of, day, state.deviation)
    const open = Math.max(1, Math.round(previous * Math.exp(gap(of) * Math.sqrt(variance) * gaussian(random))))
    const move = Math.log(close / open)
    const high = Math.round(open * Math.exp(bridgeExtreme(0, move, variance, 1, random)))
    const low = Math.round(open * Math.exp(bridgeExtreme(0, move, variance, -1, random)))
    // Days that move a lot trade a lot.
    const activity = (0.7 + 0.4 * Math.abs(normal) * Math.sqrt(variance / usualVariance(of))) * (0.75 + 0.5 * random())
    rows.set(
      [
        open,
        Math.max(open, close, high),
        Math.max(1, Math.min(open, close, low)),
        close,
        Math.round(of.dailyVolume * activity),
      ],
      i * columns,
    )
    previous = close
  }
  return rows
}

function gap({ instrument: { kind } }: SimulatedInstrument): number {
  return kind === 'CRYPTO' || kind === 'CURRENCY' ? 0 : gapSize
}

function priceSteps(of: SimulatedInstrument, day: number, deviation: number): number {
  const growth = (of.yearlyGrowth * (day - levelDay)) / 365
  return Math.max(1, Math.round(of.level * of.stepsPerUnit * Math.exp(growth + deviation)))
}
