import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Logger, run, type WorkerEvents } from 'graphile-worker'
import type pg from 'pg'
import { jobConcurrency } from '../../../src/jobs/queue/runner.ts'
import { transaction } from '../../../src/platform/database/pool.ts'
import {
  countLostByIndex,
  cronDueAtMs,
  interceptTakes,
  isTake,
  recognisedTake,
  type TakeRequest,
  unlockJobs,
} from '../../../src/store/jobs/graphile-internals.ts'
import { inTime } from '../../support/clients/client.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database/database.ts'
import { fallbackCount } from '../../support/queue/fallbacks.ts'
import { missedSchedule } from '../../support/queue/missed-schedule.ts'
import { startQueue, testTask } from '../../support/queue/queue.ts'
import { takeStatement } from '../../support/queue/take-statement.ts'

/**
 * What src/store/jobs/graphile-internals.ts relies on, checked against the installed graphile-worker. Where one of these
 * fails after an update, that file has to learn the new version; until then the program takes the library's public way.
 */
const changed = (what: string): string =>
  `graphile-worker ${what}. Change src/store/jobs/graphile-internals.ts to match the installed version, or go back to the one before`

/** The result, or a failure with this sentence and the error behind it. */
async function expected<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new assert.AssertionError({ message: `${changed(what)} (${(error as Error).message})` })
  }
}

interface QueuedJob {
  readonly id: string
  readonly lockedBy: string | null
}

/** graphile-worker jobs as its view shows them, by id. */
const shown = (database: TestDatabase): Promise<QueuedJob[]> =>
  expected('has no view jobs with id, locked_by and locked_at any more', () =>
    database.query<QueuedJob & pg.QueryResultRow>(
      'SELECT id::text, locked_by AS "lockedBy" FROM graphile_worker.jobs ORDER BY id',
    ),
  )

/** Queues jobs of these priorities for nobody, each due a minute after the one before; gives their ids. */
async function add(database: TestDatabase, priorities: readonly number[]): Promise<string[]> {
  const rows = await expected(
    'has no function add_job(identifier, payload, run_at, max_attempts, priority, flags)',
    () =>
      database.query<{ id: string }>(
        `SELECT carrier.id::text FROM unnest($1::int[]) WITH ORDINALITY AS asked(priority, place),
       graphile_worker.add_job('task', '{}', run_at => now() - interval '1 hour' + place * interval '1 minute',
         max_attempts => 9, priority => asked.priority, flags => ARRAY['ada']) AS carrier ORDER BY carrier.id`,
        [priorities],
      ),
  )
  return rows.map(({ id }) => id)
}

/** Takes jobs for a pool of this id with a statement of the installed version, as it is or rewritten. */
async function take(database: TestDatabase, pool: string, request?: Partial<TakeRequest>): Promise<string[]> {
  const statement = await takeStatement()
  const many = request && recognisedTake(statement)
  assert.ok(many !== null, changed('takes a job with another statement'))
  const text = many?.({ count: 1, oldest: 0, onlyLost: false, ...request }) ?? statement.text
  const taken = await expected(
    'no longer has _private_tasks, or refuses the statement that takes several jobs',
    async () => {
      const [task] = await database.query<{ id: number }>(
        `SELECT id FROM graphile_worker._private_tasks WHERE identifier = 'task'`,
      )
      return database.query<{ id: string }>(text, [pool, [task?.id]])
    },
  )
  return taken.map(({ id }) => id)
}

const lockedBy = async (database: TestDatabase, pool: string): Promise<string[]> =>
  (await shown(database)).filter((job) => job.lockedBy === pool).map(({ id }) => id)

test('workers take a job with the statement that is recognised and rewritten', async () => {
  const statement = await takeStatement()
  assert.ok(
    isTake(statement),
    changed(`names the statement that takes a job ${statement.name}, and no longer get_job/`),
  )
  assert.ok(recognisedTake(statement), changed(`takes a job with another statement:\n${statement.text}\n`))
})

test('workers of the queue take their jobs by one statement, through the connect() of their pool', async () => {
  await using queue = await startQueue({ tasks: [testTask(async () => {})], runs: false })
  const names: string[] = []
  const query = queue.pool.query.bind(queue.pool) as (...given: unknown[]) => Promise<unknown>
  queue.pool.query = (async (...given: unknown[]) => {
    const { name = '' } = given[0] as { name?: string }
    if (name.startsWith('finstage get_jobs')) names.push(name)
    return query(...given)
  }) as typeof queue.pool.query
  const jobs = await Promise.all(Array.from({ length: jobConcurrency }, () => queue.enqueue()))
  await queue.runner.start()
  await expected('hands out no jobs where another statement answers', () =>
    Promise.all(jobs.map(({ id }) => queue.ended(id))),
  )
  assert.equal(await fallbackCount(queue), 0, changed('hands jobs to workers past the statement that is rewritten'))
  assert.ok(
    names.some((name) => name.startsWith(`finstage get_jobs ${jobConcurrency} `)),
    changed(`no longer lets idle workers look for jobs at the same time through connect() of their pool: ${names}`),
  )
})

test('the rewritten statement takes the most urgent jobs first, and as many of the oldest as it is told', async () => {
  await using database = await createTestDatabase()
  const [oldest, , urgent, next] = await add(database, [30, 30, 3, 12, 21])
  assert.deepEqual((await take(database, 'pool 1', { count: 3, oldest: 1 })).toSorted(), [oldest, urgent, next])
  assert.deepEqual(await lockedBy(database, 'pool 1'), [oldest, urgent, next], changed('no longer locks what it takes'))
})

test('the rewritten statement takes only jobs of lost workers where it is told to', async () => {
  await using database = await createTestDatabase()
  const [, lost] = await add(database, [3, -7, 12])
  assert.deepEqual(await take(database, 'pool 1', { count: 3, onlyLost: true }), [lost])
})

test('jobs of lost workers are counted by an index', async () => {
  await using queue = await startQueue({ tasks: [], runs: false })
  const { database } = queue
  await add(database, [-7, -9, 3])
  await take(database, 'pool 1')
  const what = 'no longer keeps is_available, priority and run_at in _private_jobs, and identifier in _private_tasks'
  assert.equal(await expected(what, () => countLostByIndex(queue.pool, ['task'])), 1)
  assert.equal(await countLostByIndex(queue.pool, ['other']), 0)
  const plan = await transaction(queue.pool, async (client) => {
    await client.query('SET LOCAL enable_seqscan = off')
    return client.query(
      'EXPLAIN SELECT FROM graphile_worker._private_jobs WHERE is_available = true AND priority < 0 AND run_at <= now()',
    )
  })
  const lines = JSON.stringify(plan.rows)
  assert.match(
    lines,
    /Index Cond: \(\(priority < 0\) AND \(run_at <= now\(\)\)\)/,
    changed('has no index of waiting jobs by priority and time any more'),
  )
})

test('some of the jobs that a pool holds can be unlocked', async () => {
  await using queue = await startQueue({ tasks: [], runs: false })
  const { database } = queue
  const [first = '', second = ''] = await add(database, [3, 3])
  for (let i = 0; i < 2; i++) await take(database, 'pool 1')
  const what = 'no longer keeps locked_by and locked_at in _private_jobs'
  await expected(what, () => unlockJobs(queue.pool, 'pool 1', [first]))
  await unlockJobs(queue.pool, 'pool 2', [second])
  assert.deepEqual(await lockedBy(database, 'pool 1'), [second], changed(what))
  assert.deepEqual(await take(database, 'pool 2'), [first], changed('keeps an unlocked job from being taken'))
})

test('a scheduled job says when it was due', async () => {
  await using database = await createTestDatabase()
  const { schedule, dueAtMs, ran } = await expected(
    'remembers in another table when a schedule ran last, which this test sets',
    () => missedSchedule(database),
  )
  await using _queue = await startQueue({ tasks: [], schedules: [schedule], database })
  const dueMs = await expected('no longer makes up for runs that were missed', () => inTime(ran, 'the run'))
  assert.equal(dueMs, dueAtMs, changed('no longer says in _cron.ts when a scheduled job was due'))
})

test('a scheduled job that does not say when it was due counts as due when it was queued', () => {
  const created = new Date('2026-03-02T10:00:00Z')
  assert.equal(cronDueAtMs({ _cron: { ts: '2026-03-01T10:00:00Z' } }, created), Date.parse('2026-03-01T10:00:00Z'))
  // Queued by hand.
  for (const empty of [{}, null]) assert.equal(cronDueAtMs(empty, created), created.getTime())
  for (const other of [{ _cron: { due: 'x' } }, { _cron: { ts: 'soon' } }, { cron: { ts: '2026' } }]) {
    assert.equal(cronDueAtMs(other, created), null)
  }
})

test('a worker pool tells its id, and waits for the hook of each worker, before that worker looks for a job', async () => {
  await using queue = await startQueue({ tasks: [], runs: false })
  const order: string[] = []
  const events = new EventEmitter() as WorkerEvents
  events.on('pool:create', ({ workerPool }) => order.push(`id ${workerPool.id !== ''}`))
  const asked = Promise.withResolvers<void>()
  const startWorker = async (): Promise<void> => {
    order.push('hook begins')
    await sleep(50)
    order.push('hook ends')
  }
  const worker = await run({
    pgPool: interceptTakes(queue.pool, async () => {
      order.push('take')
      asked.resolve()
      return { rows: [] }
    }),
    ...{ concurrency: 1, noHandleSignals: true, events, taskList: { task: () => {} }, parsedCronItems: [] },
    logger: new Logger(() => () => {}),
    preset: { plugins: [{ name: 'test', version: '0.0.0', worker: { hooks: { startWorker } } }] },
  })
  await expected('looks for jobs by another statement or another way', () => inTime(asked.promise, 'a take'))
  await worker.stop()
  assert.deepEqual(
    order.slice(0, 4),
    ['id true', 'hook begins', 'hook ends', 'take'],
    changed('no longer tells the id of a pool in pool:create, or waits for startWorker, before a worker takes a job'),
  )
})

test('a pool is known by its id before it runs a job, and locks its jobs in the name of that', async () => {
  const seen: unknown[] = []
  const task = testTask(async () => {
    const workers = await queue.database.query<{ id: string }>('SELECT id FROM finstage.workers')
    const [job] = await shown(queue.database)
    seen.push(workers.length, job?.lockedBy === workers[0]?.id && job?.lockedBy !== '')
  })
  await using queue = await startQueue({ tasks: [task], runs: false })
  const { id } = await queue.enqueue()
  await queue.runner.start()
  await expected('hands out no jobs', () => queue.ended(id))
  assert.deepEqual(
    seen,
    [1, true],
    changed(
      'no longer gives the id of a pool in pool:create, calls startWorker before a take, or locks jobs by that id',
    ),
  )
})

test('the public functions pass over locked jobs, and unlock those of a pool alone', async () => {
  await using database = await createTestDatabase()
  const [held, other, free] = await add(database, [3, 3, 21])
  await take(database, 'pool 1')
  await take(database, 'pool 2')
  const all = [held, other, free]
  await database.query('SELECT graphile_worker.reschedule_jobs($1::bigint[], priority => 12)', [all])
  const priorities = await database.query<{ priority: number }>('SELECT priority FROM graphile_worker.jobs ORDER BY id')
  assert.deepEqual(
    priorities.map(({ priority }) => priority),
    [3, 3, 12],
    changed('reschedules locked jobs, or no others'),
  )
  await database.query('SELECT graphile_worker.complete_jobs($1::bigint[])', [all])
  const left = (await shown(database)).map(({ id }) => id)
  assert.deepEqual(left, [held, other], changed('completes locked jobs from outside, or no others'))
  await database.query(`SELECT graphile_worker.force_unlock_workers(ARRAY['pool 1'])`)
  const locks = (await shown(database)).map((job) => job.lockedBy)
  assert.deepEqual(locks, [null, 'pool 2'], changed('unlocks jobs of other pools by force_unlock_workers, or not all'))
})
