import type pg from 'pg'
import type { Job, JobFailure } from '../../domain/job.ts'
import { type JobEvent, maxLosses, suspectLosses, transitions } from '../../domain/job-state.ts'
import { Batcher } from '../../platform/concurrency/batcher.ts'
import { isOutage } from '../../platform/database/outage.ts'
import { historyEntry, jobColumns, toJson } from './job-columns.ts'
import { dispatch } from './job-dispatch.ts'

const maxBatch = 100

/** A change of one job. The owner, carrier and attempt are conditions: the job has to match those that are given. */
export interface JobChangeRequest {
  readonly id: string
  readonly owner?: string
  /** The id of the graphile-worker job that carries it. */
  readonly carrier?: string
  readonly attempt?: number
  readonly progress?: number
  readonly failure?: JobFailure
  readonly result?: unknown
  readonly retryInSeconds?: number
}

/** The columns that an event sets beside the state, as SQL over the row before (`jobs`) and the request (`asked`). */
interface Effect {
  readonly set: Partial<Record<Column, string>>
  readonly unless?: string
}

type Column =
  | 'progress'
  | 'attempt'
  | 'failures'
  | 'losses'
  | 'failure'
  | 'result'
  | 'run_at'
  | 'started_at'
  | 'finished_at'
  | 'queue_job_id'

const isLost = `jobs.state = 'RUNNING'`
/** Counts the attempt too that a lost worker was running. */
const losses = `jobs.losses + (${isLost})::int`
const now = 'clock_timestamp()'
const retryAt = `${now} + asked.retry_in * interval '1 second'`
const carrierAt = (runAt: string): string =>
  dispatch({ id: 'jobs.id', kind: 'jobs.kind', owner: 'jobs.owner', priority: 'jobs.priority', runAt })

const newAttempt = { attempt: 'jobs.attempt + 1', losses, progress: '0', failure: 'NULL::jsonb', started_at: now }

const endedFromOutside = {
  set: { failure: `asked.failure || jsonb_build_object('attempt', jobs.attempt)`, finished_at: now },
}

const effects: Readonly<Record<JobEvent, Effect>> = {
  begin: { unless: `${losses} >= ${suspectLosses}`, set: newAttempt },
  beginAlone: { unless: `${losses} >= ${maxLosses}`, set: newAttempt },
  postpone: {
    unless: `${losses} >= ${maxLosses}`,
    set: { losses, run_at: retryAt, queue_job_id: carrierAt(retryAt) },
  },
  progress: { set: { progress: 'asked.progress' } },
  succeed: { set: { progress: '1', result: 'asked.result', finished_at: now } },
  retry: {
    set: {
      failure: 'asked.failure',
      failures: 'jobs.failures + 1',
      run_at: retryAt,
      queue_job_id: carrierAt(retryAt),
    },
  },
  fail: { set: { failure: 'asked.failure', failures: 'jobs.failures + 1', finished_at: now } },
  giveUp: {
    unless: `${losses} < ${maxLosses}`,
    set: {
      failure: `asked.failure || jsonb_build_object('attempt', jobs.attempt)`,
      losses: 'jobs.losses + 1',
      finished_at: now,
    },
  },
  handBack: { set: { queue_job_id: carrierAt('jobs.run_at') } },
  cancel: endedFromOutside,
  expire: endedFromOutside,
  requeue: {
    set: {
      attempt: '0',
      failures: '0',
      losses: '0',
      progress: '0',
      failure: 'NULL::jsonb',
      finished_at: 'NULL::timestamptz',
      run_at: now,
      queue_job_id: carrierAt(now),
    },
  },
}

const columns = [
  ...['progress', 'attempt', 'failures', 'losses', 'failure', 'result'],
  ...['run_at', 'started_at', 'finished_at', 'queue_job_id'],
] as readonly Column[]

const statements = new Map(
  (Object.keys(transitions) as JobEvent[]).map((event) => [event, { name: `job ${event}`, text: statementOf(event) }]),
)

/**
 * A statement that locks the rows, checks whether the event may happen to each, and changes them. A request changes
 * nothing when the job is in another state or does not match its conditions. Only locked rows get a new carrier: a
 * statement that waited for another one and came too late must not leave a carrier behind.
 */
function statementOf(event: JobEvent): string {
  const { from, to } = transitions[event]
  const { set, unless } = effects[event]
  const next = columns.map((column) => `${set[column] ?? `jobs.${column}`} AS ${column}`).join(', ')
  const history = `CASE WHEN next.state = jobs.state AND next.attempt = jobs.attempt THEN jobs.history
    ELSE jobs.history || ${historyEntry('next', 'jobs.revision + 1', 'next.changed_at')} END`
  return `
    WITH asked AS (
      SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::int[], $5::float8[], $6::jsonb[], $7::jsonb[], $8::float8[])
        WITH ORDINALITY AS asked(id, owner, carrier, attempt, progress, failure, result, retry_in, place)
    ), locked AS (
      SELECT jobs.*, asked.place
      FROM finstage.jobs JOIN asked ON asked.id = jobs.id
      WHERE jobs.state IN (${from.map((state) => `'${state}'`).join(', ')})
        AND (asked.owner IS NULL OR asked.owner = jobs.owner)
        AND (asked.carrier IS NULL OR asked.carrier = jobs.queue_job_id)
        AND (asked.attempt IS NULL OR asked.attempt = jobs.attempt)
        ${unless ? `AND NOT (${unless})` : ''}
      ORDER BY jobs.id FOR NO KEY UPDATE OF jobs
    ), next AS (
      SELECT jobs.id, asked.place, '${to}' AS state, ${next}, ${now} AS changed_at
      FROM locked AS jobs JOIN asked ON asked.place = jobs.place
    )
    UPDATE finstage.jobs SET state = next.state, ${columns.map((column) => `${column} = next.${column}`).join(', ')},
      revision = jobs.revision + 1, changed_at = next.changed_at, history = ${history}
    FROM next WHERE next.id = jobs.id RETURNING ${jobColumns('jobs')}, next.place::int AS place`
}

/**
 * Makes an event of domain/job-state.ts happen to jobs. All changes of state go through here. Returns, in the order of
 * the requests, each job after the change, or null when the event may not happen to it.
 */
export async function changeJobs(
  client: Pick<pg.Pool, 'query'>,
  event: JobEvent,
  requests: readonly JobChangeRequest[],
): Promise<(Job | null)[]> {
  const each = <T>(pick: (request: JobChangeRequest) => T): T[] => requests.map(pick)
  const json = (value: unknown): string | null => (value === undefined ? null : toJson(value))
  const { rows } = await client.query<Job & { place: number }>({
    ...(statements.get(event) ?? { text: '' }),
    values: [
      each(({ id }) => id),
      each(({ owner }) => owner ?? null),
      each(({ carrier }) => carrier ?? null),
      each(({ attempt }) => attempt ?? null),
      each(({ progress }) => progress ?? null),
      each(({ failure }) => json(failure)),
      each(({ result }) => json(result)),
      each(({ retryInSeconds }) => retryInSeconds ?? null),
    ],
  })
  // By place, not by id: a superseded attempt may request a change of the same job in the same batch.
  const changed = new Map(rows.map(({ place, ...job }) => [place, job]))
  return requests.map((_, i) => changed.get(i + 1) ?? null)
}

/** Makes changes of the same event that come at the same time with one statement. */
export class JobChanges {
  readonly #batchers: ReadonlyMap<JobEvent, Batcher<JobChangeRequest, Job | null>>

  constructor(pool: pg.Pool) {
    this.#batchers = new Map(
      (Object.keys(transitions) as JobEvent[]).map((event) => [
        event,
        new Batcher(
          (requests: readonly JobChangeRequest[]) => changeJobs(pool, event, requests),
          maxBatch,
          (error) => !isOutage(error),
        ),
      ]),
    )
  }

  change(event: JobEvent, request: JobChangeRequest): Promise<Job | null> {
    const batcher = this.#batchers.get(event)
    if (!batcher) throw new Error(`no such event: ${event}`)
    return batcher.add(request)
  }
}
