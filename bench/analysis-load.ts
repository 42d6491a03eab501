// Run by analysis.ts in a process of its own: options in as JSON, figures out as JSON.
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { Registry } from 'prom-client'
import { findingsCandles, symbolFindings } from '../src/analysis/symbol-findings.ts'
import { MarketService } from '../src/market/market-service.ts'
import { Quarantine } from '../src/market/quarantine.ts'
import { yahooSource } from '../src/market/yahoo.ts'
import { EmbeddedPostgres } from '../src/platform/embedded-postgres.ts'
import { createLogger } from '../src/platform/logger.ts'
import { createPool } from '../src/platform/pool.ts'
import { CandleStore } from '../src/store/candle-store.ts'
import { migrate } from '../src/store/migrations.ts'
import { ask } from './graphql-client.ts'

export interface AnalysisOptions {
  /** job: by a server that runs. loop: in this process, one symbol after another. */
  readonly part: 'job' | 'loop'
  /** Of the server that runs the job. */
  readonly url: string
  readonly yahooUrl: string
  /** Where the part's Postgres has its data. */
  readonly data: string
  readonly symbols: readonly string[]
  /** As many others, worked on first: a server that is asked has run for a while. */
  readonly warmUp: readonly string[]
  readonly durationMs: number
}

export interface AnalysisFigures {
  readonly wholeMs: number
  /** When a symbol was done, in the mean over all. */
  readonly meanMs: number
}

const options = JSON.parse(process.argv[2] ?? '{}') as AnalysisOptions
const { symbols, warmUp, url, yahooUrl } = options

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** A symbol is done when its part is stored: a trigger writes down when. */
async function job(): Promise<AnalysisFigures> {
  const postgres = new pg.Client({ connectionString: new EmbeddedPostgres(options.data, () => {}).connectionString })
  await postgres.connect()
  await postgres.query(`
    CREATE TABLE part_times (at timestamptz NOT NULL);
    CREATE FUNCTION note_part() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN INSERT INTO part_times VALUES (clock_timestamp()); RETURN NULL; END';
    CREATE TRIGGER note_part AFTER INSERT ON finstage.job_parts FOR EACH ROW EXECUTE FUNCTION note_part()`)
  await analyse(warmUp)
  await postgres.query('TRUNCATE part_times')
  const startedMs = Date.now()
  const endedMs = await analyse(symbols)
  const { rows } = await postgres.query<{ ms: number }>(
    'SELECT extract(epoch FROM at)::float8 * 1000 AS ms FROM part_times',
  )
  const found = await postgres.query('SELECT FROM finstage.symbol_analyses WHERE symbol = ANY($1)', [symbols])
  if (rows.length !== symbols.length || found.rowCount !== symbols.length) throw new Error('symbols are missing')
  await postgres.end()
  return { wholeMs: endedMs - startedMs, meanMs: mean(rows.map(({ ms }) => ms - startedMs)) }
}

/** When the job had ended, in epoch milliseconds. */
async function analyse(symbols: readonly string[]): Promise<number> {
  const { enqueueAnalysis } = await ask<{ enqueueAnalysis: { job: { id: string } } }>(
    url,
    'mutation ($symbols: [Symbol!]!) { enqueueAnalysis(input: { symbols: $symbols }) { ... on EnqueuePayload { job { id } } } }',
    { symbols },
  )
  for (;;) {
    const { job } = await ask<{ job: { state: string; finishedAt: string } }>(
      url,
      'query ($id: ID!) { job(id: $id) { state finishedAt } }',
      enqueueAnalysis.job,
    )
    if (job.state === 'SUCCEEDED') return Date.parse(job.finishedAt)
    if (!['QUEUED', 'RUNNING'].includes(job.state)) throw new Error(`the job is ${job.state}`)
    await sleep(20)
  }
}

async function loop(): Promise<AnalysisFigures> {
  const log = createLogger('silent')
  const postgres = new EmbeddedPostgres(options.data, (message) => {
    throw new Error(message)
  })
  await postgres.start()
  const pool = createPool(postgres.connectionString, log)
  await migrate(pool, log)
  const registry = new Registry()
  const quarantine = new Quarantine({ log, registry })
  const source = yahooSource({ baseUrl: yahooUrl, registry, quarantine })
  const market = new MarketService({ source, store: new CandleStore(pool), registry, quarantine, now: Date.now })
  await source.warm?.()
  const analyse = async (symbol: string): Promise<void> => {
    const [series] = await market.candles([
      {
        ...{ symbol, interval: 'DAY_1', from: null, to: null, last: findingsCandles, earlier: 0 },
        ...{ adjustment: 'SPLITS', extendedHours: false },
      },
    ])
    if (series === undefined || series instanceof Error) throw series
    symbolFindings(symbol, 'DAY_1', series.nodes)
  }
  for (const symbol of warmUp) await analyse(symbol)
  const startedMs = performance.now()
  const doneMs: number[] = []
  for (const symbol of symbols) {
    await analyse(symbol)
    doneMs.push(performance.now() - startedMs)
  }
  await pool.end()
  await postgres.stop()
  return { wholeMs: doneMs.at(-1) ?? Number.NaN, meanMs: mean(doneMs) }
}

process.stdout.write(JSON.stringify(await { job, loop }[options.part]()), () => process.exit(0))
