import { type JobFailure, type Job as JobShape, jobKinds, jobPriorities, jobStates } from '../domain/job.ts'
import {
  type AnalysisJobResult,
  enqueueAnalysis,
  job,
  jobResult,
  jobs,
  jobUpdate,
  jobUpdates,
  loadJob,
} from '../resolvers/job.ts'
import { SymbolAnalysis, SymbolFailure } from './analysis.ts'
import { builder } from './builder.ts'
import { Interval } from './candle.ts'
import { ErrorCode, InvalidInput } from './error.ts'

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

const JobResult = builder.unionType('JobResult', { types: [AnalysisResult], resolveType: () => AnalysisResult })

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
    maxAttempts: t.exposeInt('maxAttempts'),
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
  types: [EnqueuePayload, InvalidInput],
  resolveType: (result) => (result as unknown as { type: 'EnqueuePayload' | 'InvalidInput' }).type,
})

const EnqueueAnalysisInput = builder.inputType('EnqueueAnalysisInput', {
  fields: (t) => ({
    symbols: t.field({ type: ['Symbol'], required: true }),
    interval: t.field({ type: Interval, required: true, defaultValue: 'DAY_1' }),
    priority: t.field({ type: JobPriority, required: true, defaultValue: 'NORMAL' }),
    maxAttempts: t.int({ required: true, defaultValue: 3, description: '1 to 25' }),
    timeoutSeconds: t.int({ required: true, defaultValue: 300, description: 'How long one attempt may take' }),
    runAt: t.field({ type: 'DateTime', description: 'Not before; null: at once' }),
    idempotencyKey: t.string({
      description:
        'The same key from the same viewer gives the same job, for 24 hours; with another input it is InvalidInput',
    }),
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

builder.mutationField('enqueueAnalysis', (t) =>
  t.field({
    type: EnqueueResult,
    nullable: true,
    description: 'Indicators and trend of up to 500 symbols; one that fails does not fail the rest',
    args: { input: t.arg({ type: EnqueueAnalysisInput, required: true }) },
    resolve: enqueueAnalysis,
  }),
)

builder.subscriptionField('jobUpdates', (t) =>
  t.field({
    type: Job,
    description:
      "The job now, then each change of state or progress; completes when the job has ended. Without `id`: all the viewer's jobs from now on, without end",
    args: { id: t.arg.globalID() },
    subscribe: jobUpdates,
    resolve: jobUpdate,
  }),
)
