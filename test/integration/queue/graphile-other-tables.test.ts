import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeGraphileWorker } from '../../support/queue/changed-graphile.ts'

/** Other names of private tables, of the statement that takes a job, and of the time a scheduled job was due. */
const missing = changeGraphileWorker({
  _private_jobs: '_hidden_jobs',
  _private_tasks: '_hidden_tasks',
  get_job$: 'take_job$',
  '_cron: {': '_due: {',
})
const { startQueue, testTask, untilAborted } = await import('../../support/queue/queue.ts')
const { createTestDatabase } = await import('../../support/database/database.ts')
const { eventually } = await import('../../support/clients/client.ts')
const { fallbackCount, keptLog } = await import('../../support/queue/fallbacks.ts')
const { missedSchedule } = await import('../../support/queue/missed-schedule.ts')
const { silentLog } = await import('../../support/log.ts')
const { jobConcurrency } = await import('../../../src/jobs/queue/runner.ts')
const { createPool } = await import('../../../src/platform/database/pool.ts')
const { migrate } = await import('../../../src/store/migrations.ts')

const hourMs = 3_600_000

/** A database with the tables of the changed graphile-worker. */
async function changedDatabase() {
  const database = await createTestDatabase({ empty: true })
  const pool = createPool(database.url, silentLog, { max: 2 })
  await migrate(pool, silentLog)
  await pool.end()
  assert.deepEqual(missing(), [])
  return database
}

test('where graphile-worker has other private tables, all jobs are run, once, also one that its pool holds without knowing and one that was lost, which is told once in the log for each and counted', async () => {
  await using database = await changedDatabase()
  const beganMs = Date.now()
  const { schedule, dues } = await missedSchedule(database)
  const runs = new Map<string, number>()
  const held = Promise.withResolvers<void>()
  const task = testTask(async ({ holds }, { jobId, signal }) => {
    runs.set(jobId, (runs.get(jobId) ?? 0) + 1)
    if (holds) await Promise.race([held.promise, untilAborted(signal)])
  })
  const { log, warnings } = keptLog()
  await using queue = await startQueue({ tasks: [task], schedules: [schedule], database, log })
  const jobs = await Promise.all(Array.from({ length: 200 }, () => queue.enqueue()))
  // Runs while the pool that holds it is replaced.
  const running = await queue.enqueue({ input: { holds: true } })
  await eventually(() => runs.has(running.id), 'the beginning')
  const [worker] = await database.query<{ id: string }>('SELECT id FROM finstage.workers')
  const [orphan, lost] = [
    await queue.enqueue({ runAtMs: Date.now() + hourMs }),
    await queue.enqueue({ runAtMs: Date.now() + hourMs }),
  ]
  const lock = (id: string, by: string | undefined) =>
    database.query(
      `UPDATE graphile_worker._hidden_jobs SET locked_by = $2, locked_at = now() - interval '5 s', run_at = now() WHERE payload ->> 'jobId' = $1`,
      [id, by],
    )
  await lock(orphan.id, worker?.id)
  await lock(lost.id, 'dead')
  await queue.workers.beat(['dead'])

  await eventually(
    async () => (await database.query('SELECT FROM finstage.workers WHERE id <> $1', [worker?.id])).length > 0,
    'another pool in place of the one that holds a job without knowing',
    30_000,
  )
  held.resolve()
  await database.query(`SELECT graphile_worker.add_job('nobody', priority => -9)`)
  assert.deepEqual([await queue.workers.lostJobs(['nobody']), await queue.workers.lostJobs(['ANALYSIS'])], [1, 0])
  for (const { id } of [...jobs, running, orphan, lost]) assert.equal((await queue.ended(id)).state, 'SUCCEEDED')
  assert.deepEqual([runs.size, new Set(runs.values())], [jobs.length + 3, new Set([1])])
  await eventually(
    async () => (await database.query('SELECT FROM graphile_worker.jobs')).length === 1,
    'an empty queue but for the job that nobody runs',
  )
  assert.equal(dues.length, 1)
  assert.ok((dues[0] ?? 0) >= beganMs, 'due when it was queued')
  assert.ok((await fallbackCount(queue)) > 0)
  const told = warnings
    .filter((warning) => warning.startsWith('graphile-worker'))
    .map((warning) => warning.slice(0, 55))
  assert.deepEqual(told.length, new Set(told).size, told.join('\n'))
  assert.deepEqual(told.toSorted(), [
    'graphile-worker no longer has the columns by which jobs',
    'graphile-worker no longer has the columns by which one ',
    'graphile-worker no longer says when a scheduled job was',
    'graphile-worker takes jobs with a statement that is not',
  ])
})

test('a job of a lost worker that finds no place waits for one, and no second pool takes other jobs beside it', async () => {
  await using database = await changedDatabase()
  const ends: (() => void)[] = []
  let running = 0
  const task = testTask(async () => {
    running += 1
    const hold = Promise.withResolvers<void>()
    ends.push(hold.resolve)
    await hold.promise
    running -= 1
  })
  await using queue = await startQueue({ tasks: [task], database })
  const jobs = await Promise.all(Array.from({ length: jobConcurrency + 2 }, () => queue.enqueue()))
  await eventually(() => running === jobConcurrency, 'all places taken')
  await database.query('UPDATE graphile_worker._hidden_jobs SET priority = -9 WHERE locked_by IS NULL')
  const beat = async (): Promise<number> =>
    Number((await database.query<{ beat: string }>('SELECT max(beat) AS beat FROM finstage.workers'))[0]?.beat)
  const before = await beat()
  await eventually(async () => (await beat()) > before + 3, 'four looks of the worker')
  assert.equal(running, jobConcurrency)
  const endAll = setInterval(() => {
    for (const end of ends.splice(0)) end()
  }, 10)
  for (const { id } of jobs) assert.equal((await queue.ended(id)).state, 'SUCCEEDED')
  clearInterval(endAll)
})
