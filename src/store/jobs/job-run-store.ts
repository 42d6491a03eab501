import type pg from 'pg'
import type { Job, JobFailure } from '../../domain/job.ts'
import { type JobEvent, maxLosses } from '../../domain/job-state.ts'
import { Batcher } from '../../platform/batcher.ts'
import { isOutage } from '../../platform/database/outage.ts'
import { type DatabasePool, transaction } from '../../platform/database/pool.ts'
import { changeJobs, type JobChangeRequest, JobChanges } from './job-changes.ts'
import { jobColumns, toJson } from './job-columns.ts'

/** One attempt of a job, told from every other one: the carrier is the id of graphile-worker's job. */
export interface JobRun {
  readonly id: string
  readonly carrier: string
  readonly attempt: number
}

/** What an attempt has achieved. */
export interface JobOutcome {
  /** Stays in the job's own row, as JSON. */
  readonly result: unknown
  /** Writes what belongs elsewhere, in the transaction that makes the job SUCCEEDED. */
  readonly write?: (client: pg.PoolClient, jobId: string) => Promise<void>
}

interface Part {
  readonly run: JobRun
  readonly part: string
  readonly result: unknown
}

const maxPartsAtOnce = 500

/**
 * What workers do to jobs. Everything but `begin` gives null where the run is no longer the one that counts: the job has ended,
 * or another worker has taken over.
 */
export class JobRunStore {
  readonly #pool: DatabasePool
  readonly #changes: JobChanges
  readonly #parts: Batcher<Part, undefined>

  constructor(pool: DatabasePool) {
    this.#pool = pool
    this.#changes = new JobChanges(pool)
    this.#parts = new Batcher(
      (parts) => this.#writeParts(parts),
      maxPartsAtOnce,
      (error) => !isOutage(error),
    )
  }

  /** RUNNING. null: it has ended or moved on, or is a suspect. */
  begin(id: string, carrier: string): Promise<Job | null> {
    return this.#changes.change('begin', { id, carrier })
  }

  /** RUNNING though it may be a suspect, or FAILED where too many workers were lost with it. null: it has ended or moved on. */
  async beginAlone(id: string, carrier: string): Promise<Job | null> {
    return (await this.#changes.change('beginAlone', { id, carrier })) ?? this.#giveUp(id, carrier)
  }

  /** QUEUED again, to be begun later, or FAILED where too many workers were lost with it. null: it has ended or moved on. */
  async postpone(id: string, carrier: string, retryInSeconds: number): Promise<Job | null> {
    return (await this.#changes.change('postpone', { id, carrier, retryInSeconds })) ?? this.#giveUp(id, carrier)
  }

  progress(run: JobRun, progress: number): Promise<Job | null> {
    return this.#change('progress', run, { progress })
  }

  /** SUCCEEDED, together with what the outcome writes; neither where the run no longer counts. */
  succeed(run: JobRun, { result, write }: JobOutcome, hasParts: boolean): Promise<Job | null> {
    if (!write && !hasParts) return this.#change('succeed', run, { result })
    return transaction(this.#pool, async (client) => {
      const [job = null] = await changeJobs(client, 'succeed', [{ ...run, result }])
      if (!job) return null
      await write?.(client, run.id)
      await client.query('DELETE FROM finstage.job_parts WHERE job_id = $1', [run.id])
      return job
    })
  }

  /** RETRYING: another attempt is queued. */
  retry(run: JobRun, failure: JobFailure, retryInSeconds: number): Promise<Job | null> {
    return this.#change('retry', run, { failure, retryInSeconds })
  }

  /** FAILED. */
  fail(run: JobRun, failure: JobFailure): Promise<Job | null> {
    return this.#change('fail', run, { failure })
  }

  /** QUEUED again, in its old place. */
  handBack(run: JobRun): Promise<Job | null> {
    return this.#change('handBack', run, {})
  }

  /** Of these runs, the ones that no longer count. */
  async superseded(runs: readonly JobRun[]): Promise<JobRun[]> {
    if (runs.length === 0) return []
    const { rows } = await this.#pool.query<{ place: number }>(
      `SELECT place::int FROM unnest($1::uuid[], $2::bigint[], $3::int[]) WITH ORDINALITY AS run(id, carrier, attempt, place)
       WHERE NOT EXISTS (SELECT FROM finstage.jobs WHERE jobs.id = run.id AND jobs.queue_job_id = run.carrier
         AND jobs.attempt = run.attempt AND jobs.state = 'RUNNING')`,
      [runs.map(({ id }) => id), runs.map(({ carrier }) => carrier), runs.map(({ attempt }) => attempt)],
    )
    return rows.flatMap(({ place }) => runs[place - 1] ?? [])
  }

  /** The job as it is now, and whether it still depends on what carries this run. null: it was deleted. */
  async standing({ id, carrier }: JobRun): Promise<{ readonly job: Job; readonly isCarried: boolean } | null> {
    const { rows } = await this.#pool.query<Job & { isCarried: boolean }>(
      `SELECT ${jobColumns('jobs')}, queue_job_id = $2 AND state IN ('QUEUED', 'RUNNING', 'RETRYING') AS "isCarried"
       FROM finstage.jobs WHERE id = $1`,
      [id, carrier],
    )
    const [row] = rows
    if (!row) return null
    const { isCarried, ...job } = row
    return { job, isCarried }
  }

  /** What earlier attempts saved, by the name of the part. */
  async parts(id: string): Promise<Map<string, unknown>> {
    const { rows } = await this.#pool.query<{ part: string; result: unknown }>(
      'SELECT part, result FROM finstage.job_parts WHERE job_id = $1',
      [id],
    )
    return new Map(rows.map(({ part, result }) => [part, result]))
  }

  /** Saves a part of the result, for a later attempt. A run that no longer counts saves nothing. */
  async savePart(run: JobRun, part: string, result: unknown): Promise<void> {
    await this.#parts.add({ run, part, result })
  }

  #giveUp(id: string, carrier: string): Promise<Job | null> {
    const message = `The workers of ${maxLosses} attempts died while they ran it`
    return this.#changes.change('giveUp', { id, carrier, failure: { code: 'INTERNAL', message, attempt: 0 } })
  }

  #change(event: JobEvent, { id, carrier, attempt }: JobRun, change: Partial<JobChangeRequest>): Promise<Job | null> {
    return this.#changes.change(event, { ...change, id, carrier, attempt })
  }

  async #writeParts(parts: readonly Part[]): Promise<undefined[]> {
    await this.#pool.query(
      `INSERT INTO finstage.job_parts (job_id, part, result)
       SELECT jobs.id, asked.part, asked.result
       FROM unnest($1::uuid[], $2::bigint[], $3::int[], $4::text[], $5::jsonb[]) AS asked(id, carrier, attempt, part, result)
         JOIN finstage.jobs ON jobs.id = asked.id AND jobs.queue_job_id = asked.carrier AND jobs.attempt = asked.attempt
       WHERE jobs.state = 'RUNNING' ON CONFLICT (job_id, part) DO UPDATE SET result = excluded.result`,
      [
        parts.map(({ run }) => run.id),
        parts.map(({ run }) => run.carrier),
        parts.map(({ run }) => run.attempt),
        parts.map(({ part }) => part),
        parts.map(({ result }) => toJson(result ?? null)),
      ],
    )
    return parts.map(() => undefined)
  }
}
