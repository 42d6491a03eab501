import type { ErrorCode } from './errors.ts'

export const jobKinds = ['ANALYSIS', 'BACKTEST', 'DAILY_REPORT', 'BACKFILL'] as const
export type JobKind = (typeof jobKinds)[number]

/** The most urgent first. */
export const jobPriorities = ['CRITICAL', 'HIGH', 'NORMAL', 'LOW'] as const
export type JobPriority = (typeof jobPriorities)[number]

export const jobStates = ['QUEUED', 'RUNNING', 'RETRYING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const
export type JobState = (typeof jobStates)[number]

const endStates: ReadonlySet<JobState> = new Set<JobState>(['SUCCEEDED', 'FAILED', 'CANCELLED'])

/** Whether a job in this state changes no more unless its owner asks for it. */
export const hasEnded = (state: JobState): boolean => endStates.has(state)

/** The owner of jobs without a signed-in viewer, and of scheduled ones. */
export const anonymousOwner = 'anonymous'

export interface JobFailure {
  readonly code: ErrorCode
  readonly message: string
  /** The attempt that failed. */
  readonly attempt: number
}

export interface Job {
  readonly id: string
  /** Order of queueing, for paging. */
  readonly position: number
  readonly kind: JobKind
  /** The id of the viewer who queued it. */
  readonly owner: string
  readonly priority: JobPriority
  readonly state: JobState
  /** 0 to 1. */
  readonly progress: number
  /** The number of the last attempt; 0: none yet. */
  readonly attempt: number
  readonly maxAttempts: number
  readonly timeoutSeconds: number
  readonly input: unknown
  readonly queuedAtMs: number
  readonly runAtMs: number
  readonly startedAtMs: number | null
  readonly finishedAtMs: number | null
  readonly failure: JobFailure | null
  /** How many attempts have failed. Attempts whose worker was lost or stopped do not count. */
  readonly failures: number
  /** Counts every change, so that a reader can drop a change that it already knows. */
  readonly revision: number
  readonly changedAtMs: number
}

/** What the bus publishes about a job: all fields that change after it was queued. */
export type JobChange = Pick<
  Job,
  | 'id'
  | 'owner'
  | 'state'
  | 'progress'
  | 'attempt'
  | 'runAtMs'
  | 'startedAtMs'
  | 'finishedAtMs'
  | 'failure'
  | 'revision'
  | 'changedAtMs'
>

export const changeOf = (job: Job): JobChange => ({
  id: job.id,
  owner: job.owner,
  state: job.state,
  progress: job.progress,
  attempt: job.attempt,
  runAtMs: job.runAtMs,
  startedAtMs: job.startedAtMs,
  finishedAtMs: job.finishedAtMs,
  failure: job.failure,
  revision: job.revision,
  changedAtMs: job.changedAtMs,
})

/** How many jobs may wait at once, including those that are due later or will be retried. */
export interface WaitingLimits {
  readonly ofOwner: number
  readonly ofAll: number
}

export const usualWaitingLimits: WaitingLimits = { ofOwner: 20_000, ofAll: 100_000 }

/** How a job is queued unless the request says otherwise. */
export interface JobDefaults {
  readonly priority: JobPriority
  readonly maxAttempts: number
  readonly timeoutSeconds: number
}

/** A request to queue a job. */
export interface EnqueueRequest {
  readonly kind: JobKind
  readonly owner: string
  readonly input: unknown
  /** What is left out comes from the task's defaults. */
  readonly priority?: JobPriority
  readonly maxAttempts?: number
  readonly timeoutSeconds?: number
  /** null: at once. */
  readonly runAtMs: number | null
  readonly idempotencyKey: string | null
}

/** The outcome of cancelling or retrying a job. */
export type JobActionOutcome =
  | { readonly outcome: 'done'; readonly job: Job }
  | { readonly outcome: 'notFound' }
  | { readonly outcome: 'wrongState'; readonly state: JobState }
