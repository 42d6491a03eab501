import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, inTime } from '../../support/clients/client.ts'
import { type OwnPostgres, startOwnPostgres } from '../../support/database/own-postgres.ts'
import { killRounds } from '../../support/kill-rounds.ts'
import { TestQueue } from '../../support/queue/queue-processes.ts'

const jobCount = 200

const interruptions: Readonly<Record<string, (postgres: OwnPostgres) => Promise<void>>> = {
  'Postgres is shut down and started': (postgres) => postgres.restart(),
  'Postgres is killed with -9 and started': (postgres) => postgres.killAndStart(),
}

suite('a Postgres that goes away', { concurrency: true }, () => {
  for (const [what, interrupt] of Object.entries(interruptions)) {
    test(`${what} while ${jobCount} jobs run: all succeed by themselves, and the workers stay alive and become ready again`, async () => {
      await using postgres = await startOwnPostgres()
      await using queue = await TestQueue.open(await postgres.createDatabase())
      const workers = [await queue.startWorker(), await queue.startWorker()]
      let repeated = 0
      for (let round = 0; round < killRounds; round++) {
        const known = new Set((await queue.stored()).map(({ id }) => id))
        await queue.enqueueAll(
          Array.from({ length: jobCount }, (_, i) => ({
            ...{ ms: 20 + 10 * (i % 8), writes: i % 2 === 0, saves: i % 3 === 0 },
          })),
        )
        await eventually(async () => {
          const ended = (await queue.stored()).filter(({ id, state }) => !known.has(id) && state === 'SUCCEEDED')
          return ended.length >= jobCount / 5
        }, 'a fifth has succeeded')
        await interrupt(postgres)
        const jobs = (await queue.settled(60_000, { workers: false })).filter(({ id }) => !known.has(id))
        assert.deepEqual([jobs.length, jobs.every(({ state }) => state === 'SUCCEEDED')], [jobCount, true])
        repeated += jobs.filter(({ attempt }) => attempt > 1).length
        for (const worker of workers) {
          assert.equal(worker.hasExited(), false, worker.log())
          await eventually(
            async () => (await worker.check()) === 'ok',
            () => worker.check(),
            15_000,
          )
        }
      }
      // No worker was lost, so running jobs go on. Only jobs whose worker never got the answer that gave it to them begin again:
      // as many as a worker asks for in one call.
      assert.ok(repeated <= 16, `${repeated} jobs were run again`)
    })
  }

  test('workers that reconnect to Postgres leave no trace of their old selves, and SIGTERM still ends the process with 0', {}, async () => {
    await using postgres = await startOwnPostgres()
    await using queue = await TestQueue.open(await postgres.createDatabase())
    const workers = [await queue.startWorker(), await queue.startWorker()]
    for (let round = 0; round < killRounds; round++) {
      const known = (await queue.stored()).length
      await queue.enqueueAll(Array.from({ length: jobCount }, (_, i) => ({ ms: 20 + 10 * (i % 8) })))
      await eventually(async () => {
        const ended = (await queue.stored()).filter(({ state }) => state === 'SUCCEEDED')
        return ended.length >= known + jobCount / 5
      }, 'a fifth has succeeded')
      await postgres.restart()
      await queue.settled(20_000)
    }
    for (const worker of workers) {
      worker.kill('SIGTERM')
      assert.equal(await inTime(worker.exited, 'the exit', 10_000), 0)
    }
  })

  // One pause of 20 s; in further rounds one of 6 s, which is still longer than a worker may go without a sign of life.
  test('while Postgres stands still for 20 s no job is lost, and no worker counts as lost', async () => {
    await using postgres = await startOwnPostgres()
    await using first = await TestQueue.open(await postgres.createDatabase())
    await using second = await TestQueue.open(await postgres.createDatabase())
    const queues = [first, second]
    const workers = []
    for (const queue of queues) workers.push(await queue.startWorker(), await queue.startWorker())
    for (let round = 0; round < killRounds; round++) {
      for (const queue of queues) {
        const jobs = Array.from({ length: 60 }, (_, i) => ({
          // Some end during the pause, when nothing can be stored, some after it.
          ...{ ms: i < 5 ? 1500 * (i + 1) : 30, writes: i % 2 === 0, saves: i % 3 === 0 },
        }))
        await queue.enqueueAll(jobs)
        await eventually(async () => (await queue.effects('begun')).length > 0, 'jobs run')
      }
      const resume = postgres.pause()
      await sleep(round === 0 ? 20_000 : 6000)
      resume()
      for (const queue of queues) {
        const jobs = await queue.settled(60_000, { workers: false })
        for (const { state, failures } of jobs) assert.deepEqual([state, failures], ['SUCCEEDED', 0])
        // Jobs that were being taken when the pause began may be released in vain: they run again, and leave one result.
        const repeated = jobs.filter(({ attempt }) => attempt > 1)
        assert.ok(repeated.length <= 16, JSON.stringify(repeated))
      }
      for (const worker of workers) {
        assert.equal(worker.hasExited(), false, worker.log())
        await eventually(
          async () => (await worker.check()) === 'ok',
          () => worker.check(),
          15_000,
        )
        assert.equal(await worker.metric('finstage_workers_lost_total'), 0)
      }
    }
  })
})
