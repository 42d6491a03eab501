import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startApp } from '../../support/app.ts'
import { askHttp, type HttpAnswer } from '../../support/clients/http-answer.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { noNginx, startNginx } from '../../support/nginx.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

const database = await createTestDatabase()
const startMs = Date.UTC(2025, 2, 12, 15)
let nowMs = startMs
const settings = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated' }
const app = await startApp(settings, 'all', { now: () => nowMs })
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})

type Headers = Readonly<Record<string, string>>

const urlOf = (api: string, query: string): string => `${api}/graphql?query=${encodeURIComponent(query)}`
const get = (query: string, headers: Headers = {}): Promise<HttpAnswer> => askHttp(urlOf(app.api, query), { headers })

const quote = '{ quote(symbol: "AAPL") { symbol price } }'
const range = (args: string, fields = 'columns { time close }'): string =>
  `{ candles(symbol: "AAPL", ${args}) { ${fields} } }`
const final = range('from: "2024-01-01T00:00:00Z", to: "2025-03-12T00:00:00Z"')

const tagOf = ({ headers }: HttpAnswer): string => {
  assert.match(String(headers.etag), /^"[^"]+"$/)
  return String(headers.etag)
}

/** Sessions of the simulated market begin at midnight, in nine hours. */
const untilMidnight = 'max-age=32400'

for (const [what, query, cacheControl] of [
  ['a range of closed candles', final, untilMidnight],
  ['the newest candles before a time', range('to: "2025-03-12T00:00:00Z", last: 30'), untilMidnight],
  ['a final range with indicators', final.replace('columns', 'sma(period: 5) { epoch value } columns'), untilMidnight],
  [
    'a final range of minutes',
    range('from: "2025-03-10T08:00:00Z", to: "2025-03-10T12:00:00Z", interval: MINUTE_1'),
    untilMidnight,
  ],
  [
    'several final ranges',
    `{ a: candles(symbol: "AAPL", last: 3, to: "2025-03-12T00:00:00Z") { columns { time } } ...F } fragment F on Query { candles(symbol: "MSFT", last: 3, to: "2025-03-01T00:00:00Z") { columns { close } } }`,
    untilMidnight,
  ],
  ['candles up to now', range('last: 1000'), 'no-cache'],
  ['a range without an end', range('from: "2025-03-01T00:00:00Z"'), 'no-cache'],
  [
    'a range that ends in the running session',
    range('from: "2025-03-12T00:00:00Z", to: "2025-03-12T12:00:00Z", interval: MINUTE_1'),
    'no-cache',
  ],
  ['a range that ends in the future', range('from: "2025-03-01T00:00:00Z", to: "2026-03-01T00:00:00Z"'), 'no-cache'],
  ['a range that lies in the future', range('from: "2026-03-01T00:00:00Z", to: "2026-04-01T00:00:00Z"'), 'no-cache'],
  ['an open range beside a final one', `{ a: ${range('last: 5').slice(2, -2)} b: ${final.slice(2, -2)} }`, 'no-cache'],
  ['a final range beside an open one', `{ a: ${final.slice(2, -2)} b: ${range('last: 5').slice(2, -2)} }`, 'no-cache'],
  ['a final range beside a quote', `{ ${final.slice(2, -2)} ${quote.slice(2, -2)} }`, 'no-cache'],
  [
    'a final range of an instrument',
    '{ instrument(symbol: "AAPL") { candles(last: 3, to: "2025-03-12T00:00:00Z") { columns { time } } } }',
    'no-cache',
  ],
  ['signals of a final range', final.replace('columns {', 'signals { outcome { complete } } columns {'), 'no-cache'],
  ['a quote', quote, 'no-cache'],
  ['the schema', '{ __schema { queryType { name } } }', 'no-cache'],
  ['jobs of the viewer', '{ jobs(first: 3) { edges { cursor } } }', 'private, no-cache'],
  [
    'jobs of the viewer beside a final range',
    `{ ${final.slice(2, -2)} jobs(first: 3) { edges { cursor } } }`,
    'private, no-cache',
  ],
  [
    'a job of the viewer',
    '{ node(id: "Sm9iOjAxOGY0ZWU2LTAwMDAtNzAwMC04MDAwLTAwMDAwMDAwMDAwMA==") { id } }',
    'private, no-cache',
  ],
] as const) {
  test(`of ${what}, a cache is told ${cacheControl}`, async () => {
    for (let time = 0; time < 2; time++) {
      const answer = await get(query)
      assert.equal(answer.status, 200, answer.text)
      assert.equal(JSON.parse(answer.text).errors, undefined, answer.text)
      assert.equal(answer.headers['cache-control'], cacheControl)
      assert.equal(answer.headers.vary, 'Origin, Accept, Accept-Encoding')
      const again = await get(query, { 'if-none-match': tagOf(answer) })
      assert.equal(again.status, 304)
    }
  })
}

for (const [what, status, query, headers] of [
  ['an unknown symbol', 200, '{ quote(symbol: "NOSUCH") { price } }', {}],
  ['an error beside a final range', 200, `{ ${final.slice(2, -2)} quote(symbol: "NOSUCH") { price } }`, {}],
  ['a final range and a mistake in it', 200, final.replace('columns', 'sma(period: 0) { value } columns'), {}],
  [
    'an error in the newer media type',
    200,
    `{ ${final.slice(2, -2)} quote(symbol: "NOSUCH") { price } }`,
    { accept: 'application/graphql-response+json' },
  ],
  ['a document that is not valid', 200, '{ nothing }', {}],
  ['the same in the newer media type', 400, '{ nothing }', { accept: 'application/graphql-response+json' }],
  ['no operation', 200, '', {}],
  ['a mutation', 405, 'mutation { enqueueAnalysis(input: { symbols: ["AAPL"] }) { __typename } }', {}],
  ['a media type that there is not', 406, quote, { accept: 'text/plain' }],
  ['a page of a website that is not allowed', 403, quote, { origin: 'https://example.com' }],
] as const) {
  test(`of ${what}, no cache keeps the answer, nor is it ever "not modified"`, async () => {
    const answer = await get(query, { ...headers, 'if-none-match': '*' })
    assert.equal(answer.status, status, answer.text)
    assert.ok(JSON.parse(answer.text).errors.length > 0)
    assert.equal(answer.headers['cache-control'], 'no-store')
    assert.equal(answer.headers.etag, undefined)
  })
}

test('a client that has the answer gets 304: no body, and the headers that it may have forgotten', async () => {
  for (const query of [quote, final]) {
    for (const encoding of ['zstd', 'br', 'gzip', 'identity']) {
      const headers = { 'accept-encoding': encoding, origin: 'http://localhost:5173' }
      const first = await get(query, headers)
      const tag = tagOf(first)
      for (const known of [tag, `W/${tag}`, `"other", ${tag}`, `W/"other",W/${tag} , "third"`, '*']) {
        const again = await get(query, { ...headers, 'if-none-match': known })
        assert.deepEqual([again.status, again.bytes.length], [304, 0], known)
        const { date: _date, ...kept } = again.headers
        assert.deepEqual(kept, {
          etag: tag,
          'cache-control': first.headers['cache-control'],
          vary: 'Origin, Accept, Accept-Encoding',
          'access-control-allow-origin': 'http://localhost:5173',
          'access-control-expose-headers': 'ETag',
          connection: 'close',
        })
      }
      for (const other of ['"other"', tag.slice(1, -1), '""', `"${tag.slice(1, 5)}"`]) {
        const again = await get(query, { ...headers, 'if-none-match': other })
        assert.deepEqual([again.status, again.text], [200, first.text], other)
      }
    }
  }
})

test('what has changed comes anew, under another tag', async () => {
  const known = [quote, range('last: 10')]
  const before = await Promise.all(known.map((query) => get(query)))
  nowMs += 60_000
  try {
    for (const [i, query] of known.entries()) {
      const answer = await get(query, { 'if-none-match': tagOf(before[i] as HttpAnswer) })
      assert.equal(answer.status, 200, query)
      assert.notEqual(answer.text, before[i]?.text)
      assert.notEqual(tagOf(answer), before[i]?.headers.etag)
    }
  } finally {
    nowMs = startMs
  }
})

test('each encoding and each media type has a tag of its own, and no other matches', async () => {
  const tags = new Map<string, Headers>()
  for (const accept of ['application/json', 'application/graphql-response+json']) {
    for (const encoding of ['zstd', 'br', 'gzip', 'identity']) {
      const headers = { accept, 'accept-encoding': encoding }
      tags.set(tagOf(await get(final, headers)), headers)
    }
  }
  assert.equal(tags.size, 8)
  for (const [tag, own] of tags) {
    for (const headers of tags.values()) {
      const { status } = await get(final, { ...headers, 'if-none-match': tag })
      assert.equal(status, headers === own ? 304 : 200)
    }
  }
})

test('only what is asked for by GET is tagged and kept', async () => {
  for (const path of ['/graphql', '/graphql?yoga']) {
    for (let time = 0; time < 2; time++) {
      const { status, headers } = await askHttp(`${app.api}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'if-none-match': '*' },
        body: JSON.stringify({ query: final }),
      })
      assert.equal(status, 200)
      assert.deepEqual([headers.etag, headers['cache-control']], [undefined, undefined])
    }
  }
})

test('HEAD is refused, as ever', async () => {
  assert.equal((await askHttp(urlOf(app.api, quote), { method: 'HEAD' })).status, 405)
})

test('a page of another origin may send If-None-Match and read the tag', async () => {
  const origin = 'http://localhost:5173'
  const asked = await askHttp(urlOf(app.api, quote), {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'if-none-match' },
  })
  assert.equal(asked.headers['access-control-allow-headers'], 'if-none-match')
  const { headers } = await get(quote, { origin })
  assert.equal(headers['access-control-expose-headers'], 'ETag')
  assert.equal((await get(quote)).headers['access-control-expose-headers'], undefined)
})

test('fetch revalidates with the tag that it was given', async () => {
  const first = await fetch(urlOf(app.api, final))
  await first.json()
  const again = await fetch(urlOf(app.api, final), { headers: { 'if-none-match': first.headers.get('etag') ?? '' } })
  assert.deepEqual([again.status, await again.text()], [304, ''])
})

test('behind an nginx that compresses by itself and so weakens the tag, clients revalidate', {
  skip: noNginx,
}, async () => {
  const { port } = new URL(app.api)
  await using nginx = await startNginx(
    (listen) => `server {
      listen 127.0.0.1:${listen};
      gzip_types application/json;
      gzip_proxied any;
      location / { proxy_pass http://127.0.0.1:${port}; proxy_set_header Accept-Encoding ""; }
      location /passed { rewrite ^/passed(.*)$ $1 break; proxy_pass http://127.0.0.1:${port}; }
    }`,
  )
  const headers = { 'accept-encoding': 'gzip' }
  const { text } = await get(final)
  for (const [path, tag] of [
    ['', /^W\/"[\w-]+-identity"$/],
    ['/passed', /^"[\w-]+-gzip"$/],
  ] as const) {
    const url = urlOf(`${nginx.url}${path}`, final)
    const first = await askHttp(url, { headers })
    assert.deepEqual([first.headers['content-encoding'], first.text], ['gzip', text])
    assert.match(String(first.headers.etag), tag)
    const again = await askHttp(url, { headers: { ...headers, 'if-none-match': String(first.headers.etag) } })
    assert.deepEqual([again.status, again.bytes.length], [304, 0])
  }
})

test('max-age lasts until the next session opens: a split shows no later than it is over', async () => {
  await using ownDatabase = await createTestDatabase()
  nowMs = Date.parse('2025-03-12T15:10:00Z')
  const now = (): number => nowMs
  await using yahoo = await startTestYahoo({ now })
  await using own = await startApp({ DATABASE_URL: ownDatabase.url, YAHOO_BASE_URL: yahoo.url }, 'all', { now })
  try {
    const url = urlOf(own.api, range('from: "2025-02-10T00:00:00Z", to: "2025-03-01T00:00:00Z"'))
    yahoo.addSplit('AAPL', '2025-03-13', 2, 1)
    const first = await askHttp(url, {})
    // 22 h 20 min, until half past nine in New York.
    assert.equal(first.headers['cache-control'], 'max-age=80400')
    const headers = { 'if-none-match': tagOf(first) }
    nowMs += 80_399_000
    const still = await askHttp(url, { headers })
    assert.deepEqual([still.status, still.headers['cache-control']], [304, 'max-age=1'])
    nowMs += 2000
    const later = await askHttp(url, { headers })
    assert.equal(later.status, 200)
    const [before, after] = [first, later].map(({ text }) => JSON.parse(text).data.candles.columns.close as number[])
    assert.ok(Math.abs((before?.[0] ?? 0) / (after?.[0] ?? 1) - 2) < 0.01)
  } finally {
    nowMs = startMs
  }
})

test('max-age ends at the opening by the clock of the exchange, even if that has changed since the range was fetched', async () => {
  await using ownDatabase = await createTestDatabase()
  nowMs = Date.parse('2025-03-05T15:30:00Z')
  const now = (): number => nowMs
  await using yahoo = await startTestYahoo({ now })
  await using own = await startApp({ DATABASE_URL: ownDatabase.url, YAHOO_BASE_URL: yahoo.url }, 'all', { now })
  try {
    const url = urlOf(own.api, range('interval: HOUR_1, from: "2025-02-03T00:00:00Z", to: "2025-02-05T00:00:00Z"'))
    assert.equal((await askHttp(url, {})).headers['cache-control'], 'max-age=82800')
    // Summer time begins on the 9th: New York opens at 13:30 UTC.
    nowMs = Date.parse('2025-03-12T13:00:00Z')
    assert.equal((await askHttp(url, {})).headers['cache-control'], 'max-age=1800')
  } finally {
    nowMs = startMs
  }
})

test('a range whose rows were left out, or that is served while the source is away, is revalidated', async () => {
  await using ownDatabase = await createTestDatabase()
  nowMs = Date.parse('2025-03-12T15:10:00Z')
  const now = (): number => nowMs
  await using yahoo = await startTestYahoo({ now })
  await using own = await startApp({ DATABASE_URL: ownDatabase.url, YAHOO_BASE_URL: yahoo.url }, 'all', { now })
  try {
    const rows = [3, 4, 5, 6, 7].map((day) => {
      const close = day === 5 ? null : 100 + day
      return { time: Date.UTC(2025, 2, day, 14, 30) / 1000, open: close, high: close, low: close, close, volume: 10 }
    })
    yahoo.setChart('MSFT', '1d', rows)
    const holey = `{ candles(symbol: "MSFT", from: "2025-03-03T00:00:00Z", to: "2025-03-08T00:00:00Z") { excluded nodes { close } } }`
    const { headers, text } = await askHttp(urlOf(own.api, holey), {})
    assert.deepEqual(JSON.parse(text).data.candles.excluded, 1)
    assert.equal(headers['cache-control'], 'no-cache')

    const whole = range('from: "2025-02-10T00:00:00Z", to: "2025-03-01T00:00:00Z"', 'stale columns { close }')
    assert.match(String((await askHttp(urlOf(own.api, whole), {})).headers['cache-control']), /^max-age=/)
    yahoo.fault('chart', { status: 500 })
    nowMs += 86_400_000
    const stale = await askHttp(urlOf(own.api, whole), {})
    assert.equal(JSON.parse(stale.text).data.candles.stale, true)
    assert.equal(stale.headers['cache-control'], 'no-cache')
  } finally {
    nowMs = startMs
  }
})
