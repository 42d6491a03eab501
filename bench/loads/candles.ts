// suites/candles.ts runs this in a process of its own: options in as JSON, figures out as JSON.
import pg from 'pg'
import { EmbeddedPostgres } from '../../src/platform/embedded-postgres/server.ts'

export interface CandleOptions {
  readonly url: string
  readonly yahooUrl: string
  /** Data directory of the server's Postgres. */
  readonly data: string
  readonly symbols: readonly string[]
  /** For each symbol. */
  readonly warmRequests: number
  readonly durationMs: number
}

export interface CandleFigures {
  readonly coldMs: number[]
  readonly warmMs: number[]
  readonly bareFetchMs: number[]
  readonly bareSelectMs: number[]
  /** Calls that the upstream got from this client, beside those of the server. */
  readonly bareFetches: number
}

const options = JSON.parse(process.argv[2] ?? '{}') as CandleOptions
const last = 1000
const query = `query ($symbol: Symbol!) { candles(symbol: $symbol, last: ${last}) {
  stale hasEarlier columns { time open high low close volume } } }`

interface Answer {
  readonly data: { candles: { stale: boolean; hasEarlier: boolean; columns: Record<string, number[]> } }
}

async function candles(symbol: string): Promise<void> {
  const response = await fetch(options.url, {
    method: 'POST',
    // fetch asks for compressed answers by itself, and would decompress them in this process.
    headers: { 'content-type': 'application/json', 'accept-encoding': 'identity' },
    body: JSON.stringify({ query, variables: { symbol } }),
  })
  const { columns, stale, hasEarlier } = ((await response.json()) as Answer).data.candles
  const lengths = new Set(Object.values(columns).map((column) => column.length))
  if (stale || !hasEarlier || lengths.size !== 1 || !lengths.has(last)) throw new Error(`a wrong answer for ${symbol}`)
}

/** The window that the server asks for: the longest span of 1,000 trading days. */
const days = 1536
async function bareFetch(symbol: string): Promise<void> {
  const now = Math.floor(Date.now() / 1000)
  const window = `period1=${now - days * 86_400}&period2=${now + 86_400}&interval=1d&events=div%7Csplit%7Cearn`
  const answer = await (await fetch(`${options.yahooUrl}/v8/finance/chart/${symbol}?${window}`)).json()
  if (answer.chart.result[0].timestamp.length < last) throw new Error('too few rows')
}

const postgres = new pg.Client({ connectionString: new EmbeddedPostgres(options.data, () => {}).connectionString })
const select = {
  name: 'rows',
  text: `SELECT minute, open, high, low, close, volume FROM finstage.candles
    WHERE series_id = (SELECT id FROM finstage.candle_series WHERE symbol = $1 AND interval = 'DAY_1') ORDER BY minute DESC LIMIT ${last}`,
}
async function bareSelect(symbol: string): Promise<void> {
  const { rows } = await postgres.query({ ...select, values: [symbol], rowMode: 'array' })
  if (rows.length !== last || JSON.stringify(rows).length < last) throw new Error('too few rows')
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return performance.now() - startedMs
}

await postgres.connect()
const figures: CandleFigures = {
  coldMs: [],
  warmMs: [],
  bareFetchMs: [],
  bareSelectMs: [],
  bareFetches: options.symbols.length,
}
for (const symbol of options.symbols) {
  figures.bareFetchMs.push(await timed(() => bareFetch(symbol)))
  figures.coldMs.push(await timed(() => candles(symbol)))
  for (let i = 0; i < options.warmRequests; i++) {
    figures.warmMs.push(await timed(() => candles(symbol)))
    figures.bareSelectMs.push(await timed(() => bareSelect(symbol)))
  }
}
await postgres.end()
process.stdout.write(JSON.stringify(figures))
