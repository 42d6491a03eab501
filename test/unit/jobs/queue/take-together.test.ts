import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { JobTaker } from '../../../../src/jobs/queue/take-together.ts'
import type { LibraryFallbacks } from '../../../../src/platform/library-fallbacks.ts'
import { takeStatement } from '../../../support/queue/take-statement.ts'

interface Asked {
  readonly by: 'pool' | 'client'
  readonly text: string
  readonly values: readonly unknown[]
}

const takeOne = await takeStatement()

/** How many jobs a statement takes for having waited longest. */
const oldestOf = (statement: Asked | undefined): number =>
  Number(/order by run_at asc limit (\d+)/.exec(statement?.text ?? '')?.[1] ?? 0)

interface SubjectOptions {
  readonly jobs: object[]
  readonly fails?: Error & { code?: string }
}

/** A pool that has so many jobs to give, and writes down what it was asked. */
function subject({ jobs, fails }: SubjectOptions) {
  const asked: Asked[] = []
  const reported: string[] = []
  let connections = 0
  const pool = {
    async query({ text, values }: { text: string; values: unknown[] }) {
      asked.push({ by: 'pool', text, values })
      await new Promise(setImmediate)
      if (fails && text !== takeOne.text) throw fails
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
  const fallbacks = { report: (_: string, what: string) => reported.push(what) } as unknown as LibraryFallbacks
  const takerOf = (onlyLost: boolean) => new JobTaker({ pool: pool as unknown as pg.Pool, onlyLost, fallbacks })
  const [taker, lost] = [takerOf(false), takerOf(true)]
  /** As graphile-worker does it. */
  const asking =
    ({ pool: from }: JobTaker) =>
    async (statement: object): Promise<unknown[]> => {
      const client = await from.connect()
      try {
        return (await client.query(statement as pg.QueryConfig)).rows
      } finally {
        client.release()
      }
    }
  return { asked, reported, taker, ask: asking(taker), askLost: asking(lost), connections: () => connections }
}

test('workers that look for a job at the same time take as many as they are with one statement, each one of them', async () => {
  const jobs = ['a', 'b', 'c'].map((id) => ({ id }))
  const { ask, asked } = subject({ jobs })
  const taken = await Promise.all(Array.from({ length: 4 }, () => ask(takeOne)))
  assert.deepEqual(taken, [[{ id: 'a' }], [{ id: 'b' }], [{ id: 'c' }], []])
  const [{ by, text, values } = assert.fail(), ...others] = asked
  assert.deepEqual([by, values, others], ['pool', takeOne.values, []])
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
  const { ask, reported } = subject({ jobs: [], fails: new Error('away') })
  const asked = Array.from({ length: 3 }, () => assert.rejects(ask(takeOne), /away/))
  await Promise.all(asked)
  assert.deepEqual(reported, [])
})

test('every other statement has a connection of its own, which is given back', async () => {
  const { ask, asked, connections, taker, reported } = subject({ jobs: [] })
  const other = { name: 'complete_job/graphile_worker', text: 'delete limit 1', values: [1] }
  assert.deepEqual(await ask(other), ['one'])
  assert.deepEqual(asked, [{ by: 'client', ...other }])
  assert.deepEqual([connections(), taker.pool.totalCount, reported, taker.isRecognised], [0, 3, [], undefined])
})

const otherVersions = {
  'another order': { ...takeOne, text: takeOne.text.replace('order by priority asc', 'order by jobs.priority asc') },
  'another condition of what may be taken': {
    ...takeOne,
    text: takeOne.text.replace('is_available = true', 'is_free'),
  },
  'another value': { ...takeOne, values: [...takeOne.values, 'now'] },
}

for (const [name, other] of Object.entries(otherVersions)) {
  test(`a statement with ${name} is not recognised: each worker sends it on as it is, and that is reported`, async () => {
    const { ask, askLost, asked, connections, reported, taker } = subject({ jobs: [] })
    assert.notDeepEqual(other, takeOne)
    assert.deepEqual(await Promise.all([ask(other), ask(other)]), [['one'], ['one']])
    assert.deepEqual(asked, [
      { by: 'client', ...other },
      { by: 'client', ...other },
    ])
    assert.deepEqual([connections(), taker.isRecognised, reported.length], [0, false, 2])
    // It would take any job, not only those of lost workers.
    assert.deepEqual(await askLost(other), [])
    assert.equal(asked.length, 2)
  })
}

test('where Postgres does not know what our statement names, the workers that wait get a job each by their own, and from then on', async () => {
  const fails = Object.assign(new Error('column "is_available" does not exist'), { code: '42703' })
  const jobs = ['a', 'b'].map((id) => ({ id }))
  const { ask, asked, reported, taker } = subject({ jobs, fails })
  assert.deepEqual(await Promise.all([ask(takeOne), ask(takeOne)]), [[{ id: 'a' }], [{ id: 'b' }]])
  assert.deepEqual(await ask(takeOne), ['one'])
  assert.deepEqual(
    asked.map(({ by, text }) => [by, text === takeOne.text]),
    [
      ['pool', false],
      ['pool', true],
      ['pool', true],
      ['client', true],
    ],
  )
  assert.deepEqual([taker.isRecognised, reported.length], [false, 2])
})

test('a worker that was given a job by a statement of another name is reported', () => {
  const { taker, reported } = subject({ jobs: [] })
  taker.onJob()
  assert.equal(reported.length, 1)
})

test('a worker that was given a job by the statement that is recognised is not', async () => {
  const { taker, ask, reported } = subject({ jobs: [{ id: 'a' }] })
  await ask(takeOne)
  taker.onJob()
  assert.deepEqual([taker.isRecognised, reported], [true, []])
})
