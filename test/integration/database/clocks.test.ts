import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { startApp } from '../../support/app.ts'
import { eventually, metric, post, subscribe } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { createFakeClock, fakeTimeLibrary } from '../../support/fake-clock.ts'
import { startProcess } from '../../support/process.ts'
import { startTestYahoo, type TestYahoo } from '../../support/yahoo/test-yahoo.ts'

const library = fakeTimeLibrary() ?? ''
const skip = library === '' && "libfaketime is not there: install Debian's package faketime"

const minutes = 60
const hours = 3600
const step = 5 * minutes

/**
 * A symbol whose session began two hours ago and ends in five minutes, by a clock in epoch seconds. Of its newest candles all but
 * the first two have another price at every `revision`, as the source corrects itself until half an hour after the close.
 */
function trade(yahoo: TestYahoo, symbol: string, now: number, revision: number): void {
  const opens = Math.floor(now / step) * step - 2 * hours
  const closes = opens + 2 * hours + step
  const period = { start: opens, end: closes, gmtoffset: 0 }
  const none = { start: opens, end: opens, gmtoffset: 0 }
  const rows = Array.from({ length: 25 }, (_, i) => {
    const close = 100 + i + (i < 2 ? 0 : revision)
    return { time: opens + i * step, open: close, high: close, low: close, close, volume: 10 }
  })
  const traded = { regularMarketPrice: 100 + revision, regularMarketTime: Math.floor(now), marketState: 'REGULAR' }
  yahoo.setQuote(symbol, { ...traded, currency: 'USD', exchangeTimezoneName: 'UTC' })
  const zone = { exchangeTimezoneName: 'UTC', gmtoffset: 0, regularMarketTime: Math.floor(now) }
  const meta = {
    ...zone,
    currentTradingPeriod: { pre: none, regular: period, post: { ...none, start: closes, end: closes } },
  }
  yahoo.setChart(symbol, '5m', rows, meta)
}

interface Series {
  readonly candles: {
    readonly stale: boolean
    readonly nodes: readonly { readonly close: number; readonly closed: boolean }[]
  }
}

async function candlesOf(api: string, symbol: string): Promise<Series['candles']> {
  const query = `{ candles(symbol: "${symbol}", interval: MINUTE_5, last: 6) { stale nodes { close closed } } }`
  const { data, errors } = await post<Series>(api, query)
  assert.equal(errors, undefined)
  assert.ok(data)
  return data.candles
}

/** Waits for this close of the newest candle: its cached copy lives for 15 s, and a busy machine takes longer. */
const newest = (api: string, symbol: string, close: number): Promise<void> =>
  eventually(
    async () => {
      if ((await candlesOf(api, symbol)).nodes.at(-1)?.close === close) return true
      await new Promise((resolve) => setTimeout(resolve, 500))
      return false
    },
    `a close of ${close}`,
    60_000,
  )

const closesAt = (revision: number) => [119, 120, 121, 122, 123, 124].map((close) => close + revision)

suite('forming candles are never stored as final', { concurrency: true, skip }, () => {
  for (const aheadSeconds of [40 * minutes, 2 * hours, -2 * hours]) {
    test(`by a process whose clock is ${aheadSeconds / 60} minutes ahead, beside one whose clock is right`, async () => {
      await using database = await createTestDatabase()
      await using yahoo = await startTestYahoo()
      using clock = createFakeClock(library)
      clock.set(aheadSeconds)
      const environment = { DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url, LOG_LEVEL: 'info' }
      await using wrong = await startProcess(['all'], { ...environment, ...clock.environment })
      await using right = await startProcess(['api'], environment)
      const now = Date.now() / 1000
      trade(yahoo, 'FORMS', now, 0)
      const first = await candlesOf(wrong.api, 'FORMS')
      assert.deepEqual(
        first.nodes.map(({ close }) => close),
        closesAt(0),
      )
      assert.equal(first.nodes.at(-1)?.closed, false)
      trade(yahoo, 'FORMS', now, 7)
      const second = await candlesOf(right.api, 'FORMS')
      assert.deepEqual(
        second.nodes.map(({ close }) => close),
        closesAt(7),
      )
      trade(yahoo, 'FORMS', now, 9)
      // The copy that it has cached has to expire.
      await newest(wrong.api, 'FORMS', 133)
      const [stored] = await database.query<{ final: string }>(
        "SELECT upper(covered)::text AS final FROM finstage.candle_series WHERE symbol = 'FORMS'",
      )
      assert.ok(Number(stored?.final) <= now - 2 * hours + step, `${stored?.final} is final at ${now}`)
      // It warns once, and stays ready.
      const told = wrong.stderr().match(/a clock differs from the database's/g) ?? []
      assert.equal(told.length, 1)
      assert.doesNotMatch(right.stderr(), /a clock differs/)
      const skew = await metric(wrong.metrics, 'finstage_clock_skew_seconds', 'clock="machine"')
      assert.ok(Math.abs(skew - aheadSeconds) < 5, `${skew} s`)
      assert.equal((await fetch(`${wrong.metrics}/readyz`)).status, 200)
    })
  }

  test('by a database whose clock is 40 minutes ahead of the source', async () => {
    await using database = await createTestDatabase()
    const sourceMs = () => Date.now() - 40 * minutes * 1000
    await using yahoo = await startTestYahoo({ now: sourceMs })
    await using app = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url })
    trade(yahoo, 'FORMS', sourceMs() / 1000, 0)
    await candlesOf(app.api, 'FORMS')
    await using another = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url }, 'api')
    trade(yahoo, 'FORMS', sourceMs() / 1000, 7)
    const { nodes } = await candlesOf(another.api, 'FORMS')
    assert.deepEqual(
      nodes.map(({ close }) => close),
      closesAt(7),
    )
    const skew = await metric(another.metrics, 'finstage_clock_skew_seconds', 'clock="source"')
    assert.ok(Math.abs(skew + 40 * minutes) < 10, `${skew} s`)
  })
})

test('setting the clock back two hours and forward three prolongs no cached price, no pause after a 429 and no stream', {
  skip,
}, async () => {
  await using database = await createTestDatabase()
  await using yahoo = await startTestYahoo()
  using clock = createFakeClock(library)
  const environment = { DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url }
  await using server = await startProcess(['all'], { ...environment, ...clock.environment })
  const price = async () => {
    const { data } = await post<{ quote: { price: number; stale: boolean } }>(
      server.api,
      '{ quote(symbol: "LIVE") { price stale } }',
    )
    return data?.quote
  }
  await using live = subscribe<{ priceUpdates: { price: number } }>(
    server.api,
    'subscription { priceUpdates(symbols: ["LIVE"]) { price } }',
  )
  let revision = 0
  for (const aheadSeconds of [0, -2 * hours, hours]) {
    clock.set(aheadSeconds)
    revision += 1
    trade(yahoo, 'LIVE', Date.now() / 1000, revision)
    // A pause that began before the clock was set ends after its own seconds.
    yahoo.fault('search', { status: 429, headers: { 'retry-after': '2' } }, 1)
    await post(server.api, `{ searchInstruments(query: "pause${revision}") { symbol } }`)
    clock.set(aheadSeconds - hours)
    await eventually(async () => (await price())?.price === 100 + revision, 'the new price')
    await live.until(({ priceUpdates }) => priceUpdates.price === 100 + revision)
    await eventually(
      async () =>
        (await post(server.api, `{ searchInstruments(query: "over${revision}") { symbol } }`)).errors === undefined,
      'the end of the pause',
    )
    await newest(server.api, 'LIVE', 124 + revision)
  }
})
