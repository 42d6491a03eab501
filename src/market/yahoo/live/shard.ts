import { minuteMs } from '../../../domain/time/units.ts'
import type { Logger } from '../../../platform/logger.ts'
import { RetryPauses } from '../../../platform/retry.ts'
import { type DropReason, type Frame, readFrame } from './frame.ts'
import type { SocketState } from './metrics.ts'
import type { OpenStream, StreamSocket } from './socket.ts'

export interface ShardOptions {
  readonly url: string
  readonly open: OpenStream
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  /** From 0 to 1. */
  readonly random: () => number
  readonly log: Pick<Logger, 'debug' | 'info'> | undefined
  /** Whether the market of a symbol is in its regular session, as far as is known: only then is silence a fault. */
  readonly isInSession: (symbol: string) => boolean
  readonly frame: (frame: Frame) => void
  readonly dropped: (reason: DropReason) => void
  /** Called when the connection may have begun or ceased to serve its symbols: ask `isServing` again. */
  readonly changed: (shard: StreamShard) => void
}

/** Some of the watched symbols and the one socket that serves them. */
export interface StreamShard {
  readonly symbols: ReadonlyMap<string, unknown>
  add(symbols: readonly string[]): void
  remove(symbols: readonly string[]): void
  /** Whether the socket is open and has delivered, or has no reason to deliver yet. */
  isServing(): boolean
  /** The state of its socket. */
  readonly state: SocketState
  /** Since when the symbol's subscription has been in force; null: it is not, or not for long enough to tell. */
  inForceSince(symbol: string): number | null
  stop(): void
}

const resubscribeMs = 15_000
const silenceMs = 30_000
const connectTimeoutMs = 10_000
const reconnectPace = { firstMs: 1000, longestMs: minuteMs }
/** How long after sending a subscription it is sure to be in force: Yahoo does not acknowledge it. */
const settleMs = 500

/**
 * States of the socket: 'away' (waiting for the next attempt, or nothing is subscribed yet) -> 'opening' -> 'open' ->
 * 'away' ..., and in the end 'stopped'. Only `connect`, `opened`, `away` and `stop` change it.
 */
export function streamShard(options: ShardOptions): StreamShard {
  const { url, open, now, random, log, isInSession, frame, dropped, changed } = options
  /** When the subscription was sent; null: not yet. */
  const subscribed = new Map<string, number | null>()
  let state: 'away' | 'opening' | 'open' | 'stopped' = 'away'
  let socket: StreamSocket | undefined
  /** Whether this connection has delivered a frame. Frames that were unreadable or not asked for do not count. */
  let hasDelivered = false
  let lastFrameMs = 0
  let silenceIsFault = true
  const pauses = new RetryPauses({ ...reconnectPace, random })
  let retry: NodeJS.Timeout | undefined
  let watchdog: NodeJS.Timeout | undefined
  let resubscription: NodeJS.Timeout | undefined

  const inSession = (): boolean => [...subscribed.keys()].some(isInSession)

  function add(symbols: readonly string[]): void {
    for (const symbol of symbols) subscribed.set(symbol, null)
    if (state === 'open') subscribe(symbols)
    else if (state === 'away' && retry === undefined) connect()
  }

  function remove(symbols: readonly string[]): void {
    const gone = symbols.filter((symbol) => subscribed.delete(symbol))
    if (state === 'open' && gone.length > 0) socket?.send(JSON.stringify({ unsubscribe: gone }))
  }

  function subscribe(symbols: readonly string[]): void {
    if (symbols.length > 0) socket?.send(JSON.stringify({ subscribe: symbols }))
    for (const symbol of symbols) subscribed.set(symbol, subscribed.get(symbol) ?? now())
  }

  function connect(): void {
    retry = undefined
    state = 'opening'
    watchdog = setTimeout(away, connectTimeoutMs, 'no connection in time')
    // Events of an earlier connection that arrive late are ignored.
    let mine: StreamSocket | undefined
    const isCurrent = (): boolean => mine !== undefined && mine === socket
    try {
      mine = open(url, {
        opened: () => isCurrent() && opened(),
        message: (text) => isCurrent() && message(text),
        closed: (reason) => isCurrent() && away(reason),
      })
      socket = mine
    } catch (error) {
      away(error instanceof Error ? error.message : String(error))
    }
  }

  function opened(): void {
    state = 'open'
    hasDelivered = false
    silenceIsFault = true
    lastFrameMs = now()
    clearTimeout(watchdog)
    watchdog = setTimeout(listen, silenceMs)
    resubscription = setInterval(resubscribe, resubscribeMs)
    subscribe([...subscribed.keys()])
    changed(shard)
  }

  function resubscribe(): void {
    subscribe([...subscribed.keys()])
    // Not earlier: a server that takes connections and drops them must not be tried ever faster.
    if (isServing()) pauses.reset()
  }

  function message(text: string): void {
    const read = readFrame(text)
    if (typeof read === 'string') dropped(read)
    else if (!subscribed.has(read.symbol)) dropped('unknown symbol')
    else {
      const isFirst = !hasDelivered
      hasDelivered = true
      silenceIsFault = true
      lastFrameMs = now()
      frame(read)
      if (isFirst && state === 'open') changed(shard)
    }
  }

  /** A closed market is silent, so a market that has just opened gets the whole time to speak. */
  function listen(): void {
    const quietMs = now() - lastFrameMs
    const isQuiet = quietMs >= silenceMs
    if (isQuiet && silenceIsFault && inSession()) {
      away(`silent for ${Math.round(quietMs / 1000)} s`)
      return
    }
    silenceIsFault = inSession()
    watchdog = setTimeout(listen, isQuiet ? silenceMs : Math.min(silenceMs, silenceMs - quietMs))
  }

  function away(reason: string): void {
    const wasServing = isServing()
    release()
    state = 'away'
    const delayMs = pauses.nextMs()
    retry = setTimeout(connect, delayMs)
    const facts = { reason, symbols: subscribed.size, retryInMs: Math.round(delayMs) }
    if (wasServing) log?.info(facts, "Yahoo's stream is away: its symbols are polled")
    else log?.debug(facts, "Yahoo's stream is still away")
    changed(shard)
  }

  function release(): void {
    clearTimeout(retry)
    clearTimeout(watchdog)
    clearInterval(resubscription)
    retry = undefined
    const ended = socket
    socket = undefined
    ended?.end()
    for (const symbol of subscribed.keys()) subscribed.set(symbol, null)
  }

  function isServing(): boolean {
    return state === 'open' && (hasDelivered || !inSession())
  }

  function inForceSince(symbol: string): number | null {
    const sinceMs = subscribed.get(symbol) ?? null
    return sinceMs !== null && isServing() && now() - sinceMs >= settleMs ? sinceMs : null
  }

  function stop(): void {
    release()
    state = 'stopped'
  }

  const shard: StreamShard = {
    symbols: subscribed,
    add,
    remove,
    isServing,
    get state() {
      return state === 'stopped' ? 'away' : state
    },
    inForceSince,
    stop,
  }
  return shard
}
