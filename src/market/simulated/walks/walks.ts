import { dayMs } from '../../../domain/time/units.ts'
import { childKey, gaussian, type Random, randomFrom } from './random.ts'
import type { Rhythm } from './rhythm.ts'

/** Days are numbered from the epoch: the number of 2015-01-01, the first one. */
export const firstDay = Date.UTC(2015, 0, 1) / dayMs

/** How many days are built and cached together: 10,000 symbols with all of their days would take gigabytes. */
export const blockDays = 73

// GARCH(1,1), Bollerslev 1986: tomorrow's variance remembers today's surprise and today's variance.
const surpriseWeight = 0.09
const memoryWeight = 0.89
/** In usual variances. Without a ceiling, one symbol in some hundreds loses half of its price within a week. */
const highestVariance = 6
/**
 * The share of its distance from 0 that a walk loses in a day: half of a surprise is forgotten after seven months.
 */
const dailyPull = 1 / 300

/** A walk of log prices around 0, day by day: that of a factor, or an instrument's own. */
export interface Walk {
  readonly key: number
  readonly yearlyVolatility: number
  readonly rhythm: Rhythm
}

/** The state of a walk on the eve of a day. */
export interface WalkState {
  readonly deviation: number
  /** Of the coming day's step, before the rhythm's weight. */
  readonly variance: number
}

export const dayRandom = ({ key }: Pick<Walk, 'key'>, day: number): Random =>
  randomFrom(childKey(childKey(key, 1), day))

const usualVariance = ({ yearlyVolatility }: Walk): number => yearlyVolatility ** 2 / 365

/** Drawn from the walk's long-run distribution: not every walk starts at 0. */
export function firstState(walk: Walk): WalkState {
  const variance = usualVariance(walk)
  const deviation = Math.sqrt(variance / (2 * dailyPull)) * gaussian(dayRandom(walk, firstDay - 1))
  return { deviation, variance }
}

/** The standard deviation of a day's step. */
export function stepDeviation({ rhythm }: Walk, { variance }: WalkState, day: number): number {
  return Math.sqrt(variance * (isWeekend(day) ? rhythm.weekend : rhythm.weekday))
}

/** Day 0 was a Thursday. */
const isWeekend = (day: number): boolean => (day + 4) % 7 === 0 || (day + 4) % 7 === 6

/** The state after a day whose random numbers begin with `normal`. */
export function walkDay(walk: Walk, state: WalkState, day: number, normal: number): WalkState {
  const usual = usualVariance(walk)
  const { deviation, variance } = state
  const next = (1 - surpriseWeight - memoryWeight) * usual + (surpriseWeight * normal ** 2 + memoryWeight) * variance
  return {
    deviation: deviation * (1 - dailyPull) + stepDeviation(walk, state, day) * normal,
    variance: Math.min(next, highestVariance * usual),
  }
}

/** The states of a walk at the beginnings of blocks, walked as far as they are asked for. */
export class WalkBlocks {
  readonly #states = new Map<number, WalkState[]>()

  stateBefore(walk: Walk, block: number): WalkState {
    const known = this.#states.get(walk.key) ?? [firstState(walk)]
    this.#states.set(walk.key, known)
    for (let next = known.length; next <= block; next++) known.push(walkBlock(walk, next - 1, known[next - 1]))
    return known[block] ?? firstState(walk)
  }
}

function walkBlock(walk: Walk, block: number, from: WalkState = firstState(walk)): WalkState {
  const start = firstDay + block * blockDays
  let state = from
  for (let day = start; day < start + blockDays; day++)
    state = walkDay(walk, state, day, gaussian(dayRandom(walk, day)))
  return state
}

export const blockOf = (day: number): number => Math.floor((day - firstDay) / blockDays)
