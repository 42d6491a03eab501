import type pg from 'pg'
import { FinstageError } from '../../domain/errors.ts'
import {
  type Job,
  type JobChange,
  type JobFailure,
  type JobKind,
  type JobState,
  usualWaitingLimits,
} from '../../domain/job.ts'
import { transitions } from '../../domain/job-state.ts'
import { type DatabasePool, transaction } from '../../platform/database/pool.ts'
import { isUuid } from '../uuid.ts'
import { changeJobs } from './job-changes.ts'
import { jobColumns } from './job-columns.ts'
import { type Enqueued, JobIntake, type NewJob } from './job-intake.ts'

export interface JobFilter {
  readonly states: readonly JobState[] | null
  readonly kinds: readonly JobKind[] | null
  /** Only jobs that were queued before the one at this position. */
  readonly before: number | null
  readonly limit: number
}

/** A job with all the states that it was in, oldest first. The newest change is the job itself. */
export interface JobHistory {
  readonly job: Job
  readonly states: readonly JobChange[]
}

const columns = jobColumns('jobs')

const maxExpiredAtOnce = 500

const mayBeRequeued = (state: JobState): boolean => (transitions.requeue.from as readonly JobState[]).includes(state)

/** Jobs as their owners see them. The changes that workers make are in job-run-store.ts. */
export class JobStore {
  readonly #pool: DatabasePool

  readonly #intake: JobIntake

  constructor(pool: DatabasePool, limits = usualWaitingLimits) {
    this.#pool = pool
    this.#intake = new JobIntake(pool, limits)
  }

  /**
   * Stores a job and queues it, both or neither. For 24 hours the same idempotency key of the same owner returns the
   * same job, even when no more jobs may wait. Throws BAD_USER_INPUT when the key was used with another input,
   * LIMIT_EXCEEDED when too many jobs wait.
   */
  enqueue(job: NewJob): Promise<Enqueued> {
    return this.#intake.enqueue(job)
  }

  async find(id: string): Promise<Job | null> {
    if (!isUuid(id)) return null
    const { rows } = await this.#pool.query<Job>(`SELECT ${columns} FROM finstage.jobs WHERE id = $1`, [id])
    return rows[0] ?? null
  }

  async histories(ids: readonly string[]): Promise<JobHistory[]> {
    const { rows } = await this.#pool.query<HistoryRow>(
      `SELECT ${columns}, history FROM finstage.jobs WHERE id = ANY($1::uuid[])`,
      [ids.filter(isUuid)],
    )
    return rows.map(historyOf)
  }

  /** The histories of jobs of these owners that changed since a time of the database's clock. */
  async changedSince(owners: readonly string[], sinceMs: number): Promise<JobHistory[]> {
    const { rows } = await this.#pool.query<HistoryRow>(
      `SELECT ${columns}, history FROM finstage.jobs
       WHERE owner = ANY($1) AND changed_at >= to_timestamp($2::float8 / 1000) ORDER BY changed_at`,
      [owners, sinceMs],
    )
    return rows.map(historyOf)
  }

  /** The time by the database's clock, which stamps all changes. */
  async nowMs(): Promise<number> {
    const { rows } = await this.#pool.query<{ ms: number }>(
      'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms',
    )
    return one(rows).ms
  }

  /** The jobs of an owner, newest first. */
  async list(owner: string, filter: JobFilter): Promise<Job[]> {
    const { rows } = await this.#pool.query<Job>(
      `SELECT ${columns} FROM finstage.jobs
       WHERE owner = $1 AND ($2::text[] IS NULL OR state = ANY($2)) AND ($3::text[] IS NULL OR kind = ANY($3))
         AND ($4::bigint IS NULL OR position < $4)
       ORDER BY jobs.position DESC LIMIT $5`,
      [owner, filter.states, filter.kinds, filter.before, filter.limit],
    )
    return rows
  }

  /** The job's result as its task returned it; null until it has succeeded. */
  async result(id: string): Promise<unknown> {
    const { rows } = await this.#pool.query<{ result: unknown }>('SELECT result FROM finstage.jobs WHERE id = $1', [id])
    return rows[0]?.result ?? null
  }

  /** Makes the job CANCELLED and removes it from the queue. null: the owner has no such job, or it has ended. */
  async cancel(id: string, owner: string): Promise<Job | null> {
    if (!isUuid(id)) return null
    return transaction(this.#pool, async (client) => {
      const failure = { code: 'CANCELLED', message: 'The job was cancelled', attempt: 0 } satisfies JobFailure
      const [job = null] = await changeJobs(client, 'cancel', [{ id, owner, failure }])
      if (!job) return null
      await dropCarriers(client, [id])
      return job
    })
  }

  /**
   * Makes the job QUEUED again, with all its attempts. null: the owner has no such job, or it is neither FAILED nor
   * CANCELLED. Throws LIMIT_EXCEEDED when too many jobs wait.
   */
  async requeue(id: string, owner: string): Promise<Job | null> {
    if (!isUuid(id)) return null
    const outcome = await this.#intake.requeue(id, owner)
    if (!(outcome instanceof FinstageError)) return outcome
    const job = await this.find(id)
    if (job?.owner === owner && mayBeRequeued(job.state)) throw outcome
    return null
  }

  /**
   * Makes jobs FAILED that have been due for this many days without a worker, and removes them from the queue. Returns
   * how many.
   */
  async expire(days: number): Promise<number> {
    const message = `No worker has taken the job within ${days} days from when it was due`
    const failure = { code: 'TIMEOUT', message, attempt: 0 } satisfies JobFailure
    for (let expired = 0; ; ) {
      const { rows: overdue } = await this.#pool.query<{ id: string; carrier: string; attempt: number }>(
        `SELECT id, queue_job_id::text AS carrier, attempt FROM finstage.jobs
         WHERE state IN ('QUEUED', 'RUNNING', 'RETRYING') AND greatest(run_at, started_at) < now() - $1 * interval '1 day'
           AND NOT EXISTS (SELECT FROM graphile_worker.jobs AS carrier WHERE carrier.id = queue_job_id AND locked_at IS NOT NULL)
         LIMIT $2`,
        [days, maxExpiredAtOnce],
      )
      const changed = await transaction(this.#pool, async (client) => {
        const jobs = await changeJobs(
          client,
          'expire',
          overdue.map((job) => ({ ...job, failure })),
        )
        const ids = jobs.flatMap((job) => job?.id ?? [])
        await dropCarriers(client, ids)
        return ids.length
      })
      expired += changed
      // Nothing left, or workers have taken them meanwhile.
      if (changed === 0) return expired
    }
  }

  /** Deletes jobs that ended more than this many days ago, with their results. Returns how many. */
  async prune(days: number): Promise<number> {
    const { rowCount } = await this.#pool.query(
      `DELETE FROM finstage.jobs WHERE finished_at < now() - $1 * interval '1 day'`,
      [days],
    )
    return rowCount ?? 0
  }
}

/**
 * Removes the carriers of jobs that wait. graphile-worker passes over the carrier of a running job: its worker
 * completes it.
 */
async function dropCarriers(client: pg.PoolClient, ids: readonly string[]): Promise<void> {
  await client.query(
    'SELECT graphile_worker.complete_jobs(array_agg(queue_job_id)) FROM finstage.jobs WHERE id = ANY($1::uuid[])',
    [ids],
  )
}

type HistoryRow = Job & { history: Omit<JobChange, 'id' | 'owner'>[] }

function historyOf({ history, ...job }: HistoryRow): JobHistory {
  return { job, states: history.map((change) => ({ id: job.id, owner: job.owner, ...change })) }
}

function one<T>(rows: readonly T[]): T {
  const [row] = rows
  if (row === undefined) throw new Error('the database returned no row')
  return row
}
