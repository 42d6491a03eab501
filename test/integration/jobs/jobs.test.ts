import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appOnTestYahoo, startApp } from '../../support/app.ts'
import { type Answer, eventually, inTime, post, subscribe } from '../../support/clients/client.ts'

const { app, yahoo, database } = await appOnTestYahoo()

interface Job {
  id: string
  state: string
  progress: number
  attempt: number
  priority: string
  maxAttempts: number
  timeoutSeconds: number
  input: unknown
  error: { code: string; message: string; attempt: number } | null
  result: {
    analyses: { id: string; symbol: string; price: number; trend: string | null; indicators: Record<string, number> }[]
    failures: { symbol: string; code: string }[]
  } | null
}
interface Enqueued {
  enqueueAnalysis: { __typename: string; job?: Job; deduplicated?: boolean; field?: string | null; code?: string }
}

const jobFields = `id state progress attempt priority maxAttempts timeoutSeconds input error { code message attempt }
  result { ... on AnalysisResult { analyses { id symbol price trend indicators { sma20 sma200 rsi14 } } failures { symbol code } } }`

async function enqueue(input: Record<string, unknown>): Promise<Enqueued['enqueueAnalysis']> {
  const query = `mutation ($input: EnqueueAnalysisInput!) { enqueueAnalysis(input: $input) { __typename
    ... on EnqueuePayload { deduplicated job { ${jobFields} } } ... on InvalidInput { code field } } }`
  const { data, errors } = await post<Enqueued>(app.api, query, { input })
  assert.equal(errors, undefined)
  assert.ok(data)
  return data.enqueueAnalysis
}

/** All that jobUpdates tells of a job, until it completes. */
async function follow(id: string | undefined): Promise<Job[]> {
  await using stream = subscribe<{ jobUpdates: Job }>(
    app.api,
    `subscription ($id: ID) { jobUpdates(id: $id) { ${jobFields} } }`,
    { id },
  )
  const seen: Job[] = []
  for (;;) {
    const answer = await stream.next().catch(() => null)
    if (!answer) return seen
    if (answer.data) seen.push(answer.data.jobUpdates)
  }
}

test('an analysis is queued, run and followed to its end, and its result is stored and typed', async () => {
  const { job } = await enqueue({ symbols: ['AAPL', 'MSFT'], priority: 'HIGH', maxAttempts: 2, timeoutSeconds: 60 })
  assert.deepEqual(
    [job?.state, job?.priority, job?.maxAttempts, job?.timeoutSeconds, job?.input],
    ['QUEUED', 'HIGH', 2, 60, { symbols: ['AAPL', 'MSFT'], interval: 'DAY_1' }],
  )
  const updates = await follow(job?.id)
  const last = updates.at(-1)
  assert.deepEqual([last?.state, last?.progress, last?.attempt, last?.error], ['SUCCEEDED', 1, 1, null])
  assert.deepEqual(
    last?.result?.analyses.map(({ symbol }) => symbol),
    ['AAPL', 'MSFT'],
  )
  const { data } = await post<{
    job: Job
    candles: { nodes: { close: number }[]; sma: { value: number }[]; rsi: { value: number }[] }
  }>(
    app.api,
    `query ($id: ID!) { job(id: $id) { ${jobFields} }
      candles(symbol: "AAPL", last: 1) { nodes { close } sma(period: 20) { value } rsi { value } } }`,
    { id: job?.id },
  )
  assert.deepEqual(data?.job, last)
  const apple = last?.result?.analyses[0]
  assert.equal(apple?.price, data?.candles.nodes[0]?.close)
  assert.equal(apple?.indicators.sma20, data?.candles.sma[0]?.value)
  assert.ok(Math.abs((apple?.indicators.rsi14 ?? 0) - (data?.candles.rsi[0]?.value ?? 1)) < 1e-4)

  const node = await post(
    app.api,
    'query ($id: ID!) { node(id: $id) { __typename ... on SymbolAnalysis { symbol } } }',
    {
      id: apple?.id,
    },
  )
  assert.deepEqual(node.data, { node: { __typename: 'SymbolAnalysis', symbol: 'AAPL' } })
})

test('one unknown symbol among many fails alone, under failures', async () => {
  const symbols = ['AAPL', 'MSFT', 'BRK-B', '^GSPC', 'NOPE', 'EURUSD=X', 'BTC-USD', 'VOD.L']
  const updates = await follow((await enqueue({ symbols })).job?.id)
  const { state, result } = updates.at(-1) ?? {}
  assert.equal(state, 'SUCCEEDED')
  assert.deepEqual(result?.failures, [{ symbol: 'NOPE', code: 'SYMBOL_NOT_FOUND' }])
  assert.deepEqual(
    result?.analyses.map(({ symbol }) => symbol),
    symbols.filter((symbol) => symbol !== 'NOPE'),
  )
})

test('states and progress of a job are told in order, and never go back', async () => {
  const clear = yahoo.fault('chart', { delayMs: 150 })
  const symbols = ['AAPL', 'MSFT', 'BRK-B', '^GSPC', 'EURUSD=X', 'BTC-USD', 'VOD.L']
  const updates = await follow((await enqueue({ symbols, interval: 'HOUR_1' })).job?.id)
  clear()
  const order = ['QUEUED', 'RUNNING', 'SUCCEEDED']
  const states = updates.map(({ state }) => order.indexOf(state))
  assert.deepEqual(
    states,
    states.toSorted((a, b) => a - b),
  )
  assert.ok(states.includes(1) && states.includes(2))
  const progress = updates.filter(({ state }) => state !== 'QUEUED').map((update) => update.progress)
  assert.deepEqual(
    progress,
    progress.toSorted((a, b) => a - b),
  )
})

test('a subscriber of a job that has ended gets it, and the end', async () => {
  const { job } = await enqueue({ symbols: ['AAPL'] })
  await follow(job?.id)
  assert.deepEqual(
    (await follow(job?.id)).map(({ state }) => state),
    ['SUCCEEDED'],
  )
})

test('jobUpdates without an id follows all jobs from now on', async () => {
  await using stream = subscribe<{ jobUpdates: Job }>(app.api, 'subscription { jobUpdates { id state } }')
  // The operation does not say when it has begun: the first update of any job does.
  let hasBegun = false
  const first = stream.next().then(() => {
    hasBegun = true
  })
  await eventually(async () => {
    await enqueue({ symbols: ['AAPL'] })
    return hasBegun
  }, 'an update')
  await first
  const ids = [await enqueue({ symbols: ['AAPL'] }), await enqueue({ symbols: ['MSFT'] })].map(({ job }) => job?.id)
  const ended = new Set<string>()
  await stream.until(({ jobUpdates: { id, state } }) => {
    if (state === 'SUCCEEDED') ended.add(id)
    return ids.every((each) => ended.has(each ?? ''))
  })
})

test('an attempt that takes longer than its time fails with TIMEOUT; the last one makes the job FAILED', async () => {
  const clear = yahoo.fault('chart', { delayMs: 4000 })
  const { job } = await enqueue({ symbols: ['BRK-B'], interval: 'MINUTE_5', maxAttempts: 1, timeoutSeconds: 1 })
  const last = (await follow(job?.id)).at(-1)
  clear()
  assert.deepEqual([last?.state, last?.error?.code, last?.error?.attempt], ['FAILED', 'TIMEOUT', 1])
})

test('an attempt that fails is retried, and the job succeeds', async () => {
  const clear = yahoo.fault('chart', { delayMs: 4500 })
  // The second attempt waits for the rest of the first one's call, and has time enough on a slow machine.
  const { job } = await enqueue({ symbols: ['MSFT'], interval: 'MINUTE_15', maxAttempts: 2, timeoutSeconds: 3 })
  await using stream = subscribe<{ jobUpdates: Job }>(
    app.api,
    `subscription ($id: ID) { jobUpdates(id: $id) { ${jobFields} } }`,
    {
      id: job?.id,
    },
  )
  const retrying = await stream.until(({ jobUpdates }) => jobUpdates.state === 'RETRYING')
  clear()
  assert.equal(retrying.jobUpdates.error?.code, 'TIMEOUT')
  const done = await stream.until(({ jobUpdates }) => jobUpdates.state === 'SUCCEEDED')
  assert.deepEqual([done.jobUpdates.attempt, done.jobUpdates.error], [2, null])
})

test('the same idempotency key gives the same job, also when two requests come at once; with another input it is InvalidInput', async () => {
  const input = { symbols: ['AAPL'], idempotencyKey: 'once' }
  const answers = await Promise.all([enqueue(input), enqueue(input), enqueue(input)])
  assert.equal(new Set(answers.map(({ job }) => job?.id)).size, 1)
  assert.deepEqual(answers.map(({ deduplicated }) => deduplicated).sort(), [false, true, true])
  const other = await enqueue({ symbols: ['MSFT'], idempotencyKey: 'once' })
  assert.deepEqual([other.__typename, other.code, other.field], ['InvalidInput', 'BAD_USER_INPUT', 'idempotencyKey'])
})

test('input out of its bounds is InvalidInput with its field, and queues nothing', async () => {
  const [before] = await database.query<{ count: number }>('SELECT count(*)::int FROM finstage.jobs')
  const wrong: [string, Record<string, unknown>][] = [
    ['symbols', { symbols: [] }],
    ['symbols', { symbols: Array.from({ length: 501 }, (_, i) => `S${i}`) }],
    ['maxAttempts', { symbols: ['AAPL'], maxAttempts: 0 }],
    ['timeoutSeconds', { symbols: ['AAPL'], timeoutSeconds: -1 }],
    ['idempotencyKey', { symbols: ['AAPL'], idempotencyKey: '' }],
  ]
  for (const [field, input] of wrong) {
    const answer = await enqueue(input)
    assert.deepEqual([answer.__typename, answer.field], ['InvalidInput', field])
  }
  assert.deepEqual(await database.query('SELECT count(*)::int FROM finstage.jobs'), [before])
})

test('a job with runAt waits until then', async () => {
  const runAt = new Date(Date.now() + 1500)
  const { job } = await enqueue({ symbols: ['AAPL'], runAt: runAt.toISOString() })
  const updates = await follow(job?.id)
  assert.equal(updates.at(-1)?.state, 'SUCCEEDED')
  assert.ok(Date.now() >= runAt.getTime())
})

test('jobs are paged through newest first, each once, and filtered by state', async () => {
  for (let i = 0; i < 5; i++) await enqueue({ symbols: ['AAPL'], priority: 'LOW' })
  await eventually(async () => {
    const [waiting] = await database.query<{ count: number }>(
      "SELECT count(*)::int FROM finstage.jobs WHERE state IN ('QUEUED', 'RUNNING')",
    )
    return waiting?.count === 0
  }, 'all jobs have ended')
  interface Page {
    jobs: {
      edges: { cursor: string; node: { id: string; queuedAt: string } }[]
      pageInfo: { hasNextPage: boolean; endCursor: string }
    }
  }
  const seen: { id: string; queuedAt: string }[] = []
  let after: string | null = null
  for (let more = true; more; ) {
    const { data }: Answer<Page> = await post<Page>(
      app.api,
      'query ($after: String) { jobs(first: 3, after: $after) { edges { cursor node { id queuedAt } } pageInfo { hasNextPage endCursor } } }',
      { after },
    )
    seen.push(...(data?.jobs.edges.map(({ node }) => node) ?? []))
    after = data?.jobs.pageInfo.endCursor ?? null
    more = data?.jobs.pageInfo.hasNextPage ?? false
  }
  const [all] = await database.query<{ count: number }>('SELECT count(*)::int FROM finstage.jobs')
  assert.equal(seen.length, all?.count)
  assert.equal(new Set(seen.map(({ id }) => id)).size, seen.length)
  const times = seen.map(({ queuedAt }) => queuedAt)
  assert.deepEqual(times, times.toSorted().toReversed())

  const failed = await post<{ jobs: { edges: { node: { state: string } }[] } }>(
    app.api,
    '{ jobs(states: [FAILED], kinds: [ANALYSIS]) { edges { node { state } } } }',
  )
  assert.ok(failed.data?.jobs.edges.length)
  assert.ok(failed.data.jobs.edges.every(({ node }) => node.state === 'FAILED'))
  for (const args of ['first: 0', 'first: 101', 'states: []', 'after: "nonsense"']) {
    const { errors } = await post(app.api, `{ jobs(${args}) { edges { cursor } } }`)
    assert.deepEqual(
      errors?.map(({ path, extensions }) => [path, extensions.code]),
      [[['jobs'], 'BAD_USER_INPUT']],
    )
  }
})

test('a job that does not exist is NOT_FOUND, to ask for and to follow', async () => {
  const id = Buffer.from('Job:00000000-0000-4000-8000-000000000000').toString('base64')
  const { data, errors } = await post(app.api, 'query ($id: ID!) { job(id: $id) { id } }', { id })
  assert.deepEqual([data, errors?.[0]?.path, errors?.[0]?.extensions.code], [{ job: null }, ['job'], 'NOT_FOUND'])
  await using stream = subscribe(app.api, 'subscription ($id: ID) { jobUpdates(id: $id) { id } }', { id })
  assert.equal((await inTime(stream.next(), 'an answer')).errors?.[0]?.extensions.code, 'NOT_FOUND')
})

test('while the source is away an analysis is tried again, instead of succeeding with nothing', async () => {
  const clear = yahoo.fault('chart', { status: 500 })
  const { job } = await enqueue({ symbols: ['GONE', 'ADHX'], interval: 'MINUTE_30', maxAttempts: 1 })
  const last = (await follow(job?.id)).at(-1)
  clear()
  assert.deepEqual([last?.state, last?.error?.code], ['FAILED', 'SOURCE_UNAVAILABLE'])
})

test('who follows a job is told its end although the bus was cut meanwhile', async () => {
  const clear = yahoo.fault('chart', { delayMs: 700 })
  const { job } = await enqueue({ symbols: ['BRK-B'], interval: 'MINUTE_2' })
  // Another process runs it, so that its news come over the bus alone.
  await using other = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url }, 'api')
  await using stream = subscribe<{ jobUpdates: Job }>(
    other.api,
    'subscription ($id: ID) { jobUpdates(id: $id) { state } }',
    {
      id: job?.id,
    },
  )
  await stream.next()
  const cut = setInterval(() => void database.query(endListeners), 50)
  await eventually(
    async () => (await database.query("SELECT 1 FROM finstage.jobs WHERE state = 'RUNNING'")).length === 0,
    'the end',
  )
  clearInterval(cut)
  clear()
  await stream.until(({ jobUpdates }) => jobUpdates.state === 'SUCCEEDED')
})

const endListeners = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND application_name = 'finstage bus'`
