import type pg from 'pg'
import { badInput } from '../domain/errors.ts'
import type { Job, JobChange, JobFailure, JobKind, JobPriority, JobState } from '../domain/job.ts'
import { transaction } from '../platform/pool.ts'
import { changeJobs } from './job-changes.ts'
import { historyEntry, jobColumns } from './job-columns.ts'
import { dispatch } from './job-dispatch.ts'
import { isUuid } from './uuid.ts'

export interface NewJob {
  readonly kind: JobKind
  readonly owner: string
  readonly priority: JobPriority
  readonly maxAttempts: number
  readonly timeoutSeconds: number
  readonly input: unknown
  /** null: at once. */
  readonly runAtMs: number | null
  readonly idempotencyKey: string | null
}

export interface JobFilter {
  readonly states: readonly JobState[] | null
  readonly kinds: readonly JobKind[] | null
  /** Only jobs that were queued before the one at this position. */
  readonly before: number | null
  readonly limit: number
}

/** A job with all states that it was in, oldest first; the newest change is the job itself. */
export interface JobHistory {
  readonly job: Job
  readonly states: readonly JobChange[]
}

const columns = jobColumns('jobs')

/** The row and what carries it, both or neither. It is due now at the earliest: a time that has passed is no place before others. */
const insert = {
  name: 'job insert',
  text: `
    WITH given AS (
      SELECT gen_random_uuid() AS id, $1::text AS kind, $3::text AS priority, now() AS queued_at,
        greatest(to_timestamp($8::float8 / 1000), now()) AS run_at, 'QUEUED' AS state, 0::float8 AS progress, 0 AS attempt,
        NULL::timestamptz AS started_at, NULL::timestamptz AS finished_at, NULL::jsonb AS failure
    )
    INSERT INTO finstage.jobs AS jobs (id, kind, owner, priority, state, max_attempts, timeout_seconds, input,
      idempotency_key, queued_at, run_at, changed_at, history, queue_job_id)
    SELECT id, kind, $2, priority, state, $4, $5, $6, $7, queued_at, run_at, queued_at,
      jsonb_build_array(${historyEntry('given', '0', 'given.queued_at')}),
      ${dispatch({ id: 'given.id', kind: 'given.kind', priority: 'given.priority', runAt: 'given.run_at' })}
    FROM given RETURNING ${columns}`,
}

/** The jobs as their owners see them. What workers do to them is in job-run-store.ts. */
export class JobStore {
  readonly #pool: pg.Pool

  constructor(pool: pg.Pool) {
    this.#pool = pool
  }

  /**
   * Stores a job and queues it, both or neither. The same idempotency key of the same owner gives the same job for 24 hours;
   * throws BAD_USER_INPUT where its input differs.
   */
  async enqueue(job: NewJob): Promise<{ job: Job; deduplicated: boolean }> {
    const key = job.idempotencyKey
    if (key === null) return { job: await insertJob(this.#pool, job), deduplicated: false }
    return transaction(this.#pool, async (client) => {
      const known = await findByKey(client, job, key)
      if (known) return { job: known, deduplicated: true }
      return { job: await insertJob(client, job), deduplicated: false }
    })
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

  /** The database's clock, which all changes go by. */
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

  /** What the job left, as its kind wrote it; null until it has succeeded. */
  async result(id: string): Promise<unknown> {
    const { rows } = await this.#pool.query<{ result: unknown }>('SELECT result FROM finstage.jobs WHERE id = $1', [id])
    return rows[0]?.result ?? null
  }

  /** CANCELLED, and no longer queued. null where the owner has no such job, or it has ended. */
  async cancel(id: string, owner: string): Promise<Job | null> {
    if (!isUuid(id)) return null
    return transaction(this.#pool, async (client) => {
      const failure = { code: 'CANCELLED', message: 'The job was cancelled', attempt: 0 } satisfies JobFailure
      const [job = null] = await changeJobs(client, 'cancel', [{ id, owner, failure }])
      if (!job) return null
      // Passes over the carrier of a job that runs: its worker lets go of it.
      await client.query(
        'SELECT graphile_worker.complete_jobs(ARRAY[queue_job_id]) FROM finstage.jobs WHERE id = $1 AND queue_job_id IS NOT NULL',
        [id],
      )
      return job
    })
  }

  /** QUEUED once more, with all its attempts. null where the owner has no such job, or it is neither FAILED nor CANCELLED. */
  async requeue(id: string, owner: string): Promise<Job | null> {
    if (!isUuid(id)) return null
    const [job = null] = await changeJobs(this.#pool, 'requeue', [{ id, owner }])
    return job
  }

  /** Deletes jobs that ended before a time, with their results; gives how many. */
  async prune(beforeMs: number): Promise<number> {
    const { rowCount } = await this.#pool.query(
      'DELETE FROM finstage.jobs WHERE finished_at < to_timestamp($1::float8 / 1000)',
      [beforeMs],
    )
    return rowCount ?? 0
  }
}

async function insertJob(client: Pick<pg.Pool, 'query'>, job: NewJob): Promise<Job> {
  const { rows } = await client.query<Job>({
    ...insert,
    values: [
      ...[job.kind, job.owner, job.priority, job.maxAttempts, job.timeoutSeconds],
      ...[JSON.stringify(job.input), job.idempotencyKey, job.runAtMs],
    ],
  })
  return one(rows)
}

async function findByKey(client: pg.PoolClient, job: NewJob, key: string): Promise<Job | null> {
  // Two requests with the same key wait for each other here, until the first has committed.
  await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`${job.owner} ${key}`])
  const { rows } = await client.query<Job & { same: boolean }>(
    `SELECT ${columns}, input = $3::jsonb AND kind = $4 AND priority = $5 AND max_attempts = $6 AND timeout_seconds = $7 AS same
     FROM finstage.jobs WHERE owner = $1 AND idempotency_key = $2 AND queued_at > now() - interval '24 hours'
     ORDER BY jobs.position DESC LIMIT 1`,
    [job.owner, key, JSON.stringify(job.input), job.kind, job.priority, job.maxAttempts, job.timeoutSeconds],
  )
  const known = rows[0]
  if (known && !known.same) {
    throw badInput('This idempotency key was used for a job with another input in the last 24 hours', 'idempotencyKey')
  }
  return known ?? null
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
