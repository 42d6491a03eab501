import type { JobPriority } from '../../domain/job.ts'
import { type DatabasePool, transaction } from '../../platform/database/pool.ts'
import type { LibraryFallbacks } from '../../platform/library-fallbacks.ts'
import { countLostByIndex, isUnknownToPostgres, unlockJobs } from './graphile-internals.ts'
import { lostNumber, priorityDigit, priorityOfDigit } from './job-dispatch.ts'

export interface WorkerBeat {
  readonly worker: string
  readonly beat: string
}

export interface Waiting {
  readonly priority: JobPriority
  /** Of those that are due, and of those that are due later. */
  readonly count: number
  readonly laterCount: number
  /** How long the oldest of them has been due. */
  readonly oldestSeconds: number
}

/** A worker may not know yet of a job that was taken this recently. */
const orphanSeconds = 2

/** The worker pools, the graphile-worker jobs that they hold, and those that wait. */
export class WorkerStore {
  readonly #pool: DatabasePool
  readonly #fallbacks: LibraryFallbacks
  /** Which internals of graphile-worker were not found. */
  readonly #unknown = new Set<string>()

  constructor(pool: DatabasePool, fallbacks: LibraryFallbacks) {
    this.#pool = pool
    this.#fallbacks = fallbacks
  }

  /** Counts the beats of these workers up: their sign of life. */
  async beat(workers: readonly string[]): Promise<void> {
    await this.#pool.query(
      `INSERT INTO finstage.workers (id) SELECT unnest($1::text[])
       ON CONFLICT (id) DO UPDATE SET beat = workers.beat + 1`,
      [workers],
    )
  }

  async beats(): Promise<WorkerBeat[]> {
    const { rows } = await this.#pool.query<WorkerBeat>('SELECT id AS worker, beat::text FROM finstage.workers')
    return rows
  }

  /** Registers workers that hold jobs without ever having counted a beat, so that they can be found lost. */
  async registerHolders(): Promise<void> {
    await this.#pool.query(
      `INSERT INTO finstage.workers (id) SELECT DISTINCT locked_by FROM graphile_worker.jobs WHERE locked_by IS NOT NULL
       ON CONFLICT DO NOTHING`,
    )
  }

  /** Unlocks all jobs of a worker and removes it. Other workers take these jobs before all that wait. */
  async release(worker: string): Promise<void> {
    await transaction(this.#pool, async (client) => {
      const { rows: held } = await client.query<{ ids: string[]; number: number }>(
        `SELECT array_agg(id) AS ids, ${lostNumber('priority')} AS number FROM graphile_worker.jobs
         WHERE locked_by = $1 GROUP BY number`,
        [worker],
      )
      await client.query('SELECT graphile_worker.force_unlock_workers(ARRAY[$1::text])', [worker])
      for (const { ids, number } of held) {
        await client.query('SELECT graphile_worker.reschedule_jobs($1::bigint[], priority => $2::int)', [ids, number])
      }
      await client.query('DELETE FROM finstage.workers WHERE id = $1', [worker])
    })
  }

  /** How many jobs of lost workers are due and wait. */
  lostJobs(tasks: readonly string[]): Promise<number> {
    return this.#orPublic(
      'lost',
      'graphile-worker no longer has the columns by which jobs of lost workers are counted: they are counted in its view of all jobs',
      () => countLostByIndex(this.#pool, tasks),
      async () => {
        const { rows } = await this.#pool.query<{ count: number }>(
          `SELECT count(*)::int FROM graphile_worker.jobs
           WHERE locked_at IS NULL AND priority < 0 AND run_at <= now() AND task_identifier = ANY($1)`,
          [tasks],
        )
        return rows[0]?.count ?? 0
      },
    )
  }

  /**
   * The jobs that a worker holds without running them: the answer that gave it the job was lost, or its completion was.
   */
  async orphans(worker: string, running: readonly string[]): Promise<string[]> {
    const { rows } = await this.#pool.query<{ id: string }>(
      `SELECT id::text FROM graphile_worker.jobs
       WHERE locked_by = $1 AND NOT id = ANY($2::bigint[]) AND locked_at < now() - $3 * interval '1 second'`,
      [worker, running, orphanSeconds],
    )
    return rows.map(({ id }) => id)
  }

  /** Unlocks some of the jobs that a worker holds. false: only all of them can be unlocked, by release(). */
  releaseOrphans(worker: string, carriers: readonly string[]): Promise<boolean> {
    return this.#orPublic(
      'unlock',
      'graphile-worker no longer has the columns by which one job is unlocked: pools that hold a job without running it are replaced',
      async () => {
        await unlockJobs(this.#pool, worker, carriers)
        return true
      },
      async () => false,
    )
  }

  /** Lets each waiting job rise by one class for every `agingSeconds` that it has been due. */
  async rise(tasks: readonly string[], agingSeconds: number): Promise<void> {
    await this.#pool.query(
      `SELECT graphile_worker.reschedule_jobs(array_agg(id), priority => risen) FROM (
         SELECT id, priority, (10 * greatest(0, 3 - priority % 10 -
           floor(extract(epoch FROM now() - run_at) / $2)::int) + priority % 10)::int AS risen
         FROM graphile_worker.jobs
         WHERE task_identifier = ANY($1) AND priority >= 10 AND locked_at IS NULL
           AND run_at <= now() - $2 * interval '1 second'
       ) AS waiting WHERE risen < priority GROUP BY risen`,
      [tasks, agingSeconds],
    )
  }

  /** The jobs that are due and not taken, by the priority they were queued with. */
  async waiting(tasks: readonly string[]): Promise<Waiting[]> {
    const { rows } = await this.#pool.query<{
      digit: number
      count: number
      laterCount: number
      oldestSeconds: number
    }>(
      `SELECT ${priorityDigit('priority')} AS digit, count(*) FILTER (WHERE run_at <= now())::int AS count,
         count(*) FILTER (WHERE run_at > now())::int AS "laterCount",
         greatest(0, extract(epoch FROM now() - min(run_at)))::float8 AS "oldestSeconds"
       FROM graphile_worker.jobs WHERE task_identifier = ANY($1) AND locked_at IS NULL GROUP BY digit`,
      [tasks],
    )
    return rows.map(({ digit, ...rest }) => ({ priority: priorityOfDigit(digit), ...rest }))
  }

  /** Takes the public way where the internals of graphile-worker are not as expected, and from then on. */
  async #orPublic<T>(
    reach: string,
    message: string,
    internalWay: () => Promise<T>,
    publicWay: () => Promise<T>,
  ): Promise<T> {
    if (!this.#unknown.has(reach)) {
      try {
        return await internalWay()
      } catch (error) {
        if (!isUnknownToPostgres(error)) throw error
        this.#unknown.add(reach)
      }
    }
    this.#fallbacks.report('graphile-worker', message)
    return publicWay()
  }
}
