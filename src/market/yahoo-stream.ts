import { FinstageError } from '../domain/errors.ts'
import type { LiveFeed, LiveSink } from '../domain/live-feed.ts'
import type { Listing } from '../domain/quote.ts'
import type { Logger } from '../platform/logger.ts'
import { pollingFeed } from './polling-feed.ts'
import type { DropReason, Frame } from './yahoo-stream-frame.ts'
import { beside, isPriced, looksAlike, merged, orderOf, type Priced, superseding } from './yahoo-stream-quote.ts'
import { type StreamShard, streamShard } from './yahoo-stream-shard.ts'
import { type OpenStream, openWebSocket } from './yahoo-stream-socket.ts'

export interface YahooStreamOptions {
  /** wss://streamer.finance.yahoo.com/?version=2 */
  readonly url: string
  /** May throw a FinstageError for the whole call. */
  readonly listings: (symbols: readonly string[]) => Promise<ReadonlyMap<string, Listing>>
  /** Of what is polled: from the start of one round to the start of the next. */
  readonly pollIntervalMs: number
  readonly sink: LiveSink
  /** Epoch milliseconds. */
  readonly now?: () => number
  /** From 0 to 1. */
  readonly random?: () => number
  readonly open?: OpenStream
  readonly log?: Pick<Logger, 'debug' | 'info'> | undefined
  /** Called for each message that nobody was told of. */
  readonly dropped?: (reason: DropReason) => void
}

interface Watched {
  readonly symbol: string
  /**
   * 'new' until its first answer; then 'live', or 'failed' until it is served again, or 'refused' for good, until it is
   * watched anew. `tell` and `fail` alone change it.
   */
  state: 'new' | 'live' | 'failed' | 'refused'
  /** From the first answer on. */
  shard: StreamShard | null
  /** The last state, told or not: a frame that repeats may say something beside the price. */
  last: Priced | null
  /** What the last poll said, while nothing was heard from the stream since. */
  polled: Priced | null
  /** The stream has shown that it misses nothing of this symbol. */
  caughtUp: boolean
  /** A poll is wanted although the stream serves the symbol. */
  checking: boolean
  /** Not to be polled until the next round. */
  resting: boolean
  /** When the request began whose answer comes now. */
  askedMs: number
  /** How often a poll knew more than the stream. */
  pollNews: number
}

/** Many symbols on one socket lose updates. */
const symbolsPerSocket = 100
/** How often a quote is asked of what the stream serves: it knows the session, and what the stream has lost. */
const checkMs = 60_000
/** A clock that is wrong by as much could not have checked the certificate: it is the frame that is wrong. */
const futureMs = 86_400_000

/**
 * Yahoo's push feed, with polling for all that it does not serve. Both are heard at the same time and what they say is told
 * once: a symbol is polled from the start, and again as soon as its socket fails, until a poll that began with the
 * subscription in force has brought nothing that the stream did not. So a switch in either direction has no gap.
 */
export function yahooStreamFeed(options: YahooStreamOptions): LiveFeed {
  const { url, pollIntervalMs, sink, log, now = Date.now, random = Math.random, open = openWebSocket } = options
  const dropped = options.dropped ?? (() => {})
  let watched = new Map<string, Watched>()
  const shards = new Set<StreamShard>()
  const poll = pollingFeed({ listings, intervalMs: pollIntervalMs, sink: { update: polled, failure: pollFailed } })
  let checks: NodeJS.Timeout | undefined
  let rest: NodeJS.Timeout | undefined
  let stopped = false

  function watch(symbols: ReadonlySet<string>): void {
    if (stopped) return
    const next = new Map<string, Watched>()
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

  /** Gives the newcomers their sockets, and has polled what the stream does not serve. */
  function review(): void {
    if (stopped) return
    const all = [...watched.values()]
    place(all.filter((each) => each.last && !each.shard))
    poll.watch(new Set(all.filter(isPolled).map(({ symbol }) => symbol)))
  }

  const isPolled = (each: Watched): boolean =>
    each.state !== 'refused' && !each.resting && (each.checking || !each.caughtUp || !isServed(each))

  const isServed = (each: Watched): boolean => each.state === 'live' && each.shard?.isServing() === true

  function place(newcomers: Watched[]): void {
    while (newcomers.length > 0) {
      const shard = [...shards].find(({ symbols }) => symbols.size < symbolsPerSocket) ?? newShard()
      const placed = newcomers.splice(0, symbolsPerSocket - shard.symbols.size)
      for (const each of placed) each.shard = shard
      shard.add(placed.map(({ symbol }) => symbol))
    }
  }

  function newShard(): StreamShard {
    const isInSession = (symbol: string) => watched.get(symbol)?.last?.quote.marketState === 'REGULAR'
    const shard = streamShard({ url, open, now, random, log, isInSession, frame: pushed, dropped, changed })
    shards.add(shard)
    return shard
  }

  function changed(shard: StreamShard): void {
    if (!shard.isServing()) {
      for (const symbol of shard.symbols.keys()) {
        const each = watched.get(symbol)
        if (each) each.caughtUp = false
      }
    }
    review()
  }

  function check(): void {
    for (const each of watched.values()) each.checking = each.caughtUp
    review()
  }

  async function listings(symbols: readonly string[]): Promise<ReadonlyMap<string, Listing>> {
    const askedMs = now()
    const asked = symbols
      .flatMap((symbol) => watched.get(symbol) ?? [])
      .map((each) => ({ each, inForce: each.shard?.inForceSince(each.symbol) ?? null, pollNews: each.pollNews }))
    let answer: ReadonlyMap<string, Listing> | undefined
    try {
      answer = await options.listings(symbols)
      return answer
    } finally {
      for (const { each } of asked) each.askedMs = askedMs
      // After the polling feed has told what the answer says.
      setImmediate(() => {
        for (const { each, inForce, pollNews } of asked) {
          each.checking = false
          if (each.pollNews !== pollNews) each.caughtUp = false
          else if (answer?.get(each.symbol)?.quote && inForce !== null && isInForce(each, inForce)) each.caughtUp = true
        }
        review()
      })
    }
  }

  const isInForce = ({ symbol, shard }: Watched, sinceMs: number): boolean => shard?.inForceSince(symbol) === sinceMs

  function polled(listing: Listing): void {
    const each = watched.get(listing.instrument.symbol)
    if (!each || !isPriced(listing)) return
    const { last } = each
    if (!last) {
      each.polled = listing
      tell(each, listing)
      return
    }
    const order = orderOf(last, listing.quote)
    const isNewer = order === 'newer' || (order === 'unclear' && mayBeNewer(each, last))
    const next = isNewer ? superseding(last, listing) : beside(last, listing, order === 'same')
    const saysMore = order === 'same' && each.polled !== null && !looksAlike(each.polled, listing)
    each.polled = listing
    if (isNewer) each.pollNews++
    observe(each, next, isNewer || saysMore)
  }

  /** A quote may lag behind the stream: while that one is heard, and for what was asked before it was, it is believed. */
  const mayBeNewer = (each: Watched, last: Priced): boolean =>
    !(each.caughtUp && isServed(each)) && each.askedMs >= last.quote.receivedAtMs

  function pushed(frame: Frame): void {
    const each = watched.get(frame.symbol)
    if (!each?.last) return
    const nowMs = now()
    if ((frame.timeMs ?? 0) > nowMs + futureMs) {
      dropped('from the future')
      return
    }
    const next = merged(each.last, frame, nowMs)
    const order = orderOf(each.last, next.quote)
    if (order === 'older') {
      dropped('older than the last')
      return
    }
    each.caughtUp = true
    each.polled = null
    if (!observe(each, next, order !== 'same')) dropped('repeated')
  }

  /** Tells what is new, and what a client must hear beside: that the price holds again, or that the session is another. */
  function observe(each: Watched, next: Priced, isNews: boolean): boolean {
    const isTold = isNews || each.state !== 'live' || next.quote.marketState !== each.last?.quote.marketState
    if (isTold) tell(each, next)
    else each.last = next
    return isTold
  }

  function tell(each: Watched, listing: Priced): void {
    each.state = 'live'
    each.last = listing
    sink.update(listing)
  }

  function pollFailed(symbol: string, error: FinstageError): void {
    const each = watched.get(symbol)
    if (!each) return
    if (!each.last) {
      fail(each, error)
      return
    }
    // The polling feed gives it up, as one that it never saw; but it has not ceased to exist because one answer lacks it.
    if (!error.temporary) takeRest(each)
    if (!isServed(each)) fail(each, error.temporary ? error : leftOut(symbol))
  }

  function fail(each: Watched, error: FinstageError): void {
    each.state = error.temporary ? 'failed' : 'refused'
    sink.failure(each.symbol, error)
  }

  function takeRest(each: Watched): void {
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
    for (const shard of shards) shard.stop()
    shards.clear()
    watched = new Map()
    await poll.stop()
  }

  return { watch, stop }
}

const newlyWatched = (symbol: string): Watched => ({
  ...{ symbol, state: 'new', shard: null, last: null, polled: null },
  ...{ caughtUp: false, checking: false, resting: false, askedMs: 0, pollNews: 0 },
})

const leftOut = (symbol: string): FinstageError =>
  new FinstageError('SOURCE_UNAVAILABLE', `The source left out the price of ${symbol}`, { symbol })
