import { FinstageError } from '../../../domain/errors.ts'
import type { Listing } from '../../../domain/quote.ts'
import type { ListingSink, SourceFeed } from '../../../domain/source-feed.ts'
import { minuteMs } from '../../../domain/time/units.ts'
import type { Logger } from '../../../platform/logger.ts'
import { furthestAheadMs } from '../../source.ts'
import type { DropReason, Frame } from './frame.ts'
import { isInSession } from './in-session.ts'
import type { StreamMetrics } from './metrics.ts'
import { pollingFeed } from './polling-feed.ts'
import {
  beside,
  isPriced,
  isSameQuote,
  merged,
  orderOf,
  type Priced,
  rounded,
  superseding,
  wholeSecond,
} from './priced-listing.ts'
import { type StreamShard, streamShard } from './shard.ts'
import { type OpenStream, openWebSocket } from './socket.ts'
import { UsualRate } from './usual-rate.ts'

export interface YahooPushFeedOptions {
  readonly url: string
  /** May throw a FinstageError for the whole call. */
  readonly listings: (symbols: readonly string[]) => Promise<ReadonlyMap<string, Listing>>
  /** For polled symbols: from the start of one round to the start of the next. */
  readonly pollIntervalMs: number
  readonly sink: ListingSink
  /** Epoch milliseconds. */
  readonly now?: () => number
  /** Milliseconds of a monotonic clock; `now` if absent. */
  readonly steadyMs?: () => number
  /** From 0 to 1. */
  readonly random?: () => number
  readonly open?: OpenStream
  readonly log?: Pick<Logger, 'debug' | 'info'> | undefined
  readonly metrics?: Pick<StreamMetrics, 'dropped' | 'frame' | 'runs'> | undefined
}

interface PushedSymbol {
  readonly symbol: string
  /**
   * 'new' until the first answer; then 'live', 'failed' until it is served again, or 'refused' until it is watched
   * anew. Only `tell` and `fail` change it.
   */
  state: 'new' | 'live' | 'failed' | 'refused'
  /** Set from the first answer on. */
  shard: StreamShard | null
  /** The last state, sent or not: a repeated frame may say something besides the price. */
  last: Priced | null
  /** Whether the sink believed the last listing; if not, the same listing is sent again when it arrives again. */
  isBelieved: boolean
  /** The prices sent within the last price's second, as they are shown. */
  readonly toldOfSecond: Set<number>
  /** The last poll's answer about the current price, while the stream has sent nothing since. */
  polled: Priced | null
  /**
   * 'behind' until the stream has shown that it misses nothing of this symbol. A frame of the symbol makes it
   * 'caughtUp', and so does a poll that began with the subscription in force and knew nothing newer. A poll that knows
   * better makes it 'lossy' until its next frame.
   */
  stream: 'behind' | 'caughtUp' | 'lossy'
  /** A poll is wanted although the stream serves the symbol. */
  checking: boolean
  /** Not polled until the next round. */
  resting: boolean
  /** The last poll knew something newer than the stream. */
  hadNews: boolean
  readonly usual: UsualRate
}

/** A socket with many symbols loses updates. */
const symbolsPerSocket = 100
/**
 * How often symbols that the stream serves are polled as well: a quote knows the session, and what the stream has lost.
 */
const checkMs = minuteMs

/**
 * Yahoo's push feed, with polling for symbols that it does not serve. Both are followed at the same time, and each
 * price is sent once: a symbol is polled from the start, and again when its socket fails, until the stream has caught
 * up. So a switch in either direction has no gap.
 */
export function yahooPushFeed(options: YahooPushFeedOptions): SourceFeed {
  const {
    url,
    pollIntervalMs,
    sink,
    log,
    now = Date.now,
    steadyMs = now,
    random = Math.random,
    open = openWebSocket,
  } = options
  const { metrics } = options
  const dropped = (reason: DropReason): void => metrics?.dropped(reason)
  let watched = new Map<string, PushedSymbol>()
  const shards = new Set<StreamShard>()
  const poll = pollingFeed({ listings, intervalMs: pollIntervalMs, sink: { update: polled, failure: pollFailed } })
  let checks: NodeJS.Timeout | undefined
  let rest: NodeJS.Timeout | undefined
  let reviewing: NodeJS.Immediate | undefined
  let stopped = false

  function watch(symbols: ReadonlySet<string>): void {
    if (stopped) return
    const next = new Map<string, PushedSymbol>()
    for (const symbol of symbols) next.set(symbol, watched.get(symbol) ?? newlyWatched(symbol))
    leave([...watched.keys()].filter((symbol) => !next.has(symbol)))
    watched = next
    if (watched.size > 0) checks ??= setInterval(check, checkMs)
    else checks = void clearInterval(checks)
    review()
  }

  function leave(symbols: readonly string[]): void {
    for (const shard of shards) {
      shard.remove(symbols)
      if (shard.symbols.size > 0) continue
      shard.stop()
      shards.delete(shard)
    }
  }

  /** Assigns new symbols to sockets, and polls those that the stream does not serve. */
  function review(): void {
    if (stopped) return
    const all = [...watched.values()]
    place(all.filter((each) => each.last && !each.shard))
    poll.watch(new Set(all.filter(isPolled).map(({ symbol }) => symbol)))
  }

  function reviewSoon(): void {
    reviewing ??= setImmediate(() => {
      reviewing = undefined
      review()
    })
  }

  const isPolled = (each: PushedSymbol): boolean =>
    each.state !== 'refused' && !each.resting && (each.checking || each.stream !== 'caughtUp' || !isServed(each))

  const isServed = (each: PushedSymbol): boolean => each.shard?.isServing() === true

  function place(newcomers: PushedSymbol[]): void {
    while (newcomers.length > 0) {
      const shard = [...shards].find(({ symbols }) => symbols.size < symbolsPerSocket) ?? newShard()
      const placed = newcomers.splice(0, symbolsPerSocket - shard.symbols.size)
      for (const each of placed) each.shard = shard
      shard.add(placed.map(({ symbol }) => symbol))
    }
  }

  function newShard(): StreamShard {
    const isSymbolInSession = (symbol: string) => {
      const last = watched.get(symbol)?.last
      return last != null && isInSession(last, now())
    }
    const shard = streamShard({
      url,
      open,
      now: steadyMs,
      random,
      log,
      isInSession: isSymbolInSession,
      frame: pushed,
      dropped,
      changed,
    })
    shards.add(shard)
    return shard
  }

  function changed(shard: StreamShard): void {
    if (!shard.isServing()) {
      for (const symbol of shard.symbols.keys()) {
        const each = watched.get(symbol)
        if (each) each.stream = 'behind'
      }
    }
    review()
  }

  function check(): void {
    for (const each of watched.values()) {
      each.checking = true
      each.usual.minute(isExpected(each))
    }
    review()
  }

  const isExpected = ({ last }: PushedSymbol): boolean => last !== null && isInSession(last, now())

  metrics?.runs({
    sockets: (state) => [...shards].filter((shard) => shard.state === state).length,
    usualFramesPerSecond: () =>
      [...watched.values()].reduce((sum, each) => sum + (isExpected(each) ? each.usual.expectedPerSecond : 0), 0),
  })

  async function listings(symbols: readonly string[]): Promise<ReadonlyMap<string, Listing>> {
    const asked = symbols
      .flatMap((symbol) => watched.get(symbol) ?? [])
      .map((each) => ({ each, inForce: each.shard?.inForceSince(each.symbol) ?? null }))
    let answer: ReadonlyMap<string, Listing> | undefined
    try {
      answer = await options.listings(symbols)
      return answer
    } finally {
      for (const { each } of asked) each.hadNews = false
      // Runs after the polling feed has passed the answer on.
      setImmediate(() => {
        for (const { each, inForce } of asked) {
          each.checking = false
          const isProof = !each.hadNews && inForce !== null && answer?.get(each.symbol)?.quote
          if (isProof && each.stream === 'behind' && isInForce(each, inForce)) each.stream = 'caughtUp'
        }
        review()
      })
    }
  }

  const isInForce = ({ symbol, shard }: PushedSymbol, sinceMs: number): boolean =>
    shard?.inForceSince(symbol) === sinceMs

  function polled(listing: Listing): boolean {
    const each = watched.get(listing.instrument.symbol)
    if (!each || !isPriced(listing)) return true
    const { last } = each
    if (!last) {
      each.polled = listing
      tell(each, listing)
      return each.isBelieved
    }
    const order = orderOf(last, listing.quote)
    const isNewer = order === 'newer' || (order === 'unclear' && mayBeNewer(each, listing))
    const next = isNewer ? superseding(last, listing) : beside(last, listing, order === 'same')
    const saysMore = order === 'same' && each.polled !== null && !isSameQuote(each.polled, listing)
    if (isNewer || order === 'same') each.polled = listing
    each.hadNews = isNewer
    if (isNewer && each.stream === 'caughtUp') each.stream = 'lossy'
    observe(each, next, isNewer || saysMore)
    return each.isBelieved
  }

  /**
   * Quotes may lag behind the stream. While the stream works, it is believed. If a price was already sent within the
   * same second, a late quote is more likely than a price that came back.
   */
  function mayBeNewer(each: PushedSymbol, { instrument, quote }: Priced): boolean {
    if (each.stream === 'caughtUp' && isServed(each)) return false
    return !each.toldOfSecond.has(rounded(quote.price, instrument.priceDecimals))
  }

  function pushed(frame: Frame): void {
    const each = watched.get(frame.symbol)
    if (!each?.last) return
    metrics?.frame()
    each.usual.frame()
    const nowMs = now()
    if ((frame.timeMs ?? 0) > nowMs + furthestAheadMs) {
      dropped('from the future')
      return
    }
    const next = merged(each.last, frame, nowMs)
    const order = orderOf(each.last, next.quote)
    if (order === 'older') {
      dropped('older than the last')
      return
    }
    if (each.stream !== 'caughtUp') reviewSoon()
    each.stream = 'caughtUp'
    each.polled = null
    if (!observe(each, next, order !== 'same')) dropped('repeated')
  }

  /** Sends news, and what a client must learn besides: the price is valid again, or the session has changed. */
  function observe(each: PushedSymbol, next: Priced, isNews: boolean): boolean {
    const isTold =
      isNews || !each.isBelieved || each.state !== 'live' || next.quote.marketState !== each.last?.quote.marketState
    if (isTold) tell(each, next)
    else each.last = next
    return isTold
  }

  function tell(each: PushedSymbol, listing: Priced): void {
    const { instrument, quote } = listing
    if (!each.last || wholeSecond(quote) !== wholeSecond(each.last.quote)) each.toldOfSecond.clear()
    each.toldOfSecond.add(rounded(quote.price, instrument.priceDecimals))
    each.state = 'live'
    each.last = listing
    each.isBelieved = sink.update(listing) !== false
  }

  function pollFailed(symbol: string, error: FinstageError): void {
    const each = watched.get(symbol)
    if (!each) return
    if (!each.last) {
      fail(each, error)
      return
    }
    // The polling feed gives the symbol up, because it never saw it served; but one answer without the symbol does not
    // mean that it has ceased to exist.
    if (!error.temporary) takeRest(each)
    if (!isServed(each)) fail(each, error.temporary ? error : leftOut(symbol))
  }

  function fail(each: PushedSymbol, error: FinstageError): void {
    each.state = error.temporary ? 'failed' : 'refused'
    sink.failure(each.symbol, error)
  }

  function takeRest(each: PushedSymbol): void {
    each.resting = true
    rest ??= setTimeout(() => {
      rest = undefined
      for (const other of watched.values()) other.resting = false
      review()
    }, pollIntervalMs)
  }

  async function stop(): Promise<void> {
    stopped = true
    clearInterval(checks)
    clearTimeout(rest)
    clearImmediate(reviewing)
    for (const shard of shards) shard.stop()
    shards.clear()
    watched = new Map()
    await poll.stop()
  }

  return { watch, stop }
}

const newlyWatched = (symbol: string): PushedSymbol => ({
  symbol,
  state: 'new',
  shard: null,
  last: null,
  isBelieved: true,
  toldOfSecond: new Set<number>(),
  polled: null,
  stream: 'behind',
  checking: false,
  resting: false,
  hadNews: false,
  usual: new UsualRate(),
})

const leftOut = (symbol: string): FinstageError =>
  new FinstageError('SOURCE_UNAVAILABLE', `The source left out the price of ${symbol}`, { symbol })
