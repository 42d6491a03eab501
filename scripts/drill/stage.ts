import { join } from 'node:path'
import { EmbeddedPostgres } from '../../src/platform/embedded-postgres/server.ts'
import { mountSmallDisk, type SmallDisk } from '../../test/support/database/small-disk.ts'
import { type ServerProcess, startProcess } from '../../test/support/process.ts'
import { startTestStreamer, type TestStreamer } from '../../test/support/yahoo/test-streamer.ts'
import { startTestYahoo, type TestYahoo } from '../../test/support/yahoo/test-yahoo.ts'
import { freePort, type Targets } from './watchers.ts'

const smallDiskBytes = 400 * 1024 * 1024
/** So low that a drill can come near it. */
export const maxConnections = 50
export const symbols = Array.from({ length: 10 }, (_, i) => `DRILL${i}-USD`)
/** Of all symbols together. */
export const usualFramesPerSecond = 40

export type Part = 'api' | 'worker' | 'ingest' | 'embedded'

/** What the drill plays on: the roles as processes of their own over one Postgres, a Yahoo, and a server on a small disk. */
export interface Stage {
  readonly api: string
  readonly databaseUrl: string
  readonly yahoo: TestYahoo
  readonly streamer: TestStreamer
  /** null: this user may mount none, and there is no embedded server. */
  readonly disk: SmallDisk | null
  readonly targets: Targets
  readonly postgres: EmbeddedPostgres
  pid(part: Part): number
  /** Ends a process as an operator does. */
  end(part: Part): Promise<void>
  begin(part: Part): Promise<void>
  /** Changes how many frames a second Yahoo pushes. */
  push(framesPerSecond: number): void
  close(): Promise<void>
}

export async function setStage(directory: string): Promise<Stage> {
  const postgres = new EmbeddedPostgres(join(directory, 'data'), () => {})
  await postgres.start()
  const yahoo = await startTestYahoo()
  const streamer = await startTestStreamer()
  for (const symbol of symbols) yahoo.setQuote(symbol, quoteOf(symbol))
  const disk = mountSmallDisk(smallDiskBytes)
  const onYahoo = {
    DATABASE_URL: postgres.connectionString,
    YAHOO_BASE_URL: yahoo.url,
    YAHOO_STREAM_URL: streamer.url,
    MAX_CONNECTIONS: String(maxConnections),
  }
  const parts: Part[] = ['api', 'worker', 'ingest', ...(disk ? (['embedded'] as const) : [])]
  const ports = new Map<Part, number>()
  for (const part of parts) ports.set(part, await freePort())
  const addressOf = (part: Part): string => `127.0.0.1:${ports.get(part)}`
  const running = new Map<Part, ServerProcess>()

  const begin = async (part: Part): Promise<void> => {
    const port = { METRICS_PORT: String(ports.get(part)) }
    const server =
      part === 'embedded'
        ? startProcess(['all'], { ...port, MARKET_SOURCE: 'simulated', DATA_DIR: disk?.directory ?? '' })
        : startProcess([part], { ...port, ...onYahoo })
    running.set(part, await server)
  }
  for (const part of parts) await begin(part)

  const processOf = (part: Part): ServerProcess => {
    const server = running.get(part)
    if (!server) throw new Error(`${part} does not run`)
    return server
  }
  const end = async (part: Part): Promise<void> => {
    const server = processOf(part)
    server.kill('SIGTERM')
    await server.exited
    running.delete(part)
  }

  let rate = usualFramesPerSecond
  let owed = 0
  let next = 0
  const tickMs = 25
  const pushing = setInterval(() => {
    owed += (rate * tickMs) / 1000
    for (; owed >= 1; owed--) {
      const symbol = symbols[next++ % symbols.length] ?? ''
      const price = 100 + (next % 50) / 100
      yahoo.setPrice(symbol, price)
      streamer.push(symbol, { price, dayVolume: 1000 + next, marketHours: 1 })
    }
  }, tickMs)

  return {
    api: processOf('api').api,
    databaseUrl: postgres.connectionString,
    yahoo,
    streamer,
    disk,
    postgres,
    targets: {
      finstage: parts.filter((part) => part !== 'embedded').map(addressOf),
      others: parts.filter((part) => part === 'embedded').map(addressOf),
    },
    pid: (part) => processOf(part).pid,
    end,
    begin,
    push: (framesPerSecond) => {
      rate = framesPerSecond
    },
    async close() {
      clearInterval(pushing)
      for (const part of [...running.keys()].reverse()) await end(part)
      await yahoo.close()
      await streamer.close()
      await postgres.stop()
      disk?.[Symbol.dispose]()
    },
  }
}

/** Traded around the clock, so that a drill can be held at any time. */
const quoteOf = (symbol: string): Record<string, unknown> => ({
  symbol,
  quoteType: 'CRYPTOCURRENCY',
  longName: symbol,
  shortName: symbol,
  currency: 'USD',
  exchange: 'CCC',
  fullExchangeName: 'CCC',
  exchangeTimezoneName: 'UTC',
  exchangeDataDelayedBy: 0,
  priceHint: 2,
  marketState: 'REGULAR',
  regularMarketPrice: 100,
  regularMarketPreviousClose: 99,
  regularMarketTime: Math.floor(Date.now() / 1000),
  regularMarketVolume: 1000,
})
