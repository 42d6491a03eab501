import type pg from 'pg'
import { badInput } from '../domain/errors.ts'
import type { Job, JobFailure, JobKind, JobPriority, JobState } from '../domain/job.ts'
import { transaction } from '../platform/pool.ts'
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

/** What a change of state sets beside the state itself. */
interface Change {
  readonly progress?: number
  readonly failure?: JobFailure | null
  readonly result?: unknown
  readonly retryInSeconds?: number
}

const columns = `id, position::float8 AS position, kind, owner, priority, state, progress, attempt,
  max_attempts AS "maxAttempts", timeout_seconds AS "timeoutSeconds", input,
  ${epochMs('queued_at')} AS "queuedAtMs", ${epochMs('run_at')} AS "runAtMs", ${epochMs('started_at')} AS "startedAtMs",
  ${epochMs('finished_at')} AS "finishedAtMs", failure, revision::float8 AS revision`

function epochMs(column: string): string {
  return `floor(extract(epoch FROM ${column}) * 1000)::float8`
}

/** graphile-worker takes the lowest number first. */
const queuePriority: Record<JobPriority, number> = { CRITICAL: 0, HIGH: 10, NORMAL: 20, LOW: 30 }

/**
 * The jobs as clients see them. A job is QUEUED, then RUNNING once for each attempt; an attempt that fails makes it RETRYING,
 * the last one FAILED; one that succeeds makes it SUCCEEDED. Every change of an attempt is made by `#change` alone, which
 * refuses it where another attempt has taken over or the job has ended.
 */
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
    return transaction(this.#pool, async (client) => {
      const known = job.idempotencyKey === null ? null : await findByKey(client, job, job.idempotencyKey)
      if (known) return { job: known, deduplicated: true }
      const { rows } = await client.query<Job>(
        `INSERT INTO finstage.jobs
           (kind, owner, priority, state, max_attempts, timeout_seconds, input, idempotency_key, run_at)
         VALUES ($1, $2, $3, 'QUEUED', $4, $5, $6, $7, coalesce(to_timestamp($8::float8 / 1000), now()))
         RETURNING ${columns}`,
        [
          job.kind,
          job.owner,
          job.priority,
          job.maxAttempts,
          job.timeoutSeconds,
          JSON.stringify(job.input),
          job.idempotencyKey,
          job.runAtMs,
        ],
      )
      const queued = one(rows)
      await client.query(
        `SELECT graphile_worker.add_job($1, json_build_object('jobId', $2::text), run_at => to_timestamp($3::float8 / 1000),
           max_attempts => $4, priority => $5)`,
        [job.kind, queued.id, queued.runAtMs, job.maxAttempts, queuePriority[job.priority]],
      )
      return { job: queued, deduplicated: false }
    })
  }

  async find(id: string): Promise<Job | null> {
    if (!isUuid(id)) return null
    const { rows } = await this.#pool.query<Job>(`SELECT ${columns} FROM finstage.jobs WHERE id = $1`, [id])
    return rows[0] ?? null
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

  /** RUNNING. null where the job has ended or a later attempt has begun: there is nothing to do. */
  async begin(id: string, attempt: number): Promise<Job | null> {
    const { rows } = await this.#pool.query<Job>(
      `UPDATE finstage.jobs SET state = 'RUNNING', attempt = $2, progress = 0, failure = NULL, started_at = now(),
         revision = revision + 1
       WHERE id = $1 AND attempt < $2 AND state IN ('QUEUED', 'RUNNING', 'RETRYING') RETURNING ${columns}`,
      [id, attempt],
    )
    return rows[0] ?? null
  }

  progress(id: string, attempt: number, progress: number): Promise<Job | null> {
    return this.#change(this.#pool, id, attempt, 'RUNNING', { progress })
  }

  /** SUCCEEDED, together with what `write` writes; neither where the attempt is no longer the one that counts. */
  succeed(id: string, attempt: number, write: (client: pg.PoolClient) => Promise<unknown>): Promise<Job | null> {
    return transaction(this.#pool, async (client) => {
      const job = await this.#change(client, id, attempt, 'SUCCEEDED', { progress: 1 })
      if (!job) return null
      const result = await write(client)
      await client.query('UPDATE finstage.jobs SET result = $2 WHERE id = $1', [id, JSON.stringify(result)])
      return job
    })
  }

  /** RETRYING, or FAILED where this was the last attempt. */
  fail(id: string, failure: JobFailure, retryInSeconds: number | null): Promise<Job | null> {
    const change = { failure, ...(retryInSeconds === null ? {} : { retryInSeconds }) }
    return this.#change(this.#pool, id, failure.attempt, retryInSeconds === null ? 'FAILED' : 'RETRYING', change)
  }

  async #change(
    client: Pick<pg.Pool, 'query'>,
    id: string,
    attempt: number,
    state: JobState,
    change: Change,
  ): Promise<Job | null> {
    const { rows } = await client.query<Job>(
      `UPDATE finstage.jobs SET state = $3, progress = coalesce($4, progress), failure = $5,
         run_at = coalesce(now() + $6::float8 * interval '1 second', run_at),
         finished_at = CASE WHEN $3 IN ('SUCCEEDED', 'FAILED', 'CANCELLED') THEN now() END, revision = revision + 1
       WHERE id = $1 AND attempt = $2 AND state = 'RUNNING' RETURNING ${columns}`,
      [
        id,
        attempt,
        state,
        change.progress ?? null,
        change.failure ? JSON.stringify(change.failure) : null,
        change.retryInSeconds ?? null,
      ],
    )
    return rows[0] ?? null
  }
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

function one<T>(rows: readonly T[]): T {
  const [row] = rows
  if (row === undefined) throw new Error('the database returned no row')
  return row
}
