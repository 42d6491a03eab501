import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appOnTestYahoo } from '../../support/app.ts'
import { eventually, post } from '../../support/clients/client.ts'

const { app, yahoo, database } = await appOnTestYahoo()

interface Job {
  readonly id: string
  readonly state: string
  readonly attempt: number
  readonly progress: number
  readonly finishedAt: string | null
  readonly error: { code: string; attempt: number } | null
  readonly result: { analyses: { symbol: string }[] } | null
}
interface Action {
  readonly __typename: string
  readonly job?: Job
  readonly code?: string
  readonly message?: string
  readonly state?: string
}

const jobFields = `id state attempt progress finishedAt error { code attempt } result { ... on AnalysisResult { analyses { symbol } } }`
const tomorrow = (): string => new Date(Date.now() + 86_400_000).toISOString()

async function enqueue(input: Record<string, unknown>): Promise<string> {
  const { data } = await post<{ enqueueAnalysis: { job: Job } }>(
    app.api,
    `mutation ($input: EnqueueAnalysisInput!) { enqueueAnalysis(input: $input) { ... on EnqueuePayload { job { id } } } }`,
    { input: { symbols: ['AAPL'], ...input } },
  )
  assert.ok(data)
  return data.enqueueAnalysis.job.id
}

async function act(action: 'cancelJob' | 'retryJob', id: string): Promise<Action> {
  const { data, errors } = await post<Record<string, Action>>(
    app.api,
    `mutation ($id: ID!) { ${action}(id: $id) { __typename ... on JobActionPayload { job { ${jobFields} } }
       ... on NotFound { code message } ... on WrongState { code message state } } }`,
    { id },
  )
  assert.equal(errors, undefined)
  const done = data?.[action]
  assert.ok(done)
  return done
}

async function jobOf(id: string): Promise<Job> {
  const { data } = await post<{ job: Job }>(app.api, `query ($id: ID!) { job(id: $id) { ${jobFields} } }`, { id })
  assert.ok(data)
  return data.job
}

const reaches = (id: string, state: string): Promise<void> =>
  eventually(async () => (await jobOf(id)).state === state, state)

test('cancelJob of a job that waits gives it CANCELLED, with why, and leaves nothing in the queue', async () => {
  const id = await enqueue({ runAt: tomorrow() })
  const { __typename, job } = await act('cancelJob', id)
  assert.deepEqual([__typename, job?.id, job?.state, job?.attempt], ['JobActionPayload', id, 'CANCELLED', 0])
  assert.deepEqual(job?.error, { code: 'CANCELLED', attempt: 0 })
  assert.ok(job?.finishedAt)
  assert.deepEqual(await jobOf(id), job)
  assert.deepEqual(await database.query('SELECT FROM graphile_worker.jobs WHERE run_at > now()'), [])
})

test('cancelJob of a job that runs gives it CANCELLED at once, and what it does is dropped', async () => {
  const clear = yahoo.fault('chart', { delayMs: 1000 })
  const id = await enqueue({ symbols: ['VOD.L'], interval: 'MINUTE_5' })
  await reaches(id, 'RUNNING')
  const { job } = await act('cancelJob', id)
  assert.deepEqual([job?.state, job?.attempt, job?.error], ['CANCELLED', 1, { code: 'CANCELLED', attempt: 1 }])
  clear()
  await eventually(
    async () => (await database.query('SELECT FROM graphile_worker.jobs WHERE locked_at IS NOT NULL')).length === 0,
    'the end of its work',
  )
  assert.deepEqual(await jobOf(id), job)
  assert.deepEqual(await database.query('SELECT FROM finstage.symbol_analyses'), [])
})

test('retryJob of a CANCELLED job queues it again with its attempts restored, and it succeeds with a result', async () => {
  const id = await enqueue({ runAt: tomorrow() })
  await act('cancelJob', id)
  const { __typename, job } = await act('retryJob', id)
  assert.deepEqual([__typename, job?.id, job?.state, job?.attempt], ['JobActionPayload', id, 'QUEUED', 0])
  assert.deepEqual([job?.error, job?.progress, job?.finishedAt], [null, 0, null])
  await reaches(id, 'SUCCEEDED')
  const done = await jobOf(id)
  assert.deepEqual([done.attempt, done.result?.analyses], [1, [{ symbol: 'AAPL' }]])
})

test('retryJob of a FAILED job gives it all its attempts again, and it succeeds with a result', async () => {
  const clear = yahoo.fault('chart', { delayMs: 2300 })
  const id = await enqueue({ symbols: ['BRK-B'], interval: 'MINUTE_15', maxAttempts: 1, timeoutSeconds: 2 })
  await reaches(id, 'FAILED')
  clear()
  const [failed] = await database.query<{ failures: number }>('SELECT failures FROM finstage.jobs WHERE failures > 0')
  assert.equal(failed?.failures, 1)
  const { job } = await act('retryJob', id)
  assert.deepEqual([job?.state, job?.attempt, job?.error], ['QUEUED', 0, null])
  assert.deepEqual(await database.query('SELECT FROM finstage.jobs WHERE failures > 0'), [])
  await reaches(id, 'SUCCEEDED')
  const done = await jobOf(id)
  assert.deepEqual([done.attempt, done.error, done.result?.analyses], [1, null, [{ symbol: 'BRK-B' }]])
})

test('what may not be done in its state is WrongState, with the state, and changes nothing', async () => {
  const [done, waiting] = [await enqueue({}), await enqueue({ runAt: tomorrow() })]
  await reaches(done, 'SUCCEEDED')
  const cases = [
    ['cancelJob', done, 'SUCCEEDED'],
    ['retryJob', done, 'SUCCEEDED'],
    ['retryJob', waiting, 'QUEUED'],
  ] as const
  for (const [action, id, state] of cases) {
    const before = await jobOf(id)
    const answer = await act(action, id)
    assert.deepEqual([answer.__typename, answer.code, answer.state], ['WrongState', 'WRONG_STATE', state])
    assert.match(answer.message ?? '', new RegExp(`; this one is ${state}$`))
    assert.deepEqual(await jobOf(id), before)
  }
  await act('cancelJob', waiting)
  assert.equal((await act('cancelJob', waiting)).state, 'CANCELLED')
})

test('an id of no job of the viewer is NotFound: unknown, of another kind, no id at all, of another owner', async () => {
  const idOf = (text: string): string => Buffer.from(text).toString('base64')
  const foreign = await enqueue({ runAt: tomorrow() })
  const uuid = Buffer.from(foreign, 'base64').toString().slice('Job:'.length)
  await database.query(`UPDATE finstage.jobs SET owner = 'somebody else' WHERE id = $1`, [uuid])
  const ids = [
    idOf('Job:00000000-0000-4000-8000-000000000000'),
    idOf('Job:nonsense'),
    idOf(`Instrument:${uuid}`),
    idOf('SymbolAnalysis:00000000-0000-4000-8000-000000000000'),
    foreign,
  ]
  for (const id of ids) {
    for (const action of ['cancelJob', 'retryJob'] as const) {
      const { __typename, code, message } = await act(action, id)
      assert.deepEqual([__typename, code, message], ['NotFound', 'NOT_FOUND', 'There is no such job'])
    }
  }
  const [still] = await database.query<{ state: string }>('SELECT state FROM finstage.jobs WHERE id = $1', [uuid])
  assert.equal(still?.state, 'QUEUED')
})
