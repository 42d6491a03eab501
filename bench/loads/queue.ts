// suites/queue.ts runs this in a process of its own: options in as JSON, figures out as JSON.
import { Logger as GraphileLogger, run, runMigrations } from 'graphile-worker'
import pg from 'pg'
import { Registry } from 'prom-client'
import { z } from 'zod'
import { defineTask } from '../../src/jobs/queue/define-task.ts'
import { JobRunner, jobConcurrency } from '../../src/jobs/queue/runner.ts'
import { createPool } from '../../src/platform/database/pool.ts'
import { LibraryFallbacks } from '../../src/platform/library-fallbacks.ts'
import { createLogger } from '../../src/platform/logger.ts'
import { JobStore } from '../../src/store/jobs/job-store.ts'
import { migrate } from '../../src/store/migrations.ts'
import { LocalBus } from '../../src/stream/local-bus.ts'

export type QueuePart = 'finstage' | 'unbatched' | 'batched'

export interface QueueOptions {
  readonly part: QueuePart
  /** Postgres in which this run creates a database. */
  readonly connectionString: string
  readonly jobs: number
  readonly durationMs: number
}

export interface QueueFigures {
  readonly jobsPerSecond: number
  /** CPU time of this process per job, user and system. */
  readonly cpuMicroseconds: number
  /** Transactions that Postgres committed per job. */
  readonly commits: number
}

const options = JSON.parse(process.argv[2] ?? '{}') as QueueOptions
const log = createLogger('silent')
const silent = new GraphileLogger(() => () => {})
const connections = 10
/** graphile-worker's batching, as its documentation recommends for the most jobs a second. */
const batching = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 }

const name = `queue_${process.pid}`
const admin = new pg.Client({ connectionString: options.connectionString })
await admin.connect()
await admin.query(`CREATE DATABASE ${name}`)
const connectionString = options.connectionString.replace('/finstage?', `/${name}?`)

/** A queue with waiting jobs and its worker. `left` returns how many are not done. */
interface Queue {
  fill(): Promise<void>
  start(done: () => void): Promise<{ stop(): Promise<void> }>
  left(): Promise<number>
}

function finstage(): Queue {
  const pool = createPool(connectionString, log, { max: connections, patienceMs: 60_000 })
  const bus = new LocalBus()
  const task = defineTask({
    kind: 'ANALYSIS',
    input: z.object({ n: z.number() }),
    defaults: { priority: 'NORMAL', maxAttempts: 3, timeoutSeconds: 300 },
    run: async ({ n }) => ({ result: { n } }),
  })
  return {
    async fill() {
      await migrate(pool, log)
      const store = new JobStore(pool)
      const order = { kind: task.kind, owner: 'bench', runAtMs: null, idempotencyKey: null, ...task.defaults }
      await each(options.jobs, connections, (n) => store.enqueue({ ...order, input: { n } }))
    },
    async start(done) {
      bus.subscribe('job', ({ state }) => state === 'SUCCEEDED' && done())
      const registry = new Registry()
      const runner = new JobRunner({
        pool,
        bus,
        log,
        registry,
        fallbacks: new LibraryFallbacks(registry, log),
        tasks: [task],
        schedules: [],
        agingSeconds: 600,
        mostWaiting: 1_000_000,
      })
      await runner.start()
      return { stop: () => runner.stop().then(() => pool.end()) }
    },
    left: () => count(`finstage.jobs WHERE state <> 'SUCCEEDED' OR result->>'n' IS DISTINCT FROM input->>'n'`),
  }
}

function graphile(preset: object): Queue {
  const pool = createPool(connectionString, log, { max: connections })
  return {
    async fill() {
      await runMigrations({ pgPool: pool, logger: silent })
      await pool.query(
        `SELECT graphile_worker.add_job('nothing', json_build_object('n', n)) FROM generate_series(1, $1::int) AS n`,
        [options.jobs],
      )
    },
    async start(done) {
      const taskList = { nothing: async () => done() }
      const common = { pgPool: pool, noHandleSignals: true, concurrency: jobConcurrency, logger: silent }
      const runner = await run({ ...common, taskList, crontab: '', preset: { worker: preset } })
      return { stop: () => runner.stop().then(() => pool.end()) }
    },
    left: () => count('graphile_worker._private_jobs'),
  }
}

const queues: Record<QueuePart, () => Queue> = {
  finstage,
  unbatched: () => graphile({}),
  batched: () => graphile(batching),
}

async function count(what: string): Promise<number> {
  const { rows } = await looker.query<{ count: number }>(`SELECT count(*)::int FROM ${what}`)
  return rows[0]?.count ?? 0
}

async function commits(): Promise<number> {
  const { rows } = await admin.query<{ commits: number }>(
    'SELECT xact_commit::float8 AS commits FROM pg_stat_database WHERE datname = $1',
    [name],
  )
  return rows[0]?.commits ?? Number.NaN
}

async function each(times: number, atOnce: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const go = async (): Promise<void> => {
    while (next < times) await work(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, go))
}

const queue = queues[options.part]()
await queue.fill()
const looker = new pg.Client({ connectionString })
await looker.connect()
await looker.query('VACUUM ANALYZE')
await admin.query('CHECKPOINT')

const committedBefore = await commits()
const cpuBefore = process.cpuUsage()
const startedMs = performance.now()
const all = Promise.withResolvers<void>()
let done = 0
const working = await queue.start(() => {
  done += 1
  if (done === options.jobs) all.resolve()
})
await all.promise
// The last jobs may not be in the tables yet.
while ((await queue.left()) > 0)
  if (performance.now() > startedMs + options.durationMs) throw new Error('jobs were left')
const seconds = (performance.now() - startedMs) / 1000
const cpu = process.cpuUsage(cpuBefore)
await working.stop()
const committed = (await commits()) - committedBefore
await looker.end()
await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
await admin.end()
const figures: QueueFigures = {
  jobsPerSecond: options.jobs / seconds,
  cpuMicroseconds: (cpu.user + cpu.system) / options.jobs,
  commits: committed / options.jobs,
}
process.stdout.write(JSON.stringify(figures), () => process.exit(0))
