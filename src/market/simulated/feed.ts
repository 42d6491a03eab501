import { symbolNotFound } from '../../domain/errors.ts'
import type { Listing } from '../../domain/quote.ts'
import type { ListingSink, SourceFeed } from '../../domain/source-feed.ts'
import type { SimulatedInstrument } from './instruments/instruments.ts'

const roundMs = 5
/** After a pause of the process, only this much of what it missed is sent. */
const catchUpMs = 1000
/** The first price of a symbol takes up to a millisecond: thousands at once must not hold up everything else. */
const firstUpdatesPerRound = 30

interface TickingSymbol {
  readonly symbol: string
  /** null: this market has no such symbol. */
  readonly of: SimulatedInstrument | null
  /** When in the period its ticks fall, from 0 to 1: ticks of all symbols at the same instant would be a burst. */
  readonly phase: number
  /** 'waiting' for its first update (or its failure), then 'ticking' (or 'failed'), in the end 'gone'. */
  state: 'waiting' | 'ticking' | 'failed' | 'gone'
  /** Whether its market was open at its last tick. */
  wasOpen: boolean
}

export interface SimulatedFeedOptions {
  readonly sink: ListingSink
  readonly ticksPerSecond: number
  readonly now: () => number
  readonly find: (symbol: string) => SimulatedInstrument | undefined
  readonly listing: (of: SimulatedInstrument, timeMs: number) => Listing
  /** Whether an instrument is traded at a time; absent: always. */
  readonly trades?: (of: SimulatedInstrument, timeMs: number) => boolean
}

/**
 * Sends every watched symbol its ticks, all from one timer that runs while something is watched. A symbol's ticks fall
 * on fixed times of the clock, (n + phase) * period; each round sends those that came due since the last one.
 */
export function simulatedFeed(options: SimulatedFeedOptions): SourceFeed {
  const { sink, ticksPerSecond, now, find, listing, trades } = options
  const periodMs = 1000 / ticksPerSecond
  let watched = new Map<string, TickingSymbol>()
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let lastRoundMs = 0

  function round(): void {
    if (stopped) return
    const nowMs = Math.floor(now())
    const fromMs = Math.max(lastRoundMs, nowMs - catchUpMs)
    // Set first: a sink may call watch(), which leads back here.
    lastRoundMs = nowMs
    let first = 0
    for (const each of watched.values()) {
      if (each.state === 'ticking') tick(each, fromMs, nowMs)
      else if (each.state === 'waiting' && first++ < firstUpdatesPerRound) begin(each, nowMs)
    }
  }

  function begin(each: TickingSymbol, nowMs: number): void {
    each.state = each.of ? 'ticking' : 'failed'
    if (each.of) {
      each.wasOpen = trades?.(each.of, nowMs) ?? true
      sink.update(listing(each.of, nowMs))
    } else sink.failure(each.symbol, symbolNotFound(each.symbol))
  }

  function tick(each: TickingSymbol, fromMs: number, toMs: number): void {
    if (!each.of) return
    // The same expression for both ends, so that no rounding error loses a tick or sends it twice.
    const last = Math.floor(toMs / periodMs - each.phase)
    for (let n = Math.floor(fromMs / periodMs - each.phase) + 1; n <= last && each.state === 'ticking'; n++) {
      const timeMs = Math.min(toMs, Math.max(fromMs, Math.floor((n + each.phase) * periodMs)))
      if (trades && !isNews(each, trades(each.of, timeMs))) continue
      sink.update(listing(each.of, timeMs))
    }
  }

  /** The first tick after the close tells that the market is closed; from then on there are none. */
  function isNews(each: TickingSymbol, isOpen: boolean): boolean {
    const isNews = isOpen || each.wasOpen
    each.wasOpen = isOpen
    return isNews
  }

  function watch(symbols: ReadonlySet<string>): void {
    if (stopped) return
    const next = new Map<string, TickingSymbol>()
    for (const symbol of symbols) next.set(symbol, watched.get(symbol) ?? enter(symbol))
    for (const [symbol, each] of watched) if (!next.has(symbol)) each.state = 'gone'
    watched = next
    if (watched.size === 0) pause()
    else resume()
  }

  function enter(symbol: string): TickingSymbol {
    const of = find(symbol) ?? null
    return { symbol, of, phase: of ? of.key / 2 ** 32 : 0, state: 'waiting', wasOpen: true }
  }

  function resume(): void {
    timer ??= setInterval(round, roundMs)
    queueMicrotask(round)
  }

  function pause(): void {
    clearInterval(timer)
    timer = undefined
  }

  async function stop(): Promise<void> {
    stopped = true
    for (const each of watched.values()) each.state = 'gone'
    watched = new Map()
    pause()
  }

  return { watch, stop }
}
