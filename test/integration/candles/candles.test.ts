import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appOnTestYahoo, startApp } from '../../support/app.ts'
import { post } from '../../support/clients/client.ts'

const { app, yahoo, database, pass } = await appOnTestYahoo()

interface Series {
  candles: {
    excluded: number
    stale: boolean
    nodes: { time: string; epoch: number; open: number; high: number; low: number; close: number; volume: number }[]
    columns: Record<'time' | 'open' | 'high' | 'low' | 'close' | 'volume', number[]>
    sma: { epoch: number; value: number }[]
    rsi: { epoch: number; value: number }[]
  } | null
}

const day = (date: string): number => Date.parse(`${date}T00:00:00Z`) / 1000
/** Of a session that opens at 9:30 in New York, in winter. */
const opening = (date: string): number => Date.parse(`${date}T14:30:00Z`) / 1000

test('rows with null prices are left out and counted under excluded, on the first answer and on those from the store', async () => {
  const row = (date: string, close: number | null) => ({
    time: opening(date),
    open: close,
    high: close,
    low: close,
    close,
    volume: 10,
  })
  yahoo.setChart('AAPL', '1d', [row('2021-02-01', 1.5), row('2021-02-02', null), row('2021-02-03', 75.0875015258789)])
  const query = `{ candles(symbol: "AAPL", from: "2021-02-01T00:00:00Z", to: "2021-02-05T00:00:00Z") {
    excluded nodes { time close } columns { time close } } }`
  for (const _ of ['from the source', 'from the store']) {
    const { data } = await post<Series>(app.api, query)
    assert.deepEqual(data?.candles, {
      excluded: 1,
      nodes: [
        { time: '2021-02-01T00:00:00.000Z', close: 1.5 },
        { time: '2021-02-03T00:00:00.000Z', close: 75.0875 },
      ],
      columns: { time: [day('2021-02-01'), day('2021-02-03')], close: [1.5, 75.0875] },
    })
  }
})

test('candles of the past are fetched once, then read from Postgres; of those up to now only the open end is fetched again', async () => {
  const past =
    '{ candles(symbol: "MSFT", from: "2020-01-01T00:00:00Z", to: "2020-06-01T00:00:00Z") { nodes { close } } }'
  const first = await post(app.api, past)
  const calls = yahoo.requestsTo('chart').length
  assert.deepEqual(await post(app.api, past), first)
  assert.equal(yahoo.requestsTo('chart').length, calls)

  await post(app.api, '{ candles(symbol: "MSFT", last: 100) { nodes { close } } }')
  pass(300_000)
  await post(app.api, '{ candles(symbol: "MSFT", last: 100) { nodes { close } } }')
  const again = yahoo.requestsTo('chart').at(-1)
  const daysBack = (Date.now() / 1000 - Number(again?.query.period1)) / 86_400
  assert.ok(daysBack < 6, `asked for ${daysBack} days again`)
})

test('two processes that fetch the same candles at once store each of them once', async () => {
  await using other = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url })
  const query = '{ candles(symbol: "^GSPC", last: 300) { nodes { epoch close } } }'
  const answers = await Promise.all([app, other, app, other].map(({ api }) => post<Series>(api, query)))
  for (const { data } of answers) assert.equal(data?.candles?.nodes.length, 300)
  for (const { data } of answers) assert.deepEqual(data, answers[0]?.data)
  const stored = await database.query<{ rows: number }>(
    "SELECT count(*)::int AS rows FROM finstage.candles JOIN finstage.candle_series ON id = series_id WHERE symbol = '^GSPC' GROUP BY id",
  )
  assert.equal(stored.length, 1)
  assert.ok((stored[0]?.rows ?? 0) >= 300)
})

test('last, from and to choose the candles; what contradicts itself is BAD_USER_INPUT and what is too much RANGE_NOT_AVAILABLE', async () => {
  const epochs = async (args: string): Promise<number[]> => {
    const { data } = await post<Series>(app.api, `{ candles(symbol: "AAPL", ${args}) { nodes { epoch } } }`)
    return data?.candles?.nodes.map((node) => node.epoch) ?? []
  }
  const all = await epochs('from: "2021-02-01T00:00:00Z", to: "2021-02-05T00:00:00Z"')
  assert.deepEqual(await epochs('from: "2021-02-01T00:00:00Z", to: "2021-02-03T00:00:00Z"'), all.slice(0, 1))
  assert.deepEqual(await epochs('from: "2021-02-01T00:00:00Z", to: "2021-02-05T00:00:00Z", last: 1'), all.slice(1))
  const code = async (args: string): Promise<unknown> =>
    (await post(app.api, `{ candles(symbol: "AAPL", ${args}) { nodes { epoch } } }`)).errors?.map(
      ({ path, extensions }) => [path, extensions.code],
    )
  assert.deepEqual(await code('last: 0'), [[['candles'], 'BAD_USER_INPUT']])
  assert.deepEqual(await code('from: "2021-02-05T00:00:00Z", to: "2021-02-05T00:00:00Z"'), [
    [['candles'], 'BAD_USER_INPUT'],
  ])
  assert.deepEqual(await code('last: 20001'), [[['candles'], 'RANGE_NOT_AVAILABLE']])
  assert.deepEqual(await code('interval: MINUTE_1, from: "2021-02-05T00:00:00Z"'), [
    [['candles'], 'RANGE_NOT_AVAILABLE'],
  ])
})

test('an unknown symbol has no candles: null, with SYMBOL_NOT_FOUND and its path', async () => {
  const { data, errors } = await post(app.api, '{ candles(symbol: "NOPE", last: 5) { nodes { close } } }')
  assert.deepEqual(data, { candles: null })
  assert.deepEqual(
    errors?.map(({ path, extensions }) => [path, extensions.code]),
    [[['candles'], 'SYMBOL_NOT_FOUND']],
  )
})

test('when the source fails, stored candles come as stale, and where there are none it is SOURCE_UNAVAILABLE', async () => {
  await post(app.api, '{ candles(symbol: "BTC-USD", last: 50) { nodes { close } } }')
  pass(300_000)
  const clear = yahoo.fault('chart', { status: 500 })
  const { data } = await post<Series>(app.api, '{ candles(symbol: "BTC-USD", last: 20) { stale nodes { close } } }')
  const other = await post<Series>(app.api, '{ candles(symbol: "VOD.L", last: 20) { stale } }')
  clear()
  assert.equal(data?.candles?.stale, true)
  assert.equal(data?.candles?.nodes.length, 20)
  assert.equal(other.errors?.[0]?.extensions.code, 'SOURCE_UNAVAILABLE')
})

test('indicators have a value at every node, and it is the same wherever the range begins', async () => {
  const fields = 'nodes { epoch close } sma(period: 20) { epoch value } rsi(period: 14) { epoch value }'
  const short = (await post<Series>(app.api, `{ candles(symbol: "MSFT", last: 5) { ${fields} } }`)).data?.candles
  const long = (await post<Series>(app.api, `{ candles(symbol: "MSFT", last: 900) { ${fields} } }`)).data?.candles
  for (const name of ['sma', 'rsi'] as const) {
    assert.deepEqual(
      short?.[name].map((point) => point.epoch),
      short?.nodes.map((node) => node.epoch),
    )
    for (const [i, point] of (short?.[name] ?? []).entries()) {
      const same = long?.[name].at(i - 5)
      assert.ok(Math.abs(point.value - (same?.value ?? 0)) <= 1e-6 * Math.abs(point.value), `${name} ${i}`)
    }
  }
})

test('a period out of its bounds is BAD_USER_INPUT at its own field, and the rest arrives', async () => {
  const { data, errors } = await post<Series>(
    app.api,
    '{ candles(symbol: "MSFT", last: 5) { nodes { close } sma(period: 0) { value } } }',
  )
  assert.equal(data?.candles?.nodes.length, 5)
  assert.equal(data?.candles?.sma, null)
  assert.deepEqual(
    errors?.map(({ path, extensions }) => [path, extensions.code]),
    [[['candles', 'sma'], 'BAD_USER_INPUT']],
  )
})

test('a range that lies in the future or ends before it could begin is empty, and one from before 1900 is refused', async () => {
  const ask = async (args: string) => {
    const { data, errors } = await post<Series>(app.api, `{ candles(symbol: "AAPL", ${args}) { nodes { close } } }`)
    return errors?.[0]?.extensions.code ?? data?.candles?.nodes
  }
  assert.deepEqual(await ask('from: "2100-01-01T00:00:00Z"'), [])
  assert.deepEqual(await ask('from: "2100-01-01T00:00:00Z", last: 3'), [])
  assert.deepEqual(await ask('to: "1850-01-01T00:00:00Z"'), [])
  assert.deepEqual(await ask('interval: MINUTE_1, to: "2020-01-01T00:00:00Z", last: 10'), [])
  assert.equal(await ask('from: "1800-01-01T00:00:00Z"'), 'RANGE_NOT_AVAILABLE')
})

test('minutes of more than the week that Yahoo gives at once are fetched in parts and joined', async () => {
  const from = new Date(Date.now() - 20 * 86_400_000).toISOString()
  const { data, errors } = await post<Series>(
    app.api,
    `{ candles(symbol: "BTC-USD", interval: MINUTE_1, from: "${from}", last: 15000) { columns { time } rsi(period: 50) { epoch } } }`,
  )
  assert.equal(errors, undefined)
  const times = data?.candles?.columns.time ?? []
  assert.equal(times.length, 15_000)
  assert.deepEqual(
    times,
    [...new Set(times)].sort((a, b) => a - b),
  )
})

test('a range of more candles than one answer holds is refused before anything is fetched', async () => {
  await using simulated = await startApp({ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated' })
  const { errors } = await post(
    simulated.api,
    '{ candles(symbol: "AAPL", interval: MINUTE_1, from: "2015-01-01T00:00:00Z") { columns { time } } }',
  )
  assert.equal(errors?.[0]?.extensions.code, 'RANGE_NOT_AVAILABLE')
  assert.deepEqual(await database.query("SELECT 1 FROM finstage.candle_series WHERE source = 'SIMULATED'"), [])
})

test('a row that the source takes back is gone from the answers too', async () => {
  const row = (time: number, close: number) => ({ time, open: close, high: close, low: close, close, volume: 1 })
  const now = Math.floor(Date.now() / 300_000) * 300
  yahoo.setChart('EURUSD=X', '5m', [row(now - 900, 1), row(now - 600, 2), row(now - 300, 3)])
  const query = '{ candles(symbol: "EURUSD=X", interval: MINUTE_5, last: 3) { nodes { close } } }'
  const closes = async () => (await post<Series>(app.api, query)).data?.candles?.nodes.map(({ close }) => close)
  assert.deepEqual(await closes(), [1, 2, 3])
  yahoo.setChart('EURUSD=X', '5m', [row(now - 900, 1), row(now - 300, 4)])
  pass(300_000)
  assert.deepEqual(await closes(), [1, 4])
})
