import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { Registry } from 'prom-client'
import { hasEnded, type JobChange } from '../domain/job.ts'
import type { Logger } from '../platform/logger.ts'
import { JobRunStore } from '../store/job-run-store.ts'
import { WorkerStore } from '../store/worker-store.ts'
import type { Bus } from '../stream/bus.ts'
import type { Task } from './define-task.ts'
import { JobMetrics } from './job-metrics.ts'
import type { Schedule } from './schedule.ts'
import { WorkerPool } from './worker-pool.ts'
import { WorkerWatch } from './worker-watch.ts'

/** How many jobs a worker process runs at once. */
export const jobConcurrency = 16
/** How long running jobs may go on after stop() before they are handed back. */
const graceMs = 5000
const reopenMs = 500
/** Without having looked for jobs for so long a worker is not ready. */
const readyWithinMs = 10_000

export interface JobRunnerOptions {
  /** Has to outlast a restart of the database. */
  readonly pool: pg.Pool
  readonly bus: Bus
  readonly log: Logger
  readonly registry: Registry
  readonly tasks: readonly Task[]
  readonly schedules: readonly Schedule[]
  /** For how long a job waits until it rises by one class. */
  readonly agingSeconds: number
  /** From 0 to 1. */
  readonly random?: () => number
}

/**
 * Runs jobs in this process. A pool of graphile-worker that breaks is replaced at once; what it still runs goes on.
 *
 * Its states: stopped -> start() -> running -> stop() -> stopped.
 */
export class JobRunner {
  readonly #options: JobRunnerOptions
  readonly #runs: JobRunStore
  readonly #workers: WorkerStore
  readonly #metrics: JobMetrics
  readonly #watch: WorkerWatch
  /** The newest last; the others are broken, and only finish what they run. */
  readonly #pools = new Set<WorkerPool>()
  readonly #stopping = new AbortController()
  readonly #suspects = { isRunning: false }
  #current: WorkerPool | undefined
  #started: Promise<void> | undefined
  #stopped: Promise<void> | undefined
  #unsubscribe: (() => void) | undefined

  constructor(options: JobRunnerOptions) {
    const { pool, registry, bus, log, tasks, agingSeconds } = options
    this.#options = options
    this.#runs = new JobRunStore(pool)
    this.#workers = new WorkerStore(pool)
    const taskNames = tasks.map(({ kind }) => kind)
    this.#metrics = new JobMetrics(registry, () => this.#workers.waiting(taskNames))
    this.#watch = new WorkerWatch({
      ...{ bus, log, taskNames, agingSeconds, store: this.#workers, metrics: this.#metrics },
      pools: () => [...this.#pools],
      onLook: () => this.#supersede(),
    })
  }

  /** Rejects where the database can't be reached. */
  start(): Promise<void> {
    this.#started ??= this.#start()
    return this.#started
  }

  /** Running jobs may finish; those that do not within five seconds are handed back, to be run by another worker. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  /** Rejects where no jobs are being taken. */
  async check(): Promise<void> {
    if (!this.#current || this.#stopped) throw new Error('not running')
    if (this.#current.idleForMs > readyWithinMs) throw new Error('has not been able to look for jobs for 10 s')
    if (this.#watch.blindForMs > readyWithinMs) throw new Error('has not been able to look after workers for 10 s')
  }

  async #start(): Promise<void> {
    await this.#open()
    this.#watch.start()
    this.#unsubscribe = this.#options.bus.subscribe('job', (change) => this.#onChange(change))
  }

  async #stop(): Promise<void> {
    if (!this.#started) return
    await this.#started.catch(() => {})
    this.#stopping.abort()
    this.#unsubscribe?.()
    const pools = [...this.#pools]
    const handBack = setTimeout(() => {
      for (const pool of pools) pool.handBack()
    }, graceMs)
    const stops = await Promise.allSettled(pools.map((pool) => pool.stop()))
    clearTimeout(handBack)
    await this.#watch.stop()
    // What they could not let go of themselves.
    for (const { id } of pools) await this.#workers.release(id)
    const failures = stops.flatMap((stop) => (stop.status === 'rejected' ? [stop.reason] : []))
    if (failures.length > 0) throw new AggregateError(failures, 'the workers did not stop cleanly')
  }

  async #open(): Promise<void> {
    const { pool, tasks, schedules, bus, log, random = Math.random } = this.#options
    const opened: WorkerPool = await WorkerPool.open({
      ...{ pool, tasks, schedules, log, concurrency: jobConcurrency },
      services: { bus, log, random, store: this.#runs, metrics: this.#metrics, suspects: this.#suspects },
      onOpen: (id) => this.#workers.beat([id]),
      onBroken: (error) => {
        log.error({ err: error }, 'the workers have failed, and are replaced')
        void this.#replace(opened)
      },
    })
    if (this.#stopping.signal.aborted) {
      // stop() did not know of it yet.
      const stopped = opened.stop()
      opened.handBack()
      await stopped
      await this.#workers.release(opened.id)
      return
    }
    this.#pools.add(opened)
    this.#current = opened
  }

  async #replace(broken: WorkerPool): Promise<void> {
    const { signal } = this.#stopping
    const { log } = this.#options
    this.#current = undefined
    const finished = broken.stop().catch(() => {})
    while (!this.#current && !signal.aborted) {
      try {
        await this.#open()
      } catch (error) {
        log.warn({ err: error }, 'the workers could not be replaced yet')
        await sleep(reopenMs, undefined, { signal }).catch(() => {})
      }
    }
    await finished
    if (signal.aborted) return
    this.#pools.delete(broken)
    await this.#workers.release(broken.id).catch((error: unknown) => {
      // The watch will find it lost.
      log.warn({ err: error }, 'the jobs of broken workers could not be let go of yet')
    })
  }

  /** A job that was cancelled, or that another worker has, is told at once where the bus tells of it. */
  #onChange(change: JobChange): void {
    for (const pool of this.#pools) {
      for (const run of pool.runs) {
        if (run.id !== change.id) continue
        if (hasEnded(change.state) || change.attempt > run.attempt) pool.supersede(run)
      }
    }
  }

  /** The same, for what the bus has not told of. */
  async #supersede(): Promise<void> {
    for (const pool of this.#pools) {
      for (const run of await this.#runs.superseded(pool.runs)) pool.supersede(run)
    }
  }
}
