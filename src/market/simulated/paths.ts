import { LRUCache } from 'lru-cache'
import { dayMs } from '../../domain/time/units.ts'
import type { Factor } from './instruments/factors.ts'
import type { SimulatedInstrument } from './instruments/instruments.ts'
import { type DayPath, enterDay, newDayPath, newWalkedDay, type WalkedDay } from './walks/day-path.ts'
import { gaussian } from './walks/random.ts'
import { mirror } from './walks/shapes.ts'
import {
  blockDays,
  blockOf,
  dayRandom,
  firstDay,
  firstState,
  WalkBlocks,
  type WalkState,
  walkDay,
} from './walks/walks.ts'

export const levelDay = Date.UTC(2025, 0, 1) / dayMs
const hours = 24
/** A factor's block takes 30 KB. */
const factorBlocksKept = 500
/** Neighbouring candles share their day, and so do the minutes of symbols that tick. One takes 1.5 KB. */
const pathsKept = 5000

export interface SimulatedPaths {
  /** The way of an instrument through a day. */
  of(instrument: SimulatedInstrument, day: number): DayPath
  /**
   * The days in [from, to) in order, which is quicker than each by itself. The path and that of the day before are valid
   * during the call only.
   */
  eachDay(instrument: SimulatedInstrument, from: number, to: number, visit: VisitDay): void
  /** The logarithm of the price, in price steps, on the eve of the first day. */
  startOf(instrument: SimulatedInstrument): number
}

type VisitDay = (path: DayPath, day: number, before: () => DayPath) => void

/**
 * The ways of all instruments through all days: each is the sum of what moves many instruments, the factors, and of a
 * walk of its own.
 */
export function simulatedPaths(): SimulatedPaths {
  const states = new WalkBlocks()
  const factorBlocks = new LRUCache<string, readonly WalkedDay[]>({ max: factorBlocksKept })
  const paths = new LRUCache<string, DayPath>({ max: pathsKept })
  /** How far the walk of each instrument was last followed: the next day is mostly the one after. */
  const reached = new LRUCache<number, { readonly day: number; readonly state: WalkState }>({ max: pathsKept })
  const own = newWalkedDay()
  const scratch: [DayPath, DayPath] = [newDayPath(), newDayPath()]

  function factorDays(factor: Factor, block: number): readonly WalkedDay[] {
    const key = `${factor.key} ${block}`
    const kept = factorBlocks.get(key)
    if (kept) return kept
    let state = states.stateBefore(factor, block)
    const days = Array.from({ length: blockDays }, (_, i) => {
      const day = newWalkedDay()
      state = enterDay(factor, state, firstDay + block * blockDays + i, day)
      return day
    })
    factorBlocks.set(key, days)
    return days
  }

  function stateBefore(of: SimulatedInstrument, day: number): WalkState {
    const last = reached.get(of.key)
    const start = firstDay + blockOf(day) * blockDays
    const goesOn = last !== undefined && last.day >= start && last.day <= day
    let state = goesOn ? last.state : states.stateBefore(of.own, blockOf(day))
    for (let each = goesOn ? last.day : start; each < day; each++) {
      state = walkDay(of.own, state, each, gaussian(dayRandom(of.own, each)))
    }
    reached.set(of.key, { day, state })
    return state
  }

  const daysOfFactors = (of: SimulatedInstrument, block: number) =>
    of.factors.map(({ factor }) => factorDays(factor, block))

  function path(of: SimulatedInstrument, day: number): DayPath {
    const key = `${of.instrument.symbol} ${day}`
    const kept = paths.get(key)
    if (kept) return kept
    const built = newDayPath()
    enterDay(of.own, stateBefore(of, day), day, own)
    combine(of, day, own, daysOfFactors(of, blockOf(day)), built)
    paths.set(key, built)
    return built
  }

  function eachDay(of: SimulatedInstrument, from: number, to: number, visit: VisitDay): void {
    let state = stateBefore(of, from)
    let [current, last] = scratch
    let factors: ReturnType<typeof daysOfFactors> = []
    for (let day = from; day < to; day++) {
      if (day === from || (day - firstDay) % blockDays === 0) factors = daysOfFactors(of, blockOf(day))
      state = enterDay(of.own, state, day, own)
      combine(of, day, own, factors, current)
      visit(current, day, () => (day > from ? last : path(of, Math.max(firstDay, day - 1))))
      ;[current, last] = [last, current]
    }
  }

  function startOf(of: SimulatedInstrument): number {
    const deviations = of.factors.map(({ factor, beta }) => beta * firstState(factor).deviation)
    return deviations.reduce((sum, each) => sum + each, baseOf(of, firstDay - 1) + firstState(of.own).deviation)
  }

  return { of: path, eachDay, startOf }
}

/** The level that an instrument is pulled to at the end of a day. */
const baseOf = (of: SimulatedInstrument, day: number): number =>
  of.logLevel + (of.yearlyGrowth * (day - levelDay)) / 365

function combine(
  of: SimulatedInstrument,
  day: number,
  own: WalkedDay,
  factors: readonly (readonly WalkedDay[])[],
  into: DayPath,
): void {
  const { knots } = into
  const index = (day - firstDay) % blockDays
  const base = baseOf(of, day - 1)
  const growth = of.yearlyGrowth / 365 / hours
  for (let mark = 0; mark <= hours; mark++) knots[mark] = base + growth * mark + (own.knots[mark] as number)
  let variance = own.deviation ** 2
  let second = own
  let secondVariance = variance
  let step = own.step
  let main = own
  let mainBeta = 0
  for (let i = 0; i < factors.length; i++) {
    const walked = factors[i]?.[index] as WalkedDay
    const beta = of.factors[i]?.beta as number
    const walkedKnots = walked.knots
    for (let mark = 0; mark <= hours; mark++) {
      knots[mark] = (knots[mark] as number) + beta * (walkedKnots[mark] as number)
    }
    step += beta * walked.step
    if (i === 0) {
      main = walked
      mainBeta = beta
    } else {
      const added = (beta * walked.deviation) ** 2
      variance += added
      if (added > secondVariance) {
        second = walked
        secondVariance = added
      }
    }
  }
  const shared = mainBeta * main.deviation
  const rest = Math.sqrt(variance)
  const all = Math.sqrt(shared ** 2 + variance)
  into.events = Math.abs(step) / (of.yearlyVolatility / Math.sqrt(365))
  // Within an hour there are two shapes: that of the first factor, and that of whatever else moves it most, which stands
  // for all the rest.
  // Days of factors stay as they are; an instrument's own day is written over.
  into.rows = main === own ? own.rows.slice() : main.rows
  into.otherRows.set(second.rows)
  into.mirror = shared < 0 ? mirror : 0
  into.scale = Math.abs(shared)
  into.otherScale = rest
  into.reach = all
  into.otherHourScales = of.own.rhythm.hourRoot
  into.hourScales = of.factors[0]?.factor.rhythm.hourRoot ?? into.otherHourScales
}
