import { LRUCache } from 'lru-cache'
import { listOf } from '../../domain/candle-list.ts'
import type { CorporateActions } from '../../domain/corporate-action.ts'
import { FinstageError } from '../../domain/errors.ts'
import type { TimeSpan } from '../../domain/time/units.ts'
import { type Series, type SeriesState, type StoredRows, seriesName } from '../../store/candles/series.ts'
import type { Caller } from '../call-budget.ts'
import { type CandleBatch, type MarketSource, openLifetimeMs } from '../source.ts'

const rememberedSeries = 200
/**
 * After a failure of the store, requests go straight to the source for this long: the store might keep them waiting.
 */
const storeRestMs = 1000

interface Fetched {
  readonly span: TimeSpan
  readonly startedMs: number
  /** The same moment by the monotonic clock. */
  readonly startedSteadyMs: number
  readonly batch: Promise<CandleBatch>
}

export interface FallbackSeries extends StoredRows {
  readonly state: SeriesState
  /** The series has no hole from here on, in epoch seconds. */
  readonly from: number
  readonly failure: null
}

/**
 * Serves candles straight from the source while the store is out. They are as right and as current as any, but go back
 * only as far as the source does, and are never kept as final. Requests for the same series within seconds share one
 * call.
 */
export class SourceFallback {
  readonly #source: MarketSource
  readonly #now: () => number
  readonly #steadyMs: () => number
  readonly #fetched = new LRUCache<string, Fetched>({ max: rememberedSeries })
  /** The store's last failure, and until when the store is left alone, by the monotonic clock. */
  #outage: { readonly error: FinstageError; readonly untilMs: number } | null = null

  /** `now`: epoch milliseconds. `steadyMs`: milliseconds of a monotonic clock. */
  constructor(options: { source: MarketSource; now: () => number; steadyMs: () => number }) {
    this.#source = options.source
    this.#now = options.now
    this.#steadyMs = options.steadyMs
  }

  /** Runs `stored`; while the store is out, `storeless` instead. If both fail, rejects with the store's failure. */
  async whileOut<T>(stored: () => Promise<T>, storeless: (outage: FinstageError) => Promise<T>): Promise<T> {
    const outage = this.#outage
    if (outage && performance.now() < outage.untilMs) {
      try {
        return await storeless(outage.error)
      } catch (error) {
        // Only the store can answer this one. It may serve reads again by now.
        if (error !== outage.error) throw error
      }
    }
    try {
      return await stored()
    } catch (error) {
      if (!isStoreOut(error)) throw error
      this.#outage = { error, untilMs: performance.now() + storeRestMs }
      return storeless(error)
    }
  }

  /**
   * The candles of [from, to). Throws `outage` if the source does not go back far enough. null: the source has nothing
   * there.
   */
  async load(
    series: Series,
    span: TimeSpan,
    reach: { readonly earliest: number; readonly wholeFrom: number },
    outage: FinstageError,
    caller?: Caller,
  ): Promise<FallbackSeries | null> {
    const from = Math.max(span.from, reach.earliest)
    if (span.from >= span.to) return null
    if (from > reach.wholeFrom || from >= span.to) throw outage
    const fetched = this.#fetch(series, { from, to: span.to }, caller)
    const { candles, excluded, facts } = await fetched.batch
    if (facts === null && candles.length + excluded.length === 0) return null
    const isInside = (epoch: number): boolean => epoch >= from && epoch < span.to
    return {
      list: listOf(candles.filter(({ epoch }) => isInside(epoch))),
      excluded: excluded.filter(isInside),
      state: stateOf(facts, fetched.startedMs, span),
      from,
      failure: null,
    }
  }

  /** Dividends and splits of [from, to). `days`: the symbol's series of days. */
  async actions(days: Series, span: TimeSpan, caller?: Caller): Promise<CorporateActions> {
    const { dividends, splits } = await this.#fetch(days, span, caller).batch
    const isInside = ({ epoch }: { readonly epoch: number }): boolean => epoch >= span.from && epoch < span.to
    return { dividends: dividends.filter(isInside), splits: splits.filter(isInside) }
  }

  #fetch(series: Series, span: TimeSpan, caller: Caller | undefined): Fetched {
    const key = seriesName(series)
    const { symbol, interval, extendedHours } = series
    const startedSteadyMs = this.#steadyMs()
    const lifetimeMs = openLifetimeMs(interval)
    const last = this.#fetched.get(key)
    // A young answer may end a little before the present: that much is tolerated.
    const isYoung = last !== undefined && startedSteadyMs - last.startedSteadyMs < lifetimeMs
    if (isYoung && last.span.from <= span.from && last.span.to >= span.to - lifetimeMs / 1000) return last
    const query = { symbol, interval, extendedHours, ...span }
    caller?.budget.take(this.#source.callsFor?.(query) ?? 1)
    const batch = this.#source.candles(query, caller?.budget)
    const fetched: Fetched = { span, startedMs: this.#now(), startedSteadyMs, batch }
    this.#fetched.set(key, fetched)
    batch.catch(() => {
      if (this.#fetched.get(key) === fetched) this.#fetched.delete(key)
    })
    return fetched
  }
}

/** Whether the store has failed, rather than the source. */
const isStoreOut = (error: unknown): error is FinstageError =>
  error instanceof FinstageError && error.code === 'UNAVAILABLE'

/** The state of a series that was fetched just now and of which nothing is stored. */
const stateOf = (facts: CandleBatch['facts'], fetchedMs: number, span: TimeSpan): SeriesState => ({
  id: 0,
  generation: 0,
  settledVersion: 0,
  rowVersion: '',
  openFrom: null,
  gaps: [span],
  receivedAtMs: fetchedMs,
  basisAtMs: fetchedMs,
  actionsAtMs: fetchedMs,
  revisedAtMs: fetchedMs,
  recent: [],
  timezone: facts?.timezone ?? null,
  currency: facts?.currency ?? null,
  firstTradeEpoch: facts?.firstTradeEpoch ?? null,
  sessionOpens: facts?.sessionOpens ?? null,
  sessionCloses: facts?.sessionCloses ?? null,
  exchange: facts?.exchange ?? null,
})
