import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { catalogue } from '../../../src/analysis/indicators/catalogue.ts'
import { toColumns } from '../../../src/analysis/indicators/columns.ts'
import { type Parameter, type PointShape, pointShapes } from '../../../src/analysis/indicators/indicator.ts'
import {
  type IndicatorName,
  indicatorNames,
  indicatorPoints,
  indicatorWarmUp,
  withWarmUp,
} from '../../../src/analysis/indicators/points.ts'
import type { Adjustment, Candle } from '../../../src/domain/candle.ts'
import { finished } from '../../../src/domain/steps.ts'
import { type Interval, intervals, isDaily } from '../../../src/domain/time/interval.ts'
import { startApp } from '../../support/app.ts'
import { type Answer, post, subscribe } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

/** A Wednesday, in the midst of New York's session. */
const nowMs = Date.parse('2025-03-12T15:10:00Z')
const now = (): number => nowMs
const database = await createTestDatabase()
const yahoo = await startTestYahoo({ now })
yahoo.addSplit('BRK-B', '2025-01-15', 4, 1)
yahoo.addDividend('BRK-B', '2025-02-05', 3)
const app = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url }, 'all', { now })
after(async () => {
  await app.stop()
  await yahoo.close()
  await database[Symbol.asyncDispose]()
})

interface Point {
  readonly epoch: number
  readonly [part: string]: number | null
}
interface Series {
  readonly stale: boolean
  readonly nodes: Candle[]
  readonly signals: { readonly id: string; readonly kind: string; readonly epoch: number }[]
  readonly [indicator: string]: unknown
}

const parts = (shape: PointShape): string[] => Object.keys(pointShapes[shape])
const selection = (name: IndicatorName): string => `{ epoch ${parts(catalogue[name].point).join(' ')} }`
const all = indicatorNames.map((name) => `${name} ${selection(name)}`).join(' ')
const nodes = 'nodes { epoch open high low close volume closed }'
const pointsOf = (series: Series, name: string): Point[] => series[name] as Point[]

const candles = (args: string, fields: string): Promise<Answer<{ candles: Series | null }>> =>
  post(app.api, `{ candles(${args}) { stale ${nodes} ${fields} } }`)

async function seriesOf(args: string, fields: string): Promise<Series> {
  const { data, errors } = await candles(args, fields)
  assert.equal(errors, undefined, JSON.stringify(errors))
  return data?.candles ?? assert.fail()
}

test('all indicators and the signals of a series come out of one request to the source', async () => {
  const { errors } = await candles('symbol: "MSFT", interval: HOUR_1, last: 40', `${all} signals { id }`)
  assert.equal(errors, undefined)
  assert.equal(yahoo.requestsTo('chart').length, 1)
})

test('indicators of a series that an operation selects in several places share their requests to the source', async () => {
  const before = yahoo.requestsTo('chart').length
  const { data, errors } = await post<{ candles: Series; again: Series }>(
    app.api,
    `{ candles(symbol: "AAPL", interval: HOUR_1, last: 40) { ${nodes} ${all} signals { id } }
       again: candles(symbol: "AAPL", interval: HOUR_1, last: 20) { ...slow }
       instrument(symbol: "AAPL") { candles(interval: HOUR_1, last: 30) { ...slow } } }
     fragment slow on CandleSeries { sma(period: 600) { epoch } }`,
  )
  assert.equal(errors, undefined)
  assert.equal(data?.candles.nodes.length, 40)
  assert.equal(pointsOf(data?.again ?? assert.fail(), 'sma').length, 20)
  // Usually one. On a busy database a place that goes back less far may get its turn before the one that serves all three.
  assert.ok(yahoo.requestsTo('chart').length - before <= 2)
})

test('each indicator is what the catalogue makes of the candles that are served', async () => {
  const longest = 1500
  const history = (await seriesOf(`symbol: "AAPL", last: ${longest}`, '')).nodes
  const last = 60
  const series = await seriesOf(`symbol: "AAPL", last: ${last}`, all)
  assert.deepEqual(series.nodes, history.slice(-last))
  for (const name of indicatorNames) {
    const defaults = Object.fromEntries(
      Object.entries<Parameter>(catalogue[name].parameters).map(([parameter, of]) => [parameter, of.default]),
    )
    const warmUp = indicatorWarmUp(name, defaults, 'DAY_1')
    assert.ok(warmUp <= longest - last)
    const input = withWarmUp(
      {
        ...{ candles: toColumns(history), first: longest - last, isWhole: false },
        ...{ interval: 'DAY_1', timezone: 'America/New_York' },
      },
      warmUp,
    )
    const expected = finished(indicatorPoints(name, input, defaults, (count) => Array<number>(count).fill(Number.NaN)))
    const points = pointsOf(series, name)
    const withoutTimes = (all: readonly Point[]) => all.map(({ epoch: _, ...values }) => values)
    assert.deepEqual(withoutTimes(points), withoutTimes(expected), name)
    assert.deepEqual(
      points.slice(0, last).map(({ epoch }) => epoch),
      series.nodes.map(({ epoch }) => epoch),
      name,
    )
  }
})

test('parameters out of bounds are refused at their own field, and everything else arrives', async () => {
  const wrong: readonly (readonly [field: string, name: string])[] = [
    ['sma(period: 0)', 'period'],
    ['ema(period: 1001)', 'period'],
    ['rsi(period: -1)', 'period'],
    ['macd(signal: 0)', 'signal'],
    ['bollingerBands(stdDev: 0)', 'stdDev'],
    ['keltnerChannels(multiplier: 1e9)', 'multiplier'],
    ['stochastic(dPeriod: 2000)', 'dPeriod'],
    ['psar(step: 0)', 'step'],
    ['psar(step: 0.5)', 'step'],
    ['psar(max: 2)', 'max'],
    ['ichimoku(displacement: 0)', 'displacement'],
    ['signals(kinds: [])', 'kinds'],
  ]
  const fields = wrong.map(([field], i) => `w${i}: ${field} { epoch }`)
  const { data, errors } = await candles('symbol: "AAPL", last: 5', `${fields.join(' ')} sma { value } macd { macd }`)
  assert.deepEqual(
    errors
      ?.map(({ path, extensions: { code, field } }) => [path?.join('.'), code, field])
      .toSorted(([a], [b]) => String(a).localeCompare(String(b), 'en', { numeric: true })),
    wrong.map(([, name], i) => [`candles.w${i}`, 'BAD_USER_INPUT', name]),
  )
  const series = data?.candles ?? assert.fail()
  assert.deepEqual(
    wrong.map((_, i) => series[`w${i}`]),
    wrong.map(() => null),
  )
  assert.deepEqual(
    [series.nodes, series.sma, series.macd].map((list) => (list as unknown[]).length),
    [5, 5, 5],
  )
})

test('parameters may be variables, and are warmed up for', async () => {
  const { data, errors } = await post<{ candles: Series }>(
    app.api,
    `query ($period: Int!, $unset: Int! = 15, $source: PriceField) { candles(symbol: "AAPL", last: 3) {
       a: sma(period: $period) { value } b: sma(period: 700) { value } c: rsi(period: $unset) { value } d: rsi(period: 15) { value }
       e: ema(source: $source) { value } } }`,
    { period: 700, source: null },
  )
  const { a, b, c, d, e } = data?.candles ?? assert.fail()
  assert.equal((a as unknown[]).length, 3)
  assert.deepEqual([a, c], [b, d])
  assert.equal(e, null)
  assert.deepEqual(
    errors?.map(({ path, extensions: { code } }) => [path?.join('.'), code]),
    [['candles.e', 'BAD_USER_INPUT']],
  )
})

/** With which hours and adjustments each interval is looked at: all of them, where they make a difference. */
const variants = intervals.flatMap(
  (interval): { interval: Interval; adjustment: Adjustment; extendedHours: boolean }[] => [
    { interval, adjustment: 'SPLITS', extendedHours: false },
    { interval, adjustment: 'SPLITS_AND_DIVIDENDS', extendedHours: !isDaily(interval) },
    { interval, adjustment: 'NONE', extendedHours: false },
  ],
)
/** This Yahoo has ten years: too few quarters for the longest indicators to begin at the first node. */
const isShort = (interval: Interval): boolean => interval === 'MONTH_3'
/** They begin at the first node. */
const cumulative = ['obv', 'adl', 'vwap']

for (const { interval, adjustment, extendedHours } of variants) {
  const variant = `interval: ${interval}, adjustment: ${adjustment}, extendedHours: ${extendedHours}`
  test(`with ${variant}, all begin at the first node and none depends on where the range begins`, async () => {
    const fields = `${all} since: vwap(anchor: MONTH) { epoch value } signals { id kind epoch }`
    const early = await seriesOf(`symbol: "BRK-B", ${variant}, last: 30`, fields)
    const from = early.nodes[18]?.epoch ?? assert.fail()
    const late = await seriesOf(`symbol: "BRK-B", ${variant}, from: "${new Date(from * 1000).toISOString()}"`, fields)
    assert.equal(early.nodes.length, 30)
    assert.deepEqual(late.nodes, early.nodes.slice(18))
    assert.equal(early.stale || late.stale, false)
    for (const name of [...indicatorNames, 'since']) {
      const [earlyPoints, latePoints] = [pointsOf(early, name), pointsOf(late, name)]
      // Before and after the session Yahoo knows of no volume.
      if (name !== 'vwap' && !isShort(interval)) assert.equal(earlyPoints[0]?.epoch, early.nodes[0]?.epoch, name)
      if (cumulative.includes(name)) continue
      if (!isShort(interval)) assert.equal(latePoints[0]?.epoch, from, name)
      const common = earlyPoints.filter(({ epoch }) => epoch >= from)
      assert.equal(latePoints.length, common.length, name)
      for (const [i, point] of latePoints.entries()) {
        for (const [part, value] of Object.entries(point)) {
          const same = common[i]?.[part] as number
          const isSame = value === same || Math.abs(Number(value) - same) <= 1e-9 * Math.abs(same)
          assert.ok(isSame, `${name}.${part} at ${i}: ${value}, not ${same}`)
        }
      }
    }
    assert.deepEqual(
      late.signals,
      early.signals.filter(({ epoch }) => epoch >= from),
    )
  })
}

test('on-balance volume and accumulation begin at 0 at the first node, and a VWAP of the series with its price', async () => {
  const series = await seriesOf(
    'symbol: "AAPL", last: 7',
    'obv { value } adl { value } vwap(anchor: SERIES) { value } obvs: obv { epoch }',
  )
  const [first, second] = series.nodes as [Candle, Candle]
  const [obv, adl, vwap] = ['obv', 'adl', 'vwap'].map((name) => pointsOf(series, name).map(({ value }) => value))
  assert.deepEqual([obv?.[0], adl?.[0]], [0, 0])
  assert.equal(obv?.[1], Math.sign(second.close - first.close) * Number(second.volume))
  assert.ok(Math.abs(Number(vwap?.[0]) - (first.high + first.low + first.close) / 3) < 1e-9)
  assert.equal(pointsOf(series, 'obvs').length, 7)
})

test('what is drawn ahead stands at later times, each once, on weekdays, also where the range has ended long ago', async () => {
  for (const [to, last] of [
    ['null', '2025-03-12'],
    ['"2024-12-20T00:00:00Z"', '2024-12-19'],
  ] as const) {
    const { nodes, ichimoku } = await seriesOf(
      `symbol: "AAPL", last: 40, to: ${to}`,
      `ichimoku ${selection('ichimoku')}`,
    )
    const points = ichimoku as Point[]
    const times = points.map(({ epoch }) => new Date(epoch * 1000))
    assert.equal(points.length, 65)
    assert.deepEqual(
      points.slice(0, 40).map(({ epoch }) => epoch),
      nodes.map(({ epoch }) => epoch),
    )
    assert.equal(times[39]?.toISOString().slice(0, 10), last)
    assert.ok(times.every((time, i) => i === 0 || time > (times[i - 1] as Date)))
    assert.ok(times.slice(40).every((time) => time.getUTCDay() % 6 !== 0))
    for (const { conversion, lagging, spanA, spanB } of points.slice(40)) {
      assert.deepEqual([conversion, lagging, spanA !== null, spanB !== null], [null, null, true, true])
    }
    // The close of 25 candles later, which the range has of all but its newest.
    assert.deepEqual(
      points.slice(0, 40).map(({ lagging }) => lagging),
      nodes.map((_, i) => nodes[i + 25]?.close ?? null),
    )
  }
})

test('a candle that runs has points, and raises no signal yet', async () => {
  const { nodes, rsi, signals } = await seriesOf(
    'symbol: "BTC-USD", interval: MINUTE_1, last: 400',
    'rsi { epoch value } signals { id kind epoch }',
  )
  const newest = nodes.at(-1)
  assert.equal(newest?.closed, false)
  assert.equal((rsi as Point[]).at(-1)?.epoch, newest?.epoch)
  assert.ok(signals.length > 20)
  assert.ok(signals.every(({ epoch }) => epoch < (newest?.epoch ?? 0)))
})

test('the signals of a series have the ids of those that an analysis has stored, by which they are found', async () => {
  const { data } = await post<{ enqueueAnalysis: { job: { id: string } } }>(
    app.api,
    `mutation { enqueueAnalysis(input: { symbols: ["AAPL", "BTC-USD"], interval: HOUR_1 }) {
       ... on EnqueuePayload { job { id } } } }`,
  )
  const shown = 'id kind epoch symbol knownAt price'
  await using job = subscribe<{
    jobUpdates: { state: string; result: { analyses: { symbol: string; signals: { id: string; epoch: number }[] }[] } }
  }>(
    app.api,
    `subscription ($id: ID) { jobUpdates(id: $id) { state result { ... on AnalysisResult {
       analyses { symbol signals { ${shown} } } } } } }`,
    { id: data?.enqueueAnalysis.job.id },
  )
  const { jobUpdates } = await job.until(({ jobUpdates: { state } }) => ['SUCCEEDED', 'FAILED'].includes(state))
  for (const { symbol, signals } of jobUpdates.result.analyses) {
    const series = await seriesOf(`symbol: "${symbol}", interval: HOUR_1, last: 100`, `signals { ${shown} }`)
    // An analysis tells of those of the newest five closed candles.
    const from = series.nodes.filter(({ closed }) => closed).at(-5)?.epoch ?? assert.fail()
    assert.ok(signals.length > 0, symbol)
    assert.deepEqual(
      signals,
      series.signals.filter(({ epoch }) => epoch >= from),
      symbol,
    )
    const { data: found } = await post<{ nodes: { id: string }[] }>(
      app.api,
      'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
      { ids: signals.map(({ id }) => id) },
    )
    assert.deepEqual(
      found?.nodes,
      signals.map(({ id }) => ({ id })),
    )
  }
  const other = await seriesOf(
    'symbol: "AAPL", interval: HOUR_1, last: 100, adjustment: SPLITS_AND_DIVIDENDS',
    'signals { id kind epoch }',
  )
  const stored = new Set(jobUpdates.result.analyses.flatMap(({ signals }) => signals.map(({ id }) => id)))
  assert.ok(other.signals.length > 0 && other.signals.every(({ id }) => !stored.has(id)))
})
