import type { z } from 'zod'
import type { JobDefaults, JobKind } from '../../domain/job.ts'
import type { Logger } from '../../platform/logger.ts'
import type { JobOutcome } from '../../store/jobs/job-run-store.ts'
import { parseInput } from './parse-input.ts'

export interface TaskContext {
  readonly jobId: string
  /**
   * Aborts when the attempt times out, the job is cancelled or the worker stops. CPU work runs in a thread, which this
   * signal ends.
   */
  readonly signal: AbortSignal
  /** 0 to 1. */
  readonly progress: (share: number) => void
  /** Carries the job's id. */
  readonly log: Logger
  /** Whether no attempt follows this one. */
  readonly isLast: boolean
  /** The parts that earlier attempts saved, by name. */
  readonly savedParts: () => Promise<ReadonlyMap<string, unknown>>
  /** Keeps a part of the result for later attempts. Resolves once it is stored. */
  readonly savePart: (name: string, result: unknown) => Promise<void>
}

/**
 * A kind of job. `run` is called again after a failure or a lost worker, perhaps while an earlier run has not yet
 * noticed that it was superseded. So it writes only through its outcome and its parts, which drop what a superseded run
 * writes. A FinstageError that is not temporary fails the job permanently.
 */
export interface Task {
  readonly kind: JobKind
  readonly defaults: JobDefaults
  /** Throws BAD_USER_INPUT. */
  readonly parse: (input: unknown) => unknown
  readonly run: (input: unknown, context: TaskContext) => Promise<JobOutcome>
}

/** Parses the input when a job is queued, and again before each attempt, since another version may have queued it. */
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
