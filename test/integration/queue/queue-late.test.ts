import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { eventually } from '../../support/clients/client.ts'
import { atLeastTwoRounds, killRounds } from '../../support/kill-rounds.ts'
import { type QueueWorker, TestQueue } from '../../support/queue/queue-processes.ts'

const lostWorkers = (worker: QueueWorker): Promise<number> => worker.metric('finstage_workers_lost_total')

/** How many run side by side in one worker. */
const lateJobs = 5

suite('workers that are frozen until they count as lost', { concurrency: true }, () => {
  test('a late attempt overwrites nothing of the attempt that took over and succeeded', async () => {
    await using queue = await TestQueue.open()
    let [late, other] = [await queue.startWorker(), await queue.startWorker()]
    for (let round = 0; round < atLeastTwoRounds; round++) {
      const job = { act: 'finish', ms: 4000, attempts: 1, writes: round % 2 === 0, saves: true } as const
      const id = await queue.enqueue(job)
      const { pid } = await queue.begun(id)
      if (pid !== late.pid) [late, other] = [other, late]
      const tooLate = await late.metric('finstage_job_run_seconds_count', 'outcome="superseded"')
      late.kill('SIGSTOP')
      await eventually(async () => (await queue.job(id)).state === 'SUCCEEDED', 'the other succeeds')
      const before = await queue.job(id)
      assert.deepEqual([before.attempt, before.result?.pid], [2, other.pid])
      late.kill('SIGCONT')
      await eventually(async () => (await late.metric('finstage_jobs_in_flight')) === 0, 'the late attempt ends')
      assert.equal(await late.metric('finstage_job_run_seconds_count', 'outcome="superseded"'), tooLate + 1)
      assert.deepEqual(await queue.job(id), before)
      await queue.settled()
    }
  })

  test('a late attempt leaves the queue entry of the attempt that took over: a third finds it when the second is lost too', async () => {
    await using queue = await TestQueue.open()
    const late = await queue.startWorker()
    for (let round = 0; round < atLeastTwoRounds; round++) {
      const job = { act: 'finish', ms: 2500, attempts: 2, writes: round % 2 === 0 } as const
      const id = await queue.enqueue(job)
      await queue.begun(id)
      late.kill('SIGSTOP')
      const other = await queue.startWorker()
      await queue.begun(id, 2)
      const [carrier] = await queue.carriers()
      late.kill('SIGCONT')
      await eventually(async () => (await late.metric('finstage_jobs_in_flight')) === 0, 'the late attempt ends')
      // Whatever the late attempt does to the queue, it has done by then.
      await eventually(async () => (await late.check()) === 'ok', 'the first works again')
      assert.deepEqual(await queue.carriers(), [carrier])
      other.kill('SIGKILL')
      await queue.begun(id, 3)
      await queue.settled()
      const { state, attempt, losses } = await queue.job(id)
      assert.deepEqual([state, attempt, losses], ['SUCCEEDED', 3, 2])
    }
  })

  test('a late attempt releases nothing when its own worker has taken up the job again', {}, async () => {
    await using queue = await TestQueue.open()
    const worker = await queue.startWorker()
    // Notices that the other one is frozen, and does not know its kind of job.
    const watcher = await queue.startWorker({ kinds: ['BACKFILL'] })
    // They take so long that they still run when the worker goes on and the next attempt has begun.
    const ids = await queue.enqueueAll(
      Array.from(
        { length: lateJobs },
        (_, i) => ({ act: 'finish', ms: 11_000 + 300 * i, writes: i % 2 === 0 }) as const,
      ),
    )
    for (const id of ids) await queue.begun(id)
    worker.kill('SIGSTOP')
    await eventually(async () => (await lostWorkers(watcher)) === 1, 'the worker is taken for lost')
    worker.kill('SIGCONT')
    for (const id of ids) await queue.begun(id, 2)
    const before = await queue.carriers()
    await eventually(
      async () => (await queue.effects('done')).filter(({ attempt }) => attempt === 1).length === lateJobs,
      'the late attempts have done their work',
    )
    await eventually(
      async () => (await worker.metric('finstage_job_run_seconds_count', 'outcome="superseded"')) === lateJobs,
      'the late attempts end',
    )
    assert.equal(await worker.check(), 'ok')
    assert.deepEqual(await queue.carriers(), before)
    for (const { state, attempt, losses } of await queue.settled()) {
      assert.deepEqual([state, attempt, losses], ['SUCCEEDED', 2, 1])
    }
  })

  test('a worker that is frozen in the middle of a commit delays no other job', {}, async () => {
    await using queue = await TestQueue.open()
    const frozen = await queue.startWorker({ kinds: ['BACKFILL'] })
    for (let round = 0; round < killRounds; round++) {
      const id = await queue.enqueue({ act: 'freeze', attempts: 1 }, { kind: 'BACKFILL' })
      await eventually(async () => (await queue.effects('done')).some(({ job }) => job === id), 'it is about to commit')
      const other = await queue.startWorker()
      await eventually(async () => (await lostWorkers(other)) > 0, 'the worker is taken for lost')
      await queue.begun(await queue.enqueue({}), 1, 8000)
      frozen.kill('SIGCONT')
      await eventually(async () => (await queue.job(id)).state === 'SUCCEEDED', 'it succeeds')
      other.kill('SIGTERM')
      assert.equal(await other.exited, 0)
      await queue.settled()
    }
  })
})
