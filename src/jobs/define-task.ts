import type pg from 'pg'
import type { z } from 'zod'
import type { JobKind } from '../domain/job.ts'
import type { Logger } from '../platform/logger.ts'

export interface TaskContext {
  /** Aborted when the job has used up its time, or the worker stops. */
  readonly signal: AbortSignal
  /** 0 to 1. */
  readonly progress: (share: number) => void
  /** Carries the job's id. */
  readonly log: Logger
}

/**
 * A kind of job. `run` does the work and may be called again after a failure; it returns what writes the result, within the
 * transaction that makes the job SUCCEEDED, and that returns what stays in the job's own row.
 */
export interface Task {
  readonly kind: JobKind
  readonly run: (input: unknown, context: TaskContext) => Promise<WriteResult>
}

export type WriteResult = (client: pg.PoolClient, jobId: string) => Promise<unknown>

/** Housekeeping by the clock (UTC), once over all workers. No client sees it as a job. */
export interface ScheduledTask {
  readonly name: string
  /** Minute, hour, day of the month, month, day of the week. */
  readonly cron: string
  readonly run: (log: Logger) => Promise<void>
}

/** Input is parsed before it is run, since another version may have queued it. */
export function defineTask<Input>(task: {
  kind: JobKind
  input: z.ZodType<Input>
  run: (input: Input, context: TaskContext) => Promise<WriteResult>
}): Task {
  return { kind: task.kind, run: (input, context) => task.run(task.input.parse(input), context) }
}
