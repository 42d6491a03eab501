import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { type ErrorCode, FinstageError } from '../../../src/domain/errors.ts'
import type { MarketSource } from '../../../src/market/source.ts'
import { type YahooOptions, yahooSource } from '../../../src/market/yahoo/source.ts'
import { type Endpoint, type Fault, startTestYahoo, type TestYahoo } from '../../support/yahoo/test-yahoo.ts'

// A Wednesday, 11:00 in New York.
const nowMs = Date.UTC(2025, 2, 12, 15)
const now = () => nowMs
const epoch = (iso: string): number => Date.parse(iso) / 1000
const days = {
  symbol: 'AAPL',
  interval: 'DAY_1',
  extendedHours: false,
  from: epoch('2025-02-01'),
  to: epoch('2025-03-01'),
} as const

/** Retries come at once. */
const sourceOf = (yahoo: TestYahoo, options: YahooOptions = {}): MarketSource =>
  yahooSource({ baseUrl: yahoo.url, now, policy: { retryWithinMs: 0 }, ...options })

async function failure(call: Promise<unknown>): Promise<FinstageError> {
  const error = await call.then(
    () => assert.fail('expected the call to fail'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof FinstageError, `not a FinstageError: ${error}`)
  return error
}

test('100 symbols cost one upstream request', async () => {
  await using yahoo = await startTestYahoo({ now })
  const symbols = Array.from({ length: 100 }, (_, i) => `T${i}`)
  for (const symbol of symbols) yahoo.setQuote(symbol, { regularMarketPrice: 1, regularMarketTime: nowMs / 1000 })
  assert.deepEqual([...(await sourceOf(yahoo).listings(symbols)).keys()], symbols)
  assert.equal(yahoo.requestsTo('quote').length, 1)
})

test('prices of the night are asked for by name, as Yahoo sends them only so', async () => {
  await using yahoo = await startTestYahoo({ now })
  const seconds = nowMs / 1000
  const night = { marketState: 'OVERNIGHT', regularMarketPrice: 200, regularMarketTime: seconds - 36_000 }
  const post = { postMarketPrice: 201, postMarketTime: seconds - 21_600, regularMarketPreviousClose: 190 }
  const overnight = { overnightMarketPrice: 190.5, overnightMarketTime: seconds - 30 }
  const extended = { extendedMarketPrice: 190.5, extendedMarketTime: seconds - 30 }
  yahoo.setQuote('AAPL', { ...night, ...post, ...overnight })
  yahoo.setQuote('MSFT', { ...night, ...post, ...extended })
  const listings = await sourceOf(yahoo).listings(['AAPL', 'MSFT'])
  for (const symbol of ['AAPL', 'MSFT']) {
    const quote = listings.get(symbol)?.quote
    assert.deepEqual([quote?.price, quote?.timeMs, quote?.regularPrice], [190.5, nowMs - 30_000, 200])
    assert.deepEqual([quote?.previousClose, quote?.change, quote?.extendedChange], [200, -9.5, -9.5])
  }
  const { query } = yahoo.requestsTo('quote')[0] ?? assert.fail()
  assert.equal(query.overnightPrice, 'true')
  const named = new Set(query.fields?.split(','))
  for (const field of [...Object.keys({ ...overnight, ...extended }), 'currency', 'bid', 'longName']) {
    assert.ok(named.has(field), field)
  }
})

test('the test Yahoo sends what is named, and prices of the night to nobody else', async () => {
  await using yahoo = await startTestYahoo({ now })
  const night = {
    overnightMarketPrice: 190.5,
    overnightMarketTime: 1,
    extendedMarketPrice: 190.5,
    postMarketPrice: 201,
  }
  yahoo.setQuote('AAPL', night)
  const cookie = 'A3=1'
  const crumb = await (await fetch(`${yahoo.url}/v1/test/getcrumb`, { headers: { cookie } })).text()
  async function sent(params: Readonly<Record<string, string>>): Promise<string[]> {
    const query = new URLSearchParams({ symbols: 'AAPL', crumb, ...params })
    const response = await fetch(`${yahoo.url}/v7/finance/quote?${query}`, { headers: { cookie } })
    const { quoteResponse } = (await response.json()) as { quoteResponse: { result: [object] } }
    return Object.keys(quoteResponse.result[0])
  }
  const overnight = ['overnightMarketPrice', 'overnightMarketTime']
  const known = ['symbol', 'quoteType', 'marketState', 'regularMarketPrice', 'exchangeTimezoneName', 'priceHint']
  const all = await sent({})
  assert.deepEqual(
    [...known, 'currency', 'postMarketPrice'].filter((name) => !all.includes(name)),
    [],
  )
  assert.ok(!all.some((name) => /overnight|extended/.test(name)))
  const fields = [...overnight, 'extendedMarketPrice', 'bid'].join()
  const named = await sent({ fields, overnightPrice: 'true' })
  assert.deepEqual(
    [...known, ...fields.split(',')].filter((name) => !named.includes(name)),
    [],
  )
  assert.ok(!named.includes('currency') && !named.includes('postMarketPrice'))
  const without = await sent({ fields })
  assert.ok(without.includes('extendedMarketPrice') && !without.some((name) => overnight.includes(name)))
})

test('no symbols cost no request, and a symbol asked for twice is asked for once', async () => {
  await using yahoo = await startTestYahoo({ now })
  const source = sourceOf(yahoo)
  assert.equal((await source.listings([])).size, 0)
  assert.equal(yahoo.requests.length, 0)
  await source.listings(['AAPL', 'AAPL'])
  assert.equal(yahoo.requestsTo('quote')[0]?.query.symbols, 'AAPL')
})

test('what Yahoo does not know or has delisted is absent; what it knows without a price has no quote', async () => {
  await using yahoo = await startTestYahoo({ now })
  const listings = await sourceOf(yahoo).listings(['NOSUCH', 'GONE', 'ADHX', 'VOD.L'])
  assert.deepEqual([...listings.keys()], ['ADHX', 'VOD.L'])
  assert.equal(listings.get('ADHX')?.quote, null)
  assert.equal(listings.get('ADHX')?.instrument.kind, 'FUND')
  assert.equal(listings.get('VOD.L')?.quote?.currency, 'GBp')
})

test('a malformed row takes no other with it', async () => {
  await using yahoo = await startTestYahoo({ now })
  yahoo.setQuote('MSFT', { regularMarketPrice: '1,234.50', bid: {} })
  yahoo.setQuote('BRK-B', { quoteType: 7 })
  const listings = await sourceOf(yahoo).listings(['AAPL', 'MSFT', 'BRK-B', '^GSPC'])
  assert.equal(listings.get('AAPL')?.quote?.price, 210.51)
  assert.equal(listings.get('MSFT')?.quote, null)
  assert.equal(listings.has('BRK-B'), false)
  assert.equal(listings.get('^GSPC')?.quote?.price, 5790.44)
})

test('rows that are no objects, or nobody asked for, are left out, and case does not matter', async () => {
  await using yahoo = await startTestYahoo({ now })
  const row = { quoteType: 'EQUITY', regularMarketPrice: 5, regularMarketTime: 1 }
  const result = [null, 'AAPL', 7, [], { ...row, symbol: 'aapl' }, { ...row, symbol: 'RENAMED' }]
  yahoo.fault('quote', { status: 200, body: { quoteResponse: { result, error: null } } })
  const listings = await sourceOf(yahoo).listings(['AAPL', 'OLDNAME'])
  assert.deepEqual([...listings.keys()], ['AAPL'])
  assert.equal(listings.get('AAPL')?.quote?.symbol, 'AAPL')
})

test('20 concurrent callers share one cookie and one crumb', async () => {
  await using yahoo = await startTestYahoo({ now })
  const source = sourceOf(yahoo)
  await Promise.all(Array.from({ length: 20 }, () => source.listings(['AAPL'])))
  await source.listings(['AAPL'])
  assert.equal(yahoo.requestsTo('cookie').length, 1)
  assert.equal(yahoo.requestsTo('crumb').length, 1)
  assert.equal(yahoo.requestsTo('quote').length, 21)
})

test('two sources do not share a crumb', async () => {
  await using yahoo = await startTestYahoo({ now })
  await sourceOf(yahoo).listings(['AAPL'])
  await sourceOf(yahoo).listings(['AAPL'])
  assert.equal(yahoo.requestsTo('crumb').length, 2)
})

for (const text of ['Too Many Requests\r\n', '<html><body>Sorry</body></html>', '{"finance":{"error":{}}}', '']) {
  test(`the text ${JSON.stringify(text)} is never used as a crumb`, async () => {
    await using yahoo = await startTestYahoo({ now })
    const isRateLimit = text.startsWith('Too')
    yahoo.poisonCrumb(text, isRateLimit ? 1 : 2)
    let clockMs = nowMs
    const source = sourceOf(yahoo, { now: () => clockMs })
    const { code } = await failure(source.listings(['AAPL']))
    assert.equal(code, isRateLimit ? 'SOURCE_RATE_LIMITED' : 'SOURCE_UNAVAILABLE')
    assert.equal(yahoo.requestsTo('quote').length, 0)
    clockMs += 1000
    assert.equal((await source.listings(['AAPL'])).size, 1)
  })
}

test('a crumb that Yahoo refuses is renewed once and the request repeated', async () => {
  await using yahoo = await startTestYahoo({ now })
  yahoo.poisonCrumb('wellformed1')
  assert.equal((await sourceOf(yahoo).listings(['AAPL'])).size, 1)
  assert.equal(yahoo.requestsTo('crumb').length, 2)
  assert.equal(yahoo.requestsTo('quote').length, 2)
})

test('a second refusal of the crumb is the end of that call, not of the source', async () => {
  await using yahoo = await startTestYahoo({ now })
  yahoo.poisonCrumb('wellformed1', 2)
  let clockMs = nowMs
  const source = sourceOf(yahoo, { now: () => clockMs })
  assert.equal((await failure(source.listings(['AAPL']))).code, 'SOURCE_UNAVAILABLE')
  assert.equal(yahoo.requestsTo('quote').length, 2)
  // A renewal is paid for by the calls that came before: until then each of them is refused once.
  const waitsForRenewal = async (): Promise<number> => {
    for (let calls = 1; calls <= 100; calls++) {
      clockMs += 1000
      if (await source.listings(['AAPL']).catch(() => null)) return calls
    }
    return assert.fail('the source did not recover')
  }
  assert.ok((await waitsForRenewal()) <= 75)
})

test('a crumb is renewed at most once a second', async () => {
  await using yahoo = await startTestYahoo({ now })
  let clockMs = nowMs
  const source = sourceOf(yahoo, { now: () => clockMs })
  const waits = async (calls: number) => {
    for (let call = 0; call < calls; call++) await source.listings(['AAPL'])
  }
  await waits(100)
  yahoo.expireCrumbs()
  await source.listings(['AAPL'])
  await waits(100)
  yahoo.expireCrumbs()
  await failure(source.listings(['AAPL']))
  clockMs += 1000
  await source.listings(['AAPL'])
  assert.equal(yahoo.requestsTo('crumb').length, 3)
})

test('20 callers whose crumb expires at once renew it once', async () => {
  await using yahoo = await startTestYahoo({ now })
  const source = sourceOf(yahoo)
  await source.listings(['AAPL'])
  yahoo.expireCrumbs()
  const answers = await Promise.all(Array.from({ length: 20 }, () => source.listings(['AAPL'])))
  assert.ok(answers.every((listings) => listings.has('AAPL')))
  assert.equal(yahoo.requestsTo('crumb').length, 2)
})

test('a 403 that does not name the crumb is not repeated', async () => {
  await using yahoo = await startTestYahoo({ now })
  yahoo.fault('quote', { status: 403, body: 'Forbidden' })
  assert.equal((await failure(sourceOf(yahoo).listings(['AAPL']))).code, 'SOURCE_UNAVAILABLE')
  assert.equal(yahoo.requestsTo('quote').length, 1)
})

test("every one of Yahoo's hosts is replaced by the base URL, consent and redirects included", async () => {
  await using yahoo = await startTestYahoo({ now, consent: true })
  const origins = new Set<string>()
  const spy: typeof fetch = (input, init) => {
    origins.add(new URL(String(input)).origin)
    return fetch(input, init)
  }
  const source = sourceOf(yahoo, { fetch: spy })
  const elsewhere = { location: 'https://query1.finance.yahoo.com/v7/finance/quote?symbols=MSFT&crumb=test.Crumb1' }
  yahoo.fault('quote', { status: 302, headers: elsewhere, body: '' }, 1)
  const listings = await source.listings(['MSFT'])
  await source.candles(days)
  assert.equal(listings.size, 1)
  assert.deepEqual([...origins], [yahoo.url])
  const visited = yahoo.requestsTo('cookie').map(({ method, path }) => `${method} ${path}`)
  assert.deepEqual(visited, [
    'GET /quote/AAPL',
    'GET /consent',
    'GET /v2/collectConsent',
    'POST /v2/collectConsent',
    'GET /copyConsent',
    'GET /quote/AAPL',
  ])
})

test('an endless redirect ends as SOURCE_UNAVAILABLE', async () => {
  await using yahoo = await startTestYahoo({ now })
  yahoo.fault('chart', { status: 302, headers: { location: '/v8/finance/chart/AAPL' }, body: '' })
  assert.equal((await failure(sourceOf(yahoo).candles(days))).code, 'SOURCE_UNAVAILABLE')
  assert.equal(yahoo.requestsTo('chart').length, 6)
})

test('a cookie for a foreign domain harms nobody', async () => {
  await using yahoo = await startTestYahoo({ now })
  yahoo.fault('quote', { headers: { 'set-cookie': 'A1=x; Domain=.example.com; Path=/' } })
  assert.equal((await sourceOf(yahoo).listings(['AAPL'])).size, 1)
})

const faults: readonly [string, Fault, ErrorCode][] = [
  ['500', { status: 500 }, 'SOURCE_UNAVAILABLE'],
  ['502 in HTML', { status: 502, body: '<html>Bad gateway</html>' }, 'SOURCE_UNAVAILABLE'],
  ['404 in HTML', { status: 404, body: '<html>Not here</html>' }, 'SOURCE_UNAVAILABLE'],
  ['429', { status: 429 }, 'SOURCE_RATE_LIMITED'],
  ['a hang before the answer', { hang: 'answer' }, 'SOURCE_UNAVAILABLE'],
  ['a hang within the answer', { hang: 'body' }, 'SOURCE_UNAVAILABLE'],
  ['truncated JSON', { truncated: true }, 'SOURCE_UNAVAILABLE'],
  ['HTML with status 200', { html: true }, 'SOURCE_UNAVAILABLE'],
  ['an empty body', { status: 200, body: '' }, 'SOURCE_UNAVAILABLE'],
  ['null', { status: 200, body: null }, 'SOURCE_UNAVAILABLE'],
  ['a list', { status: 200, body: [] }, 'SOURCE_UNAVAILABLE'],
  [
    'another shape',
    { status: 200, body: { quoteResponse: { result: {} }, chart: { result: [7] } } },
    'SOURCE_UNAVAILABLE',
  ],
  ['no result', { status: 200, body: { chart: { result: [], error: null } } }, 'SOURCE_UNAVAILABLE'],
  ['an error of another shape', { status: 200, body: { chart: { error: { code: 7 } } } }, 'SOURCE_UNAVAILABLE'],
  ['a dropped connection', { drop: true }, 'SOURCE_UNAVAILABLE'],
]

for (const [name, fault, code] of faults) {
  for (const endpoint of ['quote', 'chart'] as const) {
    test(`${name} from the ${endpoint} endpoint is ${code} with its cause, and the next call succeeds`, async () => {
      await using yahoo = await startTestYahoo({ now })
      let clockMs = nowMs
      const source = sourceOf(yahoo, { now: () => clockMs, ...('hang' in fault ? { timeoutMs: 250 } : {}) })
      const call = () => (endpoint === 'quote' ? source.listings(['AAPL']) : source.candles(days))
      const heal = yahoo.fault(endpoint, fault)
      const error = await failure(call())
      assert.equal(error.code, code)
      assert.ok(error.cause)
      assert.equal(error.temporary, true)
      heal()
      clockMs += 1000
      await call()
    })
  }
}

const beforeTheCrumb: readonly [Endpoint, Fault, ErrorCode][] = [
  ['cookie', { status: 429 }, 'SOURCE_RATE_LIMITED'],
  ['cookie', { status: 500 }, 'SOURCE_UNAVAILABLE'],
  ['cookie', { status: 200, body: 'no cookie' }, 'SOURCE_UNAVAILABLE'],
  ['cookie', { hang: 'answer' }, 'SOURCE_UNAVAILABLE'],
  ['crumb', { status: 429 }, 'SOURCE_RATE_LIMITED'],
  ['crumb', { status: 500 }, 'SOURCE_UNAVAILABLE'],
  ['crumb', { drop: true }, 'SOURCE_UNAVAILABLE'],
]

for (const [endpoint, fault, code] of beforeTheCrumb) {
  test(`${JSON.stringify(fault)} from the ${endpoint} endpoint is ${code}, and the next call succeeds`, async () => {
    await using yahoo = await startTestYahoo({ now })
    let clockMs = nowMs
    const source = sourceOf(yahoo, { now: () => clockMs, ...('hang' in fault ? { timeoutMs: 250 } : {}) })
    const heal = yahoo.fault(endpoint, fault)
    assert.equal((await failure(source.listings(['AAPL']))).code, code)
    heal()
    clockMs += 1000
    assert.equal((await source.listings(['AAPL'])).size, 1)
  })
}

test('each upstream call has 3 seconds, unless told otherwise', async (t) => {
  const timeout = t.mock.method(AbortSignal, 'timeout')
  await using yahoo = await startTestYahoo({ now })
  await sourceOf(yahoo).listings(['AAPL'])
  await sourceOf(yahoo, { timeoutMs: 77 }).candles(days)
  assert.deepEqual(
    timeout.mock.calls.map((call) => call.arguments[0]),
    [3000, 3000, 3000, 77],
  )
})

for (const [value, seconds] of [
  ['120', 120],
  [new Date(nowMs + 60_000).toUTCString(), 60],
  ['soon', 1],
  ['0', 1],
  ['999999999', 86_400],
] as const) {
  test(`after 'Retry-After: ${value}' nothing is asked of that endpoint for ${seconds} s`, async () => {
    await using yahoo = await startTestYahoo({ now })
    let clockMs = nowMs
    const source = sourceOf(yahoo, { now: () => clockMs })
    yahoo.fault('chart', { status: 429, headers: { 'retry-after': value } }, 1)
    const calls = [0, 1, seconds * 1000 - 1]
    for (const sinceMs of calls) {
      clockMs = nowMs + sinceMs
      const { code, details, cause } = await failure(source.candles(days))
      assert.equal(code, 'SOURCE_RATE_LIMITED')
      assert.equal(details.retryAfterSeconds, Math.ceil(seconds - sinceMs / 1000))
      assert.ok(cause)
    }
    assert.equal(yahoo.requestsTo('chart').length, 1)
    await source.listings(['AAPL'])
    clockMs = nowMs + seconds * 1000
    await source.candles(days)
    assert.equal(yahoo.requestsTo('chart').length, 2)
  })
}

test('a 429 for the crumb holds back quotes, and nothing else', async () => {
  await using yahoo = await startTestYahoo({ now })
  const source = sourceOf(yahoo)
  yahoo.fault('crumb', { status: 429, headers: { 'retry-after': '30' } })
  for (let call = 0; call < 10; call++) {
    assert.equal((await failure(source.listings(['AAPL']))).details.retryAfterSeconds, 30)
  }
  assert.equal(yahoo.requests.length, 2)
  await source.candles(days)
})

test('a refused connection is SOURCE_UNAVAILABLE', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  const source = yahooSource({ baseUrl: `http://127.0.0.1:${port}`, policy: { retryWithinMs: 0 } })
  assert.equal((await failure(source.listings(['AAPL']))).code, 'SOURCE_UNAVAILABLE')
})

test('nothing is written to the console, and no error names the crumb', async (t) => {
  const methods = ['log', 'info', 'warn', 'error', 'dir', 'debug'] as const
  const mocks = methods.map((method) => t.mock.method(console, method, () => undefined))
  await using yahoo = await startTestYahoo({ now })
  const source = sourceOf(yahoo)
  yahoo.setQuote('MSFT', { regularMarketPrice: 'x' })
  await source.listings(['AAPL', 'MSFT'])
  const quoting = { status: 400, body: 'Bad request: /v7/finance/quote?symbols=AAPL&crumb=test.Crumb1' }
  for (const fault of [quoting, { status: 500 }, { status: 404 }, { truncated: true }, { html: true }] as const) {
    yahoo.fault('quote', fault)
    const error = await failure(source.listings(['AAPL']))
    assert.ok(!`${error.message} ${error.cause}`.includes('test.Crumb'))
  }
  assert.deepEqual(
    mocks.map((mock) => mock.mock.callCount()),
    [0, 0, 0, 0, 0, 0],
  )
})

test('daily candles are dated by the trading day, in [from, to)', async () => {
  await using yahoo = await startTestYahoo({ now })
  const { candles, excluded } = await sourceOf(yahoo).candles(days)
  const dates = [...candles.map((candle) => candle.epoch), ...excluded].sort((a, b) => a - b)
  assert.equal(dates[0], epoch('2025-02-03'))
  assert.equal(dates.at(-1), epoch('2025-02-28'))
  // The seventeenth was a holiday.
  assert.equal(dates.length, 19)
  assert.equal(excluded.length, 1)
  assert.equal(yahoo.requestsTo('chart').length, 1)
})

test('days of an exchange far east of UTC are found, although their sessions begin the day before', async () => {
  await using yahoo = await startTestYahoo({ now })
  yahoo.setQuote('BHP.AX', { exchangeTimezoneName: 'Australia/Sydney' })
  const row = { open: 1, high: 1, low: 1, close: 1, volume: 1 }
  const sessions = ['2025-02-02T23:00:00Z', '2025-02-03T23:00:00Z', '2025-02-04T23:00:00Z']
  yahoo.setChart(
    'BHP.AX',
    '1d',
    sessions.map((iso) => ({ time: epoch(iso), ...row })),
  )
  const query = { ...days, symbol: 'BHP.AX', from: epoch('2025-02-03'), to: epoch('2025-02-05') }
  const { candles } = await sourceOf(yahoo).candles(query)
  assert.deepEqual(
    candles.map((candle) => candle.epoch),
    [epoch('2025-02-03'), epoch('2025-02-04')],
  )
})

test('capital gains of a fund are asked for, and lower its adjusted closes', async () => {
  await using yahoo = await startTestYahoo({ now })
  const bells = ['2025-02-03T14:30:00Z', '2025-02-04T14:30:00Z'].map(epoch)
  const rows = bells.map((time, i) => {
    const price = 10 - 2 * i
    return { time, ...{ open: price, high: price, low: price, close: price, volume: 1, adjclose: price } }
  })
  const gain = { date: bells[1], amount: 2 }
  yahoo.setChart('AAPL', '1d', rows, {}, { capitalGains: { [String(gain.date)]: gain } })
  const { candles, dividends } = await sourceOf(yahoo).candles(days)
  assert.deepEqual(
    candles.map(({ close, adjustedClose }) => [close, adjustedClose]),
    [
      [10, 8],
      [8, 8],
    ],
  )
  assert.deepEqual(dividends, [])
})

test('the day that runs is one candle, open until the bell, with the current price for its close', async () => {
  let dateMs = nowMs
  await using yahoo = await startTestYahoo({ now, date: () => dateMs })
  const bell = epoch('2025-03-12T13:30:00Z')
  const row = { open: 100, high: 104, low: 99, close: 103, volume: 5000 }
  yahoo.setChart('AAPL', '1d', [
    { time: bell - 86_400, ...row },
    { time: bell, ...row },
    { time: nowMs / 1000 - 7, open: 105, high: 105, low: 105, close: 105, volume: 0 },
  ])
  const query = { ...days, from: epoch('2025-03-11'), to: epoch('2025-03-13') }
  const { candles } = await sourceOf(yahoo).candles(query)
  assert.deepEqual(candles, [
    { epoch: epoch('2025-03-11'), ...row, closed: true, adjustedClose: null },
    {
      epoch: epoch('2025-03-12'),
      ...{ open: 100, high: 105, low: 99, close: 105, volume: 5000 },
      closed: false,
      adjustedClose: null,
    },
  ])
  const atTheBell = () => Date.UTC(2025, 2, 12, 20)
  const closedAtTheBell = async () => {
    const { candles } = await yahooSource({ baseUrl: yahoo.url, now: atTheBell }).candles(query)
    return candles.map((candle) => candle.closed)
  }
  // By the clock here alone it is not over.
  assert.deepEqual(await closedAtTheBell(), [true, false])
  dateMs = atTheBell()
  assert.deepEqual(await closedAtTheBell(), [true, true])
})

test('candles of a symbol that Yahoo does not know are SYMBOL_NOT_FOUND', async () => {
  await using yahoo = await startTestYahoo({ now })
  const source = sourceOf(yahoo)
  for (const symbol of ['NOSUCH', 'GONE', '.', '..']) {
    const error = await failure(source.candles({ ...days, symbol }))
    assert.equal(error.code, 'SYMBOL_NOT_FOUND')
    assert.equal(error.details.symbol, symbol)
  }
  assert.ok(yahoo.requests.every(({ path }) => path.startsWith('/v8/finance/chart/')))
})

test('symbols reach Yahoo as they are, whatever signs they have', async () => {
  await using yahoo = await startTestYahoo({ now })
  const source = sourceOf(yahoo)
  for (const symbol of ['^GSPC', 'EURUSD=X', 'BRK-B', 'VOD.L']) {
    assert.ok((await source.candles({ ...days, symbol })).candles.length > 0, symbol)
    assert.ok((await source.listings([symbol])).has(symbol), symbol)
  }
})

test('a range before the reach of an interval costs no request', async () => {
  await using yahoo = await startTestYahoo({ now })
  const source = sourceOf(yahoo)
  const to = nowMs / 1000
  for (const [interval, reachDays] of [
    ['MINUTE_1', 30],
    ['MINUTE_15', 60],
    ['HOUR_1', 730],
  ] as const) {
    const error = await failure(source.candles({ ...days, interval, from: to - (reachDays + 1) * 86_400, to }))
    assert.equal(error.code, 'RANGE_NOT_AVAILABLE')
    assert.equal(error.details.reachDays, reachDays)
  }
  assert.equal(yahoo.requests.length, 0)
})

test("a range that Yahoo refuses is RANGE_NOT_AVAILABLE, with Yahoo's own reach where it names one", async () => {
  await using yahoo = await startTestYahoo({ now })
  const source = sourceOf(yahoo)
  const week = '1m data not available for startTime. Only 7 days worth of 1m granularity data are allowed per request.'
  yahoo.fault('chart', {
    status: 422,
    body: { chart: { result: null, error: { code: 'Unprocessable Entity', description: week } } },
  })
  const refused = await failure(source.candles({ ...days, interval: 'HOUR_1' }))
  assert.equal(refused.code, 'RANGE_NOT_AVAILABLE')
  assert.equal(refused.details.reachDays, undefined)
  const description = '1h data not available. The requested range must be within the last 99 days.'
  const body = { chart: { result: null, error: { code: 'Unprocessable Entity', description } } }
  yahoo.fault('chart', { status: 422, body })
  assert.equal((await failure(source.candles({ ...days, interval: 'HOUR_1' }))).details.reachDays, 99)
  yahoo.fault('chart', { status: 200, body })
  assert.equal((await failure(source.candles({ ...days, interval: 'HOUR_1' }))).details.reachDays, 99)
})

test('20 days of minutes are asked for in three requests of at most a week, and joined in order', async () => {
  await using yahoo = await startTestYahoo({ now })
  const to = nowMs / 1000
  const query = { ...days, symbol: 'BTC-USD', interval: 'MINUTE_1', from: to - 20 * 86_400, to } as const
  const { candles } = await sourceOf(yahoo).candles(query)
  const epochs = candles.map((candle) => candle.epoch)
  assert.deepEqual(
    epochs,
    [...new Set(epochs)].sort((a, b) => a - b),
  )
  assert.ok((epochs[0] ?? 0) < query.from + 3600 && (epochs.at(-1) ?? 0) > to - 3600)
  assert.equal(yahoo.requestsTo('chart').length, 3)
})

test('a range without data is an empty batch', async () => {
  await using yahoo = await startTestYahoo({ now })
  const source = sourceOf(yahoo)
  for (const query of [
    { ...days, from: epoch('1990-01-01'), to: epoch('1991-01-01') },
    { ...days, symbol: 'ADHX' },
    { ...days, to: days.from },
  ]) {
    const { candles, excluded, dividends, splits } = await source.candles(query)
    assert.deepEqual([candles, excluded, dividends, splits], [[], [], [], []])
  }
  assert.equal(yahoo.requestsTo('chart').length, 2)
})

test('a price that changes upstream arrives in the live feed, whatever happened in between', async (t) => {
  await using yahoo = await startTestYahoo({ now })
  const source = sourceOf(yahoo, { pollIntervalMs: 5, policy: { retryWithinMs: 0, breakMs: 5, longestBreakMs: 5 } })
  const seen: (number | string)[] = []
  let wake = () => {}
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise<void>((resolve) => (wake = resolve))
  }
  const note = (what: number | string) => {
    seen.push(what)
    wake()
  }
  const feed = source.openLive({
    update: ({ quote }) => note(quote?.price ?? 'none'),
    failure: (symbol, { code }) => note(`${symbol} ${code}`),
  })
  t.after(() => feed.stop())
  feed.watch(new Set(['AAPL']))
  await until(() => seen.includes(210.51))
  const heal = yahoo.fault('quote', { status: 500 })
  await until(() => seen.includes('AAPL SOURCE_UNAVAILABLE'))
  yahoo.setPrice('AAPL', 211.75)
  heal()
  await until(() => seen.includes(211.75))
  await feed.stop()
  assert.deepEqual([seen[0], seen.at(-1)], [210.51, 211.75])
})
