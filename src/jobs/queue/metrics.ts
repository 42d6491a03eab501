import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { type Job, type JobFailure, type JobPriority, type JobState, jobPriorities } from '../../domain/job.ts'
import { durationBuckets, saturation, seriesOfGauge } from '../../platform/metrics.ts'
import type { Waiting } from '../../store/jobs/worker-store.ts'

const runBuckets = [...durationBuckets, 30, 60, 300, 1800]
/** How long a scrape waits for the database. Its connections may take a minute to come back. */
const patienceMs = 1000
const waitBuckets = [...durationBuckets, 30, 60, 300, 1800, 7200]

/** A worker's metrics: the jobs that wait in the whole queue, and the attempts that this process runs. */
export class JobMetrics {
  readonly #wait: Histogram<'kind' | 'priority'>
  readonly #run: Histogram<'kind' | 'outcome'>
  readonly #attempts: Counter<'kind'>
  readonly #failures: Counter<'kind' | 'code'>
  readonly #lost: Counter<string>
  readonly #inFlight: Gauge<'kind'>

  /** `mostWaiting`: how many jobs may wait, due or not. */
  constructor(registry: Registry, waiting: () => Promise<readonly Waiting[]>, mostWaiting: number) {
    const registers = [registry]
    this.#wait = new Histogram({
      name: 'finstage_job_wait_seconds',
      help: 'How long jobs waited from when they were due until an attempt began',
      labelNames: ['kind', 'priority'],
      buckets: waitBuckets,
      registers,
    })
    this.#run = new Histogram({
      name: 'finstage_job_run_seconds',
      help: 'How long attempts of jobs ran, by what the job was afterwards; superseded: another attempt had taken over, or it was cancelled',
      labelNames: ['kind', 'outcome'],
      buckets: runBuckets,
      registers,
    })
    this.#attempts = new Counter({
      name: 'finstage_job_attempts_total',
      help: 'Attempts of jobs that were begun',
      labelNames: ['kind'],
      registers,
    })
    this.#failures = new Counter({
      name: 'finstage_job_failures_total',
      help: 'Attempts of jobs that failed, by the code of their error',
      labelNames: ['kind', 'code'],
      registers,
    })
    this.#lost = new Counter({
      name: 'finstage_workers_lost_total',
      help: 'Worker pools that gave no more signs of life, and whose jobs this process handed to others',
      registers,
    })
    this.#inFlight = new Gauge({
      name: 'finstage_jobs_in_flight',
      help: 'Jobs that this process runs at present',
      labelNames: ['kind'],
      registers,
    })
    registerWaiting(registry, waiting, mostWaiting)
  }

  /** Call the returned function with the state that the attempt led to; null: the attempt was superseded. */
  begun(job: Job): (state: JobState | null) => void {
    const { kind } = job
    const priority: JobPriority = job.priority
    this.#attempts.inc({ kind })
    this.#inFlight.inc({ kind })
    this.#wait.observe({ kind, priority }, Math.max(0, ((job.startedAtMs ?? 0) - job.runAtMs) / 1000))
    const end = this.#run.startTimer({ kind })
    return (state) => {
      this.#inFlight.dec({ kind })
      end({ outcome: state?.toLowerCase() ?? 'superseded' })
    }
  }

  failed({ kind }: Job, { code }: JobFailure): void {
    this.#failures.inc({ kind, code })
  }

  /** A job failed permanently without another attempt, because too many workers were lost with it. */
  gaveUp({ kind, failure }: Job): void {
    this.#failures.inc({ kind, code: failure?.code ?? 'INTERNAL' })
  }

  workerLost(): void {
    this.#lost.inc()
  }
}

/**
 * Gauges of the jobs that wait in the whole queue. Where the database does not answer in time, a scrape leaves only
 * these out.
 */
function registerWaiting(registry: Registry, waiting: () => Promise<readonly Waiting[]>, mostWaiting: number): void {
  let querying: Promise<readonly Waiting[] | null> | undefined
  /** One query for all gauges of a scrape, and no second one while the first has no answer. */
  const query = (): Promise<readonly Waiting[] | null> => {
    querying ??= waiting()
      .catch(() => null)
      .finally(() => {
        querying = undefined
      })
    return orNull(querying, patienceMs)
  }
  const register = (name: string, help: string, read: (line: Waiting) => number): void => {
    new Gauge({
      name,
      help,
      labelNames: ['priority'],
      registers: [registry],
      async collect() {
        const lines = await query()
        this.reset()
        if (!lines) return
        const found = new Map(lines.map((line) => [line.priority, line]))
        for (const priority of jobPriorities) {
          const line = found.get(priority)
          this.set({ priority }, line ? read(line) : 0)
        }
      },
    })
  }
  seriesOfGauge(registry, saturation, 'waiting_jobs', async () => {
    const lines = await query()
    return lines && lines.reduce((sum, { count, laterCount }) => sum + count + laterCount, 0) / mostWaiting
  })
  register('finstage_jobs_queued', 'Jobs that are due and wait for a worker, in the whole queue', ({ count }) => count)
  register(
    'finstage_jobs_oldest_waiting_seconds',
    'How long the job has waited that has been due for longest, in the whole queue',
    ({ oldestSeconds }) => oldestSeconds,
  )
}

function orNull<T>(promise: Promise<T>, afterMs: number): Promise<T | null> {
  const { promise: late, resolve } = Promise.withResolvers<null>()
  const timer = setTimeout(() => resolve(null), afterMs)
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
