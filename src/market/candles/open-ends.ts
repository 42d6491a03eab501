import { LRUCache } from 'lru-cache'
import type { TimeSpan } from '../../domain/time.ts'
import { type Series, type SeriesState, seriesName } from '../../store/candles/series.ts'
import { openLifetimeMs, settleSeconds, type TradingHours } from '../source.ts'

/** The open end of a series whose market is closed is asked for again so often: it may open early, or correct itself. */
const closedLifetimeMs = 300_000
const rememberedSeries = 20_000

/** What was fetched lately of what may still change in a series; `to` is infinite where it went up to the present. */
export interface OpenEnd extends TimeSpan {
  /** When the fetch began, by a clock that nobody sets. */
  readonly startedMs: number
  readonly hours: TradingHours | null
  /** Of the store, when it was written. */
  readonly generation: number
}

/** Of each series: what of its open end need not be fetched again yet. */
export class OpenEnds {
  readonly #now: () => number
  readonly #steadyMs: () => number
  readonly #ends = new LRUCache<string, OpenEnd>({ max: rememberedSeries })

  /** `now`: epoch milliseconds. `steadyMs`: milliseconds that only go forward. */
  constructor(now: () => number, steadyMs: () => number) {
    this.#now = now
    this.#steadyMs = steadyMs
  }

  /**
   * undefined: there is none that is young enough, or something of the series was taken back since. What was fetched since
   * `askedSteadyMs`, by the clock that nobody sets, is fresh for whoever asked then, however long the source took.
   */
  fresh(series: Series, state: SeriesState | null, askedSteadyMs: number): OpenEnd | undefined {
    const end = this.#ends.get(seriesName(series))
    const isKnown = end && end.generation === state?.generation
    if (!isKnown) return undefined
    return end.startedMs >= askedSteadyMs || this.#isYoung(series, end, this.#steadyMs()) ? end : undefined
  }

  /** Together with what was fetched beside it lately: two who ask for other ends must not make each other forget. */
  fetched(series: Series, next: OpenEnd): void {
    const last = this.#ends.get(seriesName(series))
    const isBeside = last && last.generation === next.generation && last.from <= next.to && next.from <= last.to
    const isReplaced = last && next.from <= last.from && next.to >= last.to
    const joined = isBeside && !isReplaced && this.#isYoung(series, last, next.startedMs)
    this.#ends.set(seriesName(series), joined ? together(last, next) : next)
  }

  #isYoung({ interval }: Series, { hours, startedMs }: OpenEnd, steadyMs: number): boolean {
    const nowMs = this.#now()
    const isOpen = !hours || (nowMs >= hours.opens * 1000 && nowMs < (hours.closes + settleSeconds) * 1000)
    return steadyMs - startedMs < (isOpen ? openLifetimeMs(interval) : closedLifetimeMs)
  }
}

const together = (last: OpenEnd, next: OpenEnd): OpenEnd => ({
  ...next,
  from: Math.min(last.from, next.from),
  to: Math.max(last.to, next.to),
  startedMs: Math.min(last.startedMs, next.startedMs),
})
