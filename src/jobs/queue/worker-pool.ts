import { EventEmitter } from 'node:events'
import { type JobHelpers, parseCrontab, type Runner, run, type TaskList, type WorkerEvents } from 'graphile-worker'
import type pg from 'pg'
import { graphileLogger } from '../../platform/graphile-logger.ts'
import type { LibraryFallbacks } from '../../platform/library-fallbacks.ts'
import type { Logger } from '../../platform/logger.ts'
import { cronDueAtMs } from '../../store/jobs/graphile-internals.ts'
import type { JobRun } from '../../store/jobs/job-run-store.ts'
import type { Task } from './define-task.ts'
import { type Interruption, type JobServices, runJob } from './run-job.ts'
import { crontabLine, type Schedule } from './schedule.ts'
import { JobTaker } from './take-together.ts'

/** How often a worker looks for jobs that have become due. New jobs are announced by NOTIFY. */
const pollIntervalMs = 1000

const noDueTime =
  'graphile-worker no longer says when a scheduled job was due: it counts as due when it was queued, also where it is made up for later'

export interface WorkerPoolOptions {
  readonly pool: pg.Pool
  readonly tasks: readonly Task[]
  readonly schedules: readonly Schedule[]
  readonly services: JobServices
  readonly log: Logger
  readonly fallbacks: LibraryFallbacks
  /** How many jobs it runs at once. */
  readonly concurrency: number
  /** Takes only jobs of lost workers, and runs no schedule. */
  readonly onlyLost: boolean
  /** Called with its id before it takes its first job. */
  readonly onOpen: (id: string) => Promise<void>
  /** Called once, when the pool breaks: its running jobs go on, but it takes no more. */
  readonly onBroken: (error: unknown) => void
}

interface Running {
  /** Undefined until the attempt has begun. */
  run: JobRun | undefined
  readonly interrupt: AbortController
  readonly ended: PromiseWithResolvers<void>
}

/** A graphile-worker pool with our tasks. Its states: open() -> running -> broken or stop() -> stopped. */
export class WorkerPool {
  readonly #options: WorkerPoolOptions
  readonly #running = new Map<string, Running>()
  readonly #taker: JobTaker
  #runner: Runner | undefined
  #id = ''
  #polledAtMs = performance.now()
  #stopped: Promise<void> | undefined
  /** Resolves when the pool is broken and no job runs in it any more. */
  readonly #spent = Promise.withResolvers<void>()
  #isBroken = false

  private constructor(options: WorkerPoolOptions) {
    this.#options = options
    this.#taker = new JobTaker(options)
  }

  /** Rejects when the database can't be reached. */
  static async open(options: WorkerPoolOptions): Promise<WorkerPool> {
    const workerPool = new WorkerPool(options)
    await workerPool.#open()
    return workerPool
  }

  /** The value of `locked_by` in the graphile-worker jobs that it holds. */
  get id(): string {
    return this.#id
  }

  /** The ids of the graphile-worker jobs that it knows it holds. */
  get carriers(): string[] {
    return [...this.#running.keys()]
  }

  /** The attempts that it runs. */
  get runs(): JobRun[] {
    return [...this.#running.values()].flatMap(({ run }) => run ?? [])
  }

  /** Whether its workers take jobs by our statement, which can be told to take only those of lost workers. */
  get takesTogether(): boolean {
    return this.#taker.isRecognised === true
  }

  get freePlaces(): number {
    return this.#options.concurrency - this.#running.size
  }

  /** How long it has had a free place without a successful look for a job. */
  get idleForMs(): number {
    return this.freePlaces <= 0 ? 0 : performance.now() - this.#polledAtMs
  }

  /** Interrupts an attempt that was superseded. */
  supersede({ carrier, attempt }: JobRun): void {
    const running = this.#running.get(carrier)
    if (running?.run?.attempt === attempt) running.interrupt.abort('superseded' satisfies Interruption)
  }

  /** Interrupts all running attempts, so that their jobs are handed back for other workers to run. */
  handBack(): void {
    for (const { interrupt } of this.#running.values()) interrupt.abort('stopping' satisfies Interruption)
  }

  /**
   * Takes no more jobs. Resolves when the running ones have ended or were handed back. It does not rely on
   * graphile-worker's own stop alone: in a broken pool that waits for completions which it has given up, and may never
   * end.
   */
  stop(): Promise<void> {
    this.#stopped ??= Promise.race([Promise.resolve(this.#runner?.stop()), this.#spent.promise])
    return this.#stopped
  }

  async #open(): Promise<void> {
    const { log, tasks, schedules, concurrency, onlyLost, onOpen, onBroken } = this.#options
    const events = new EventEmitter() as WorkerEvents
    events.on('pool:create', ({ workerPool }) => {
      this.#id = workerPool.id
    })
    const hasPolled = (): void => {
      this.#polledAtMs = performance.now()
    }
    events.on('worker:getJob:empty', hasPolled)
    events.on('job:start', () => {
      hasPolled()
      this.#taker.onJob()
    })
    events.on('pool:fatalError', ({ error }) => broken(error))
    const broken = (error: unknown): void => {
      if (this.#isBroken) return
      this.#isBroken = true
      if (this.#running.size === 0) this.#spent.resolve()
      if (!this.#stopped) onBroken(error)
    }
    let opened: Promise<void> | undefined
    const startWorker = (): Promise<void> => {
      opened ??= onOpen(this.#id)
      return opened
    }
    const runner = await run({
      pgPool: this.#taker.pool,
      concurrency,
      pollInterval: pollIntervalMs,
      noHandleSignals: true,
      events,
      logger: graphileLogger(log),
      // 0: in batches, but without delay. stop() does not wait for delayed completions, which would leave finished jobs
      // locked.
      preset: {
        worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 },
        plugins: [{ name: 'finstage', version: '0.0.0', worker: { hooks: { startWorker } } }],
      },
      taskList: this.#taskList(tasks, schedules),
      parsedCronItems: onlyLost ? [] : parseCrontab(schedules.map(crontabLine).join('\n')),
    })
    this.#runner = runner
    // It ends by itself only after a fault.
    runner.promise.then(broken, broken)
  }

  #taskList(tasks: readonly Task[], schedules: readonly Schedule[]): TaskList {
    const { log, fallbacks } = this.#options
    const dueAtMs = (payload: unknown, createdAt: Date): number => {
      const dueAtMs = cronDueAtMs(payload, createdAt)
      if (dueAtMs !== null) return dueAtMs
      fallbacks.report('graphile-worker', noDueTime)
      return createdAt.getTime()
    }
    return Object.fromEntries([
      ...tasks.map((task) => [task.kind, this.#handler(task)] as const),
      ...schedules.map(
        ({ name, run }) =>
          [
            name,
            (payload: unknown, { job }: JobHelpers) =>
              this.#holding(job.id, ({ interrupt }) =>
                run(dueAtMs(payload, job.created_at), log.child({ schedule: name }), interrupt.signal),
              ),
          ] as const,
      ),
    ])
  }

  #handler(task: Task) {
    return (payload: unknown, { job }: JobHelpers): Promise<void> =>
      this.#holding(job.id, (running) => {
        const { jobId } = payload as { jobId: string }
        const onBegun = (run: JobRun): void => {
          running.run = run
        }
        const pickup = { jobId, carrier: job.id, interrupted: running.interrupt.signal, onBegun }
        return runJob(task, pickup, this.#options.services)
      })
  }

  /**
   * A pool that was found lost and comes back may be handed a carrier that it still runs. The older run is superseded,
   * and must not end before the newer one: graphile-worker would unlock or delete the carrier.
   */
  async #holding(carrier: string, work: (running: Running) => Promise<void>): Promise<void> {
    const running: Running = {
      run: undefined,
      interrupt: new AbortController(),
      ended: Promise.withResolvers<void>(),
    }
    this.#running.get(carrier)?.interrupt.abort('superseded' satisfies Interruption)
    this.#running.set(carrier, running)
    try {
      await work(running)
    } finally {
      for (let newest = this.#running.get(carrier); newest && newest !== running; newest = this.#running.get(carrier)) {
        await newest.ended.promise
      }
      if (this.#running.get(carrier) === running) this.#running.delete(carrier)
      running.ended.resolve()
      if (this.#isBroken && this.#running.size === 0) this.#spent.resolve()
    }
  }
}
