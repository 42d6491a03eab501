import type pg from 'pg'
import type { Job, JobFailure } from '../../domain/job.ts'
import { type JobEvent, maxLosses } from '../../domain/job-state.ts'
import { Batcher } from '../../platform/concurrency/batcher.ts'
import { isOutage } from '../../platform/database/outage.ts'
import { type DatabasePool, transaction } from '../../platform/database/pool.ts'
import { changeJobs, type JobChangeRequest, JobChanges } from './job-changes.ts'
import { jobColumns, toJson } from './job-columns.ts'

/** Identifies one attempt of a job. `carrier`: the id of the graphile-worker job that carries it. */
export interface JobRun {
  readonly id: string
  readonly carrier: string
  readonly attempt: number
}

/** What an attempt returns. */
export interface JobOutcome {
  /** Stored in the job's row, as JSON. */
  readonly result: unknown
  /** Writes to other tables, in the transaction that makes the job SUCCEEDED. */
  readonly write?: (client: pg.PoolClient, jobId: string) => Promise<void>
}

interface Part {
  readonly run: JobRun
  readonly part: string
  readonly result: unknown
}

const maxPartsAtOnce = 500
/** A statement for each symbol would cost as much as a third of its analysis. */
const gatherPartsMs = 10

/**
 * The changes that workers make to jobs. They return null when the attempt was superseded: the job has ended, or
 * another worker has it.
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
      gatherPartsMs,
    )
  }

  /** Makes the job RUNNING. null: it has ended, has another carrier, or is a suspect. */
  begin(id: string, carrier: string): Promise<Job | null> {
    return this.#changes.change('begin', { id, carrier })
  }

  /**
   * Makes a job RUNNING that may be a suspect, or FAILED if too many workers were lost with it. null: it has ended or
   * has another carrier.
   */
  async beginAlone(id: string, carrier: string): Promise<Job | null> {
    return (await this.#changes.change('beginAlone', { id, carrier })) ?? this.#giveUp(id, carrier)
  }

  /**
   * Makes the job QUEUED, due later, or FAILED if too many workers were lost with it. null: it has ended or has another
   * carrier.
   */
  async postpone(id: string, carrier: string, retryInSeconds: number): Promise<Job | null> {
    return (await this.#changes.change('postpone', { id, carrier, retryInSeconds })) ?? this.#giveUp(id, carrier)
  }

  progress(run: JobRun, progress: number): Promise<Job | null> {
    return this.#change('progress', run, { progress })
  }

  /** Makes the job SUCCEEDED and stores what the outcome writes, both or neither. */
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

  /** Makes the job RETRYING and queues another attempt. */
  retry(run: JobRun, failure: JobFailure, retryInSeconds: number): Promise<Job | null> {
    return this.#change('retry', run, { failure, retryInSeconds })
  }

  /** Makes the job FAILED. */
  fail(run: JobRun, failure: JobFailure): Promise<Job | null> {
    return this.#change('fail', run, { failure })
  }

  /** Makes the job QUEUED again, in its old place. */
  handBack(run: JobRun): Promise<Job | null> {
    return this.#change('handBack', run, {})
  }

  /** Those of these attempts that were superseded. */
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

  /** The job as it is now, and whether this attempt's carrier still carries it. null: the job was deleted. */
  async current({ id, carrier }: JobRun): Promise<{ readonly job: Job; readonly isCarried: boolean } | null> {
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

  /** The parts that earlier attempts saved, by name. */
  async parts(id: string): Promise<Map<string, unknown>> {
    const { rows } = await this.#pool.query<{ part: string; result: unknown }>(
      'SELECT part, result FROM finstage.job_parts WHERE job_id = $1',
      [id],
    )
    return new Map(rows.map(({ part, result }) => [part, result]))
  }

  /** Saves a part of the result for later attempts. A superseded attempt saves nothing. */
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
    await this.#pool.query({
      name: 'job-parts',
      text: `INSERT INTO finstage.job_parts (job_id, part, result)
       SELECT jobs.id, asked.part, asked.result
       FROM unnest($1::uuid[], $2::bigint[], $3::int[], $4::text[], $5::jsonb[]) AS asked(id, carrier, attempt, part, result)
         JOIN finstage.jobs ON jobs.id = asked.id AND jobs.queue_job_id = asked.carrier AND jobs.attempt = asked.attempt
       WHERE jobs.state = 'RUNNING' ON CONFLICT (job_id, part) DO UPDATE SET result = excluded.result`,
      values: [
        parts.map(({ run }) => run.id),
        parts.map(({ run }) => run.carrier),
        parts.map(({ run }) => run.attempt),
        parts.map(({ part }) => part),
        parts.map(({ result }) => toJson(result ?? null)),
      ],
    })
    return parts.map(() => undefined)
  }
}
