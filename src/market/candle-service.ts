import { LRUCache } from 'lru-cache'
import type { Candle } from '../domain/candle.ts'
import { FinstageError } from '../domain/errors.ts'
import type { Source } from '../domain/instrument.ts'
import { type Interval, intervalSeconds, isDaily, sourceInterval } from '../domain/interval.ts'
import type { CandleStore, Series, Span, StoredCandles } from '../store/candle-store.ts'
import type { MarketSource } from './market-source.ts'

const daySeconds = 86_400
/** Candles that began less than this ago may still be revised by the source, so they are fetched anew. */
const revisableSeconds = 2 * daySeconds
/** Before every exchange that any source knows. */
const beginningOfTime = Date.UTC(1900, 0, 1) / 1000
/**
 * A range of more intervals than this holds more candles than anybody may ask for, whatever hours a market keeps: those of
 * minutes would go back further than any source does. It is refused before anything is fetched.
 */
const maxIntervals = 60_000
/** How far ahead of UTC the trading date of an exchange may be. */
const dateAheadSeconds = 14 * 3600
/** A client's clock, and the time that a request takes. */
const reachSlackSeconds = 60
/** Longer than markets are closed in a row: a series that begins so much later than asked has no earlier candles. */
const longestPauseSeconds = 12 * daySeconds

export interface CandleRequest {
  readonly symbol: string
  readonly interval: Interval
  /** Epoch seconds, inclusive; null: as far back as `last` asks. */
  readonly from: number | null
  /** Epoch seconds, exclusive; null: now. */
  readonly to: number | null
  /** Only the newest so many of the range; null: all of it. */
  readonly last: number | null
  /** How many candles before the first are wanted too, where history reaches so far: warm-up for indicators. */
  readonly earlier: number
  /** When the asker began, in epoch milliseconds: whatever was fetched since then is new enough for it. */
  readonly sinceMs: number
}

export interface StoredSeries {
  readonly symbol: string
  readonly interval: Interval
  readonly source: Source
  /** The source could not be reached: this is what was stored. */
  readonly stale: boolean
  readonly receivedAtMs: number
  /** Rows that the source sent unusable, within the nodes' range. */
  readonly excluded: number
  /** Oldest first. */
  readonly nodes: readonly Candle[]
  /** The candles before the first node, oldest first. */
  readonly earlier: readonly Candle[]
}

/** What was fetched of a series last, and when that fetch began; `to` is infinite where it went up to the present. */
interface LastFetch extends Span {
  readonly startedMs: number
}

/** Candles out of the store, which is filled from the source: only gaps and the open end are fetched. */
export class CandleService {
  readonly #source: MarketSource
  readonly #store: CandleStore
  readonly #now: () => number
  readonly #lastFetches = new LRUCache<string, LastFetch>({ max: 20_000 })
  /** One fetch at a time for each series, so that the next finds what the one before has stored. */
  readonly #queues = new Map<string, Promise<unknown>>()

  constructor(options: { source: MarketSource; store: CandleStore; now?: () => number }) {
    this.#source = options.source
    this.#store = options.store
    this.#now = options.now ?? Date.now
  }

  /** Those of one series are answered one after the other, the one that goes back furthest first: it serves the others. */
  candles(requests: readonly CandleRequest[]): Promise<(StoredSeries | Error)[]> {
    const answers = new Map<CandleRequest, Promise<StoredSeries | Error>>()
    for (const request of requests.toSorted((a, b) => this.#start(a) - this.#start(b))) {
      answers.set(
        request,
        this.#inTurn(request).catch((error: Error) => error),
      )
    }
    return Promise.all(requests.map((request) => answers.get(request) ?? this.#inTurn(request)))
  }

  async #inTurn(request: CandleRequest): Promise<StoredSeries> {
    const series: Series = { source: this.#source.name, symbol: request.symbol, interval: request.interval }
    const key = keyOf(series)
    const turn = (this.#queues.get(key) ?? Promise.resolve()).then(() => this.#answer(series, request))
    const settled = turn.catch(() => {})
    this.#queues.set(key, settled)
    try {
      return await turn
    } finally {
      if (this.#queues.get(key) === settled) this.#queues.delete(key)
    }
  }

  async #answer(series: Series, request: CandleRequest): Promise<StoredSeries> {
    const to = this.#end(series.interval, request.to)
    const earliest = this.#earliest(series.interval)
    if (request.from !== null && request.from < earliest) throw this.#outOfReach(series.interval)
    const from = this.#start(request)
    if ((to - from) / intervalSeconds(series.interval) > maxIntervals) throw tooManyCandles()
    if (from >= to) return this.#cut(series, request, { candles: [], excluded: [], receivedAtMs: this.#now() }, false)
    let { stale, stored } = await this.#load(series, { from, to }, request.sinceMs)
    const first = stored.candles[0]?.epoch ?? stored.excluded[0]
    const mayGoOn = first === undefined || first - from < longestPauseSeconds
    if (
      request.last !== null &&
      stored.candles.length < request.last &&
      request.from === null &&
      mayGoOn &&
      from > earliest
    ) {
      // Where that fails, what is at hand is what there is.
      ;({ stale, stored } = await this.#load(series, { from: earliest, to }, request.sinceMs).catch(() => ({
        stale,
        stored,
      })))
    }
    return this.#cut(series, request, stored, stale)
  }

  /** Fetches what is missing of a span, then reads all of it from the store. */
  async #load(series: Series, span: Span, sinceMs: number): Promise<{ stale: boolean; stored: StoredCandles }> {
    let stale = false
    let failure: FinstageError | undefined
    try {
      for (const gap of await this.#missing(series, span, sinceMs)) await this.#fetch(series, gap)
    } catch (error) {
      if (!(error instanceof FinstageError) || !error.temporary) throw error
      failure = error
      stale = true
    }
    const stored = await this.#store.read(series, span)
    if (failure && stored.candles.length === 0) throw failure
    return { stale, stored }
  }

  /** What is neither stored for good nor was fetched since the asker began. */
  async #missing(series: Series, span: Span, sinceMs: number): Promise<Span[]> {
    const gaps = await this.#store.gaps(series, span)
    const last = this.#lastFetches.get(keyOf(series))
    if (!last || last.startedMs < sinceMs) return gaps
    const parts = gaps.flatMap((gap) => [
      { from: gap.from, to: Math.min(gap.to, last.from) },
      { from: Math.max(gap.from, last.to), to: gap.to },
    ])
    return parts.filter((part) => part.from < part.to)
  }

  async #fetch(series: Series, gap: Span): Promise<void> {
    const startedMs = this.#now()
    const { symbol, interval } = series
    const fetched = await this.#source.candles({
      symbol,
      interval: sourceInterval(interval),
      extendedHours: false,
      from: gap.from,
      to: gap.to,
    })
    const revisableFrom = Math.floor((startedMs / 1000 - revisableSeconds) / daySeconds) * daySeconds
    await this.#store.write(series, gap, fetched, { from: gap.from, to: Math.min(gap.to, revisableFrom) })
    const to = gap.to * 1000 >= startedMs ? Number.POSITIVE_INFINITY : gap.to
    this.#lastFetches.set(keyOf(series), { from: gap.from, to, startedMs })
  }

  /** The present belongs to a range that has no end. */
  #end(interval: Interval, to: number | null): number {
    const present = Math.floor(this.#now() / 1000) + 1 + (isDaily(interval) ? dateAheadSeconds : 0)
    return Math.min(to ?? present, present)
  }

  /** From when on the source is asked, so that all that is wanted lies behind. */
  #start({ interval, from, to, last, earlier }: CandleRequest): number {
    const before = (from === null ? (last ?? 0) : 0) + earlier
    const reach = before === 0 ? 0 : this.#source.spanSeconds(sourceInterval(interval), before)
    return Math.max(this.#earliest(interval), (from ?? this.#end(interval, to)) - reach)
  }

  #earliest(interval: Interval): number {
    const reachDays = this.#source.reachDays(interval)
    if (reachDays === null) return beginningOfTime
    return Math.ceil(this.#now() / 1000) - reachDays * daySeconds - reachSlackSeconds
  }

  #outOfReach(interval: Interval): FinstageError {
    const reachDays = this.#source.reachDays(interval)
    if (reachDays === null) return new FinstageError('RANGE_NOT_AVAILABLE', 'No source has candles from before 1900')
    const message = `The source has ${interval} candles of the last ${reachDays} days only`
    return new FinstageError('RANGE_NOT_AVAILABLE', message, { reachDays })
  }

  #cut(series: Series, request: CandleRequest, stored: StoredCandles, stale: boolean): StoredSeries {
    const { candles } = stored
    const inRange = candles.findIndex((candle) => candle.epoch >= (request.from ?? Number.NEGATIVE_INFINITY))
    const rangeStart = inRange === -1 ? candles.length : inRange
    const start = Math.max(rangeStart, request.last === null ? 0 : candles.length - request.last)
    const firstEpoch = candles[start]?.epoch ?? request.from ?? Number.NEGATIVE_INFINITY
    const excludedFrom = start === rangeStart && request.from !== null ? request.from : firstEpoch
    return {
      symbol: series.symbol,
      interval: series.interval,
      source: series.source,
      stale,
      receivedAtMs: stored.receivedAtMs,
      excluded: stored.excluded.filter((epoch) => epoch >= excludedFrom).length,
      nodes: candles.slice(start),
      earlier: candles.slice(Math.max(0, start - request.earlier), start),
    }
  }
}

/** At most 20,000 come in one answer; the resolvers count them, and this is what can't be fewer. */
const tooManyCandles = (): FinstageError =>
  new FinstageError('RANGE_NOT_AVAILABLE', 'So long a range has too many candles: ask for a shorter one')

const keyOf = (series: Series): string => `${series.symbol} ${series.interval}`
