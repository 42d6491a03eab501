import { setTimeout as sleep } from 'node:timers/promises'
import type { Registry } from 'prom-client'
import { hasEnded, type JobChange } from '../../domain/job.ts'
import type { DatabasePool } from '../../platform/database/pool.ts'
import type { LibraryFallbacks } from '../../platform/library-fallbacks.ts'
import type { Logger } from '../../platform/logger.ts'
import { RetryPauses } from '../../platform/retry.ts'
import { JobRunStore } from '../../store/jobs/job-run-store.ts'
import { WorkerStore } from '../../store/jobs/worker-store.ts'
import type { Bus } from '../../stream/bus.ts'
import type { Task } from './define-task.ts'
import { JobMetrics } from './metrics.ts'
import type { Schedule } from './schedule.ts'
import { WorkerPool } from './worker-pool.ts'
import { WorkerWatch } from './worker-watch.ts'

/** How many jobs a worker process runs at once. */
export const jobConcurrency = 16
/** How many jobs of lost workers it may run beyond these: as many as three workers held. */
const maxRescued = 3 * jobConcurrency
/** How long a pool that was opened for lost jobs looks for them. */
const rescueMs = 1000
/** How long running jobs may go on after stop() before the worker hands them back. */
const graceMs = 5000
/**
 * How long handing back may take. Where the database is away, other workers will find this one lost and run its jobs.
 */
const handBackMs = 3000
const reopenPace = { firstMs: 500, longestMs: 1000 }
/** A worker that has not looked for jobs for this long is not ready. */
const readyWithinMs = 10_000

export interface JobRunnerOptions {
  /** Has to wait for the database while it restarts. */
  readonly pool: DatabasePool
  readonly bus: Bus
  readonly log: Logger
  readonly registry: Registry
  readonly fallbacks: LibraryFallbacks
  readonly tasks: readonly Task[]
  readonly schedules: readonly Schedule[]
  /** How long a job waits before it rises by one priority class. */
  readonly agingSeconds: number
  /** How many jobs may wait in the whole queue. */
  readonly mostWaiting: number
  /** From 0 to 1. */
  readonly random?: () => number
}

/**
 * Runs jobs in this process. When a graphile-worker pool breaks, the runner opens another at once; the jobs of the
 * broken one go on.
 *
 * Its states: stopped -> start() -> running -> stop() -> stopped.
 */
export class JobRunner {
  readonly #options: JobRunnerOptions
  readonly #runs: JobRunStore
  readonly #workers: WorkerStore
  readonly #metrics: JobMetrics
  readonly #watch: WorkerWatch
  /**
   * The current pool takes jobs. The others are broken, being replaced, or were opened for lost jobs, and finish what
   * they run.
   */
  readonly #pools = new Set<WorkerPool>()
  readonly #stopping = new AbortController()
  readonly #suspects = { isRunning: false }
  #current: WorkerPool | undefined
  #rescuing: Promise<void> | undefined
  #started: Promise<void> | undefined
  #stopped: Promise<void> | undefined
  #unsubscribe: (() => void) | undefined

  constructor(options: JobRunnerOptions) {
    const { pool, registry, bus, log, tasks, agingSeconds, mostWaiting, fallbacks } = options
    this.#options = options
    this.#runs = new JobRunStore(pool)
    this.#workers = new WorkerStore(pool, fallbacks)
    const taskNames = tasks.map(({ kind }) => kind)
    this.#metrics = new JobMetrics(registry, () => this.#workers.waiting(taskNames), mostWaiting)
    this.#watch = new WorkerWatch({
      bus,
      log,
      taskNames,
      agingSeconds,
      store: this.#workers,
      metrics: this.#metrics,
      pools: () => [...this.#pools],
      onLook: async () => {
        await this.#supersede()
        await this.#rescue()
      },
      onStuck: (id) => {
        if (this.#current?.id === id) void this.#replace(this.#current)
      },
    })
  }

  /** Rejects when the database can't be reached. */
  start(): Promise<void> {
    this.#started ??= this.#start()
    return this.#started
  }

  /** Lets running jobs finish. After five seconds it hands the rest back, for other workers to run. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  /** Rejects when this process takes no jobs. */
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
    const stopped = this.#stopPools()
    // Where stopPools() is in time, the race below rejects with its error.
    stopped.catch(() => {})
    const late = sleep(graceMs + handBackMs, 'late' as const, { ref: false })
    if ((await Promise.race([stopped, late])) === 'late') {
      this.#options.log.warn('the database is away: what ran here is left to be found lost by other workers')
    }
  }

  async #stopPools(): Promise<void> {
    const pools = [...this.#pools]
    const handBack = setTimeout(() => {
      for (const pool of pools) pool.handBack()
    }, graceMs)
    const stops = await Promise.allSettled(pools.map((pool) => pool.stop()))
    clearTimeout(handBack)
    await this.#watch.stop()
    // Unlocks the jobs that the pools could not release themselves.
    for (const { id } of pools) await this.#workers.release(id)
    const failures = stops.flatMap((stop) => (stop.status === 'rejected' ? [stop.reason] : []))
    if (failures.length > 0) throw new AggregateError(failures, 'the workers did not stop cleanly')
  }

  async #open(): Promise<void> {
    const { log } = this.#options
    const opened: WorkerPool = await this.#openPool(jobConcurrency, false, (error) => {
      log.error({ err: error }, 'the workers have failed, and are replaced')
      void this.#replace(opened)
    })
    if (await this.#add(opened)) this.#current = opened
  }

  /** false: the runner was stopped meanwhile, so the pool is stopped too. */
  async #add(opened: WorkerPool): Promise<boolean> {
    if (!this.#stopping.signal.aborted) {
      this.#pools.add(opened)
      return true
    }
    // stop() did not know this pool.
    const stopped = opened.stop()
    opened.handBack()
    await stopped
    await this.#workers.release(opened.id)
    return false
  }

  #openPool(concurrency: number, onlyLost: boolean, onBroken: (error: unknown) => void): Promise<WorkerPool> {
    const { pool, tasks, schedules, bus, log, fallbacks, random = Math.random } = this.#options
    return WorkerPool.open({
      pool,
      tasks,
      schedules,
      log,
      fallbacks,
      concurrency,
      onlyLost,
      onBroken,
      services: { bus, log, random, store: this.#runs, metrics: this.#metrics, suspects: this.#suspects },
      onOpen: (id) => this.#workers.beat([id]),
    })
  }

  async #replace(broken: WorkerPool): Promise<void> {
    const { signal } = this.#stopping
    const { log } = this.#options
    this.#current = undefined
    const finished = this.#finish(broken)
    const pauses = new RetryPauses(reopenPace)
    while (!this.#current && !signal.aborted) {
      try {
        await this.#open()
      } catch (error) {
        log.warn({ err: error }, 'the workers could not be replaced yet')
        await pauses.pause(signal)
      }
    }
    await finished
  }

  /** Stops a pool, and drops it when all the jobs that it runs have ended. */
  async #finish(pool: WorkerPool): Promise<void> {
    await pool.stop().catch(() => {})
    if (this.#stopping.signal.aborted) return
    this.#pools.delete(pool)
    await this.#watch.beaten()
    await this.#workers.release(pool.id).catch((error: unknown) => {
      // The watch of some worker will find the pool lost.
      this.#options.log.warn({ err: error }, 'the jobs of a pool that has ended could not be let go of yet')
    })
  }

  /**
   * Runs the jobs of lost workers within seconds, even where long jobs take all places: it opens a pool beside the
   * current one for those that find no place. That pool takes no other jobs, and is dropped when they have ended.
   */
  async #rescue(): Promise<void> {
    const current = this.#current
    // Where the statement is not recognised, a second pool would take any job.
    if (!current?.takesTogether || this.#rescuing) return
    const { tasks, schedules, log } = this.#options
    const lost = await this.#workers.lostJobs([...tasks.map(({ kind }) => kind), ...schedules.map(({ name }) => name)])
    const rescued = [...this.#pools].reduce((sum, pool) => sum + (pool === current ? 0 : pool.carriers.length), 0)
    const places = Math.min(lost - current.freePlaces, maxRescued - rescued)
    if (places <= 0) return
    log.warn({ jobs: places }, 'jobs of lost workers are run beyond the places that there are')
    this.#rescuing = this.#openRescue(places)
      .catch((error: unknown) => log.warn({ err: error }, 'the jobs of lost workers could not be taken yet'))
      .finally(() => {
        this.#rescuing = undefined
      })
  }

  /** Resolves when the pool has stopped looking for jobs. */
  async #openRescue(places: number): Promise<void> {
    const { signal } = this.#stopping
    const rescue: WorkerPool = await this.#openPool(places, true, (error) => {
      this.#options.log.warn({ err: error }, 'the workers of lost jobs have failed')
    })
    if (!(await this.#add(rescue))) return
    await sleep(rescueMs, undefined, { signal }).catch(() => {})
    void this.#finish(rescue)
  }

  /** Interrupts a run as soon as the bus says that its job was cancelled or that another worker has it. */
  #onChange(change: JobChange): void {
    for (const pool of this.#pools) {
      for (const run of pool.runs) {
        if (run.id !== change.id) continue
        if (hasEnded(change.state) || change.attempt > run.attempt) pool.supersede(run)
      }
    }
  }

  /** Does the same for changes that the bus has not delivered. */
  async #supersede(): Promise<void> {
    for (const pool of this.#pools) {
      for (const run of await this.#runs.superseded(pool.runs)) pool.supersede(run)
    }
  }
}
