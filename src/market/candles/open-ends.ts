import { LRUCache } from 'lru-cache'
import { calendarFor } from '../../domain/sessions/session-hours.ts'
import type { TimeSpan } from '../../domain/time/units.ts'
import { type Series, type SeriesState, seriesName } from '../../store/candles/series.ts'
import { openLifetimeMs, settleSeconds, type TradingHours } from '../source.ts'

/**
 * How often the open end of a series is fetched while its market is closed: the market may open early, or the source
 * correct itself.
 */
const closedLifetimeMs = 300_000
const rememberedSeries = 20_000

/**
 * A part of a series that may still change, as it was fetched last. `to` is infinite if it reached up to the present.
 */
export interface OpenEnd extends TimeSpan {
  /** When the fetch began, by the monotonic clock. */
  readonly startedMs: number
  readonly hours: TradingHours | null
  /** The source's code of the exchange; null or absent: unknown. */
  readonly exchange?: string | null | undefined
  readonly timezone: string
  /** The generation of the series when this was written to the store. */
  readonly generation: number
}

/** Remembers, for each series, which part of its open end is fresh enough not to be fetched again. */
export class OpenEnds {
  readonly #now: () => number
  readonly #steadyMs: () => number
  readonly #ends = new LRUCache<string, OpenEnd>({ max: rememberedSeries })

  /** `now`: epoch milliseconds. `steadyMs`: milliseconds of a monotonic clock. */
  constructor(now: () => number, steadyMs: () => number) {
    this.#now = now
    this.#steadyMs = steadyMs
  }

  /**
   * undefined if no open end is young enough, or if the store has dropped part of the series since. Whatever was
   * fetched after `askedSteadyMs` (monotonic clock) is fresh for a caller that asked then, however long the source
   * took.
   */
  fresh(series: Series, state: SeriesState | null, askedSteadyMs: number): OpenEnd | undefined {
    const end = this.#ends.get(seriesName(series))
    const isKnown = end && end.generation === state?.generation
    if (!isKnown) return undefined
    return end.startedMs >= askedSteadyMs || this.#isYoung(series, end, this.#steadyMs()) ? end : undefined
  }

  /**
   * Joins the new part with an adjoining one that is still fresh, so that two callers that ask for different ends do
   * not make each other fetch again.
   */
  fetched(series: Series, next: OpenEnd): void {
    const last = this.#ends.get(seriesName(series))
    const isBeside = last && last.generation === next.generation && last.from <= next.to && next.from <= last.to
    const isReplaced = last && next.from <= last.from && next.to >= last.to
    const joined = isBeside && !isReplaced && this.#isYoung(series, last, next.startedMs)
    this.#ends.set(seriesName(series), joined ? together(last, next) : next)
  }

  #isYoung({ interval }: Series, { hours, exchange, timezone, startedMs }: OpenEnd, steadyMs: number): boolean {
    const now = this.#now() / 1000
    const isStated = !hours || (now >= hours.opens && now < hours.closes + settleSeconds)
    // The hours stated last may be those of the session before.
    const calendar = calendarFor({ exchange, timezone })
    const isOpen = isStated || [now, now - settleSeconds].some((time) => calendar?.sessionAt(time))
    return steadyMs - startedMs < (isOpen ? openLifetimeMs(interval) : closedLifetimeMs)
  }
}

const together = (last: OpenEnd, next: OpenEnd): OpenEnd => ({
  ...next,
  from: Math.min(last.from, next.from),
  to: Math.max(last.to, next.to),
  startedMs: Math.min(last.startedMs, next.startedMs),
})
