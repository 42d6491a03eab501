import type { Signal, SignalOutcome } from '../domain/analysis/signal.ts'
import type { Candle } from '../domain/candle.ts'
import { closedAt } from '../domain/sessions/closed-at.ts'
import { composedSpan } from '../domain/sessions/composed-span.ts'
import { nextStarts } from '../domain/sessions/next-starts.ts'
import type { SessionHours } from '../domain/sessions/session-hours.ts'
import { type Interval, intervalSeconds, isComposed, isDaily } from '../domain/time/interval.ts'
import { daySeconds, weekSeconds } from '../domain/time/units.ts'

/** What is measured; docs/signal-outcomes.md has the definitions. */
export type MeasuredSignal = Pick<Signal, 'interval' | 'epoch' | 'direction'>

/**
 * The candles a signal is measured on: those of `measuredOn(interval)` from its own candle on, from one fetch, adjusted
 * for splits.
 */
export interface MeasuringCandles {
  readonly interval: Interval
  readonly hours: SessionHours
  /** Oldest first, including the forming one. */
  readonly candles: readonly Candle[]
  /** Epoch seconds. Candles complete by then have their last prices. */
  readonly asOf: number
  /** Whether all candles complete by then are included, up to the last that may count. */
  readonly isWhole: boolean
}

export interface Measurement {
  readonly outcome: SignalOutcome
  /**
   * When the next candle that fills something in may be complete, in epoch seconds, possibly in the past. null: nothing
   * will be filled in any more.
   */
  readonly nextAt: number | null
}

/** How much later than the last horizon its candle may be. */
const lastToleranceSeconds = 14 * daySeconds
/**
 * How many candles are predicted, to know when the next ones will be complete: ten weeks of days, an hour of minutes.
 */
const candlesAhead = 50

/** No candle counts any more this long after a signal became known: a month, and the delay its candle may have. */
export const longestMeasuredSeconds = 31 * daySeconds + lastToleranceSeconds + daySeconds

/** The interval of the candles that a signal is measured on. */
export const measuredOn = (interval: Interval): Interval => (isDaily(interval) ? 'DAY_1' : interval)

/** A horizon's candle is the first whose time lies within these bounds, both inclusive. */
interface Horizon {
  readonly from: number
  readonly until: number
}

/** `candle`: null: there is none and never will be. `end`: the index after the last candle up to the horizon. */
type HorizonState = { readonly candle: Candle | null; readonly end: number } | { readonly nextAt: number }

/** Measures what the price did after signals, all on the same candles. */
export function measurer({
  interval,
  hours,
  candles,
  asOf,
  isWhole,
}: MeasuringCandles): (signal: MeasuredSignal) => Measurement {
  const daily = isDaily(interval)
  const lengthSeconds = daily ? 0 : intervalSeconds(interval)
  const completeAt = (epoch: number): number => closedAt(epoch, interval, hours)
  /** The time compared with horizons: the trading date of a day, the end of a shorter candle. */
  const timeOf = (epoch: number): number => (daily ? epoch : completeAt(epoch))
  const isComplete = ({ closed, epoch }: Candle): boolean => closed && completeAt(epoch) <= asOf
  /** Computed once: all signals wait for the same candles. */
  let ahead: { time: number; at: number }[] | undefined

  function stateOf({ from, until }: Horizon): HorizonState {
    let place = placeOf(candles, from - lengthSeconds)
    let candle = candles[place]
    while (candle && timeOf(candle.epoch) < from) candle = candles[++place]
    if (candle && timeOf(candle.epoch) <= until) {
      return isComplete(candle) ? { candle, end: place + 1 } : { nextAt: completeAt(candle.epoch) }
    }
    const isOver = candle !== undefined || (isWhole && asOf >= (daily ? completeAt(until) : until))
    return isOver ? { candle: null, end: place } : { nextAt: expectedAt(from) }
  }

  /** When the next candle that may decide a horizon will be complete. */
  function expectedAt(from: number): number {
    const dueAt = daily ? completeAt(from) : from
    // Candles may have come meanwhile that are not included.
    if (!isWhole) return dueAt
    ahead ??= nextStarts(
      Float64Array.from(candles, ({ epoch }) => epoch),
      interval,
      hours,
      candlesAhead,
    ).map((epoch) => ({ time: timeOf(epoch), at: completeAt(epoch) }))
    const next = ahead.find(({ time, at }) => time >= from && at > asOf)
    // If nothing has come for so long, there is no hurry.
    return next?.at ?? (dueAt > asOf ? dueAt : asOf + daySeconds)
  }

  return ({ interval: signalInterval, epoch, direction }) => {
    const place = placeOf(candles, endOf(signalInterval, epoch, hours)) - 1
    const base = candles[place]
    // There is nothing to measure from, or no percentage of a price of 0 or less.
    if (base === undefined || base.epoch < epoch) return unknown(isWhole || place + 1 < candles.length ? null : asOf)
    if (!isComplete(base)) return unknown(completeAt(base.epoch))
    if (base.close <= 0) return unknown(null)

    const percent = (price: number): number =>
      ((direction === 'BEARISH' ? base.close - price : price - base.close) / base.close) * 100
    const horizons = horizonsOf(timeOf(base.epoch), daily ? daySeconds : 1)
    const [day, week, month] = [stateOf(horizons.day), stateOf(horizons.week), stateOf(horizons.month)]
    const returnAt = (state: HorizonState): number | null =>
      'candle' in state && state.candle ? percent(state.candle.close) : null
    const extremes = 'end' in month ? signedExtremes(candles.slice(place + 1, month.end), percent) : null
    const pending = [day, week, month].flatMap((state) => ('nextAt' in state ? state.nextAt : []))
    return {
      outcome: {
        return1d: returnAt(day),
        return1w: returnAt(week),
        return1m: returnAt(month),
        maxReturn: extremes?.max ?? null,
        minReturn: extremes?.min ?? null,
        complete: pending.length === 0,
      },
      nextAt: pending.length === 0 ? null : Math.min(...pending),
    }
  }
}

/**
 * A day, a week and a calendar month after a time; the month ends on the same day of the next one, or its last. `step`:
 * the smallest difference of times.
 */
function horizonsOf(base: number, step: number): Readonly<Record<'day' | 'week' | 'month', Horizon>> {
  const [week, month] = [base + weekSeconds, monthAfter(base)]
  return {
    day: { from: base + daySeconds, until: week - step },
    week: { from: week, until: month - step },
    month: { from: month, until: month + lastToleranceSeconds },
  }
}

/** Where the candle of a signal ends, exclusive; candles under a day are measured on themselves. */
function endOf(interval: Interval, epoch: number, hours: SessionHours): number {
  if (!isDaily(interval)) return epoch + 1
  return isComposed(interval) ? composedSpan(interval, epoch, hours).end : epoch + daySeconds
}

function monthAfter(epoch: number): number {
  const time = new Date(epoch * 1000)
  const [year, month] = [time.getUTCFullYear(), time.getUTCMonth()]
  const lastDay = new Date(Date.UTC(year, month + 2, 0)).getUTCDate()
  return Date.UTC(year, month + 1, Math.min(time.getUTCDate(), lastDay)) / 1000 + (epoch % daySeconds)
}

function signedExtremes(
  candles: readonly Candle[],
  percent: (price: number) => number,
): { max: number; min: number } | null {
  let [high, low] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (const candle of candles) {
    high = Math.max(high, candle.high)
    low = Math.min(low, candle.low)
  }
  if (high < low) return null
  const returns = [percent(high), percent(low)]
  return { max: Math.max(...returns), min: Math.min(...returns) }
}

const unknown = (nextAt: number | null): Measurement => ({
  outcome: {
    return1d: null,
    return1w: null,
    return1m: null,
    maxReturn: null,
    minReturn: null,
    complete: nextAt === null,
  },
  nextAt,
})

/** Index of the first candle that starts at a time or later. */
function placeOf(candles: readonly Candle[], epoch: number): number {
  let [from, to] = [0, candles.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((candles[middle]?.epoch ?? epoch) < epoch) from = middle + 1
    else to = middle
  }
  return from
}
