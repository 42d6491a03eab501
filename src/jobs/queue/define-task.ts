import type { z } from 'zod'
import type { JobDefaults, JobKind } from '../../domain/job.ts'
import type { Logger } from '../../platform/logger.ts'
import type { JobOutcome } from '../../store/jobs/job-run-store.ts'
import { parseInput } from './parse-input.ts'

export interface TaskContext {
  readonly jobId: string
  /** Aborted when the attempt has used up its time, the job was cancelled, or the worker stops. CPU work goes into a thread with it. */
  readonly signal: AbortSignal
  /** 0 to 1. */
  readonly progress: (share: number) => void
  /** Carries the job's id. */
  readonly log: Logger
  /** Nothing is tried again after this attempt. */
  readonly isLast: boolean
  /** What earlier attempts saved, by name. */
  readonly savedParts: () => Promise<ReadonlyMap<string, unknown>>
  /** Keeps a part of the result for later attempts. Resolves once it is stored. */
  readonly savePart: (name: string, result: unknown) => Promise<void>
}

/**
 * A kind of job. `run` may be called again after a failure or a lost worker, also while an earlier run has not yet noticed that
 * it no longer counts: what it writes belongs into its outcome or its parts, which see to that. A FinstageError that is not
 * temporary fails the job for good.
 */
export interface Task {
  readonly kind: JobKind
  readonly defaults: JobDefaults
  /** Throws BAD_USER_INPUT. */
  readonly parse: (input: unknown) => unknown
  readonly run: (input: unknown, context: TaskContext) => Promise<JobOutcome>
}

/** Input is parsed when a job is queued, and again before it is run, since another version may have queued it. */
export function defineTask<Input>(task: {
  kind: JobKind
  input: z.ZodType<Input>
  defaults: JobDefaults
  run: (input: Input, context: TaskContext) => Promise<JobOutcome>
}): Task {
  const parse = (input: unknown): Input => parseInput(task.input, input)
  return {
    kind: task.kind,
    defaults: task.defaults,
    parse,
    run: async (input, context) => task.run(parse(input), context),
  }
}
