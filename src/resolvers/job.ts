import type { AnalysisResult, SymbolFailure } from '../domain/analysis/analysis.ts'
import type { BacktestResult } from '../domain/analysis/backtest.ts'
import type { DailyReport } from '../domain/analysis/daily-report.ts'
import { badInput, FinstageError, limitExceeded } from '../domain/errors.ts'
import type { Interval } from '../domain/interval.ts'
import type { Job, JobActionOutcome, JobKind, JobPriority, JobState } from '../domain/job.ts'
import { dayMs, hourSeconds } from '../domain/time.ts'
import type { DailyReportJobResult } from './analysis/daily-report.ts'
import { bounded, boundedFilter, boundedList } from './bounds.ts'
import { type Connection, connection, type PageArgs } from './connection.ts'
import type { Context } from './context.ts'
import { spendRows } from './rows.ts'

const maxSymbols = 500
const mostAttempts = 25
/** Jobs that are held for over four hours graphile-worker takes for lost. */
const longestTimeoutSeconds = 3 * hourSeconds
const noSuchJob = 'There is no such job'
/** Without control characters, of which Postgres stores not all. */
const keyPattern = /^\P{Cc}{1,200}$/u

/** What is said of every job. */
export interface EnqueueInput {
  readonly priority: JobPriority
  readonly maxAttempts: number
  readonly timeoutSeconds: number
  readonly idempotencyKey?: string | null | undefined
}

export interface EnqueueAnalysisInput extends EnqueueInput {
  readonly symbols: readonly string[]
  readonly interval: Interval
  readonly runAt?: number | null | undefined
}

export interface EnqueueBackfillInput extends EnqueueInput {
  readonly symbols: readonly string[]
  readonly interval: Interval
  readonly from: number
  readonly to?: number | null | undefined
}

export type EnqueueResult =
  | { readonly type: 'EnqueuePayload'; readonly job: Job; readonly deduplicated: boolean }
  | {
      readonly type: 'InvalidInput'
      readonly code: 'BAD_USER_INPUT'
      readonly message: string
      readonly field: string | null
    }
  | LimitExceededResult

interface LimitExceededResult {
  readonly type: 'LimitExceeded'
  readonly code: 'LIMIT_EXCEEDED'
  readonly message: string
  readonly retryAfterSeconds: number | null
}

export const enqueueAnalysis = (
  _root: unknown,
  { input }: { input: EnqueueAnalysisInput },
  context: Context,
): Promise<EnqueueResult> =>
  enqueue('ANALYSIS', input, context, () => ({
    input: { symbols: boundedList(input.symbols, maxSymbols, 'symbols'), interval: input.interval },
    runAtMs: checkedRunAt(input.runAt ?? null, context),
  }))

export const enqueueBackfill = (
  _root: unknown,
  { input }: { input: EnqueueBackfillInput },
  context: Context,
): Promise<EnqueueResult> =>
  enqueue('BACKFILL', input, context, () => {
    const { interval, from, to = null } = input
    const symbols = boundedList(input.symbols, maxSymbols, 'symbols')
    const now = Date.now()
    if (from >= Math.min(to ?? now, now)) throw badInput('from has to be before to and the present', 'from')
    return { input: { symbols, interval, fromMs: from, toMs: to }, runAtMs: null }
  })

/** A time that has passed means at once. Throws BAD_USER_INPUT for one that is too far ahead. */
function checkedRunAt(runAt: number | null, { jobLimits: { runAtWithinDays } }: Context): number | null {
  if (runAt === null || runAt <= Date.now() + runAtWithinDays * dayMs) return runAt
  throw badInput(`runAt may be at most ${runAtWithinDays} days ahead`, 'runAt')
}

/** What the client can mend comes back as InvalidInput or LimitExceeded; everything else is thrown. */
export async function enqueue(
  kind: JobKind,
  { priority, maxAttempts, timeoutSeconds, idempotencyKey }: EnqueueInput,
  context: Context,
  describe: () => { input: unknown; runAtMs: number | null },
): Promise<EnqueueResult> {
  const { jobs, viewer } = context
  try {
    const tooMany = countEnqueue(context)
    if (tooMany) throw badInput(tooMany, 'input')
    const { job, deduplicated } = await jobs.enqueue({
      ...{ kind, priority, owner: viewer.id },
      maxAttempts: bounded(maxAttempts, 1, mostAttempts, 'maxAttempts'),
      timeoutSeconds: bounded(timeoutSeconds, 1, longestTimeoutSeconds, 'timeoutSeconds'),
      ...describe(),
      idempotencyKey: checkedKey(idempotencyKey),
    })
    return { type: 'EnqueuePayload', job, deduplicated }
  } catch (error) {
    if (!(error instanceof FinstageError)) throw error
    const { code, message, details } = error
    if (code === 'BAD_USER_INPUT') return { type: 'InvalidInput', code, message, field: details.field ?? null }
    return limitExceededResult(error)
  }
}

/** Why the operation may not queue one more job; null: it may. */
function countEnqueue(context: Context): string | null {
  const { enqueuesPerOperation: most } = context.jobLimits
  context.enqueueCount += 1
  return context.enqueueCount > most ? `An operation queues at most ${most} jobs: queue fewer at once` : null
}

/** Throws any other error. */
function limitExceededResult(error: unknown): LimitExceededResult {
  if (!(error instanceof FinstageError) || error.code !== 'LIMIT_EXCEEDED') throw error
  const { code, message, details } = error
  return { type: 'LimitExceeded', code, message, retryAfterSeconds: details.retryAfterSeconds ?? null }
}

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

function checkedKey(key: string | null | undefined): string | null {
  if (key == null) return null
  if (keyPattern.test(key)) return key
  throw badInput('idempotencyKey has to have 1 to 200 printable characters', 'idempotencyKey')
}

export async function job(_root: unknown, { id }: { id: JobId }, context: Context): Promise<Job> {
  const found = id.typename === 'Job' ? await loadJob(id.id, context) : null
  if (!found) throw new FinstageError('NOT_FOUND', noSuchJob)
  return found
}

export const loadJob = (id: string, { loaders, viewer }: Context): Promise<Job | null> => loaders.job(id, viewer.id)

/** A global id, taken apart. */
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

export interface AnalysisJobResult extends AnalysisResult {
  readonly kind: 'ANALYSIS'
}

export interface BackfillJobResult {
  readonly kind: 'BACKFILL'
  readonly candleCount: number
  readonly fromMs: number | null
  readonly toMs: number | null
  readonly failures: readonly SymbolFailure[]
}

export interface BacktestJobResult extends BacktestResult {
  readonly kind: 'BACKTEST'
}

export type JobResult = AnalysisJobResult | BacktestJobResult | DailyReportJobResult | BackfillJobResult

interface StoredBackfill {
  readonly candleCount: number
  readonly fromEpoch: number | null
  readonly toEpoch: number | null
  readonly failures: readonly SymbolFailure[]
}

/** What the result of one symbol takes to load: an analysis has some thirty values. */
const rowsPerSymbol = 10

/** null until the job has succeeded. */
export async function jobResult(job: Job, _args: unknown, context: Context): Promise<JobResult | null> {
  if (job.state !== 'SUCCEEDED') return null
  const { symbols } = job.input as { readonly symbols?: readonly string[] }
  spendRows(rowsPerSymbol * (symbols?.length ?? 1), context)
  const { loaders } = context
  if (job.kind === 'BACKFILL') {
    const { fromEpoch, toEpoch, ...rest } = (await loaders.jobResult(job.id)) as StoredBackfill
    const ms = (epoch: number | null): number | null => (epoch === null ? null : epoch * 1000)
    return { kind: job.kind, fromMs: ms(fromEpoch), toMs: ms(toEpoch), ...rest }
  }
  if (job.kind === 'DAILY_REPORT') {
    return { kind: job.kind, ...((await loaders.jobResult(job.id)) as DailyReport) }
  }
  if (job.kind === 'BACKTEST') return { kind: job.kind, ...((await loaders.jobResult(job.id)) as BacktestResult) }
  const [analyses, stored] = await Promise.all([loaders.analysesOfJob(job.id), loaders.jobResult(job.id)])
  const { failures } = stored as { failures: SymbolFailure[] }
  return { kind: 'ANALYSIS', analyses, failures }
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

/** Throws what the stream has ended with, as `signalEvent` does. */
export function jobUpdate(job: Job | FinstageError, _args: unknown, context: Context): Job {
  if (job instanceof FinstageError) throw job
  context.renewLoaders()
  return job
}
