import { FinstageError } from '../domain/errors.ts'
import { changeOf, type Job, type JobFailure } from '../domain/job.ts'
import type { Logger } from '../platform/logger.ts'
import type { JobStore } from '../store/job-store.ts'
import type { Bus } from '../stream/bus.ts'
import type { Task } from './define-task.ts'

/** At most one report of progress in this time reaches the database. */
const progressIntervalMs = 100

export interface Attempt {
  readonly jobId: string
  /** 1 for the first. */
  readonly attempt: number
  /** Aborted when the worker stops. */
  readonly stopping: AbortSignal
}

export interface JobServices {
  readonly store: JobStore
  readonly bus: Bus
  readonly log: Logger
}

/**
 * Runs one attempt of a job and tells of every change. Throws what the attempt failed with, so that the queue tries again
 * where attempts are left. An attempt that is no longer the one that counts changes nothing.
 */
export async function runJob(task: Task, { jobId, attempt, stopping }: Attempt, services: JobServices): Promise<void> {
  const { store, bus } = services
  const tell = (job: Job | null): void => {
    if (job) bus.publish('job', changeOf(job))
  }
  const job = await store.begin(jobId, attempt)
  if (!job) return
  tell(job)
  const log = services.log.child({ job: jobId, kind: job.kind, attempt })
  const timeout = AbortSignal.timeout(job.timeoutSeconds * 1000)
  const reporter = progressReporter((share) => store.progress(jobId, attempt, share).then(tell), log)
  try {
    const signal = AbortSignal.any([timeout, stopping])
    const write = await orAbort(task.run(job.input, { signal, log, progress: reporter.report }), signal)
    await reporter.settled()
    tell(await store.succeed(jobId, attempt, (client) => write(client, jobId)))
  } catch (error) {
    await reporter.settled()
    const failure = failureOf(error, { attempt, timeout, timeoutSeconds: job.timeoutSeconds })
    log.warn({ err: error, code: failure.code }, 'an attempt failed')
    tell(await store.fail(jobId, failure, attempt < job.maxAttempts ? retryInSeconds(attempt) : null))
    throw error
  }
}

/** graphile-worker's own back-off. */
const retryInSeconds = (attempt: number): number => Math.exp(Math.min(10, attempt))

/** Does not wait for work that takes no notice of its signal. */
function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    const fail = (): void => reject(signal.reason)
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
  return Promise.race([work, aborted])
}

function failureOf(
  error: unknown,
  { attempt, timeout, timeoutSeconds }: { attempt: number; timeout: AbortSignal; timeoutSeconds: number },
): JobFailure {
  if (timeout.aborted) return { code: 'TIMEOUT', message: `The job took longer than ${timeoutSeconds} s`, attempt }
  if (error instanceof FinstageError) return { code: error.code, message: error.message, attempt }
  return { code: 'INTERNAL', message: 'Something went wrong in this job', attempt }
}

/** Writes progress one at a time, the newest only, and no more often than `progressIntervalMs`. */
function progressReporter(
  write: (share: number) => Promise<void>,
  log: Logger,
): { report: (share: number) => void; settled: () => Promise<void> } {
  let writing: Promise<void> | undefined
  let lastMs = 0
  return {
    report(share) {
      if (writing || share >= 1 || Date.now() - lastMs < progressIntervalMs) return
      lastMs = Date.now()
      writing = write(share)
        .catch((error: unknown) => log.warn({ err: error }, 'progress could not be written'))
        .finally(() => {
          writing = undefined
        })
    },
    async settled() {
      await writing
    },
  }
}
