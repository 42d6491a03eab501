import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { jobConcurrency } from '../../../src/jobs/queue/runner.ts'
import { eventually, inTime } from '../../support/clients/client.ts'
import { atLeastTwoRounds, killRounds } from '../../support/kill-rounds.ts'
import { TestQueue } from '../../support/queue/queue-processes.ts'

const lostWithinMs = 10_000

suite('workers that are killed', { concurrency: 4 }, () => {
  test('the jobs of a killed worker run again at another one within 10 s, none is lost and none leaves two results', async () => {
    await using queue = await TestQueue.open()
    let first = await queue.startWorker()
    for (let round = 0; round < killRounds; round++) {
      const jobs = Array.from({ length: jobConcurrency + 4 }, (_, i) => ({
        ...{ act: 'wait' as const, ms: 60_000, attempts: 1, writes: i % 2 === 0, saves: i % 3 === 0 },
      }))
      const ids = new Set(await queue.enqueueAll(jobs))
      const begun = async () => (await queue.effects('begun')).filter(({ job }) => ids.has(job))
      await eventually(async () => (await begun()).length === jobConcurrency, 'the worker is full')
      const second = await queue.startWorker()
      await eventually(async () => (await begun()).length === jobConcurrency + 4, 'the other one takes the rest')
      const mine = (await begun()).filter(({ pid }) => pid === first.pid)
      assert.equal(mine.length, jobConcurrency)
      const killedAtMs = Date.now()
      first.kill('SIGKILL')
      for (const { job } of mine) {
        const { atMs, pid } = await queue.begun(job, 2)
        assert.equal(pid, second.pid)
        assert.ok(atMs - killedAtMs < lostWithinMs, `${atMs - killedAtMs} ms`)
        ids.delete(job)
      }
      for (const id of ids) assert.equal(await queue.cancel(id), 'CANCELLED')
      const lost = new Set(mine.map(({ job }) => job))
      for (const { id, state, failures, losses } of await queue.settled()) {
        if (lost.has(id)) assert.deepEqual([state, failures, losses], ['SUCCEEDED', 0, 1])
        if (ids.has(id)) assert.deepEqual([state, failures, losses], ['CANCELLED', 0, 0])
      }
      first = second
    }
  })

  test('when the only worker is killed, its jobs run again within 10 s of the start of another, though they allow a single attempt', async () => {
    await using queue = await TestQueue.open()
    let worker = await queue.startWorker()
    for (let round = 0; round < killRounds; round++) {
      const jobs = Array.from(
        { length: jobConcurrency + 2 },
        () => ({ act: 'wait', ms: 60_000, attempts: 1, writes: true }) as const,
      )
      const ids = await queue.enqueueAll(jobs, { maxAttempts: 1 })
      const begun = async () => (await queue.effects('begun')).filter(({ job }) => ids.includes(job))
      await eventually(async () => (await begun()).length === jobConcurrency, 'the worker is full')
      const lost = new Set((await begun()).map(({ job }) => job))
      worker.kill('SIGKILL')
      await worker.exited
      worker = await queue.startWorker()
      const startedAtMs = Date.now()
      for (const id of lost) {
        const { atMs } = await queue.begun(id, 2)
        assert.ok(atMs - startedAtMs < lostWithinMs, `${atMs - startedAtMs} ms`)
      }
      for (const id of ids) if (!lost.has(id)) assert.equal(await queue.cancel(id), 'CANCELLED')
      for (const { id, state, losses } of await queue.settled()) {
        if (lost.has(id)) assert.deepEqual([state, losses], ['SUCCEEDED', 1])
      }
      assert.equal(await worker.metric('finstage_workers_lost_total'), 1, worker.log())
    }
  })

  test('the jobs of a killed worker run again within 10 s though long jobs take all places of the only other one; the extra places go when those jobs end', async () => {
    await using queue = await TestQueue.open()
    const doomed = await queue.startWorker()
    const long = Array.from({ length: jobConcurrency }, () => ({ act: 'wait', ms: 600_000, attempts: 1 }) as const)
    const lost = await queue.enqueueAll(long, { priority: 'LOW' })
    for (const id of lost) await queue.begun(id)
    const survivor = await queue.startWorker()
    const busy = await queue.enqueueAll(long)
    for (const id of busy) assert.equal((await queue.begun(id)).pid, survivor.pid)
    // A job that merely waits has to stay behind the lost ones, whatever its priority.
    const waiting = await queue.enqueue({ act: 'wait', ms: 0 }, { priority: 'CRITICAL' })
    doomed.kill('SIGKILL')
    const killedAtMs = Date.now()
    for (const id of lost) {
      const { atMs, pid } = await queue.begun(id, 2)
      assert.equal(pid, survivor.pid)
      assert.ok(atMs - killedAtMs < lostWithinMs, `${atMs - killedAtMs} ms`)
    }
    for (const id of lost) await eventually(async () => (await queue.job(id)).state === 'SUCCEEDED', 'they succeed')
    assert.equal((await queue.job(waiting)).state, 'QUEUED')
    for (const id of busy) assert.equal((await queue.job(id)).state, 'RUNNING')
    assert.equal(await survivor.check(), 'ok')
    // The extra places are gone: the cancelled job frees one place, and only that one is filled.
    const [one = '', ...others] = busy
    const second = await queue.enqueue({ act: 'wait', ms: 600_000 }, { priority: 'CRITICAL' })
    assert.equal(await queue.cancel(one), 'CANCELLED')
    await queue.begun(waiting)
    await queue.begun(second)
    const third = await queue.enqueue({ act: 'wait', ms: 0 }, { priority: 'CRITICAL' })
    await sleep(2500)
    assert.equal((await queue.job(third)).state, 'QUEUED')
    for (const id of [...others, second]) assert.equal(await queue.cancel(id), 'CANCELLED')
    for (const { id, losses } of await queue.settled()) assert.equal(losses, lost.includes(id) ? 1 : 0)
  })

  test('the jobs of two workers that are killed at the same time run again within 10 s at the last one, whose places are full', async () => {
    await using queue = await TestQueue.open()
    const long = Array.from({ length: jobConcurrency }, () => ({ act: 'wait', ms: 600_000, attempts: 1 }) as const)
    const lost: string[] = []
    const doomed = []
    for (let i = 0; i < 2; i++) {
      doomed.push(await queue.startWorker())
      const ids = await queue.enqueueAll(long)
      for (const id of ids) await queue.begun(id)
      lost.push(...ids)
    }
    await queue.startWorker()
    const busy = await queue.enqueueAll(long)
    for (const id of busy) await queue.begun(id)
    for (const worker of doomed) worker.kill('SIGKILL')
    const killedAtMs = Date.now()
    for (const id of lost) {
      const { atMs } = await queue.begun(id, 2)
      assert.ok(atMs - killedAtMs < lostWithinMs, `${atMs - killedAtMs} ms`)
    }
    for (const id of busy) assert.equal(await queue.cancel(id), 'CANCELLED')
    await queue.settled()
  })

  for (const isAlone of [true, false]) {
    const where = isAlone ? 'with no other worker until one is started' : 'with another worker beside it'
    test(`a worker is killed when SUCCEEDED is stored and the queue does not know yet: the job does not run again, its queue entry goes, and a follower is told once; ${where}`, async () => {
      await using queue = await TestQueue.open()
      // It does not know this kind of job, so that the doomed worker gets it.
      if (!isAlone) await queue.startWorker({ kinds: ['BACKFILL'] })
      const followers: Awaited<ReturnType<TestQueue['follow']>>[] = []
      for (let round = 0; round < atLeastTwoRounds; round++) {
        const id = await queue.enqueue({ act: 'wait', ms: 200, writes: round % 2 === 0, saves: round % 3 === 0 })
        followers.push(await queue.follow(id))
        const doomed = await queue.startWorker({ diesBeforeTelling: 'SUCCEEDED' })
        assert.equal(await inTime(doomed.exited, 'the worker dies', 15_000), 'SIGKILL')
        assert.equal((await queue.job(id)).state, 'SUCCEEDED')
        assert.ok((await queue.carriers()).some(({ jobId }) => jobId === id))
      }
      await queue.startWorker()
      for (const { told, ended } of followers) {
        await inTime(ended, 'the follower is told of the end', 15_000)
        // Progress repeats RUNNING.
        assert.deepEqual([...new Set(told)].slice(-2), ['RUNNING', 'SUCCEEDED'])
        assert.equal(told.filter((state) => state === 'SUCCEEDED').length, 1)
      }
      assert.equal((await queue.settled()).length, atLeastTwoRounds)
      assert.equal((await queue.effects('begun')).length, atLeastTwoRounds)
    })
  }

  test('followers are told the end of a job although the answer of the database to its worker was lost', {}, async () => {
    await using queue = await TestQueue.open()
    for (let round = 0; round < killRounds; round++) {
      const worker = await queue.startWorker({ losesAnswerOf: 'job succeed' })
      const id = await queue.enqueue({ act: 'wait', ms: 200 })
      const follower = await queue.follow(id)
      await eventually(async () => (await queue.job(id)).state === 'SUCCEEDED', 'it succeeds')
      await inTime(follower.ended, 'the follower is told of the end', 10_000)
      assert.equal(follower.told.filter((state) => state === 'SUCCEEDED').length, 1)
      worker.kill('SIGTERM')
      assert.equal(await worker.exited, 0)
    }
    for (const { attempt } of await queue.settled()) assert.equal(attempt, 1)
  })

  suite('a job that kills its worker', { concurrency: 5 }, () => {
    for (let round = 1; round <= killRounds; round++) {
      test(`is FAILED for good after exactly five runs and counted; jobs that lost fewer workers beside it succeed (${round})`, async () => {
        await using queue = await TestQueue.open()
        const poison = await queue.enqueue({ act: 'die', writes: true, saves: true })
        const innocents: string[] = []
        for (let death = 1; death <= 5; death++) {
          const worker = await queue.startWorker()
          assert.equal(await inTime(worker.exited, `death ${death}`, 20_000), 'SIGKILL')
          innocents.push(await queue.enqueue({ act: 'wait', ms: 50, writes: true }))
        }
        const last = await queue.startWorker()
        await queue.settled()
        const job = await queue.job(poison)
        assert.deepEqual(
          [job.state, job.failure?.code, job.failure?.attempt, job.attempt, job.losses],
          ['FAILED', 'INTERNAL', 5, 5, 5],
        )
        assert.deepEqual(job.states, ['QUEUED', ...Array.from({ length: 5 }, () => 'RUNNING'), 'FAILED'])
        const runs = (await queue.effects('begun')).filter((effect) => effect.job === poison)
        assert.equal(runs.length, 5)
        assert.equal(await last.metric('finstage_job_failures_total', 'kind="ANALYSIS",code="INTERNAL"'), 1)
        for (const id of innocents) assert.equal((await queue.job(id)).state, 'SUCCEEDED')
      })
    }

    test('makes no other job fail, although they run side by side', {}, async () => {
      await using queue = await TestQueue.open()
      await queue.enqueue({ act: 'die' })
      const innocents = await queue.enqueueAll(
        Array.from({ length: 5 }, () => ({ act: 'wait', ms: 500, writes: true }) as const),
      )
      for (let worker = await queue.startWorker(); ; worker = await queue.startWorker()) {
        const hasDied = await Promise.race([worker.exited.then(() => true), queue.settled(60_000).then(() => false)])
        if (!hasDied) break
      }
      for (const id of innocents) assert.equal((await queue.job(id)).state, 'SUCCEEDED')
    })
  })
})
