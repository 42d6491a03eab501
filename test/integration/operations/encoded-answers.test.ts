import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { startApp } from '../../support/app.ts'
import { inTime } from '../../support/clients/client.ts'
import { askHttp, type HttpAnswer } from '../../support/clients/http-answer.ts'
import { createTestDatabase } from '../../support/database/database.ts'

// The clock stands still, so that two answers can be compared.
const database = await createTestDatabase()
const nowMs = Date.UTC(2025, 2, 12, 15)
const app = await startApp({ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated' }, 'all', { now: () => nowMs })
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})

type Headers = Readonly<Record<string, string>>

const encodings = ['zstd', 'br', 'gzip'] as const
const json = { 'content-type': 'application/json' }

const byPost = (path: string) => (query: string, headers: Headers) =>
  askHttp(`${app.api}${path}`, { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify({ query }) })

/** With a query string, every POST is Yoga's. */
const ways: Readonly<Record<string, (query: string, headers: Headers) => Promise<HttpAnswer>>> = {
  'the short way of POST': byPost('/graphql'),
  "Yoga's POST": byPost('/graphql?yoga'),
  GET: (query, headers) => askHttp(`${app.api}/graphql?query=${encodeURIComponent(query)}`, { headers }),
}

const chart = '{ candles(symbol: "AAPL", last: 1000) { columns { time open high low close volume } } }'
const minutes = '{ candles(symbol: "AAPL", interval: MINUTE_1, last: 15000) { columns { time open high low close } } }'
const answers: Readonly<Record<string, string>> = {
  'a chart': chart,
  'an answer so long that a thread compresses it': minutes,
  'a document with many mistakes': `{ ${Array.from({ length: 40 }, (_, i) => `field${i}`).join(' ')} }`,
  'data beside many errors': `{ __typename ${Array.from({ length: 20 }, (_, i) => `q${i}: quote(symbol: "NO${i}") { price }`).join(' ')} }`,
  'characters beyond ASCII': `{ jobs(first: 1) { edges { cursor } } nodes(ids: ["${'é€😀'.repeat(300)}"]) { id } }`,
}

const sorted = ({ text }: HttpAnswer): unknown => {
  const { data, errors = [] } = JSON.parse(text) as { data: unknown; errors?: unknown[] }
  // Fields that fail side by side are reported as they come.
  return { data, errors: errors.map((error) => JSON.stringify(error)).toSorted() }
}

for (const [way, ask] of Object.entries(ways)) {
  for (const [what, query] of Object.entries(answers)) {
    test(`${what} is the same JSON in every encoding, by ${way}`, async () => {
      await ask(query, {})
      const plain = await ask(query, {})
      assert.equal(plain.headers['content-encoding'], undefined)
      assert.match(String(plain.headers.vary), /\bAccept-Encoding\b/)
      for (const encoding of encodings) {
        const answer = await ask(query, { 'accept-encoding': encoding })
        assert.equal(answer.headers['content-encoding'], encoding)
        assert.deepEqual(sorted(answer), sorted(plain))
        assert.equal(answer.status, plain.status)
        assert.equal(answer.headers['content-type'], plain.headers['content-type'])
        assert.equal(answer.headers['content-length'], String(answer.bytes.length))
        assert.equal(answer.headers.vary, plain.headers.vary)
        assert.ok(answer.bytes.length < plain.bytes.length / 2, `${answer.bytes.length} of ${plain.bytes.length}`)
      }
    })
  }

  test(`an answer is compressed from 1 kB on, by ${way}`, async () => {
    for (const [length, encoding] of [
      [1023, undefined],
      [1024, 'zstd'],
    ] as const) {
      const query = `{ ${'a'.repeat(length - '{"data":{"":"Query"}}'.length)}: __typename }`
      for (let time = 0; time < 2; time++) {
        const answer = await ask(query, { 'accept-encoding': 'zstd' })
        assert.equal(answer.text.length, length)
        assert.equal(answer.headers['content-encoding'], encoding)
      }
    }
  })

  test(`what a client weighs with 0 it does not get, and it gets what it weighs most, by ${way}`, async () => {
    for (const [header, encoding] of [
      ['zstd;q=0, br;q=0, gzip;q=0', undefined],
      ['*;q=0', undefined],
      ['deflate', undefined],
      ['zstd;q=0, *', 'br'],
      ['zstd;q=0.2, br;q=0.3, gzip;q=0.9', 'gzip'],
      ['gzip, deflate, br, zstd', 'zstd'],
    ] as const) {
      const { headers } = await ask(chart, { 'accept-encoding': header })
      assert.equal(headers['content-encoding'], encoding, header)
    }
  })

  test(`a page of another origin reads a compressed answer, and caches tell origins apart, by ${way}`, async () => {
    const origin = 'http://localhost:5173'
    for (let time = 0; time < 2; time++) {
      const { headers } = await ask(chart, { origin, 'accept-encoding': 'br' })
      assert.equal(headers['access-control-allow-origin'], origin)
      assert.match(String(headers.vary), /^Origin, (Accept, )?Accept-Encoding$/)
    }
  })
}

test('a small answer to a POST is as it ever was, to the header', async () => {
  for (const ask of [byPost('/graphql'), byPost('/graphql?yoga')]) {
    for (let time = 0; time < 2; time++) {
      const { headers, text } = await ask('{ quote(symbol: "AAPL") { symbol } }', {
        'accept-encoding': 'zstd, br, gzip',
      })
      const { date: _date, ...others } = headers
      assert.deepEqual(others, {
        'content-type': 'application/json; charset=utf-8',
        'content-length': String(text.length),
        connection: 'close',
      })
    }
  }
})

test('GraphiQL comes in every encoding', async () => {
  const plain = await askHttp(`${app.api}/graphql`, { headers: { accept: 'text/html' } })
  for (const encoding of encodings) {
    const headers = { accept: 'text/html', 'accept-encoding': encoding }
    const page = await askHttp(`${app.api}/graphql`, { headers })
    assert.equal(page.headers['content-encoding'], encoding)
    assert.ok(page.text === plain.text)
  }
})

test('an event stream is not compressed: each event arrives when it happens', async () => {
  const query = 'subscription { priceUpdates(symbols: ["AAPL"]) { symbol } }'
  const url = `${app.api}/graphql?query=${encodeURIComponent(query)}`
  const over = new AbortController()
  const headers = { accept: 'text/event-stream', 'accept-encoding': 'zstd, br, gzip' }
  const response = await fetch(url, { headers, signal: over.signal })
  // So that no proxy compresses it.
  assert.equal(response.headers.get('content-encoding'), 'none')
  assert.ok(response.body)
  let text = ''
  await inTime(
    (async () => {
      for await (const chunk of response.body ?? []) {
        text += Buffer.from(chunk).toString()
        if (text.includes('"symbol":"AAPL"')) break
      }
    })(),
    'an event',
  )
  over.abort()
})

test('fetch of Node decompresses by itself what it asks for by itself', async () => {
  const { text } = await byPost('/graphql')(chart, {})
  const response = await fetch(`${app.api}/graphql`, {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ query: chart }),
  })
  assert.ok(response.headers.get('content-encoding'))
  assert.deepEqual(await response.json(), JSON.parse(text))
})

const noCurl = existsSync('/usr/bin/curl') ? false : 'there is no curl'

test('curl --compressed reads a chart', { skip: noCurl }, async () => {
  const { text } = await byPost('/graphql')(chart, {})
  const url = `${app.api}/graphql?query=${encodeURIComponent(chart)}`
  const { stdout } = await promisify(execFile)('curl', ['--silent', '--include', '--compressed', url])
  assert.match(stdout, /^content-encoding: (zstd|br|gzip)/im)
  assert.ok(stdout.endsWith(text))
})

test('a client that goes away while its answer is compressed leaves the server well', async () => {
  for (const path of ['/graphql', '/graphql?yoga']) {
    const over = new AbortController()
    const asked = fetch(`${app.api}${path}`, {
      ...{ method: 'POST', headers: { ...json, 'accept-encoding': 'gzip' }, signal: over.signal },
      body: JSON.stringify({ query: minutes }),
    })
    setImmediate(() => over.abort())
    await assert.rejects(asked)
    assert.equal((await byPost(path)(chart, { 'accept-encoding': 'br' })).status, 200)
  }
})
