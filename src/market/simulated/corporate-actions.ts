import type { Dividend } from '../../domain/corporate-action.ts'
import { dayMs, daySeconds } from '../../domain/time/units.ts'
import type { SimulatedInstrument } from './instruments/instruments.ts'
import { levelDay } from './paths.ts'
import type { SimulatedPrices } from './prices.ts'
import { firstDay } from './walks/walks.ts'

/** Days are numbers since the epoch; all amounts and prices are adjusted for all splits of the instrument. */
export interface SimulatedActions {
  /** With ex-dates in [from, to), oldest first. */
  dividends(of: SimulatedInstrument, from: number, to: number): readonly { day: number; amount: number }[]
  /**
   * Shares of closes that remain without the dividends since, for days that are asked for from the newest to the oldest.
   * `to`: the day after the newest ex-date that counts.
   */
  remaining(of: SimulatedInstrument, to: number): (day: number) => number
}

interface Payment {
  readonly day: number
  readonly amount: number
}

export function simulatedActions(prices: SimulatedPrices): SimulatedActions {
  const years = new Map<string, readonly Payment[]>()

  function paymentsOf(of: SimulatedInstrument, year: number): readonly Payment[] {
    const key = `${of.instrument.symbol} ${year}`
    const known = years.get(key) ?? payments(of, year, (day) => prices.hoursOf(of).on(day) !== null)
    years.set(key, known)
    return known
  }

  function dividends(of: SimulatedInstrument, from: number, to: number): readonly Payment[] {
    if (!of.dividends || from >= to) return []
    const all: Payment[] = []
    // The last ex-date of a year may be moved into the next one.
    for (let year = yearOf(Math.max(from, firstDay)) - 1; year <= yearOf(to); year++) all.push(...paymentsOf(of, year))
    // Before the first session there is no close to take a dividend off.
    let first = firstDay
    while (!prices.hoursOf(of).on(first)) first++
    return all.filter(({ day }) => day > first && day >= from && day < to)
  }

  function remaining(of: SimulatedInstrument, to: number): (day: number) => number {
    if (!of.dividends) return () => 1
    const left = [...dividends(of, firstDay, to)]
    let share = 1
    return (day) => {
      for (let last = left.at(-1); last && last.day > day; last = left.at(-1)) {
        share *= 1 - (last.amount * of.stepsPerUnit * of.splitsAhead) / prices.previousClose(of, last.day)
        left.pop()
      }
      return share
    }
  }

  return { dividends, remaining }
}

const yearOf = (day: number): number => new Date(day * dayMs).getUTCFullYear()

/** The dividends of a year rise with the level: a company pays no less because its price falls for a while. */
function payments(of: SimulatedInstrument, year: number, isOpen: (day: number) => boolean): Payment[] {
  if (!of.dividends) return []
  const { yearly, perYear } = of.dividends
  const monthsApart = 12 / perYear
  const growth = Math.exp((of.yearlyGrowth * (Date.UTC(year, 0, 1) / dayMs - levelDay)) / 365)
  const amount = Number(((of.level * growth * yearly) / perYear).toFixed(4))
  if (amount === 0) return []
  return Array.from({ length: perYear }, (_, i) => {
    let day = Date.UTC(year, (of.key % monthsApart) + i * monthsApart, 3 + (of.key % 23)) / dayMs
    while (!isOpen(day)) day++
    return { day, amount }
  })
}

/**
 * The instrument as it is at a time: of splits that lie ahead nobody knows yet, so prices are higher by their ratio, and
 * there are fewer shares.
 */
export function asOf(of: SimulatedInstrument, timeMs: number): SimulatedInstrument {
  // Runs for every tick.
  const newest = of.splits.at(-1)
  if (newest === undefined || newest.epoch * 1000 <= timeMs) return of
  let ahead = 1
  for (const { epoch, numerator, denominator } of of.splits) {
    if (epoch * 1000 > timeMs) ahead *= numerator / denominator
  }
  const { shares } = of
  return {
    ...of,
    stepsPerUnit: of.stepsPerUnit / ahead,
    splitsAhead: ahead,
    shares: shares === null ? null : shares / ahead,
  }
}

export function toDividend(of: SimulatedInstrument, { day, amount }: Payment): Dividend {
  return { epoch: day * daySeconds, amount: amount * of.splitsAhead, currency: of.instrument.currency }
}
