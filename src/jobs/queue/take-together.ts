import type pg from 'pg'
import { Batcher } from '../../platform/batcher.ts'
import { waitingNumbers } from '../../store/jobs/job-dispatch.ts'

interface Statement {
  readonly name?: string
  readonly text: string
  readonly values: readonly unknown[]
}

const maxAtOnce = 100
/** Of so many places that are filled, one gets the job that has waited longest. */
const oldestEvery = 4
/** So many more are looked at for it than are taken: other workers may be about to take some. */
const spareCandidates = 16
/** How graphile-worker names the statement with which one of its workers takes one job, and its parts. */
const takesOne = /^get_job\//
const shape = /^with j as \(\n\s*(?<select>select[\s\S]*?)\n\)(?<rest>,\nq as \([\s\S]*)$/
const first = /^ *order by priority asc, run_at asc\s+limit 1$/m
const table = /^ *from (?<jobs>\S+) as jobs$/m

export interface TakeOptions {
  /** Takes only what lost workers held. */
  readonly onlyLost?: boolean
}

/**
 * A pool for graphile-worker in which those of its workers that look for a job at the same time do so with one statement. Only
 * as many jobs are taken as there are workers with nothing to do: none waits in this process, where a more urgent one that
 * comes later could not go first, as it would in graphile-worker's own local queue.
 *
 * Every fourth place gets the job that has been due for longest, whatever its priority: so none waits for ever, however many
 * urgent ones come.
 */
export function takeTogether(pool: pg.Pool, { onlyLost = false }: TakeOptions = {}): pg.Pool {
  /** How many places were filled since one got the job that had waited longest. */
  let sinceOldest = 0
  const takers = new Batcher<Statement, { rows: unknown[] }>(async (asked) => {
    const [{ text, values } = { text: '', values: [] }] = asked
    const oldest = onlyLost ? 0 : Math.floor((sinceOldest + asked.length) / oldestEvery)
    // How many are taken stands in the text, so that Postgres plans for it, and plans once.
    const { rows } = await pool.query({
      name: `finstage get_jobs ${asked.length} ${oldest}${onlyLost ? ' lost' : ''}`,
      text: takesMany(text, asked.length, oldest, onlyLost ? 'and jobs.priority < 0' : ''),
      values: [...values],
    })
    sinceOldest = (sinceOldest + rows.length) % oldestEvery
    return asked.map((_, i) => ({ rows: rows.slice(i, i + 1) }))
  }, maxAtOnce)

  const connect = (callback?: (...args: never[]) => void): unknown => {
    if (callback) return pool.connect(callback as Parameters<pg.Pool['connect']>[0])
    let client: Promise<pg.PoolClient> | undefined
    return Promise.resolve({
      async query(statement: Statement, values?: unknown[]) {
        if (takesOne.test(statement.name ?? '')) {
          if (isKnown(statement.text)) return takers.add(statement)
          if (onlyLost) return { rows: [] }
        }
        client ??= pool.connect()
        return (await client).query(statement as pg.QueryConfig, values)
      },
      async release() {
        await client?.then(
          (connected) => connected.release(),
          () => {},
        )
      },
    })
  }
  return new Proxy(pool, {
    get(target, property) {
      if (property === 'connect') return connect
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const isKnown = (text: string): boolean => {
  const select = shape.exec(text)?.groups?.select ?? ''
  return first.test(select) && table.test(select)
}

/**
 * graphile-worker's statement for so many jobs, and some of them for having waited longest. Its index is by priority, so each number
 * that there is gives its first ones, and the oldest of those are taken.
 */
function takesMany(text: string, count: number, oldest: number, condition: string): string {
  const { select = '', rest = '' } = shape.exec(text)?.groups ?? {}
  const by = (order: string): string => select.replace(first, () => order)
  const mostUrgent = 'order by priority asc, run_at asc limit'
  if (oldest === 0) return `with j as (\n${by(`${condition} ${mostUrgent} ${count}`)}\n)${rest}`
  const jobs = table.exec(select)?.groups?.jobs ?? ''
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
