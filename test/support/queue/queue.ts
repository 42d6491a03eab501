import { Registry } from 'prom-client'
import { z } from 'zod'
import { FinstageError } from '../../../src/domain/errors.ts'
import { type EnqueueRequest, hasEnded, type Job, type JobDefaults, type JobKind } from '../../../src/domain/job.ts'
import { type JobNews, JobService } from '../../../src/jobs/job-service.ts'
import { defineTask, type Task, type TaskContext } from '../../../src/jobs/queue/define-task.ts'
import { JobRunner } from '../../../src/jobs/queue/runner.ts'
import type { Schedule } from '../../../src/jobs/queue/schedule.ts'
import { createPool, type DatabasePool } from '../../../src/platform/database/pool.ts'
import { LibraryFallbacks } from '../../../src/platform/library-fallbacks.ts'
import type { Logger } from '../../../src/platform/logger.ts'
import type { JobOutcome } from '../../../src/store/jobs/job-run-store.ts'
import { JobRunStore } from '../../../src/store/jobs/job-run-store.ts'
import { JobStore } from '../../../src/store/jobs/job-store.ts'
import { WorkerStore } from '../../../src/store/jobs/worker-store.ts'
import type { Bus } from '../../../src/stream/bus.ts'
import { PostgresBus } from '../../../src/stream/postgres-bus.ts'
import { inTime } from '../clients/client.ts'
import { createTestDatabase, type TestDatabase } from '../database/database.ts'
import { silentLog } from '../log.ts'

export interface QueueOptions {
  readonly tasks: readonly Task[]
  readonly schedules?: readonly Schedule[]
  readonly agingSeconds?: number
  /** From 0 to 1: what is left to chance in when an attempt is tried again. */
  readonly random?: () => number
  /** Of another queue, to share; else one of its own. */
  readonly database?: TestDatabase
  /** false: nothing is run until `runner.start()` is called. */
  readonly runs?: boolean
  readonly log?: Logger
}

/** A queue in this process, as a worker and an API have it together. */
export interface TestQueue extends AsyncDisposable {
  readonly database: TestDatabase
  readonly pool: DatabasePool
  readonly bus: Bus
  readonly registry: Registry
  readonly runner: JobRunner
  readonly jobs: JobService
  readonly store: JobStore
  readonly runStore: JobRunStore
  readonly workers: WorkerStore
  /** An analysis of nobody in particular, at once, unless said otherwise. */
  enqueue(request?: Partial<EnqueueRequest>): Promise<Job>
  /** The job as it stands in the database. */
  job(id: string): Promise<Job>
  /** Each change of a job, until it has ended. */
  followed(id: string): Promise<Job[]>
  /** The job once it has ended. */
  ended(id: string): Promise<Job>
  stop(): Promise<void>
}

export const owner = 'ada'

export async function startQueue(options: QueueOptions): Promise<TestQueue> {
  const { tasks, schedules = [], agingSeconds = 3600, random = () => 0, runs = true, log = silentLog } = options
  const database = options.database ?? (await createTestDatabase())
  const connectionString = database.url
  const pool = createPool(connectionString, silentLog, { max: 10, patienceMs: 10_000 })
  const bus = new PostgresBus({ connectionString, pool, log: silentLog })
  const registry = new Registry()
  const fallbacks = new LibraryFallbacks(registry, log)
  const mostWaiting = 1000
  const runner = new JobRunner({
    ...{ pool, bus, log, registry, fallbacks, tasks, schedules, agingSeconds, mostWaiting, random },
  })
  const store = new JobStore(pool)
  const jobs = new JobService({ store, bus, tasks })
  await bus.start()
  if (runs) await runner.start()

  async function enqueue(request: Partial<EnqueueRequest> = {}): Promise<Job> {
    const whole = { kind: 'ANALYSIS', owner, input: {}, runAtMs: null, idempotencyKey: null, ...request } as const
    return (await jobs.enqueue(whole)).job
  }
  async function followed(id: string): Promise<Job[]> {
    const seen: Job[] = []
    const updates = await jobs.follow(id, (await job(id)).owner)
    const read = async (): Promise<void> => {
      if (updates) for await (const update of jobsOf(updates)) seen.push(update)
    }
    await inTime(read(), `the end of a job that is ${(await job(id)).state}`)
    return seen
  }
  async function ended(id: string): Promise<Job> {
    const last = (await followed(id)).at(-1)
    if (!last || !hasEnded(last.state)) throw new Error('the stream ended before the job')
    return job(id)
  }
  async function job(id: string): Promise<Job> {
    const found = await store.find(id)
    if (!found) throw new Error(`there is no job ${id}`)
    return found
  }
  let stopped: Promise<void> | undefined
  const stopAll = async (): Promise<void> => {
    jobs.stop()
    await runner.stop()
    await bus.stop()
    await pool.end()
    if (!options.database) await database[Symbol.asyncDispose]()
  }
  const stop = (): Promise<void> => {
    stopped ??= stopAll()
    return stopped
  }
  return {
    ...{ database, pool, bus, registry, runner, jobs, store, enqueue, job, followed, ended, stop },
    ...{ runStore: new JobRunStore(pool), workers: new WorkerStore(pool, fallbacks) },
    [Symbol.asyncDispose]: stop,
  }
}

type Input = Readonly<Record<string, unknown>>

/** A task that does as the test says, with any object as its input. */
export function testTask(
  run: (input: Input, context: TaskContext) => Promise<unknown>,
  options: { kind?: JobKind; defaults?: Partial<JobDefaults> } = {},
): Task {
  return defineTask({
    kind: options.kind ?? 'ANALYSIS',
    input: z.record(z.string(), z.unknown()),
    defaults: { priority: 'NORMAL', maxAttempts: 3, timeoutSeconds: 30, ...options.defaults },
    run: async (input, context): Promise<JobOutcome> => ({ result: (await run(input, context)) ?? null }),
  })
}

/** Rejects when the signal is aborted, as work does that heeds it. */
/** What a follower is told; throws what its stream has ended with. */
export async function* jobsOf(news: AsyncIterable<JobNews>): AsyncGenerator<Job> {
  for await (const each of news) {
    if (each instanceof FinstageError) throw each
    yield each
  }
}

export const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
