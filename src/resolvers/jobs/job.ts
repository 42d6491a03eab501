import { FinstageError, limitExceeded } from '../../domain/errors.ts'
import type { Job, JobActionOutcome, JobKind, JobState } from '../../domain/job.ts'
import { boundedFilter } from '../bounds.ts'
import { type Connection, connection, type PageArgs } from '../connection.ts'
import type { Context } from '../context.ts'
import { spendRows } from '../rows.ts'
import { type AnalysisJobResult, analysisResult } from './analysis.ts'
import { type BackfillJobResult, backfillResult } from './backfill.ts'
import { type BacktestJobResult, backtestResult } from './backtest.ts'
import { type DailyReportJobResult, dailyReportResult } from './daily-report.ts'
import { countEnqueue, type LimitExceededResult, limitExceededResult } from './enqueue.ts'

const noSuchJob = 'There is no such job'

export type JobActionResult =
  | { readonly type: 'JobActionPayload'; readonly job: Job }
  | { readonly type: 'NotFound'; readonly code: 'NOT_FOUND'; readonly message: string }
  | { readonly type: 'WrongState'; readonly code: 'WRONG_STATE'; readonly message: string; readonly state: JobState }
  | LimitExceededResult

export const cancelJob = (_root: unknown, { id }: { id: JobId }, context: Context): Promise<JobActionResult> =>
  act(id, (id) => context.jobs.cancel(id, context.viewer.id), 'Only a job that has not ended can be cancelled')

export const retryJob = async (_root: unknown, { id }: { id: JobId }, context: Context): Promise<JobActionResult> => {
  const { jobs, viewer } = context
  try {
    const tooMany = countEnqueue(context)
    if (tooMany) throw limitExceeded(tooMany, 0)
    return await act(id, (id) => jobs.retry(id, viewer.id), 'Only a failed or cancelled job can be queued again')
  } catch (error) {
    return limitExceededResult(error)
  }
}

async function act(
  { typename, id }: JobId,
  action: (id: string) => Promise<JobActionOutcome>,
  rule: string,
): Promise<JobActionResult> {
  const done: JobActionOutcome = typename === 'Job' ? await action(id) : { outcome: 'notFound' }
  switch (done.outcome) {
    case 'done':
      return { type: 'JobActionPayload', job: done.job }
    case 'notFound':
      return { type: 'NotFound', code: 'NOT_FOUND', message: noSuchJob }
    case 'wrongState':
      return {
        type: 'WrongState',
        code: 'WRONG_STATE',
        message: `${rule}; this one is ${done.state}`,
        state: done.state,
      }
  }
}

export async function job(_root: unknown, { id }: { id: JobId }, context: Context): Promise<Job> {
  const found = id.typename === 'Job' ? await loadJob(id.id, context) : null
  if (!found) throw new FinstageError('NOT_FOUND', noSuchJob)
  return found
}

export const loadJob = (id: string, { loaders, viewer }: Context): Promise<Job | null> => loaders.job(id, viewer.id)

/** A parsed global id. */
export interface JobId {
  readonly typename: string
  readonly id: string
}

export interface JobsArgs extends PageArgs {
  readonly states?: readonly JobState[] | null | undefined
  readonly kinds?: readonly JobKind[] | null | undefined
}

export const jobs = (_root: unknown, args: JobsArgs, context: Context): Promise<Connection<Job>> => {
  const states = boundedFilter(args.states, 'states')
  const kinds = boundedFilter(args.kinds, 'kinds')
  return connection(args, cursors, ({ after, limit }) =>
    context.jobs.list(context.viewer.id, { states, kinds, before: after?.[0] ?? null, limit }),
  )
}

const cursors = { name: 'job', placeOf: ({ position }: Job) => [position] as const, placeLength: 1 } as const

export type JobResult = AnalysisJobResult | BacktestJobResult | DailyReportJobResult | BackfillJobResult

/** Loads the result of each kind. */
const results: {
  readonly [Kind in JobKind]: (job: Job, context: Context) => Promise<Extract<JobResult, { kind: Kind }>>
} = {
  ANALYSIS: analysisResult,
  BACKTEST: backtestResult,
  DAILY_REPORT: dailyReportResult,
  BACKFILL: backfillResult,
}

/** The rows that the result of one symbol costs: an analysis has some thirty values. */
export const rowsPerSymbol = 10

/** null until the job has succeeded. */
export async function jobResult(job: Job, _args: unknown, context: Context): Promise<JobResult | null> {
  if (job.state !== 'SUCCEEDED') return null
  const { symbols } = job.input as { readonly symbols?: readonly string[] }
  spendRows(rowsPerSymbol * (symbols?.length ?? 1), context)
  return results[job.kind](job, context)
}

export async function jobUpdates(
  _root: unknown,
  { id }: { id?: JobId | null | undefined },
  context: Context,
): Promise<AsyncIterableIterator<Job | FinstageError>> {
  const { jobs, viewer } = context
  if (id == null) return jobs.followAll(viewer.id)
  const updates = id.typename === 'Job' ? await jobs.follow(id.id, viewer.id) : null
  if (!updates) throw new FinstageError('NOT_FOUND', noSuchJob)
  return updates
}

/** Throws the error that the stream ended with, as `signalEvent` does. */
export function jobUpdate(job: Job | FinstageError, _args: unknown, context: Context): Job {
  if (job instanceof FinstageError) throw job
  context.renewLoaders()
  return job
}
