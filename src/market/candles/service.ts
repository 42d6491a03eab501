import {
  type Adjustment,
  beginningOfTime,
  type Candle,
  type CandleRequest,
  type CandleSeries,
  type SourceCandle,
} from '../../domain/candle.ts'
import { type CandleList, countBefore, listOf } from '../../domain/candle-list.ts'
import type { CorporateActions, Split } from '../../domain/corporate-action.ts'
import { FinstageError } from '../../domain/errors.ts'
import { composedSpan } from '../../domain/sessions/composed-span.ts'
import type { SessionHours } from '../../domain/sessions/session-hours.ts'
import { isTradingDate } from '../../domain/sessions/trading-week.ts'
import { finished, type RunSteps, type Steps } from '../../domain/steps.ts'
import {
  type Interval,
  intervalSeconds,
  isComposed,
  isDaily,
  longestSeconds,
  sourceInterval,
} from '../../domain/time/interval.ts'
import { tradingDate } from '../../domain/time/trading-date.ts'
import { daySeconds, type TimeSpan } from '../../domain/time/units.ts'
import type { StoredExtent } from '../../store/candles/candle-store.ts'
import type { Series, SeriesState } from '../../store/candles/series.ts'
import type { Caller } from '../call-budget.ts'
import type { MarketSource } from '../source.ts'
import { type AdjustmentFacts, adjusted } from './adjustment.ts'
import { compose } from './composition.ts'
import { mayServeStored, notInTime, outOfReach } from './failures.ts'
import { CandleLoader, type CandleLoaderOptions, type LoadedSeries } from './loader.ts'

/**
 * A range of more intervals than this holds more candles than a request may ask for, whatever the market's hours:
 * 60,000 minutes go back further than any source does. Such a range is refused before anything is fetched.
 */
const maxIntervals = 60_000
/** Longer than any market stays closed. If a series begins this much later than asked, it has no earlier candles. */
const longestPauseSeconds = 12 * daySeconds
/** A range that holds too few candles is doubled until it is this many times as long as at first. */
const longestWidening = 16

/** A request, and the caller who waits for the answer. */
interface CallerRequest extends CandleRequest {
  readonly caller: Caller | undefined
}

/** The range that was searched, and the candles in it. */
interface Found {
  readonly from: number
  readonly list: CandleList<Candle>
  readonly excluded: readonly number[]
  readonly loaded: LoadedSeries | null
  readonly hours: SessionHours
  readonly failure: FinstageError | null
  /** The range may not grow any further, although there may be candles before it. */
  readonly isCutShort: boolean
}

/** Serves candles of every interval and adjustment, derived from the series that the source has. */
export class CandleService {
  readonly #source: MarketSource
  readonly #loader: CandleLoader
  readonly #now: () => number
  readonly #run: RunSteps

  constructor(options: CandleLoaderOptions) {
    this.#source = options.source
    this.#loader = new CandleLoader(options)
    this.#now = options.now
    this.#run = options.run ?? finished
  }

  /**
   * Among requests that need the same series, the one that goes back furthest runs first: its fetch serves the others.
   */
  candles(requests: readonly CandleRequest[], caller?: Caller): Promise<(CandleSeries | Error)[]> {
    const first = new Map<string, Promise<unknown>>()
    const answers = new Map<CandleRequest, Promise<CandleSeries | Error>>()
    for (const request of requests.toSorted((a, b) => this.#start(a) - this.#start(b))) {
      const key = `${request.symbol} ${sourceInterval(request.interval)} ${request.extendedHours}`
      const before = first.get(key) ?? Promise.resolve()
      const answer = before.then(() => this.#answer({ ...request, caller })).catch((error: Error) => error)
      if (!first.has(key)) first.set(key, answer)
      answers.set(request, answer)
    }
    return Promise.all(requests.map((request) => answers.get(request) ?? this.#answer({ ...request, caller })))
  }

  /** Dividends and splits of [from, to), in epoch seconds; null: no bound. Throws as `candles` does. */
  actions(symbol: string, from: number | null, to: number | null, caller?: Caller): Promise<CorporateActions> {
    const span = { from: Math.max(from ?? beginningOfTime, beginningOfTime), to: this.#end('DAY_1', to) }
    if (span.from >= span.to) return Promise.resolve({ dividends: [], splits: [] })
    return this.#loader.actions(symbol, span, caller)
  }

  /**
   * Stores the candles of [from, to), in epoch seconds, that are missing, and returns what is stored then: for composed
   * intervals, the candles they are made of. Throws as `candles` does, and during an outage of the source.
   */
  backfill(symbol: string, interval: Interval, from: number, to: number): Promise<StoredExtent> {
    return this.#loader.store(this.#seriesOf(symbol, interval, false), { from, to: this.#end(interval, to) })
  }

  /**
   * Unadjusted prices need every split since the first candle. If only the extra candles before the range lack theirs,
   * the range is served without those candles.
   */
  async #answer(request: CallerRequest): Promise<CandleSeries> {
    try {
      return await this.#answerWhole(request)
    } catch (error) {
      if (request.adjustment !== 'NONE' || request.earlier === 0) throw error
      if (!(error instanceof FinstageError) || error.code === 'LIMIT_EXCEEDED') throw error
      return { ...(await this.#answerWhole({ ...request, earlier: 0 })), stale: true, failure: error }
    }
  }

  async #answerWhole(request: CallerRequest): Promise<CandleSeries> {
    const { interval } = request
    const to = this.#end(interval, request.to)
    const earliest = this.#loader.earliest(interval)
    // For a range that lies in the future, the answer still says whether there is anything before it.
    const from = Math.min(this.#start(request), to - this.#spanSeconds(interval, request.earlier))
    if (request.from !== null && (to - request.from) / intervalSeconds(interval) > maxIntervals) {
      throw request.from < earliest ? outOfReach(this.#source, interval) : rangeTooLong()
    }
    if (from >= to) return this.#cut(request, noneFound(from))
    return this.#cut(request, await this.#findEnough(request, from, Math.min(request.from ?? to, to)))
  }

  /**
   * Looks further back while candles are missing. Each step doubles the range from `from` to `end`, so the cost stays
   * in proportion to the request: history may be long, and the missing candles may not exist.
   */
  async #findEnough(request: CallerRequest, from: number, end: number): Promise<Found> {
    const earliest = this.#loader.earliest(request.interval)
    let found = await this.#find(request, from)
    let start = from
    for (let times = 2; start > earliest && this.#mayGoOn(request, found); times *= 2) {
      // A caller that has already waited too long for the newest candles does not wait for the oldest ones too.
      if (found.failure === notInTime) return found
      if (times > longestWidening) return { ...found, isCutShort: true }
      start = Math.max(earliest, end - times * (end - from))
      try {
        found = await this.#find(request, start)
      } catch (error) {
        if (!(error instanceof FinstageError) || !mayServeStored(error)) throw error
        // The candles found so far are fewer than there are.
        return { ...found, failure: error }
      }
    }
    return found
  }

  /** Whether too few candles were found although there may be more. */
  #mayGoOn({ from, last, earlier }: CandleRequest, { list, excluded, loaded, from: foundFrom }: Found): boolean {
    const wanted = from === null ? earlier + (last ?? 0) : earlier
    const before = from === null ? list.length : countBefore(list, from)
    if (before >= wanted) return false
    const firstTrade = loaded?.state.firstTradeEpoch ?? null
    if (firstTrade !== null && firstTrade >= foundFrom) return false
    const first = list.length > 0 ? list.epochAt(0) : excluded[0]
    return first === undefined || firstTrade !== null || first - foundFrom < longestPauseSeconds
  }

  async #find(request: CallerRequest, from: number): Promise<Found> {
    const { symbol, interval, adjustment, caller } = request
    const series = this.#seriesOf(symbol, interval, request.extendedHours)
    // A candle that the range cuts has parts outside of it.
    const margin = isComposed(interval) ? longestSeconds(interval) : 0
    const spanTo = (to: number): TimeSpan => ({
      from: from - margin,
      to: Math.min(to + margin, this.#loader.present(series.interval)),
    })
    // Load these before the candles: a new split changes the candles.
    const days = await this.#daysFor(series, adjustment, spanTo(this.#end(interval, request.to)), caller)
    // Read the time only now: the wait above took some.
    const to = this.#end(interval, request.to)
    const loaded = await this.#loader.load(series, spanTo(to), request.from ?? Number.POSITIVE_INFINITY, caller)
    if (loaded === null) return noneFound(from - margin)
    const failure = loaded.failure ?? days.failure
    const isInside = (epoch: number) => epoch >= loaded.from && epoch < to
    if (adjustment === 'SPLITS' && !isComposed(interval)) {
      const { list, excluded } = loaded
      return {
        from: loaded.from,
        list: list.slice(countBefore(list, loaded.from), countBefore(list, to)),
        excluded: excluded.filter(isInside),
        loaded,
        hours: sessionHours(loaded.state, []),
        failure,
        isCutShort: false,
      }
    }
    return this.#run(this.#derived(request, loaded, days, to))
  }

  /** From candles of the source's interval, adjusted for splits. */
  *#derived(
    { interval, adjustment }: CandleRequest,
    loaded: LoadedSeries,
    days: Pick<AdjustmentFacts, 'splits' | 'days'> & { readonly failure: FinstageError | null },
    to: number,
  ): Steps<Found> {
    const isInside = (epoch: number) => epoch >= loaded.from && epoch < to
    const { excluded } = loaded
    const candles = yield* loaded.list.candleSteps()
    const now = this.#now() / 1000
    const timezone = isDaily(interval) ? null : (loaded.state.timezone ?? 'UTC')
    const parts = yield* adjusted(candles, adjustment, { timezone, ...days })
    const unusable = [...excluded, ...missingOf(candles, parts)].sort((a, b) => a - b)
    const hours = sessionHours(loaded.state, isDaily(interval) && isComposed(interval) ? candles : [])
    yield
    const wholes = isComposed(interval)
      ? yield* compose(interval, parts, {
          hours,
          // Weeks and months end with a trading date of the exchange.
          now: isDaily(interval) ? tradingDate(now, loaded.state.timezone ?? 'UTC') : now,
          isCurrent: loaded.failure === null,
        })
      : parts
    // Count an excluded row under the candle it would have been part of.
    const starts = isComposed(interval) ? unusable.map((epoch) => composedSpan(interval, epoch, hours).start) : unusable
    return {
      from: loaded.from,
      list: listOf(wholes.filter(({ epoch }) => isInside(epoch))),
      excluded: starts.filter(isInside),
      loaded,
      hours,
      failure: loaded.failure ?? days.failure,
      isCutShort: false,
    }
  }

  #seriesOf(symbol: string, interval: Interval, extendedHours: boolean): Series {
    return {
      source: this.#source.name,
      symbol,
      interval: sourceInterval(interval),
      extendedHours: extendedHours && !isDaily(interval),
    }
  }

  /** The splits and days that the adjustment needs besides the candles. */
  async #daysFor(
    { symbol, interval }: Series,
    adjustment: Adjustment,
    { from, to }: TimeSpan,
    caller: Caller | undefined,
  ): Promise<{ splits: readonly Split[]; days: readonly SourceCandle[]; failure: FinstageError | null }> {
    const nothing = { splits: [], days: [], failure: null }
    if (adjustment === 'SPLITS' || (adjustment === 'SPLITS_AND_DIVIDENDS' && isDaily(interval))) return nothing
    const series = this.#seriesOf(symbol, 'DAY_1', false)
    // A session may begin up to a day before midnight UTC of its trading date, and end up to a day after.
    const dateFrom = Math.max(Math.floor(from / daySeconds) * daySeconds - daySeconds, this.#loader.earliest('DAY_1'))
    if (adjustment === 'NONE') {
      const span = { from: dateFrom, to: this.#loader.present('DAY_1') }
      const { splits } = await this.#loader.actions(symbol, span, caller)
      return { ...nothing, splits }
    }
    // Read beyond the range, up to a day that certainly has a row: the last days of the range may have none.
    const span = { from: dateFrom, to: Math.min(this.#loader.present('DAY_1'), to + longestPauseSeconds) }
    const loaded = await this.#loader.load(series, span, span.from, caller)
    return { ...nothing, days: loaded?.list.candles ?? [], failure: loaded?.failure ?? null }
  }

  /** Where a range ends: without a bound, at the present, inclusive. */
  #end(interval: Interval, to: number | null): number {
    const present = this.#loader.present(sourceInterval(interval))
    return Math.min(to ?? present, present)
  }

  /** The start of the range that must be searched to find everything the request asks for. */
  #start({ interval, from, to, last, earlier }: CandleRequest): number {
    const before = (from === null ? (last ?? 0) : 0) + earlier
    return (from ?? this.#end(interval, to)) - this.#spanSeconds(interval, before)
  }

  /**
   * The longest wall time that `count` candles can span, plus the newest one, which the source may not have sent yet.
   */
  #spanSeconds(interval: Interval, count: number): number {
    if (count === 0) return 0
    if (isDaily(interval) && isComposed(interval)) return (count + 1) * longestSeconds(interval)
    const parts = intervalSeconds(interval) / intervalSeconds(sourceInterval(interval))
    return this.#source.spanSeconds(sourceInterval(interval), parts * (count + 1))
  }

  #cut(
    request: CandleRequest,
    { from: foundFrom, list, excluded, loaded, hours, failure, isCutShort }: Found,
  ): CandleSeries {
    const { symbol, interval, adjustment, from, last } = request
    const rangeStart = countBefore(list, from ?? Number.NEGATIVE_INFINITY)
    const start = Math.max(rangeStart, last === null ? 0 : list.length - last)
    const firstEpoch = start < list.length ? list.epochAt(start) : (from ?? Number.NEGATIVE_INFINITY)
    const excludedFrom = start === rangeStart && from !== null ? from : firstEpoch
    const firstTrade = loaded?.state.firstTradeEpoch ?? null
    const reachesBack = !isCutShort && (firstTrade === null ? isDaily(interval) : firstTrade >= foundFrom)
    const earlierStart = Math.max(0, start - request.earlier)
    const [earlier, nodes] = [list.slice(earlierStart, start), list.slice(start, list.length)]
    const series: CandleSeries = {
      symbol,
      interval,
      adjustment,
      extendedHours: request.extendedHours && !isDaily(interval),
      source: this.#source.name,
      stale: failure !== null,
      failure,
      receivedAtMs: loaded?.state.receivedAtMs ?? this.#now(),
      excluded: excluded.filter((epoch) => epoch >= excludedFrom).length,
      sessions: hours,
      // `isCutShort`: the candles before were not looked for.
      hasEarlier: start > 0 || isCutShort || (isDaily(interval) && firstTrade !== null && firstTrade < foundFrom),
      get nodes() {
        return nodes.candles
      },
      get earlier() {
        return earlier.candles
      },
      isWhole: start < request.earlier && reachesBack,
      isFinal: loaded?.state.gaps.length === 0 && request.to !== null && request.to === this.#end(interval, request.to),
    }
    // Not enumerable: it is no part of the answer, but another way to read it.
    return Object.defineProperty(series, 'lists', { value: { earlier, nodes } })
  }
}

/** `days`: what weeks and months are composed from, since their last date may be one without a session by the calendar. */
function sessionHours(state: SeriesState, days: readonly Candle[]): SessionHours {
  const { timezone: known, sessionOpens: opens, sessionCloses: closes, exchange, basisAtMs } = state
  const timezone = known ?? 'UTC'
  const hours: SessionHours = {
    timezone,
    opens,
    closes,
    exchange,
    // What was fetched before the session that is known was fetched with an earlier one.
    isOnlySession: opens !== null && tradingDate(basisAtMs / 1000, timezone) >= tradingDate(opens, timezone),
  }
  const unscheduled = days.map(({ epoch }) => epoch).filter((date) => !isTradingDate(date, hours))
  return unscheduled.length > 0 ? { ...hours, unscheduled } : hours
}

/** When the candles begin that an adjustment left out. */
function missingOf(candles: readonly Candle[], adjusted: readonly Candle[]): number[] {
  if (candles.length === adjusted.length) return []
  const kept = new Set(adjusted.map(({ epoch }) => epoch))
  return candles.map(({ epoch }) => epoch).filter((epoch) => !kept.has(epoch))
}

const noneFound = (from: number): Found => ({
  from,
  list: listOf([]),
  excluded: [],
  loaded: null,
  hours: { timezone: 'UTC', opens: null, closes: null },
  failure: null,
  isCutShort: false,
})

/** The resolvers count the candles of an answer; a range this long holds too many in any case. */
const rangeTooLong = (): FinstageError =>
  new FinstageError('RANGE_NOT_AVAILABLE', 'This range has too many candles: ask for a shorter one')
