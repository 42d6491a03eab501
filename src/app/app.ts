import type { Registry } from 'prom-client'
import type { LiveFeed, LiveSink } from '../domain/live-feed.ts'
import { ApiServer } from '../http/server/api-server.ts'
import { Health } from '../http/server/health.ts'
import { createMetricsServer } from '../http/server/metrics-server.ts'
import { JobService } from '../jobs/job-service.ts'
import type { Task } from '../jobs/queue/define-task.ts'
import { idlePace } from '../jobs/queue/idle-pace.ts'
import { JobRunner } from '../jobs/queue/runner.ts'
import { analysisTask } from '../jobs/tasks/analysis.ts'
import { backfillTask } from '../jobs/tasks/backfill.ts'
import { backtestTask } from '../jobs/tasks/backtest.ts'
import { dailyReports, dailyReportTask } from '../jobs/tasks/daily-report.ts'
import { symbolsAtOnce } from '../jobs/tasks/each-piece.ts'
import { pruneCandles } from '../jobs/tasks/prune-candles.ts'
import { pruneJobs } from '../jobs/tasks/prune-jobs.ts'
import { followSignals, seriesAtOnce } from '../jobs/tasks/signal-outcomes.ts'
import { LiveCandles } from '../market/live-candles/live-candles.ts'
import { MarketService } from '../market/market-service.ts'
import { Quarantine } from '../market/quarantine.ts'
import { QuoteGuard } from '../market/quotes/guard.ts'
import { guardedFeed } from '../market/quotes/guarded-feed.ts'
import type { MarketSource } from '../market/source.ts'
import { CpuPool } from '../platform/cpu-pool.ts'
import { createPool, type DatabasePool } from '../platform/database/pool.ts'
import { requireOwnSessions } from '../platform/database/probe.ts'
import { EmbeddedPostgres } from '../platform/embedded-postgres/server.ts'
import { FairSlots } from '../platform/fair-slots.ts'
import type { Logger } from '../platform/logger.ts'
import { createMetrics } from '../platform/metrics.ts'
import { type Clock, TrustedClock } from '../platform/trusted-clock.ts'
import { schema } from '../schema/index.ts'
import { AnalysisStore } from '../store/analyses/analysis-store.ts'
import { OutcomeStore } from '../store/analyses/outcome-store.ts'
import { SignalStore } from '../store/analyses/signal-store.ts'
import { CandleStore } from '../store/candles/candle-store.ts'
import { JobStore } from '../store/jobs/job-store.ts'
import { migrate } from '../store/migrations.ts'
import type { Bus } from '../stream/bus.ts'
import { Feed } from '../stream/feed.ts'
import { FeedPulse } from '../stream/feed-pulse.ts'
import { PriceHub } from '../stream/hub.ts'
import { Leader } from '../stream/leader.ts'
import { LocalBus } from '../stream/local-bus.ts'
import { PostgresBus } from '../stream/postgres-bus.ts'
import { SignalFeed } from '../stream/signal-feed.ts'
import type { Config } from './config.ts'
import { type ConnectionShares, connectionShares, jobPatience, requestStatementMs } from './connections.ts'
import type { Role } from './role.ts'
import { createSource } from './source.ts'
import { listening, naming } from './start-errors.ts'

/** How symbols follow each other where requests want the event loop too. */
const pace = { eachMs: 5, longestMs: 100 }

export interface AppOptions {
  readonly config: Config
  readonly role: Role
  readonly log: Logger
  /** Called when the app can't go on: it is to be stopped. */
  readonly onFatal: (message: string, cause?: unknown) => void
  /** Epoch milliseconds, for all that has to do with time; without it, the database's. */
  readonly now?: () => number
}

export interface Addresses {
  /** Where GraphQL is served; null in a role that does not. */
  readonly api: string | null
  readonly metrics: string | null
}

/** What the parts of every role share. */
interface Base {
  readonly pool: DatabasePool
  readonly connections: ConnectionShares
  readonly connectionString: string
  readonly bus: Bus
  readonly pulse: FeedPulse
  readonly source: MarketSource
  readonly quarantine: Quarantine
  readonly market: MarketService
  readonly tasks: readonly Task[]
  readonly jobs: JobService
  readonly registry: Registry
  readonly health: Health
}

/** Builds the services of a role in order and stops them in the opposite one. Its states: stopped -> start() -> running -> stop(). */
export class App {
  readonly #options: AppOptions
  readonly #now = (): number => this.#clock.now()
  readonly #steadyMs = (): number => this.#clock.steadyMs()
  #clock: Clock
  /** Newest last: stopped from the end. */
  readonly #stops: (() => unknown)[] = []
  #started: Promise<Addresses> | undefined
  #stopped: Promise<void> | undefined

  constructor(options: AppOptions) {
    this.#options = options
    const { now = Date.now, now: steadyMs = () => performance.now() } = options
    this.#clock = { now, steadyMs }
  }

  /** Throws where a part can't start; what had started is stopped again by stop(). */
  start(): Promise<Addresses> {
    this.#started ??= this.#startAll()
    return this.#started
  }

  async #startAll(): Promise<Addresses> {
    const { role } = this.#options
    const connectionString = await this.#database()
    await naming('the database that DATABASE_URL or DATA_DIR names', () => this.#prepare(connectionString))
    if (role === 'migrate') return { api: null, metrics: null }

    const base = await this.#base(connectionString)
    if (role === 'all' || role === 'ingest') this.#ingest(base)
    if (role === 'all' || role === 'worker') await this.#worker(base)
    const api = role === 'all' || role === 'api' ? await this.#api(base) : null
    const metrics = await this.#metrics(base)
    this.#stops.push(() => base.health.stopping())
    void base.source.warm?.()
    return { api, metrics }
  }

  /** May be called at any time, and again. Rejects with an AggregateError of what did not stop cleanly. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll()
    return this.#stopped
  }

  async #stopAll(): Promise<void> {
    // What is about to start would be missed.
    await this.#started?.catch(() => {})
    const failures: unknown[] = []
    for (let stop = this.#stops.pop(); stop; stop = this.#stops.pop()) {
      try {
        await stop()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything stopped cleanly')
  }

  async #database(): Promise<string> {
    const { config, onFatal } = this.#options
    if (config.DATABASE_URL) return config.DATABASE_URL
    const embedded = new EmbeddedPostgres(config.DATA_DIR, onFatal)
    this.#stops.push(() => embedded.stop())
    await naming(`DATA_DIR=${config.DATA_DIR}`, () => embedded.start())
    return embedded.connectionString
  }

  /** A migration may take its time, which a request's connections have not. */
  async #prepare(connectionString: string): Promise<void> {
    const { config, log } = this.#options
    if (config.DATABASE_URL) await requireOwnSessions(connectionString)
    const pool = createPool(connectionString, log, { max: 2 })
    try {
      await migrate(pool, log)
    } finally {
      await pool.end()
    }
  }

  async #base(connectionString: string): Promise<Base> {
    const { config, role, log } = this.#options
    const connections = connectionShares(role, config.DATABASE_CONNECTIONS, config.DATABASE_URL !== undefined)
    const pool = createPool(connectionString, log, {
      max: connections.requests,
      statementTimeoutMs: requestStatementMs,
    })
    this.#stops.push(() => pool.end())
    const bus = config.DATABASE_URL ? new PostgresBus({ connectionString, pool, log }) : new LocalBus()
    this.#stops.push(() => bus.stop())
    await bus.start()
    const health = new Health()
    health.add('database', () => pool.check())
    health.add('bus', async () => {
      if (!bus.connected) throw new Error('not connected')
    })
    const registry = createMetrics()
    const clock = this.#options.now ? undefined : await this.#databaseClock(pool, registry)
    const pulse = new FeedPulse({ bus, registry })
    this.#stops.push(() => pulse.stop())
    pulse.start()
    const quarantine = new Quarantine({ log, registry })
    const [now, steadyMs] = [this.#now, this.#steadyMs]
    const saidTime = (sourceMs: number): void => clock?.heardSource(sourceMs)
    const source = createSource(config, log, registry, quarantine, { now, steadyMs, saidTime })
    // One for all roles of the process: they share what it remembers.
    const market = new MarketService({ source, store: new CandleStore(pool), registry, quarantine, now, steadyMs })
    const tasks = this.#tasks(pool, source, market)
    const waiting = { ofOwner: config.MAX_WAITING_JOBS_PER_OWNER, ofAll: config.MAX_WAITING_JOBS }
    const jobs = new JobService({ store: new JobStore(pool, waiting), bus, tasks })
    return {
      pool,
      connections,
      connectionString,
      bus,
      pulse,
      source,
      quarantine,
      market,
      tasks,
      jobs,
      registry,
      health,
    }
  }

  /** From here on everything goes by it. */
  async #databaseClock(pool: DatabasePool, registry: Registry): Promise<TrustedClock> {
    const clock = new TrustedClock({ ask: () => timeOf(pool), log: this.#options.log, registry })
    this.#stops.push(() => clock.stop())
    await clock.start()
    this.#clock = clock
    return clock
  }

  #ingest({ connectionString, bus, source, quarantine, registry, health }: Base): void {
    const { log } = this.#options
    const open = (sink: LiveSink): LiveFeed => source.openLive(sink)
    const feed = new Feed({
      bus,
      registry,
      log,
      openLive: (sink) => guardedFeed({ open, sink, guard: new QuoteGuard(quarantine) }),
    })
    const leader = new Leader({
      connectionString,
      name: 'feed',
      log,
      lead: (term) => feed.lead(term),
      confirmed: () => feed.confirmed(),
      yield: () => feed.yield(),
      // Our own Postgres serves one process.
      isAlone: this.#options.config.DATABASE_URL === undefined,
      now: this.#now,
    })
    this.#stops.push(() => leader.stop())
    leader.start()
    health.add('feed', () => leader.check())
  }

  /** What jobs there are: the API checks their input, workers run them. */
  #tasks(pool: DatabasePool, source: MarketSource, market: MarketService): Task[] {
    const now = this.#now
    const slots = this.#slots(symbolsAtOnce)
    const watchList = this.#options.config.WATCH_LIST ?? []
    const { analyses } = createStores(pool, source)
    const cpu = new CpuPool(this.#options.log)
    this.#stops.push(() => cpu.stop())
    return [
      analysisTask({ market, slots, cpu, analyses }),
      backtestTask({ market, slots, cpu }),
      dailyReportTask({ market, slots, cpu, analyses, watchList, now }),
      backfillTask({ market, slots, now }),
    ]
  }

  /** A process that also answers requests keeps room for them. */
  #slots(count: number): FairSlots {
    const isAlone = this.#options.role === 'worker'
    return new FairSlots(count, isAlone ? undefined : idlePace(pace))
  }

  async #worker({
    connections,
    connectionString,
    bus,
    source,
    market,
    tasks,
    jobs,
    registry,
    health,
  }: Base): Promise<void> {
    const { config, log } = this.#options
    const now = this.#now
    const pool = createPool(connectionString, log, { max: connections.jobs, ...jobPatience })
    this.#stops.push(() => pool.end())
    const { signals, analyses } = createStores(pool, source)
    const runner = new JobRunner({
      ...{ pool, bus, log, registry, tasks },
      schedules: [
        pruneCandles({ candles: new CandleStore(pool), signals, retentionDays: config.CANDLE_RETENTION_DAYS, now }),
        pruneJobs({ jobs: new JobStore(pool), analyses, bus, retentionDays: config.JOB_RETENTION_DAYS }),
        dailyReports({ jobs }),
        followSignals({
          ...{ market, now, slots: this.#slots(seriesAtOnce) },
          outcomes: new OutcomeStore({ pool, source: source.name }),
        }),
      ],
      agingSeconds: config.JOB_AGING_MINUTES * 60,
    })
    this.#stops.push(() => runner.stop())
    await runner.start()
    health.add('queue', () => runner.check())
  }

  async #api({ pool, bus, pulse, source, market, jobs, registry, health }: Base): Promise<string> {
    const { config, log } = this.#options
    const now = this.#now
    const hub = new PriceHub({ bus, pulse, registry, now })
    const { signals, analyses } = createStores(pool, source)
    const signalFeed = new SignalFeed({ store: signals, bus, log })
    const liveCandles = new LiveCandles({ market, prices: hub, log, registry, now })
    const server = new ApiServer({
      host: config.HOST,
      port: config.PORT,
      schema,
      health,
      log,
      registry,
      ports: {
        market,
        prices: hub,
        liveCandles,
        jobs,
        analyses,
        signals,
        signalFeed,
        limits: {
          symbolsPerSubscription: config.MAX_SYMBOLS_PER_SUBSCRIPTION,
          upstreamCallsPerOperation: config.MAX_UPSTREAM_CALLS_PER_OPERATION,
        },
        jobLimits: {
          enqueuesPerOperation: config.MAX_ENQUEUES_PER_OPERATION,
          runAtWithinDays: config.RUN_AT_WITHIN_DAYS,
        },
      },
      limits: {
        maxTcpConnections: config.MAX_TCP_CONNECTIONS,
        maxConnections: config.MAX_CONNECTIONS,
        maxConnectionsPerAddress: config.MAX_CONNECTIONS_PER_ADDRESS,
        maxSubscriptions: config.MAX_SUBSCRIPTIONS_PER_CONNECTION,
        maxMessageBytes: config.MAX_MESSAGE_BYTES,
        initTimeoutSeconds: config.CONNECTION_INIT_SECONDS,
        pingSeconds: config.PING_SECONDS,
      },
      access: {
        allowedHosts: config.ALLOWED_HOSTS ?? [],
        allowedOrigins: config.ALLOWED_ORIGINS,
        trustedProxies: config.TRUST_PROXY ?? [],
      },
    })
    this.#stops.push(() => server.stop())
    this.#stops.push(() => jobs.stop())
    this.#stops.push(() => signalFeed.stop())
    this.#stops.push(() => hub.stop())
    this.#stops.push(() => liveCandles.stop())
    // Before their streams are ended, which would tell a client that nothing more is to come.
    this.#stops.push(() => server.closeSockets())
    hub.start()
    signalFeed.start()
    await listening(() => server.start(), config.HOST, 'PORT', config.PORT)
    this.#stops.push(() => server.stopAccepting({ drainMs: config.DRAIN_SECONDS * 1000 }))
    return server.origin
  }

  async #metrics({ registry, health }: Base): Promise<string> {
    const { config } = this.#options
    const server = createMetricsServer({
      host: config.HOST,
      port: config.METRICS_PORT,
      allowedHosts: config.ALLOWED_HOSTS ?? [],
      registry,
      health,
    })
    // Below the bus in the pile: metrics are to be had until nearly everything has stopped.
    this.#stops.unshift(() => server.stop())
    await listening(() => server.start(), config.HOST, 'METRICS_PORT', config.METRICS_PORT)
    return server.origin
  }
}

/** Of the database's clock, in epoch milliseconds. */
async function timeOf(pool: DatabasePool): Promise<number> {
  const { rows } = await pool.query<{ ms: number }>('SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms')
  return rows[0]?.ms ?? Number.NaN
}

/** What was found, of the source that this process serves. */
function createStores(
  pool: DatabasePool,
  { name: source }: MarketSource,
): { signals: SignalStore; analyses: AnalysisStore } {
  const signals = new SignalStore({ pool, source })
  return { signals, analyses: new AnalysisStore({ pool, source, signals }) }
}
