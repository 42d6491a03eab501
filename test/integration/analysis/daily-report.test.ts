import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { toColumns } from '../../../src/analysis/indicators/columns.ts'
import { findingsCandles, symbolFindings } from '../../../src/analysis/symbol-findings.ts'
import type { Candle } from '../../../src/domain/candle.ts'
import { JobService } from '../../../src/jobs/job-service.ts'
import { dailyReports, dailyReportTask } from '../../../src/jobs/tasks/daily-report.ts'
import { createPool } from '../../../src/platform/database/pool.ts'
import { JobStore } from '../../../src/store/jobs/job-store.ts'
import { LocalBus } from '../../../src/stream/local-bus.ts'
import { startApp } from '../../support/app.ts'
import { barsRaising, daysOf } from '../../support/candles/signal-candles.ts'
import { post, subscribe } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { silentLog } from '../../support/log.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

/** A Wednesday, two hours after New York has closed; bitcoin has two hours left of it. */
let nowMs = Date.parse('2025-03-12T22:00:00Z')
const now = (): number => nowMs
const wednesday = Date.parse('2025-03-12T00:00:00Z') / 1000
const daySeconds = 86_400

const database = await createTestDatabase()
const yahoo = await startTestYahoo({ now })
const index = { quoteType: 'INDEX', currency: 'USD', exchangeTimezoneName: 'America/New_York', priceHint: 2 }
yahoo.setQuote('^IXIC', { ...index, longName: 'NASDAQ Composite', regularMarketPrice: 17_600.5 })
yahoo.setQuote('^DJI', { ...index, longName: 'Dow Jones Industrial Average', regularMarketPrice: 41_300.25 })
// One whose newest day raises signals, of which one is known.
const days = daysOf(barsRaising.MA50_BREAKOUT_UP, wednesday)
const rows = days.map(({ epoch, closed: _, ...bar }) => ({ ...bar, time: epoch + 52_200, adjclose: bar.close }))
yahoo.setChart('MSFT', '1d', rows, { firstTradeDate: rows[0]?.time })
const app = await startApp(
  { DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url, WATCH_LIST: 'MSFT,BTC-USD,NOPE,^GSPC' },
  'all',
  { now },
)
after(async () => {
  await app.stop()
  await yahoo.close()
  await database[Symbol.asyncDispose]()
})

interface ShownSignal {
  readonly id: string
  readonly symbol: string
  readonly kind: string
  readonly knownAt: string
}
interface Market {
  readonly symbol: string
  readonly price: number
  readonly changePercent: number | null
  readonly sentiment: string | null
  readonly strongest: ShownSignal | null
}
interface Report {
  readonly date: string
  readonly text: string
  readonly markets: readonly Market[]
  readonly newSignals: readonly ShownSignal[]
  readonly failures: readonly { readonly symbol: string; readonly code: string; readonly message: string }[]
}
interface Job {
  readonly id: string
  readonly state: string
  readonly input: unknown
  readonly result: Report | null
}

const signal = '{ id symbol kind knownAt }'
const jobFields = `id state input result { ... on DailyReport { date text failures { symbol code message }
  markets { symbol price changePercent sentiment strongest ${signal} } newSignals ${signal} } }`

async function ended(id: string): Promise<Job> {
  await using stream = subscribe<{ jobUpdates: Job }>(
    app.api,
    `subscription ($id: ID) { jobUpdates(id: $id) { ${jobFields} } }`,
    { id },
  )
  return (await stream.until(({ jobUpdates: { state } }) => ['SUCCEEDED', 'FAILED'].includes(state))).jobUpdates
}

async function report(input: Record<string, unknown>): Promise<Report> {
  const { data, errors } = await post<{ enqueueDailyReport: { job: { id: string } } }>(
    app.api,
    `mutation ($input: EnqueueDailyReportInput!) {
       enqueueDailyReport(input: $input) { ... on EnqueuePayload { job { id } } } }`,
    { input },
  )
  assert.equal(errors, undefined)
  const { state, result } = await ended(data?.enqueueDailyReport.job.id ?? '')
  assert.equal(state, 'SUCCEEDED')
  return result ?? assert.fail()
}

/** What the API serves of a symbol's days that began before a time. */
async function daysBefore(symbol: string, to: string | null) {
  const { data, errors } = await post<{
    candles: { nodes: Candle[]; signals: ShownSignal[]; strengths: { strength: number }[] }
  }>(
    app.api,
    `query ($symbol: Symbol!, $last: Int!, $to: DateTime) { candles(symbol: $symbol, last: $last, to: $to) {
       nodes { epoch open high low close volume closed } signals ${signal} strengths: signals { strength } } }`,
    { symbol, to, last: findingsCandles('DAY_1') },
  )
  assert.equal(errors, undefined)
  return data?.candles ?? assert.fail()
}

/** What a report has to say of a symbol, reckoned from candles. */
async function expected(symbol: string, to: string | null, from: string, until: string) {
  const { nodes, signals, strengths } = await daysBefore(symbol, to)
  const strengthOf = new Map(signals.map(({ id }, i) => [id, strengths[i]?.strength ?? 0]))
  const [before, newest] = nodes.slice(-2) as [Candle, Candle]
  const { sentiment } = symbolFindings({
    ...{ symbol, source: 'YAHOO', interval: 'DAY_1', sessions: { timezone: 'UTC', opens: null, closes: null } },
    ...{ candles: toColumns(nodes), closedCount: nodes.length, isWhole: false },
  })
  const newSignals = signals.filter(({ knownAt }) => knownAt > from && knownAt <= until)
  const market = {
    ...{ symbol, price: newest.close, changePercent: (100 * (newest.close - before.close)) / before.close, sentiment },
    strongest: newSignals.toSorted((a, b) => Number(strengthOf.get(b.id)) - Number(strengthOf.get(a.id)))[0] ?? null,
  }
  return { market, newSignals, newest }
}

test('a report is of the indices and the watch list, with real changes, sentiments and new signals, and tells what is missing', async () => {
  const found = await report({})
  const symbols = ['^GSPC', '^IXIC', '^DJI', 'MSFT', 'BTC-USD']
  const all = await Promise.all(
    symbols.map((symbol) => expected(symbol, null, '2025-03-11T22:00:00.000Z', '2025-03-12T22:00:00.000Z')),
  )
  assert.equal(found.date, '2025-03-12')
  assert.deepEqual(
    found.markets,
    all.map(({ market }) => market),
  )
  assert.deepEqual(
    found.newSignals,
    all.flatMap(({ newSignals }) => newSignals),
  )
  const kinds = found.newSignals.filter(({ symbol }) => symbol === 'MSFT').map(({ kind }) => kind)
  assert.ok(kinds.includes('MA50_BREAKOUT_UP'), kinds.join())
  // Bitcoin's day still runs: its price is that of now.
  assert.equal(all.at(-1)?.newest.closed, false)
  assert.deepEqual(
    found.failures.map(({ symbol, code }) => [symbol, code]),
    [['NOPE', 'SYMBOL_NOT_FOUND']],
  )
  const { price, changePercent } = found.markets[3] as Market
  const lines = found.text.split('\n')
  assert.equal(lines[0], 'Daily report for Wednesday, 12 March 2025')
  assert.ok(
    lines.some((line) =>
      line.startsWith(`- Microsoft Corporation (MSFT): ${price.toFixed(2)}, up ${changePercent?.toFixed(2)} %; `),
    ),
    found.text,
  )
  assert.ok(lines.includes('- Microsoft Corporation (MSFT): rose above its 50-day average (bullish)'), found.text)
  assert.equal(lines.at(-1), `- NOPE: ${found.failures[0]?.message}`)
})

test('after the close a report and a quote tell the same change of the day, also once a later price is traded', async () => {
  const share = { quoteType: 'EQUITY', currency: 'USD', exchangeTimezoneName: 'America/New_York' }
  yahoo.setQuote('GOOG', { ...share, regularMarketPrice: 100 })
  const { nodes } = await daysBefore('GOOG', null)
  const [before, newest] = nodes.slice(-2) as [Candle, Candle]
  const regular = { regularMarketPrice: newest.close, regularMarketTime: Date.parse('2025-03-12T20:00:00Z') / 1000 }
  const row = { ...share, ...regular, regularMarketPreviousClose: before.close }
  const fields = 'price regularPrice changePercent extendedChangePercent'
  const quoteOf = async (symbol: string) => {
    const { data } = await post<{ quote: Record<string, number | null> }>(
      app.api,
      `{ quote(symbol: "${symbol}") { ${fields} } }`,
    )
    return data?.quote ?? assert.fail()
  }
  yahoo.setQuote('GOOG', { ...row, marketState: 'CLOSED' })
  const [market] = (await report({ symbols: ['GOOG'] })).markets
  const quote = await quoteOf('GOOG')
  assert.equal(quote.price, market?.price)
  assert.ok(Math.abs(Number(quote.changePercent) - Number(market?.changePercent)) < 1e-9)
  const postMarket = { postMarketPrice: newest.close + 1, postMarketTime: Date.parse('2025-03-12T21:30:00Z') / 1000 }
  yahoo.setQuote('GOOGL', { ...row, ...postMarket, marketState: 'POST' })
  const later = await quoteOf('GOOGL')
  const { regularPrice, price, changePercent, extendedChangePercent } = later
  assert.deepEqual([regularPrice, price], [newest.close, newest.close + 1])
  const ofDay = (1 + Number(changePercent) / 100) / (1 + Number(extendedChangePercent) / 100) - 1
  assert.ok(Math.abs(100 * ofDay - Number(market?.changePercent)) < 1e-9)
})

test('what a report was made of is stored: its signals, and an analysis of each symbol', async () => {
  const { markets, newSignals } = await report({ symbols: ['MSFT', 'AAPL'] })
  const { data } = await post<{
    signals: { edges: { node: ShownSignal }[] }
    a: { latestAnalysis: { sentiment: string; price: number } }
    b: { latestAnalysis: { sentiment: string; price: number } }
  }>(
    app.api,
    `{ signals(symbols: ["MSFT", "AAPL"], first: 100) { edges { node ${signal} } }
       a: instrument(symbol: "MSFT") { latestAnalysis { sentiment price } }
       b: instrument(symbol: "AAPL") { latestAnalysis { sentiment price } } }`,
  )
  const stored = new Set(data?.signals.edges.map(({ node: { id } }) => id))
  assert.ok(newSignals.length > 0 && newSignals.every(({ id }) => stored.has(id)))
  assert.deepEqual(
    [data?.a.latestAnalysis, data?.b.latestAnalysis],
    markets.map(({ sentiment, price }) => ({ sentiment, price })),
  )
})

test('where none of the symbols is known, the job fails and says why', async () => {
  const { data } = await post<{ enqueueDailyReport: { job: { id: string } } }>(
    app.api,
    'mutation { enqueueDailyReport(input: { symbols: ["NOPE"] }) { ... on EnqueuePayload { job { id } } } }',
  )
  const id = data?.enqueueDailyReport.job.id ?? ''
  assert.equal((await ended(id)).state, 'FAILED')
  const { data: failed } = await post<{ job: { error: { code: string; message: string } } }>(
    app.api,
    'query ($id: ID!) { job(id: $id) { error { code message } } }',
    { id },
  )
  assert.deepEqual([failed?.job.error.code, failed?.job.error.message.includes('NOPE')], ['SYMBOL_NOT_FOUND', true])
})

test('where it is tomorrow already, a report has the price of the session that runs', async () => {
  const sydney = { quoteType: 'INDEX', exchangeTimezoneName: 'Australia/Sydney', regularMarketPrice: 7800 }
  yahoo.setQuote('^AXJO', { ...sydney, longName: 'S&P/ASX 200' })
  nowMs = Date.parse('2025-03-12T23:30:00Z')
  const { date, markets } = await report({ symbols: ['^AXJO'] })
  const { nodes } = await daysBefore('^AXJO', null)
  const newest = nodes.at(-1)
  assert.deepEqual([newest?.epoch, newest?.closed], [wednesday + daySeconds, false])
  assert.deepEqual([date, markets[0]?.price], ['2025-03-13', newest?.close])
})

test('a scheduled report is queued once for its time, and made up for later it has the prices of then and no newer ones', async () => {
  const due = '2025-03-12T20:30:00.000Z'
  // Thursday is over, and Friday runs.
  nowMs = Date.parse('2025-03-14T15:00:00Z')
  const pool = createPool(database.url, silentLog, { max: 2 })
  const jobs = new JobService({ store: new JobStore(pool), bus: new LocalBus(), tasks: [dailyReportTask({} as never)] })
  const schedule = dailyReports({ jobs })
  for (let i = 0; i < 2; i++) await schedule.run(Date.parse(due), silentLog, new AbortController().signal)
  await pool.end()
  const { data } = await post<{ jobs: { edges: { node: Job }[] } }>(
    app.api,
    '{ jobs(kinds: [DAILY_REPORT], first: 100) { edges { node { id input } } } }',
  )
  const scheduled = (data?.jobs.edges ?? []).filter(
    ({ node }) => (node.input as { untilMs: number | null }).untilMs !== null,
  )
  assert.equal(scheduled.length, 1)
  const { state, result } = await ended(scheduled[0]?.node.id ?? '')
  assert.equal(state, 'SUCCEEDED')

  // Bitcoin's Wednesday went on until midnight: its Tuesday is the last day that was over.
  const tos = { '^GSPC': due, '^IXIC': due, '^DJI': due, MSFT: due, 'BTC-USD': '2025-03-12T00:00:00.000Z' }
  const all = await Promise.all(
    Object.entries(tos).map(([symbol, to]) => expected(symbol, to, '2025-03-11T20:30:00.000Z', due)),
  )
  assert.deepEqual(
    all.map(({ newest }) => newest.epoch),
    [...Array(4).fill(wednesday), wednesday - daySeconds],
  )
  assert.equal(result?.date, '2025-03-12')
  assert.deepEqual(
    result?.markets,
    all.map(({ market }) => market),
  )
  assert.deepEqual(
    result?.newSignals,
    all.flatMap(({ newSignals }) => newSignals),
  )
  assert.ok(result?.newSignals.some(({ kind }) => kind === 'MA50_BREAKOUT_UP'))
  assert.match(result?.text ?? '', /BTC-USD\).* of Tuesday, 11 March 2025/)
  assert.equal(result?.failures[0]?.symbol, 'NOPE')
})

test('while the source is away there is no report made of old prices', async () => {
  nowMs += 3_600_000
  const end = yahoo.fault('chart', { status: 503 })
  const { data } = await post<{ enqueueDailyReport: { job: { id: string } } }>(
    app.api,
    `mutation { enqueueDailyReport(input: { symbols: ["MSFT", "^GSPC"], maxAttempts: 1 }) {
       ... on EnqueuePayload { job { id } } } }`,
  )
  assert.equal((await ended(data?.enqueueDailyReport.job.id ?? '')).state, 'FAILED')
  end()
})
