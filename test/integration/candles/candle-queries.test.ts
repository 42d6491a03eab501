import assert from 'node:assert/strict'
import { test } from 'node:test'
import { intervals } from '../../../src/domain/time/interval.ts'
import { startApp, type TestApp } from '../../support/app.ts'
import { eventually, post } from '../../support/clients/client.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database/database.ts'
import { startTestYahoo, type TestYahoo } from '../../support/yahoo/test-yahoo.ts'

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
interface Series {
  readonly stale: boolean
  readonly excluded: number
  readonly hasEarlier: boolean
  readonly adjustment: string
  readonly nodes: Node[]
}

interface World {
  readonly app: TestApp
  readonly yahoo: TestYahoo
  readonly database: TestDatabase
  go(iso: string): void
  candles(args: string): Promise<Series>
}

/** Finstage and its Yahoo at a time, which goes by when it is told to. */
async function at(iso: string, work: (world: World) => Promise<void>): Promise<void> {
  let nowMs = Date.parse(iso)
  const now = (): number => nowMs
  await using database = await createTestDatabase()
  await using yahoo = await startTestYahoo({ now })
  await using app = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url }, 'all', { now })
  await work({
    app,
    yahoo,
    database,
    go: (later) => {
      nowMs = Date.parse(later)
    },
    async candles(args) {
      const fields = 'stale excluded hasEarlier adjustment nodes { time epoch open high low close volume closed }'
      const { data, errors } = await post<{ candles: Series }>(app.api, `{ candles(${args}) { ${fields} } }`)
      assert.equal(errors, undefined, JSON.stringify(errors))
      assert.ok(data)
      return data.candles
    },
  })
}

const times = ({ nodes }: Series): string[] => nodes.map(({ time }) => time.replace(':00.000Z', ''))
const steps = ({ nodes }: Series): number[] =>
  nodes.slice(1).map(({ epoch }, i) => epoch - (nodes[i]?.epoch ?? Number.NaN))

test('all nine intervals have candles, each as long as it says, the running one last and alone open', async () => {
  await at('2025-03-12T15:10:00Z', async ({ candles }) => {
    for (const interval of intervals) {
      const series = await candles(`symbol: "AAPL", interval: ${interval}, last: 12`)
      assert.equal(series.nodes.length, 12, interval)
      assert.equal(series.hasEarlier, true)
      assert.deepEqual(
        series.nodes.map(({ closed }) => closed),
        [...Array<boolean>(11).fill(true), false],
        interval,
      )
    }
    const hours = await candles('symbol: "BTC-USD", interval: HOUR_1, last: 30')
    assert.ok(steps(hours).filter((step) => step === 3600).length > 25)
    const weeks = await candles('symbol: "AAPL", interval: WEEK_1, last: 12')
    assert.ok(steps(weeks).every((step) => step === 7 * 86_400))
    assert.ok(weeks.nodes.every(({ epoch }) => new Date(epoch * 1000).getUTCDay() === 1))
    const months = await candles('symbol: "AAPL", interval: MONTH_1, last: 3')
    assert.deepEqual(times(months), ['2025-01-01T00:00', '2025-02-01T00:00', '2025-03-01T00:00'])
  })
})

test('the last 20,000 minutes are as many as the source goes back to', async () => {
  await at('2025-03-12T22:00:00Z', async ({ candles }) => {
    const { nodes, excluded, hasEarlier } = await candles('symbol: "AAPL", interval: MINUTE_1, last: 20000')
    // From the evening of February 10 on, without the holiday of the seventeenth.
    assert.equal(nodes.length + excluded, 21 * 390)
    assert.equal(hasEarlier, false)
    assert.equal(nodes[0]?.time.slice(0, 10), '2025-02-11')
  })
})

test('half hours are half hours, although Yahoo answers with whole ones; weeks and months are never asked of it', async () => {
  await at('2025-03-12T22:00:00Z', async ({ candles, yahoo }) => {
    const range = 'from: "2025-03-12T00:00:00Z"'
    const halves = await candles(`symbol: "AAPL", interval: MINUTE_30, ${range}`)
    assert.deepEqual(times(halves).slice(0, 3), ['2025-03-12T13:30', '2025-03-12T14:00', '2025-03-12T14:30'])
    assert.equal(halves.nodes.length, 13)
    const quarters = await candles(`symbol: "AAPL", interval: MINUTE_15, ${range}`)
    const [first, second, ...others] = quarters.nodes
    assert.ok(first && second && others.length > 20)
    const [half] = halves.nodes
    assert.deepEqual(
      [half?.open, half?.close, half?.high, half?.volume],
      [first.open, second.close, Math.max(first.high, second.high), Number(first.volume) + Number(second.volume)],
    )
    await candles('symbol: "AAPL", interval: WEEK_1, last: 5')
    await candles('symbol: "AAPL", interval: MONTH_1, last: 5')
    const asked = new Set(yahoo.requestsTo('chart').map(({ query }) => query.interval))
    assert.deepEqual(asked, new Set(['15m', '1d']))
  })
})

test('extended hours are a series of their own: from before the open to after the close, the regular one within', async () => {
  await at('2025-03-13T03:00:00Z', async ({ candles, yahoo }) => {
    const range = 'symbol: "AAPL", interval: MINUTE_15, from: "2025-03-12T00:00:00Z", to: "2025-03-13T00:00:00Z"'
    const regular = await candles(range)
    const extended = await candles(`${range}, extendedHours: true`)
    assert.deepEqual([times(regular)[0], times(regular).at(-1)], ['2025-03-12T13:30', '2025-03-12T19:45'])
    assert.deepEqual([times(extended)[0], times(extended).at(-1)], ['2025-03-12T08:00', '2025-03-12T23:45'])
    assert.equal(extended.nodes.length + extended.excluded, 64)
    const inside = new Map(extended.nodes.map((node) => [node.time, node]))
    for (const node of regular.nodes) assert.deepEqual(inside.get(node.time), node)
    assert.deepEqual(await candles(range), regular)
    assert.deepEqual(
      yahoo.requestsTo('chart').map(({ query }) => query.includePrePost),
      ['false', 'true'],
    )
    const days = await candles('symbol: "AAPL", last: 3, extendedHours: true')
    assert.deepEqual(days, await candles('symbol: "AAPL", last: 3'))
  })
})

test('sessions follow the clock of the exchange over a change of daylight saving', async () => {
  await at('2025-03-12T22:00:00Z', async ({ candles }) => {
    const opening = async (symbol: string, date: string) =>
      times(
        await candles(
          `symbol: "${symbol}", interval: HOUR_1, from: "${date}T00:00:00Z", last: 1, to: "${date}T16:00:00Z"`,
        ),
      )
    const firsts = async (symbol: string) => {
      const { nodes } = await candles(`symbol: "${symbol}", interval: HOUR_1, from: "2025-03-06T00:00:00Z"`)
      return [...Map.groupBy(nodes, ({ time }) => time.slice(0, 10)).values()].map(([first]) =>
        first?.time.slice(5, 16),
      )
    }
    assert.deepEqual(await firsts('AAPL'), ['03-06T14:30', '03-07T14:30', '03-10T13:30', '03-11T13:30', '03-12T13:30'])
    assert.deepEqual(await firsts('VOD.L'), ['03-06T08:00', '03-07T08:00', '03-10T08:00', '03-11T08:00', '03-12T08:00'])
    assert.deepEqual(await opening('AAPL', '2025-03-10'), ['2025-03-10T15:30'])
    const days = await candles('symbol: "AAPL", from: "2025-03-06T00:00:00Z"')
    assert.deepEqual(
      days.nodes.map(({ time }) => time.slice(5, 10)),
      ['03-06', '03-07', '03-10', '03-11', '03-12'],
    )
  })
})

test('a half day has half the candles, a holiday and a weekend have none, and none of them is asked for twice', async () => {
  await at('2025-12-01T12:00:00Z', async ({ candles, yahoo }) => {
    const range = 'symbol: "AAPL", interval: MINUTE_15, from: "2025-11-26T00:00:00Z", to: "2025-12-01T00:00:00Z"'
    const series = await candles(range)
    const perDay = [...Map.groupBy(series.nodes, ({ time }) => time.slice(5, 10))].map(([day, nodes]) => [
      day,
      nodes.length,
    ])
    assert.deepEqual(perDay, [
      ['11-26', 26],
      ['11-28', 14],
    ])
    const days = await candles('symbol: "AAPL", from: "2025-11-25T00:00:00Z", to: "2025-12-01T00:00:00Z"')
    assert.deepEqual(
      days.nodes.map(({ time }) => time.slice(5, 10)),
      ['11-25', '11-26', '11-28'],
    )
    const calls = yahoo.requestsTo('chart').length
    assert.deepEqual(await candles(range), series)
    assert.equal(yahoo.requestsTo('chart').length, calls)
  })
})

test('a split changes the past once it has come: prices on one footing in every interval, as traded where that is asked', async () => {
  await at('2025-03-11T21:00:00Z', async ({ candles, yahoo, app, go }) => {
    yahoo.addSplit('MSFT', '2025-03-12', 4, 1)
    const day = 'symbol: "MSFT", from: "2025-03-10T00:00:00Z", to: "2025-03-12T00:00:00Z"'
    const half = 'symbol: "MSFT", interval: MINUTE_30, from: "2025-03-11T15:00:00Z", to: "2025-03-11T16:00:00Z"'
    const before = [await candles(day), await candles(half)]
    go('2025-03-12T21:00:00Z')
    const after = [await candles(day), await candles(half)]
    const traded = [await candles(`${day}, adjustment: NONE`), await candles(`${half}, adjustment: NONE`)]
    for (const [i, old] of before.entries()) {
      assert.ok(old.nodes.length > 0)
      const closes = (series: Series | undefined) => series?.nodes.map(({ close }) => close) ?? []
      assert.deepEqual(
        closes(after[i]).map((close) => Math.fround(close * 4)),
        closes(old).map(Math.fround),
      )
      assert.deepEqual(closes(traded[i]).map(Math.fround), closes(old).map(Math.fround))
      assert.deepEqual(
        traded[i]?.nodes.map(({ volume }) => Math.round(Number(volume))),
        old.nodes.map(({ volume }) => volume),
      )
    }
    const { data } = await post<{ instrument: { splits: unknown } }>(
      app.api,
      '{ instrument(symbol: "MSFT") { splits(from: "2025-01-01T00:00:00Z") { time numerator denominator } } }',
    )
    assert.deepEqual(data?.instrument.splits, [{ time: '2025-03-12T00:00:00.000Z', numerator: 4, denominator: 1 }])
    const week = await candles('symbol: "MSFT", interval: WEEK_1, last: 1')
    const [monday] = after[0]?.nodes ?? []
    assert.equal(week.nodes[0]?.open, monday?.open)
  })
})

test('a dividend lowers the adjusted closes of days before it, of minutes too, and leaves all other prices as they are', async () => {
  await at('2025-03-11T21:00:00Z', async ({ candles, yahoo, app, go }) => {
    yahoo.addDividend('AAPL', '2025-03-12', 10)
    const day = 'symbol: "AAPL", from: "2025-03-11T00:00:00Z", to: "2025-03-12T00:00:00Z"'
    const half = 'symbol: "AAPL", interval: HOUR_1, from: "2025-03-11T15:00:00Z", to: "2025-03-11T16:00:00Z"'
    const adjusted = ', adjustment: SPLITS_AND_DIVIDENDS'
    const [plainDay, plainHour] = [await candles(day), await candles(half)]
    const closeOf = ({ nodes }: Series) => nodes[0]?.close ?? Number.NaN
    assert.equal(closeOf(await candles(day + adjusted)), closeOf(plainDay))
    go('2025-03-12T21:00:00Z')
    const factor = 1 - 10 / closeOf(plainDay)
    assert.equal(closeOf(await candles(day)), closeOf(plainDay))
    for (const [range, plain] of [
      [day, plainDay],
      [half, plainHour],
    ] as const) {
      const changed = await candles(range + adjusted)
      assert.equal(changed.adjustment, 'SPLITS_AND_DIVIDENDS')
      assert.ok(Math.abs(closeOf(changed) / closeOf(plain) / factor - 1) < 1e-6, range)
    }
    const { data } = await post<{ instrument: { dividends: unknown } }>(
      app.api,
      '{ instrument(symbol: "AAPL") { dividends { time amount } } }',
    )
    assert.deepEqual(data?.instrument.dividends, [{ time: '2025-03-12T00:00:00.000Z', amount: 10 }])
  })
})

test('a symbol that is delisted keeps the history that was stored, and says that it is stale', async () => {
  await at('2025-03-11T21:00:00Z', async ({ candles, yahoo, app, go }) => {
    const before = await candles('symbol: "BRK-B", last: 10')
    await post(app.api, '{ quote(symbol: "BRK-B") { price } }')
    yahoo.delist('BRK-B')
    go('2025-04-11T21:00:00Z')
    const range = `from: "${before.nodes[0]?.time}", to: "2025-03-12T00:00:00Z"`
    const after = await candles(`symbol: "BRK-B", ${range}`)
    assert.equal(after.stale, true)
    assert.deepEqual(after.nodes, before.nodes)
    const { data } = await post<{ quote: { stale: boolean } }>(app.api, '{ quote(symbol: "BRK-B") { stale } }')
    assert.deepEqual(data?.quote, { stale: true })
  })
})

test('out of reach is RANGE_NOT_AVAILABLE with the days that there are, and costs no upstream request', async () => {
  await at('2025-03-12T15:00:00Z', async ({ app, yahoo }) => {
    for (const [interval, reachDays] of [
      ['MINUTE_1', 30],
      ['MINUTE_2', 60],
      ['MINUTE_30', 60],
      ['HOUR_1', 730],
    ] as const) {
      const query = `{ candles(symbol: "AAPL", interval: ${interval}, from: "2022-12-01T00:00:00Z") { nodes { close } } }`
      const { data, errors } = await post(app.api, query)
      assert.deepEqual(data, { candles: null })
      assert.deepEqual(
        errors?.map(({ path, extensions }) => [path, extensions.code, extensions.reachDays]),
        [[['candles'], 'RANGE_NOT_AVAILABLE', reachDays]],
      )
    }
    assert.deepEqual(yahoo.requestsTo('chart'), [])
  })
})

test('pence stay pence: the price as it came, and GBp for the currency', async () => {
  await at('2025-03-12T15:00:00Z', async ({ app, yahoo }) => {
    yahoo.setQuote('VOD.L', { regularMarketPrice: 71.2399978637695 })
    const { data } = await post(
      app.api,
      '{ instrument(symbol: "VOD.L") { currency priceDecimals quote { price currency } } }',
    )
    assert.deepEqual(data?.instrument, {
      currency: 'GBp',
      priceDecimals: 2,
      quote: { price: 71.2399978637695, currency: 'GBp' },
    })
  })
})

test('the nightly job deletes candles under a day that are older than is kept, and no others', async () => {
  await at('2025-03-12T21:00:00Z', async ({ database, candles, go }) => {
    await candles('symbol: "AAPL", interval: MINUTE_15, from: "2025-03-03T00:00:00Z"')
    await candles('symbol: "AAPL", last: 10')
    const stored = () =>
      database.query<{ interval: string; first: string }>(
        `SELECT interval, to_timestamp(min(minute) * 60)::date::text AS first FROM finstage.candles
         JOIN finstage.candle_series ON id = series_id GROUP BY 1 ORDER BY 1`,
      )
    const before = await stored()
    // 400 days are kept: the last day on which March 10 is too old.
    go('2026-04-15T00:00:00Z')
    const inSchedule = () =>
      database.query("SELECT 1 FROM graphile_worker._private_known_crontabs WHERE identifier = 'prune_candles'")
    await eventually(async () => (await inSchedule()).length === 1, 'the job is in the schedule')
    await database.query("SELECT graphile_worker.add_job('prune_candles')")
    await eventually(async () => (await stored())[1]?.first !== before[1]?.first, 'the old candles are deleted')
    assert.deepEqual(await stored(), [before[0], { interval: 'MINUTE_15', first: '2025-03-11' }])
  })
})
