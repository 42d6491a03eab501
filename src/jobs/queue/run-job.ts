import { FinstageError } from '../../domain/errors.ts'
import { changeOf, type Job, type JobFailure, type JobState } from '../../domain/job.ts'
import { persistently } from '../../platform/database/pool.ts'
import type { Logger } from '../../platform/logger.ts'
import type { JobRun, JobRunStore } from '../../store/jobs/job-run-store.ts'
import type { Bus } from '../../stream/bus.ts'
import type { Task } from './define-task.ts'
import type { JobMetrics } from './metrics.ts'
import { progressReporter } from './progress-reporter.ts'
import { retryInSeconds } from './retry-delay.ts'

/** How long a change of state is retried while the database is away. */
const patienceMs = 60_000
/** A suspect is put off for one to two times this long. */
const postponeSeconds = 1

/** Why an attempt is told to stop: its worker stops, or another attempt has replaced it, or its job has ended. */
export type Interruption = 'stopping' | 'superseded'

/** A job that graphile-worker has handed to a worker. */
export interface Pickup {
  readonly jobId: string
  /** The id of the graphile-worker job that carries it. */
  readonly carrier: string
  /** Aborts with an Interruption as its reason. */
  readonly interrupted: AbortSignal
  /** Called once the attempt has begun. */
  readonly onBegun: (run: JobRun) => void
}

export interface JobServices {
  readonly store: JobRunStore
  readonly bus: Bus
  readonly log: Logger
  readonly metrics: JobMetrics
  /** From 0 to 1. */
  readonly random: () => number
  /**
   * Whether this process runs a suspect. It runs one at a time, so that one that kills the process takes no other with
   * it.
   */
  readonly suspects: { isRunning: boolean }
}

const persist = <T>(work: () => Promise<T>): Promise<T> => persistently(work, patienceMs)

const publisher =
  ({ bus }: JobServices) =>
  (job: Job | null): Job | null => {
    if (job) bus.publish('job', changeOf(job))
    return job
  }

/**
 * Runs one attempt of a job and publishes every change. Resolves when graphile-worker may delete the carrier: the job
 * has ended or has another carrier. Throws when it may not.
 */
export async function runJob(task: Task, pickup: Pickup, services: JobServices): Promise<void> {
  const { store, metrics, random, suspects } = services
  const publish = publisher(services)
  const { jobId, carrier } = pickup
  const begun = publish(await persist(() => store.begin(jobId, carrier)))
  if (begun) return runAttempt(task, begun, pickup, services)
  // The job has ended, has another carrier, or is a suspect.
  const isTurn = !suspects.isRunning
  if (isTurn) suspects.isRunning = true
  try {
    const laterSeconds = postponeSeconds * (1 + random())
    const suspect = publish(
      await persist(() => (isTurn ? store.beginAlone(jobId, carrier) : store.postpone(jobId, carrier, laterSeconds))),
    )
    if (suspect?.state === 'FAILED') metrics.gaveUp(suspect)
    if (suspect?.state === 'RUNNING') await runAttempt(task, suspect, pickup, services)
  } finally {
    if (isTurn) suspects.isRunning = false
  }
}

async function runAttempt(task: Task, job: Job, pickup: Pickup, services: JobServices): Promise<void> {
  const { store, metrics, random } = services
  const publish = publisher(services)
  const run: JobRun = { id: job.id, carrier: pickup.carrier, attempt: job.attempt }
  pickup.onBegun(run)
  const log = services.log.child({ job: job.id, kind: job.kind, attempt: job.attempt })
  const end = metrics.begun(job)
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(timeoutError(job)), job.timeoutSeconds * 1000)
  const { interrupted } = pickup
  const signal = AbortSignal.any([timeout.signal, interrupted])
  let hasParts = false
  const parts = async (): Promise<Map<string, unknown>> => {
    hasParts = true
    return persist(() => store.parts(job.id))
  }
  const reporter = progressReporter((share) => store.progress(run, share).then(publish), log)

  /** null: the attempt was superseded. */
  const changed = async (): Promise<Job | null> => {
    try {
      const outcome = await orAbort(
        task.run(job.input, {
          jobId: job.id,
          signal,
          log,
          progress: reporter.report,
          savedParts: parts,
          savePart: (name, result) => {
            hasParts = true
            return persist(() => store.savePart(run, name, result))
          },
          isLast: job.failures + 1 >= job.maxAttempts,
        }),
        signal,
      )
      await reporter.settled()
      return await persist(() => store.succeed(run, outcome, hasParts))
    } catch (thrown) {
      await reporter.settled()
      // The work may have thrown an error of its own when its signal aborted.
      const error: unknown = timeout.signal.aborted ? timeout.signal.reason : thrown
      const interruption = interrupted.aborted ? (interrupted.reason as Interruption) : null
      if (interruption === 'superseded') return null
      if (interruption === 'stopping') return persist(() => store.handBack(run))
      const failure = failureOf(error, job)
      log.warn({ err: error, code: failure.code }, 'an attempt failed')
      metrics.failed(job, failure)
      const isLast = job.failures + 1 >= job.maxAttempts
      if (isLast || isPermanent(error)) return persist(() => store.fail(run, failure))
      return persist(() => store.retry(run, failure, retryInSeconds(job.failures + 1, error, random)))
    }
  }

  let state: JobState | null = null
  try {
    state = publish(await changed())?.state ?? null
  } finally {
    clearTimeout(timer)
    end(state)
  }
  if (state !== null) return
  // Either another attempt has taken over, or this one's change was made but the answer was lost, so nobody has
  // published it.
  const current = await persist(() => store.current(run))
  publish(current?.job ?? null)
  // Another worker runs this carrier: graphile-worker must not delete it here.
  if (current?.isCarried) throw new Superseded(run)
}

/** The attempt was superseded: another worker runs its job. */
class Superseded extends Error {
  constructor({ id, attempt }: JobRun) {
    super(`attempt ${attempt} of job ${id} no longer counts`)
    this.name = 'Superseded'
  }
}

const timeoutError = (job: Job): FinstageError =>
  new FinstageError('TIMEOUT', `The attempt took longer than ${job.timeoutSeconds} s`)

const isPermanent = (error: unknown): boolean => error instanceof FinstageError && isFinal(error)

/** An unexpected error is retried too: the next attempt may not meet it. */
const isFinal = ({ temporary, code }: FinstageError): boolean => !temporary && code !== 'INTERNAL'

function failureOf(error: unknown, { attempt }: Job): JobFailure {
  if (error instanceof FinstageError) return { code: error.code, message: error.message, attempt }
  return { code: 'INTERNAL', message: 'Something went wrong in this job', attempt }
}

/** Rejects at once when the signal aborts, even if the work ignores it. */
function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const fail = (): void => reject(signal.reason)
  if (signal.aborted) fail()
  else signal.addEventListener('abort', fail, { once: true })
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', fail))
}
