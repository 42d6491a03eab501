import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { jobConcurrency } from '../../../src/jobs/queue/runner.ts'
import { eventually } from '../../support/clients/client.ts'
import { killRounds } from '../../support/kill-rounds.ts'
import { TestQueue } from '../../support/queue/queue-processes.ts'

suite('jobs that are cancelled or take too long', { concurrency: 2 }, () => {
  test('another process can cancel a job in each state: it is CANCELLED at once, its work is told to stop, leaves no results and no queue entry', async () => {
    await using queue = await TestQueue.open()
    const worker = await queue.startWorker()
    for (let round = 0; round < killRounds; round++) {
      const retrying = await queue.enqueue({ act: 'fail', attempts: 1, writes: true })
      const future = await queue.enqueue({ writes: true }, { runAtMs: Date.now() + 3_600_000 })
      const sleeping = await queue.enqueue({ act: 'wait', ms: 60_000, writes: true })
      const spinning = await queue.enqueue({ act: 'spin', writes: true, saves: true })
      await queue.begun(sleeping)
      await eventually(async () => (await queue.effects('loops')).some(({ job }) => job === spinning), 'a loop runs')
      await eventually(async () => (await queue.job(retrying)).state === 'RETRYING', 'a job waits for its next attempt')
      // The worker has no place left, so the next one waits.
      const filling = await queue.enqueueAll(
        Array.from({ length: jobConcurrency - 2 }, () => ({ act: 'deaf', writes: true }) as const),
      )
      for (const id of filling) await queue.begun(id)
      const waiting = await queue.enqueue({ writes: true })

      const states = { waiting: 'QUEUED', future: 'QUEUED', sleeping: 'RUNNING', spinning: 'RUNNING' } as const
      const ids = { waiting, future, sleeping, spinning }
      for (const name of Object.keys(ids) as (keyof typeof ids)[]) {
        assert.equal((await queue.job(ids[name])).state, states[name], name)
      }
      for (const id of [retrying, ...Object.values(ids), ...filling]) {
        assert.equal(await queue.cancel(id), 'CANCELLED')
        assert.equal((await queue.job(id)).state, 'CANCELLED')
      }
      const told = (what: string, job: string) => async (): Promise<boolean> =>
        (await queue.effects(what)).some((effect) => effect.job === job)
      await eventually(told('told superseded', sleeping), 'the sleeping work is told', 5000)
      await eventually(told('told superseded', spinning), 'the loop is told', 5000)
      await eventually(told('the loop has ended', spinning), 'the loop ends', 5000)
      await eventually(async () => (await worker.metric('finstage_jobs_in_flight')) === 0, 'the worker is free', 5000)
      for (const { state } of await queue.settled(10_000)) assert.equal(state, 'CANCELLED')
    }
    assert.equal(worker.hasExited(), false)
    assert.deepEqual(await queue.effects('done'), [])
    // The queue entry of a cancelled job goes at once: no worker takes it once more to find out that it no longer counts.
    assert.doesNotMatch(worker.log(), /no longer counts/)
  })

  test('a CPU-bound job that exceeds its time gets TIMEOUT and its loop ends; it is retried or FAILED, and the worker goes on', async () => {
    await using queue = await TestQueue.open()
    const worker = await queue.startWorker()
    for (let round = 0; round < killRounds; round++) {
      const once = await queue.enqueue({ act: 'spin', writes: true }, { maxAttempts: 1, timeoutSeconds: 1 })
      const next = await queue.enqueue({ writes: true }, { priority: 'LOW' })
      await eventually(async () => (await queue.job(once)).state === 'FAILED', 'it fails')
      const failed = await queue.job(once)
      assert.deepEqual([failed.failure?.code, failed.failure?.attempt, failed.failures], ['TIMEOUT', 1, 1])
      // The only thread is free for the next job, in the same process.
      const twice = await queue.enqueue(
        { act: 'spin', attempts: 1, writes: true },
        { maxAttempts: 2, timeoutSeconds: 1 },
      )
      await queue.settled()
      const retried = await queue.job(twice)
      assert.deepEqual([retried.state, retried.attempt, retried.failures], ['SUCCEEDED', 2, 1])
      assert.deepEqual(retried.states, ['QUEUED', 'RUNNING', 'RETRYING', 'RUNNING', 'SUCCEEDED'])
      assert.equal((await queue.job(next)).state, 'SUCCEEDED')
      await eventually(
        async () => (await queue.effects('the loop has ended')).length === 2 * (round + 1),
        'the loops have ended',
        5000,
      )
      assert.equal((await queue.effects('told TIMEOUT')).length, 2 * (round + 1))
    }
    assert.deepEqual(new Set((await queue.effects()).map(({ pid }) => pid)), new Set([worker.pid]))
  })
})
