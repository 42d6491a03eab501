import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { WebSocket } from 'ws'
import { catalogue } from '../../../src/analysis/indicators/catalogue.ts'
import { pointShapes } from '../../../src/analysis/indicators/indicator.ts'
import { type IndicatorName, indicatorNames } from '../../../src/analysis/indicators/points.ts'
import type { CandleUpdateKind } from '../../../src/domain/candle-update.ts'
import { intervals } from '../../../src/domain/time/interval.ts'
import { startApp } from '../../support/app.ts'
import { eventually, inTime, metric, post, type Stream, subscribe } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'

/** The simulated market, which never closes, on a clock that is put forward. */
const database = await createTestDatabase()
let aheadMs = 0
const now = (): number => Date.now() + aheadMs
const environment = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', SIMULATED_TICKS_PER_SECOND: '50' }
const app = await startApp(environment, 'all', { now })
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})

const minuteMs = 60_000

/** Puts the clock so long before the end of a minute, and says when that minute began, in epoch milliseconds. */
function beforeMinuteEnd(ms: number): number {
  const wanted = Math.ceil((now() + ms) / minuteMs) * minuteMs - ms
  aheadMs += wanted - now()
  return wanted + ms - minuteMs
}

interface Node {
  readonly time: string
  readonly epoch: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number | null
  readonly closed: boolean
}
interface Update {
  readonly candleUpdates: {
    readonly kind: CandleUpdateKind
    readonly symbol: string
    readonly interval: string
    readonly revision: number
    readonly candle: Node
    readonly series?: Readonly<Record<string, unknown>> & { readonly nodes: readonly Node[] }
  }
}
type CandleUpdate = Update['candleUpdates']

const candleFields = 'time epoch open high low close volume closed'
const watch = (args: string, more = ''): string =>
  `subscription { candleUpdates(${args}) { kind symbol interval revision candle { ${candleFields} } ${more} } }`

/** What is selected of an indicator by column: nothing below it where its points have one value. */
function columnsOf(name: IndicatorName): string {
  const { point } = catalogue[name]
  if (point === 'IndicatorPoint') return ''
  return `{ ${Object.keys(pointShapes[point]).join(' ')} ${point === 'IchimokuPoint' ? 'ahead { epoch spanA spanB }' : ''} }`
}

/** The fragment that draws history and what is live: every indicator there is. */
const drawing = `symbol interval adjustment source stale excluded hasEarlier nodes { ${candleFields} }
  columns { epoch time open high low close volume ${indicatorNames.map((name) => `${name} ${columnsOf(name)}`).join(' ')} }
  ${indicatorNames.map((name) => `${name} { time epoch ${Object.keys(pointShapes[catalogue[name].point]).join(' ')} }`).join(' ')}`

async function candles(args: string, fields = `nodes { ${candleFields} }`) {
  const { data, errors } = await post<{ candles: { nodes: Node[] } & Record<string, unknown> }>(
    app.api,
    `{ candles(${args}) { ${fields} } }`,
  )
  assert.equal(errors, undefined, JSON.stringify(errors))
  return data?.candles ?? assert.fail()
}

const iso = (ms: number): string => new Date(ms).toISOString()

/** Reads until an update fits, and gives all that came. */
async function readUntil(stream: Stream<Update>, fits: (update: CandleUpdate) => boolean): Promise<CandleUpdate[]> {
  const seen: CandleUpdate[] = []
  await stream.until(({ candleUpdates }) => {
    seen.push(candleUpdates)
    assert.ok(seen.length < 5000, 'it does not come')
    return fits(candleUpdates)
  })
  return seen
}

/** Reads on until the candle that has closed last is what `candles` gives: that is told a while after. */
async function readUntilSettled(stream: Stream<Update>, seen: readonly CandleUpdate[]): Promise<CandleUpdate[]> {
  const built = seen.findLast(({ kind }) => kind === 'CLOSE') ?? assert.fail()
  aheadMs += 10_000
  const range = `from: "${built.candle.time}", to: "${iso(built.candle.epoch * 1000 + 1)}"`
  const { nodes } = await candles(`symbol: "${built.symbol}", interval: MINUTE_1, ${range}`)
  const isSettled = ({ candle }: CandleUpdate): boolean => isDeepStrictEqual(candle, nodes[0])
  return isSettled(built) ? [] : await readUntil(stream, isSettled)
}

/** Of each candle the revisions count up by one from the first that was told; what is closed stays so. */
function assertNoGap(seen: readonly CandleUpdate[]): void {
  for (const updates of Map.groupBy(seen, ({ candle }) => candle.epoch).values()) {
    const first = updates[0]?.revision ?? Number.NaN
    assert.deepEqual(
      updates.map(({ revision }) => revision),
      updates.map((_, i) => first + i),
    )
    const closedAt = updates.findIndex(({ candle }) => candle.closed)
    if (closedAt >= 0) assert.ok(updates.slice(closedAt).every(({ candle }) => candle.closed))
    for (const { kind, candle } of updates) {
      if (kind !== 'SNAPSHOT') assert.equal(kind, candle.closed ? 'CLOSE' : 'UPDATE')
    }
  }
}

test('from a time on: all candles, then the one that forms, its close, and in the end what candles gives; no gap, no repeat', async () => {
  const minute = beforeMinuteEnd(5000)
  const from = minute - 20 * minuteMs
  // Somebody is there already: prices come while the history is loaded.
  await using other = subscribe<Update>(app.api, watch('symbol: "AAPL"'))
  const [first] = await readUntil(other, () => true)
  assert.deepEqual([first?.kind, first?.candle.time, first?.candle.closed], ['SNAPSHOT', iso(minute), false])
  await using stream = subscribe<Update>(app.api, watch(`symbol: "AAPL", from: "${iso(from)}"`))
  const seen = await readUntil(stream, ({ kind }) => kind === 'CLOSE')
  assert.deepEqual([seen.at(-1)?.candle.time, seen.at(-1)?.interval], [iso(minute), 'MINUTE_1'])
  const all = [...seen, ...(await readUntilSettled(stream, seen))]
  const snapshots = all.filter(({ kind }) => kind === 'SNAPSHOT')
  assert.deepEqual(all.slice(0, 21), snapshots)
  assert.deepEqual(
    snapshots.map(({ candle }) => candle.time),
    Array.from({ length: 21 }, (_, i) => iso(from + i * minuteMs)),
  )
  assertNoGap(all)
  assert.ok(all.filter(({ kind }) => kind === 'UPDATE').length > 20)
  const { nodes } = await candles(`symbol: "AAPL", interval: MINUTE_1, from: "${iso(from)}", to: "${iso(minute + 1)}"`)
  const newest = new Map(all.map(({ candle }) => [candle.epoch, candle]))
  assert.deepEqual(
    nodes.map(({ epoch }) => newest.get(epoch)),
    nodes,
  )
})

test('all nine intervals begin with the candle that candles has last, which then changes', async () => {
  beforeMinuteEnd(30_000)
  for (const interval of intervals) {
    await using stream = subscribe<Update>(app.api, watch(`symbol: "MSFT", interval: ${interval}`))
    const [snapshot, update] = await readUntil(stream, ({ kind }) => kind === 'UPDATE')
    const { nodes } = await candles(`symbol: "MSFT", interval: ${interval}, last: 1`)
    assert.deepEqual([snapshot?.kind, snapshot?.candle.time], ['SNAPSHOT', nodes[0]?.time], interval)
    assert.deepEqual(
      [update?.kind, update?.candle.time, update?.candle.open],
      ['UPDATE', nodes[0]?.time, nodes[0]?.open],
    )
    assert.equal(update?.interval, interval)
  }
})

test('series is what candles gives for this candle alone: the same fragment, with every indicator, snapshots and live', async () => {
  const minute = beforeMinuteEnd(2000)
  const from = minute - 2 * minuteMs
  const query = `${watch(`symbol: "NVDA", from: "${iso(from)}"`, 'series { ...drawing }')} fragment drawing on CandleSeries { ${drawing} }`
  await using stream = subscribe<Update>(app.api, query)
  const seen = await readUntil(stream, ({ kind }) => kind === 'CLOSE')
  for (const { candle, series } of seen) {
    assert.deepEqual(series?.nodes, [candle])
    for (const name of indicatorNames) assert.notDeepEqual(series?.[name], [], name)
  }
  seen.push(...(await readUntilSettled(stream, seen)))
  const { series: closed } = seen.at(-1) ?? assert.fail()
  for (const series of [seen[0]?.series, seen[1]?.series, closed]) {
    const start = Date.parse(series?.nodes[0]?.time ?? '')
    const range = `from: "${iso(start)}", to: "${iso(start + 1)}"`
    assert.deepEqual(series, await candles(`symbol: "NVDA", interval: MINUTE_1, ${range}`, drawing))
  }
})

test('an indicator that is selected by column alone has its candles before a live one too', async () => {
  const minute = beforeMinuteEnd(2000)
  const fields = 'columns { epoch sma(period: 30) rsi macd { macd signal } ichimoku { spanA ahead { epoch spanA } } }'
  await using stream = subscribe<Update>(app.api, watch('symbol: "META"', `series { ${fields} }`))
  const [first] = await readUntil(stream, () => true)
  const columns = first?.series?.columns as Record<string, unknown>
  assert.deepEqual(columns.epoch, [minute / 1000])
  for (const column of [columns.sma, columns.rsi]) assert.ok(Number.isFinite((column as number[])[0]))
  assert.ok(Number.isFinite((columns.macd as { signal: number[] }).signal[0]))
  assert.equal((columns.ichimoku as { ahead: { spanA: number[] } }).ahead.spanA.filter(Number.isFinite).length, 25)
})

test('history is not loaded again at each tick, and all who watch share one series', async () => {
  beforeMinuteEnd(40_000)
  const query = watch('symbol: "TSLA", interval: MINUTE_5', `series { ${drawing} }`)
  await using one = subscribe<Update>(app.api, query)
  await using two = subscribe<Update>(app.api, query)
  for (const stream of [one, two]) await stream.next()
  const asked = async (): Promise<number> => {
    const results = ['hit', 'miss', 'stale'].map((result) => `cache="candles",result="${result}"`)
    const counts = await Promise.all(
      results.map((labels) => metric(app.metrics, 'finstage_cache_requests_total', labels)),
    )
    return counts.reduce((a, b) => a + b)
  }
  const before = await asked()
  assert.ok(before > 0)
  for (let i = 0; i < 50; i++) for (const stream of [one, two]) await stream.next()
  assert.equal(await asked(), before)
  assert.equal(await metric(app.metrics, 'finstage_live_candle_series'), 1)
  assert.equal(await metric(app.metrics, 'finstage_candle_subscriptions'), 2)
})

test('a client that has gone leaves nothing behind', async () => {
  const stream = subscribe<Update>(app.api, watch('symbol: "AAPL", interval: HOUR_1'))
  await stream.next()
  await stream.close()
  for (const name of ['finstage_live_candle_series', 'finstage_candle_subscriptions', 'finstage_price_subscriptions']) {
    await eventually(async () => (await metric(app.metrics, name)) === 0, name)
  }
})

test('an unknown symbol and bad arguments refuse the subscription, with a code', async () => {
  const tooFar = iso(now() - 15 * 86_400_000)
  for (const [args, code] of [
    ['symbol: "NOPE"', 'SYMBOL_NOT_FOUND'],
    ['symbol: "no symbol"', 'BAD_USER_INPUT'],
    ['symbol: "AAPL", from: "yesterday"', 'BAD_USER_INPUT'],
    ['symbol: "AAPL", interval: MINUTE_3', 'BAD_USER_INPUT'],
    [`symbol: "AAPL", from: "${tooFar}"`, 'RANGE_NOT_AVAILABLE'],
  ] as const) {
    await using stream = subscribe<Update>(app.api, watch(args))
    const { data, errors } = await stream.next()
    assert.deepEqual([data ?? null, errors?.[0]?.extensions.code], [null, code], args)
  }
  const bad = watch('symbol: "AAPL"', 'series { sma(period: 0) { value } }')
  await using stream = subscribe<Update>(app.api, bad)
  assert.equal((await stream.next()).errors?.[0]?.extensions.code, 'BAD_USER_INPUT')
})

test('from a time that is still to come there are no snapshots, and the candles of then come when they form', async () => {
  const minute = beforeMinuteEnd(1500)
  await using stream = subscribe<Update>(app.api, watch(`symbol: "AMZN", from: "${iso(minute + minuteMs)}"`))
  const seen = await readUntil(stream, ({ candle }) => candle.time === iso(minute + minuteMs))
  assert.ok(seen.every(({ kind }) => kind !== 'SNAPSHOT'))
  assert.equal(seen.at(-1)?.revision, 1)
})

test('a reader that stops reading loses updates between, and no close', async () => {
  const minute = beforeMinuteEnd(3000)
  const socket = new WebSocket(`${app.api.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  await inTime(once(socket, 'open'), 'the socket')
  const seen: CandleUpdate[] = []
  socket.on('message', (data) => {
    const { type, payload } = JSON.parse(String(data))
    if (type === 'next') seen.push(payload.data.candleUpdates)
  })
  socket.send(JSON.stringify({ type: 'connection_init' }))
  await inTime(once(socket, 'message'), 'the acknowledgement')
  // More than the machine holds for a socket.
  const long = 's'.repeat(300)
  const heavy = Array.from(
    { length: 95 },
    (_, i) => `${long}${i}: series { columns { time open high low close volume } }`,
  )
  const query = watch('symbol: "META"', heavy.join(' '))
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }))
  await inTime(once(socket, 'message'), 'a snapshot')
  socket.pause()
  for (let passed = 1; passed <= 5; passed++) {
    await using other = subscribe<Update>(app.api, watch(`symbol: "META"`))
    await other.until(({ candleUpdates }) => candleUpdates.candle.time === iso(minute + passed * minuteMs))
    beforeMinuteEnd(1500)
  }
  socket.resume()
  const end = iso(minute + 5 * minuteMs)
  await eventually(() => seen.some(({ candle }) => candle.time === end), 'the reader has caught up')
  socket.terminate()
  const closes = seen.filter(({ kind }) => kind === 'CLOSE').map(({ candle }) => candle.time)
  for (let i = 0; i < 5; i++) assert.ok(closes.includes(iso(minute + i * minuteMs)), `minute ${i}`)
  let leftOut = 0
  for (const updates of Map.groupBy(seen, ({ candle }) => candle.epoch).values()) {
    const steps = updates.slice(1).map(({ revision }, i) => revision - (updates[i]?.revision ?? 0))
    assert.ok(steps.every((step) => step > 0))
    leftOut += steps.filter((step) => step > 1).length
  }
  assert.ok(leftOut > 0, 'some are left out')
})
