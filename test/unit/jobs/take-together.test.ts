import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { takeTogether } from '../../../src/jobs/take-together.ts'

interface Asked {
  readonly by: 'pool' | 'client'
  readonly text: string
  readonly values: readonly unknown[]
}

const takeOne = {
  name: 'get_job/graphile_worker',
  text: 'with j as (\n  select id\n    limit 1\n    for update\n)',
  values: ['me', [7]],
}
const day = (number: number): Date => new Date(Date.UTC(2026, 0, number))

/** A pool that has so many jobs to give, and writes down what it was asked. */
function subject({ jobs, fails = false }: { jobs: { id: string; priority: number; run_at: Date }[]; fails?: boolean }) {
  const asked: Asked[] = []
  let connections = 0
  const pool = {
    async query({ text, values }: { text: string; values: unknown[] }) {
      asked.push({ by: 'pool', text, values })
      await new Promise(setImmediate)
      if (fails) throw new Error('away')
      return { rows: jobs.splice(0, Number(values.at(-1))) }
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
  const ask = async (statement: object): Promise<unknown[]> => {
    const client = await together.connect()
    try {
      return (await client.query(statement as pg.QueryConfig)).rows
    } finally {
      client.release()
    }
  }
  return { asked, together, ask, connections: () => connections }
}

test('workers that look for a job at the same time take as many as they are with one statement, each one of them', async () => {
  const jobs = [
    { id: 'late', priority: 21, run_at: day(2) },
    { id: 'early', priority: 21, run_at: day(1) },
    { id: 'urgent', priority: 3, run_at: day(3) },
  ]
  const { ask, asked } = subject({ jobs })
  const taken = await Promise.all(Array.from({ length: 4 }, () => ask(takeOne)))
  assert.deepEqual(
    taken.map((rows) => rows.map((row) => (row as { id: string }).id)),
    [['urgent'], ['early'], ['late'], []],
  )
  assert.deepEqual(asked, [
    { by: 'pool', text: takeOne.text.replace('limit 1', 'limit $3::int'), values: ['me', [7], 4] },
  ])
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
