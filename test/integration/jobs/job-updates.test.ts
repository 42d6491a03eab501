import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { FinstageError } from '../../../src/domain/errors.ts'
import { changeOf, type Job } from '../../../src/domain/job.ts'
import { type JobNews, JobService } from '../../../src/jobs/job-service.ts'
import { createPool } from '../../../src/platform/database/pool.ts'
import { JobStore } from '../../../src/store/jobs/job-store.ts'
import type { Bus, Topic, Topics } from '../../../src/stream/bus.ts'
import { PostgresBus } from '../../../src/stream/postgres-bus.ts'
import { eventually, inTime } from '../../support/clients/client.ts'
import { silentLog } from '../../support/log.ts'
import { jobsOf, owner, startQueue, type TestQueue, testTask, untilAborted } from '../../support/queue/queue.ts'

/** Where the jobs run. */
let worker: TestQueue
/** Another process, as far as the bus can tell: what it knows of the worker's jobs, it knows from Postgres. */
let follower: Follower

interface Follower extends AsyncDisposable {
  readonly jobs: JobService
  readonly bus: PostgresBus
  /** As whom the bus listens. */
  readonly role: string
  readonly stop: () => Promise<void>
}

const steps = new Map<string, PromiseWithResolvers<void>>()

before(async () => {
  const task = testTask(async ({ gate, failures = 0 }, { signal, jobId }) => {
    attempts.set(jobId, (attempts.get(jobId) ?? 0) + 1)
    if (gate) await Promise.race([steps.get(String(gate))?.promise, untilAborted(signal)])
    if ((attempts.get(jobId) ?? 0) <= Number(failures)) throw new FinstageError('SOURCE_UNAVAILABLE', 'away')
  })
  worker = await startQueue({ tasks: [task], random: () => -1 })
  follower = await startFollower()
})

after(async () => {
  await follower?.stop()
  await worker?.stop()
})

const attempts = new Map<string, number>()

async function startFollower(wrap: (bus: Bus) => Bus = (bus) => bus): Promise<Follower> {
  const connectionString = worker.database.url
  const pool = createPool(connectionString, silentLog, { max: 3 })
  // Of its own, so that it can be kept from connecting.
  const role = `follower_${randomUUID().replaceAll('-', '')}`
  await worker.database.query(`CREATE ROLE ${role} LOGIN`)
  const bus = new PostgresBus({ connectionString: asRole(connectionString, role), pool, log: silentLog })
  await bus.start()
  const store = new JobStore(pool)
  const jobs = new JobService({ store, bus: wrap(bus), tasks: [] })
  const stop = async (): Promise<void> => {
    jobs.stop()
    await bus.stop()
    await pool.end()
    await worker.database.query(`DROP ROLE ${role}`)
  }
  return { jobs, bus, role, stop, [Symbol.asyncDispose]: stop }
}

const asRole = (url: string, role: string): string => url.replace(/\/\/[^@/]*@/, `//${role}@`)

/** A job that goes on when it is told to. */
async function gated(input: Record<string, unknown> = {}, of = owner) {
  const gate = Promise.withResolvers<void>()
  const name = String(steps.size)
  steps.set(name, gate)
  const { id } = await worker.enqueue({ input: { ...input, gate: name }, owner: of })
  return { id, goOn: () => gate.resolve() }
}

/** What a stream gives, as it comes. */
function reading(updates: AsyncIterableIterator<JobNews> | null) {
  assert.ok(updates)
  const seen: Job[] = []
  const read = async (): Promise<void> => {
    for await (const job of jobsOf(updates)) seen.push(job)
  }
  const completed = read()
  return {
    seen,
    /** Resolves when the stream has completed. */
    completed: () => inTime(completed, 'the end of the stream'),
    /** Waits until a job, or as many as are said, have this state. */
    until: (state: string, count = 1) =>
      eventually(() => seen.filter((job) => job.state === state).length >= count, `${count} ${state}`),
    end: () => updates.return?.(),
  }
}

const states = (jobs: readonly Job[]): string[] =>
  jobs.map(({ state, attempt }) => `${state} ${attempt}`).filter((state, i, all) => state !== all[i - 1])
const revisions = (jobs: readonly Job[]): number[] => jobs.map(({ revision }) => revision)

function assertOnceInOrder(jobs: readonly Job[]): void {
  const found = revisions(jobs)
  assert.deepEqual(
    found,
    [...new Set(found)].toSorted((a, b) => a - b),
  )
}

const whole = ['QUEUED 0', 'RUNNING 1', 'RETRYING 1', 'RUNNING 2', 'SUCCEEDED 2']

test('who follows a job in another process is told each state once, in order, and then the end', async () => {
  const { id, goOn } = await gated({ failures: 1 })
  const stream = reading(await follower.jobs.follow(id, owner))
  goOn()
  await stream.completed()
  const seen = states(stream.seen)
  assert.deepEqual(seen, whole.slice(-seen.length), 'it may have begun before it was followed')
  assert.ok(seen.length >= whole.length - 1)
  assertOnceInOrder(stream.seen)
  assert.deepEqual(stream.seen.at(-1), { ...(await worker.job(id)), failures: stream.seen.at(-1)?.failures })
})

test('a job that has ended gives itself and the end', async () => {
  const { id, goOn } = await gated()
  goOn()
  await worker.ended(id)
  const stream = reading(await follower.jobs.follow(id, owner))
  await stream.completed()
  assert.deepEqual(stream.seen, [await worker.job(id)])
})

test('a job of another owner and one that does not exist can not be followed', async () => {
  const { id, goOn } = await gated({}, 'bob')
  assert.equal(await follower.jobs.follow(id, owner), null)
  assert.equal(await follower.jobs.follow('00000000-0000-4000-8000-000000000000', owner), null)
  assert.equal(await follower.jobs.follow('nonsense', owner), null)
  goOn()
  await worker.ended(id)
})

test('what a job went through while the bus was cut is told afterwards, each state once', async () => {
  const all = reading(await follower.jobs.followAll(owner))
  const { id, goOn } = await gated({ failures: 1 })
  const one = reading(await follower.jobs.follow(id, owner))
  await one.until('RUNNING')
  await all.until('RUNNING')
  const cut = await cutBus(follower)
  goOn()
  await worker.ended(id)
  assert.equal(one.seen.at(-1)?.state, 'RUNNING', 'it has heard nothing meanwhile')
  await cut.mend()
  await one.completed()
  await all.until('SUCCEEDED')
  const seen = states(one.seen)
  assert.deepEqual(seen, whole.slice(-seen.length))
  assert.deepEqual(states(all.seen), whole)
  for (const stream of [one, all]) assertOnceInOrder(stream.seen)
  await all.end()
})

test('jobs that were queued and ended while the bus was cut are told to who follows all, each state once', async () => {
  const all = reading(await follower.jobs.followAll(owner))
  const cut = await cutBus(follower)
  const jobs = [await gated({ failures: 1 }), await gated()]
  for (const { goOn } of jobs) goOn()
  for (const { id } of jobs) await worker.ended(id)
  assert.deepEqual(all.seen, [])
  await cut.mend()
  await all.until('SUCCEEDED', 2)
  const of = (id: string | undefined): Job[] => all.seen.filter((job) => job.id === id)
  assert.deepEqual(states(of(jobs[0]?.id)), whole)
  assert.deepEqual(states(of(jobs[1]?.id)), ['QUEUED 0', 'RUNNING 1', 'SUCCEEDED 1'])
  for (const { id } of jobs) assertOnceInOrder(of(id))
  await all.end()
})

for (const lost of [1, 2, 3]) {
  test(`where message ${lost} of a job is lost, the gap is noticed at the next, and filled from its history`, async () => {
    let heard = 0
    await using losing = await startFollower((bus) => dropping(bus, 'job', () => ++heard === lost))
    const all = reading(await losing.jobs.followAll(owner))
    const { id, goOn } = await gated({ failures: 1 })
    const one = reading(await losing.jobs.follow(id, owner))
    goOn()
    await one.completed()
    await all.until('SUCCEEDED')
    // History may have told all before the messages are there.
    await eventually(() => heard > lost, 'a message after the lost one')
    assert.deepEqual(states(all.seen), whole)
    assert.deepEqual(states(one.seen), whole.slice(-states(one.seen).length))
    for (const stream of [one, all]) assertOnceInOrder(stream.seen)
  })
}

test('where the last message of a job is lost, jobsMissed has it caught up with', async () => {
  let deaf = false
  await using losing = await startFollower((bus) => dropping(bus, 'job', () => deaf))
  const all = reading(await losing.jobs.followAll(owner))
  const { id, goOn } = await gated({ failures: 1 })
  const one = reading(await losing.jobs.follow(id, owner))
  await one.until('RUNNING')
  await all.until('RUNNING')
  deaf = true
  goOn()
  await worker.ended(id)
  assert.equal(one.seen.at(-1)?.state, 'RUNNING')
  worker.bus.publish('jobsMissed', {})
  await one.completed()
  await all.until('SUCCEEDED')
  assert.deepEqual(states(one.seen).slice(-3), whole.slice(-3))
  assert.deepEqual(states(all.seen).slice(-3), whole.slice(-3))
  for (const stream of [one, all]) assertOnceInOrder(stream.seen)
})

test('where the worker can not pass its last message on, its followers catch up once it can', async () => {
  const all = reading(await follower.jobs.followAll(owner))
  const { id, goOn } = await gated({ failures: 1 })
  const one = reading(await follower.jobs.follow(id, owner))
  await one.until('RUNNING')
  await all.until('RUNNING')
  await all.end()
  const refused = refuseNotify(worker.pool)
  goOn()
  await worker.ended(id)
  await eventually(() => refused.count >= 1, 'a message that was not passed on')
  assert.equal(one.seen.at(-1)?.state, 'RUNNING')
  refused.end()
  await one.completed()
  assert.deepEqual(states(one.seen).slice(-3), whole.slice(-3))
  assertOnceInOrder(one.seen)
})

for (const event of ['succeed', 'retry', 'begin']) {
  test(`where the answer to a ${event} is lost, and it has happened all the same, its followers are told`, async () => {
    const { id, goOn } = await gated({ failures: 1 })
    const one = reading(await follower.jobs.follow(id, owner))
    await one.until('RUNNING')
    const lost = loseAnswer(worker.pool, `job ${event}`)
    goOn()
    await one.completed()
    assert.equal(lost(), 1)
    assertOnceInOrder(one.seen)
    const [history] = await worker.store.histories([id])
    const seen = one.seen.map(({ state, attempt }) => `${state} ${attempt}`).slice(-3)
    assert.deepEqual(seen, history?.states.map(({ state, attempt }) => `${state} ${attempt}`).slice(-3))
    assert.equal(history?.job.state, 'SUCCEEDED')
  })
}

test('who follows all is told each state of all jobs of its owner from now on, and of nobody else', async () => {
  const before = await gated({ failures: 1 })
  await eventually(async () => (await worker.job(before.id)).state === 'RUNNING', 'the beginning')
  const mine = reading(await follower.jobs.followAll(owner))
  const others = reading(await follower.jobs.followAll('bob'))
  const [later, of] = [await gated(), await gated({}, 'bob')]
  for (const { goOn } of [before, later, of]) goOn()
  await mine.until('SUCCEEDED', 2)
  await others.until('SUCCEEDED')
  assert.deepEqual(new Set(mine.seen.map(({ id }) => id)), new Set([before.id, later.id]))
  const seenOf = (id: string): Job[] => mine.seen.filter((job) => job.id === id)
  assert.deepEqual(states(seenOf(before.id)), whole.slice(2), 'what it was before is not told')
  assert.deepEqual(states(seenOf(later.id)), ['QUEUED 0', 'RUNNING 1', 'SUCCEEDED 1'])
  assert.deepEqual(states(others.seen), ['QUEUED 0', 'RUNNING 1', 'SUCCEEDED 1'])
  assert.ok(others.seen.every((job) => job.id === of.id))
  for (const { id } of [before, later]) assertOnceInOrder(seenOf(id))
  await Promise.all([mine.end(), others.end()])
})

test('a job that its owner retries is told on, by one who follows all, from QUEUED to its second end', async () => {
  const all = reading(await follower.jobs.followAll(owner))
  const { id, goOn } = await gated({ failures: 1 })
  await all.until('RUNNING')
  await worker.jobs.cancel(id, owner)
  await worker.jobs.retry(id, owner)
  goOn()
  await all.until('SUCCEEDED')
  // The first of the new attempts is the second run, which does not fail.
  assert.deepEqual(states(all.seen), ['QUEUED 0', 'RUNNING 1', 'CANCELLED 1', 'QUEUED 0', 'RUNNING 1', 'SUCCEEDED 1'])
  assertOnceInOrder(all.seen)
  await all.end()
})

test('who reads slowly is spared old progress, but no state', async () => {
  const { id } = await worker.enqueue({ runAtMs: Date.now() + 86_400_000 })
  const one = await follower.jobs.follow(id, owner)
  const all = await follower.jobs.followAll(owner)
  const told = reading(await follower.jobs.follow(id, owner))
  assert.ok(one)
  const { runStore, bus } = worker
  const tell = (job: Job | null): Job => {
    assert.ok(job)
    bus.publish('job', job)
    return job
  }
  const perAttempt = 550
  // Each attempt tells more than half of what may wait: it becomes too much within the second.
  for (const attempt of [1, 2]) {
    const carrier = await carrierOf(id)
    tell(await runStore.begin(id, carrier))
    const run = { id, carrier, attempt }
    for (let i = 1; i <= perAttempt; i++) tell(await runStore.progress(run, i / 1000))
    const failure = { code: 'SOURCE_UNAVAILABLE', message: 'away', attempt } as const
    if (attempt === 1) tell(await runStore.retry(run, failure, 86_400))
    else tell(await runStore.succeed(run, { result: null }, false))
  }
  await told.completed()
  assert.equal(told.seen.length, 2 * perAttempt + whole.length, 'each was told to who keeps up')
  for (const slow of [one, all]) {
    const seen: Job[] = []
    for await (const job of jobsOf(slow)) {
      seen.push(job)
      if (job.state === 'SUCCEEDED') break
    }
    assert.ok(seen.length < 2 * perAttempt, `${seen.length} were kept`)
    assertOnceInOrder(seen)
    assert.deepEqual(states(seen), slow === one ? whole : whole.slice(1))
    for (const attempt of [1, 2]) {
      const newest = seen.findLast((job) => job.state === 'RUNNING' && job.attempt === attempt)
      assert.equal(newest?.progress, perAttempt / 1000)
    }
  }
})

async function carrierOf(id: string): Promise<string> {
  const [row] = await worker.database.query<{ carrier: string }>(
    'SELECT queue_job_id::text AS carrier FROM finstage.jobs WHERE id = $1',
    [id],
  )
  return row?.carrier ?? ''
}

/** Has a pool fail at what the bus passes messages on with. */
function refuseNotify(pool: pg.Pool): { readonly count: number; end(): void } {
  const query = pool.query
  let count = 0
  pool.query = ((...args: Parameters<typeof query>) => {
    if ((args[0] as unknown as { name?: string }).name !== 'notify') return query.apply(pool, args)
    count += 1
    return Promise.reject(new Error('Connection terminated unexpectedly'))
  }) as typeof query
  return {
    get count() {
      return count
    },
    end() {
      pool.query = query
    },
  }
}

/** Has the next statement of a name fail after it has been done; tells how often that has happened. */
function loseAnswer(pool: pg.Pool, name: string): () => number {
  const query = pool.query
  let count = 0
  pool.query = (async (...args: Parameters<typeof query>) => {
    const answer = await query.apply(pool, args)
    if (count > 0 || (args[0] as unknown as { name?: string }).name !== name) return answer
    count += 1
    pool.query = query
    throw new Error('Connection terminated unexpectedly')
  }) as typeof query
  return () => count
}

/** A bus that loses some of the messages of a topic. */
function dropping<T extends Topic>(bus: Bus, topic: T, isLost: (message: Topics[T]) => boolean): Bus {
  const subscribe: Bus['subscribe'] = (subscribed, listener) =>
    bus.subscribe(subscribed, (message) => {
      if (subscribed !== (topic as Topic) || !isLost(message as never)) listener(message)
    })
  return Object.assign(Object.create(bus), { subscribe, publish: bus.publish.bind(bus) })
}

/** Lets the follower's bus hear nothing, until it is mended. */
async function cutBus({ bus, role }: Follower): Promise<{ mend: () => Promise<void> }> {
  const { query } = worker.database
  await query(`ALTER ROLE ${role} NOLOGIN`)
  await query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [role])
  await eventually(() => !bus.connected, 'that the bus is cut')
  return {
    async mend() {
      await query(`ALTER ROLE ${role} LOGIN`)
    },
  }
}

test('a job that waits and is put off again and again is told of once', async () => {
  const { id } = await worker.enqueue({ runAtMs: Date.now() + 3_600_000 })
  const updates = (await worker.jobs.follow(id, owner)) ?? assert.fail()
  for (let i = 0; i < 3; i++) {
    const [row] = await worker.database.query<{ carrier: string }>(
      'SELECT queue_job_id::text AS carrier FROM finstage.jobs WHERE id = $1',
      [id],
    )
    const job = await worker.runStore.postpone(id, row?.carrier ?? '', 3600)
    worker.bus.publish('job', changeOf(job ?? assert.fail()))
  }
  await worker.jobs.cancel(id, owner)
  const states: string[] = []
  for await (const { state } of jobsOf(updates)) states.push(state)
  assert.deepEqual(states, ['QUEUED', 'CANCELLED'])
})
