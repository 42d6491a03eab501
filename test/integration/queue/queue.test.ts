import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { after, before, test } from 'node:test'
import { type ErrorCode, FinstageError } from '../../../src/domain/errors.ts'
import { changeOf, type EnqueueRequest, type Job, type JobPriority, jobPriorities } from '../../../src/domain/job.ts'
import { jobConcurrency } from '../../../src/jobs/queue/runner.ts'
import { pruneJobs } from '../../../src/jobs/tasks/prune-jobs.ts'
import { AnalysisStore } from '../../../src/store/analyses/analysis-store.ts'
import { SignalStore } from '../../../src/store/analyses/signal-store.ts'
import { changeJobs } from '../../../src/store/jobs/job-changes.ts'
import { eventually, inTime } from '../../support/clients/client.ts'
import { silentLog } from '../../support/log.ts'
import { owner, startQueue, type TestQueue, testTask, untilAborted } from '../../support/queue/queue.ts'

/** A queue whose places are all taken, so that what is queued waits until one of them is given up. */
interface FullQueue extends AsyncDisposable {
  readonly queue: TestQueue
  /** Queues a job of this name. */
  add(name: string, priority: JobPriority): Promise<Job>
  /** What is begun, once all places are taken. */
  begun(): Promise<string[]>
  /** Gives one place up, and tells what is begun there. */
  next(): Promise<string>
  /** Makes a job look as if it had been due so long. */
  age(id: string, seconds: number): Promise<void>
  priorityOf(id: string): Promise<number>
}

const agingSeconds = 60

async function fullQueue(options: { agingSeconds?: number; runs?: boolean } = {}): Promise<FullQueue> {
  const held: PromiseWithResolvers<void>[] = []
  const begun: string[] = []
  const events = new EventEmitter()
  let open = false
  const task = testTask(async ({ name }) => {
    const hold = Promise.withResolvers<void>()
    if (open) return
    begun.push(String(name))
    held.push(hold)
    events.emit('begun')
    await hold.promise
  })
  const queue = await startQueue({ tasks: [task], agingSeconds, ...options })
  const add = (name: string, priority: JobPriority): Promise<Job> => queue.enqueue({ input: { name }, priority })
  for (let i = 0; i < jobConcurrency; i++) await add('busy', 'CRITICAL')
  if (options.runs !== false) await full()

  async function full(): Promise<void> {
    while (begun.length < jobConcurrency) await inTime(once(events, 'begun'), 'the beginning of a job')
  }
  return {
    queue,
    add,
    async begun() {
      await full()
      return begun
    },
    async next() {
      await full()
      const [count, next] = [begun.length, once(events, 'begun')]
      held.shift()?.resolve()
      await inTime(next, 'the beginning of the next job')
      return begun[count] ?? ''
    },
    async age(id, seconds) {
      await queue.pool.query(
        `UPDATE graphile_worker._private_jobs SET run_at = run_at - $2 * interval '1 second' WHERE payload ->> 'jobId' = $1`,
        [id, seconds],
      )
    },
    async priorityOf(id) {
      const { rows } = await queue.pool.query<{ priority: number }>(
        `SELECT priority FROM graphile_worker._private_jobs WHERE payload ->> 'jobId' = $1`,
        [id],
      )
      return rows[0]?.priority ?? Number.NaN
    },
    async [Symbol.asyncDispose]() {
      open = true
      await queue.pool.query('DELETE FROM graphile_worker._private_jobs WHERE locked_at IS NULL')
      for (const { resolve } of held) resolve()
      await queue.stop()
    },
  }
}

const nextOf = async (full: FullQueue, count: number): Promise<string[]> => {
  const names: string[] = []
  for (let i = 0; i < count; i++) names.push(await full.next())
  return names
}

test('a CRITICAL job that is queued behind 1,000 LOW ones is the next to begin', async () => {
  await using full = await fullQueue()
  await Promise.all(Array.from({ length: 1000 }, (_, i) => full.add(`low ${i}`, 'LOW')))
  const [first] = await nextOf(full, 1)
  assert.match(first ?? '', /^low/)
  await full.add('critical', 'CRITICAL')
  assert.equal(await full.next(), 'critical')
})

test('three of four places: CRITICAL begins before HIGH, HIGH before NORMAL, NORMAL before LOW, whatever came first; within a class whatever came first', async () => {
  await using full = await fullQueue()
  for (const i of [1, 2, 3]) {
    for (const priority of jobPriorities.toReversed()) await full.add(`${priority} ${i}`, priority)
  }
  // Every fourth has come before all others that are left.
  assert.deepEqual(await nextOf(full, 12), [
    ...['CRITICAL 1', 'CRITICAL 2', 'CRITICAL 3', 'LOW 1'],
    ...['HIGH 1', 'HIGH 2', 'HIGH 3', 'NORMAL 1'],
    ...['NORMAL 2', 'NORMAL 3', 'LOW 2', 'LOW 3'],
  ])
})

test('every fourth place gets the job that has been due for longest, whatever its priority, though CRITICAL ones come without end', async () => {
  await using full = await fullQueue({ agingSeconds: 86_400 })
  const { id } = await full.queue.enqueue({ input: { name: 'scheduled' }, runAtMs: Date.now() + 3_600_000 })
  for (const [i, priority] of (['LOW', 'HIGH', 'LOW'] as const).entries()) await full.add(`old ${i}`, priority)
  const begun: string[] = []
  for (let round = 1; round <= 16; round++) {
    await full.add('critical', 'CRITICAL')
    await full.add('critical', 'CRITICAL')
    if (round === 6) {
      // It was queued before all others, and is due since just after the second.
      await full.queue.pool.query(
        `UPDATE graphile_worker._private_jobs SET run_at = (
           SELECT run_at + interval '1 microsecond' FROM graphile_worker.jobs WHERE priority = 12
         ) WHERE payload ->> 'jobId' = $1`,
        [id],
      )
    }
    begun.push(await full.next())
  }
  const critical = ['critical', 'critical', 'critical']
  assert.deepEqual(
    begun,
    ['old 0', 'old 1', 'scheduled', 'old 2'].flatMap((oldest) => [...critical, oldest]),
  )
})

test('of places that are free at the same time every fourth gets what has been due for longest', async () => {
  await using full = await fullQueue({ agingSeconds: 86_400, runs: false })
  await full.queue.pool.query('DELETE FROM graphile_worker._private_jobs')
  for (let i = 0; i < 8; i++) await full.add(`low ${i}`, 'LOW')
  for (let i = 0; i < 40; i++) await full.add('critical', 'CRITICAL')
  await full.queue.runner.start()
  assert.deepEqual((await full.begun()).toSorted(), [
    ...Array.from({ length: 12 }, () => 'critical'),
    ...['low 0', 'low 1', 'low 2', 'low 3'],
  ])
})

test('a time that has passed gives a job no place before those that came first', async () => {
  await using full = await fullQueue()
  await full.add('first', 'NORMAL')
  const { runAtMs, queuedAtMs } = await full.queue.enqueue({ input: { name: 'second' }, runAtMs: 0 })
  assert.equal(runAtMs, queuedAtMs)
  assert.deepEqual(await nextOf(full, 2), ['first', 'second'])
})

test('a job rises one class for each time that it has waited for, and no further than the highest', async () => {
  await using full = await fullQueue()
  const rise = (): Promise<void> => full.queue.workers.rise(['ANALYSIS'], agingSeconds)
  const ids = new Map<JobPriority, string>()
  for (const priority of jobPriorities) ids.set(priority, (await full.add(priority, priority)).id)
  const numbers = async (): Promise<number[]> => Promise.all([...ids.values()].map((id) => full.priorityOf(id)))
  await rise()
  assert.deepEqual(await numbers(), [3, 12, 21, 30])
  const expected = [
    [3, 2, 11, 20],
    [3, 2, 1, 10],
    [3, 2, 1, 0],
    [3, 2, 1, 0],
  ]
  for (const classes of expected) {
    for (const id of ids.values()) await full.age(id, agingSeconds + 1)
    await rise()
    assert.deepEqual(await numbers(), classes)
    await rise()
    assert.deepEqual(await numbers(), classes, 'and no further by being looked at again')
  }
})

test('a job that is not due yet, or runs, does not rise', async () => {
  await using full = await fullQueue()
  const tomorrow = await full.queue.enqueue({ priority: 'LOW', runAtMs: Date.now() + 86_400_000 })
  const running = await full.add('running', 'LOW')
  await full.next()
  await full.age(running.id, 10 * agingSeconds)
  await full.queue.workers.rise(['ANALYSIS'], agingSeconds)
  assert.deepEqual([await full.priorityOf(tomorrow.id), await full.priorityOf(running.id)], [30, 30])
})

test('a LOW job that has risen by one class begins before a fresh NORMAL one and behind a fresh HIGH one', async () => {
  await using full = await fullQueue()
  const { id } = await full.add('aged', 'LOW')
  for (const priority of ['NORMAL', 'HIGH', 'LOW'] as const) await full.add(priority, priority)
  await full.age(id, agingSeconds + 1)
  await full.queue.workers.rise(['ANALYSIS'], agingSeconds)
  assert.deepEqual(await nextOf(full, 4), ['HIGH', 'aged', 'NORMAL', 'LOW'])
})

test('a LOW job is not starved by HIGH ones that come without end', async () => {
  await using full = await fullQueue()
  const { id } = await full.add('low', 'LOW')
  const begun: string[] = []
  for (let round = 0; round < 6; round++) {
    await full.add('high', 'HIGH')
    await full.add('high', 'HIGH')
    await full.age(id, 0.7 * agingSeconds)
    await full.queue.workers.rise(['ANALYSIS'], agingSeconds)
    begun.push(await full.next())
  }
  // After three rounds it has waited for two classes, and is before all that are fresh.
  assert.deepEqual(begun, ['high', 'high', 'low', 'high', 'high', 'high'])
})

test('the runner lets waiting jobs rise by itself', async () => {
  await using full = await fullQueue({ agingSeconds: 0.3, runs: false })
  const { id } = await full.add('aged', 'LOW')
  const waited = async (): Promise<boolean> => {
    const { runAtMs } = await full.queue.job(id)
    return (await full.queue.store.nowMs()) > runAtMs + 600
  }
  await eventually(waited, 'two times of 0.3 s')
  await full.add('fresh', 'NORMAL')
  await full.queue.runner.start()
  await eventually(async () => (await full.priorityOf(id)) <= 10, 'a rise')
  assert.deepEqual(await nextOf(full, 2), ['aged', 'fresh'])
})

let queue: TestQueue
const runs = new Map<string, number>()

/** Does what its input says; `runs` counts the attempts of each job. */
const scripted = testTask(async ({ fails, code, until = 99, waits, ignores, result }, context) => {
  const attempt = (runs.get(context.jobId) ?? 0) + 1
  runs.set(context.jobId, attempt)
  if (waits) await untilAborted(context.signal)
  if (ignores) await new Promise(() => {})
  if (code && attempt <= Number(until)) throw new FinstageError(code as ErrorCode, `fails with ${code}`)
  if (fails && attempt <= Number(until)) throw new Error(String(fails))
  return result
})

before(async () => {
  // Less than there is to leave to chance: attempts are tried again at once.
  queue = await startQueue({ tasks: [scripted], random: () => -1 })
})

after(async () => {
  await queue?.stop()
})

const end = ({ state, attempt, failures, failure }: Job) => [state, attempt, failures, failure?.code, failure?.attempt]

test('errors that the next attempt would meet again fail a job at once, although it has attempts left', async () => {
  const codes: ErrorCode[] = ['SYMBOL_NOT_FOUND', 'BAD_USER_INPUT', 'RANGE_NOT_AVAILABLE', 'NO_DATA', 'NOT_FOUND']
  for (const code of codes) {
    const job = await queue.ended((await queue.enqueue({ input: { code } })).id)
    assert.deepEqual(end(job), ['FAILED', 1, 1, code, 1])
    assert.equal(job.failure?.message, `fails with ${code}`)
  }
})

test('errors that may pass, and errors that nobody foresaw, are tried again until the attempts are used up', async () => {
  const passing = ['SOURCE_UNAVAILABLE', 'SOURCE_RATE_LIMITED', 'LIMIT_EXCEEDED', 'TIMEOUT', 'INTERNAL']
  for (const code of passing) {
    const { id } = await queue.enqueue({ input: { code }, maxAttempts: 2 })
    assert.deepEqual(end(await queue.ended(id)), ['FAILED', 2, 2, code, 2])
  }
  const { id } = await queue.enqueue({ input: { fails: 'secret of the house' } })
  const changes = await queue.followed(id)
  assert.deepEqual(end(await queue.job(id)), ['FAILED', 3, 3, 'INTERNAL', 3])
  assert.equal(changes.filter(({ state }) => state === 'RETRYING').length, 2)
  assert.doesNotMatch(JSON.stringify(changes.map(({ failure }) => failure)), /secret/)
  assert.equal(runs.get(id), 3)
})

test('a job whose attempts failed before one succeeded keeps no error', async () => {
  const { id } = await queue.enqueue({ input: { code: 'SOURCE_UNAVAILABLE', until: 2, result: 5 } })
  const job = await queue.ended(id)
  assert.deepEqual([job.state, job.attempt, job.failures, job.failure, job.progress], ['SUCCEEDED', 3, 2, null, 1])
  assert.equal(await queue.store.result(id), 5)
})

test('an attempt is tried again no sooner than its back-off says', async () => {
  await using slow = await startQueue({ tasks: [scripted], random: () => 0 })
  const { id } = await slow.enqueue({ input: { code: 'SOURCE_UNAVAILABLE', until: 1 } })
  const changes = await slow.followed(id)
  const retrying = changes.find(({ state }) => state === 'RETRYING')
  const again = changes.findLast(({ state }) => state === 'RUNNING')
  assert.ok(retrying && again?.startedAtMs)
  // It is reckoned a moment before the change is told; on a busy machine that moment may be long.
  const waitMs = retrying.runAtMs - retrying.changedAtMs
  assert.ok(waitMs > 500 && waitMs <= 1005, `${waitMs} ms`)
  assert.ok(again.startedAtMs >= retrying.runAtMs)
})

test('input that no longer fits when the job is run fails it as BAD_USER_INPUT, before its task has begun', async () => {
  const { id } = await queue.enqueue({ runAtMs: Date.now() + 86_400_000 })
  await queue.pool.query(`UPDATE finstage.jobs SET input = '"of another version"' WHERE id = $1`, [id])
  await makeDue(id)
  assert.deepEqual(end(await queue.ended(id)), ['FAILED', 1, 1, 'BAD_USER_INPUT', 1])
  assert.equal(runs.get(id), undefined)
})

test('input that does not fit is refused when it is queued, and queues nothing', async () => {
  const count = await rowCounts()
  await assert.rejects(queue.enqueue({ input: 'nonsense' }), { code: 'BAD_USER_INPUT' })
  assert.deepEqual(await rowCounts(), count)
})

test('an attempt that uses up its time is aborted and has failed with TIMEOUT, whether its work heeds the signal or not', async () => {
  const ids = await Promise.all(
    [{ waits: true }, { ignores: true }].map(async (input) => {
      const { id } = await queue.enqueue({ input, timeoutSeconds: 1, maxAttempts: 2 })
      return id
    }),
  )
  const followed = await Promise.all(ids.map((id) => queue.followed(id)))
  for (const [i, id] of ids.entries()) {
    const first = followed[i]?.find(({ state }) => state === 'RETRYING')
    assert.deepEqual([first?.attempt, first?.failure?.code, first?.failure?.attempt], [1, 'TIMEOUT', 1])
    const last = await queue.job(id)
    assert.deepEqual(end(last), ['FAILED', 2, 2, 'TIMEOUT', 2])
    const took = (last.finishedAtMs ?? 0) - (last.startedAtMs ?? 0)
    assert.ok(took >= 990, `${took} ms`)
  }
})

test('a job with runAt is not begun before, and does not keep others waiting', async () => {
  const runAtMs = (await queue.store.nowMs()) + 1200
  const [later, now] = [await queue.enqueue({ runAtMs, priority: 'CRITICAL' }), await queue.enqueue()]
  assert.ok(((await queue.ended(now.id)).startedAtMs ?? Number.NaN) < runAtMs)
  assert.equal((await queue.job(later.id)).state, 'QUEUED')
  assert.ok(((await queue.ended(later.id)).startedAtMs ?? 0) >= runAtMs)
})

test('an idempotency key gives one job to its owner, however many ask at once, and to another owner another', async () => {
  const request: EnqueueRequest = {
    ...{ kind: 'ANALYSIS', owner, input: { result: 1 }, runAtMs: null },
    idempotencyKey: 'one',
  }
  const answers = await Promise.all(Array.from({ length: 12 }, () => queue.jobs.enqueue(request)))
  assert.equal(new Set(answers.map(({ job }) => job.id)).size, 1)
  assert.equal(answers.filter(({ deduplicated }) => !deduplicated).length, 1)
  const other = await queue.jobs.enqueue({ ...request, owner: 'bob' })
  assert.equal(other.deduplicated, false)
  assert.notEqual(other.job.id, answers[0]?.job.id)
  const [rows] = await queue.database.query<{ count: number }>(
    `SELECT count(*)::int FROM finstage.jobs WHERE idempotency_key = 'one'`,
  )
  assert.equal(rows?.count, 2)
  await queue.ended(answers[0]?.job.id ?? '')
  assert.equal((await queue.jobs.enqueue(request)).deduplicated, true)
})

test('an idempotency key that was used for another job is refused, and is free again after 24 hours', async () => {
  const request: EnqueueRequest = {
    ...{ kind: 'ANALYSIS', owner, input: { result: 1 }, runAtMs: null },
    idempotencyKey: 'two',
  }
  const { job } = await queue.jobs.enqueue(request)
  const count = await rowCounts()
  const others = [{ input: { result: 2 } }, { priority: 'HIGH' }, { maxAttempts: 9 }, { timeoutSeconds: 9 }] as const
  for (const other of others) {
    await assert.rejects(queue.jobs.enqueue({ ...request, ...other }), (error: unknown) => {
      assert.ok(error instanceof FinstageError)
      assert.deepEqual([error.code, error.details.field], ['BAD_USER_INPUT', 'idempotencyKey'])
      return true
    })
  }
  assert.equal((await rowCounts()).jobs, count.jobs)
  await queue.pool.query(`UPDATE finstage.jobs SET queued_at = queued_at - interval '24 hours' WHERE id = $1`, [job.id])
  assert.equal((await queue.jobs.enqueue({ ...request, input: { result: 2 } })).deduplicated, false)
})

test('a job and what carries it are stored together or not at all', async () => {
  await queue.pool.query(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'refused'; END $$`)
  for (const table of ['graphile_worker._private_jobs', 'finstage.jobs']) {
    const count = await rowCounts()
    await queue.pool.query(`CREATE TRIGGER refuse AFTER INSERT ON ${table} EXECUTE FUNCTION refuse()`)
    await assert.rejects(queue.enqueue(), /refused/)
    await assert.rejects(queue.enqueue({ idempotencyKey: 'three' }), /refused/)
    assert.deepEqual(await rowCounts(), count, table)
    await queue.pool.query(`DROP TRIGGER refuse ON ${table}`)
  }
  assert.equal((await queue.ended((await queue.enqueue({ idempotencyKey: 'three' })).id)).state, 'SUCCEEDED')
})

test('a waiting job that is cancelled leaves nothing in the queue', async () => {
  const { id } = await queue.enqueue({ runAtMs: Date.now() + 86_400_000 })
  assert.equal(await carrierCount(id), 1)
  const outcome = await queue.jobs.cancel(id, owner)
  assert.equal(outcome.outcome, 'done')
  assert.equal(await carrierCount(id), 0)
})

test('a job that is tried again tomorrow and is cancelled leaves nothing in the queue', async () => {
  await using later = await startQueue({ tasks: [scripted], random: () => 1e5 })
  const { id } = await later.enqueue({ input: { code: 'SOURCE_UNAVAILABLE' } })
  await eventually(async () => (await later.job(id)).state === 'RETRYING', 'a failed attempt')
  await later.jobs.cancel(id, owner)
  await eventually(
    async () => (await later.database.query('SELECT FROM graphile_worker.jobs')).length === 0,
    'an empty queue',
  )
  assert.equal((await later.job(id)).state, 'CANCELLED')
})

test('a running job that is cancelled is told by its signal, and leaves its place to the next', async () => {
  const ids = await Promise.all(
    Array.from({ length: jobConcurrency }, async () => (await queue.enqueue({ input: { waits: true } })).id),
  )
  await eventually(() => ids.every((id) => runs.has(id)), 'the beginning of all')
  const next = await queue.enqueue({ input: { result: 'next' } })
  assert.equal((await queue.job(next.id)).state, 'QUEUED')
  for (const id of ids) assert.equal((await queue.jobs.cancel(id, owner)).outcome, 'done')
  assert.equal((await queue.ended(next.id)).state, 'SUCCEEDED')
  for (const id of ids) {
    const { state, attempt, failure } = await queue.job(id)
    assert.deepEqual([state, attempt, failure?.code, failure?.attempt], ['CANCELLED', 1, 'CANCELLED', 1])
    await eventually(async () => (await carrierCount(id)) === 0, 'nothing left of it in the queue')
  }
})

test('a run is told by the bus alone that its job has ended', async () => {
  const aborted = Promise.withResolvers<void>()
  const task = testTask(async (_, { signal }) => {
    signal.addEventListener('abort', () => aborted.resolve())
    await untilAborted(signal)
  })
  await using told = await startQueue({ tasks: [task] })
  const { id } = await told.enqueue()
  await eventually(async () => (await told.job(id)).state === 'RUNNING', 'the beginning')
  // The database still says that it runs: a look at that would change nothing.
  told.bus.publish('job', { ...changeOf(await told.job(id)), state: 'CANCELLED' })
  await inTime(aborted.promise, 'the abort')
  await told.jobs.cancel(id, owner)
})

test('a job that was retried by its owner has all its attempts again', async () => {
  const { id } = await queue.enqueue({ input: { code: 'SOURCE_UNAVAILABLE', until: 3, result: 1 }, maxAttempts: 2 })
  assert.deepEqual(end(await queue.ended(id)), ['FAILED', 2, 2, 'SOURCE_UNAVAILABLE', 2])
  const outcome = await queue.jobs.retry(id, owner)
  assert.ok(outcome.outcome === 'done')
  const { state, attempt, failures, failure, progress, finishedAtMs } = outcome.job
  assert.deepEqual([state, attempt, failures, failure, progress, finishedAtMs], ['QUEUED', 0, 0, null, 0, null])
  // One fails once more, and the next succeeds.
  const job = await queue.ended(id)
  assert.deepEqual([job.state, job.attempt, job.failures], ['SUCCEEDED', 2, 1])
  assert.equal(await queue.store.result(id), 1)
})

test('jobs that ended before the days that they are kept are deleted with all they left; others and those that run never', async () => {
  const { store, pool, runStore } = queue
  const [old, fresh] = [await queue.enqueue(), await queue.enqueue()]
  for (const { id } of [old, fresh]) await queue.ended(id)
  const running = await queue.enqueue({ input: { waits: true } })
  const waiting = await queue.enqueue({ runAtMs: Date.now() + 86_400_000 })
  await eventually(async () => (await queue.job(running.id)).state === 'RUNNING', 'the beginning')
  await runStore.savePart({ id: running.id, carrier: await carrierOf(running.id), attempt: 1 }, 'part', 1)
  const ids = [old.id, running.id, waiting.id]
  await pool.query(
    `UPDATE finstage.jobs SET queued_at = queued_at - interval '31 days', started_at = started_at - interval '31 days',
       finished_at = finished_at - interval '31 days' WHERE id = ANY($1)`,
    [ids],
  )
  await pool.query('INSERT INTO finstage.job_parts (job_id, part) VALUES ($1, $2)', [old.id, 'part'])
  await pool.query(
    `INSERT INTO finstage.symbol_analyses (job_id, place, source, symbol, interval, as_of, price, indicators)
     VALUES ($1, 0, 'YAHOO', 'AAPL', 'DAY_1', now(), 1, '{}')`,
    [old.id],
  )
  const source = 'YAHOO'
  const analyses = new AnalysisStore({ pool, source, signals: new SignalStore({ pool, source }) })
  const schedule = pruneJobs({ jobs: store, analyses, bus: queue.bus, retentionDays: 30 })
  await schedule.run(Date.now(), silentLog, new AbortController().signal)
  assert.equal(await store.find(old.id), null)
  for (const table of ['job_parts', 'symbol_analyses']) {
    const { rowCount } = await pool.query(`SELECT FROM finstage.${table} WHERE job_id = $1`, [old.id])
    assert.equal(rowCount, 0, table)
  }
  for (const { id } of [fresh, running, waiting]) assert.ok(await store.find(id))
  assert.equal((await runStore.parts(running.id)).size, 1)
  for (const { id } of [running, waiting]) await queue.jobs.cancel(id, owner)
})

test('a job that no worker has taken for the days that jobs are kept is FAILED with TIMEOUT and leaves the queue, its follower is told, and later it is deleted; younger ones and those that run stay', async () => {
  await using idle = await startQueue({ tasks: [scripted], runs: false })
  const { store, pool, bus } = idle
  const analyses = new AnalysisStore({ pool, source: 'YAHOO', signals: new SignalStore({ pool, source: 'YAHOO' }) })
  const prune = (): Promise<void> =>
    pruneJobs({ jobs: store, analyses, bus, retentionDays: 30 }).run(
      Date.now(),
      silentLog,
      new AbortController().signal,
    )
  const names = ['waits', 'retries', 'was lost', 'runs', 'due later', 'young'] as const
  const jobs = new Map<string, Job>()
  for (const name of names) jobs.set(name, await idle.enqueue())
  const idOf = (name: (typeof names)[number]): string => jobs.get(name)?.id ?? ''
  for (const name of ['retries', 'was lost', 'runs'] as const) {
    await changeJobs(pool, 'begin', [{ id: idOf(name) }])
  }
  const failure = { code: 'TIMEOUT', message: 'late', attempt: 1 } as const
  await changeJobs(pool, 'retry', [{ id: idOf('retries'), failure, retryInSeconds: 0 }])
  const old = names.slice(0, 4).map(idOf)
  await pool.query(
    `UPDATE finstage.jobs SET queued_at = queued_at - interval '31 days', run_at = run_at - interval '31 days',
       started_at = started_at - interval '31 days' WHERE id = ANY($1)`,
    [old],
  )
  // It was queued long ago, and is due only now.
  await pool.query(`UPDATE finstage.jobs SET queued_at = queued_at - interval '60 days' WHERE id = $1`, [
    idOf('due later'),
  ])
  await pool.query(
    `UPDATE graphile_worker._private_jobs SET locked_at = now(), locked_by = 'somebody' WHERE payload ->> 'jobId' = $1`,
    [idOf('runs')],
  )
  const followed = idle.followed(idOf('waits'))
  await prune()
  const ends = await Promise.all(names.map((name) => idle.job(idOf(name))))
  assert.deepEqual(
    ends.map(({ state, failure, attempt }) => [state, failure?.code, failure?.attempt, attempt]),
    [
      ...[
        ['FAILED', 'TIMEOUT', 0, 0],
        ['FAILED', 'TIMEOUT', 1, 1],
        ['FAILED', 'TIMEOUT', 1, 1],
      ],
      ...[
        ['RUNNING', undefined, undefined, 1],
        ['QUEUED', undefined, undefined, 0],
        ['QUEUED', undefined, undefined, 0],
      ],
    ],
  )
  assert.match(ends[0]?.failure?.message ?? '', /No worker has taken the job within 30 days/)
  assert.deepEqual(
    (await followed).map(({ state }) => state),
    ['QUEUED', 'FAILED'],
  )
  const carried = await idle.database.query<{ id: string }>(
    'SELECT jobs.id FROM finstage.jobs JOIN graphile_worker.jobs AS carrier ON carrier.id = queue_job_id ORDER BY position',
  )
  assert.deepEqual(
    carried.map(({ id }) => id),
    names.slice(3).map(idOf),
  )
  // By its owner it may be queued again; else it is deleted like all that have ended.
  assert.equal((await idle.jobs.retry(idOf('retries'), owner)).outcome, 'done')
  await pool.query(
    `UPDATE finstage.jobs SET finished_at = finished_at - interval '31 days' WHERE finished_at IS NOT NULL`,
  )
  await prune()
  assert.deepEqual(await Promise.all(names.map(async (name) => (await store.find(idOf(name)))?.state)), [
    undefined,
    'QUEUED',
    undefined,
    'RUNNING',
    'QUEUED',
    'QUEUED',
  ])
})

async function makeDue(id: string): Promise<void> {
  const { pool } = queue
  await pool.query(`UPDATE graphile_worker._private_jobs SET run_at = now() WHERE payload ->> 'jobId' = $1`, [id])
}

async function carrierOf(id: string): Promise<string> {
  const [row] = await queue.database.query<{ carrier: string }>(
    'SELECT queue_job_id::text AS carrier FROM finstage.jobs WHERE id = $1',
    [id],
  )
  return row?.carrier ?? ''
}

async function carrierCount(id: string): Promise<number> {
  const text = `SELECT FROM graphile_worker._private_jobs WHERE payload ->> 'jobId' = $1`
  return (await queue.pool.query(text, [id])).rowCount ?? 0
}

async function rowCounts(): Promise<{ jobs: number; waiting: number }> {
  const [counts] = await queue.database.query<{ jobs: number; waiting: number }>(
    `SELECT (SELECT count(*) FROM finstage.jobs)::int AS jobs,
       (SELECT count(*) FROM graphile_worker._private_jobs WHERE run_at > now())::int AS waiting`,
  )
  assert.ok(counts)
  return counts
}
