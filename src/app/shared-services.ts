import { statfs } from 'node:fs/promises'
import type { Registry } from 'prom-client'
import type { RunSteps } from '../domain/steps.ts'
import { Health } from '../http/server/health.ts'
import { JobService } from '../jobs/job-service.ts'
import type { Task } from '../jobs/queue/define-task.ts'
import { idlePace } from '../jobs/queue/idle-pace.ts'
import { analysisTask } from '../jobs/tasks/analysis.ts'
import { backfillTask } from '../jobs/tasks/backfill.ts'
import { backtestTask } from '../jobs/tasks/backtest.ts'
import { dailyReportTask } from '../jobs/tasks/daily-report.ts'
import { symbolsAtOnce } from '../jobs/tasks/each-piece.ts'
import { MarketService } from '../market/market-service.ts'
import { Quarantine } from '../market/quarantine.ts'
import type { MarketSource } from '../market/source.ts'
import { CpuPool } from '../platform/concurrency/cpu-pool.ts'
import { FairSlots } from '../platform/concurrency/fair-slots.ts'
import { DatabaseMetrics } from '../platform/database/metrics.ts'
import { createPool, type DatabasePool } from '../platform/database/pool.ts'
import { LibraryFallbacks } from '../platform/library-fallbacks.ts'
import type { Logger } from '../platform/logger.ts'
import { createMetrics } from '../platform/metrics.ts'
import { type Clock, TrustedClock } from '../platform/trusted-clock.ts'
import { runSteps } from '../resolvers/rows.ts'
import { AnalysisStore } from '../store/analyses/analysis-store.ts'
import { SignalStore } from '../store/analyses/signal-store.ts'
import { CandleStore } from '../store/candles/candle-store.ts'
import { JobStore } from '../store/jobs/job-store.ts'
import type { Bus } from '../stream/bus.ts'
import { FeedPulse } from '../stream/feed-pulse.ts'
import { LocalBus } from '../stream/local-bus.ts'
import { PostgresBus } from '../stream/postgres-bus.ts'
import type { Config } from './config.ts'
import { type ConnectionShares, connectionShares, requestStatementMs } from './connections.ts'
import { databaseTimeMs } from './database.ts'
import type { Role } from './role.ts'
import { createSource } from './source.ts'
import type { StopStack } from './stop-stack.ts'

/** How fast symbols of jobs follow each other in a process that also answers requests (see idlePace). */
const pace = { eachMs: 5, longestMs: 100 }

export interface SharedOptions {
  readonly config: Config
  readonly role: Role
  readonly log: Logger
  readonly stops: StopStack
  readonly connectionString: string
  /** Epoch milliseconds; undefined: the database's time. */
  readonly now: (() => number) | undefined
}

/** The services that every role needs: one of each per process, so that roles share their caches. */
export interface SharedServices extends Omit<SharedOptions, 'now'> {
  readonly now: () => number
  readonly pool: DatabasePool
  readonly connections: ConnectionShares
  readonly bus: Bus
  readonly pulse: FeedPulse
  readonly source: MarketSource
  readonly quarantine: Quarantine
  readonly candles: CandleStore
  readonly market: MarketService
  readonly tasks: readonly Task[]
  readonly jobs: JobService
  readonly registry: Registry
  readonly database: DatabaseMetrics
  readonly fallbacks: LibraryFallbacks
  readonly health: Health
}

export async function startShared(options: SharedOptions): Promise<SharedServices> {
  const { config, role, log, stops, connectionString } = options
  const connections = connectionShares(role, config.DATABASE_CONNECTIONS, config.DATABASE_URL !== undefined)
  const registry = createMetrics()
  const database = new DatabaseMetrics(registry)
  const pool = createPool(connectionString, log, {
    max: connections.requests,
    statementTimeoutMs: requestStatementMs,
    measured: { by: database, as: 'requests' },
  })
  if (config.DATABASE_URL === undefined) {
    database.embedded(
      () => numberOf(pool, 'pg_database_size(current_database())'),
      () => spaceOf(config.DATA_DIR),
    )
  } else database.notifications(() => numberOf(pool, 'pg_notification_queue_usage()'))
  stops.push(() => pool.end())

  const bus = config.DATABASE_URL ? new PostgresBus({ connectionString, pool, log }) : new LocalBus()
  stops.push(() => bus.stop())
  await bus.start()

  const health = new Health()
  health.add('database', () => pool.check())
  health.add('bus', async () => {
    if (!bus.connected) throw new Error('not connected')
  })
  health.register(registry)

  const trusted = options.now ? undefined : await startClock(pool, registry, options)
  const clock: Clock = trusted ?? { now: options.now ?? Date.now, steadyMs: options.now ?? (() => performance.now()) }
  const now = (): number => clock.now()
  const steadyMs = (): number => clock.steadyMs()

  const pulse = new FeedPulse({ bus, registry })
  stops.push(() => pulse.stop())
  pulse.start()

  const quarantine = new Quarantine({ log, registry })
  const saidTime = (sourceMs: number): void => trusted?.heardSource(sourceMs)
  const source = createSource(config, log, registry, quarantine, { now, steadyMs, saidTime })
  const run: RunSteps = (steps) => runSteps(steps, { client: 'candles' }, 'candles')
  const candles = new CandleStore(pool, {
    run,
    memoryBytes: config.CANDLE_MEMORY_MIB * 1024 * 1024,
    // Nobody else knows of an embedded Postgres.
    isOnlyWriter: config.DATABASE_URL === undefined,
  })
  candles.register(registry)
  const market = new MarketService({ source, store: candles, registry, quarantine, now, steadyMs, run })

  const tasks = createTasks({ ...options, now, pool, source, market, registry })
  const waiting = { ofOwner: config.MAX_WAITING_JOBS_PER_OWNER, ofAll: config.MAX_WAITING_JOBS }
  const jobs = new JobService({ store: new JobStore(pool, waiting), bus, tasks })
  return {
    config,
    role,
    log,
    stops,
    connectionString,
    now,
    pool,
    connections,
    bus,
    pulse,
    source,
    quarantine,
    candles,
    market,
    tasks,
    jobs,
    registry,
    database,
    fallbacks: new LibraryFallbacks(registry, log),
    health,
  }
}

async function numberOf(pool: DatabasePool, expression: string): Promise<number> {
  const { rows } = await pool.query<{ value: number }>(`SELECT ${expression}::float8 AS value`)
  return rows[0]?.value ?? Number.NaN
}

/** Of the disk that holds a directory, in bytes. */
async function spaceOf(directory: string): Promise<{ free: number; size: number }> {
  const { bavail, blocks, bsize } = await statfs(directory)
  return { free: bavail * bsize, size: blocks * bsize }
}

/** From here on the app uses the database's time. */
async function startClock(
  pool: DatabasePool,
  registry: Registry,
  { log, stops }: SharedOptions,
): Promise<TrustedClock> {
  const clock = new TrustedClock({ ask: () => databaseTimeMs(pool), log, registry })
  stops.push(() => clock.stop())
  await clock.start()
  return clock
}

/** The kinds of jobs: the API checks their input, workers run them. */
function createTasks({
  config,
  role,
  log,
  stops,
  now,
  pool,
  source,
  market,
  registry,
}: Pick<
  SharedServices,
  'config' | 'role' | 'log' | 'stops' | 'now' | 'pool' | 'source' | 'market' | 'registry'
>): Task[] {
  const slots = createSlots(role, symbolsAtOnce)
  const watchList = config.WATCH_LIST ?? []
  const { analyses } = createFindings(pool, source)
  const cpu = new CpuPool(log)
  cpu.register(registry)
  stops.push(() => cpu.stop())
  return [
    analysisTask({ market, slots, cpu, analyses }),
    backtestTask({ market, slots, cpu }),
    dailyReportTask({ market, slots, cpu, analyses, watchList, now }),
    backfillTask({ market, slots, now }),
  ]
}

/** In a process that also answers requests, jobs leave room for them. */
export function createSlots(role: Role, count: number): FairSlots {
  return new FairSlots(count, role === 'worker' ? undefined : idlePace(pace))
}

/** Stores of analyses and signals, for the source that this process serves. */
export function createFindings(
  pool: DatabasePool,
  { name: source }: MarketSource,
): { signals: SignalStore; analyses: AnalysisStore } {
  const signals = new SignalStore({ pool, source })
  return { signals, analyses: new AnalysisStore({ pool, source, signals }) }
}
