import { type JobFailure, type Job as JobShape, jobKinds, jobPriorities, jobStates } from '../domain/job.ts'
import { enqueueBacktest } from '../resolvers/analysis/backtest.ts'
import { enqueueDailyReport } from '../resolvers/analysis/daily-report.ts'
import {
  type JobActionResult as ActionResult,
  type AnalysisJobResult,
  type BackfillJobResult,
  cancelJob,
  type EnqueueResult as EnqueueResultShape,
  enqueueAnalysis,
  enqueueBackfill,
  job,
  jobResult,
  jobs,
  jobUpdate,
  jobUpdates,
  loadJob,
  retryJob,
} from '../resolvers/job.ts'
import { SymbolAnalysis, SymbolFailure } from './analysis/analysis.ts'
import { BacktestResult } from './analysis/backtest.ts'
import { DailyReport } from './analysis/daily-report.ts'
import { builder } from './builder.ts'
import { ErrorCode, ErrorInterface, InvalidInput, LimitExceeded, NotFound } from './error.ts'
import { Interval } from './market/candle.ts'
import { SignalKind } from './market/signal.ts'

const attemptTimeout = 'How long one attempt may take: 1 to 10,800'
const idempotency =
  'The same key from the same viewer gives the same job, for 24 hours; with another input it is InvalidInput'

const JobKind = builder.enumType('JobKind', { values: jobKinds })
const JobPriority = builder.enumType('JobPriority', { values: jobPriorities })
const JobState = builder.enumType('JobState', { values: jobStates })

const JobError = builder.objectRef<JobFailure>('JobError').implement({
  fields: (t) => ({
    code: t.expose('code', { type: ErrorCode }),
    message: t.exposeString('message'),
    attempt: t.exposeInt('attempt'),
  }),
})

const AnalysisResult = builder.objectRef<AnalysisJobResult>('AnalysisResult').implement({
  fields: (t) => ({
    analyses: t.expose('analyses', {
      type: [SymbolAnalysis],
      description: 'In the order in which the symbols were asked for',
    }),
    failures: t.expose('failures', { type: [SymbolFailure] }),
  }),
})

const BackfillResult = builder.objectRef<BackfillJobResult>('BackfillResult').implement({
  fields: (t) => ({
    candleCount: t.exposeInt('candleCount', {
      description: 'How many candles of the range are stored now; of weeks and months, the days that they are made of',
    }),
    from: t.expose('fromMs', { type: 'DateTime', nullable: true, description: 'Start of the first of them' }),
    to: t.expose('toMs', { type: 'DateTime', nullable: true, description: 'Start of the last of them' }),
    failures: t.expose('failures', { type: [SymbolFailure] }),
  }),
})

const resultTypes = {
  ANALYSIS: AnalysisResult,
  BACKTEST: BacktestResult,
  DAILY_REPORT: DailyReport,
  BACKFILL: BackfillResult,
}

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
    attempt: t.exposeInt('attempt', { description: 'The attempt that runs or ran last; 0: none yet' }),
    maxAttempts: t.exposeInt('maxAttempts', {
      description: 'How many attempts may fail. One whose worker died or stopped has not failed, and is made again',
    }),
    timeoutSeconds: t.exposeInt('timeoutSeconds', { description: 'How long one attempt may take' }),
    input: t.expose('input', { type: 'JSON' }),
    queuedAt: t.expose('queuedAtMs', { type: 'DateTime' }),
    runAt: t.expose('runAtMs', { type: 'DateTime', description: 'When it is due, or is to be tried again' }),
    startedAt: t.expose('startedAtMs', {
      type: 'DateTime',
      nullable: true,
      description: 'When the last attempt began',
    }),
    finishedAt: t.expose('finishedAtMs', { type: 'DateTime', nullable: true }),
    error: t.expose('failure', { type: JobError, nullable: true, description: 'Why the last attempt failed' }),
    result: t.field({ type: JobResult, nullable: true, resolve: jobResult }),
  }),
})

const JobEdge = builder.edgeObject({ name: 'JobEdge', type: Job })
const JobConnection = builder.connectionObject({ name: 'JobConnection', type: Job }, JobEdge)

const EnqueuePayload = builder.objectRef<{ job: JobShape; deduplicated: boolean }>('EnqueuePayload').implement({
  fields: (t) => ({
    job: t.expose('job', { type: Job }),
    deduplicated: t.exposeBoolean('deduplicated', {
      description: 'true: the idempotency key had been seen, and this is that job',
    }),
  }),
})

const EnqueueResult = builder.unionType('EnqueueResult', {
  types: [EnqueuePayload, InvalidInput, LimitExceeded],
  resolveType: (result) => (result as unknown as EnqueueResultShape).type,
})

const JobActionPayload = builder
  .objectRef<Extract<ActionResult, { type: 'JobActionPayload' }>>('JobActionPayload')
  .implement({
    fields: (t) => ({ job: t.expose('job', { type: Job }) }),
  })

const WrongState = builder.objectRef<Extract<ActionResult, { type: 'WrongState' }>>('WrongState').implement({
  interfaces: [ErrorInterface],
  fields: (t) => ({ state: t.expose('state', { type: JobState }) }),
})

const JobActionResult = builder.unionType('JobActionResult', {
  types: [JobActionPayload, NotFound, WrongState, LimitExceeded],
  resolveType: (result) => (result as unknown as ActionResult).type,
})

const EnqueueAnalysisInput = builder.inputType('EnqueueAnalysisInput', {
  fields: (t) => ({
    symbols: t.field({ type: ['Symbol'], required: true }),
    interval: t.field({ type: Interval, required: true, defaultValue: 'DAY_1' }),
    priority: t.field({ type: JobPriority, required: true, defaultValue: 'NORMAL' }),
    maxAttempts: t.int({ required: true, defaultValue: 3, description: '1 to 25' }),
    timeoutSeconds: t.int({ required: true, defaultValue: 300, description: attemptTimeout }),
    runAt: t.field({
      type: 'DateTime',
      description: 'Not before; null: at once. At most 30 days ahead, unless the server is set otherwise',
    }),
    idempotencyKey: t.string({ description: idempotency }),
  }),
})

const EnqueueBacktestInput = builder.inputType('EnqueueBacktestInput', {
  fields: (t) => ({
    symbols: t.field({ type: ['Symbol'], required: true, description: '1 to 100' }),
    signals: t.field({
      type: [SignalKind],
      required: true,
      description: '1 to 19. VOLUME_SPIKE says no direction and is not traded',
    }),
    from: t.field({ type: 'DateTime', description: 'Inclusive; null: all history' }),
    to: t.field({ type: 'DateTime', description: 'Exclusive; null: now' }),
    initialCapital: t.float({ required: true, defaultValue: 10_000, description: 'Above 0, up to 1,000,000,000,000' }),
    positionSize: t.float({
      required: true,
      defaultValue: 0.1,
      description:
        'Share of the equity put into a trade, above 0 up to 1. Where that is more than is left, the signal is passed over',
    }),
    holdDays: t.int({
      required: true,
      defaultValue: 5,
      description: 'After how many candles a trade is closed, the first included: 1 to 1,000',
    }),
    stopLoss: t.float({ description: 'As a share of the entry price, above 0 and below 1; null: none' }),
    takeProfit: t.float({ description: 'As a share of the entry price, above 0 up to 10; null: none' }),
    cost: t.float({
      required: true,
      defaultValue: 0.0005,
      description: 'Cost of a trade, each way, as a share of the value traded: from 0 to below 0.1',
    }),
    priority: t.field({ type: JobPriority, required: true, defaultValue: 'NORMAL' }),
    maxAttempts: t.int({ required: true, defaultValue: 3, description: '1 to 25' }),
    timeoutSeconds: t.int({ required: true, defaultValue: 600, description: attemptTimeout }),
    idempotencyKey: t.string({ description: idempotency }),
  }),
})

const EnqueueBackfillInput = builder.inputType('EnqueueBackfillInput', {
  fields: (t) => ({
    symbols: t.field({ type: ['Symbol'], required: true, description: 'At most 500' }),
    interval: t.field({ type: Interval, required: true, defaultValue: 'DAY_1' }),
    from: t.field({ type: 'DateTime', required: true, description: 'Inclusive' }),
    to: t.field({ type: 'DateTime', description: 'Exclusive; null: now' }),
    priority: t.field({ type: JobPriority, required: true, defaultValue: 'LOW' }),
    maxAttempts: t.int({ required: true, defaultValue: 5, description: '1 to 25' }),
    timeoutSeconds: t.int({ required: true, defaultValue: 1800, description: attemptTimeout }),
    idempotencyKey: t.string({ description: idempotency }),
  }),
})

const EnqueueDailyReportInput = builder.inputType('EnqueueDailyReportInput', {
  fields: (t) => ({
    symbols: t.field({
      type: ['Symbol'],
      description: 'At most 100; null: ^GSPC, ^IXIC, ^DJI and the watch list of the server',
    }),
    priority: t.field({ type: JobPriority, required: true, defaultValue: 'NORMAL' }),
    maxAttempts: t.int({ required: true, defaultValue: 2, description: '1 to 25' }),
    timeoutSeconds: t.int({ required: true, defaultValue: 600, description: attemptTimeout }),
    idempotencyKey: t.string({ description: idempotency }),
  }),
})

builder.queryFields((t) => ({
  job: t.field({
    type: Job,
    nullable: true,
    description: 'null with NOT_FOUND where the viewer has no such job',
    args: { id: t.arg.globalID({ required: true }) },
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
    resolve: jobs,
  }),
}))

builder.mutationFields((t) => ({
  enqueueAnalysis: t.field({
    type: EnqueueResult,
    nullable: true,
    description: 'Indicators and trend of up to 500 symbols; one that fails does not fail the rest',
    args: { input: t.arg({ type: EnqueueAnalysisInput, required: true }) },
    resolve: enqueueAnalysis,
  }),
  enqueueDailyReport: t.field({
    type: EnqueueResult,
    nullable: true,
    description:
      'Prices, changes, sentiment and new signals of the day, also as text. On weekdays one is queued at 21:30 UTC by itself',
    args: { input: t.arg({ type: EnqueueDailyReportInput, required: true }) },
    resolve: enqueueDailyReport,
  }),
  enqueueBacktest: t.field({
    type: EnqueueResult,
    nullable: true,
    description:
      'Detects the signals in the daily candles of [from, to) and trades them, long and short, with costs: a BULLISH one is ' +
      "bought and a BEARISH one sold short at the open of the symbol's next candle. Stop and target are looked at within " +
      'each candle; where it touches both, the stop counts. Prices are adjusted for splits; dividends do not count',
    args: { input: t.arg({ type: EnqueueBacktestInput, required: true }) },
    resolve: enqueueBacktest,
  }),
  enqueueBackfill: t.field({
    type: EnqueueResult,
    nullable: true,
    description: 'Fetches and stores history',
    args: { input: t.arg({ type: EnqueueBackfillInput, required: true }) },
    resolve: enqueueBackfill,
  }),
  cancelJob: t.field({
    type: JobActionResult,
    nullable: true,
    description: 'A job that waits is dropped; one that runs is told to stop',
    args: { id: t.arg.globalID({ required: true }) },
    resolve: cancelJob,
  }),
  retryJob: t.field({
    type: JobActionResult,
    nullable: true,
    description: 'Queues a failed or cancelled job again, with its attempts restored',
    args: { id: t.arg.globalID({ required: true }) },
    resolve: retryJob,
  }),
}))

builder.subscriptionField('jobUpdates', (t) =>
  t.field({
    type: Job,
    description:
      "The job now, then each change of state or progress; completes when the job has ended. Without `id`: all the viewer's jobs from now on, without end. Where over 10,000 changes of state wait to be read, the stream ends with LIMIT_EXCEEDED",
    args: { id: t.arg.globalID() },
    subscribe: jobUpdates,
    resolve: jobUpdate,
  }),
)
