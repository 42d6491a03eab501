import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { startApp, type TestApp } from '../../support/app.ts'
import { burst } from '../../support/clients/burst.ts'
import { type Answer, eventually, metric, post } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { type Endpoint, type Fault, startTestYahoo, type TestYahoo } from '../../support/yahoo/test-yahoo.ts'
import type { ChartRow } from '../../support/yahoo/test-yahoo-charts.ts'

/** 11:00 in New York, a Wednesday: everything is traded, and stays so for all that these tests let pass. */
const startMs = Date.UTC(2025, 2, 12, 15)
/** Of quotes, and again of candles. */
const callCount = 110
/** Candle queries at once: more than an endpoint has slots. */
const together = 10
const mebibyte = 1024 * 1024

interface House extends AsyncDisposable {
  readonly app: TestApp
  readonly yahoo: TestYahoo
  /** Puts the clock forward, which else stands still. */
  pass(ms: number): void
}

/** A whole server on a database and a Yahoo of its own, which share its clock. */
async function startHouse(): Promise<House> {
  let nowMs = startMs
  const now = (): number => nowMs
  await using stack = new AsyncDisposableStack()
  const database = stack.use(await createTestDatabase())
  const yahoo = stack.use(await startTestYahoo({ now }))
  const app = stack.use(await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url }, 'all', { now }))
  const pass = (ms: number): void => {
    nowMs += ms
  }
  const owned = stack.move()
  return { app, yahoo, pass, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function list(yahoo: TestYahoo, symbol: string, price: number): void {
  const traded = { regularMarketPrice: price, regularMarketTime: startMs / 1000 - 60, marketState: 'REGULAR' }
  yahoo.setQuote(symbol, { ...traded, currency: 'USD', exchange: 'NMS', exchangeTimezoneName: 'America/New_York' })
}

type Code = 'SOURCE_UNAVAILABLE' | 'SOURCE_RATE_LIMITED'

interface Quote {
  readonly price: number
  readonly stale: boolean
}

interface Series {
  readonly stale: boolean
  readonly nodes: readonly { readonly close: number }[]
}

/** What is under a name of the answer, or with which code it is null. */
function at<T>({ data, errors = [] }: Answer<Record<string, T | null>>, name: string): T | string | undefined {
  return data?.[name] ?? errors.find(({ path }) => path?.[0] === name)?.extensions.code
}

const askQuotes = async ({ app }: House, ...symbols: readonly string[]): Promise<(Quote | string | undefined)[]> => {
  const fields = symbols.map((symbol, i) => `q${i}: quote(symbol: "${symbol}") { price stale }`)
  const answer = await post<Record<string, Quote | null>>(app.api, `{ ${fields.join(' ')} }`)
  return symbols.map((_, i) => at(answer, `q${i}`))
}

const askCandles = async ({ app }: House, symbol: string): Promise<Series | string | undefined> =>
  at(
    await post<Record<string, Series | null>>(
      app.api,
      `{ candles(symbol: "${symbol}", last: 5) { stale nodes { close } } }`,
    ),
    'candles',
  )

/** Of everything under a metric's name, by its labels as written. */
async function series(app: TestApp, name: string): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${app.metrics}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`))
  return new Map(
    lines.map((line) => [line.slice(name.length + 1, line.indexOf('}')), Number(line.slice(line.indexOf('}') + 2))]),
  )
}

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0)

interface Scenario {
  /** What those hear who ask for what was never seen. */
  readonly code: Code
  /** How requests to Yahoo are counted that meet the fault. */
  readonly counted: { readonly endpoint: 'quote' | 'crumb'; readonly outcome: string }
  /** What keeps calls in the house at last; null: nothing. */
  readonly rejectedBy: 'breaker' | 'rate_limit' | null
  /** Whether only some requests fail: then what is never seen may come, and what is known be fresh. */
  readonly isPartial: boolean
  /** Whether candles are out of reach too. */
  readonly hitsCandles: boolean
  break(yahoo: TestYahoo): void
  heal(yahoo: TestYahoo): void
}

const scenario = (over: Partial<Scenario> & Pick<Scenario, 'break' | 'counted'>): Scenario => ({
  code: 'SOURCE_UNAVAILABLE',
  rejectedBy: 'breaker',
  isPartial: false,
  hitsCandles: true,
  heal: (yahoo) => yahoo.clearFaults(),
  ...over,
})

/** Quotes and charts alike. */
const everywhere = (
  outcome: string,
  fault: Fault,
  over: Partial<Scenario> & { readonly share?: number } = {},
): Scenario =>
  scenario({
    counted: { endpoint: 'quote', outcome },
    break: (yahoo) => {
      for (const endpoint of ['quote', 'chart'] as const) {
        yahoo.fault(endpoint, fault, Number.POSITIVE_INFINITY, over.share)
      }
    },
    ...over,
  })

/** Whoever has a crumb keeps it: those handed out before have to go. */
const poisoned = (fault: Fault, outcome: string, over: Partial<Scenario> = {}): Scenario =>
  scenario({
    counted: { endpoint: 'crumb', outcome },
    hitsCandles: false,
    break: (yahoo) => {
      yahoo.fault('crumb', fault)
      yahoo.expireCrumbs()
    },
    ...over,
  })

const limited = { code: 'SOURCE_RATE_LIMITED', rejectedBy: 'rate_limit' } as const

const scenarios: Readonly<Record<string, Scenario>> = {
  // First, since it takes the longest.
  'answers that never come': everywhere('timeout', { hang: 'answer' }),
  'a 429 with Retry-After': everywhere('rate_limited', { status: 429, headers: { 'retry-after': '30' } }, limited),
  'a 500 at every second request': everywhere(
    'failed',
    { status: 500 },
    { share: 0.5, isPartial: true, rejectedBy: null },
  ),
  'a 500 at every request': everywhere('failed', { status: 500 }),
  'truncated JSON': everywhere('failed', { truncated: true }),
  'a page of HTML': everywhere('failed', { html: true }),
  'bodies of 100 MB': everywhere('failed', { bytes: 100 * mebibyte }),
  'dropped connections': everywhere('failed', { drop: true }),
  'the words of a 429 in place of crumbs': poisoned(
    { status: 200, body: 'Too Many Requests\r\n' },
    'rate_limited',
    limited,
  ),
  'a page of HTML in place of crumbs': poisoned({ html: true }, 'failed'),
  'crumbs that are all refused': scenario({
    counted: { endpoint: 'quote', outcome: 'refused' },
    rejectedBy: null,
    hitsCandles: false,
    break: (yahoo) => {
      const description = 'Invalid Crumb'
      yahoo.fault('quote', { status: 401, body: { finance: { error: { code: 'Unauthorized', description } } } })
    },
    // The one at hand was handed out while all were refused.
    heal: (yahoo) => {
      yahoo.clearFaults()
      yahoo.expireCrumbs()
    },
  }),
}

type Answered = Quote | Series | string | undefined

const isFresh = (answer: Answered): boolean => typeof answer === 'object' && !answer.stale

/** One outage from before its beginning until it is over. Asserts what clients see, what leaves the house, and what is counted. */
async function live(house: House, scenario: Scenario): Promise<void> {
  const { app, yahoo, pass } = house
  const { hitsCandles, isPartial } = scenario
  const symbols = Array.from({ length: callCount }, (_, i) => `C${i}`)
  for (const symbol of ['KNOWN', ...symbols]) list(yahoo, symbol, 100)
  let calls = 2
  const [[quote], candles] = await Promise.all([askQuotes(house, 'KNOWN'), askCandles(house, 'KNOWN')])
  assert.deepEqual(quote, { price: 100, stale: false })
  assert.ok(typeof candles === 'object' && candles.nodes.length === 5 && !candles.stale, JSON.stringify(candles))
  // Longer than anything is fresh.
  pass(20_000)
  scenario.break(yahoo)

  const seen = new Set<string>()
  const seeKnown = (answer: Answered, before: Quote | Series, mayBeFresh: boolean): void => {
    if (isDeepStrictEqual(answer, { ...before, stale: true })) seen.add('known, stale')
    else assert.ok(mayBeFresh && isFresh(answer), `known: ${JSON.stringify(answer)}`)
  }
  const seeUnseen = (answer: Answered, mayFail: boolean, mayCome: boolean): void => {
    if (mayFail && answer === scenario.code) seen.add('unseen, failed')
    else assert.ok(mayCome && isFresh(answer), `unseen: ${JSON.stringify(answer)}`)
  }
  async function askForQuotes(): Promise<void> {
    for (const symbol of symbols) {
      pass(1100)
      calls++
      const [known, unseen] = await askQuotes(house, 'KNOWN', symbol)
      seeKnown(known, { price: 100, stale: false }, isPartial)
      seeUnseen(unseen, true, isPartial)
    }
  }
  async function askForCandles(before: Series): Promise<void> {
    calls++
    seeKnown(await askCandles(house, 'KNOWN'), before, isPartial || !hitsCandles)
    for (let first = 0; first < callCount; first += together) {
      const group = symbols.slice(first, first + together)
      calls += group.length
      const answers = await Promise.all(group.map((symbol) => askCandles(house, symbol)))
      for (const answer of answers) seeUnseen(answer, hitsCandles, isPartial || !hitsCandles)
    }
  }
  await Promise.all([askForQuotes(), askForCandles(candles)])
  const requests = yahoo.requests.length
  assert.ok(requests <= calls * 1.1, `${requests} requests for ${calls} calls`)
  assert.ok(yahoo.bytesSent < requests * 16 * mebibyte, `${yahoo.bytesSent} bytes in ${requests} requests`)
  for (const what of ['known, stale', 'unseen, failed']) assert.ok(seen.has(what), [...seen].join())
  await assertCounted(house, scenario)

  scenario.heal(yahoo)
  list(yahoo, 'KNOWN', 101)
  list(yahoo, 'NEW', 7)
  await eventually(
    async () => {
      pass(2000)
      const [quotes, series] = await Promise.all([
        askQuotes(house, 'KNOWN', 'NEW'),
        Promise.all(['KNOWN', 'NEW'].map((symbol) => askCandles(house, symbol))),
      ])
      const prices = [
        { price: 101, stale: false },
        { price: 7, stale: false },
      ]
      return series.every(isFresh) && isDeepStrictEqual(quotes, prices)
    },
    'fresh data, once the fault is gone',
    40_000,
  )
  for (const endpoint of ['quote', 'chart', 'crumb']) {
    assert.equal(await metric(app.metrics, 'finstage_source_breaker_state', `endpoint="${endpoint}"`), 0, endpoint)
  }
}

/** Every request that Yahoo saw is counted, those that met the fault as what they were; and so is what was kept back. */
async function assertCounted({ app, yahoo }: House, { counted, rejectedBy, hitsCandles }: Scenario): Promise<void> {
  const { endpoint, outcome } = counted
  const calls = await series(app, 'finstage_source_calls_total')
  assert.equal(sum(calls.values()), yahoo.requests.length)
  const failing = hitsCandles ? [endpoint, 'chart'] : [endpoint]
  const cached = await series(app, 'finstage_cache_requests_total')
  for (const each of failing) {
    const labels = `endpoint="${each}"`
    assert.ok((calls.get(`${labels},outcome="${outcome}"`) ?? 0) > 0, `${labels} ${[...calls].join()}`)
    const rejected = await series(app, 'finstage_source_rejected_total')
    const reasons = [...rejected].filter(([key, count]) => key.startsWith(labels) && count > 0).map(([key]) => key)
    assert.deepEqual(reasons, rejectedBy ? [`${labels},reason="${rejectedBy}"`] : [])
    const state = await metric(app.metrics, 'finstage_source_breaker_state', labels)
    assert.equal(state > 0, rejectedBy === 'breaker', `${labels} ${state}`)
  }
  const quotes = ['hit', 'miss', 'stale'].map((result) => cached.get(`cache="quote",result="${result}"`) ?? 0)
  assert.equal(sum(quotes), 1 + 2 * callCount)
  assert.ok((quotes[2] ?? 0) > 0)
  const staleCandles = cached.get('cache="candles",result="stale"') ?? 0
  assert.ok(hitsCandles ? staleCandles > 0 : staleCandles === 0, `${staleCandles}`)
}

suite('each in a house of its own', { concurrency: 5 }, () => {
  for (const [name, each] of Object.entries(scenarios)) {
    test(`${name}: the last known comes stale, of ${2 * callCount} calls at most a tenth is asked again, and it passes by itself`, async () => {
      await using house = await startHouse()
      await live(house, each)
    })
  }
  test('of a hundred quotes one that cannot be true is its last known, stale, or NO_DATA where nothing is known', async () => {
    await using house = await startHouse()
    const { app, yahoo, pass } = house
    const symbols = Array.from({ length: 100 }, (_, i) => `B${i}`)
    for (const [i, symbol] of symbols.entries()) list(yahoo, symbol, 100 + i)
    const fresh: readonly (Quote | null)[] = symbols.map((_, i) => ({ price: 100 + i, stale: false }))
    const quarantined = (reason: string) => metric(app.metrics, 'finstage_quarantined_total', `reason="${reason}"`)
    const askAll = async () => {
      pass(61_000)
      const before = yahoo.requestsTo('quote').length
      const query = 'query ($symbols: [Symbol!]!) { quotes(symbols: $symbols) { price stale } }'
      const { data, errors = [] } = await post<{ quotes: (Quote | null)[] }>(app.api, query, { symbols })
      assert.equal(yahoo.requestsTo('quote').length - before, 1)
      return { quotes: data?.quotes, codes: errors.map(({ path, extensions }) => [path, extensions.code]) }
    }
    list(yahoo, 'B7', -3)
    assert.deepEqual(await askAll(), { quotes: fresh.with(7, null), codes: [[['quotes', 7], 'NO_DATA']] })
    assert.equal(await quarantined('negative price'), 1)

    const bad: readonly (readonly [field: string, value: unknown, reason: string])[] = [
      ['regularMarketPrice', null, 'no price'],
      ['regularMarketPrice', 'NaN', 'no price'],
      ['regularMarketPrice', -1, 'negative price'],
      ['regularMarketPrice', 0, 'negative price'],
      ['regularMarketPrice', 1e9, 'price jump'],
      ['regularMarketTime', 'NaN', 'no price'],
      ['currency', 'GBP', 'currency changed'],
    ]
    for (const [field, value, reason] of bad) {
      list(yahoo, 'B7', 107)
      assert.deepEqual(await askAll(), { quotes: fresh, codes: [] })
      const before = await quarantined(reason)
      yahoo.setQuote('B7', { [field]: value })
      const stale = fresh.with(7, { price: 107, stale: true })
      assert.deepEqual(await askAll(), { quotes: stale, codes: [] }, `${field} ${value}`)
      assert.equal((await quarantined(reason)) - before, 1, `${field} ${value}`)
    }
  })

  test('of a hundred candles one that cannot be true is excluded, and the others come', async () => {
    await using house = await startHouse()
    const { app, yahoo } = house
    const bad: readonly (readonly [Partial<ChartRow>, reason: string])[] = [
      [{ open: null, high: null, low: null, close: null }, 'no price'],
      [{ close: 'NaN' as unknown as number }, 'no price'],
      [{ close: -10, low: -10 }, 'negative price'],
      [{ close: 1e9, high: 1e9 }, 'price jump'],
      [{ high: 5, low: 9 }, 'high below low'],
    ]
    const firstEpoch = startMs / 1000 - 86_400
    // The first lies before the range: none further back has to be looked for.
    const rows = Array.from({ length: 101 }, (_, i) => {
      const close = 100 + i / 100
      return { time: firstEpoch + 60 * i, open: close, high: close, low: close, close, volume: 10 + i }
    })
    const closes = rows
      .map(({ close }) => close)
      .toSpliced(50, 1)
      .slice(1)
    const [from, to] = [firstEpoch + 60, firstEpoch + 6060].map((epoch) => new Date(epoch * 1000).toISOString())
    for (const [i, [over, reason]] of bad.entries()) {
      const symbol = `M${i}`
      list(yahoo, symbol, 100)
      yahoo.setChart(
        symbol,
        '1m',
        rows.map((row, at) => (at === 50 ? { ...row, ...over } : row)),
      )
      const before = await metric(app.metrics, 'finstage_quarantined_total', `reason="${reason}"`)
      const query = `{ candles(symbol: "${symbol}", interval: MINUTE_1, from: "${from}", to: "${to}") {
        stale excluded columns { close } } }`
      for (const _ of ['from the source', 'from the store']) {
        const { data, errors } = await post(app.api, query)
        assert.equal(errors, undefined)
        assert.deepEqual(data?.candles, { stale: false, excluded: 1, columns: { close: closes } }, reason)
      }
      const after = await metric(app.metrics, 'finstage_quarantined_total', `reason="${reason}"`)
      assert.equal(after - before, 1, reason)
      assert.equal(yahoo.requestsTo('chart').length, i + 1)
    }
  })

  test('while Yahoo wants no requests none is made, and clients hear how much longer, to the second', async () => {
    await using house = await startHouse()
    const { app, yahoo, pass } = house
    list(yahoo, 'NEW', 7)
    for (const endpoint of ['quote', 'chart'] as const) {
      yahoo.fault(endpoint, { status: 429, headers: { 'retry-after': '60' } }, 1)
    }
    const query = '{ quote(symbol: "NEW") { price } candles(symbol: "NEW", last: 5) { stale } }'
    const ask = async (): Promise<unknown[]> => {
      const { data, errors = [] } = await post(app.api, query)
      if (errors.length === 0) return []
      assert.deepEqual(data, { quote: null, candles: null })
      return errors.map(({ extensions }) => [extensions.code, extensions.retryAfterSeconds])
    }
    const limitedFor = (seconds: number) => Array(2).fill(['SOURCE_RATE_LIMITED', seconds])
    assert.deepEqual(await ask(), limitedFor(60))
    const before = yahoo.requests.length
    for (const [ms, seconds] of [
      [0, 60],
      [20_000, 40],
      [38_500, 2],
      [1499, 1],
    ] as const) {
      pass(ms)
      assert.deepEqual(await ask(), limitedFor(seconds))
    }
    assert.equal(yahoo.requests.length, before)
    for (const endpoint of ['quote', 'chart']) {
      const labels = `endpoint="${endpoint}",reason="rate_limit"`
      assert.equal(await metric(app.metrics, 'finstage_source_rejected_total', labels), 4)
    }
    pass(1)
    assert.deepEqual(await ask(), [])
  })

  for (const [broken, working] of [
    ['quote', 'chart'],
    ['chart', 'quote'],
  ] as const) {
    test(`while the breaker of the ${broken} endpoint is open, the ${working} endpoint serves as ever`, async () => {
      await using house = await startHouse()
      const { app, yahoo, pass } = house
      const symbols = Array.from({ length: 20 }, (_, i) => `C${i}`)
      for (const symbol of symbols) list(yahoo, symbol, 100)
      yahoo.fault(broken, { status: 500 })
      for (const symbol of symbols) {
        pass(1100)
        const [[quote], candles] = await Promise.all([askQuotes(house, symbol), askCandles(house, symbol)])
        const [failed, served] = broken === 'quote' ? [quote, candles] : [candles, quote]
        assert.equal(failed, 'SOURCE_UNAVAILABLE')
        assert.ok(isFresh(served), `${symbol}: ${served}`)
      }
      const state = (endpoint: Endpoint) =>
        metric(app.metrics, 'finstage_source_breaker_state', `endpoint="${endpoint}"`)
      assert.ok((await state(broken)) > 0)
      assert.equal(await state(working), 0)
      assert.ok(yahoo.requestsTo(broken).length < 10)
      assert.equal(yahoo.requestsTo(working).length, symbols.length)
    })
  }
})

// By themselves: what else the process does would count.
test('of a body of 100 MB a tenth is sent, and memory grows by no more', async () => {
  await using house = await startHouse()
  const { yahoo, pass } = house
  list(yahoo, 'KNOWN', 100)
  await Promise.all([askQuotes(house, 'KNOWN'), askCandles(house, 'KNOWN')])
  pass(20_000)
  const before = process.memoryUsage().rss
  for (const endpoint of ['quote', 'chart'] as const) yahoo.fault(endpoint, { bytes: 100 * mebibyte })
  assert.deepEqual(await askQuotes(house, 'KNOWN'), [{ price: 100, stale: true }])
  assert.ok(!isFresh(await askCandles(house, 'KNOWN')))
  const grownBytes = process.memoryUsage().rss - before
  assert.ok(yahoo.bytesSent > 2 * mebibyte && yahoo.bytesSent < 32 * mebibyte, `${yahoo.bytesSent} bytes sent`)
  assert.ok(grownBytes < 64 * mebibyte, `${grownBytes} bytes of memory`)
})

test('1,000 concurrent quote requests while Yahoo hangs make at most 3 requests, and all are answered within 12 s', async () => {
  await using house = await startHouse()
  const { app, yahoo, pass } = house
  const symbols = Array.from({ length: 50 }, (_, i) => `C${i}`)
  for (const symbol of symbols) list(yahoo, symbol, 100)
  await askQuotes(house, ...symbols.slice(0, 25))
  pass(61_000)
  yahoo.fault('quote', { hang: 'answer' })
  const before = yahoo.requests.length
  const startedMs = performance.now()
  const answers = await burst<{ quote: Quote | null }>(
    app.api,
    Array.from({ length: 1000 }, (_, i) => `{ quote(symbol: "C${i % 50}") { price stale } }`),
  )
  const seconds = (performance.now() - startedMs) / 1000
  for (const [i, answer] of answers.entries()) {
    const expected = i % 50 < 25 ? { price: 100, stale: true } : 'SOURCE_UNAVAILABLE'
    assert.deepEqual(at(answer, 'quote'), expected)
  }
  assert.equal(answers.length, 1000)
  const requests = yahoo.requests.length - before
  assert.ok(requests <= 3, `${requests} requests`)
  assert.ok(seconds < 12, `${seconds} s`)
})
