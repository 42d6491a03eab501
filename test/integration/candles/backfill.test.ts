import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appOnTestYahoo } from '../../support/app.ts'
import { eventually, post, subscribe } from '../../support/clients/client.ts'

const { app, yahoo, database } = await appOnTestYahoo()

interface Failure {
  readonly symbol: string
  readonly code: string
}
interface Job {
  readonly id: string
  readonly state: string
  readonly progress: number
  readonly attempt: number
  readonly priority: string
  readonly input: unknown
  readonly error: { code: string } | null
  readonly result: { candleCount: number; from: string | null; to: string | null; failures: Failure[] } | null
}
interface Chart {
  readonly chart: { readonly result: readonly [{ meta: { dataGranularity: string }; timestamp?: number[] }] }
}
interface Enqueued {
  readonly __typename: string
  readonly job?: Job
  readonly code?: string
  readonly field?: string | null
}

const jobFields = `id state progress attempt priority input error { code }
  result { ... on BackfillResult { candleCount from to failures { symbol code } } }`
const daySeconds = 86_400
const iso = (seconds: number): string => new Date(seconds * 1000).toISOString()
const nowSeconds = Math.floor(Date.now() / 1000)

async function enqueue(input: Record<string, unknown>): Promise<Enqueued> {
  const { data, errors } = await post<{ enqueueBackfill: Enqueued }>(
    app.api,
    `mutation ($input: EnqueueBackfillInput!) { enqueueBackfill(input: $input) { __typename
       ... on EnqueuePayload { job { ${jobFields} } } ... on InvalidInput { code field } } }`,
    { input },
  )
  assert.equal(errors, undefined)
  assert.ok(data)
  return data.enqueueBackfill
}

/** All that jobUpdates tells of it; the last is its end. */
async function run(input: Record<string, unknown>): Promise<Job[]> {
  const { job } = await enqueue(input)
  await using stream = subscribe<{ jobUpdates: Job }>(
    app.api,
    `subscription ($id: ID) { jobUpdates(id: $id) { ${jobFields} } }`,
    { id: job?.id },
  )
  const seen: Job[] = []
  await stream.until(({ jobUpdates }) => {
    seen.push(jobUpdates)
    return ['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(jobUpdates.state)
  })
  return seen
}

/** What SQL says of the candles of these symbols in a span. */
async function stored(symbols: readonly string[], interval: string, from: number, to: number) {
  const [row] = await database.query<{ candleCount: number; from: string | null; to: string | null }>(
    `SELECT count(*)::int AS "candleCount", to_timestamp(min(minute) * 60) AS from, to_timestamp(max(minute) * 60) AS to
     FROM finstage.candles JOIN finstage.candle_series ON id = series_id
     WHERE symbol = ANY($1) AND interval = $2 AND NOT extended_hours AND close IS NOT NULL
       AND minute * 60 >= $3 AND minute * 60 < $4`,
    [symbols, interval, from, to],
  )
  assert.ok(row)
  return JSON.parse(JSON.stringify(row))
}

async function candlesOf(symbol: string, interval: string, from: number, to: number): Promise<string[]> {
  const { data } = await post<{ candles: { nodes: { time: string }[] } }>(
    app.api,
    `query ($symbol: Symbol!, $interval: Interval!, $from: DateTime, $to: DateTime) {
       candles(symbol: $symbol, interval: $interval, from: $from, to: $to) { nodes { time } } }`,
    { symbol, interval, from: iso(from), to: iso(to) },
  )
  return data?.candles.nodes.map(({ time }) => time) ?? []
}

/** Which charts were asked for since so many had been: symbol and start of the window. */
const asked = (since: number): string[] =>
  yahoo
    .requestsTo('chart')
    .slice(since)
    .map(({ path, query }) => `${path.split('/').at(-1)} ${query.interval} ${query.period1}`)

const midnight = Math.floor(nowSeconds / daySeconds) * daySeconds

test('a backfill stores the history of its symbols, and tells how much of it there is, as SQL and candles do', async () => {
  const symbols = ['AAPL', 'MSFT', 'VOD.L']
  const [from, to] = [midnight - 900 * daySeconds, midnight - 30 * daySeconds]
  const updates = await run({ symbols, from: iso(from), to: iso(to) })
  const { state, progress, result, priority, input } = updates.at(-1) ?? {}
  assert.deepEqual([state, progress, priority], ['SUCCEEDED', 1, 'LOW'])
  assert.deepEqual(input, { symbols, interval: 'DAY_1', fromMs: from * 1000, toMs: to * 1000 })
  assert.deepEqual(result, { ...(await stored(symbols, 'DAY_1', from, to)), failures: [] })
  const times = (await Promise.all(symbols.map((symbol) => candlesOf(symbol, 'DAY_1', from, to)))).flat().toSorted()
  assert.ok(times.length > 1500)
  assert.deepEqual([result?.candleCount, result?.from, result?.to], [times.length, times[0], times.at(-1)])
})

test('a second backfill of what is stored makes no call of the source', async () => {
  const input = {
    ...{ symbols: ['AAPL', 'MSFT'], interval: 'HOUR_1' },
    ...{ from: iso(midnight - 500 * daySeconds), to: iso(midnight - 10 * daySeconds) },
  }
  const first = (await run(input)).at(-1)
  const calls = yahoo.requests.length
  const second = (await run(input)).at(-1)
  assert.equal(yahoo.requests.length, calls)
  assert.deepEqual([second?.state, second?.result], ['SUCCEEDED', first?.result])
  assert.ok((second?.result?.candleCount ?? 0) > 1000)
})

test('a backfill without an end goes up to now', async () => {
  const from = midnight - 40 * daySeconds
  const last = (await run({ symbols: ['BTC-USD'], from: iso(from) })).at(-1)
  assert.deepEqual(last?.result, {
    ...(await stored(['BTC-USD'], 'DAY_1', from, nowSeconds + daySeconds)),
    failures: [],
  })
  const age = Date.now() - Date.parse(last?.result?.to ?? '')
  assert.ok(age < 2 * daySeconds * 1000, last?.result?.to ?? 'none')
})

test('symbols that nobody knows are told under failures, and the rest is stored', async () => {
  const [from, to] = [midnight - 400 * daySeconds, midnight - 30 * daySeconds]
  const last = (await run({ symbols: ['NOPE', 'BRK-B', 'NADA'], from: iso(from), to: iso(to) })).at(-1)
  assert.equal(last?.state, 'SUCCEEDED')
  const failures = ['NOPE', 'NADA'].map((symbol) => ({ symbol, code: 'SYMBOL_NOT_FOUND' }))
  assert.deepEqual(last.result, { ...(await stored(['BRK-B'], 'DAY_1', from, to)), failures })
  assert.ok((last.result?.candleCount ?? 0) > 200)
})

test('where none of the symbols is known it succeeds with nothing but failures', async () => {
  const [from, to] = [midnight - 400 * daySeconds, midnight - 30 * daySeconds]
  const last = (await run({ symbols: ['NADA'], from: iso(from), to: iso(to) })).at(-1)
  const failures = [{ symbol: 'NADA', code: 'SYMBOL_NOT_FOUND' }]
  assert.deepEqual([last?.state, last?.result], ['SUCCEEDED', { candleCount: 0, from: null, to: null, failures }])
})

test('history that the source does not reach back to is RANGE_NOT_AVAILABLE of its symbol, and what it does reach is stored', async () => {
  const [from, to] = [midnight - 45 * daySeconds, midnight - 10 * daySeconds]
  const last = (await run({ symbols: ['ADHX', 'MSFT'], interval: 'MINUTE_1', from: iso(from), to: iso(to) })).at(-1)
  assert.equal(last?.state, 'SUCCEEDED')
  assert.deepEqual(
    last.result?.failures,
    ['ADHX', 'MSFT'].map((symbol) => ({ symbol, code: 'RANGE_NOT_AVAILABLE' })),
  )
  const { failures: _, ...found } = last.result ?? {}
  assert.ok((found.candleCount ?? 0) > 1000)
  assert.deepEqual(found, await stored(['ADHX', 'MSFT'], 'MINUTE_1', from, to))
})

test('progress goes from piece to piece, and never back', async () => {
  const clear = yahoo.fault('chart', { delayMs: 120 })
  const [from, to] = [midnight - 28 * daySeconds, midnight - daySeconds]
  const symbols = ['AAPL', 'BRK-B', '^GSPC', 'VOD.L', 'EURUSD=X', 'BTC-USD']
  const updates = await run({ symbols, interval: 'MINUTE_1', from: iso(from), to: iso(to) })
  clear()
  const shares = updates.map(({ progress }) => progress)
  assert.deepEqual(
    shares,
    shares.toSorted((a, b) => a - b),
  )
  assert.ok(shares.some((share) => share > 0 && share < 1))
  assert.deepEqual([updates.at(-1)?.state, updates.at(-1)?.attempt], ['SUCCEEDED', 1])
})

test('an attempt that fails midway is gone on with where it was: what it had fetched is not fetched again', async () => {
  const interval = 'MINUTE_5'
  const [from, to] = [midnight - 58 * daySeconds, midnight - daySeconds]
  const symbols = ['AAPL', 'VOD.L', 'BTC-USD']
  const ofApple = (body: unknown): boolean => JSON.stringify(body).includes('"symbol":"AAPL"')
  const clear = yahoo.fault('chart', { spoil: (body) => (ofApple(body) ? {} : body) })
  const before = yahoo.requestsTo('chart').length
  const { job } = await enqueue({ symbols, interval, from: iso(from), to: iso(to) })
  await using stream = subscribe<{ jobUpdates: Job }>(
    app.api,
    `subscription ($id: ID) { jobUpdates(id: $id) { ${jobFields} } }`,
    { id: job?.id },
  )
  const failed = await stream.until(({ jobUpdates }) => jobUpdates.state === 'RETRYING')
  assert.equal(failed.jobUpdates.error?.code, 'SOURCE_UNAVAILABLE')
  clear()
  const between = yahoo.requestsTo('chart').length
  const first = asked(before)
  for (const symbol of symbols)
    assert.ok(
      first.some((call) => call.startsWith(symbol)),
      symbol,
    )

  const { jobUpdates: last } = await stream.until(({ jobUpdates }) => jobUpdates.state === 'SUCCEEDED')
  const second = asked(between)
  assert.ok(second.length > 0)
  assert.deepEqual(
    second.filter((call) => !call.startsWith('AAPL')),
    [],
  )
  assert.equal(last.attempt, 2)
  assert.deepEqual(last.result, { ...(await stored(symbols, interval, from, to)), failures: [] })
})

test('of one symbol too, the pieces that are done are not fetched again', async () => {
  const [from, to] = [midnight - 58 * daySeconds, midnight - daySeconds]
  const served: number[] = []
  // After the first piece, until the attempt has failed.
  let refuses = true
  const clear = yahoo.fault('chart', {
    spoil(body) {
      const { meta, timestamp = [] } = (body as Chart).chart.result[0]
      if (meta.dataGranularity !== '2m') return body
      if (refuses && served.length === 1) return {}
      served.push(timestamp[0] ?? 0)
      return body
    },
  })
  const updates = run({ symbols: ['VOD.L'], interval: 'MINUTE_2', from: iso(from), to: iso(to) })
  await eventually(async () => {
    const retrying = await database.query("SELECT FROM finstage.jobs WHERE state = 'RETRYING'")
    return retrying.length > 0
  }, 'a failed attempt')
  assert.equal(served.length, 1)
  refuses = false
  const last = (await updates).at(-1)
  clear()
  assert.deepEqual([last?.state, last?.attempt], ['SUCCEEDED', 2])
  assert.deepEqual([served.length, new Set(served).size], [2, 2])
  assert.deepEqual(last?.result, { ...(await stored(['VOD.L'], 'MINUTE_2', from, to)), failures: [] })
})

test('input out of its bounds is InvalidInput with its field, and queues nothing', async () => {
  const [before] = await database.query<{ count: number }>('SELECT count(*)::int FROM finstage.jobs')
  const [from, to] = [iso(midnight - 10 * daySeconds), iso(midnight)]
  const wrong: [string, Record<string, unknown>][] = [
    ['symbols', { symbols: [], from, to }],
    ['symbols', { symbols: Array.from({ length: 501 }, (_, i) => `S${i}`), from, to }],
    ['from', { symbols: ['AAPL'], from: to, to: from }],
    ['from', { symbols: ['AAPL'], from, to: from }],
    ['from', { symbols: ['AAPL'], from: iso(nowSeconds + daySeconds) }],
    ['maxAttempts', { symbols: ['AAPL'], from, to, maxAttempts: 26 }],
    ['timeoutSeconds', { symbols: ['AAPL'], from, to, timeoutSeconds: 10_801 }],
    ['idempotencyKey', { symbols: ['AAPL'], from, to, idempotencyKey: 'a\nb' }],
  ]
  for (const [field, input] of wrong) {
    const { __typename, code, field: told } = await enqueue(input)
    assert.deepEqual([__typename, code, told], ['InvalidInput', 'BAD_USER_INPUT', field])
  }
  assert.deepEqual(await database.query('SELECT count(*)::int FROM finstage.jobs'), [before])
})

test('a symbol that is named twice is fetched once', async () => {
  const [from, to] = [iso(midnight - 10 * daySeconds), iso(midnight)]
  const { job } = await enqueue({ symbols: ['AAPL', 'AAPL', 'MSFT'], from, to })
  const { symbols } = (job?.input ?? {}) as { symbols?: string[] }
  assert.deepEqual(symbols, ['AAPL', 'MSFT'])
})
