import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { type JobFailure, type JobState, jobStates } from '../../../src/domain/job.ts'
import { type JobEvent, maxLosses, suspectLosses, transitions } from '../../../src/domain/job-state.ts'
import { changeJobs, type JobChangeRequest } from '../../../src/store/jobs/job-changes.ts'
import type { JobRun } from '../../../src/store/jobs/job-run-store.ts'
import { owner, startQueue, type TestQueue, testTask } from '../../support/queue/queue.ts'

/** A row of finstage.jobs. */
interface Row extends Record<string, unknown> {
  readonly id: string
  readonly state: JobState
  readonly attempt: number
  readonly failures: number
  readonly losses: number
  readonly revision: number
  readonly run_at: string
  readonly started_at: string | null
  readonly queue_job_id: number
  readonly history: HistoryEntry[]
}
interface HistoryEntry {
  readonly revision: number
  readonly state: JobState
  readonly attempt: number
  readonly progress: number
  readonly failure: JobFailure | null
}

let queue: TestQueue

before(async () => {
  queue = await startQueue({ tasks: [testTask(async () => null)], runs: false })
})

after(async () => {
  await queue?.stop()
})

const events = Object.keys(transitions) as JobEvent[]
const failure: JobFailure = { code: 'SOURCE_UNAVAILABLE', message: 'away', attempt: 1 }
const asked: Readonly<Record<JobEvent, Partial<JobChangeRequest>>> = {
  ...{ begin: {}, beginAlone: {}, handBack: {}, requeue: {} },
  postpone: { retryInSeconds: 60 },
  progress: { progress: 0.5 },
  succeed: { result: { found: 7 } },
  retry: { failure, retryInSeconds: 60 },
  fail: { failure },
  giveUp: { failure: { ...failure, code: 'INTERNAL', attempt: 0 } },
  cancel: { failure: { code: 'CANCELLED', message: 'cancelled', attempt: 0 } },
  expire: { failure: { code: 'TIMEOUT', message: 'nobody came', attempt: 0 } },
}

async function change(event: JobEvent, id: string, request: Partial<JobChangeRequest> = {}) {
  const [job = null] = await changeJobs(queue.pool, event, [{ ...asked[event], ...request, id }])
  return job
}

async function row(id: string): Promise<Row> {
  const { rows } = await queue.pool.query<{ row: Row }>(
    'SELECT to_jsonb(jobs) AS row FROM finstage.jobs WHERE id = $1',
    [id],
  )
  assert.ok(rows[0])
  return rows[0].row
}

/** What graphile-worker has for a job, oldest first. */
async function carriers(id: string): Promise<{ id: number; run_at: string; priority: number }[]> {
  const { rows } = await queue.pool.query(
    `SELECT to_jsonb(carrier) AS carrier FROM (
       SELECT id, run_at, priority FROM graphile_worker._private_jobs WHERE payload ->> 'jobId' = $1 ORDER BY id
     ) AS carrier`,
    [id],
  )
  return rows.map(({ carrier }) => carrier)
}

/** A new job in a state, in its first attempt where it has had one. */
async function jobIn(state: JobState): Promise<string> {
  const { id } = await queue.enqueue({ priority: 'HIGH' })
  const ways: Record<JobState, readonly JobEvent[]> = {
    QUEUED: [],
    RUNNING: ['begin', 'progress'],
    RETRYING: ['begin', 'retry'],
    SUCCEEDED: ['begin', 'succeed'],
    FAILED: ['begin', 'fail'],
    CANCELLED: ['cancel'],
  }
  for (const event of ways[state]) assert.ok(await change(event, id, event === 'progress' ? { progress: 0.25 } : {}))
  return id
}

/** Lets workers be lost with a job that runs, until one more is one too many. */
async function loseWorkers(id: string): Promise<void> {
  for (let i = 1; i < maxLosses; i++) assert.ok(await change('beginAlone', id))
}

const runOf = async (id: string): Promise<JobRun> => {
  const { queue_job_id, attempt } = await row(id)
  return { id, carrier: String(queue_job_id), attempt }
}

/** What an event changes in the row, beside the state; of times and carriers, what is read from the row afterwards. */
function effect(event: JobEvent, was: Row, is: Row): Partial<Row> {
  const { run_at, started_at, finished_at, queue_job_id } = is
  switch (event) {
    case 'begin':
    case 'beginAlone': {
      const losses = was.losses + (was.state === 'RUNNING' ? 1 : 0)
      return { attempt: was.attempt + 1, losses, progress: 0, failure: null, started_at }
    }
    case 'postpone':
      return { losses: was.losses + (was.state === 'RUNNING' ? 1 : 0), run_at, queue_job_id }
    case 'progress':
      return { progress: 0.5 }
    case 'succeed':
      return { progress: 1, result: { found: 7 }, finished_at }
    case 'retry':
      return { failure, failures: was.failures + 1, run_at, queue_job_id }
    case 'fail':
      return { failure, failures: was.failures + 1, finished_at }
    case 'giveUp':
      return { failure: { ...failure, code: 'INTERNAL', attempt: was.attempt }, losses: was.losses + 1, finished_at }
    case 'handBack':
      return { queue_job_id }
    case 'cancel':
      return { failure: { code: 'CANCELLED', message: 'cancelled', attempt: was.attempt }, finished_at }
    case 'expire':
      return { failure: { code: 'TIMEOUT', message: 'nobody came', attempt: was.attempt }, finished_at }
    case 'requeue': {
      const none = { attempt: 0, failures: 0, losses: 0, progress: 0, failure: null, finished_at: null }
      return { ...none, run_at, queue_job_id }
    }
  }
}

const timesOf: Partial<Record<JobEvent, readonly string[]>> = {
  ...{
    begin: ['started_at'],
    beginAlone: ['started_at'],
    succeed: ['finished_at'],
    fail: ['finished_at'],
    giveUp: ['finished_at'],
  },
  ...{ cancel: ['finished_at'], expire: ['finished_at'], requeue: ['run_at'] },
}
const sendsAnew = new Set<JobEvent>(['postpone', 'retry', 'handBack', 'requeue'])

for (const event of events) {
  for (const state of jobStates) {
    const { from, to } = transitions[event]
    if (!(from as readonly JobState[]).includes(state)) {
      test(`${event} of a ${state} job changes nothing`, async () => {
        const id = await jobIn(state)
        const [was, carried] = [await row(id), await carriers(id)]
        assert.equal(await change(event, id), null)
        assert.deepEqual([await row(id), await carriers(id)], [was, carried])
      })
      continue
    }
    test(`${event} of a ${state} job makes it ${to}, with just the effect that it has`, async () => {
      const id = await jobIn(state)
      if (event === 'giveUp') await loseWorkers(id)
      const [was, carried, startMs] = [await row(id), await carriers(id), await queue.store.nowMs()]
      const job = await change(event, id)
      const [is, endMs] = [await row(id), (await queue.store.nowMs()) + 1]

      const revision = was.revision + 1
      const { history, ...rest } = is
      const { history: past, ...before } = was
      const told = { state: to, revision, changed_at: is.changed_at }
      assert.deepEqual(rest, { ...before, ...effect(event, was, is), ...told })
      for (const time of ['changed_at', ...(timesOf[event] ?? [])]) {
        const ms = Date.parse(String(is[time]))
        assert.ok(startMs <= ms && ms <= endMs, `${time} is when it happened`)
      }
      assert.deepEqual(job, await queue.store.find(id))

      assert.deepEqual(history.slice(0, past.length), past)
      const entry = history[past.length]
      if (is.state === was.state && is.attempt === was.attempt) assert.equal(entry, undefined)
      else {
        assert.equal(history.length, past.length + 1)
        const { id: _, owner: __, ...change } = (await queue.store.histories([id]))[0]?.states.at(-1) ?? {}
        const { attempt, progress, runAtMs, startedAtMs, finishedAtMs, changedAtMs, failure } = job ?? {}
        const whole = { attempt, progress, runAtMs, startedAtMs, finishedAtMs, changedAtMs, failure }
        assert.deepEqual(change, { ...whole, state: to, revision })
      }

      const carriedNow = await carriers(id)
      if (!sendsAnew.has(event)) assert.deepEqual(carriedNow, carried)
      else {
        const [next, ...others] = carriedNow.slice(carried.length)
        assert.deepEqual([next?.id, next?.priority, others], [is.queue_job_id, carried[0]?.priority, []])
        assert.ok(Math.abs(Date.parse(next?.run_at ?? '') - Date.parse(is.run_at)) < 10)
        if (event === 'retry' || event === 'postpone') {
          const inMs = Date.parse(is.run_at) - Date.parse(String(is.changed_at))
          assert.ok(Math.abs(inMs - 60_000) < 100)
        }
      }
    })
  }
}

test('a job that was lost twice is begun alone, and given up when it has cost so many workers their lives', async () => {
  const id = await jobIn('RUNNING')
  const { carrier } = await runOf(id)
  for (let lost = 1; lost < maxLosses; lost++) {
    assert.equal(await change('giveUp', id, { carrier }), null)
    const begun = await queue.runStore.begin(id, carrier)
    assert.equal(begun?.state, lost < suspectLosses ? 'RUNNING' : undefined)
    if (!begun) assert.equal((await queue.runStore.beginAlone(id, carrier))?.state, 'RUNNING')
    assert.equal((await row(id)).losses, lost)
  }
  assert.equal(await change('begin', id, { carrier }), null)
  const job = await queue.runStore.beginAlone(id, carrier)
  assert.deepEqual(
    [job?.state, job?.failure?.code, job?.failure?.attempt, job?.failures],
    ['FAILED', 'INTERNAL', maxLosses, 0],
  )
  assert.equal(await queue.runStore.begin(id, carrier), null)
  assert.equal(await queue.runStore.beginAlone(id, carrier), null)
})

test('a suspect that is put off again and again has the state that it waits in told once', async () => {
  const id = await jobIn('RUNNING')
  for (let i = 0; i < 5; i++) await change('postpone', id)
  const { history, losses } = await row(id)
  assert.deepEqual([history.at(-1)?.state, history.length, losses], ['QUEUED', 3, 1])
})

test('what the database refuses of one job is refused of that one alone, though others ended with it', async () => {
  const { runStore } = queue
  const ids = await Promise.all(Array.from({ length: 5 }, () => jobIn('RUNNING')))
  const runs = await Promise.all(ids.map(runOf))
  const ends = await Promise.allSettled(
    runs.map((run, i) => runStore.succeed(run, { result: i === 2 ? { count: 1n } : i }, false)),
  )
  assert.deepEqual(
    ends.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  )
})

test('text that JSON in Postgres can not hold is stored without it', async () => {
  const id = await jobIn('RUNNING')
  await queue.runStore.succeed(await runOf(id), { result: ['a\u0000b', '\ud83d'] }, false)
  assert.deepEqual(await queue.store.result(id), ['a\ufffdb', '\ufffd'])
})

test('a part that is being saved holds up no change of its job', async () => {
  const id = await jobIn('RUNNING')
  const client = await queue.pool.connect()
  try {
    await client.query('BEGIN')
    await client.query(`INSERT INTO finstage.job_parts (job_id, part) VALUES ($1, 'a')`, [id])
    assert.equal((await change('progress', id))?.progress, 0.5)
  } finally {
    await client.query('ROLLBACK')
    client.release()
  }
})

test('an event that names another owner, carrier or attempt than the job has changes nothing', async () => {
  for (const event of events) {
    for (const state of transitions[event].from) {
      const id = await jobIn(state)
      if (event === 'giveUp') await loseWorkers(id)
      const [was, { carrier, attempt }] = [await row(id), await runOf(id)]
      const wrong: Partial<JobChangeRequest>[] = [
        { owner: 'bob' },
        { carrier: String(Number(carrier) + 1) },
        { attempt: attempt + 1 },
        { owner: 'bob', carrier, attempt },
        { owner, carrier: String(Number(carrier) + 1), attempt },
        { owner, carrier, attempt: attempt + 1 },
      ]
      for (const request of wrong) assert.equal(await change(event, id, request), null)
      assert.deepEqual(await row(id), was, `${event} of ${state}`)
      assert.ok(await change(event, id, { owner, carrier, attempt }), `${event} of ${state}`)
    }
  }
})

test('a late attempt can neither succeed, fail, be retried, be handed back, tell progress nor save a part', async () => {
  const { runStore } = queue
  const id = await jobIn('RUNNING')
  const late = await runOf(id)
  assert.equal((await runStore.begin(id, late.carrier))?.attempt, 2)
  await runStore.savePart({ ...late, attempt: 2 }, 'kept', 1)
  const [was, carried] = [await row(id), await carriers(id)]
  const wrote: string[] = []
  const write = async (): Promise<void> => void wrote.push('result')
  assert.equal(await runStore.succeed(late, { result: 1 }, false), null)
  assert.equal(await runStore.succeed(late, { result: 1, write }, true), null)
  assert.equal(await runStore.fail(late, failure), null)
  assert.equal(await runStore.retry(late, failure, 0), null)
  assert.equal(await runStore.handBack(late), null)
  assert.equal(await runStore.progress(late, 0.9), null)
  await runStore.savePart(late, 'kept', 2)
  await runStore.savePart(late, 'other', 2)
  assert.deepEqual(wrote, [])
  assert.deepEqual([await row(id), await carriers(id)], [was, carried])
  assert.deepEqual(await runStore.parts(id), new Map([['kept', 1]]))
  assert.deepEqual(await runStore.superseded([late, { ...late, attempt: 2 }]), [late])
})

test('a late attempt is told that it is late also where it asks together with the one that counts', async () => {
  const { runStore } = queue
  const id = await jobIn('RUNNING')
  const late = await runOf(id)
  await runStore.begin(id, late.carrier)
  const current = { ...late, attempt: 2 }
  const told = await Promise.all([runStore.progress(late, 0.9), runStore.progress(current, 0.3)])
  assert.deepEqual([told[0], told[1]?.progress], [null, 0.3])
  const ends = await Promise.all([
    runStore.succeed(current, { result: 'right' }, false),
    runStore.succeed(late, { result: 'wrong' }, false),
  ])
  assert.deepEqual([ends[0]?.state, ends[1]], ['SUCCEEDED', null])
  assert.equal(await queue.store.result(id), 'right')
})

test('of the same event for one job from many sides one happens, and leaves one carrier', async () => {
  for (const [event, state] of [
    ['requeue', 'FAILED'],
    ['retry', 'RUNNING'],
    ['handBack', 'RUNNING'],
  ] as const) {
    const id = await jobIn(state)
    const before = (await carriers(id)).length
    const told = await Promise.all(Array.from({ length: 8 }, () => change(event, id)))
    assert.equal(told.filter((job) => job !== null).length, 1, event)
    assert.equal((await carriers(id)).length, before + 1, event)
  }
})

test('what comes while another event holds the job is decided by the state that it leaves', async () => {
  const id = await jobIn('RUNNING')
  const client = await queue.pool.connect()
  try {
    await client.query('BEGIN')
    await changeJobs(client, 'cancel', [{ ...asked.cancel, id }])
    const late = Promise.all([change('retry', id), change('succeed', id), change('progress', id)])
    await blocked(3)
    await client.query('COMMIT')
    assert.deepEqual(await late, [null, null, null])
  } finally {
    client.release()
  }
  assert.deepEqual([(await row(id)).state, (await carriers(id)).length], ['CANCELLED', 1])
})

/** Resolves when so many statements wait for a lock. */
async function blocked(count: number): Promise<void> {
  for (;;) {
    const [found] = await queue.database.query<{ count: number }>(
      `SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    )
    if ((found?.count ?? 0) >= count) return
  }
}

interface Step {
  readonly event: JobEvent
  readonly who: 'any' | 'current' | 'late' | 'otherCarrier' | 'otherOwner'
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    // Those that go on come more often, so that a sequence gets somewhere.
    event: fc.oneof({ weight: 2, arbitrary: fc.constantFrom(...events) }, fc.constantFrom('begin', 'requeue', 'retry')),
    who: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom('any', 'current') },
      fc.constantFrom('late', 'otherCarrier', 'otherOwner'),
    ),
  }),
  { minLength: 1, maxLength: 25 },
)

test('no sequence of events leads out of the machine: its history tells each state once, in order, and its revision counts every change', async () => {
  const numRuns = Number(process.env.PROPERTY_RUNS ?? 60)
  const sequence = async (sequence: readonly Step[]): Promise<void> => {
    const { id } = await queue.enqueue()
    let state: JobState = 'QUEUED'
    let [attempt, losses, revision] = [0, 0, 0]
    const told: [number, JobState, number][] = [[0, 'QUEUED', 0]]
    for (const { event, who } of sequence) {
      const { carrier } = await runOf(id)
      const asking: Record<Step['who'], Partial<JobChangeRequest>> = {
        any: {},
        current: { owner, carrier, attempt },
        late: { owner, carrier, attempt: attempt - 1 },
        otherCarrier: { carrier: String(Number(carrier) - 1), attempt },
        otherOwner: { owner: 'bob', carrier },
      }
      const { from, to } = transitions[event]
      const takes = event === 'begin' || event === 'beginAlone' || event === 'postpone'
      const lost: number = losses + ((takes && state === 'RUNNING') || event === 'giveUp' ? 1 : 0)
      const allows: Partial<Record<JobEvent, boolean>> = {
        begin: lost < suspectLosses,
        beginAlone: lost < maxLosses,
        postpone: lost < maxLosses,
        giveUp: lost >= maxLosses,
      }
      const happens: boolean =
        (who === 'any' || who === 'current') && (from as readonly JobState[]).includes(state) && (allows[event] ?? true)
      const job = await change(event, id, asking[who])
      assert.equal(job !== null, happens, `${event} of ${state} by ${who}`)
      if (!job) continue
      const [stateBefore, attemptBefore]: [JobState, number] = [state, attempt]
      state = to
      revision += 1
      losses = lost
      if (event === 'begin' || event === 'beginAlone') attempt += 1
      if (event === 'requeue') [attempt, losses] = [0, 0]
      assert.deepEqual([job.state, job.attempt, job.revision], [state, attempt, revision])
      if (state !== stateBefore || attempt !== attemptBefore) told.push([revision, state, attempt])
    }
    const { history, ...rest } = await row(id)
    assert.deepEqual(
      history.map((entry) => [entry.revision, entry.state, entry.attempt]),
      told,
    )
    assert.deepEqual([rest.state, rest.attempt, rest.losses, rest.revision], [state, attempt, losses, revision])
    const times = (await queue.store.histories([id]))[0]?.states.map(({ changedAtMs }) => changedAtMs) ?? []
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    )
  }
  await fc.assert(fc.asyncProperty(steps, sequence), { numRuns })
})
