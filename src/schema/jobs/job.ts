import { type JobFailure, type Job as JobShape, jobKinds, jobStates, type JobKind as Kind } from '../../domain/job.ts'
import { enqueueAnalysis } from '../../resolvers/jobs/analysis.ts'
import { enqueueBackfill } from '../../resolvers/jobs/backfill.ts'
import { enqueueBacktest } from '../../resolvers/jobs/backtest.ts'
import { enqueueDailyReport } from '../../resolvers/jobs/daily-report.ts'
import type { EnqueueResult as EnqueueResultShape } from '../../resolvers/jobs/enqueue.ts'
import {
  type JobActionResult as ActionResult,
  cancelJob,
  job,
  jobResult,
  jobs,
  jobUpdate,
  jobUpdates,
  loadJob,
  retryJob,
} from '../../resolvers/jobs/job.ts'
import { builder } from '../builder.ts'
import { ErrorCode, ErrorInterface, InvalidInput, LimitExceeded, NotFound } from '../error.ts'
import {
  enqueued,
  jobAction,
  job as jobPrice,
  jobs as jobsPrice,
  lookUp,
  passing,
  jobResult as resultPrice,
} from '../price/price.ts'
import { AnalysisResult, EnqueueAnalysisInput } from './analysis.ts'
import { BackfillResult, EnqueueBackfillInput } from './backfill.ts'
import { BacktestResult, EnqueueBacktestInput } from './backtest.ts'
import { DailyReport, EnqueueDailyReportInput } from './daily-report.ts'
import { JobPriority } from './order.ts'

const JobKind = builder.enumType('JobKind', { values: jobKinds })
const JobState = builder.enumType('JobState', { values: jobStates })

const JobError = builder.objectRef<JobFailure>('JobError').implement({
  fields: (t) => ({
    code: t.expose('code', { type: ErrorCode }),
    message: t.exposeString('message'),
    attempt: t.exposeInt('attempt'),
  }),
})

const resultTypes = {
  ANALYSIS: AnalysisResult,
  BACKTEST: BacktestResult,
  DAILY_REPORT: DailyReport,
  BACKFILL: BackfillResult,
} satisfies Record<Kind, unknown>

const JobResult = builder.unionType('JobResult', {
  types: Object.values(resultTypes),
  resolveType: ({ kind }) => resultTypes[kind],
})

const Job = builder.objectRef<JobShape>('Job')

builder.node(Job, {
  id: { resolve: (job) => job.id },
  loadOne: loadJob,
  fields: (t) => ({
    kind: t.expose('kind', { type: JobKind }),
    priority: t.expose('priority', { type: JobPriority }),
    state: t.expose('state', { type: JobState }),
    progress: t.exposeFloat('progress', { description: '0 to 1' }),
    attempt: t.exposeInt('attempt', { description: 'Number of the current or last attempt. 0: none yet' }),
    maxAttempts: t.exposeInt('maxAttempts', {
      description:
        'How many attempts may fail. An attempt whose worker died or stopped does not count: it is made again',
    }),
    timeoutSeconds: t.exposeInt('timeoutSeconds', { description: 'How long one attempt may take' }),
    input: t.expose('input', { type: 'JSON' }),
    queuedAt: t.expose('queuedAtMs', { type: 'DateTime' }),
    runAt: t.expose('runAtMs', { type: 'DateTime', description: 'When the job is due, or will be retried' }),
    startedAt: t.expose('startedAtMs', {
      type: 'DateTime',
      nullable: true,
      description: 'When the last attempt began',
    }),
    finishedAt: t.expose('finishedAtMs', { type: 'DateTime', nullable: true }),
    error: t.expose('failure', { type: JobError, nullable: true, description: 'Why the last attempt failed' }),
    result: t.field({ type: JobResult, nullable: true, extensions: resultPrice, resolve: jobResult }),
  }),
})

const JobEdge = builder.edgeObject({ name: 'JobEdge', type: Job })
const JobConnection = builder.connectionObject({ name: 'JobConnection', type: Job }, JobEdge)

const EnqueuePayload = builder
  .objectRef<Extract<EnqueueResultShape, { type: 'EnqueuePayload' }>>('EnqueuePayload')
  .implement({
    fields: (t) => ({
      job: t.expose('job', { type: Job, extensions: passing }),
      deduplicated: t.exposeBoolean('deduplicated', {
        description: 'true: the idempotency key was used before, and this is the job of then',
      }),
    }),
  })

const EnqueueResult = builder.unionType('EnqueueResult', {
  types: [EnqueuePayload, InvalidInput, LimitExceeded],
  resolveType: ({ type }) => type,
})

const JobActionPayload = builder
  .objectRef<Extract<ActionResult, { type: 'JobActionPayload' }>>('JobActionPayload')
  .implement({
    fields: (t) => ({ job: t.expose('job', { type: Job, extensions: passing }) }),
  })

const WrongState = builder.objectRef<Extract<ActionResult, { type: 'WrongState' }>>('WrongState').implement({
  interfaces: [ErrorInterface],
  fields: (t) => ({ state: t.expose('state', { type: JobState }) }),
})

const JobActionResult = builder.unionType('JobActionResult', {
  types: [JobActionPayload, NotFound, WrongState, LimitExceeded],
  resolveType: ({ type }) => type,
})

builder.queryFields((t) => ({
  job: t.field({
    type: Job,
    nullable: true,
    description: 'null with NOT_FOUND if the viewer has no such job',
    args: { id: t.arg.globalID({ required: true }) },
    extensions: jobPrice,
    resolve: job,
  }),
  jobs: t.field({
    type: JobConnection,
    nullable: true,
    description: "The viewer's own jobs, newest first",
    args: {
      first: t.arg.int({ required: true, defaultValue: 20 }),
      after: t.arg.string(),
      states: t.arg({ type: [JobState] }),
      kinds: t.arg({ type: [JobKind] }),
    },
    extensions: jobsPrice,
    resolve: jobs,
  }),
}))

builder.mutationFields((t) => ({
  enqueueAnalysis: t.field({
    type: EnqueueResult,
    nullable: true,
    description:
      'Queues an analysis: indicators, signals and trend of up to 500 symbols. A symbol that fails does not fail the others',
    args: { input: t.arg({ type: EnqueueAnalysisInput, required: true }) },
    extensions: enqueued,
    resolve: enqueueAnalysis,
  }),
  enqueueDailyReport: t.field({
    type: EnqueueResult,
    nullable: true,
    description:
      'Queues a daily report: prices, changes, sentiment and new signals, also as text. The server queues one half an hour after each session of New York',
    args: { input: t.arg({ type: EnqueueDailyReportInput, required: true }) },
    extensions: enqueued,
    resolve: enqueueDailyReport,
  }),
  enqueueBacktest: t.field({
    type: EnqueueResult,
    nullable: true,
    description:
      'Queues a backtest: detects signals in the daily candles of [from, to) and trades them with costs. A BULLISH signal is ' +
      "bought and a BEARISH one sold short at the open of the symbol's next candle. Stop and target are looked at within " +
      'each candle; if it touches both, the stop counts. Prices are adjusted for splits; dividends do not count',
    args: { input: t.arg({ type: EnqueueBacktestInput, required: true }) },
    extensions: enqueued,
    resolve: enqueueBacktest,
  }),
  enqueueBackfill: t.field({
    type: EnqueueResult,
    nullable: true,
    description: 'Queues a backfill, which fetches and stores history',
    args: { input: t.arg({ type: EnqueueBackfillInput, required: true }) },
    extensions: enqueued,
    resolve: enqueueBackfill,
  }),
  cancelJob: t.field({
    type: JobActionResult,
    nullable: true,
    description: 'Cancels a job. A waiting job is dropped; a running one is told to stop',
    args: { id: t.arg.globalID({ required: true }) },
    extensions: jobAction,
    resolve: cancelJob,
  }),
  retryJob: t.field({
    type: JobActionResult,
    nullable: true,
    description: 'Queues a failed or cancelled job again, with all its attempts',
    args: { id: t.arg.globalID({ required: true }) },
    extensions: jobAction,
    resolve: retryJob,
  }),
}))

builder.subscriptionField('jobUpdates', (t) =>
  t.field({
    type: Job,
    description:
      'With `id`: the current state of the job, then each change of state or progress; completes when the job has ended. Without `id`: ' +
      "the changes of all the viewer's jobs from now on. If over 10,000 changes of state wait to be read, the stream ends with LIMIT_EXCEEDED",
    args: { id: t.arg.globalID() },
    extensions: lookUp,
    subscribe: jobUpdates,
    resolve: jobUpdate,
  }),
)
