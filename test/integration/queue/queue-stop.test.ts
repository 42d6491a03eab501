import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { jobConcurrency } from '../../../src/jobs/queue/runner.ts'
import { eventually, inTime } from '../../support/clients/client.ts'
import { killRounds } from '../../support/kill-rounds.ts'
import { TestQueue } from '../../support/queue/queue-processes.ts'
import type { TestJob } from '../../support/queue/queue-tasks.ts'

/** Places that three long jobs leave. */
const room = jobConcurrency - 3

suite('workers that stop, and workers side by side', { concurrency: 2 }, () => {
  test('SIGTERM under load: the worker exits with 0 within 10 s; short jobs finish, the rest is queued again at once without using up an attempt', async () => {
    await using queue = await TestQueue.open()
    let worker = await queue.startWorker()
    for (let round = 0; round < killRounds; round++) {
      const short: TestJob[] = Array.from({ length: room + 1 }, (_, i) => ({
        act: 'finish',
        ms: 1500,
        writes: i % 2 === 0,
      }))
      const long: TestJob[] = [
        { act: 'wait', ms: 60_000, attempts: 1, writes: true },
        { act: 'deaf', attempts: 1, saves: true },
        { act: 'spin', attempts: 1, writes: true },
      ]
      const order = { maxAttempts: 1, timeoutSeconds: 100 }
      const handedBack = await queue.enqueueAll(long, { ...order, priority: 'HIGH' })
      for (const id of handedBack) await queue.begun(id)
      const others = await queue.enqueueAll(short, order)
      await eventually(
        async () => (await queue.effects('begun')).filter(({ job }) => others.includes(job)).length === room,
        'the worker is full',
      )
      const toldAtMs = performance.now()
      worker.kill('SIGTERM')
      assert.equal(await inTime(worker.exited, 'the exit', 10_000), 0, worker.log())
      assert.ok(performance.now() - toldAtMs < 10_000)

      const jobs = new Map((await queue.stored()).map((job) => [job.id, job]))
      for (const id of handedBack) {
        const { state, attempt, failures, losses } = jobs.get(id) ?? assert.fail()
        assert.deepEqual([state, attempt, failures, losses], ['QUEUED', 1, 0, 0])
      }
      const states = others.map((id) => jobs.get(id)?.state)
      assert.deepEqual(states.toSorted(), ['QUEUED', ...Array.from({ length: room }, () => 'SUCCEEDED')])
      const carriers = await queue.carriers()
      assert.deepEqual(
        carriers.map(({ lockedBy }) => lockedBy),
        carriers.map(() => null),
      )
      assert.equal(carriers.length, 4)
      assert.equal(await queue.workerCount(), 0)

      worker = await queue.startWorker()
      await queue.settled()
      for (const id of handedBack) {
        const { state, attempt } = await queue.job(id)
        assert.deepEqual([state, attempt], ['SUCCEEDED', 2])
      }
      // The worker handed its jobs back itself: none counts as lost.
      assert.equal(await worker.metric('finstage_workers_lost_total'), 0)
    }
  })

  test('two workers share 500 jobs: each job runs exactly once, and both workers run some', async () => {
    await using queue = await TestQueue.open()
    const workers = [await queue.startWorker(), await queue.startWorker()]
    for (let round = 0; round < killRounds; round++) {
      const known = new Set((await queue.stored()).map(({ id }) => id))
      await queue.enqueueAll(Array.from({ length: 500 }, (_, i) => ({ ms: i % 5, writes: i % 2 === 0 })))
      const jobs = (await queue.settled(60_000)).filter(({ id }) => !known.has(id))
      assert.equal(jobs.length, 500)
      for (const { state, attempt } of jobs) assert.deepEqual([state, attempt], ['SUCCEEDED', 1])
      const begun = (await queue.effects('begun')).filter(({ job }) => !known.has(job))
      assert.equal(begun.length, 500)
      assert.deepEqual(new Set(begun.map(({ pid }) => pid)), new Set(workers.map(({ pid }) => pid)))
    }
  })
})
