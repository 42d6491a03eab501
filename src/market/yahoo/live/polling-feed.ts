import { isDeepStrictEqual } from 'node:util'
import { FinstageError, noPrice, symbolNotFound } from '../../../domain/errors.ts'
import type { Listing } from '../../../domain/quote.ts'
import type { ListingSink, SourceFeed } from '../../../domain/source-feed.ts'
import { symbolsPerCall } from '../../source.ts'

export interface PollingFeedOptions {
  /** Takes up to 100 symbols. May throw a FinstageError for the whole call. */
  readonly listings: (symbols: readonly string[]) => Promise<ReadonlyMap<string, Listing>>
  /** From the start of one round to the start of the next. */
  readonly intervalMs: number
  readonly sink: ListingSink
}

interface PolledSymbol {
  readonly symbol: string
  /**
   * 'new' until the first answer; then 'live', 'failed' until it is served again, or 'refused' for good: it is asked
   * for again only once it is unwatched and watched anew. Only `observe` and `fail` change it.
   */
  state: 'new' | 'live' | 'failed' | 'refused'
  /** Part of a request that is under way. */
  asked: boolean
  last: Listing | null
  /** Whether the sink believed it. */
  isTold: boolean
}

/**
 * The live feed of a source that can only be polled. A round asks for all watched symbols, 100 per request, and never
 * runs twice at a time. Newly watched symbols are asked for at once, beside the rounds: a round that hangs must not
 * hold them up. The sink hears of a symbol when something visible to clients has changed, and when it is back after a
 * failure.
 */
export function pollingFeed({ listings, intervalMs, sink }: PollingFeedOptions): SourceFeed {
  let watched = new Map<string, PolledSymbol>()
  let welcome: NodeJS.Immediate | undefined
  let timer: NodeJS.Timeout | undefined
  let inRound = false
  let overdue = false
  let stopped = false

  const isWatched = (each: PolledSymbol): boolean => watched.get(each.symbol) === each

  function watch(symbols: ReadonlySet<string>): void {
    if (stopped) return
    const next = new Map<string, PolledSymbol>()
    for (const symbol of symbols) next.set(symbol, watched.get(symbol) ?? newlyWatched(symbol))
    watched = next
    keepTime()
    // Not a microtask: subscriptions that arrive together share one request.
    welcome ??= setImmediate(() => {
      welcome = undefined
      void ask((each) => each.state === 'new')
    })
  }

  /** One timer while there is something to poll, none otherwise. */
  function keepTime(): void {
    const idle = [...watched.values()].every((each) => each.state === 'refused')
    if (!idle) {
      if (!inRound) timer ??= setTimeout(due, intervalMs)
      return
    }
    clearTimeout(timer)
    timer = undefined
    overdue = false
  }

  function due(): void {
    timer = undefined
    if (inRound) overdue = true
    else void round()
  }

  async function round(): Promise<void> {
    inRound = true
    timer = setTimeout(due, intervalMs)
    await ask((each) => each.state !== 'refused')
    inRound = false
    if (overdue) {
      overdue = false
      void round()
    } else keepTime()
  }

  async function ask(wanted: (each: PolledSymbol) => boolean): Promise<void> {
    const asked = [...watched.values()].filter((each) => !each.asked && wanted(each))
    for (const each of asked) each.asked = true
    const parts: PolledSymbol[][] = []
    for (let start = 0; start < asked.length; start += symbolsPerCall) {
      parts.push(asked.slice(start, start + symbolsPerCall))
    }
    await Promise.all(parts.map(askPart))
  }

  /** One request, which may fail independently of the others. */
  async function askPart(asked: readonly PolledSymbol[]): Promise<void> {
    const answer = await answerTo(asked.map((each) => each.symbol))
    for (const each of asked) {
      each.asked = false
      if (!isWatched(each)) continue
      if (answer instanceof FinstageError) fail(each, answer)
      else observe(each, answer.get(each.symbol))
    }
    keepTime()
  }

  async function answerTo(symbols: readonly string[]): Promise<ReadonlyMap<string, Listing> | FinstageError> {
    try {
      return await listings(symbols)
    } catch (error) {
      if (error instanceof FinstageError) return error
      return new FinstageError('SOURCE_UNAVAILABLE', 'The source failed', {}, error)
    }
  }

  function observe(each: PolledSymbol, listing: Listing | undefined): void {
    if (!listing?.quote) {
      fail(each, missing(each, listing))
      return
    }
    const isNews = each.state !== 'live' || !each.isTold || !isSameListing(each.last, listing)
    each.state = 'live'
    each.last = listing
    if (isNews) each.isTold = sink.update(listing) !== false
  }

  function fail(each: PolledSymbol, error: FinstageError): void {
    each.state = error.temporary ? 'failed' : 'refused'
    sink.failure(each.symbol, error)
  }

  async function stop(): Promise<void> {
    stopped = true
    watched = new Map()
    keepTime()
    clearImmediate(welcome)
  }

  return { watch, stop }
}

const newlyWatched = (symbol: string): PolledSymbol => ({
  symbol,
  state: 'new',
  asked: false,
  last: null,
  isTold: false,
})

/** If an answer lacks a symbol that was served before, the symbol has not ceased to exist. */
function missing({ symbol, last }: PolledSymbol, listing: Listing | undefined): FinstageError {
  if (last) return new FinstageError('SOURCE_UNAVAILABLE', `The source left out the price of ${symbol}`, { symbol })
  return listing ? noPrice(symbol) : symbolNotFound(symbol)
}

const isSameListing = (a: Listing | null, b: Listing): boolean =>
  isDeepStrictEqual(withoutReceipt(a), withoutReceipt(b))

const withoutReceipt = (listing: Listing | null) =>
  listing && { ...listing, quote: listing.quote && { ...listing.quote, receivedAtMs: 0 } }
