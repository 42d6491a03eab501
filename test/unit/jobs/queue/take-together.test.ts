import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { takeTogether } from '../../../../src/jobs/queue/take-together.ts'

interface Asked {
  readonly by: 'pool' | 'client'
  readonly text: string
  readonly values: readonly unknown[]
}

/** In the words of graphile-worker 0.18, with the places that matter. */
const takeOne = {
  name: 'get_job/graphile_worker',
  text: `with j as (
  select jobs.job_queue_id, jobs.priority, jobs.run_at, jobs.id
    from "graphile_worker"._private_jobs as jobs
    where jobs.is_available = true
    order by priority asc, run_at asc
    limit 1
    for update
    skip locked
),
q as (
  update queues
)
  update jobs from j returning *`,
  values: ['me', [7]],
}

/** How many jobs a statement takes for having waited longest. */
const oldestOf = (statement: Asked | undefined): number =>
  Number(/order by run_at asc limit (\d+)/.exec(statement?.text ?? '')?.[1] ?? 0)

/** A pool that has so many jobs to give, and writes down what it was asked. */
function subject({ jobs, fails = false }: { jobs: object[]; fails?: boolean }) {
  const asked: Asked[] = []
  let connections = 0
  const pool = {
    async query({ text, values }: { text: string; values: unknown[] }) {
      asked.push({ by: 'pool', text, values })
      await new Promise(setImmediate)
      if (fails) throw new Error('away')
      return { rows: jobs.splice(0, Number([...text.matchAll(/limit (\d+)$/gm)].at(-1)?.[1])) }
    },
    async connect() {
      connections += 1
      const query = async (statement: { text: string; values: unknown[] }) => {
        asked.push({ by: 'client', ...statement })
        return { rows: ['one'] }
      }
      return { query, release: () => connections-- }
    },
    totalCount: 3,
  }
  const together = takeTogether(pool as unknown as pg.Pool)
  /** As graphile-worker does it. */
  const asking =
    (from: pg.Pool) =>
    async (statement: object): Promise<unknown[]> => {
      const client = await from.connect()
      try {
        return (await client.query(statement as pg.QueryConfig)).rows
      } finally {
        client.release()
      }
    }
  const lost = takeTogether(pool as unknown as pg.Pool, { onlyLost: true })
  return { asked, together, ask: asking(together), askLost: asking(lost), connections: () => connections }
}

test('workers that look for a job at the same time take as many as they are with one statement, each one of them', async () => {
  const jobs = ['a', 'b', 'c'].map((id) => ({ id }))
  const { ask, asked } = subject({ jobs })
  const taken = await Promise.all(Array.from({ length: 4 }, () => ask(takeOne)))
  assert.deepEqual(taken, [[{ id: 'a' }], [{ id: 'b' }], [{ id: 'c' }], []])
  const [{ by, text, values } = assert.fail(), ...others] = asked
  assert.deepEqual([by, values, others], ['pool', ['me', [7]], []])
  assert.match(text, /limit 4$/m)
})

test('of the places that were filled, one by one or together, every fourth is asked for the oldest job', async () => {
  const jobs = Array.from({ length: 100 }, (_, id) => ({ id }))
  const { ask, asked } = subject({ jobs })
  const oldest: unknown[] = []
  for (const count of [1, 1, 1, 1, 3, 1, 16, 5, 5]) {
    await Promise.all(Array.from({ length: count }, () => ask(takeOne)))
    oldest.push(oldestOf(asked.at(-1)))
  }
  assert.deepEqual(oldest, [0, 0, 0, 1, 0, 1, 4, 1, 1])
})

test('places that stay empty do not count', async () => {
  const { ask, asked } = subject({ jobs: [] })
  for (let i = 0; i < 9; i++) await ask(takeOne)
  assert.deepEqual(
    asked.map(oldestOf),
    Array.from({ length: 9 }, () => 0),
  )
})

test('what takes only the jobs of lost workers takes no others, and none for having waited', async () => {
  const { asked, askLost } = subject({ jobs: [] })
  await Promise.all(Array.from({ length: 8 }, () => askLost(takeOne)))
  assert.equal(oldestOf(asked[0]), 0)
  assert.match(asked[0]?.text ?? '', /jobs\.priority < 0/)
})

test('where the statement fails, each of them is told', async () => {
  const { ask } = subject({ jobs: [], fails: true })
  const asked = Array.from({ length: 3 }, () => assert.rejects(ask(takeOne), /away/))
  await Promise.all(asked)
})

test('every other statement has a connection of its own, which is given back', async () => {
  const { ask, asked, connections, together } = subject({ jobs: [] })
  const others = [
    { name: 'complete_job/graphile_worker', text: 'delete limit 1', values: [1] },
    // Should another version of graphile-worker say it in other words.
    { ...takeOne, text: 'select 1' },
  ]
  for (const other of others) assert.deepEqual(await ask(other), ['one'])
  assert.deepEqual(
    asked.map(({ by }) => by),
    ['client', 'client'],
  )
  assert.equal(connections(), 0)
  assert.equal(together.totalCount, 3)
})
