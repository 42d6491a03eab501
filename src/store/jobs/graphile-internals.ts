import type pg from 'pg'
import { waitingNumbers } from './job-dispatch.ts'

/**
 * The only file that relies on graphile-worker's internals. They may change in a patch release
 * (https://worker.graphile.org/docs/schema), so package.json pins the version, and `graphile-internals.test.ts` checks
 * each of them against the installed library. At run time the program does without an internal that it no longer
 * recognises: it takes the public way and reports that to LibraryFallbacks. No public function of 0.18 does as well.
 *
 * 1. One statement takes jobs for all idle workers, and every fourth place takes the job that is due for longest.
 *    Relies on: the workers' statement, with a name that begins with `get_job/`, the text in `recognisedTake` and two values (the
 *    pool's id, the ids of tasks); workers that call `connect()` of the pool, then `query` with an object; the columns `id`,
 *    `is_available`, `priority`, `run_at` and `task_id` of `_private_jobs`, and an index by priority and time.
 *    Public way: each worker takes one job with graphile-worker's own statement. (Its `localQueue` fetches several, but they wait
 *    in the process, where a more urgent job can't overtake them.)
 *    Costs: one statement a job; no job goes first for having waited; no extra pool for lost jobs, which wait for a free place.
 * 2. Counting jobs of lost workers every second.
 *    Relies on: `_private_jobs.is_available`, `priority`, `run_at` and `task_id`; `_private_tasks.id` and `identifier`.
 *    Public way: the view `jobs`, which does not show the indexed column. Costs: it reads the whole queue.
 * 3. Unlocking a job that a pool holds without running it.
 *    Relies on: `_private_jobs.id`, `locked_at` and `locked_by`.
 *    Public way: `force_unlock_workers`, for all jobs of a pool together. Costs: the pool is replaced, and the job waits until all
 *    that the pool runs has ended.
 * 4. When a scheduled job was due.
 *    Relies on: `_cron.ts` in the payload. Public way: the job's `created_at`. Costs: a run that is made up for counts as due when
 *    it was queued.
 *
 * Documented, but checked by the same test, since jobs would be lost or run twice without it: the event `pool:create`
 * gives the pool's id, and the hook `startWorker` runs, before a worker takes a job; `locked_by` in the view `jobs` is
 * the pool's id; `complete_jobs` and `reschedule_jobs` pass over locked jobs; `force_unlock_workers` unlocks all jobs
 * of a pool and no others.
 *
 * migrations/000004 and 000006 update `_private_jobs` too: once, in databases of earlier versions of this program, and
 * before graphile-worker's own migrations. They find the tables that those versions left.
 */

/** A statement as graphile-worker hands it to a client. */
export interface WorkerStatement {
  readonly name?: string
  readonly text: string
  readonly values: readonly unknown[]
}

/** How many jobs to take with one statement. */
export interface TakeRequest {
  readonly count: number
  /** How many of them are those that have been due for longest, whatever their priority. */
  readonly oldest: number
  /** Takes only jobs of lost workers: those with a priority below 0. */
  readonly onlyLost: boolean
}

/** Writes graphile-worker's statement for one job anew, for several. */
export type TakeMany = (request: TakeRequest) => string

const takeName = /^get_job\//
const shape = /^with j as \(\n\s*(?<select>select[\s\S]*?)\n\)(?<rest>,\nq as \([\s\S]*)$/
const orderOfOne = /^ *order by priority asc, run_at asc\s+limit 1$/m
const jobsTable = /^ *from (?<jobs>\S+) as jobs$/m
const conditions = [/\bjobs\.is_available = true$/m, /\brun_at <= now\(\)$/m, /\btask_id = any\(\$2::int\[\]\)$/m]
/** More candidates are read than are taken: other workers may be taking some of them. */
const spareCandidates = 16

/** Whether a worker asks for a job with this statement, as far as its name tells. */
export const isTake = ({ name = '' }: WorkerStatement): boolean => takeName.test(name)

/** null: this is not the statement that graphile-worker 0.18 takes a job with. */
export function recognisedTake({ text, values }: WorkerStatement): TakeMany | null {
  const { select = '', rest = '' } = shape.exec(text)?.groups ?? {}
  const { jobs } = jobsTable.exec(select)?.groups ?? {}
  const isKnown = values.length === 2 && orderOfOne.test(select) && conditions.every((part) => part.test(select))
  if (jobs === undefined || !isKnown) return null
  return (request) => takeMany({ select, rest, jobs }, request)
}

/**
 * graphile-worker's index is by priority and time. So the jobs that are due for longest are found by reading the first
 * ones of each priority number.
 */
function takeMany(
  { select, rest, jobs }: { select: string; rest: string; jobs: string },
  { count, oldest, onlyLost }: TakeRequest,
): string {
  const by = (order: string): string => select.replace(orderOfOne, () => order)
  const mostUrgent = 'order by priority asc, run_at asc limit'
  const condition = onlyLost ? 'and jobs.priority < 0' : ''
  if (oldest === 0) return `with j as (\n${by(`${condition} ${mostUrgent} ${count}`)}\n)${rest}`
  const candidates = `
    select candidate.id from unnest(array[${waitingNumbers.join()}]) as number cross join lateral (
      select queued.id, queued.run_at from ${jobs} as queued
      where queued.is_available = true and queued.priority = number and queued.run_at <= now() and queued.task_id = any($2::int[])
      order by queued.run_at limit ${oldest + spareCandidates}
    ) as candidate order by candidate.run_at limit ${oldest + spareCandidates}`
  return `\
with oldest as materialized (
  ${by(`and jobs.id = any(array(${candidates})) order by run_at asc limit ${oldest}`)}
), urgent as materialized (
  select * from (
    ${by(`and jobs.id <> all(array(select id from oldest)) ${mostUrgent} ${count} - (select count(*) from oldest)`)}
  ) as urgent limit ${count}
), j as (
  select * from oldest union all select * from urgent
)${rest}`
}

/**
 * A pool for graphile-worker whose workers' statements pass `onTake` first. A promise from it answers the worker;
 * undefined sends the statement on as it is.
 */
export function interceptTakes(
  pool: pg.Pool,
  onTake: (statement: WorkerStatement) => Promise<{ rows: unknown[] }> | undefined,
): pg.Pool {
  /** Takes a connection only for a statement that is sent on. */
  const lazyClient = () => {
    let client: Promise<pg.PoolClient> | undefined
    return {
      async query(statement: WorkerStatement, values?: unknown[]) {
        const answer = isTake(statement) ? onTake(statement) : undefined
        if (answer) return answer
        client ??= pool.connect()
        return (await client).query(statement as pg.QueryConfig, values)
      },
      async release() {
        await client?.then(
          (connected) => connected.release(),
          () => {},
        )
      },
    }
  }
  // With a callback graphile-worker connects to LISTEN, which needs the connection itself.
  const connect = (callback?: Parameters<pg.Pool['connect']>[0]): unknown =>
    callback ? pool.connect(callback) : Promise.resolve(lazyClient())
  return new Proxy(pool, {
    get(target, property) {
      if (property === 'connect') return connect
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/**
 * Whether Postgres refuses a statement for a table, column or function that is not there, or that it may not touch
 * (class 42).
 */
export const isUnknownToPostgres = (error: unknown): boolean =>
  typeof (error as { code?: unknown } | null)?.code === 'string' && /^42/.test((error as { code: string }).code)

type Queryable = Pick<pg.Pool, 'query'>

/** How many jobs of lost workers are due and wait. Throws isUnknownToPostgres where the tables are not as above. */
export async function countLostByIndex(pool: Queryable, tasks: readonly string[]): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `SELECT count(*)::int FROM graphile_worker._private_jobs AS jobs
     JOIN graphile_worker._private_tasks AS tasks ON tasks.id = jobs.task_id
     WHERE jobs.is_available = true AND jobs.priority < 0 AND jobs.run_at <= now() AND tasks.identifier = ANY($1)`,
    [tasks],
  )
  return rows[0]?.count ?? 0
}

/** Unlocks some of the jobs that a pool holds. Throws isUnknownToPostgres where the table is not as above. */
export async function unlockJobs(pool: Queryable, worker: string, ids: readonly string[]): Promise<void> {
  await pool.query(
    `UPDATE graphile_worker._private_jobs SET locked_at = NULL, locked_by = NULL
     WHERE locked_by = $1 AND id = ANY($2::bigint[])`,
    [worker, ids],
  )
}

/**
 * When a crontab job was due, in epoch milliseconds. null: its payload does not say so as graphile-worker 0.18 does. A
 * job that somebody queued by hand, with an empty payload, is due when it was created.
 */
export function cronDueAtMs(payload: unknown, createdAt: Date): number | null {
  const { _cron: cron } = (payload ?? {}) as { _cron?: { ts?: unknown } }
  const dueAtMs = typeof cron?.ts === 'string' ? Date.parse(cron.ts) : Number.NaN
  if (!Number.isNaN(dueAtMs)) return dueAtMs
  return Object.keys(payload ?? {}).length === 0 ? createdAt.getTime() : null
}
