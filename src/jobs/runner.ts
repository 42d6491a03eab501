import { type Runner, run } from 'graphile-worker'
import type pg from 'pg'
import { Counter, Histogram, type Registry } from 'prom-client'
import { graphileLogger } from '../platform/graphile-logger.ts'
import { durationBuckets } from '../platform/metrics.ts'
import type { ScheduledTask, Task } from './define-task.ts'
import { type JobServices, runJob } from './run-job.ts'

/** How many jobs a worker runs at once. */
const concurrency = 4
/** How often a worker looks for jobs that became due; new ones are announced to it. */
const pollIntervalMs = 1000
/** How long running jobs may go on after stop() before their signal is aborted. */
const gracefulStopMs = 5000

export interface JobRunnerOptions extends JobServices {
  readonly pool: pg.Pool
  readonly tasks: readonly Task[]
  readonly scheduled: readonly ScheduledTask[]
  readonly registry: Registry
  /** Called when the runner can't go on. */
  readonly onFatal: (error: unknown) => void
}

/** graphile-worker with our tasks. Its states: stopped -> start() -> running -> stop() -> stopped. */
export class JobRunner {
  readonly #options: JobRunnerOptions
  readonly #seconds: Histogram<'kind' | 'outcome'>
  readonly #attempts: Counter<'kind'>
  #runner: Runner | undefined

  constructor(options: JobRunnerOptions) {
    this.#options = options
    const registers = [options.registry]
    this.#seconds = new Histogram({
      name: 'finstage_job_run_seconds',
      help: 'How long attempts of jobs ran',
      labelNames: ['kind', 'outcome'],
      buckets: [...durationBuckets, 30, 60, 300],
      registers,
    })
    this.#attempts = new Counter({
      name: 'finstage_job_attempts_total',
      help: 'Attempts of jobs that were begun',
      labelNames: ['kind'],
      registers,
    })
  }

  async start(): Promise<void> {
    if (this.#runner) return
    const { pool, log, tasks, scheduled, onFatal } = this.#options
    this.#runner = await run({
      pgPool: pool,
      concurrency,
      pollInterval: pollIntervalMs,
      noHandleSignals: true,
      gracefulShutdownAbortTimeout: gracefulStopMs,
      logger: graphileLogger(log),
      // Batched completions are not waited for by stop(), which leaves finished jobs locked.
      preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
      taskList: Object.fromEntries([
        ...tasks.map((task) => [task.kind, this.#handler(task)]),
        ...scheduled.map(({ name, run }) => [name, () => run(log.child({ task: name }))]),
      ]),
      crontab: scheduled.map(({ cron, name }) => `${cron} ${name}`).join('\n'),
    })
    const runner = this.#runner
    runner.promise.catch((error: unknown) => {
      if (this.#runner === runner) onFatal(error)
    })
  }

  /** Running jobs may finish; those that do not within five seconds are told to stop, and that attempt has failed. */
  async stop(): Promise<void> {
    const runner = this.#runner
    this.#runner = undefined
    await runner?.stop()
  }

  /** Rejects where no jobs are being taken. */
  async check(): Promise<void> {
    if (!this.#runner) throw new Error('not running')
  }

  #handler(task: Task) {
    return async (
      payload: unknown,
      helpers: { job: { attempts: number }; abortSignal?: AbortSignal },
    ): Promise<void> => {
      const { jobId } = payload as { jobId: string }
      const stopping = helpers.abortSignal ?? new AbortController().signal
      this.#attempts.inc({ kind: task.kind })
      const end = this.#seconds.startTimer({ kind: task.kind })
      try {
        await runJob(task, { jobId, attempt: helpers.job.attempts, stopping }, this.#options)
        end({ outcome: 'ok' })
      } catch (error) {
        end({ outcome: 'error' })
        throw error
      }
    }
  }
}
