import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import type { CandleUpdateKind } from '../../../src/domain/candle-update.ts'
import { startApp } from '../../support/app.ts'
import { post, type Stream, subscribe } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'

/** The simulated market with the sessions of its exchanges, shortly before New York closes early, on a clock that is put forward. */
const database = await createTestDatabase()
const start = Date.parse('2026-11-27T17:50:00Z')
const begun = performance.now()
let aheadMs = 0
const now = (): number => start + aheadMs + (performance.now() - begun)
const environment = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', SIMULATED_TICKS_PER_SECOND: '20' }
const app = await startApp({ ...environment, SIMULATED_HOURS: 'exchange' }, 'all', { now })
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})

interface Node {
  readonly time: string
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number | null
  readonly closed: boolean
}
const candleFields = 'time open high low close volume closed'

async function ask<Data>(query: string): Promise<Data> {
  const { data, errors } = await post<Data>(app.api, query)
  assert.equal(errors, undefined, JSON.stringify(errors))
  return data ?? assert.fail()
}

async function candles(args: string): Promise<Node[]> {
  const { candles } = await ask<{ candles: { nodes: Node[] } }>(`{ candles(${args}) { nodes { ${candleFields} } } }`)
  return candles.nodes
}

const together = (time: string, parts: readonly Node[]): Node => ({
  time,
  open: parts[0]?.open ?? Number.NaN,
  high: Math.max(...parts.map(({ high }) => high)),
  low: Math.min(...parts.map(({ low }) => low)),
  close: parts.at(-1)?.close ?? Number.NaN,
  volume: parts.reduce((sum, { volume }) => sum + (volume ?? 0), 0),
  closed: parts.at(-1)?.closed ?? false,
})

test('on a whole day and on a half day hours are exactly those of the session, and with extended hours those around it', async () => {
  const range = 'from: "2026-11-25T00:00:00Z", to: "2026-11-28T00:00:00Z"'
  const [regular, extended] = ['false', 'true'].map((value) => `symbol: "AAPL", ${range}, extendedHours: ${value}`)
  for (const [args, interval, starts] of [
    [regular, 'HOUR_2', ['25T14:30', '25T16:30', '25T18:30', '25T20:30', '27T14:30', '27T16:30']],
    [regular, 'HOUR_4', ['25T14:30', '25T18:30', '27T14:30']],
    [
      extended,
      'HOUR_4',
      ['25T09:00', '25T13:00', '25T14:30', '25T18:30', '25T21:00', '27T09:00', '27T13:00', '27T14:30'],
    ],
  ] as const) {
    const parts = await candles(`${args}, interval: HOUR_1`)
    const times = starts.map((time) => `2026-11-${time}:00.000Z`)
    const expected = times.map((time, i) =>
      together(
        time,
        parts.filter((part) => part.time >= time && part.time < (times[i + 1] ?? 'Z')),
      ),
    )
    assert.deepEqual(await candles(`${args}, interval: ${interval}`), expected)
  }
})

test('the first candle of a range is whole or left out, and the last is whole', async () => {
  const all = await candles(
    'symbol: "MSFT", interval: HOUR_4, from: "2026-11-23T00:00:00Z", to: "2026-11-26T00:00:00Z"',
  )
  assert.equal(all.length, 6)
  const cut = 'symbol: "MSFT", interval: HOUR_4, from: "2026-11-23T15:00:00Z", to: "2026-11-25T18:30:01Z"'
  assert.deepEqual(await candles(cut), all.slice(1))
  const shorter = 'symbol: "MSFT", interval: HOUR_4, from: "2026-11-23T14:30:00Z", to: "2026-11-25T18:30:00Z"'
  assert.deepEqual(await candles(shorter), all.slice(0, 5))
  const last = 'symbol: "MSFT", interval: HOUR_4, to: "2026-11-26T00:00:00Z", last: 4'
  assert.deepEqual(await candles(last), all.slice(2))
})

test('lunch parts the candles of Tokyo, and changes of clocks leave none out and none double', async () => {
  const tokyo = await candles(
    'symbol: "7203.T", interval: HOUR_4, from: "2026-11-24T00:00:00Z", to: "2026-11-25T00:00:00Z"',
  )
  assert.deepEqual(
    tokyo.map(({ time }) => time.slice(11, 16)),
    ['00:00', '03:30'],
  )
  for (const [symbol, perDay] of [
    ['AAPL', 4],
    ['HSBA.L', 5],
    ['EURUSD=X', 12],
    ['GC=F', 12],
    ['BTC-USD', 12],
  ] as const) {
    const range = 'from: "2026-10-18T12:00:00Z", to: "2026-11-14T00:00:00Z"'
    const [hours, parts] = [
      await candles(`symbol: "${symbol}", interval: HOUR_2, ${range}`),
      await candles(`symbol: "${symbol}", interval: HOUR_1, ${range}`),
    ]
    assert.equal(new Set(hours.map(({ time }) => time)).size, hours.length)
    const volume = (nodes: readonly Node[]) => nodes.reduce((sum, node) => sum + (node.volume ?? 0), 0)
    const first = hours[0]?.time ?? ''
    assert.equal(volume(hours), volume(parts.filter(({ time }) => time >= first)), symbol)
    const dates = Map.groupBy(hours, ({ time }) => time.slice(0, 10))
    assert.equal(Math.max(...[...dates.values()].map(({ length }) => length)), perDay, symbol)
  }
})

interface Update {
  readonly candleUpdates: { readonly kind: CandleUpdateKind; readonly candle: Node }
}

async function readUntil(stream: Stream<Update>, fits: (update: Update['candleUpdates']) => boolean) {
  let found: Update['candleUpdates'] | undefined
  await stream.until(({ candleUpdates }) => {
    found = candleUpdates
    return fits(candleUpdates)
  })
  return found ?? assert.fail()
}

test('live hours and quarters are those of the session, and after their close what candles answers', async () => {
  const watched = [
    ['HOUR_2', '2026-11-27T16:30:00.000Z'],
    ['HOUR_4', '2026-11-27T14:30:00.000Z'],
    ['MONTH_3', '2026-10-01T00:00:00.000Z'],
  ] as const
  await using stack = new AsyncDisposableStack()
  const watch = (interval: string): Stream<Update> =>
    stack.use(
      subscribe<Update>(
        app.api,
        `subscription { candleUpdates(symbol: "NVDA", interval: ${interval}) { kind candle { ${candleFields} } } }`,
      ),
    )
  const streams = watched.map(([interval]) => watch(interval))
  for (const [i, [, time]] of watched.entries()) {
    const { candle } = await readUntil(streams[i] ?? assert.fail(), ({ kind }) => kind === 'UPDATE')
    assert.deepEqual([candle.time, candle.closed], [time, false])
  }
  // The last hour, which the bell cuts, is over.
  aheadMs += 41 * 60_000
  for (const stream of streams.slice(0, 2)) await readUntil(stream, ({ kind }) => kind === 'CLOSE')
  // The comparison with the source is due, and whoever joins makes the series look at the clock.
  aheadMs += 20_000
  for (const [i, [interval, time]] of watched.slice(0, 2).entries()) {
    const [answer] = await candles(`symbol: "NVDA", interval: ${interval}, from: "${time}"`)
    assert.deepEqual([answer?.time, answer?.closed], [time, true])
    const joined = watch(interval)
    const isAnswer = ({ candle }: Update['candleUpdates']) => isDeepStrictEqual(candle, answer)
    const first = await readUntil(joined, () => true)
    if (isAnswer(first)) continue
    const { kind } = await readUntil(streams[i] ?? assert.fail(), isAnswer)
    assert.equal(kind, 'CLOSE')
  }
})

/** The result of a job. */
async function run<Result>(mutation: string, fields: string): Promise<Result> {
  const { enqueued } = await ask<{ enqueued: { job: { id: string } } }>(
    `mutation { enqueued: ${mutation} { ... on EnqueuePayload { job { id } } } }`,
  )
  await using stream = subscribe<{ jobUpdates: { state: string; result: Result } }>(
    app.api,
    `subscription { jobUpdates(id: "${enqueued.job.id}") { state result { ${fields} } } }`,
  )
  let result: Result | undefined
  await stream.until(({ jobUpdates }) => {
    result = jobUpdates.result
    return jobUpdates.state === 'SUCCEEDED'
  })
  return result ?? assert.fail()
}

test('a backfill stores what hours and quarters are composed of', async () => {
  for (const [interval, from, to, count] of [
    ['HOUR_4', '2026-11-23', '2026-11-26', 3 * 7],
    ['HOUR_2', '2026-11-27', '2026-11-28', 4],
    // Without New Year, Martin Luther King Day and Washington's Birthday.
    ['MONTH_3', '2026-01-01', '2026-04-01', 64 - 3],
  ] as const) {
    const input = `symbols: ["META"], interval: ${interval}, from: "${from}T00:00:00Z", to: "${to}T00:00:00Z"`
    const fields = '... on BackfillResult { candleCount failures { code } }'
    const result = await run(`enqueueBackfill(input: { ${input} })`, fields)
    assert.deepEqual(result, { candleCount: count, failures: [] }, interval)
  }
})

interface Analysis {
  readonly analyses: readonly {
    readonly asOf: string
    readonly interval: string
    readonly signals: readonly { readonly time: string; readonly knownAt: string }[]
  }[]
}

test('an analysis of hours knows its signals with the end of their candle: at the bell, also of a half day', async () => {
  const symbols = ['AAPL', 'MSFT', 'NVDA', 'AMZN', 'META', 'TSLA', 'JPM', 'V', 'SPY', 'QQQ']
  const named = symbols.map((symbol) => `"${symbol}"`).join(' ')
  const fields = '... on AnalysisResult { analyses { asOf interval signals { time knownAt } } }'
  const ends: Record<string, string> = { '27T14:30': '27T18:00', '25T18:30': '25T21:00', '25T14:30': '25T18:30' }
  let known = 0
  const { analyses } = await run<Analysis>(`enqueueAnalysis(input: { symbols: [${named}], interval: HOUR_4 })`, fields)
  for (const { asOf, interval, signals } of analyses) {
    assert.deepEqual([asOf, interval], ['2026-11-27T14:30:00.000Z', 'HOUR_4'])
    for (const { time, knownAt } of signals) {
      const end = ends[time.slice(8, 16)]
      if (end === undefined) continue
      assert.equal(knownAt.slice(8, 16), end)
      known++
    }
  }
  assert.ok(known > 0)
  const quarters = await run<Analysis>(`enqueueAnalysis(input: { symbols: [${named}], interval: MONTH_3 })`, fields)
  // The last session of each.
  const lastDates = ['09-30', '06-30', '03-31', '12-31']
  for (const { signals } of quarters.analyses) {
    for (const { knownAt } of signals) assert.ok(lastDates.includes(knownAt.slice(5, 10)), knownAt)
  }
})

test('the cloud of four hours is drawn ahead at the times of sessions to come', async () => {
  const { candles } = await ask<{ candles: { columns: { ichimoku: { ahead: { epoch: number[] } } } } }>(
    '{ candles(symbol: "AAPL", interval: HOUR_4, last: 5) { columns { ichimoku { ahead { epoch } } } } }',
  )
  const expected: string[] = []
  for (let date = Date.parse('2026-11-30T00:00Z'); expected.length < 25; date += 86_400_000) {
    const day = new Date(date)
    if (day.getUTCDay() % 6 === 0) continue
    for (const time of ['14:30', '18:30']) expected.push(`${day.toISOString().slice(0, 10)}T${time}`)
  }
  assert.deepEqual(
    candles.columns.ichimoku.ahead.epoch.map((epoch) => new Date(epoch * 1000).toISOString().slice(0, 16)),
    expected.slice(0, 25),
  )
})
