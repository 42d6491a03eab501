import type { Registry } from 'prom-client'
import { FinstageError, symbolNotFound } from '../../domain/errors.ts'
import type { InstrumentMatch } from '../../domain/instrument.ts'
import type { Listing } from '../../domain/quote.ts'
import type { ListingSink, SourceFeed } from '../../domain/source-feed.ts'
import { isDaily } from '../../domain/time/interval.ts'
import { daySeconds } from '../../domain/time/units.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Nonsense, Quarantine } from '../quarantine.ts'
import type { CandleBatch, CandleQuery, MarketSource } from '../source.ts'
import { CalendarDifferences, type Differs } from './calendar-differences.ts'
import { yahooClient } from './calls/client.ts'
import { chartError, sourceError } from './calls/errors.ts'
import { YahooMetrics } from './calls/metrics.ts'
import type { YahooPolicyOptions } from './calls/policy.ts'
import { readChart } from './chart.ts'
import { finalBefore } from './hours.ts'
import { reachDays, requestSpans, spanSeconds, yahooInterval } from './interval.ts'
import { StreamMetrics } from './live/metrics.ts'
import { pollingFeed } from './live/polling-feed.ts'
import { yahooPushFeed } from './live/push-feed.ts'
import { readListing, readRows } from './quote.ts'
import type { Row } from './rows.ts'
import { readMatches } from './search.ts'

/** The address of Yahoo's push feed. */
export const yahooStreamUrl = 'wss://streamer.finance.yahoo.com/?version=2'

export interface YahooOptions {
  /** Where all calls go instead of Yahoo's hosts, keeping path and query; plain http is allowed. */
  readonly baseUrl?: string
  readonly fetch?: typeof fetch
  /** Epoch milliseconds. */
  readonly now?: () => number
  /** Milliseconds of a monotonic clock; `now` if absent. */
  readonly steadyMs?: () => number
  /** Called with Yahoo's own time, in epoch milliseconds, when an answer states it. */
  readonly saidTime?: (sourceMs: number) => void
  readonly logger?: Pick<Logger, 'debug' | 'info' | 'warn'>
  /** From the start of one poll of the live feed to the start of the next. */
  readonly pollIntervalMs?: number
  /** How long one call of Yahoo may take before Yahoo counts as out of reach. */
  readonly timeoutMs?: number
  /** Yahoo's push feed; symbols that it does not serve are polled. Without it, all symbols are polled. */
  readonly streamUrl?: string | undefined
  readonly quarantine?: Quarantine
  /** Where calls, retries and breakers are counted. */
  readonly registry?: Registry
  readonly policy?: YahooPolicyOptions
}

/** A client that counts back from now to the very edge must not be refused for the second that has passed since. */
const reachSlackSeconds = 60

/** Yahoo Finance, queried the way its website does. */
export function yahooSource(options: YahooOptions = {}): MarketSource {
  const {
    baseUrl,
    fetch = globalThis.fetch,
    now = Date.now,
    steadyMs = now,
    saidTime,
    logger,
    pollIntervalMs = 1000,
    timeoutMs = 3000,
    quarantine,
    policy = {},
  } = options
  const metrics = new YahooMetrics(options.registry)
  const streamMetrics = options.registry && new StreamMetrics(options.registry)
  const differences = new CalendarDifferences(logger, options.registry)
  const client = yahooClient({ baseUrl, fetch, now, steadyMs, logger, timeoutMs, metrics, policy })

  async function listings(symbols: readonly string[], operation?: object): Promise<ReadonlyMap<string, Listing>> {
    const asked = [...new Set(symbols)]
    if (asked.length === 0) return new Map()
    const rows = await client
      .quote(asked, operation)
      .then(({ body }) => readRows(body))
      .catch((error: unknown) => {
        throw sourceError(error)
      })
    const receivedAtMs = now()
    const found = new Map<string, Listing>()
    for (const row of rows) {
      const listing = readListing(row, receivedAtMs)
      if (listing) found.set(listing.instrument.symbol, listing)
      if (!listing?.quote) logger?.debug({ row }, 'Yahoo sent a row without a price')
    }
    // Keyed by the symbols that were asked for: rows that Yahoo has renamed or added belong to nobody.
    return new Map(
      asked.flatMap((symbol) => {
        const listing = found.get(symbol)
        return listing ? [[symbol, listing] as const] : []
      }),
    )
  }

  async function candles(query: CandleQuery, operation?: object): Promise<CandleBatch> {
    const { symbol, interval } = query
    // As the last segment of a path, these would address another resource.
    if (symbol === '.' || symbol === '..') throw symbolNotFound(symbol)
    refuseBeyondReach(query, now())
    if (query.from >= query.to) return noCandles(query, now())
    const parts: CandleBatch[] = []
    for (const span of requestSpans(interval, query.from, query.to))
      parts.push(await part({ ...query, ...span }, operation))
    const last = parts.findLast(({ facts }) => facts !== null) ?? noCandles(query, now())
    return {
      candles: parts.flatMap((each) => each.candles),
      excluded: parts.flatMap((each) => each.excluded),
      dividends: parts.flatMap((each) => each.dividends),
      splits: parts.flatMap((each) => each.splits),
      finalBefore: last.finalBefore,
      timeMs: parts.map(({ timeMs = now() }) => timeMs).reduce((a, b) => Math.min(a, b)),
      facts: last.facts,
    }
  }

  async function part(query: CandleQuery, operation?: object): Promise<CandleBatch> {
    const { symbol, interval, extendedHours, from, to, judgedTo = to } = query
    // Yahoo stamps a trading date's candle with an instant of that date at the exchange, up to 14 hours off midnight
    // UTC.
    const margin = isDaily(interval) ? daySeconds : 0
    const window = { period1: from - margin, period2: Math.max(to, judgedTo) + margin }
    const params = { interval: yahooInterval(interval), includePrePost: extendedHours, ...window }
    const nonsense = (reason: Nonsense, row: Row) => quarantine?.report(symbol, reason, row)
    const differs: Differs = (calendar, kind, date) => differences.count(calendar, kind, date, symbol)
    try {
      const { body, saidAtMs } = await client.chart(symbol, params, operation)
      if (saidAtMs !== null) saidTime?.(saidAtMs)
      const timeMs = earlier(now(), saidAtMs)
      return { ...readChart(body, query, timeMs, nonsense, differs), timeMs }
    } catch (error) {
      const refusal = chartError(error, symbol)
      if (refusal === null) return noCandles(query, now())
      throw refusal
    }
  }

  async function search(text: string, limit: number, operation?: object): Promise<readonly InstrumentMatch[]> {
    try {
      const { body } = await client.search(text, limit, operation)
      return readMatches(body, limit)
    } catch (error) {
      throw sourceError(error)
    }
  }

  async function warm(): Promise<void> {
    try {
      await client.openSession()
      logger?.debug('the session with Yahoo is open')
    } catch (error) {
      logger?.debug({ err: error }, 'the session with Yahoo could not be opened ahead')
    }
  }

  function openLive(sink: ListingSink): SourceFeed {
    const { streamUrl } = options
    if (streamUrl === undefined) return pollingFeed({ listings, intervalMs: pollIntervalMs, sink })
    return yahooPushFeed({
      ...{ url: streamUrl, listings, pollIntervalMs, sink, now, steadyMs, log: logger, metrics: streamMetrics },
    })
  }

  return {
    name: 'YAHOO',
    listings,
    candles,
    callsFor: ({ interval, from, to }) => requestSpans(interval, from, to).length,
    search,
    warm,
    reachDays,
    spanSeconds,
    openLive,
  }
}

/** An answer states whole seconds, and may travel for a few. */
const toleratedMs = 5000

/** If two clocks differ by more, the earlier one, by which less is over. */
const earlier = (nowMs: number, saidAtMs: number | null): number =>
  saidAtMs !== null && nowMs - saidAtMs > toleratedMs ? saidAtMs : nowMs

/** Yahoo's answer that it has nothing in a range, which says nothing about sessions. */
const noCandles = ({ interval }: CandleQuery, nowMs: number): CandleBatch => ({
  candles: [],
  excluded: [],
  dividends: [],
  splits: [],
  finalBefore: finalBefore(interval, null, 'UTC', nowMs / 1000),
  facts: null,
})

function refuseBeyondReach({ symbol, interval, from }: CandleQuery, nowMs: number): void {
  const reach = reachDays(interval)
  if (reach === null || from >= nowMs / 1000 - reach * daySeconds - reachSlackSeconds) return
  const message = `Yahoo has candles of ${interval} for the last ${reach} days only`
  throw new FinstageError('RANGE_NOT_AVAILABLE', message, { symbol, reachDays: reach })
}
