import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeGraphileWorker } from '../../support/queue/changed-graphile.ts'

/** The statement that takes a job means the same, in other words. */
const missing = changeGraphileWorker({
  'order by priority asc, run_at asc\n    limit': 'order by jobs.priority, jobs.run_at\n    limit',
})
const { startQueue, testTask } = await import('../../support/queue/queue.ts')
const { eventually } = await import('../../support/clients/client.ts')
const { fallbackCount, keptLog } = await import('../../support/queue/fallbacks.ts')

test('where graphile-worker takes jobs with another statement, all jobs are run, once, also those of a lost worker, which is told once in the log and counted', async () => {
  const runs = new Map<string, number>()
  const task = testTask(async (_, { jobId }) => void runs.set(jobId, (runs.get(jobId) ?? 0) + 1))
  const { log, warnings } = keptLog()
  await using queue = await startQueue({ tasks: [task], runs: false, log })
  await using other = await startQueue({ tasks: [task], database: queue.database })
  assert.deepEqual(missing(), [])
  const priorities = ['LOW', 'NORMAL', 'HIGH', 'CRITICAL'] as const
  const later = await queue.enqueue({ runAtMs: Date.now() + 86_400_000 })
  const lost = await queue.enqueue({ runAtMs: Date.now() + 86_400_000, input: { lost: true } })
  // As a worker leaves it that has died.
  await queue.database.query(
    `UPDATE graphile_worker._private_jobs SET locked_by = 'dead', locked_at = now(), run_at = now() WHERE payload ->> 'jobId' = $1`,
    [lost.id],
  )
  await queue.workers.beat(['dead'])
  const jobs = await Promise.all(
    Array.from({ length: 300 }, (_, i) => queue.enqueue({ priority: priorities[i % 4] ?? 'LOW' })),
  )
  await queue.runner.start()
  for (const { id } of [...jobs, lost]) assert.equal((await queue.ended(id)).state, 'SUCCEEDED')
  assert.equal((await queue.job(later.id)).state, 'QUEUED')
  assert.deepEqual([runs.size, new Set(runs.values())], [jobs.length + 1, new Set([1])])
  await eventually(
    async () => (await queue.database.query('SELECT FROM graphile_worker.jobs')).length === 1,
    'an empty queue but for the later job',
  )
  assert.ok((await fallbackCount(queue)) > 0)
  assert.ok((await fallbackCount(other)) > 0)
  const told = warnings.filter((warning) => warning.startsWith('graphile-worker'))
  assert.deepEqual(told.length, 1, told.join('\n'))
  assert.match(told[0] ?? '', /takes jobs with a statement that is not recognised/)
})
