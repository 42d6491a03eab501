import { LRUCache } from 'lru-cache'
import { beginningOfTime } from '../../domain/candle.ts'
import type { CorporateActions } from '../../domain/corporate-action.ts'
import { FinstageError } from '../../domain/errors.ts'
import type { RunSteps } from '../../domain/steps.ts'
import { type Interval, isDaily, type SourceInterval } from '../../domain/time/interval.ts'
import { dayMs, daySeconds, hourSeconds, minuteMs, type TimeSpan } from '../../domain/time/units.ts'
import { KeyedTurns } from '../../platform/concurrency/keyed-turns.ts'
import type { CandleStore, StoredExtent } from '../../store/candles/candle-store.ts'
import { type Series, type SeriesState, type StoredRows, seriesName } from '../../store/candles/series.ts'
import { type Caller, within } from '../call-budget.ts'
import type { Quarantine } from '../quarantine.ts'
import type { MarketSource } from '../source.ts'
import { CurrencyCheck } from './currency-check.ts'
import { isSurvivable, neverAtRest, notInTime, outOfReach } from './failures.ts'
import { OpenEnds } from './open-ends.ts'
import { lastOpeningMs, revisionDue, unsettledSpan, withRevision } from './revisions.ts'
import { SourceFallback } from './source-fallback.ts'

/** How far the trading date of an exchange may be ahead of UTC. */
const dateAheadSeconds = 14 * hourSeconds
/** How long a request may take to reach the source: candles that the source may drop in that time are not asked for. */
const requestSeconds = 60
/** A client that counts back from now to the very edge of the source's history gets what there is. */
const edgeSeconds = 2 * requestSeconds
/** How long a symbol that the source does not know is not asked for again. */
const unknownLifetimeMs = minuteMs
/** How long a failure answers callers that waited for their turn meanwhile: one by one, each would fail by itself. */
const failureLifetimeMs = 1000
const rememberedSeries = 20_000
/** A fetch may bring a split or dividend that makes stored candles missing: so many rounds may follow. */
const maxRounds = 3

export interface LoadedSeries extends StoredRows {
  readonly state: SeriesState
  /**
   * The series has no hole from here on, in epoch seconds: later than asked if the source no longer goes back so far.
   */
  readonly from: number
  /** Why the source could not be asked, if stored candles stand in; else null. */
  readonly failure: FinstageError | null
}

/** One request for a span of a series. */
interface LoadRequest {
  readonly series: Series
  readonly span: TimeSpan
  /** Whether the span ended at the present when it was asked for. */
  readonly isOpen: boolean
  readonly wholeFrom: number
  readonly caller: Caller | undefined
  /** When it was asked for, by the monotonic clock. */
  readonly askedSteadyMs: number
}

/** What was done about the missing parts of a span. */
interface Filled {
  /** Why they could not all be fetched; null: they could. */
  readonly failure: FinstageError | null
  readonly fetches: number
  /** What the store knew after that; absent: it was not asked. */
  readonly after?: SeriesState | null
}

export interface CandleLoaderOptions {
  readonly source: MarketSource
  readonly store: CandleStore
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Milliseconds of a monotonic clock; `now` if absent. */
  readonly steadyMs?: (() => number) | undefined
  readonly quarantine?: Quarantine | undefined
  /** How the candles of long series are worked through. */
  readonly run?: RunSteps | undefined
  /** hit: nothing had to be fetched. stale: the source could not be asked, and stored candles stood in. */
  readonly counted?: ((result: 'hit' | 'miss' | 'stale') => void) | undefined
}

/**
 * Loads series of candles from the store and fills the store from the source: it fetches only gaps and the open end.
 * The open end is the part that is not final yet, because its session runs or has just ended; it is fetched again once
 * it is older than its lifetime. Final candles of the last days are fetched again for a while, too (revisions.ts).
 */
export class CandleLoader {
  readonly #options: CandleLoaderOptions
  readonly #steadyMs: () => number
  readonly #openEnds: OpenEnds
  readonly #fallback: SourceFallback
  /** By series: its last failure, and until when that is the answer. */
  readonly #failures = new LRUCache<string, { error: FinstageError; untilMs: number }>({ max: rememberedSeries })
  readonly #currencies: CurrencyCheck
  /** One fetch at a time for each series, so that the next one finds what the last one stored. */
  readonly #turns = new KeyedTurns()

  constructor(options: CandleLoaderOptions) {
    this.#options = options
    this.#steadyMs = options.steadyMs ?? options.now
    this.#openEnds = new OpenEnds(options.now, this.#steadyMs)
    this.#currencies = new CurrencyCheck(options.store, options.quarantine)
    this.#fallback = new SourceFallback({ source: options.source, steadyMs: this.#steadyMs, now: options.now })
  }

  get #nowMs(): number {
    return this.#options.now()
  }

  /** The end of the series by now, in epoch seconds, exclusive. */
  present(interval: SourceInterval): number {
    return Math.floor(this.#nowMs / 1000) + 1 + (isDaily(interval) ? dateAheadSeconds : 0)
  }

  /** The earliest time the source can be asked for, in epoch seconds. */
  earliest(interval: Interval): number {
    const reachDays = this.#options.source.reachDays(interval)
    if (reachDays === null) return beginningOfTime
    return Math.ceil(this.#nowMs / 1000) - reachDays * daySeconds + requestSeconds
  }

  /**
   * All candles of a span that ends at the present or before. Where the source no longer goes back far enough, stored
   * candles count. Candles that neither has are left out at the front; if they are missing from `wholeFrom` on, it
   * throws RANGE_NOT_AVAILABLE.
   *
   * While the source is out, it returns what is stored. While the store is out, it returns what the source has, and
   * throws UNAVAILABLE if that does not reach back to `wholeFrom`. null: the source knows the symbol, but has nothing
   * there and never had.
   *
   * `caller`: who waits for the answer and pays for the calls.
   */
  load(series: Series, span: TimeSpan, wholeFrom: number = span.from, caller?: Caller): Promise<LoadedSeries | null> {
    return this.#fallback.whileOut(
      () => this.#loadStored(series, span, wholeFrom, caller),
      (outage) => {
        const reach = { earliest: this.earliest(series.interval), wholeFrom: wholeFrom + edgeSeconds }
        return this.#fallback.load(series, span, reach, outage, caller)
      },
    )
  }

  async #loadStored(series: Series, span: TimeSpan, wholeFrom: number, caller?: Caller): Promise<LoadedSeries | null> {
    const { state, failure } = await this.#complete(series, span, wholeFrom, caller)
    const loaded = await this.#read(series, span, state, failure)
    if (loaded && isEmpty(loaded)) {
      // If a split was seen in between, the candles have to be fetched again.
      const now = await this.#options.store.state(series, span)
      if (now?.generation !== loaded.state.generation) return this.#loadStored(series, span, wholeFrom, caller)
    }
    return loaded
  }

  /** Stores what is missing of a span and returns what is stored then. Throws the source's error. */
  async store(series: Series, span: TimeSpan): Promise<StoredExtent> {
    const { state, failure } = await this.#complete(series, span, span.from)
    if (failure) throw failure
    return state ? this.#options.store.extent(state, span) : { count: 0, firstEpoch: null, lastEpoch: null }
  }

  /** Dividends and splits whose date lies in a span of epoch seconds. */
  actions(symbol: string, span: TimeSpan, caller?: Caller): Promise<CorporateActions> {
    const series = this.#daysOf(symbol)
    return this.#fallback.whileOut(
      () => this.#storedActions(series, span, caller),
      () => this.#fallback.actions(series, span, caller),
    )
  }

  async #storedActions(series: Series, span: TimeSpan, caller?: Caller): Promise<CorporateActions> {
    const { state, failure } = await this.#complete(series, span, span.from, caller)
    // News of the last days may not be known yet; further back, leaving an action out would be wrong.
    const isRecent = ({ from }: TimeSpan) => from > this.#nowMs / 1000 - 7 * daySeconds
    if (failure && !state?.gaps.every(isRecent)) throw failure
    return this.#options.store.actions(series, span)
  }

  /** Fetches what is missing of a span. `failure`: why it could not, if stored candles can stand in. */
  async #complete(
    series: Series,
    span: TimeSpan,
    wholeFrom: number,
    caller?: Caller,
  ): Promise<{ state: SeriesState | null; failure: FinstageError | null }> {
    const { store, counted } = this.#options
    if (span.from >= span.to) return { state: null, failure: null }
    const request: LoadRequest = {
      series,
      span,
      isOpen: span.to >= this.present(series.interval),
      wholeFrom,
      caller,
      askedSteadyMs: this.#steadyMs(),
    }
    const state = await store.state(series, span)
    const missing = this.#missing(request, state)
    if (!this.#isDue(state) && missing.length === 0 && !this.#revision(request, state, missing)) {
      counted?.('hit')
      return { state, failure: null }
    }
    const filled = this.#turns.run(seriesName(series), () => this.#fill(request))
    // An answer may lack the newest candles, but must not have a hole.
    const isServable = state !== null && missing.every(({ from, to }) => from > span.from && to === span.to)
    const { failure, fetches, after } =
      caller && isServable
        ? await within(filled, caller.untilMs - performance.now(), (): Filled => ({ failure: notInTime, fetches: 0 }))
        : await filled
    counted?.(failure ? 'stale' : fetches > 0 ? 'miss' : 'hit')
    return { state: after === undefined ? await store.state(series, span) : after, failure }
  }

  /** Runs in the series' turn only. */
  async #fill(request: LoadRequest): Promise<Filled> {
    const { series, span } = request
    const { store } = this.#options
    let fetches = 0
    try {
      let state = await store.state(series, span)
      if (this.#isDue(state)) {
        await this.#seeActions(series, state, request.caller)
        state = await store.state(series, span)
      }
      for (let round = 0; round < maxRounds; round++) {
        const missing = this.#missing(request, state)
        const revision = this.#revision(request, state, missing)
        if (missing.length === 0 && !revision) return { failure: null, fetches, after: state }
        fetches += await this.#fetchAll(request, missing, revision, state)
        state = await store.state(series, span)
      }
      const left = this.#missing(request, state)
      return { failure: left.length > 0 ? neverAtRest : null, fetches, after: state }
    } catch (error) {
      if (!(error instanceof FinstageError) || !isSurvivable(error)) throw error
      return { failure: error, fetches }
    }
  }

  async #read(
    series: Series,
    span: TimeSpan,
    state: SeriesState | null,
    failure: FinstageError | null,
  ): Promise<LoadedSeries | null> {
    if (!state) {
      if (failure) throw failure
      return null
    }
    const from = Math.max(span.from, ...this.#unreachable(series, state.gaps).map(({ to }) => to))
    const stored = await this.#options.store.read(state, { from, to: span.to })
    // If the store knows for sure that there is nothing, that is an answer.
    if (failure && stored.list.length === 0 && state.gaps.length > 0) throw failure
    return { ...stored, state, from, failure }
  }

  /**
   * The parts that are neither final in the store nor fetched within their lifetime. Throws if they are out of the
   * source's reach.
   */
  #missing({ series, span, wholeFrom, askedSteadyMs }: LoadRequest, state: SeriesState | null): TimeSpan[] {
    const gaps = state?.gaps ?? [span]
    const unreachable = this.#unreachable(series, gaps)
    const whole = Math.max(span.from, ...unreachable.map(({ to }) => to))
    if (whole > wholeFrom + edgeSeconds) throw outOfReach(this.#options.source, series.interval)
    const reachable = gaps.map(({ from, to }) => ({ from: Math.max(from, whole), to })).filter(isSome)
    const last = this.#openEnds.fresh(series, state, askedSteadyMs)
    if (!last) return reachable
    const parts = reachable.flatMap((gap) => [
      { from: gap.from, to: Math.min(gap.to, last.from) },
      { from: Math.max(gap.from, last.to), to: gap.to },
    ])
    return parts.filter(isSome)
  }

  #unreachable({ interval }: Series, gaps: readonly TimeSpan[]): TimeSpan[] {
    const earliest = this.earliest(interval)
    return gaps.map(({ from, to }) => ({ from, to: Math.min(to, earliest) })).filter(isSome)
  }

  /**
   * Whether to look for splits and dividends that changed what is stored. They take effect when a session opens, so the
   * first request after the opening time of a day looks.
   */
  #isDue(state: SeriesState | null): state is SeriesState {
    return state !== null && Math.max(state.actionsAtMs, state.basisAtMs) < lastOpeningMs(state, this.#nowMs)
  }

  /** What to ask for again although it is stored for good. */
  #revision({ series, span }: LoadRequest, state: SeriesState | null, missing: readonly TimeSpan[]): TimeSpan | null {
    const unsettled = state && revisionDue(state, this.#nowMs, this.earliest(series.interval))
    if (!unsettled || unsettled.from >= span.to) return null
    // A call that fetches what comes after it may begin earlier.
    return unsettled.to > span.from || missing.length > 0 ? unsettled : null
  }

  async #seeActions(series: Series, state: SeriesState, caller: Caller | undefined): Promise<void> {
    const days = this.#daysOf(series.symbol)
    const from = Math.floor(state.actionsAtMs / dayMs) * daySeconds - daySeconds
    const span = { from, to: this.present('DAY_1') }
    if (series.interval !== 'DAY_1') {
      const { failure } = await this.#complete(
        days,
        span,
        from,
        caller && { ...caller, untilMs: Number.POSITIVE_INFINITY },
      )
      if (failure) throw failure
      return
    }
    const askedSteadyMs = this.#steadyMs()
    const request: LoadRequest = { series: days, span, isOpen: true, wholeFrom: from, caller, askedSteadyMs }
    const known = await this.#options.store.state(days, span)
    const missing = this.#missing(request, known)
    if (missing.length === 0) return
    // The call that looks for splits and dividends asks again for the last days, too.
    const revision = known && unsettledSpan(known, this.earliest('DAY_1'))
    await this.#fetchAll(request, missing, revision, known)
  }

  #daysOf(symbol: string): Series {
    return { source: this.#options.source.name, symbol, interval: 'DAY_1', extendedHours: false }
  }

  /** Returns how many spans it has fetched. A caller whose call budget is short gets the missing ones only. */
  async #fetchAll(
    request: LoadRequest,
    missing: readonly TimeSpan[],
    revision: TimeSpan | null,
    state: SeriesState | null,
  ): Promise<number> {
    if (!revision) {
      // With nothing else to ask for again, a series that was not asked for in a while need not be asked for twice.
      const revises = state !== null && unsettledSpan(state, this.earliest(request.series.interval)) === null
      for (const gap of missing) await this.#fetch(request, gap, state, revises)
      return missing.length
    }
    const { before, part } = withRevision(missing, revision)
    for (const gap of before) await this.#fetch(request, gap, state)
    try {
      await this.#fetch(request, part, state, true)
      return before.length + 1
    } catch (error) {
      if (!(error instanceof FinstageError) || error.code !== 'LIMIT_EXCEEDED') throw error
      for (const gap of missing.slice(before.length)) await this.#fetch(request, gap, state)
      return missing.length
    }
  }

  /** `revises`: whether the span contains all that is unsettled. */
  async #fetch(
    { series, span, isOpen, caller }: LoadRequest,
    gap: TimeSpan,
    state: SeriesState | null,
    revises = false,
  ): Promise<void> {
    const { symbol, interval, extendedHours } = series
    const key = seriesName(series)
    const askedMs = this.#nowMs
    const askedSteadyMs = this.#steadyMs()
    const failed = this.#failures.get(key)
    if (failed && failed.untilMs > askedSteadyMs) throw failed.error
    const isCurrent = isOpen && gap.to === span.to
    const { source } = this.#options
    const query = { symbol, interval, extendedHours, ...gap, judgedTo: await this.#judgedTo(series, gap) }
    caller?.budget.take(source.callsFor?.(query) ?? 1)
    const batch = await source.candles(query, caller?.budget).catch((error: unknown) => {
      // While a source refuses requests, it says itself for how long, without a call.
      if (error instanceof FinstageError && isSurvivable(error) && error.code !== 'SOURCE_RATE_LIMITED') {
        const lifetimeMs = error.temporary ? failureLifetimeMs : unknownLifetimeMs
        this.#failures.set(key, { error, untilMs: this.#steadyMs() + lifetimeMs })
      }
      throw error
    })
    this.#failures.delete(key)
    await this.#currencies.check(series, batch, state)
    const { finalBefore, timeMs = askedMs } = batch
    const startedMs = Math.min(askedMs, timeMs)
    const fetched = { ...batch, startedMs, isCurrent, revises, isFirst: state === null }
    const generation = await this.#options.store.write(series, gap, fetched)
    if (generation === null || (finalBefore >= gap.to && !isCurrent)) return
    const hours = batch.facts?.hours ?? null
    this.#openEnds.fetched(series, {
      from: Math.max(gap.from, Math.min(finalBefore, gap.to)),
      to: isCurrent ? Number.POSITIVE_INFINITY : gap.to,
      startedMs: askedSteadyMs,
      hours,
      exchange: batch.facts?.exchange,
      timezone: batch.facts?.timezone ?? 'UTC',
      generation,
    })
  }

  /**
   * A split or dividend that the source tells of and has not applied shows only in an answer with days on both sides of
   * it. So where one is known, the days before it are judged with all days since, as those that are stored were.
   */
  async #judgedTo(series: Series, { to }: TimeSpan): Promise<number | undefined> {
    const present = this.present('DAY_1')
    if (series.interval !== 'DAY_1' || to >= present) return undefined
    const { dividends, splits } = await this.#options.store.actions(series, { from: to, to: present })
    return dividends.length + splits.length > 0 ? present : undefined
  }
}

const isEmpty = ({ list, excluded }: StoredRows): boolean => list.length + excluded.length === 0

const isSome = ({ from, to }: TimeSpan): boolean => from < to
