import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { FinstageError } from '../../../src/domain/errors.ts'
import type { MarketSource } from '../../../src/market/source.ts'
import { yahooSource } from '../../../src/market/yahoo/source.ts'
import { type Endpoint, type Fault, startTestYahoo, type TestYahoo } from '../../support/yahoo/test-yahoo.ts'

const startMs = Date.UTC(2025, 2, 12, 15)
const callCount = 220
/** With the cookie and the crumb: they are requests too. */
const mostRequests = callCount * 1.1

interface House {
  readonly source: MarketSource
  readonly yahoo: TestYahoo
  readonly registry: Registry
  /** HTTP requests that left. */
  readonly left: () => number
  /** How many of them were under way together at most. */
  readonly mostTogether: () => number
  pass(seconds: number): void
}

/** Long enough that a slow machine makes no time-out of an answer; shorter only where something hangs. */
const patienceMs = 10_000

/** A source that waits as long as in earnest, but by a clock of the test's; retries and breakers have a few real milliseconds. */
function houseOf(yahoo: TestYahoo, { breakMs = 2, timeoutMs = patienceMs } = {}): House {
  let nowMs = startMs
  let left = 0
  let together = 0
  let mostTogether = 0
  const registry = new Registry()
  const counting: typeof fetch = (input, init) => {
    left++
    mostTogether = Math.max(mostTogether, ++together)
    return fetch(input, init).finally(() => together--)
  }
  const policy = { retryWithinMs: 1, breakMs, longestBreakMs: breakMs * 4 }
  const now = () => nowMs
  const source = yahooSource({ baseUrl: yahoo.url, fetch: counting, now, timeoutMs, policy, registry })
  const pass = (seconds: number) => {
    nowMs += seconds * 1000
  }
  return { source, yahoo, registry, left: () => left, mostTogether: () => mostTogether, pass }
}

const chartOfDays = {
  symbol: 'AAPL',
  interval: 'DAY_1',
  extendedHours: false,
  from: startMs / 1000 - 20 * 86_400,
  to: startMs / 1000,
} as const

type Call = (source: MarketSource) => Promise<unknown>
const quote: Call = (source) => source.listings(['AAPL'])
const chart: Call = (source) => source.candles(chartOfDays)
const search: Call = (source) => source.search('apple', 5)

/** undefined: it succeeded. */
async function codeOf(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call
    return undefined
  } catch (error) {
    assert.ok(error instanceof FinstageError, `not a FinstageError: ${error}`)
    assert.ok(error.cause || !error.temporary, `without a cause: ${error}`)
    return error.code
  }
}

/** A call a second, until one succeeds. Nothing but time is needed for that. */
async function recovers({ source, pass }: House, call: Call, withinCalls: number): Promise<void> {
  for (let tries = 0; tries < withinCalls; tries++) {
    pass(1)
    // The breaker goes by the machine's clock.
    await new Promise((resolve) => setTimeout(resolve, 2))
    if ((await codeOf(call(source))) === undefined) return
  }
  assert.fail(`not one of ${withinCalls} calls succeeded`)
}

interface Scenario {
  readonly call: Call
  readonly code: string
  /** How many calls may pass until one succeeds again: a debt of the retry budget is paid off by calls. */
  readonly recoversWithin: number
  /** 0: breakers hold nothing back, so that it is the budget alone that does. */
  readonly breakMs: number
  /** How long a call may take. */
  readonly timeoutMs: number
  /** Called before each of the calls. */
  break(yahoo: TestYahoo, call: number): void
}

function always(endpoint: Endpoint, fault: Fault, call: Call, code = 'SOURCE_UNAVAILABLE'): Scenario {
  return {
    call,
    code,
    recoversWithin: code === 'SOURCE_RATE_LIMITED' ? 60 : 20,
    // Time-outs take their time, and a session is two requests: there breakers belong to what is promised.
    breakMs: 'hang' in fault || endpoint === 'cookie' || endpoint === 'crumb' ? 2 : 0,
    timeoutMs: 'hang' in fault ? 60 : patienceMs,
    break: (yahoo, count) => void (count === 0 && yahoo.fault(endpoint, fault)),
  }
}

const wordsOfLimit = { status: 200, body: 'Too Many Requests\r\n' }
const limited = { status: 429, headers: { 'retry-after': '30' } }

const scenarios: Readonly<Record<string, Scenario>> = {
  'every second answer a 500': {
    ...always('quote', { status: 500 }, quote),
    break: (yahoo, count) => void (count % 2 === 0 && yahoo.fault('quote', { status: 500 }, 1)),
  },
  'two of three calls a 500, retried or not': {
    ...always('quote', { status: 500 }, quote),
    break: (yahoo, count) => {
      yahoo.clearFaults()
      if (count % 3 > 0) yahoo.fault('quote', { status: 500 })
    },
  },
  'every answer a 500': always('quote', { status: 500 }, quote),
  'every chart a 500': always('chart', { status: 500 }, chart),
  'every search a 500': always('search', { status: 500 }, search),
  'every answer hanging': always('quote', { hang: 'answer' }, quote),
  'every body hanging': always('chart', { hang: 'body' }, chart),
  'truncated JSON': always('quote', { truncated: true }, quote),
  HTML: always('chart', { html: true }, chart),
  'a 429 with Retry-After': always('quote', limited, quote, 'SOURCE_RATE_LIMITED'),
  'a 429 without Retry-After': always('chart', { status: 429 }, chart, 'SOURCE_RATE_LIMITED'),
  'dropped connections': always('quote', { drop: true }, quote),
  'a crumb endpoint that fails': always('crumb', { status: 500 }, quote),
  'a crumb endpoint that refuses': always('crumb', { status: 401 }, quote),
  'a cookie page that hangs': always('cookie', { hang: 'answer' }, quote),
  'a crumb endpoint with a 429': always('crumb', limited, quote, 'SOURCE_RATE_LIMITED'),
  'crumbs that are a page': always('crumb', { html: true }, quote),
  'crumbs that are the text of a 429': always('crumb', wordsOfLimit, quote, 'SOURCE_RATE_LIMITED'),
  'crumbs that are all refused': {
    call: quote,
    code: 'SOURCE_UNAVAILABLE',
    recoversWithin: 100,
    breakMs: 0,
    timeoutMs: patienceMs,
    break: (yahoo) => yahoo.expireCrumbs(),
  },
}

for (const [name, { call, code, recoversWithin, breakMs, timeoutMs, ...scenario }] of Object.entries(scenarios)) {
  test(`${name}: of ${callCount} calls, one a second, at most a tenth is asked again, and the source recovers`, async () => {
    await using yahoo = await startTestYahoo({ now: () => startMs })
    const house = houseOf(yahoo, { breakMs, timeoutMs })
    const codes = new Set<string>()
    for (let count = 0; count < callCount; count++) {
      scenario.break(yahoo, count)
      codes.add((await codeOf(call(house.source))) ?? 'ok')
      house.pass(1)
    }
    assert.ok(codes.has(code), [...codes].join())
    assert.ok(house.left() <= mostRequests, `${house.left()} requests`)
    yahoo.clearFaults()
    await recovers(house, call, recoversWithin)
  })

  test(`${name}: of ${callCount} calls at once at most a tenth is asked again`, async () => {
    await using yahoo = await startTestYahoo({ now: () => startMs })
    const house = houseOf(yahoo, { timeoutMs })
    scenario.break(yahoo, 0)
    const codes = await Promise.all(
      Array.from({ length: callCount }, async () => {
        scenario.break(yahoo, 1)
        return await codeOf(call(house.source))
      }),
    )
    assert.ok(house.left() <= mostRequests, `${house.left()} requests`)
    assert.ok(codes.length === callCount)
  })
}

test('200 quotes, four at a time, make at most 220 requests of a Yahoo that refuses every crumb', async () => {
  await using yahoo = await startTestYahoo({ now: () => startMs })
  const { source, left, pass } = houseOf(yahoo)
  for (let burst = 0; burst < 50; burst++) {
    yahoo.expireCrumbs()
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        const call = codeOf(quote(source))
        yahoo.expireCrumbs()
        await call
      }),
    )
    pass(1)
  }
  assert.ok(left() <= 220, `${left()} requests`)
})

test('a failing chart does not keep quotes and searches back', async () => {
  await using yahoo = await startTestYahoo({ now: () => startMs })
  const { source } = houseOf(yahoo)
  yahoo.fault('chart', { status: 500 })
  for (let count = 0; count < 20; count++) await codeOf(chart(source))
  assert.ok(yahoo.requestsTo('chart').length < 10)
  await quote(source)
  await search(source)
})

test('symbols that are not known, and ranges without data, keep nothing back', async () => {
  await using yahoo = await startTestYahoo({ now: () => startMs })
  const { source } = houseOf(yahoo)
  for (let count = 0; count < 30; count++) {
    assert.equal(await codeOf(source.candles({ ...chartOfDays, symbol: 'NOSUCH' })), 'SYMBOL_NOT_FOUND')
  }
  await chart(source)
  assert.equal(yahoo.requestsTo('chart').length, 31)
})

test('a call that waits for its turn longer than a call may take is no time-out', async () => {
  await using yahoo = await startTestYahoo({ now: () => startMs })
  const { source } = houseOf(yahoo, { timeoutMs: 400 })
  yahoo.fault('search', { delayMs: 50 })
  await Promise.all(Array.from({ length: 40 }, () => search(source)))
})

test('sixteen charts and four calls of each other endpoint are under way at once, whatever the others do', async () => {
  await using yahoo = await startTestYahoo({ now: () => startMs })
  const { source, mostTogether } = houseOf(yahoo)
  await quote(source)
  for (const endpoint of ['quote', 'chart', 'search'] as const) yahoo.fault(endpoint, { delayMs: 20 })
  await Promise.all([quote, chart, search].flatMap((call) => Array.from({ length: 20 }, () => call(source))))
  assert.equal(mostTogether(), 24)
})

test('the 517th call that would have to wait is SOURCE_UNAVAILABLE at once', async () => {
  await using yahoo = await startTestYahoo({ now: () => startMs })
  const { source } = houseOf(yahoo)
  const calls = Array.from({ length: 516 }, () => codeOf(chart(source)))
  await assert.rejects(chart(source), { code: 'SOURCE_UNAVAILABLE', message: /too many calls wait/i })
  assert.ok((await Promise.all(calls)).every((code) => code === undefined))
})

test('a session that was opened ahead serves the first quote, and what fails in it is told by the quote alone', async () => {
  await using yahoo = await startTestYahoo({ now: () => startMs })
  const { source } = houseOf(yahoo)
  const heal = yahoo.fault('crumb', { status: 404 })
  await source.warm?.()
  heal()
  await source.warm?.()
  assert.equal(yahoo.requestsTo('crumb').length, 2)
  await Promise.all([source.warm?.(), quote(source), quote(source)])
  assert.equal(yahoo.requestsTo('crumb').length, 2)
})

test('every request that left is counted by endpoint and outcome, and so is what was kept back', async () => {
  await using yahoo = await startTestYahoo({ now: () => startMs })
  const { source, registry, left } = houseOf(yahoo, { timeoutMs: 500 })
  await quote(source)
  await search(source)
  const outcomes: readonly Fault[] = [
    { status: 500 },
    { status: 404, body: '<html>' },
    { hang: 'answer' },
    { drop: true },
    { html: true },
    { truncated: true },
    { status: 429, headers: { 'retry-after': '9' } },
  ]
  for (const fault of outcomes) {
    yahoo.fault('search', fault, 1)
    await codeOf(search(source))
  }
  await codeOf(search(source))
  const { values = [] } = (await registry.getSingleMetric('finstage_source_calls_total')?.get()) ?? {}
  const counted = Object.fromEntries(
    values.flatMap(({ labels, value }) => (value > 0 ? [[`${labels.endpoint} ${labels.outcome}`, value]] : [])),
  )
  assert.deepEqual(counted, {
    'crumb ok': 2,
    'quote ok': 1,
    // One of the failures was retried.
    'search ok': 2,
    'search failed': 4,
    'search refused': 1,
    'search timeout': 1,
    'search rate_limited': 1,
  })
  const sum = values.reduce((total, { value }) => total + value, 0)
  assert.equal(sum, left())
  const text = await registry.metrics()
  assert.match(text, /finstage_source_call_seconds_count\{endpoint="search"\} 9/)
  assert.match(text, /finstage_source_retries_total\{endpoint="search"\} 1/)
  assert.match(text, /finstage_source_rejected_total\{endpoint="search",reason="rate_limit"\} 1/)
  assert.match(text, /finstage_source_breaker_state\{endpoint="chart"\} 0/)
  assert.ok(!text.includes('test.Crumb'))
})
