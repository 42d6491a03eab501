import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Schedule } from '../../../src/jobs/queue/schedule.ts'
import { eventually } from '../../support/clients/client.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database/database.ts'
import { startQueue } from '../../support/queue/queue.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs

/** A full minute half an hour ago, so that a schedule of every hour is not due again while the tests run. */
const dueMs = Math.floor((Date.now() - 30 * minuteMs) / minuteMs) * minuteMs
const minuteOfDue = new Date(dueMs).getUTCMinutes()
/** Once a day, at that time. */
const cron = `${minuteOfDue} ${new Date(dueMs).getUTCHours()} * * *`

interface Run {
  readonly runner: string
  readonly dueAtMs: number
}

/** A schedule that tells when it is run, and by whom. */
const recorded = (name: string, makeUpHours: number, runs: Run[], runner = 'one'): Schedule => ({
  ...{ name, cron, makeUpHours },
  run: async (dueAtMs) => void runs.push({ runner, dueAtMs }),
})

/** As a runner left it that ran the schedule last so long before it was due. */
async function leftBehind(database: TestDatabase, name: string, beforeMs: number): Promise<void> {
  const last = new Date(dueMs - beforeMs)
  await database.query(
    `INSERT INTO graphile_worker._private_known_crontabs (identifier, known_since, last_execution)
     VALUES ($1, $2, $2)`,
    [name, last],
  )
}

/** Resolves when graphile-worker has made up for what was missed, if anything, and run it. */
async function caughtUp(database: TestDatabase, name: string): Promise<void> {
  await eventually(async () => {
    const [row] = await database.query<{ done: boolean }>(
      `SELECT last_execution >= $2 AND NOT EXISTS (SELECT FROM graphile_worker.jobs WHERE task_identifier = $1) AS done
       FROM graphile_worker._private_known_crontabs WHERE identifier = $1`,
      [name, new Date(dueMs)],
    )
    return row?.done ?? false
  }, `the run of ${name}`)
}

test('of several runners one runs what is due, once', async () => {
  await using database = await createTestDatabase()
  await leftBehind(database, 'nightly', 24 * hourMs)
  const runs: Run[] = []
  const queues = await Promise.all(
    ['one', 'two', 'three'].map((runner) =>
      startQueue({ tasks: [], schedules: [recorded('nightly', 24, runs, runner)], database }),
    ),
  )
  await caughtUp(database, 'nightly')
  // One that comes later looks at what was missed too, and comes to `other` after it.
  await leftBehind(database, 'other', 24 * hourMs)
  const both = [recorded('nightly', 24, runs, 'late'), recorded('other', 24, [])]
  const late = await startQueue({ tasks: [], schedules: both, database })
  await caughtUp(database, 'other')
  for (const queue of [...queues, late]) await queue.stop()
  assert.equal(runs.length, 1)
})

test('dueAtMs is the time it was due by the clock, also where it is run later', async () => {
  await using database = await createTestDatabase()
  await leftBehind(database, 'nightly', 24 * hourMs)
  const runs: Run[] = []
  await using _queue = await startQueue({ tasks: [], schedules: [recorded('nightly', 24, runs)], database })
  await caughtUp(database, 'nightly')
  assert.deepEqual(runs, [{ runner: 'one', dueAtMs: dueMs }])
})

test('runs that were missed are made up for as far back as the schedule says, each once', async () => {
  await using database = await createTestDatabase()
  const hourly = (name: string, makeUpHours: number, runs: Run[]): Schedule => ({
    ...recorded(name, makeUpHours, runs),
    cron: `${minuteOfDue} * * * *`,
  })
  const [three, ten] = [[] as Run[], [] as Run[]]
  for (const name of ['three', 'ten']) await leftBehind(database, name, 6 * hourMs - minuteMs)
  await using _queue = await startQueue({
    ...{ tasks: [], database },
    schedules: [hourly('three', 3, three), hourly('ten', 10, ten)],
  })
  for (const name of ['three', 'ten']) await caughtUp(database, name)
  const dueOf = (runs: readonly Run[]): number[] =>
    runs.map(({ dueAtMs }) => (dueMs - dueAtMs) / hourMs).toSorted((a, b) => a - b)
  assert.deepEqual(dueOf(ten), [0, 1, 2, 3, 4, 5])
  assert.deepEqual(dueOf(three), [0, 1, 2])
})

test('where makeUpHours is 0 nothing that was missed is made up for', async () => {
  await using database = await createTestDatabase()
  for (const name of ['never', 'made_up']) await leftBehind(database, name, 24 * hourMs)
  const [never, madeUp] = [[] as Run[], [] as Run[]]
  const schedules = [recorded('never', 0, never), recorded('made_up', 24, madeUp)]
  await using _queue = await startQueue({ tasks: [], schedules, database })
  await caughtUp(database, 'made_up')
  assert.deepEqual([never, madeUp.length], [[], 1])
  assert.deepEqual(await database.query(`SELECT FROM graphile_worker.jobs WHERE task_identifier = 'never'`), [])
})

test('a schedule that is new runs nothing of the time before it', async () => {
  await using database = await createTestDatabase()
  await leftBehind(database, 'known', 24 * hourMs)
  const [fresh, known] = [[] as Run[], [] as Run[]]
  const schedules = [recorded('fresh', 24, fresh), recorded('known', 24, known)]
  await using _queue = await startQueue({ tasks: [], schedules, database })
  await caughtUp(database, 'known')
  assert.deepEqual([fresh, known.length], [[], 1])
})

test('a run that throws is tried again, with the same due time, until it succeeds', async () => {
  await using database = await createTestDatabase()
  await leftBehind(database, 'nightly', 24 * hourMs)
  const dues: number[] = []
  const schedule: Schedule = {
    ...{ name: 'nightly', cron, makeUpHours: 24 },
    async run(dueAtMs) {
      dues.push(dueAtMs)
      if (dues.length === 1) throw new Error('not now')
    },
  }
  await using _queue = await startQueue({ tasks: [], schedules: [schedule], database })
  await caughtUp(database, 'nightly')
  assert.deepEqual(dues, [dueMs, dueMs])
})
