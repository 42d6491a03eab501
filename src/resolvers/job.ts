import type { AnalysisResult, SymbolFailure } from '../domain/analysis.ts'
import { badInput, FinstageError } from '../domain/errors.ts'
import type { Interval } from '../domain/interval.ts'
import type { Job, JobKind, JobPriority, JobState } from '../domain/job.ts'
import { bounded, boundedFilter, boundedList } from './bounds.ts'
import type { Context } from './context.ts'

const maxSymbols = 500
const maxAttempts = 25
const maxTimeoutSeconds = 24 * 3600
/** Without control characters, of which Postgres stores not all. */
const keyPattern = /^\P{Cc}{1,200}$/u

export interface EnqueueAnalysisInput {
  readonly symbols: readonly string[]
  readonly interval: Interval
  readonly priority: JobPriority
  readonly maxAttempts: number
  readonly timeoutSeconds: number
  readonly runAt?: number | null | undefined
  readonly idempotencyKey?: string | null | undefined
}

export type EnqueueResult =
  | { readonly type: 'EnqueuePayload'; readonly job: Job; readonly deduplicated: boolean }
  | {
      readonly type: 'InvalidInput'
      readonly code: 'BAD_USER_INPUT'
      readonly message: string
      readonly field: string | null
    }

/** What the client can mend comes back as InvalidInput; everything else is thrown. */
export async function enqueueAnalysis(
  _root: unknown,
  { input }: { input: EnqueueAnalysisInput },
  context: Context,
): Promise<EnqueueResult> {
  try {
    const { job, deduplicated } = await context.jobs.enqueue({
      kind: 'ANALYSIS',
      owner: context.viewer.id,
      priority: input.priority,
      maxAttempts: bounded(input.maxAttempts, 1, maxAttempts, 'maxAttempts'),
      timeoutSeconds: bounded(input.timeoutSeconds, 1, maxTimeoutSeconds, 'timeoutSeconds'),
      input: { symbols: boundedList(input.symbols, maxSymbols, 'symbols'), interval: input.interval },
      runAtMs: input.runAt ?? null,
      idempotencyKey: checkedKey(input.idempotencyKey),
    })
    return { type: 'EnqueuePayload', job, deduplicated }
  } catch (error) {
    if (!(error instanceof FinstageError) || error.code !== 'BAD_USER_INPUT') throw error
    return { type: 'InvalidInput', code: error.code, message: error.message, field: error.details.field ?? null }
  }
}

function checkedKey(key: string | null | undefined): string | null {
  if (key == null) return null
  if (keyPattern.test(key)) return key
  throw badInput('idempotencyKey has to have 1 to 200 printable characters', 'idempotencyKey')
}

export async function job(_root: unknown, { id }: { id: JobId }, context: Context): Promise<Job> {
  const found = id.typename === 'Job' ? await context.jobs.find(id.id, context.viewer.id) : null
  if (!found) throw new FinstageError('NOT_FOUND', 'There is no such job')
  return found
}

export const loadJob = (id: string, context: Context): Promise<Job | null> => context.jobs.find(id, context.viewer.id)

/** A global id, taken apart. */
export interface JobId {
  readonly typename: string
  readonly id: string
}

export interface JobConnection {
  readonly edges: { readonly node: Job; readonly cursor: string }[]
  readonly pageInfo: {
    readonly hasNextPage: boolean
    readonly hasPreviousPage: boolean
    readonly startCursor: string | null
    readonly endCursor: string | null
  }
}

export interface JobsArgs {
  readonly first: number
  readonly after?: string | null | undefined
  readonly states?: readonly JobState[] | null | undefined
  readonly kinds?: readonly JobKind[] | null | undefined
}

export async function jobs(_root: unknown, args: JobsArgs, context: Context): Promise<JobConnection> {
  const first = bounded(args.first, 1, 100, 'first')
  const found = await context.jobs.list(context.viewer.id, {
    states: boundedFilter(args.states, 'states'),
    kinds: boundedFilter(args.kinds, 'kinds'),
    before: args.after == null ? null : positionOf(args.after),
    limit: first + 1,
  })
  const edges = found.slice(0, first).map((node) => ({ node, cursor: cursorOf(node) }))
  return {
    edges,
    pageInfo: {
      hasNextPage: found.length > first,
      hasPreviousPage: args.after != null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  }
}

const cursorOf = (job: Job): string => Buffer.from(`job ${job.position}`).toString('base64url')

function positionOf(cursor: string): number {
  const match = /^job (\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString())
  if (!match) throw new FinstageError('BAD_USER_INPUT', 'after is no cursor of jobs', { field: 'after' })
  return Number(match[1])
}

export interface AnalysisJobResult extends AnalysisResult {
  readonly kind: 'ANALYSIS'
}

/** null until the job has succeeded. */
export async function jobResult(job: Job, _args: unknown, context: Context): Promise<AnalysisJobResult | null> {
  if (job.state !== 'SUCCEEDED') return null
  const [analyses, stored] = await Promise.all([context.analyses.ofJob(job.id), context.jobs.result(job.id)])
  const { failures } = stored as { failures: SymbolFailure[] }
  return { kind: job.kind, analyses, failures }
}

export async function jobUpdates(
  _root: unknown,
  { id }: { id?: JobId | null | undefined },
  context: Context,
): Promise<AsyncIterableIterator<Job>> {
  const { jobs, viewer } = context
  if (id == null) return jobs.followAll(viewer.id)
  const updates = id.typename === 'Job' ? await jobs.follow(id.id, viewer.id) : null
  if (!updates) throw new FinstageError('NOT_FOUND', 'There is no such job')
  return updates
}

export function jobUpdate(job: Job, _args: unknown, context: Context): Job {
  context.renewLoaders()
  return job
}
