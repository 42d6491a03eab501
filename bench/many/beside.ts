import { setTimeout as sleep } from 'node:timers/promises'
import type { QuotesFigures, QuotesLoad } from '../charts/quotes-load.ts'
import type { FanOutFigures, FanOutLoad } from '../loads/fan-out.ts'
import { root as ownRoot, quiet } from '../support/machine.ts'
import { runLoad, type Server, startFinstage } from '../support/processes.ts'
import { percentile } from '../support/table.ts'
import type { StreamsFigures, StreamsLoad } from './streams-load.ts'

const clients = 1000
const joiners = 1000
const quotesPerSecond = 50

export interface Quotes {
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface BesideFanOut {
  /** Until the last of those who join has a price. */
  readonly joinedMs: number
  readonly quotes: Quotes
  /** Of those who were there before. */
  readonly fanOut: FanOutFigures
}

/** A thousand more clients, and quotes, beside the fan-out of one symbol to a thousand clients. */
export async function measureBesideFanOut(
  ticksPerSecond: number,
  directory: string,
  root = ownRoot,
): Promise<BesideFanOut> {
  const source = { MARKET_SOURCE: 'simulated', SIMULATED_TICKS_PER_SECOND: String(ticksPerSecond) }
  const server = await startFinstage({ DATA_DIR: directory, ...source }, { root })
  const fanOut = (connections: number, joinMs: number, measureMs: number): Promise<FanOutFigures> =>
    runLoad<FanOutLoad, FanOutFigures>('fan-out.ts', {
      ...{ url: server.url, serverPid: server.pid, inspector: null, sharesId: false, stalled: 0 },
      ...{ symbols: ['AAPL'], ticksPerSecond, connections, joinMs, settleMs: 1000, measureMs, durationMs: 90_000 },
    })
  try {
    await quiet()
    const there = fanOut(clients, 1000, 14_000)
    await sleep(8000)
    const quotes = await askedQuotes(server)
    const { joinedMs } = await fanOut(joiners, 100, 100)
    return { joinedMs, quotes, fanOut: await there }
  } finally {
    await server.stop()
  }
}

export interface BesideStreams {
  readonly idle: Quotes
  readonly beside: Quotes
  readonly streams: StreamsFigures
}

/** Quotes beside a hundred streams over SSE of ninety symbols each, which tick once a second. */
export async function measureBesideStreams(
  symbols: readonly string[],
  directory: string,
  root = ownRoot,
): Promise<BesideStreams> {
  const server = await startFinstage({ DATA_DIR: directory, MARKET_SOURCE: 'simulated' }, { root })
  try {
    await quiet()
    const idle = await askedQuotes(server)
    const streaming = runLoad<StreamsLoad, StreamsFigures>('../many/streams-load.ts', {
      ...{ url: server.url, serverPid: server.pid, streams: 100, symbols: symbols.slice(0, 90) },
      ...{ settleMs: 4000, measureMs: 6000, durationMs: 30_000 },
    })
    await sleep(4000)
    return { idle, beside: await askedQuotes(server), streams: await streaming }
  } finally {
    await server.stop()
  }
}

async function askedQuotes({ url }: Server): Promise<Quotes> {
  const { quotes } = await runLoad<QuotesLoad, QuotesFigures>('../charts/quotes-load.ts', {
    ...{ url, symbol: 'MSFT', chart: null, ratePerSecond: quotesPerSecond, samples: 200, durationMs: 30_000 },
  })
  const tookMs = quotes.map(([, took]) => took)
  return { p50Ms: percentile(tookMs, 0.5), p99Ms: percentile(tookMs, 0.99) }
}
