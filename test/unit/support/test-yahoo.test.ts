import assert from 'node:assert/strict'
import { test } from 'node:test'
import { yahooSource } from '../../../src/market/yahoo/source.ts'
import { startTestYahoo, type TestYahoo } from '../../support/yahoo/test-yahoo.ts'

/** What other tests take for granted of the Yahoo that they run against. */

const at = (iso: string): number => Date.parse(iso) / 1000

interface Answer {
  readonly meta: {
    readonly dataGranularity: string
    readonly currentTradingPeriod: Record<'pre' | 'regular' | 'post', { start: number; end: number }>
  }
  readonly timestamp?: readonly number[]
  readonly events?: unknown
  readonly indicators: {
    readonly quote: [Record<'open' | 'high' | 'low' | 'close' | 'volume', readonly (number | null)[]>]
    readonly adjclose?: [{ readonly adjclose: readonly (number | null)[] }]
  }
}

interface Asked {
  readonly symbol?: string
  readonly interval?: string
  readonly from: string
  readonly to: string
  readonly includePrePost?: boolean
  readonly events?: string
}

async function chart(yahoo: TestYahoo, asked: Asked): Promise<Answer> {
  const { symbol = 'AAPL', interval = '1d', from, to, includePrePost = false, events = 'div|split' } = asked
  const params = { interval, events, period1: String(at(from)), period2: String(at(to)) }
  const query = new URLSearchParams({ ...params, includePrePost: String(includePrePost) })
  const response = await fetch(`${yahoo.url}/v8/finance/chart/${symbol}?${query}`)
  return (await response.json()).chart.result[0]
}

const column = (answer: Answer, name: 'open' | 'close' | 'volume'): number[] =>
  answer.indicators.quote[0][name].map(Number)
const adjcloses = (answer: Answer): number[] => (answer.indicators.adjclose?.[0].adjclose ?? []).map(Number)
const times = ({ timestamp = [] }: Answer): string[] => timestamp.map((time) => new Date(time * 1000).toISOString())

const clock = (iso: string) => {
  let nowMs = Date.parse(iso)
  return {
    now: () => nowMs,
    set: (next: string) => {
      nowMs = Date.parse(next)
    },
  }
}

const march = { from: '2025-03-03T00:00:00Z', to: '2025-03-12T00:00:00Z' }

test('a split rewrites all history before it and nothing after, once its day has come', async () => {
  const { now, set } = clock('2025-03-09T16:00:00Z')
  await using yahoo = await startTestYahoo({ now })
  yahoo.addSplit('AAPL', '2025-03-10', 4, 1)
  const [early, hours] = [await chart(yahoo, march), await chart(yahoo, { ...march, interval: '1h' })]
  assert.equal(early.events, undefined)
  set('2025-03-13T02:00:00Z')
  const late = await chart(yahoo, march)
  const count = early.timestamp?.length ?? 0
  assert.equal(count, 5)
  assert.deepEqual(
    column(late, 'close').slice(0, count),
    column(early, 'close').map((close) => Math.fround(close / 4)),
  )
  assert.deepEqual(
    column(late, 'volume').slice(0, count),
    column(early, 'volume').map((volume) => volume * 4),
  )
  assert.ok(
    column(late, 'close')
      .slice(count)
      .every((close) => close > 150),
  )
  const date = at('2025-03-10T13:30:00Z')
  assert.deepEqual(late.events, { splits: { [date]: { date, numerator: 4, denominator: 1, splitRatio: '4:1' } } })
  assert.equal((await chart(yahoo, { ...march, events: 'div' })).events, undefined)
  const lateHours = column(await chart(yahoo, { ...march, interval: '1h' }), 'open')
  // The last row of the early answer is the price after the bell.
  for (const [i, price] of column(hours, 'open').slice(0, -1).entries()) {
    assert.equal(lateHours[i], Math.fround(price / 4))
  }
})

test('a dividend lowers the adjusted closes before it by its part of the close of the day before, and no price', async () => {
  const { now } = clock('2025-03-13T02:00:00Z')
  await using yahoo = await startTestYahoo({ now })
  const before = await chart(yahoo, march)
  assert.deepEqual(adjcloses(before), column(before, 'close'))
  yahoo.addDividend('AAPL', '2025-03-06', 2)
  yahoo.addDividend('AAPL', '2025-03-11', 1)
  const after = await chart(yahoo, march)
  const closes = column(after, 'close')
  assert.deepEqual(closes, column(before, 'close'))
  const days = times(after).map((time) => time.slice(0, 10))
  const factor = (date: string, amount: number) => 1 - amount / (closes[days.indexOf(date) - 1] ?? 0)
  const [first, second] = [factor('2025-03-06', 2), factor('2025-03-11', 1)]
  for (const [i, adjusted] of adjcloses(after).entries()) {
    const day = days[i] ?? ''
    const expected = (closes[i] ?? 0) * (day < '2025-03-06' ? first : 1) * (day < '2025-03-11' ? second : 1)
    assert.ok(Math.abs(adjusted / expected - 1) < 1e-6, day)
  }
})

test('a dividend before a split is told in the shares since', async () => {
  const { now } = clock('2025-03-13T02:00:00Z')
  await using yahoo = await startTestYahoo({ now })
  yahoo.addDividend('AAPL', '2025-03-06', 2)
  const before = adjcloses(await chart(yahoo, march))
  yahoo.addSplit('AAPL', '2025-03-10', 4, 1)
  const after = await chart(yahoo, march)
  const { dividends } = after.events as { dividends: Record<string, { amount: number }> }
  assert.deepEqual(
    Object.values(dividends).map(({ amount }) => amount),
    [0.5],
  )
  assert.ok(Math.abs((adjcloses(after)[0] ?? 0) * 4 - (before[0] ?? 0)) < 1e-4)
})

test('weeks and months are adjusted for nothing, half hours are hours', async () => {
  const { now } = clock('2025-03-13T02:00:00Z')
  await using yahoo = await startTestYahoo({ now })
  yahoo.addSplit('AAPL', '2025-03-10', 4, 1)
  const weeks = await chart(yahoo, {
    ...march,
    from: '2025-02-01T00:00:00Z',
    to: '2025-03-14T00:00:00Z',
    interval: '1wk',
  })
  assert.ok(column(weeks, 'close').every((close) => close > 150))
  assert.deepEqual(times(weeks).slice(-2), ['2025-03-03T05:00:00.000Z', '2025-03-12T20:00:00.000Z'])
  const months = await chart(yahoo, { ...march, from: '2025-01-01T05:00:00Z', interval: '1mo' })
  assert.deepEqual(times(months).slice(0, 2), ['2025-01-01T05:00:00.000Z', '2025-02-01T05:00:00.000Z'])
  const halves = await chart(yahoo, { from: '2025-03-11T00:00:00Z', to: '2025-03-12T00:00:00Z', interval: '30m' })
  assert.equal(halves.meta.dataGranularity, '1h')
  assert.equal(halves.timestamp?.length, 7)
})

test('there is no session on a holiday and a short one on a half day, as the calendar says that a test has set', async () => {
  const { now } = clock('2025-12-30T12:00:00Z')
  await using yahoo = await startTestYahoo({ now })
  const week = { from: '2025-11-26T00:00:00Z', to: '2025-11-29T00:00:00Z', interval: '1h' }
  const dates = async () => Object.entries(Object.groupBy(times(await chart(yahoo, week)), (time) => time.slice(0, 10)))
  const counts = async () => (await dates()).map(([date, rows = []]) => `${date} ${rows.length}`)
  assert.deepEqual(await counts(), ['2025-11-26 7', '2025-11-28 4'])
  yahoo.setCalendar('AAPL', { holidays: ['2025-11-26'], halfDays: {} })
  assert.deepEqual(await counts(), ['2025-11-27 7', '2025-11-28 7'])
})

test('the trading period is today on a trading day, at every hour of it, and the last one on any other day', async () => {
  const { now, set } = clock('2025-03-12T04:30:00Z')
  await using yahoo = await startTestYahoo({ now })
  const period = async (symbol = 'AAPL') => (await chart(yahoo, { ...march, symbol })).meta.currentTradingPeriod
  const opening = async () => new Date((await period()).regular.start * 1000).toISOString()
  for (const [time, opens] of [
    ['2025-03-12T04:30:00Z', '2025-03-12T13:30:00.000Z'],
    ['2025-03-12T15:00:00Z', '2025-03-12T13:30:00.000Z'],
    ['2025-03-13T03:00:00Z', '2025-03-12T13:30:00.000Z'],
    ['2025-02-22T10:00:00Z', '2025-02-21T14:30:00.000Z'],
    ['2025-02-17T15:00:00Z', '2025-02-14T14:30:00.000Z'],
  ] as const) {
    set(time)
    assert.equal(await opening(), opens, time)
  }
  const { pre, regular, post } = await period()
  assert.deepEqual([pre.end - pre.start, regular.end - regular.start, post.end - post.start], [19_800, 23_400, 14_400])
  const coin = await period('BTC-USD')
  assert.deepEqual([coin.pre.end - coin.pre.start, coin.regular.end - coin.regular.start], [0, 86_340])
  assert.equal(coin.post.end, coin.post.start)
})

test('hours before and after the session come when asked for, without volume, and the grid begins anew at the open', async () => {
  const { now } = clock('2025-03-13T12:00:00Z')
  await using yahoo = await startTestYahoo({ now })
  const day = { from: '2025-03-11T00:00:00Z', to: '2025-03-12T03:00:00Z', interval: '1h' }
  const extended = await chart(yahoo, { ...day, includePrePost: true })
  const shown = times(extended).map((time) => time.slice(11, 16))
  assert.deepEqual(shown.slice(0, 8), ['08:00', '09:00', '10:00', '11:00', '12:00', '13:00', '13:30', '14:30'])
  assert.deepEqual(shown.slice(-4), ['20:00', '21:00', '22:00', '23:00'])
  const traded = times(extended).filter((_, i) => column(extended, 'volume')[i] !== 0)
  assert.deepEqual(traded, times(await chart(yahoo, day)))
})

test('a symbol that was delisted has no quote, no history and is not found', async () => {
  await using yahoo = await startTestYahoo()
  yahoo.delist('AAPL')
  const listings = await yahooSource({ baseUrl: yahoo.url }).listings(['AAPL', 'MSFT'])
  assert.deepEqual([...listings.keys()], ['MSFT'])
  const response = await fetch(`${yahoo.url}/v8/finance/chart/AAPL?interval=1d&period1=0&period2=1e10`)
  assert.equal(response.status, 404)
  assert.match(await response.text(), /No data found, symbol may be delisted/)
  const found = await (await fetch(`${yahoo.url}/v1/finance/search?q=apple`)).json()
  assert.deepEqual(found.quotes, [])
})

test('an endless answer is sent no faster than it is read', async () => {
  await using yahoo = await startTestYahoo()
  yahoo.fault('chart', { bytes: 1e12 }, 1)
  const response = await fetch(`${yahoo.url}/v8/finance/chart/AAPL`)
  const reader = response.body?.getReader()
  await reader?.read()
  // Until the buffers on the way are full.
  let sent = -1
  while (sent < yahoo.bytesSent) {
    sent = yahoo.bytesSent
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.ok(sent > 0 && sent < 50e6, `${sent} bytes`)
  await reader?.cancel()
  yahoo.fault('chart', { bytes: 100_003 }, 1)
  const whole = await (await fetch(`${yahoo.url}/v8/finance/chart/AAPL`)).text()
  assert.equal(whole.length, 100_003)
  assert.equal(JSON.parse(whole).length, 100_001)
})

test('a fault with a share hits evenly, as often as it is told to, and a spoilt answer is spoilt for once', async () => {
  await using yahoo = await startTestYahoo()
  const ask = async () => (await fetch(`${yahoo.url}/v1/finance/search?q=AAPL`)).json()
  const spoil = (body: unknown) => ({ ...Object(body), count: -1 })
  yahoo.fault('search', { spoil }, 3, 0.25)
  const counts = []
  for (let i = 0; i < 16; i++) counts.push((await ask()).count)
  assert.deepEqual(counts, [1, 1, 1, -1, 1, 1, 1, -1, 1, 1, 1, -1, 1, 1, 1, 1])
})

test('a chart that was set is literal, whatever was split', async () => {
  const { now } = clock('2025-03-13T02:00:00Z')
  await using yahoo = await startTestYahoo({ now })
  yahoo.addSplit('AAPL', '2025-03-10', 4, 1)
  const row = { time: at('2025-03-05T14:30:00Z'), open: 1, high: 4, low: 1, close: 3, volume: 5, adjclose: 2.5 }
  yahoo.setChart('AAPL', '1d', [row], { currency: 'EUR' }, { splits: 'odd' })
  const { events, indicators } = await chart(yahoo, march)
  assert.deepEqual(events, { splits: 'odd' })
  assert.deepEqual(indicators, {
    quote: [{ open: [1], high: [4], low: [1], close: [3], volume: [5] }],
    adjclose: [{ adjclose: [2.5] }],
  })
})
