// suites/backfill.ts runs this in a process of its own: options in as JSON, figures out as JSON.

import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { from } from 'pg-copy-streams'
import type { SourceCandle } from '../../src/domain/candle.ts'
import { CandleService } from '../../src/market/candles/service.ts'
import type { CandleQuery, MarketSource } from '../../src/market/source.ts'
import { createPool } from '../../src/platform/database/pool.ts'
import { EmbeddedPostgres } from '../../src/platform/embedded-postgres/server.ts'
import { createLogger } from '../../src/platform/logger.ts'
import { encodeCandles } from '../../src/store/candles/candle-copy.ts'
import { CandleStore } from '../../src/store/candles/candle-store.ts'
import { migrate } from '../../src/store/migrations.ts'

export interface BackfillOptions {
  /**
   * copy: the baseline, a bare COPY of the same rows. backfill: Finstage. Each in a process of its own, to measure its
   * memory.
   */
  readonly part: 'copy' | 'backfill'
  readonly directory: string
  readonly symbols: number
  readonly candlesPerSymbol: number
  /** How many symbols are fetched at once. */
  readonly concurrency: number
  readonly durationMs: number
}

export interface BackfillFigures {
  readonly rowsPerSecond: number
  /** Candles a second for which a second backfill finds that nothing is missing; null: not measured. */
  readonly repeatRowsPerSecond: number | null
  /** Including the index. */
  readonly bytesPerRow: number
  /** Peak resident memory of this process. */
  readonly peakRssMiB: number
}

const options = JSON.parse(process.argv[2] ?? '{}') as BackfillOptions
const { symbols, candlesPerSymbol, concurrency } = options
const minute = 60
const end = Math.floor(Date.now() / 86_400_000) * 86_400
const start = end - candlesPerSymbol * minute

/** Made for each symbol in memory, so that the figures cover everything between a source and the disk. */
function candlesOf(seed: number, { from: first, to }: CandleQuery): SourceCandle[] {
  const candles: SourceCandle[] = []
  let price = 100 + seed
  for (let epoch = Math.max(first, start); epoch < Math.min(to, end); epoch += minute) {
    const open = price
    price = Math.fround(price * (1 + 0.001 * Math.sin(epoch + seed)))
    const high = Math.max(open, price) + 0.01
    const low = Math.min(open, price) - 0.01
    candles.push({ epoch, open, high, low, close: price, volume: epoch % 9973, closed: true, adjustedClose: null })
  }
  return candles
}

const source: MarketSource = {
  name: 'SIMULATED',
  listings: async () => new Map(),
  search: async () => [],
  reachDays: () => null,
  spanSeconds: () => 0,
  openLive: () => ({ watch: () => {}, stop: async () => {} }),
  candles: async (query) => ({
    candles: candlesOf(Number(query.symbol.slice(1)), query),
    excluded: [],
    dividends: [],
    splits: [],
    finalBefore: end,
    facts: {
      timezone: 'UTC',
      currency: 'USD',
      firstTradeEpoch: start,
      sessionOpens: end,
      sessionCloses: null,
      hours: null,
    },
  }),
}

const names = Array.from({ length: symbols }, (_, i) => `S${i}`)
const rows = symbols * candlesPerSymbol

/** The fastest way into such a table: rows made before the clock starts, in binary form, in one COPY. */
async function bareCopy(pool: ReturnType<typeof createPool>): Promise<number> {
  await pool.query('DROP TABLE IF EXISTS bare; CREATE TABLE bare (LIKE finstage.candles INCLUDING ALL)')
  const client = await pool.connect()
  const parts = names.map((symbol, i) => {
    const query: CandleQuery = { symbol, interval: 'MINUTE_1', extendedHours: false, from: start, to: end }
    const rows = candlesOf(i, query).map(({ epoch, ...prices }) => ({ minute: epoch / minute, ...prices }))
    const encoded = encodeCandles([{ seriesId: i, rows }])
    // Each part has its own COPY header (19 bytes) and trailer (2 bytes): keep only the first and the last.
    return encoded.subarray(i === 0 ? 0 : 19, i === symbols - 1 ? undefined : -2)
  })
  const startedMs = performance.now()
  await pipeline(
    Readable.from(parts, { objectMode: false }),
    client.query(
      from('COPY bare (series_id, minute, open, high, low, close, volume, adjusted_close) FROM STDIN BINARY'),
    ),
  )
  const seconds = (performance.now() - startedMs) / 1000
  client.release()
  return rows / seconds
}

async function backfill(service: CandleService): Promise<number> {
  const startedMs = performance.now()
  const waiting = [...names]
  const work = async (): Promise<void> => {
    for (let symbol = waiting.shift(); symbol; symbol = waiting.shift()) {
      await service.backfill(symbol, 'MINUTE_1', start, end)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  return rows / ((performance.now() - startedMs) / 1000)
}

async function measure(pool: ReturnType<typeof createPool>): Promise<BackfillFigures> {
  const isCopy = options.part === 'copy'
  const service = new CandleService({ source, store: new CandleStore(pool), now: Date.now })
  const rowsPerSecond = isCopy ? await bareCopy(pool) : await backfill(service)
  // The kernel's high-water mark.
  const peakRssMiB = process.resourceUsage().maxRSS / 1024
  const repeatRowsPerSecond = isCopy ? null : await backfill(service)
  const table = isCopy ? 'bare' : 'finstage.candles'
  const { rows: found } = await pool.query<{ count: number; bytes: number }>(
    `SELECT count(*)::float8, pg_total_relation_size('${table}')::float8 AS bytes FROM ${table}`,
  )
  const [stored] = found
  if (stored?.count !== rows) throw new Error(`${stored?.count} candles are stored instead of ${rows}`)
  return { rowsPerSecond, repeatRowsPerSecond, bytesPerRow: stored.bytes / rows, peakRssMiB }
}

const postgres = new EmbeddedPostgres(options.directory, (message) => {
  throw new Error(message)
})
await postgres.start()
const log = createLogger('silent')
const pool = createPool(postgres.connectionString, log)
await migrate(pool, log)
process.stdout.write(JSON.stringify(await measure(pool)))
await pool.end()
await postgres.stop()
