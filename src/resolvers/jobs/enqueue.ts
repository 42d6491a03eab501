import { badInput, FinstageError } from '../../domain/errors.ts'
import type { Job, JobKind, JobPriority } from '../../domain/job.ts'
import { type JobInput, parseJobLimits } from '../../jobs/job-inputs.ts'
import { printable } from '../bounds.ts'
import type { Context } from '../context.ts'

const maxKeyLength = 200

/** The fields of every input that queues a job. */
export interface EnqueueInput {
  readonly priority: JobPriority
  readonly maxAttempts: number
  readonly timeoutSeconds: number
  readonly idempotencyKey?: string | null | undefined
}

/** Fields that a client may leave out. */
export type Optional<T> = { readonly [Name in keyof T]?: T[Name] | null | undefined }

export type EnqueueResult =
  | { readonly type: 'EnqueuePayload'; readonly job: Job; readonly deduplicated: boolean }
  | {
      readonly type: 'InvalidInput'
      readonly code: 'BAD_USER_INPUT'
      readonly message: string
      readonly field: string | null
    }
  | LimitExceededResult

export interface LimitExceededResult {
  readonly type: 'LimitExceeded'
  readonly code: 'LIMIT_EXCEEDED'
  readonly message: string
  readonly retryAfterSeconds: number | null
}

/**
 * Queues a job. `describe` returns its parsed input and when it is due (epoch milliseconds; null: at once). Errors that
 * the client can mend are returned as InvalidInput or LimitExceeded; all others are thrown.
 */
export async function enqueue<Kind extends JobKind>(
  kind: Kind,
  given: EnqueueInput,
  context: Context,
  describe: () => { readonly input: JobInput<Kind>; readonly runAtMs: number | null },
): Promise<EnqueueResult> {
  const { jobs, viewer } = context
  try {
    const tooMany = countEnqueue(context)
    if (tooMany) throw badInput(tooMany, 'input')
    const { job, deduplicated } = await jobs.enqueue({
      kind,
      owner: viewer.id,
      priority: given.priority,
      ...parseJobLimits(given),
      ...describe(),
      idempotencyKey:
        given.idempotencyKey == null ? null : printable(given.idempotencyKey, maxKeyLength, 'idempotencyKey'),
    })
    return { type: 'EnqueuePayload', job, deduplicated }
  } catch (error) {
    if (!(error instanceof FinstageError)) throw error
    const { code, message, details } = error
    if (code === 'BAD_USER_INPUT') return { type: 'InvalidInput', code, message, field: details.field ?? null }
    return limitExceededResult(error)
  }
}

/** Counts one more job of the operation. Returns why it may not be queued; null: it may. */
export function countEnqueue(context: Context): string | null {
  const { enqueuesPerOperation: most } = context.jobLimits
  context.enqueueCount += 1
  return context.enqueueCount > most ? `An operation queues at most ${most} jobs: queue fewer at once` : null
}

/** Throws any other error. */
export function limitExceededResult(error: unknown): LimitExceededResult {
  if (!(error instanceof FinstageError) || error.code !== 'LIMIT_EXCEEDED') throw error
  const { code, message, details } = error
  return { type: 'LimitExceeded', code, message, retryAfterSeconds: details.retryAfterSeconds ?? null }
}
