import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { graphql } from 'graphql'
import { type SymbolFindings, snapshotFields } from '../../../src/domain/analysis/analysis.ts'
import type { SignalKey } from '../../../src/domain/analysis/signal.ts'
import type { Source } from '../../../src/domain/instrument.ts'
import { pruneJobs } from '../../../src/jobs/tasks/prune-jobs.ts'
import { createPool, transaction } from '../../../src/platform/database/pool.ts'
import { createContext, type Ports } from '../../../src/resolvers/context.ts'
import { schema } from '../../../src/schema/index.ts'
import { AnalysisStore } from '../../../src/store/analyses/analysis-store.ts'
import { SignalStore } from '../../../src/store/analyses/signal-store.ts'
import { startApp } from '../../support/app.ts'
import { post } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { findingsOf, findingsTask, signalOf } from '../../support/findings.ts'
import { silentLog } from '../../support/log.ts'
import { startQueue } from '../../support/queue/queue.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

const database = await createTestDatabase()
const yahoo = await startTestYahoo()
const pool = createPool(database.url, silentLog, { max: 4 })
const signals = new SignalStore({ pool, source: 'YAHOO' })
const analyses = new AnalysisStore({ pool, source: 'YAHOO', signals })
const api = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url }, 'api')
const worker = await startQueue({ database, tasks: [findingsTask(analyses)] })

after(async () => {
  await api.stop()
  await worker.stop()
  await pool.end()
  await yahoo.close()
  await database[Symbol.asyncDispose]()
})

interface Shown {
  id: string
  symbol: string
  interval: string
  analysedAt: string
  price: number
  signals: { id: string }[]
}
interface Page {
  analyses: {
    edges: { cursor: string; node: Shown }[]
    pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null }
  }
}

const shown = 'id symbol interval analysedAt price signals { id }'
const list = `query ($symbol: Symbol!, $interval: Interval, $first: Int! = 20, $after: String) {
  analyses(symbol: $symbol, interval: $interval, first: $first, after: $after) {
    edges { cursor node { ${shown} } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`

async function ask<Data>(query: string, variables = {}): Promise<Data> {
  const { data, errors } = await post<Data>(api.api, query, variables)
  assert.equal(errors, undefined)
  return data ?? assert.fail()
}

const page = async (variables: Record<string, unknown>): Promise<Page['analyses']> =>
  (await ask<Page>(list, variables)).analyses

/** Runs a job of the API's viewer that finds this; gives its global id. */
async function analyse(...findings: SymbolFindings[]): Promise<string> {
  const { id } = await worker.enqueue({ input: findings, owner: 'anonymous' })
  assert.equal((await worker.ended(id)).state, 'SUCCEEDED')
  return Buffer.from(`Job:${id}`).toString('base64')
}

const globalId = ({ symbol, interval, kind, epoch }: SignalKey): string =>
  Buffer.from(`Signal:${symbol} ${interval} ${kind} ${epoch}`).toString('base64')

const jobResult = 'query ($id: ID!) { job(id: $id) { result { ... on AnalysisResult { analyses { id } } } } }'
interface JobResult {
  job: { result: { analyses: { id: string }[] } | null }
}

test('what a job has found is shown whole, and alike by the job, in the list, as the latest and by its id', async () => {
  const found = [signalOf(), signalOf({ kind: 'VOLUME_SPIKE' })]
  const id = await analyse(
    findingsOf('MSFT', { trend: null, sentiment: null, score: null }),
    findingsOf('AAPL', { signals: found, sentiment: 'SLIGHTLY_BEARISH', score: -2 }),
  )
  const fields = `id symbol interval source asOf price trend sentiment score indicators { ${snapshotFields.join(' ')} } signals { id kind }`
  const { job } = await ask<{ job: { result: { analyses: Record<string, unknown>[] } } }>(
    `query ($id: ID!) { job(id: $id) { result { ... on AnalysisResult { analyses { ${fields} } } } } }`,
    { id },
  )
  const [microsoft, apple] = job.result.analyses
  assert.deepEqual(
    [microsoft?.symbol, microsoft?.trend, microsoft?.sentiment, microsoft?.score, microsoft?.signals],
    ['MSFT', null, null, null, []],
  )
  assert.deepEqual(apple, {
    ...{ id: apple?.id, symbol: 'AAPL', interval: 'DAY_1', source: 'YAHOO', asOf: '2023-11-14T22:13:20.000Z' },
    ...{ price: 100.25, trend: 'UP', sentiment: 'SLIGHTLY_BEARISH', score: -2 },
    indicators: Object.fromEntries(snapshotFields.map((field, i) => [field, i + 0.5])),
    signals: found.map((signal) => ({ id: globalId(signal), kind: signal.kind })),
  })
  const elsewhere = await ask<{
    instrument: { latestAnalysis: unknown }
    analyses: { edges: { node: unknown }[] }
    node: unknown
  }>(
    `query ($id: ID!) { instrument(symbol: "AAPL") { latestAnalysis { ${fields} } }
      analyses(symbol: "AAPL") { edges { node { ${fields} } } } node(id: $id) { ... on SymbolAnalysis { ${fields} } } }`,
    { id: apple?.id },
  )
  assert.deepEqual(elsewhere.instrument.latestAnalysis, apple)
  assert.deepEqual(elsewhere.analyses.edges, [{ node: apple }])
  assert.deepEqual(elsewhere.node, apple)
})

test('analyses are paged through newest first, each once, while new ones come; filtered by interval', async () => {
  const store = async (from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i++) {
      const interval = i % 2 ? 'HOUR_1' : 'DAY_1'
      await analyse(findingsOf('PAGED', { price: i, interval }), findingsOf('BESIDE'))
    }
  }
  await store(0, 9)
  for (const interval of [null, 'HOUR_1']) {
    const before = (await analyses.list({ symbol: 'PAGED', interval: null, before: null, limit: 100 }))
      .filter((analysis) => interval === null || analysis.interval === interval)
      .map(({ price }) => price)
    const seen: Shown[] = []
    let after: string | null = null
    for (let more = true; more; ) {
      const got: Page['analyses'] = await page({ symbol: 'PAGED', interval, first: 2, after })
      assert.equal(got.pageInfo.hasPreviousPage, after !== null)
      assert.deepEqual(
        [got.pageInfo.startCursor, got.pageInfo.endCursor],
        [got.edges[0]?.cursor, got.edges.at(-1)?.cursor],
      )
      seen.push(...got.edges.map(({ node }) => node))
      after = got.pageInfo.endCursor
      more = got.pageInfo.hasNextPage
      await store(100, 102)
    }
    assert.deepEqual(
      seen.map(({ price }) => price),
      before,
    )
    const times = seen.map(({ analysedAt }) => analysedAt)
    assert.deepEqual(times, times.toSorted().toReversed())
  }
  assert.deepEqual(await page({ symbol: 'NEVER' }), {
    edges: [],
    pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
  })
})

test('times have the order of storing, also where a transaction began early and ends late', async () => {
  const jobs = [await worker.enqueue({ input: [] }), await worker.enqueue({ input: [] })] as const
  await transaction(pool, async (early) => {
    await early.query('SELECT')
    await transaction(pool, (late) => analyses.insert(late, jobs[1].id, [findingsOf('TIMES', { price: 1 })]))
    await analyses.insert(early, jobs[0].id, [findingsOf('TIMES', { price: 2 })])
  })
  const [second, first] = await analyses.list({ symbol: 'TIMES', interval: null, before: null, limit: 2 })
  assert.deepEqual([first?.price, second?.price], [1, 2])
  assert.ok((first?.analysedAtMs ?? 0) <= (second?.analysedAtMs ?? 0))
})

test('a cursor of something else, and pages out of bounds, are refused', async () => {
  const cursors = ['', 'nonsense', ...['job 5', 'analysis', 'analysis 5 6', 'analysis 5x', 'signal 5 6'].map(encoded)]
  for (const variables of [...cursors.map((after) => ({ after })), { first: 0 }, { first: 101 }]) {
    const { data, errors } = await post(api.api, list, { symbol: 'AAPL', ...variables })
    assert.deepEqual(data, { analyses: null })
    assert.deepEqual(
      errors?.map(({ path, extensions }) => [path, extensions.code]),
      [[['analyses'], 'BAD_USER_INPUT']],
      JSON.stringify(variables),
    )
  }
  assert.equal((await page({ symbol: 'AAPL', after: encoded('analysis 1') })).edges.length, 0)
})

const encoded = (text: string): string => Buffer.from(text).toString('base64url')

test('analyses of another source are seen nowhere, also where they are newer', async () => {
  const own = await analyse(findingsOf('^GSPC', { price: 1 }))
  const foreign = await analyse(findingsOf('^GSPC', { price: 2, source: 'SIMULATED' }))
  const other = storeOf('SIMULATED')
  const [hidden] = await other.list({ symbol: '^GSPC', interval: null, before: null, limit: 10 })
  assert.equal(hidden?.price, 2)
  const prices = async () => (await page({ symbol: '^GSPC' })).edges.map(({ node }) => node.price)
  assert.deepEqual(await prices(), [1])
  assert.equal((await latest('^GSPC'))?.price, 1)
  const id = Buffer.from(`SymbolAnalysis:${hidden?.id}`).toString('base64')
  assert.deepEqual(await ask('query ($id: ID!) { node(id: $id) { id } }', { id }), { node: null })
  assert.equal((await ask<JobResult>(jobResult, { id: own })).job.result?.analyses.length, 1)
  assert.deepEqual((await ask<JobResult>(jobResult, { id: foreign })).job.result?.analyses, [])
})

const storeOf = (source: Source): AnalysisStore =>
  new AnalysisStore({ pool, source, signals: new SignalStore({ pool, source }) })

async function latest(symbol: string, interval = 'DAY_1'): Promise<Shown | null> {
  const { instrument } = await ask<{ instrument: { latestAnalysis: Shown | null } }>(
    `query ($symbol: Symbol!, $interval: Interval!) { instrument(symbol: $symbol) { latestAnalysis(interval: $interval) { ${shown} } } }`,
    { symbol, interval },
  )
  return instrument.latestAnalysis
}

test('the latest analysis outlives its job, while older ones go with theirs and those of kept jobs stay', async () => {
  assert.equal(await latest('VOD.L'), null)
  const signal = signalOf({ symbol: 'VOD.L' })
  const jobs = []
  for (const price of [1, 2, 3, 4]) {
    jobs.push(await analyse(findingsOf('VOD.L', { price, signals: price === 4 ? [signal] : [] })))
  }
  await analyse(findingsOf('VOD.L', { price: 9, source: 'SIMULATED' }))
  await analyse(findingsOf('VOD.L', { price: 5, interval: 'HOUR_1' }))
  const [, kept = ''] = jobs
  const id = Buffer.from(kept, 'base64').toString().slice('Job:'.length)
  await database.query(
    "UPDATE finstage.jobs SET finished_at = finished_at - interval '31 days' WHERE finished_at IS NOT NULL AND id <> $1",
    [id],
  )
  await pruneJobs({ jobs: worker.store, analyses, bus: worker.bus, retentionDays: 30 }).run(
    Date.now(),
    silentLog,
    new AbortController().signal,
  )
  assert.deepEqual(await database.query('SELECT id FROM finstage.jobs WHERE finished_at IS NOT NULL'), [{ id }])
  const prices = async () => (await page({ symbol: 'VOD.L' })).edges.map(({ node }) => `${node.interval} ${node.price}`)
  assert.deepEqual(await prices(), ['HOUR_1 5', 'DAY_1 4', 'DAY_1 2'])
  assert.deepEqual((await latest('VOD.L'))?.signals, [{ id: globalId(signal) }])
  assert.equal((await latest('VOD.L', 'HOUR_1'))?.price, 5)
  const [foreign] = await storeOf('SIMULATED').newest([{ symbol: 'VOD.L', interval: 'DAY_1' }])
  assert.equal(foreign?.price, 9)
  await analyse(findingsOf('VOD.L', { price: 6 }))
  await pruneJobs({ jobs: worker.store, analyses, bus: worker.bus, retentionDays: 30 }).run(
    Date.now(),
    silentLog,
    new AbortController().signal,
  )
  assert.deepEqual(await prices(), ['DAY_1 6', 'HOUR_1 5', 'DAY_1 2'])
})

test('the latest analyses of many symbols are one query, and so are the signals of all of them', async () => {
  const symbols = ['AAPL', 'MSFT', 'BRK-B', 'BTC-USD']
  const found = symbols.map((symbol) => [signalOf({ symbol }), signalOf({ symbol })])
  await analyse(...symbols.map((symbol, i) => findingsOf(symbol, { signals: found[i] ?? [] })))
  const asked: number[] = []
  const ports = {
    market: { listing: async (symbol: string) => ({ instrument: { symbol } }) },
    analyses: {
      newest: (keys: Parameters<AnalysisStore['newest']>[0]) => {
        asked.push(keys.length)
        return analyses.newest(keys)
      },
    },
    signals: {
      find: (keys: readonly SignalKey[]) => {
        asked.push(keys.length)
        return signals.find(keys)
      },
    },
    limits: { upstreamCallsPerOperation: 1 },
  } as unknown as Ports
  const { data, errors } = await graphql({
    schema,
    source: `query ($symbols: [Symbol!]!) { instruments(symbols: $symbols) { symbol
      latestAnalysis { symbol signals { id } } again: latestAnalysis { signals { outcome { complete } } } } }`,
    variableValues: { symbols },
    contextValue: createContext(ports),
  })
  assert.equal(errors, undefined)
  assert.deepEqual(asked, [symbols.length, 2 * symbols.length])
  const shown = JSON.parse(JSON.stringify(data)) as { instruments: { latestAnalysis: Shown }[] }
  assert.deepEqual(
    shown.instruments.map(({ latestAnalysis }) => [latestAnalysis.symbol, latestAnalysis.signals]),
    symbols.map((symbol, i) => [symbol, found[i]?.map((signal) => ({ id: globalId(signal) }))]),
  )
})

test('an attempt that no longer counts stores neither analyses nor signals', async () => {
  const { id } = await worker.enqueue({ input: [], runAtMs: Date.now() + 3_600_000 })
  const findings = [findingsOf('STALE', { signals: [signalOf({ symbol: 'STALE' })] })]
  const outcome = {
    result: {},
    write: (client: Parameters<AnalysisStore['insert']>[0]) => analyses.insert(client, id, findings),
  }
  assert.equal(await worker.runStore.succeed({ id, carrier: '1', attempt: 1 }, outcome, false), null)
  assert.deepEqual((await page({ symbol: 'STALE' })).edges, [])
  assert.deepEqual(await signals.list({ symbols: ['STALE'], kinds: null, before: null, limit: 1 }), [])
})
