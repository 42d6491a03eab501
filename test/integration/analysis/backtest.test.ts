import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signalBacktest } from '../../../src/analysis/backtest.ts'
import { toColumns } from '../../../src/analysis/indicators/columns.ts'
import { signalsWarmUp } from '../../../src/analysis/signals.ts'
import type { BacktestRules } from '../../../src/domain/analysis/backtest.ts'
import type { Candle } from '../../../src/domain/candle.ts'
import { generator } from '../../support/analysis/backtests.ts'
import { appOnTestYahoo } from '../../support/app.ts'
import { post, subscribe } from '../../support/clients/client.ts'

const { app, yahoo, database, pass } = await appOnTestYahoo()

interface Result {
  readonly tradeCount: number
  readonly equity: readonly { readonly time: string; readonly epoch: number; readonly equity: number }[]
  readonly failures: readonly { readonly symbol: string; readonly code: string }[]
}
interface Job {
  readonly id: string
  readonly state: string
  readonly attempt: number
  readonly priority: string
  readonly input: unknown
  readonly error: { readonly code: string } | null
  readonly result: Result | null
}
interface Enqueued {
  readonly __typename: string
  readonly deduplicated?: boolean
  readonly job?: Job
  readonly code?: string
  readonly field?: string | null
}

const jobFields = `id state attempt priority input error { code } result { ... on BacktestResult {
  tradeCount winRate totalReturn annualReturn maxDrawdown sharpe sortino profitFactor benchmarkReturn
  equity { time epoch equity } bySignal { kind tradeCount winRate averageReturn } failures { symbol code } } }`
const daySeconds = 86_400
const iso = (seconds: number): string => new Date(seconds * 1000).toISOString()

async function enqueue(input: Record<string, unknown>): Promise<Enqueued> {
  const { data, errors } = await post<{ enqueueBacktest: Enqueued }>(
    app.api,
    `mutation ($input: EnqueueBacktestInput!) { enqueueBacktest(input: $input) { __typename
       ... on EnqueuePayload { deduplicated job { ${jobFields} } } ... on InvalidInput { code field } } }`,
    { input },
  )
  assert.equal(errors, undefined)
  assert.ok(data)
  return data.enqueueBacktest
}

const follow = (id: string | undefined) =>
  subscribe<{ jobUpdates: Job }>(app.api, `subscription ($id: ID) { jobUpdates(id: $id) { ${jobFields} } }`, { id })

async function run(input: Record<string, unknown>): Promise<Job> {
  const { job } = await enqueue(input)
  await using stream = follow(job?.id)
  const { jobUpdates } = await stream.until(({ jobUpdates: { state } }) => ['SUCCEEDED', 'FAILED'].includes(state))
  return jobUpdates
}

async function candlesOf(symbol: string): Promise<Candle[]> {
  const { data } = await post<{ candles: { nodes: Candle[] } }>(
    app.api,
    `query ($symbol: Symbol!) { candles(symbol: $symbol, from: "2001-01-01T00:00:00Z") {
       nodes { epoch open high low close volume closed } } }`,
    { symbol },
  )
  return data?.candles.nodes ?? []
}

/** What the engine makes of the candles that queries give, as it is told over GraphQL. */
async function expected(symbols: readonly string[], rules: BacktestRules, from = 0, to = Number.POSITIVE_INFINITY) {
  const traded = await Promise.all(
    symbols.map(async (symbol) => {
      const candles = (await candlesOf(symbol)).filter(({ epoch, closed }) => closed && epoch < to)
      const start = candles.filter(({ epoch }) => epoch < from).length
      const first = Math.min(start, signalsWarmUp)
      return { candles: toColumns(candles.slice(start - first)), first }
    }),
  )
  const { curve, ...rest } = signalBacktest({ symbols: traded, rules })
  const equity = curve.epoch.map((epoch, i) => ({ time: iso(epoch), epoch, equity: curve.equity[i] }))
  return { ...rest, equity, failures: [] }
}

/** 1,200 days from 2016 to 2020, up and down by a per cent or two; of `every` so many days one is a holiday. */
function setChart(symbol: string, seed: number, every: number): void {
  const random = generator(seed)
  let price = 100
  const rows = Array.from({ length: 1680 }, (_, day) => {
    const open = price * (1 + 0.01 * (random() - 0.5))
    const close = open * (1 + 0.05 * (random() - 0.5))
    price = close
    const high = Math.max(open, close) * (1 + 0.01 * random())
    const low = Math.min(open, close) * (1 - 0.01 * random())
    const time = start + day * daySeconds + 52_200
    // As after dividends, which do not count.
    const adjclose = close * (0.5 + day / 4000)
    return { time, open, high, low, close, adjclose, volume: Math.floor(1e6 * random()) }
  })
  // From a Monday on.
  const isOpen = (_: unknown, day: number): boolean => day % 7 < 5 && day % every !== 0
  yahoo.setChart(symbol, '1d', rows.filter(isOpen), { firstTradeDate: start + 52_200 })
}
const start = Date.UTC(2016, 0, 4) / 1000
setChart('AAPL', 1, 23)
setChart('MSFT', 2, 31)

const rules: BacktestRules = {
  signals: ['MACD_BULLISH_CROSS', 'BOLLINGER_BREAK_LOWER', 'MACD_BEARISH_CROSS', 'VOLUME_SPIKE'],
  ...{ initialCapital: 5000, positionSize: 0.4, holdDays: 7, stopLoss: 0.03, takeProfit: 0.05, cost: 0.001 },
}
// From a Wednesday to a Wednesday.
const [from, to] = [start + 1003 * daySeconds, start + 1500 * daySeconds]
const range = { from: iso(from), to: iso(to) }

test('a backtest gives what the engine makes of the same candles, signals warmed up by those before the range', async () => {
  const symbols = ['AAPL', 'MSFT']
  const { state, priority, input, result } = await run({ symbols, ...range, ...rules, priority: 'HIGH' })
  assert.deepEqual([state, priority], ['SUCCEEDED', 'HIGH'])
  assert.deepEqual(input, { symbols, fromMs: from * 1000, toMs: to * 1000, ...rules })
  assert.deepEqual(result, await expected(symbols, rules, from, to))
  assert.ok((result?.tradeCount ?? 0) > 20)
  const epochs = result?.equity.map(({ epoch }) => epoch) ?? []
  assert.ok(epochs.every((epoch) => epoch >= from && epoch < to))
})

test('a range that begins in the midst of a day begins with the day after, and one that ends in it ends with it', async () => {
  const later = { from: iso(from + 3600), to: iso(to + 3600) }
  const { result } = await run({ symbols: ['AAPL'], ...later, ...rules })
  assert.deepEqual(result, await expected(['AAPL'], rules, from + daySeconds, to + daySeconds))
})

test('what is not said is 10,000 of capital, a tenth a trade, five days and 0.05 per cent, over all history', async () => {
  const signals = ['MACD_BULLISH_CROSS', 'RSI_OVERBOUGHT'] as const
  const { input, result } = await run({ symbols: ['MSFT'], signals })
  const usual: BacktestRules = {
    ...{ signals, initialCapital: 10_000, positionSize: 0.1, holdDays: 5, stopLoss: null, takeProfit: null },
    cost: 0.0005,
  }
  assert.deepEqual(input, { symbols: ['MSFT'], fromMs: null, toMs: null, ...usual })
  assert.deepEqual(result, await expected(['MSFT'], usual))
  assert.equal(result?.equity[0]?.epoch, start + daySeconds)
})

test('a candle that is not closed is not traded', async () => {
  const { result } = await run({
    symbols: ['BTC-USD'],
    ...rules,
    from: iso(Math.floor(Date.now() / 1000) - 300 * daySeconds),
  })
  const candles = await candlesOf('BTC-USD')
  assert.equal(candles.at(-1)?.closed, false)
  assert.equal(result?.equity.at(-1)?.epoch, candles.findLast(({ closed }) => closed)?.epoch)
})

test('symbols that nobody knows are told under failures, and the rest is traded', async () => {
  const { state, result } = await run({ symbols: ['NOPE', 'AAPL'], ...range, ...rules })
  const failures = [{ symbol: 'NOPE', code: 'SYMBOL_NOT_FOUND' }]
  assert.deepEqual([state, result], ['SUCCEEDED', { ...(await expected(['AAPL'], rules, from, to)), failures }])
})

test('where none of the symbols is known it fails, at once', async () => {
  const { state, error, attempt, result } = await run({ symbols: ['NOPE', 'NADA'], ...range, ...rules })
  assert.deepEqual([state, error?.code, attempt, result], ['FAILED', 'SYMBOL_NOT_FOUND', 1, null])
})

test('symbols without candles in the range contribute nothing', async () => {
  const early = { from: '2001-01-01T00:00:00Z', to: '2002-01-01T00:00:00Z' }
  const { state, result } = await run({ symbols: ['AAPL'], ...early, ...rules })
  assert.deepEqual([state, result], ['SUCCEEDED', await expected([], rules)])
})

test('what is stored while the source is away is not taken for all there is: the attempt is made again', async () => {
  const query = { symbols: ['BRK-B'], ...rules, from: iso(Math.floor(Date.now() / 1000) - 300 * daySeconds) }
  assert.equal((await run(query)).attempt, 1)
  pass(86_400_000)
  const clear = yahoo.fault('chart', { spoil: () => ({}) })
  const { job } = await enqueue(query)
  await using stream = follow(job?.id)
  const { jobUpdates: failed } = await stream.until(({ jobUpdates: { state } }) => state === 'RETRYING')
  clear()
  assert.equal(failed.error?.code, 'SOURCE_UNAVAILABLE')
  const { jobUpdates: last } = await stream.until(({ jobUpdates: { state } }) => state === 'SUCCEEDED')
  assert.equal(last.attempt, 2)
})

test('the same key gives the same job, and with another input it is InvalidInput', async () => {
  const input = { symbols: ['AAPL'], ...range, ...rules, idempotencyKey: 'once' }
  const first = await enqueue(input)
  const again = await enqueue(input)
  assert.deepEqual([first.deduplicated, again.deduplicated, again.job?.id], [false, true, first.job?.id])
  const other = await enqueue({ ...input, holdDays: 8 })
  assert.deepEqual([other.__typename, other.field], ['InvalidInput', 'idempotencyKey'])
})

test('symbols and signals that are named twice count once', async () => {
  const signals = ['RSI_BULLISH', 'RSI_BEARISH', 'RSI_BULLISH']
  const { job } = await enqueue({ symbols: ['AAPL', 'MSFT', 'AAPL'], signals, ...range })
  const input = job?.input as { symbols?: string[]; signals?: string[] }
  assert.deepEqual(
    [input.symbols, input.signals],
    [
      ['AAPL', 'MSFT'],
      ['RSI_BULLISH', 'RSI_BEARISH'],
    ],
  )
})

test('input out of its bounds is InvalidInput with its field, and queues nothing; at them it is taken', async () => {
  const count = () => database.query<{ count: number }>('SELECT count(*)::int FROM finstage.jobs')
  const before = await count()
  const now = Math.floor(Date.now() / 1000)
  const wrong: [string, Record<string, unknown>][] = [
    ['symbols', { symbols: [] }],
    ['symbols', { symbols: Array.from({ length: 101 }, (_, i) => `S${i}`) }],
    ['signals', { signals: [] }],
    ['signals', { signals: Array.from({ length: 20 }, () => 'RSI_BULLISH') }],
    ['initialCapital', { initialCapital: 0 }],
    ['initialCapital', { initialCapital: -1 }],
    ['initialCapital', { initialCapital: 1.1e12 }],
    ['positionSize', { positionSize: 0 }],
    ['positionSize', { positionSize: 1.01 }],
    ['holdDays', { holdDays: 0 }],
    ['holdDays', { holdDays: 1001 }],
    ['stopLoss', { stopLoss: 0 }],
    ['stopLoss', { stopLoss: 1 }],
    ['takeProfit', { takeProfit: 0 }],
    ['takeProfit', { takeProfit: 10.1 }],
    ['cost', { cost: -0.001 }],
    ['cost', { cost: 0.1 }],
    ['from', { from: range.to, to: range.from }],
    ['from', { from: range.from, to: range.from }],
    ['from', { from: iso(now + daySeconds) }],
    ['maxAttempts', { maxAttempts: 26 }],
    ['timeoutSeconds', { timeoutSeconds: 0 }],
    ['idempotencyKey', { idempotencyKey: '' }],
  ]
  for (const [field, input] of wrong) {
    const { __typename, code, field: told } = await enqueue({ symbols: ['AAPL'], ...rules, ...input })
    assert.deepEqual([__typename, code, told], ['InvalidInput', 'BAD_USER_INPUT', field], JSON.stringify(input))
  }
  assert.deepEqual(await count(), before)
  const bounds = [
    { initialCapital: 1e12, positionSize: 1, holdDays: 1000, stopLoss: 0.999, takeProfit: 10, cost: 0.0999 },
    { initialCapital: 0.001, positionSize: 0.001, holdDays: 1, stopLoss: 0.001, takeProfit: 0.001, cost: 0 },
  ]
  for (const input of bounds) {
    assert.equal((await enqueue({ symbols: ['AAPL'], ...rules, ...range, ...input })).__typename, 'EnqueuePayload')
  }
})
