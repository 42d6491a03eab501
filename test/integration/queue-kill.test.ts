import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { rounds, until, within } from '../support/queue.ts'

suite('workers that die or stand still', { concurrency: true }, () => {
  test('the jobs of a worker that is killed run again within 10 s at another one, and nothing is lost or there twice', () =>
    rounds(5, async (queue) => {
      const first = await queue.startWorker()
      const ids = await queue.enqueueAll(
        Array.from({ length: 12 }, (_, i) => ({
          ...{ act: 'wait' as const, ms: 60_000, attempts: 1, writes: i % 2 === 0, saves: i % 3 === 0 },
        })),
      )
      await until(async () => (await queue.effects('begun')).length === 8, 'the worker is full')
      await queue.startWorker()
      await until(async () => (await queue.effects('begun')).length === 12, 'the other one takes the rest')
      const killedAtMs = Date.now()
      first.kill('SIGKILL')
      const begun = await queue.effects('begun')
      const lost = new Set(begun.filter(({ pid }) => pid === first.pid).map(({ job }) => job))
      assert.equal(lost.size, 8)
      for (const id of lost) {
        const { atMs } = await queue.begun(id, 2)
        assert.ok(atMs - killedAtMs < 10_000, `${atMs - killedAtMs} ms`)
      }
      for (const id of ids) if (!lost.has(id)) assert.equal(await queue.cancel(id), 'CANCELLED')
      const jobs = await queue.settled()
      for (const job of jobs) {
        const state = lost.has(job.id) ? 'SUCCEEDED' : 'CANCELLED'
        assert.deepEqual([job.state, job.failures, job.losses], [state, 0, state === 'SUCCEEDED' ? 1 : 0])
      }
    }))

  test('the jobs of the only worker that is killed run again within 10 s once another is started', () =>
    rounds(5, async (queue) => {
      const first = await queue.startWorker()
      const ids = await queue.enqueueAll(
        Array.from({ length: 10 }, () => ({ act: 'wait', ms: 60_000, attempts: 1, writes: true }) as const),
        { maxAttempts: 1 },
      )
      await until(async () => (await queue.effects('begun')).length === 8, 'the worker is full')
      const killedAtMs = Date.now()
      first.kill('SIGKILL')
      await first.exited
      const second = await queue.startWorker()
      const lost = new Set((await queue.effects('begun')).filter(({ pid }) => pid === first.pid).map(({ job }) => job))
      for (const id of lost) {
        const { atMs } = await queue.begun(id, 2)
        assert.ok(atMs - killedAtMs < 10_000, `${atMs - killedAtMs} ms`)
      }
      for (const id of ids) if (!lost.has(id)) assert.equal(await queue.cancel(id), 'CANCELLED')
      const jobs = await queue.settled()
      assert.equal(jobs.filter(({ state }) => state === 'SUCCEEDED').length, 8)
      assert.equal(await second.metric('finstage_workers_lost_total'), 1)
    }))

  for (const isAlone of [false, true]) {
    const where = isAlone ? 'found by a worker that is started later' : 'found by another worker'
    test(`a worker killed between storing SUCCEEDED and letting go of the job: it is not run again, its carrier goes, and a follower is told once; ${where}`, () =>
      rounds(5, async (queue, number) => {
        const id = await queue.enqueue({ act: 'wait', ms: 200, writes: number % 2 === 0, saves: number % 3 === 0 })
        const follower = await queue.follow(id)
        const first = await queue.startWorker({ diesBeforeTelling: 'SUCCEEDED' })
        const other = isAlone ? null : await queue.startWorker({ kinds: ['BACKFILL'] })
        assert.equal(await within(first.exited, 15_000, 'the worker dies'), 'SIGKILL')
        assert.deepEqual([(await queue.job(id)).state, (await queue.carriers()).length], ['SUCCEEDED', 1])
        await queue.startWorker()
        await within(follower.ended, 15_000, 'the follower is told of the end')
        assert.equal(follower.told.at(-1), 'SUCCEEDED')
        assert.equal(new Set(follower.told).size, follower.told.length - Number(follower.told.filter((s) => s === 'RUNNING').length > 1))
        await queue.settled()
        assert.equal((await queue.effects('begun')).length, 1)
        void other
      }))
  }

  test('what succeeded, and the answer of the database was lost, is told all the same', () =>
    rounds(5, async (queue) => {
      await queue.startWorker({ losesAnswerOf: 'job succeed' })
      const id = await queue.enqueue({ act: 'wait', ms: 200 })
      const follower = await queue.follow(id)
      const [job] = await queue.settled()
      assert.deepEqual([job?.state, job?.attempt], ['SUCCEEDED', 1])
      await within(follower.ended, 10_000, 'the follower is told of the end')
      assert.equal(follower.told.filter((state) => state === 'SUCCEEDED').length, 1)
    }))

  test('a worker that stood still finishes too late: its attempt overwrites nothing of the one that took over and succeeded', () =>
    rounds(5, async (queue, number) => {
      const first = await queue.startWorker()
      const id = await queue.enqueue({ act: 'finish', ms: 1500, attempts: 1, writes: number % 2 === 0, saves: true })
      await queue.begun(id)
      await queue.startWorker()
      first.kill('SIGSTOP')
      await queue.begun(id, 2)
      await until(async () => (await queue.job(id)).state === 'SUCCEEDED', 'the other succeeds')
      const before = await queue.job(id)
      first.kill('SIGCONT')
      await until(
        async () => (await queue.effects('done')).some(({ pid, attempt }) => pid === first.pid && attempt === 1),
        'the late attempt has done its work',
      )
      await until(async () => (await first.metric('finstage_jobs_in_flight')) === 0, 'the late attempt ends')
      assert.equal(await first.metric('finstage_job_run_seconds_count', 'outcome="superseded"'), 1)
      assert.deepEqual(await queue.job(id), before)
      await queue.settled()
    }))

  test('a worker that stood still finishes too late: what carries the attempt that took over stays, and the job is not lost with it', () =>
    rounds(5, async (queue, number) => {
      const first = await queue.startWorker()
      const id = await queue.enqueue({ act: 'finish', ms: 3000, attempts: 2, writes: number % 2 === 0 })
      await queue.begun(id)
      const second = await queue.startWorker()
      first.kill('SIGSTOP')
      await queue.begun(id, 2)
      const before = await queue.carriers()
      first.kill('SIGCONT')
      await until(async () => (await first.metric('finstage_jobs_in_flight')) === 0, 'the late attempt ends')
      // Its completion, if it were one, would be there by now.
      await until(async () => (await first.check()) === 'ok', 'the first works again')
      assert.deepEqual(await queue.carriers(), before)
      second.kill('SIGKILL')
      await queue.begun(id, 3)
      const [job] = await queue.settled()
      assert.deepEqual([job?.state, job?.attempt, job?.losses], ['SUCCEEDED', 3, 2])
    }))

  test('a worker that stood still takes its own job up again: the late attempt lets go of nothing', () =>
    rounds(5, async (queue) => {
      const first = await queue.startWorker()
      const id = await queue.enqueue({ act: 'finish', ms: 4000, writes: true })
      await queue.begun(id)
      // Sees that the first stands still, but can't run the job itself.
      const watcher = await queue.startWorker({ kinds: ['BACKFILL'] })
      first.kill('SIGSTOP')
      await until(async () => (await watcher.metric('finstage_workers_lost_total')) === 1, 'the first is taken for lost')
      first.kill('SIGCONT')
      const [job] = await queue.settled()
      assert.deepEqual([job?.state, job?.attempt], ['SUCCEEDED', 2])
    }))

  test('a worker that stands still in the middle of a commit holds up no other job', () =>
    rounds(5, async (queue) => {
      const first = await queue.startWorker()
      const id = await queue.enqueue({ act: 'freeze', attempts: 1 })
      await until(async () => (await queue.effects('done')).length === 1, 'it is about to commit')
      const second = await queue.startWorker()
      await until(async () => (await second.metric('finstage_workers_lost_total')) === 1, 'the first is taken for lost')
      const innocent = await queue.enqueue({})
      await queue.begun(innocent, 1, 10_000)
      first.kill('SIGCONT')
      await queue.settled()
      assert.equal((await queue.job(id)).state, 'SUCCEEDED')
    }))

  test('a job that kills its worker is FAILED for good after exactly five runs and reported, and an innocent one beside it succeeds', () =>
    rounds(5, async (queue) => {
      const poison = await queue.enqueue({ act: 'die', writes: true, saves: true })
      const innocent = await queue.enqueue({ writes: true }, { priority: 'LOW' })
      for (let death = 1; death <= 5; death++) {
        const worker = await queue.startWorker()
        assert.equal(await within(worker.exited, 15_000, `death ${death}`), 'SIGKILL')
      }
      const last = await queue.startWorker()
      await queue.settled()
      const job = await queue.job(poison)
      assert.deepEqual(
        [job.state, job.failure?.code, job.failure?.attempt, job.attempt, job.losses],
        ['FAILED', 'INTERNAL', 5, 5, 5],
      )
      assert.deepEqual(job.states, ['QUEUED', 'RUNNING', 'RUNNING', 'RUNNING', 'RUNNING', 'RUNNING', 'FAILED'])
      const runs = (await queue.effects('begun')).filter((effect) => effect.job === poison)
      assert.equal(runs.length, 5)
      assert.equal(await last.metric('finstage_job_failures_total', 'kind="ANALYSIS",code="INTERNAL"'), 1)
      assert.equal((await queue.job(innocent)).state, 'SUCCEEDED')
    }))
})
