import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { FinstageError } from '../../../src/domain/errors.ts'
import type { Job } from '../../../src/domain/job.ts'
import { createPool } from '../../../src/platform/database/pool.ts'
import type { NewJob } from '../../../src/store/jobs/job-intake.ts'
import { JobStore } from '../../../src/store/jobs/job-store.ts'
import { startApp } from '../../support/app.ts'
import { type Answer, ask, eventually, post } from '../../support/clients/client.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database/database.ts'
import { silentLog } from '../../support/log.ts'
import { startProcess } from '../../support/process.ts'
import { startQueue, testTask } from '../../support/queue/queue.ts'

interface Outcome {
  readonly __typename: string
  readonly job?: { readonly id: string; readonly state: string; readonly runAt: string }
  readonly deduplicated?: boolean
  readonly code?: string
  readonly field?: string | null
  readonly retryAfterSeconds?: number | null
}

type Send = (
  api: string,
  query: string,
  variables?: Record<string, unknown>,
) => Promise<Answer<Record<string, Outcome>>>

const transports: readonly (readonly [string, Send])[] = [
  ['HTTP', post],
  ['WebSocket', ask],
]

const outcome = `__typename ... on EnqueuePayload { deduplicated job { id state runAt } }
  ... on InvalidInput { code field } ... on LimitExceeded { code retryAfterSeconds }`
const dayMs = 86_400_000

async function enqueue(send: Send, api: string, input: Record<string, unknown> = {}): Promise<Outcome> {
  const query = `mutation ($input: EnqueueAnalysisInput!) { enqueueAnalysis(input: $input) { ${outcome} } }`
  const { data, errors } = await send(api, query, { input: { symbols: ['AAPL'], ...input } })
  assert.equal(errors, undefined)
  assert.ok(data?.enqueueAnalysis)
  return data.enqueueAnalysis
}

async function act(send: Send, api: string, action: string, id: string): Promise<Outcome> {
  const query = `mutation ($id: ID!) { ${action}(id: $id) { __typename ... on JobActionPayload { job { id state } }
    ... on NotFound { code } ... on WrongState { code } ... on LimitExceeded { code retryAfterSeconds } } }`
  const { data, errors } = await send(api, query, { id })
  assert.equal(errors, undefined)
  assert.ok(data?.[action])
  return data[action]
}

/** An API whose jobs wait, as nobody runs them. */
async function openApi(settings: Record<string, string>) {
  const database = await createTestDatabase()
  const app = await startApp({ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', ...settings }, 'api')
  const rows = async (): Promise<number> => (await database.query('SELECT FROM finstage.jobs')).length
  return {
    api: app.api,
    rows,
    [Symbol.asyncDispose]: async () => {
      await app.stop()
      await database[Symbol.asyncDispose]()
    },
  }
}

for (const [transport, send] of transports) {
  suite(`over ${transport}`, () => {
    test('who has as many jobs waiting as may wait gets LimitExceeded, and is let in again when one of them is gone', async () => {
      await using server = await openApi({ MAX_WAITING_JOBS_PER_OWNER: '3' })
      const tomorrow = new Date(Date.now() + dayMs).toISOString()
      const first = await enqueue(send, server.api)
      // What is due later waits too.
      for (const input of [{ runAt: tomorrow }, { priority: 'CRITICAL' }]) {
        assert.equal((await enqueue(send, server.api, input)).__typename, 'EnqueuePayload')
      }
      for (const input of [{}, { runAt: tomorrow }, { priority: 'CRITICAL' }, { idempotencyKey: 'new' }]) {
        const refused = await enqueue(send, server.api, input)
        assert.deepEqual([refused.__typename, refused.code], ['LimitExceeded', 'LIMIT_EXCEEDED'])
        assert.ok((refused.retryAfterSeconds ?? 0) > 0)
      }
      assert.equal(await server.rows(), 3)
      assert.equal((await act(send, server.api, 'cancelJob', first.job?.id ?? '')).job?.state, 'CANCELLED')
      await eventually(
        async () => (await enqueue(send, server.api)).__typename === 'EnqueuePayload',
        'room for one more',
      )
      assert.equal((await enqueue(send, server.api)).__typename, 'LimitExceeded')
      assert.equal(await server.rows(), 4)
    })

    test('an idempotency key gives the job that it was used for although no more may wait', async () => {
      await using server = await openApi({ MAX_WAITING_JOBS_PER_OWNER: '1' })
      const first = await enqueue(send, server.api, { idempotencyKey: 'one' })
      const again = await enqueue(send, server.api, { idempotencyKey: 'one' })
      assert.deepEqual([again.deduplicated, again.job?.id], [true, first.job?.id])
      const other = await enqueue(send, server.api, { idempotencyKey: 'one', symbols: ['MSFT'] })
      assert.deepEqual([other.__typename, other.field], ['InvalidInput', 'idempotencyKey'])
      assert.equal((await enqueue(send, server.api, { idempotencyKey: 'two' })).__typename, 'LimitExceeded')
    })

    test('retryJob gives LimitExceeded where no more may wait, and leaves the job as it is; one that may not be retried says so', async () => {
      await using server = await openApi({ MAX_WAITING_JOBS_PER_OWNER: '1' })
      const cancelled = (await enqueue(send, server.api)).job?.id ?? ''
      await act(send, server.api, 'cancelJob', cancelled)
      let waiting = ''
      await eventually(async () => {
        waiting = (await enqueue(send, server.api)).job?.id ?? ''
        return waiting !== ''
      }, 'room for one more')
      const refused = await act(send, server.api, 'retryJob', cancelled)
      assert.deepEqual([refused.__typename, refused.code], ['LimitExceeded', 'LIMIT_EXCEEDED'])
      assert.equal((await act(send, server.api, 'cancelJob', cancelled)).code, 'WRONG_STATE')
      assert.equal((await act(send, server.api, 'retryJob', waiting)).code, 'WRONG_STATE')
      const nobodys = Buffer.from('Job:00000000-0000-4000-8000-000000000000').toString('base64')
      assert.equal((await act(send, server.api, 'retryJob', nobodys)).code, 'NOT_FOUND')
      await act(send, server.api, 'cancelJob', waiting)
      await eventually(
        async () => (await act(send, server.api, 'retryJob', cancelled)).job?.state === 'QUEUED',
        'room for it',
      )
      // It waits like any other.
      assert.equal((await enqueue(send, server.api)).__typename, 'LimitExceeded')
    })

    test('one operation queues twenty jobs, or queues them again, and more are refused one by one; the next operation queues as many', async () => {
      await using server = await openApi({ MAX_WAITING_JOBS_PER_OWNER: '1000' })
      const kinds = [
        `enqueueAnalysis(input: { symbols: ["AAPL"] })`,
        `enqueueBackfill(input: { symbols: ["AAPL"], from: "2020-01-01T00:00:00Z" })`,
        `enqueueBacktest(input: { symbols: ["AAPL"], signals: [GOLDEN_CROSS] })`,
        `enqueueDailyReport(input: { symbols: ["AAPL"] })`,
      ]
      const fields = Array.from({ length: 23 }, (_, i) => `a${i}: ${kinds[i % kinds.length]} { ${outcome} }`)
      for (let round = 1; round <= 2; round++) {
        const { data, errors } = await send(server.api, `mutation { ${fields.join(' ')} }`)
        assert.equal(errors, undefined)
        const outcomes = Object.values(data ?? {})
        assert.deepEqual(
          outcomes.map(({ __typename, field }) => [__typename, field]),
          outcomes.map((_, i) => (i < 20 ? ['EnqueuePayload', undefined] : ['InvalidInput', 'input'])),
        )
        assert.equal(await server.rows(), 20 * round)
      }
      const ids: string[] = []
      for (let i = 0; i < 21; i++) ids.push((await enqueue(send, server.api)).job?.id ?? '')
      for (const id of ids) await act(send, server.api, 'cancelJob', id)
      const retries = ids.map(
        (id, i) => `a${i}: retryJob(id: "${id}") { __typename ... on LimitExceeded { retryAfterSeconds } }`,
      )
      const { data } = await send(server.api, `mutation { ${retries.join(' ')} }`)
      assert.deepEqual(
        Object.values(data ?? {}).map(({ __typename, retryAfterSeconds }) => [__typename, retryAfterSeconds]),
        ids.map((_, i) => (i < 20 ? ['JobActionPayload', undefined] : ['LimitExceeded', 0])),
      )
    })

    test('runAt is at most 30 days ahead, and is never answered with a year of five digits', async () => {
      await using server = await openApi({})
      const within = await enqueue(send, server.api, {
        runAt: new Date(Date.now() + 30 * dayMs - 60_000).toISOString(),
      })
      assert.equal(within.__typename, 'EnqueuePayload')
      const later = [new Date(Date.now() + 30 * dayMs + 60_000).toISOString(), '9999-12-31T23:59:59-01:00']
      for (const runAt of [...later, '9999-12-31T23:59:59.999Z']) {
        const { __typename, code, field } = await enqueue(send, server.api, { runAt })
        assert.deepEqual([__typename, code, field], ['InvalidInput', 'BAD_USER_INPUT', 'runAt'], runAt)
      }
      for (const runAt of ['0001-01-01T00:00:00+23:59', '1969-07-20T20:17:00Z']) {
        const { job } = await enqueue(send, server.api, { runAt })
        assert.match(job?.runAt ?? '', /^20\d\d-/, runAt)
      }
      assert.equal(await server.rows(), 3)
    })
  })
}

test('of two processes that queue at once as much as they can, both together let in just as many as may wait', async () => {
  await using database = await createTestDatabase()
  const settings = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', MAX_WAITING_JOBS_PER_OWNER: '150' }
  await using one = await startProcess(['api'], settings)
  await using two = await startProcess(['api'], settings)
  const keyOf = (i: number): object => (i % 3 === 0 ? { idempotencyKey: `key ${i}` } : {})
  // Every third has a key, and is asked of both.
  const outcomes = await Promise.all(
    [one, two].flatMap(({ api }) => Array.from({ length: 200 }, (_, i) => enqueue(post, api, { ...keyOf(i) }))),
  )
  const ids = new Set(outcomes.flatMap(({ job }) => job?.id ?? []))
  assert.equal(ids.size, 150)
  assert.equal((await database.query('SELECT FROM finstage.jobs')).length, 150)
  const fresh = outcomes.filter(({ deduplicated }) => deduplicated === false)
  assert.equal(fresh.length, 150)
  const others = outcomes.filter(({ __typename }) => __typename !== 'EnqueuePayload')
  assert.ok(others.every(({ __typename }) => __typename === 'LimitExceeded'))
  for (const { api } of [one, two]) assert.equal((await enqueue(post, api)).__typename, 'LimitExceeded')
})

const order: NewJob = {
  ...{ kind: 'ANALYSIS', owner: 'ada', priority: 'NORMAL', maxAttempts: 1, timeoutSeconds: 60, input: {} },
  ...{ runAtMs: null, idempotencyKey: null },
}

/** How many of so many jobs that are queued at once are let in. */
async function letIn(store: JobStore, count: number, owner = 'ada'): Promise<number> {
  const one = (): Promise<number> =>
    store.enqueue({ ...order, owner }).then(
      () => 1,
      (error: unknown) => {
        assert.ok(error instanceof FinstageError)
        assert.equal(error.code, 'LIMIT_EXCEEDED')
        return 0
      },
    )
  const all = await Promise.all(Array.from({ length: count }, one))
  return all.reduce((sum, each) => sum + each, 0)
}

async function openStore(database: TestDatabase, ofOwner: number, ofAll: number) {
  const pool = createPool(database.url, silentLog)
  return { store: new JobStore(pool, { ofOwner, ofAll }), pool, [Symbol.asyncDispose]: () => pool.end() }
}

test('one owner who has used up the room leaves that of the others, until all of it is used up', async () => {
  await using database = await createTestDatabase()
  await using opened = await openStore(database, 5, 12)
  assert.equal(await letIn(opened.store, 9, 'ada'), 5)
  const others = await Promise.all([
    letIn(opened.store, 9, 'bob'),
    letIn(opened.store, 9, 'eve'),
    letIn(opened.store, 9),
  ])
  assert.deepEqual([others[0] + others[1], others[2]], [7, 0])
  assert.ok(others[0] <= 5 && others[1] <= 5)
  await assert.rejects(opened.store.enqueue({ ...order, owner: 'new' }), /at most 12 waiting jobs/)
})

test('a process with another limit goes by its own', async () => {
  await using database = await createTestDatabase()
  await using generous = await openStore(database, 1000, 1000)
  await using strict = await openStore(database, 10, 1000)
  assert.equal(await letIn(generous.store, 8), 8)
  assert.equal(await letIn(strict.store, 8), 2)
  assert.equal(await letIn(generous.store, 8), 8)
  assert.equal(await letIn(strict.store, 8), 0)
})

test('what runs does not wait: room is there again once a worker has taken jobs; what is to be tried again waits', async () => {
  const hold = Promise.withResolvers<void>()
  const task = testTask(async ({ fails }) => {
    await hold.promise
    if (fails) throw new Error('meant to fail')
  })
  await using queue = await startQueue({ tasks: [task], random: () => 1e5, runs: false })
  const store = new JobStore(queue.pool, { ofOwner: 4, ofAll: 100 })
  const { job } = await store.enqueue({ ...order, input: { fails: true }, maxAttempts: 2 })
  assert.equal(await letIn(store, 5), 3)
  await queue.runner.start()
  for (const { id } of await store.list('ada', { states: null, kinds: null, before: null, limit: 9 })) {
    await eventually(async () => (await queue.job(id)).state === 'RUNNING', 'the beginning')
  }
  const later = { ...order, runAtMs: Date.now() + dayMs }
  await eventually(async () => (await store.enqueue(later).catch(() => null)) !== null, 'room beside those that run')
  hold.resolve()
  await eventually(async () => (await queue.job(job.id)).state === 'RETRYING', 'a failed attempt')
  await queue.runner.stop()
  const waiting = async (): Promise<Job[]> =>
    store.list('ada', { states: ['QUEUED', 'RETRYING'], kinds: null, before: null, limit: 9 })
  // Until nobody is let in any more: the one that has come back may be one too many.
  await eventually(async () => (await letIn(store, 1)) === 0 && (await waiting()).length >= 4, 'the end of the room')
  for (let left = (await waiting()).length; left > 4; left--) {
    await store.cancel((await waiting()).find(({ state }) => state === 'QUEUED')?.id ?? '', 'ada')
  }
  assert.equal((await waiting()).filter(({ state }) => state === 'RETRYING').length, 1)
  // By then it is counted anew.
  await sleep(1100)
  assert.equal(await letIn(store, 3), 0)
})
