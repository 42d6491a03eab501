import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { badInput, FinstageError } from '../../domain/errors.ts'
import type { Job, JobKind, JobPriority, WaitingLimits } from '../../domain/job.ts'
import { Batcher } from '../../platform/concurrency/batcher.ts'
import { isOutage } from '../../platform/database/outage.ts'
import { type DatabasePool, transaction } from '../../platform/database/pool.ts'
import { changeJobs } from './job-changes.ts'
import { historyEntry, jobColumns } from './job-columns.ts'
import { dispatch } from './job-dispatch.ts'
import { JobRoom, lockedRoom } from './job-room.ts'

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

export interface Enqueued {
  readonly job: Job
  readonly deduplicated: boolean
}

const maxBatch = 100

const columns = jobColumns('jobs')

/**
 * Inserts jobs and their carriers, both or neither: of each owner the first ones, as many as there is room for. A job
 * is due now at the earliest, so that a time in the past does not put it before others.
 */
const insert = {
  name: 'job insert',
  text: `
    WITH asked AS (
      SELECT *, row_number() OVER (PARTITION BY owner ORDER BY place) AS place_of_owner
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::int[], $7::jsonb[], $8::text[], $9::float8[])
        WITH ORDINALITY AS asked(id, kind, owner, priority, max_attempts, timeout_seconds, input, idempotency_key, run_at_ms, place)
    ), room AS MATERIALIZED (${lockedRoom('$3', '$10', '$11')}
    ), fitting AS (
      SELECT asked.*, row_number() OVER (ORDER BY place) AS place_of_all
      FROM asked JOIN room ON room.owner = asked.owner AND place_of_owner <= room
    ), given AS (
      SELECT id, kind, owner, priority, max_attempts, timeout_seconds, input, idempotency_key, place, now() AS queued_at,
        greatest(to_timestamp(run_at_ms / 1000), now()) AS run_at, 'QUEUED' AS state, 0::float8 AS progress, 0 AS attempt,
        NULL::timestamptz AS started_at, NULL::timestamptz AS finished_at, NULL::jsonb AS failure
      FROM fitting WHERE place_of_all <= (SELECT room FROM room WHERE owner = '')
    ), taken AS (
      UPDATE finstage.job_room SET room = job_room.room - entering.count
      FROM (SELECT coalesce(owner, '') AS owner, count(*) FROM given GROUP BY ROLLUP (owner)) AS entering
      WHERE job_room.owner = entering.owner AND entering.count > 0
    )
    INSERT INTO finstage.jobs AS jobs (id, kind, owner, priority, state, max_attempts, timeout_seconds, input,
      idempotency_key, queued_at, run_at, changed_at, history, queue_job_id)
    SELECT id, kind, owner, priority, state, max_attempts, timeout_seconds, input, idempotency_key, queued_at, run_at, queued_at,
      jsonb_build_array(${historyEntry('given', '0', 'given.queued_at')}),
      ${dispatch({ id: 'given.id', kind: 'given.kind', owner: 'given.owner', priority: 'given.priority', runAt: 'given.run_at' })}
    FROM given ORDER BY place RETURNING ${columns}`,
}

type Answer = Enqueued | FinstageError

/** Queues jobs, up to the bounds on waiting jobs. Those that come at the same time are queued with one statement. */
export class JobIntake {
  readonly #pool: DatabasePool
  readonly #room: JobRoom
  readonly #enqueues: Batcher<NewJob, Answer>

  constructor(pool: DatabasePool, limits: WaitingLimits) {
    this.#pool = pool
    this.#room = new JobRoom(pool, limits)
    this.#enqueues = new Batcher(
      (jobs) => this.#enqueueAll(jobs),
      maxBatch,
      (error) => !isOutage(error),
    )
  }

  /** See JobStore.enqueue. */
  async enqueue(job: NewJob): Promise<Enqueued> {
    const answer = await this.#enqueues.add(job)
    if (answer instanceof FinstageError) throw answer
    return answer
  }

  /**
   * null: the owner has no such job that may be queued again. Returns LIMIT_EXCEEDED when there is no room, before it
   * looks for the job.
   */
  async requeue(id: string, owner: string): Promise<Job | FinstageError | null> {
    const first = await this.#requeueWithRoom(id, owner)
    if (first !== 'full') return first
    const { hasRoom, full } = await this.#room.recount([owner])
    if (!hasRoom) return full
    const second = await this.#requeueWithRoom(id, owner)
    return second === 'full' ? full : second
  }

  /** Tries jobs that found no room once more, after a recount of the waiting ones. */
  async #enqueueAll(jobs: readonly NewJob[]): Promise<Answer[]> {
    const first = await this.#enqueueWithRoom(jobs)
    const left = jobs.filter((_, i) => first[i] === null)
    if (left.length === 0) return first as Answer[]
    const { hasRoom, full } = await this.#room.recount(left.map(({ owner }) => owner))
    const second = (hasRoom ? await this.#enqueueWithRoom(left) : []).values()
    return first.map((answer) => answer ?? second.next().value ?? full)
  }

  /** null: there was no room for the job. */
  async #enqueueWithRoom(jobs: readonly NewJob[]): Promise<(Answer | null)[]> {
    const answers: (Answer | null)[] = jobs.map(() => null)
    const all = [...jobs.keys()]
    const put = async (places: readonly number[], give: (some: readonly NewJob[]) => Promise<(Answer | null)[]>) => {
      if (places.length === 0) return
      const given = await give(places.flatMap((place) => jobs[place] ?? []))
      places.forEach((place, i) => {
        answers[place] = given[i] ?? null
      })
    }
    const keys = jobs.map(({ owner, idempotencyKey }) => idempotencyKey && `${owner} ${idempotencyKey}`)
    const keyed = all.filter((place) => keys[place] !== null)
    if (keyed.length === 0) {
      await put(all, (some) => insertJobs(this.#pool, some, this.#room))
      return answers
    }
    await transaction(this.#pool, async (client) => {
      // The transaction may run again after a conflict, which rolled the earlier answers back.
      answers.fill(null)
      const find = (some: readonly NewJob[]) => findByKey(client, some)
      await put(keyed, find)
      const isFirst = (place: number): boolean => keys[place] === null || keys.indexOf(keys[place] ?? '') === place
      const unknown = all.filter((place) => answers[place] === null)
      await put(unknown.filter(isFirst), (some) => insertJobs(client, some, this.#room))
      // They get the job that was just inserted with the same key.
      await put(
        unknown.filter((place) => !isFirst(place)),
        find,
      )
    })
    return answers
  }

  #requeueWithRoom(id: string, owner: string): Promise<Job | null | 'full'> {
    const nothing = Symbol('not queued again')
    return transaction(this.#pool, async (client) => {
      if (!(await this.#room.take(client, owner))) return 'full'
      const [job = null] = await changeJobs(client, 'requeue', [{ id, owner }])
      // Rolls back, which gives the room back.
      if (!job) throw nothing
      return job
    }).catch((error: unknown) => {
      if (error === nothing) return null
      throw error
    })
  }
}

/** null: there was no room for the job. */
async function insertJobs(
  client: Pick<pg.Pool, 'query'>,
  jobs: readonly NewJob[],
  room: JobRoom,
): Promise<(Enqueued | null)[]> {
  const ids = jobs.map(() => randomUUID())
  const { rows } = await client.query<Job>({
    ...insert,
    values: [
      ids,
      jobs.map(({ kind }) => kind),
      jobs.map(({ owner }) => owner),
      jobs.map(({ priority }) => priority),
      jobs.map(({ maxAttempts }) => maxAttempts),
      jobs.map(({ timeoutSeconds }) => timeoutSeconds),
      jobs.map(({ input }) => JSON.stringify(input)),
      jobs.map(({ idempotencyKey }) => idempotencyKey),
      jobs.map(({ runAtMs }) => runAtMs),
      room.limits.ofOwner,
      room.limits.ofAll,
    ],
  })
  const inserted = new Map(rows.map((job) => [job.id, { job, deduplicated: false }]))
  return ids.map((id) => inserted.get(id) ?? null)
}

/**
 * For each of these jobs, which all have a key: the job that its owner queued with that key in the last 24 hours; null:
 * none.
 */
async function findByKey(client: pg.PoolClient, jobs: readonly NewJob[]): Promise<(Enqueued | FinstageError | null)[]> {
  const keys = jobs.map(({ owner, idempotencyKey }) => `${owner} ${idempotencyKey}`)
  // The second of two requests with the same key waits here until the first has committed.
  await client.query(
    `SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT hashtextextended(text, 0) AS key
       FROM unnest($1::text[]) AS text ORDER BY key) AS keys`,
    [keys],
  )
  const { rows } = await client.query<Job & { same: boolean; place: number }>(
    `SELECT DISTINCT ON (place) ${columns}, place::int, jobs.input = asked.input AND jobs.kind = asked.kind
       AND jobs.priority = asked.priority AND jobs.max_attempts = asked.max_attempts
       AND jobs.timeout_seconds = asked.timeout_seconds AS same
     FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::text[], $5::text[], $6::int[], $7::int[])
       WITH ORDINALITY AS asked(owner, key, input, kind, priority, max_attempts, timeout_seconds, place)
     JOIN finstage.jobs ON jobs.owner = asked.owner AND jobs.idempotency_key = asked.key
       AND jobs.queued_at > now() - interval '24 hours'
     ORDER BY place, jobs.position DESC`,
    [
      jobs.map(({ owner }) => owner),
      jobs.map(({ idempotencyKey }) => idempotencyKey),
      jobs.map(({ input }) => JSON.stringify(input)),
      jobs.map(({ kind }) => kind),
      jobs.map(({ priority }) => priority),
      jobs.map(({ maxAttempts }) => maxAttempts),
      jobs.map(({ timeoutSeconds }) => timeoutSeconds),
    ],
  )
  const known = new Map(
    rows.map(({ place, same, ...job }) => [place, same ? { job, deduplicated: true } : usedOtherwise()]),
  )
  return jobs.map((_, i) => known.get(i + 1) ?? null)
}

const usedOtherwise = (): FinstageError =>
  badInput('This idempotency key was used for a job with another input in the last 24 hours', 'idempotencyKey')
