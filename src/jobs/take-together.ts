import type pg from 'pg'
import { Batcher } from '../platform/batcher.ts'

interface Statement {
  readonly name?: string
  readonly text: string
  readonly values: readonly unknown[]
}

interface TakenJob {
  readonly priority: number
  readonly run_at: Date
}

const maxAtOnce = 100
/** How graphile-worker names the statement with which one of its workers takes one job, and where that says so. */
const takesOne = /^get_job\//
const oneRow = /^( *)limit 1$/m

/**
 * A pool for graphile-worker in which those of its workers that look for a job at the same time do so with one statement. Only
 * as many jobs are taken as there are workers with nothing to do: none waits in this process, where a more urgent one that
 * comes later could not go first, as it would in graphile-worker's own local queue.
 */
export function takeTogether(pool: pg.Pool): pg.Pool {
  const takers = new Batcher<Statement, { rows: TakenJob[] }>(async (asked) => {
    const [{ text, values } = { text: '', values: [] }] = asked
    const { rows } = await pool.query<TakenJob>({
      name: 'finstage get_jobs',
      text: text.replace(oneRow, `$1limit $${values.length + 1}::int`),
      values: [...values, asked.length],
    })
    rows.sort((a, b) => a.priority - b.priority || a.run_at.getTime() - b.run_at.getTime())
    return asked.map((_, i) => ({ rows: rows.slice(i, i + 1) }))
  }, maxAtOnce)

  const connect = (callback?: (...args: never[]) => void): unknown => {
    if (callback) return pool.connect(callback as Parameters<pg.Pool['connect']>[0])
    let client: Promise<pg.PoolClient> | undefined
    return Promise.resolve({
      async query(statement: Statement, values?: unknown[]) {
        if (takesOne.test(statement.name ?? '') && oneRow.test(statement.text)) return takers.add(statement)
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
