import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { WebSocket } from 'ws'
import type { Signal, SignalKey, SignalKind } from '../../../src/domain/analysis/signal.ts'
import { signalId } from '../../../src/domain/analysis/signal.ts'
import { pruneCandles } from '../../../src/jobs/tasks/prune-candles.ts'
import { createPool, transaction } from '../../../src/platform/database/pool.ts'
import { createContext, type Ports } from '../../../src/resolvers/context.ts'
import { signalOutcome } from '../../../src/resolvers/market/signal.ts'
import { AnalysisStore } from '../../../src/store/analyses/analysis-store.ts'
import { SignalStore } from '../../../src/store/analyses/signal-store.ts'
import { CandleStore } from '../../../src/store/candles/candle-store.ts'
import { startApp } from '../../support/app.ts'
import { eventually, inTime, metric, post, type Stream, subscribe } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { findingsOf, findingsTask, signalOf, storeSignals } from '../../support/findings.ts'
import { silentLog } from '../../support/log.ts'
import { startQueue } from '../../support/queue/queue.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

const database = await createTestDatabase()
const pool = createPool(database.url, silentLog, { max: 4 })
const store = new SignalStore({ pool, source: 'YAHOO' })
const analyses = new AnalysisStore({ pool, source: 'YAHOO', signals: store })
// As two processes have them: what the API knows of the worker's jobs it knows from Postgres.
const api = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: 'http://127.0.0.1:9' }, 'api')
const worker = await startQueue({ database, tasks: [findingsTask(analyses)] })

after(async () => {
  await api.stop()
  await worker.stop()
  await pool.end()
  await database[Symbol.asyncDispose]()
})

interface Shown {
  id: string
  symbol: string
  kind: SignalKind
  epoch: number
  price: number
  outcome: Record<string, unknown> | null
}
interface Page {
  signals: {
    edges: { cursor: string; node: Shown }[]
    pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; endCursor: string | null }
  }
}

const shown = 'id symbol kind epoch price outcome { return1d return1w complete }'
const list = `query ($symbols: [Symbol!], $kinds: [SignalKind!], $first: Int! = 20, $after: String) {
  signals(symbols: $symbols, kinds: $kinds, first: $first, after: $after) {
    edges { cursor node { ${shown} } } pageInfo { hasNextPage hasPreviousPage endCursor } } }`

async function page(variables: Record<string, unknown>): Promise<Page['signals']> {
  const { data, errors } = await post<Page>(api.api, list, variables)
  assert.equal(errors, undefined)
  return data?.signals ?? assert.fail()
}

const codesOf = async (query: string, variables = {}) =>
  (await post(api.api, query, variables)).errors?.map(({ path, extensions }) => [path, extensions.code])

const save = (...signals: Signal[]): Promise<void> => storeSignals(pool, store, signals)
const idsOf = (signals: readonly { node: Shown }[]): string[] => signals.map(({ node }) => node.id)
const nameOf = ({ symbol, interval, kind, epoch }: SignalKey): string => [symbol, interval, kind, epoch].join(' ')
const globalId = (key: SignalKey): string => Buffer.from(`Signal:${nameOf(key)}`).toString('base64')

/** Runs a job that finds this of one symbol. */
async function analyse(symbol: string, signals: readonly Signal[]): Promise<void> {
  const interval = signals[0]?.interval ?? 'DAY_1'
  const { id } = await worker.enqueue({ input: [findingsOf(symbol, { interval, signals })] })
  assert.equal((await worker.ended(id)).state, 'SUCCEEDED')
}

/** All that is stored of a symbol, in the order of storing. */
async function stored(symbol: string): Promise<(SignalKey & { position: number; price: number })[]> {
  return database.query(
    `SELECT symbol, interval, kind, epoch::float8 AS epoch, position::float8 AS position, price FROM finstage.signals
     WHERE source = 'YAHOO' AND symbol = $1 ORDER BY position`,
    [symbol],
  )
}

test('a signal that two jobs find is stored once, and the first stays', async () => {
  const first = signalOf({ symbol: 'TWICE', price: 10 })
  await analyse('TWICE', [first])
  await analyse('TWICE', [{ ...first, price: 20 }, signalOf({ symbol: 'TWICE', price: 30 })])
  assert.deepEqual(
    (await stored('TWICE')).map(({ price }) => price),
    [10, 30],
  )
})

test('two transactions that find the same at once store it once; what one of them takes back the other stores', async () => {
  const [both, kept, lost] = ['BOTH', 'KEPT', 'LOST'].map((symbol) => signalOf({ symbol })) as [Signal, Signal, Signal]
  const clients = [await pool.connect(), await pool.connect()] as const
  try {
    for (const end of ['COMMIT', 'ROLLBACK']) {
      const [first, second] = clients
      for (const client of clients) await client.query('BEGIN')
      await store.insert(first, [both, end === 'COMMIT' ? kept : lost])
      const storing = store.insert(second, [both, lost])
      await first.query(end)
      await inTime(storing, 'the second')
      await second.query(end === 'COMMIT' ? 'ROLLBACK' : 'COMMIT')
    }
  } finally {
    for (const client of clients) client.release()
  }
  const counts = await Promise.all(['BOTH', 'KEPT', 'LOST'].map(async (symbol) => (await stored(symbol)).length))
  assert.deepEqual(counts, [1, 1, 1])
})

test('positions become visible in their order: a transaction that stores signals waits for the one before', async () => {
  const [first, second] = [await pool.connect(), await pool.connect()]
  try {
    await first.query('BEGIN')
    await store.insert(first, [signalOf({ symbol: 'ORDER' }), signalOf({ symbol: 'ORDER' })])
    await second.query('BEGIN')
    const [session] = (await second.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows
    let isDone = false
    const storing = store.insert(second, [signalOf({ symbol: 'ORDER' })]).then(async () => {
      await second.query('COMMIT')
      isDone = true
    })
    const isWaiting = async (): Promise<boolean> =>
      (await database.query("SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'advisory'", [session?.pid]))
        .length === 1
    await eventually(async () => isDone || (await isWaiting()), 'the second waits or has ended')
    assert.equal(isDone, false)
    assert.deepEqual(await stored('ORDER'), [])
    await first.query('COMMIT')
    await storing
    assert.equal((await stored('ORDER')).length, 3)
  } finally {
    first.release()
    second.release()
  }
})

test('who reads on from the newest position that it has seen sees every signal, while many store at once', async () => {
  const jobs = Array.from({ length: 30 }, (_, i) => [signalOf({ symbol: 'RUSH' }), signalOf({ symbol: `RUSH${i}` })])
  let isDone = false
  const storing = Promise.all(jobs.map((signals) => save(...signals))).then(() => {
    isDone = true
  })
  const reader = new SignalStore({ pool: worker.pool, source: 'YAHOO' })
  const seen: string[] = []
  let position = await reader.newestPosition()
  const before = position
  for (let last = false; ; last = isDone) {
    for (const signal of await reader.after(position, 3)) {
      seen.push(nameOf(signal))
      position = signal.position
    }
    if (last && (await reader.after(position, 1)).length === 0) break
  }
  await storing
  const all = await reader.after(before, 1000)
  assert.deepEqual(seen, all.map(nameOf))
  assert.ok(jobs.flat().filter((signal) => seen.includes(nameOf(signal))).length > 30)
})

test('signals are paged through by when they were known, newest first, each once, while new ones come', async () => {
  const symbols = ['PAGE', 'PAGE2']
  const at = (minutes: number, symbol = 'PAGE') => signalOf({ symbol, knownAtMs: 1_700_000_000_123 + minutes * 60_000 })
  const known = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3].map((minutes) => at(minutes))
  await save(...known, at(5, 'PAGE2'))
  await save(at(5), at(9, 'PAGE2'))
  const before = [...(await stored('PAGE')), ...(await stored('PAGE2'))].map(globalId)
  const seen: Page['signals']['edges'] = []
  let after: string | null = null
  for (let more = true; more; ) {
    const got: Page['signals'] = await page({ symbols, first: 3, after })
    assert.equal(got.pageInfo.hasPreviousPage, after !== null)
    assert.equal(got.pageInfo.endCursor, got.edges.at(-1)?.cursor)
    seen.push(...got.edges)
    after = got.pageInfo.endCursor
    more = got.pageInfo.hasNextPage
    await save(at(20), at(9))
  }
  const found = idsOf(seen)
  assert.equal(new Set(found).size, found.length)
  assert.deepEqual(new Set(before.filter((id) => !found.includes(id))), new Set())
  assert.deepEqual(found.toSorted(), before.toSorted(), 'what came later is newer than what was still to be seen')
  const times = await Promise.all(found.map(async (id) => knownAt(id)))
  assert.deepEqual(
    times,
    times.toSorted((a, b) => b - a),
  )
})

async function knownAt(id: string): Promise<number> {
  const query = 'query ($id: ID!) { node(id: $id) { ... on Signal { knownAt } } }'
  const { data } = await post<{ node: { knownAt: string } }>(api.api, query, { id })
  return Date.parse(data?.node.knownAt ?? '')
}

test('signals are filtered by symbols and kinds; null means all, an empty list and one of over 100 are refused', async () => {
  await save(
    ...['FILT1', 'FILT2'].flatMap((symbol) =>
      (['GOLDEN_CROSS', 'VOLUME_SPIKE', 'DEATH_CROSS'] as const).map((kind) => signalOf({ symbol, kind })),
    ),
  )
  const found = async (variables: Record<string, unknown>) =>
    (await page({ first: 100, ...variables })).edges.map(({ node }) => `${node.symbol} ${node.kind}`).toSorted()
  assert.deepEqual(await found({ symbols: ['FILT2', 'FILT1', 'FILT1'], kinds: ['VOLUME_SPIKE'] }), [
    'FILT1 VOLUME_SPIKE',
    'FILT2 VOLUME_SPIKE',
  ])
  assert.deepEqual(await found({ symbols: ['filt1'] }), [
    'FILT1 DEATH_CROSS',
    'FILT1 GOLDEN_CROSS',
    'FILT1 VOLUME_SPIKE',
  ])
  const all = await found({})
  for (const symbol of ['FILT1', 'FILT2', 'TWICE']) assert.ok(all.some((name) => name.startsWith(symbol)))
  const many = Array.from({ length: 101 }, (_, i) => `S${i}`)
  for (const variables of [{ symbols: [] }, { kinds: [] }, { symbols: many }]) {
    assert.deepEqual(await codesOf(list, variables), [[['signals'], 'BAD_USER_INPUT']])
    const follow =
      'subscription ($symbols: [Symbol!], $kinds: [SignalKind!]) { signalEvents(symbols: $symbols, kinds: $kinds) { id } }'
    await using stream = subscribe(api.api, follow, variables)
    assert.equal((await stream.next()).errors?.[0]?.extensions.code, 'BAD_USER_INPUT')
  }
})

test('a cursor of something else, and pages out of bounds, are refused', async () => {
  await save(signalOf())
  const cursors = ['', 'nonsense', ...['job 5', 'signal 5', 'signal 5 x', 'signal 1 2 3', 'analysis 5 6'].map(encoded)]
  for (const variables of [...cursors.map((after) => ({ after })), { first: 0 }, { first: 101 }]) {
    assert.deepEqual(await codesOf(list, variables), [[['signals'], 'BAD_USER_INPUT']], JSON.stringify(variables))
  }
  assert.equal((await page({ first: 1, after: encoded('signal 9999999999999 1') })).edges.length, 1)
})

const encoded = (text: string): string => Buffer.from(text).toString('base64url')

test('signals of another source are not seen, listed, found or told of', async () => {
  const foreign = signalOf({ symbol: 'OTHER', source: 'SIMULATED', kind: 'DEATH_CROSS' })
  await using events = await follow({ symbols: ['OTHER'] })
  await save(foreign)
  assert.deepEqual((await page({ symbols: ['OTHER'] })).edges, [])
  assert.equal(await node(globalId(foreign)), null)
  const own = signalOf({ symbol: 'OTHER' })
  await analyse('OTHER', [own, { ...foreign, source: 'YAHOO' }])
  const told = [await events.next(), await events.next()].map(({ data }) => data?.signalEvents.id)
  assert.deepEqual(told, [globalId(own), globalId(foreign)], 'the same candle of this source is stored beside it')
  assert.deepEqual(idsOf((await page({ symbols: ['OTHER'] })).edges).toSorted(), told.toSorted())
})

async function node(id: string): Promise<Record<string, unknown> | null> {
  const query = `query ($id: ID!) { node(id: $id) { __typename ... on Signal { symbol kind direction interval source
    time epoch knownAt price indicatorValue strength outcome { complete } } } }`
  const { data, errors } = await post<{ node: Record<string, unknown> | null }>(api.api, query, { id })
  assert.equal(errors, undefined)
  return data?.node ?? null
}

test('a stored signal is found by its id, with all that it says; an id of none is null', async () => {
  const signal = signalOf({ symbol: 'M&M.NS', epoch: 1_704_067_200, indicatorValue: null, strength: -1.25 })
  await save(signal)
  assert.deepEqual(await node(globalId(signal)), {
    ...{ __typename: 'Signal', symbol: 'M&M.NS', kind: 'GOLDEN_CROSS', direction: 'BULLISH', interval: 'DAY_1' },
    ...{ source: 'YAHOO', time: '2024-01-01T00:00:00.000Z', epoch: 1_704_067_200, knownAt: '2024-01-01T21:00:00.000Z' },
    ...{ price: 100.25, indicatorValue: null, strength: -1.25, outcome: null },
  })
  const parts = ['M&M.NS', 'DAY_1', 'GOLDEN_CROSS', '1704067200']
  const wrong = [
    ...['M&M.NS DAY_1 GOLDEN_CROSS 1', 'M&M.NS DAY_1 GOLDEN_CROSS', 'M&M.NS', 'a/b DAY_1 GOLDEN_CROSS 1704067200'],
    ...['M&M.NS DAY_9 GOLDEN_CROSS 1704067200', 'M&M.NS DAY_1 GREEN_CROSS 1704067200', `${parts.join(' ')} NONE`],
    ...['m&m.ns DAY_1 GOLDEN_CROSS 1704067200', 'M&M.NS DAY_1 GOLDEN_CROSS 17040672e2', 'M&M.NS DAY_1 GOLDEN_CROSS '],
    'M&M.NS DAY_1 GOLDEN_CROSS 99999999999999999999',
  ]
  for (const id of wrong) assert.equal(await node(Buffer.from(`Signal:${id}`).toString('base64')), null, id)
})

test('a computed signal has the id and the outcome of the one that is stored; one of other candles has neither', async () => {
  const signal = signalOf({ symbol: 'SAME' })
  await save(signal)
  await database.query("UPDATE finstage.signals SET return_1d = 1.5 WHERE symbol = 'SAME'")
  const [edge] = (await page({ symbols: ['SAME'] })).edges
  assert.equal(edge?.node.id, Buffer.from(`Signal:${signalId(signal)}`).toString('base64'))
  const outcomeOf = (of: Parameters<typeof signalOutcome>[0]) =>
    signalOutcome(of, {}, createContext({ signals: store } as Partial<Ports> as Ports))
  assert.deepEqual(await outcomeOf({ ...signal, price: 99 }), {
    ...{ return1d: 1.5, return1w: null, return1m: null, maxReturn: null, minReturn: null, complete: false },
  })
  assert.equal(await outcomeOf(signalOf({ symbol: 'SAME' })), null)
  const unadjusted = { ...signal, variant: 'NONE' }
  assert.notEqual(signalId(unadjusted), signalId(signal))
  assert.equal(await outcomeOf(unadjusted), null)
})

test('an outcome is shown once something is filled in, and is complete when nothing more is to come', async () => {
  await save(signalOf({ symbol: 'FATE' }))
  const outcome = async () => (await page({ symbols: ['FATE'] })).edges[0]?.node.outcome
  const set = (what: string) => database.query(`UPDATE finstage.signals SET ${what} WHERE symbol = 'FATE'`)
  assert.equal(await outcome(), null)
  await set("follow_at = follow_at + interval '6 days'")
  assert.equal(await outcome(), null)
  await set('return_1d = 0.1')
  assert.deepEqual(await outcome(), { return1d: 0.1, return1w: null, complete: false })
  await set('return_1d = NULL, follow_at = NULL')
  assert.deepEqual(await outcome(), { return1d: null, return1w: null, complete: true })
})

test('what became of a signal is first looked at 24 hours after it was known, also where clocks change', async () => {
  const knownAtMs = Date.parse('2024-03-09T21:00:00Z')
  await transaction(pool, async (client) => {
    await client.query("SET LOCAL timezone = 'America/New_York'")
    await store.insert(client, [signalOf({ symbol: 'SPRING', knownAtMs })])
  })
  assert.deepEqual(await database.query("SELECT follow_at AS at FROM finstage.signals WHERE symbol = 'SPRING'"), [
    { at: new Date(knownAtMs + 86_400_000) },
  ])
})

test('signals under a day are deleted with candles of their age; later ones and those of days stay', async () => {
  const nowMs = Date.parse('2024-06-30T12:00:00Z')
  const day = (date: string): number => Date.parse(`${date}T12:00:00Z`) / 1000
  const signals = (['MINUTE_1', 'HOUR_1', 'DAY_1', 'WEEK_1', 'MONTH_1'] as const).flatMap((interval) =>
    ['2024-05-31', '2024-06-01'].map((date) => signalOf({ symbol: 'OLD', interval, epoch: day(date) })),
  )
  for (const interval of ['HOUR_1', 'DAY_1'] as const) {
    await analyse(
      'OLD',
      signals.filter((signal) => signal.interval === interval),
    )
  }
  await save(...signals)
  await save({ ...signals[0], source: 'SIMULATED' } as Signal)
  const candles = new CandleStore(pool)
  const schedule = pruneCandles({ candles, signals: store, retentionDays: 29, now: () => nowMs })
  await schedule.run(nowMs, silentLog, new AbortController().signal)
  const left = await database.query<SignalKey & { source: string }>(
    "SELECT source, symbol, interval, kind, epoch::float8 AS epoch FROM finstage.signals WHERE symbol = 'OLD'",
  )
  const kept = signals.filter(({ interval, epoch }) => epoch === day('2024-06-01') || /DAY|WEEK|MONTH/.test(interval))
  assert.deepEqual(left.map(nameOf).toSorted(), kept.map(nameOf).toSorted())
  const query = '{ analyses(symbol: "OLD") { edges { node { interval signals { id } } } } }'
  const { data } = await post<Analyses>(api.api, query)
  assert.deepEqual(
    data?.analyses.edges.map(({ node }) => [node.interval, node.signals.length]),
    [
      ['DAY_1', 2],
      ['HOUR_1', 1],
    ],
    'an analysis shows those that are left',
  )
})

interface Analyses {
  analyses: { edges: { node: { interval: string; signals: { id: string }[] } }[] }
}

type Events = Stream<{ signalEvents: { id: string; kind: SignalKind } }>

/** Subscribed when it resolves. */
async function follow(variables: Record<string, unknown> = {}, app = api): Promise<Events> {
  const begun = () =>
    metric(app.metrics, 'finstage_requests_total', 'operation="signalEvents",kind="subscription",outcome="ok"')
  const before = await begun()
  const stream: Events = subscribe(
    app.api,
    `subscription ($symbols: [Symbol!], $kinds: [SignalKind!]) {
      signalEvents(symbols: $symbols, kinds: $kinds) { id kind outcome { complete } } }`,
    variables,
  )
  await eventually(async () => (await begun()) > before, 'the subscription has begun')
  return stream
}

/** The ids of all events up to the one of this signal. */
async function toldUntil(events: Events, last: SignalKey): Promise<string[]> {
  const told: string[] = []
  await events.until(({ signalEvents: { id } }) => {
    told.push(id)
    return id === globalId(last)
  })
  return told
}

test('each signal that jobs in another process store is told of once, in the order of storing, as far as it fits', async () => {
  await save(signalOf({ symbol: 'TOLD1' }))
  const position = await store.newestPosition()
  await using all = await follow()
  await using bySymbol = await follow({ symbols: ['TOLD2', 'TOLD3'] })
  await using byBoth = await follow({ symbols: ['TOLD1', 'TOLD2'], kinds: ['VOLUME_SPIKE', 'DEATH_CROSS'] })
  const kinds = ['GOLDEN_CROSS', 'DEATH_CROSS', 'VOLUME_SPIKE'] as const
  const jobs = Array.from({ length: 12 }, (_, i) =>
    kinds.map((kind) => signalOf({ symbol: `TOLD${(i % 3) + 1}`, kind })),
  )
  await Promise.all([...jobs, ...jobs].map((signals) => analyse(signals[0]?.symbol ?? '', signals)))
  const last = signalOf({ symbol: 'TOLD2', kind: 'VOLUME_SPIKE' })
  await analyse('TOLD2', [last])
  const found = (await store.after(position, 100)).filter(({ symbol }) => symbol.startsWith('TOLD'))
  assert.equal(found.length, 37)
  assert.deepEqual(await toldUntil(all, last), found.map(globalId))
  const of = (symbols: string[], kinds: SignalKind[]) =>
    found.filter(({ symbol, kind }) => symbols.includes(symbol) && kinds.includes(kind)).map(globalId)
  assert.deepEqual(await toldUntil(bySymbol, last), of(['TOLD2', 'TOLD3'], [...kinds]))
  assert.deepEqual(await toldUntil(byBoth, last), of(['TOLD1', 'TOLD2'], ['DEATH_CROSS', 'VOLUME_SPIKE']))
})

test('what a worker detects in candles is told of, listed and shown by its analyses', async () => {
  await using resources = new AsyncDisposableStack()
  const database = resources.use(await createTestDatabase())
  const yahoo = resources.use(await startTestYahoo())
  const environment = { DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url }
  const app = resources.use(await startApp(environment, 'api'))
  resources.use(await startApp(environment, 'worker'))
  const events = resources.use(await follow({}, app))
  const symbols = ['AAPL', 'MSFT', 'BRK-B', '^GSPC', 'EURUSD=X', 'BTC-USD', 'VOD.L']
  const { data } = await post<{ enqueueAnalysis: { job: { id: string } } }>(
    app.api,
    `mutation ($symbols: [Symbol!]!) {
      enqueueAnalysis(input: { symbols: $symbols }) { ... on EnqueuePayload { job { id } } } }`,
    { symbols },
  )
  const job = resources.use(
    subscribe<{ jobUpdates: { state: string; result: { analyses: { signals: { id: string }[] }[] } | null } }>(
      app.api,
      `subscription ($id: ID) { jobUpdates(id: $id) {
        state result { ... on AnalysisResult { analyses { signals { id } } } } } }`,
      { id: data?.enqueueAnalysis.job.id },
    ),
  )
  const { jobUpdates } = await job.until((update) => update.jobUpdates.state === 'SUCCEEDED')
  const found = jobUpdates.result?.analyses.flatMap(({ signals }) => signals.map(({ id }) => id)) ?? []
  assert.ok(found.length > 0)
  const told: (string | undefined)[] = []
  while (told.length < found.length) told.push((await events.next()).data?.signalEvents.id)
  assert.deepEqual(told, found)
  const listed = (await post<Page>(app.api, list, { first: 100 })).data?.signals.edges ?? []
  assert.deepEqual(idsOf(listed).toSorted(), found.toSorted())
})

test('what was stored while the bus was cut is told of afterwards, once and in order', async () => {
  // A role of its own, so that it can be kept from connecting.
  const role = `cut_${randomUUID().replaceAll('-', '')}`
  await database.query(`CREATE ROLE ${role} LOGIN SUPERUSER`)
  const url = database.url.replace(/\/\/[^@/]*@/, `//${role}@`)
  const app = await startApp({ DATABASE_URL: url, YAHOO_BASE_URL: 'http://127.0.0.1:9' }, 'api')
  try {
    await using events = await follow({ symbols: ['CUT'] }, app)
    const signals = Array.from({ length: 4 }, () => signalOf({ symbol: 'CUT' })) as [Signal, Signal, Signal, Signal]
    await analyse('CUT', signals.slice(0, 1))
    assert.deepEqual(await toldUntil(events, signals[0]), [globalId(signals[0])])
    await database.query(`ALTER ROLE ${role} NOLOGIN`)
    await database.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [role])
    const bus = async () =>
      ((await (await fetch(`${app.metrics}/readyz`)).json()) as { checks: { bus: string } }).checks.bus
    await eventually(async () => (await bus()) === 'not connected', 'the bus is cut')
    let isTold = false
    const next = events.next().finally(() => {
      isTold = true
    })
    await analyse('CUT', signals.slice(1, 2))
    await analyse('CUT', signals.slice(2, 3))
    assert.equal(isTold, false, 'it has heard nothing meanwhile')
    await database.query(`ALTER ROLE ${role} LOGIN`)
    assert.equal((await next).data?.signalEvents.id, globalId(signals[1]))
    await analyse('CUT', signals.slice(3))
    assert.deepEqual(await toldUntil(events, signals[3]), signals.slice(2).map(globalId))
  } finally {
    await app.stop()
    await database.query(`DROP ROLE ${role}`)
  }
})

test('what a worker stored that died before it told of it is told of when it is missed', async () => {
  await using events = await follow({ symbols: ['DIED'] })
  const signals = [signalOf({ symbol: 'DIED' }), signalOf({ symbol: 'DIED' })] as const
  await save(...signals)
  worker.bus.publish('jobsMissed', {})
  assert.deepEqual(await toldUntil(events, signals[1]), signals.map(globalId))
})

test('a client that reads too slowly gets signals in order without a gap, then LIMIT_EXCEEDED, and is closed with 4413; others are told all', async () => {
  await using last = await follow({ symbols: ['SLOW'], kinds: ['VOLUME_SPIKE'] })
  const slow = await deafSocket(`subscription { signalEvents(symbols: ["SLOW"]) { id ${longName}: kind } }`)
  const signals = Array.from({ length: 20_000 }, () => signalOf({ symbol: 'SLOW' }))
  const spike = signalOf({ symbol: 'SLOW', kind: 'VOLUME_SPIKE' })
  await save(...signals, spike)
  worker.bus.publish('jobsMissed', {})
  assert.deepEqual(await toldUntil(last, spike), [globalId(spike)])
  const { messages, code } = await slow.readAll()
  const told = messages.slice(0, -1).map(({ payload }) => payload?.data?.signalEvents.id)
  assert.ok(told.length > 10_000 && told.length < 20_000, `${told.length} were told`)
  assert.deepEqual(told, signals.slice(0, told.length).map(globalId))
  assert.deepEqual(
    messages.at(-1)?.payload?.errors?.map(({ extensions }) => extensions.code),
    ['LIMIT_EXCEEDED'],
  )
  assert.equal(code, 4413)
})

/** Has messages be large, so that the system's buffers soon are full. */
const longName = 'n'.repeat(2000)

interface Message {
  readonly type: string
  readonly payload?: {
    readonly data?: { readonly signalEvents: { readonly id: string } } | null
    readonly errors?: readonly { readonly extensions: { readonly code: string } }[]
  }
}

/** A client that subscribes and then reads nothing until it is told to read all, up to the close. */
async function deafSocket(query: string): Promise<{ readAll(): Promise<{ messages: Message[]; code: number }> }> {
  const begun = () =>
    metric(api.metrics, 'finstage_requests_total', 'operation="signalEvents",kind="subscription",outcome="ok"')
  const before = await begun()
  const socket = new WebSocket(`${api.api.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  const messages: Message[] = []
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init' })))
  socket.on('message', (data) => {
    const message = JSON.parse(String(data)) as Message
    if (message.type === 'connection_ack') {
      socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }), () => socket.pause())
    } else messages.push(message)
  })
  await eventually(async () => (await begun()) > before, 'the subscription has begun')
  return {
    async readAll() {
      socket.resume()
      return { code: await inTime(closed, 'the close'), messages }
    },
  }
}

test('a server that stops ends the stream, over SSE too', async () => {
  const app = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: 'http://127.0.0.1:9' }, 'api')
  const response = await fetch(`${app.api}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: 'subscription { signalEvents(symbols: ["STOP"]) { symbol } }' }),
  })
  const signal = signalOf({ symbol: 'STOP' })
  const text = response.text()
  await analyse('STOP', [signal])
  await inTime(app.stop(), 'the stop')
  assert.match(await inTime(text, 'the end'), /event: complete/)
})
