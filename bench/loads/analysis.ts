// suites/analysis.ts runs this in a process of its own: options in as JSON, figures out as JSON.
import { setTimeout as sleep } from 'node:timers/promises'
import { Registry } from 'prom-client'
import { symbolFindings } from '../../src/analysis/symbol-findings.ts'
import { FinstageError } from '../../src/domain/errors.ts'
import { JobService } from '../../src/jobs/job-service.ts'
import { JobRunner } from '../../src/jobs/queue/runner.ts'
import { analysisTask } from '../../src/jobs/tasks/analysis.ts'
import { symbolsAtOnce } from '../../src/jobs/tasks/each-piece.ts'
import { findingsInput } from '../../src/jobs/tasks/symbol-analysis.ts'
import { MarketService } from '../../src/market/market-service.ts'
import { Quarantine } from '../../src/market/quarantine.ts'
import { simulatedSource } from '../../src/market/simulated/source.ts'
import type { CandleBatch, MarketSource } from '../../src/market/source.ts'
import { CpuPool } from '../../src/platform/concurrency/cpu-pool.ts'
import { FairSlots } from '../../src/platform/concurrency/fair-slots.ts'
import { createPool } from '../../src/platform/database/pool.ts'
import { EmbeddedPostgres } from '../../src/platform/embedded-postgres/server.ts'
import { LibraryFallbacks } from '../../src/platform/library-fallbacks.ts'
import { createLogger } from '../../src/platform/logger.ts'
import { AnalysisStore } from '../../src/store/analyses/analysis-store.ts'
import { SignalStore } from '../../src/store/analyses/signal-store.ts'
import { CandleStore } from '../../src/store/candles/candle-store.ts'
import { JobStore } from '../../src/store/jobs/job-store.ts'
import { migrate } from '../../src/store/migrations.ts'
import { LocalBus } from '../../src/stream/local-bus.ts'
import { familyCpuMs } from '../support/machine.ts'

export interface AnalysisOptions {
  /**
   * job: with the parts of a worker. loop: one symbol after another. stored: like job, a second time. computing: only
   * the findings, from candles in memory.
   */
  readonly part: 'job' | 'loop' | 'stored' | 'computing'
  /** Data directory of the part's Postgres. */
  readonly data: string
  readonly symbolCount: number
  /** How long the source takes to answer. */
  readonly delayMs: number
  readonly durationMs: number
}

export interface AnalysisFigures {
  readonly wholeMs: number
  /** Mean time until a symbol was done. */
  readonly meanMs: number
  /** CPU time of this process and its Postgres. */
  readonly cpuMs: number
}

const { part, data, symbolCount, delayMs } = JSON.parse(process.argv[2] ?? '{}') as AnalysisOptions
const log = createLogger('silent')
const postgres = new EmbeddedPostgres(data, (message) => {
  throw new Error(message)
})
await postgres.start()
const pool = createPool(postgres.connectionString, log)
await migrate(pool, log)
const registry = new Registry()
const quarantine = new Quarantine({ log, registry })
const simulated = simulatedSource({ symbolCount: 1, ticksPerSecond: 1 })
let batch: Promise<CandleBatch> | undefined
/** Serves the same made-up candles for all symbols, because making them is not to be measured. */
const source: MarketSource = {
  ...simulated,
  async candles(query) {
    await sleep(delayMs)
    batch ??= simulated.candles({ ...query, symbol: 'AAPL' })
    return batch
  },
}
// As with the embedded Postgres of an app.
const store = new CandleStore(pool, { isOnlyWriter: true })
const market = new MarketService({ source, store, registry, quarantine, now: Date.now })
const made = Array.from({ length: 2 * symbolCount }, (_, i) => `B${i}`)
// Warm-up first: a worker in use has been running for a while.
const [warmUp, symbols] = [made.slice(0, symbolCount), made.slice(symbolCount)]

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** Returns a function that returns the CPU time since. */
function watchCpuMs(): () => number {
  const beforeMs = familyCpuMs(process.pid)
  return () => familyCpuMs(process.pid) - beforeMs
}

async function loop(symbols: readonly string[]): Promise<AnalysisFigures> {
  const cpuMs = watchCpuMs()
  const startedMs = performance.now()
  const doneMs: number[] = []
  for (const symbol of symbols) {
    symbolFindings(await findingsInput(market, symbol, 'DAY_1', null))
    doneMs.push(performance.now() - startedMs)
  }
  return { wholeMs: doneMs.at(-1) ?? Number.NaN, meanMs: mean(doneMs), cpuMs: cpuMs() }
}

/** A symbol is done when its part is stored; a trigger records the time. */
async function job(service: JobService, symbols: readonly string[]): Promise<AnalysisFigures> {
  await pool.query('TRUNCATE part_times')
  const owner = 'bench'
  const input = { symbols, interval: 'DAY_1' }
  const cpuMs = watchCpuMs()
  const { job } = await service.enqueue({ kind: 'ANALYSIS', owner, input, runAtMs: null, idempotencyKey: null })
  for await (const news of (await service.follow(job.id, owner)) ?? []) {
    if (news instanceof FinstageError) throw news
    if (news.state === 'FAILED') throw new Error(news.failure?.message)
  }
  const spentMs = cpuMs()
  const { rows } = await pool.query<{ whole: number; mean: number; parts: number; analyses: number }>(
    `SELECT extract(epoch FROM finished_at - queued_at)::float8 * 1000 AS whole,
       (SELECT extract(epoch FROM avg(at - queued_at))::float8 * 1000 FROM part_times) AS mean,
       (SELECT count(*)::int FROM part_times) AS parts,
       (SELECT count(*)::int FROM finstage.symbol_analyses WHERE job_id = $1) AS analyses
     FROM finstage.jobs WHERE id = $1`,
    [job.id],
  )
  const [row] = rows
  if (row?.parts !== symbols.length || row.analyses !== symbols.length) throw new Error('symbols are missing')
  return { wholeMs: row.whole, meanMs: row.mean, cpuMs: spentMs }
}

async function byWorker(): Promise<AnalysisFigures> {
  await pool.query(`
    CREATE TABLE part_times (at timestamptz NOT NULL);
    CREATE FUNCTION note_part() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN INSERT INTO part_times VALUES (clock_timestamp()); RETURN NULL; END';
    CREATE TRIGGER note_part AFTER INSERT ON finstage.job_parts FOR EACH ROW EXECUTE FUNCTION note_part()`)
  const cpu = new CpuPool(log)
  const signals = new SignalStore({ pool, source: source.name })
  const analyses = new AnalysisStore({ pool, source: source.name, signals })
  const tasks = [analysisTask({ market, cpu, analyses, slots: new FairSlots(symbolsAtOnce) })]
  const bus = new LocalBus()
  const jobPool = createPool(postgres.connectionString, log, { max: 10, patienceMs: 60_000 })
  const fallbacks = new LibraryFallbacks(registry, log)
  const runner = new JobRunner({
    bus,
    log,
    registry,
    fallbacks,
    tasks,
    pool: jobPool,
    schedules: [],
    agingSeconds: 600,
    mostWaiting: 1_000_000,
  })
  await runner.start()
  const service = new JobService({ store: new JobStore(pool), bus, tasks })
  await job(service, warmUp)
  const first = await job(service, symbols)
  const figures = part === 'stored' ? await job(service, symbols) : first
  await runner.stop()
  await Promise.all([cpu.stop(), jobPool.end()])
  return figures
}

async function inLoop(): Promise<AnalysisFigures> {
  await loop(warmUp)
  return loop(symbols)
}

async function computing(): Promise<AnalysisFigures> {
  const input = await findingsInput(market, 'B0', 'DAY_1', null)
  for (const _ of warmUp) symbolFindings(input)
  const cpuMs = watchCpuMs()
  const startedMs = performance.now()
  for (const _ of symbols) symbolFindings(input)
  const wholeMs = performance.now() - startedMs
  return { wholeMs, meanMs: wholeMs / 2, cpuMs: cpuMs() }
}

const measured = { job: byWorker, stored: byWorker, loop: inLoop, computing }
const figures = await measured[part]()
await pool.end()
await postgres.stop()
process.stdout.write(JSON.stringify(figures), () => process.exit(0))
