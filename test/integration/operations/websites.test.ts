import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { WebSocket } from 'ws'
import { startApp } from '../../support/app.ts'
import { inTime, metric, post } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'

const database = await createTestDatabase()
const settings = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated' }
const app = await startApp(settings)
/** As behind a proxy that passes the name on by which clients know it. */
const named = await startApp(
  { ...settings, ALLOWED_HOSTS: 'finstage.example', ALLOWED_ORIGINS: 'https://app.example' },
  'api',
)
after(async () => {
  await named.stop()
  await app.stop()
  await database[Symbol.asyncDispose]()
})

type Headers = Readonly<Record<string, string>>

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** fetch would put in a Host and an Origin of its own. Reads as much of a stream as comes first. */
async function send(
  url: string,
  { method = 'POST', headers = {}, body = '' }: { method?: string; headers?: Headers; body?: string | Buffer },
): Promise<Answer> {
  const outgoing = httpRequest(url, { method, headers, agent: false })
  outgoing.on('error', () => {})
  const arrived = once(outgoing, 'response') as Promise<[IncomingMessage]>
  outgoing.end(body)
  const [response] = await inTime(arrived, 'an answer')
  let text = ''
  for await (const chunk of response) {
    text += String(chunk)
    if (response.headers['content-type'] === 'text/event-stream' && text.includes('event:')) break
  }
  return { status: response.statusCode ?? 0, headers: response.headers, body: text }
}

const mutation =
  'mutation { enqueueAnalysis(input: { symbols: ["AAPL"] }) { ... on EnqueuePayload { job { id } } ... on InvalidInput { message } } }'
const quote = '{ quote(symbol: "AAPL") { symbol } }'
const prices = 'subscription { priceUpdates(symbols: ["AAPL"]) { symbol } }'
const json = { 'content-type': 'application/json' }
const bodyOf = (query: string): string => JSON.stringify({ query })

const jobs = async (): Promise<number> => {
  const [row] = await database.query<{ count: number }>('SELECT count(*)::int AS count FROM finstage.jobs')
  return row?.count ?? 0
}

function assertRefused({ status, headers, body }: Answer, expected: number, code: string, what: string): void {
  assert.equal(status, expected, what)
  assert.match(String(headers['content-type']), /^application\/json/, what)
  const { data, errors } = JSON.parse(body) as { data?: unknown; errors: { message: string; extensions: object }[] }
  assert.equal(data, undefined, what)
  assert.deepEqual(
    errors.map(({ extensions }) => extensions),
    [{ code }],
    what,
  )
  assert.ok(errors[0]?.message, what)
  assert.equal(headers['access-control-allow-origin'], undefined, what)
}

test('what a page may post without asking first is executed in no form, with and without an Origin', async () => {
  // Known by now, so that the short way would take it.
  for (let run = 0; run < 2; run++) assert.equal((await post(app.api, mutation)).errors, undefined)
  const before = await jobs()
  const boundary = 'x'
  const multipart = `--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n${bodyOf(mutation)}\r\n--x--\r\n`
  const forms: readonly (readonly [string | undefined, string])[] = [
    ['text/plain', bodyOf(mutation)],
    ['text/plain; application/json', bodyOf(mutation)],
    ['text/plain;charset=application/json', bodyOf(mutation)],
    ['text/plain, application/json', bodyOf(mutation)],
    ['application/json, text/plain', bodyOf(mutation)],
    ['application/x-www-form-urlencoded', `query=${encodeURIComponent(mutation)}`],
    ['application/x-www-form-urlencoded', bodyOf(mutation)],
    [`multipart/form-data; boundary=${boundary}`, multipart],
    ['application/graphql', mutation],
    ['application/graphql+json', bodyOf(mutation)],
    ['', bodyOf(mutation)],
    [undefined, bodyOf(mutation)],
  ]
  for (const path of ['/graphql', '/graphql?x', `/graphql?query=${encodeURIComponent(mutation)}`]) {
    for (const [type, body] of forms) {
      for (const origin of [undefined, app.api]) {
        const headers = { ...(type === undefined ? {} : { 'content-type': type }), ...(origin ? { origin } : {}) }
        const { status, headers: told, body: answer } = await send(`${app.api}${path}`, { headers, body })
        assert.equal(status, 415, `${path} ${type}`)
        assert.equal(told['access-control-allow-origin'], origin, 'who may come in may read what was wrong')
        assert.match(answer, /"code":"BAD_USER_INPUT"/)
      }
    }
  }
  assert.equal(await jobs(), before)
  assert.ok((await metric(app.metrics, 'finstage_http_refused_total', 'reason="content_type"')) >= forms.length)
})

test('a mutation by GET, or by any method but POST, is not executed', async () => {
  const before = await jobs()
  const url = `${app.api}/graphql?query=${encodeURIComponent(mutation)}`
  for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE']) {
    for (const accept of ['application/json', 'text/html', 'text/event-stream', 'multipart/mixed']) {
      const { status, body } = await send(url, { method, headers: { ...json, accept } })
      // An event stream tells of errors in its events, and there are no answers as text/html.
      const expected = accept === 'text/event-stream' ? [200, 405] : [405, 406]
      assert.ok(expected.includes(status), `${method} ${accept}: ${status}`)
      assert.doesNotMatch(body, /"data"/)
    }
  }
  assert.equal(await jobs(), before)
})

const foreign = [
  'http://evil.test',
  'https://evil.test',
  'null',
  '',
  'http://127.0.0.1.evil.test',
  'http://localhost.evil.test:4000',
  'http://evil.test/127.0.0.1',
  'http://127.0.0.1@evil.test',
  'file://',
  'chrome-extension://abc',
  'http://0.0.0.0',
]

test('an Origin that is not allowed gets 403 with FORBIDDEN on each way to an operation, and nothing is executed', async () => {
  const before = await jobs()
  const answered = await metric(app.metrics, 'finstage_requests_total', 'operation="quote",kind="query",outcome="ok"')
  for (const origin of foreign) {
    for (const query of [mutation, quote, prices]) {
      for (const accept of ['application/json', '*/*', 'text/event-stream', 'application/graphql-response+json']) {
        const headers = { ...json, accept, origin }
        for (const path of ['/graphql', '/graphql?x']) {
          assertRefused(await send(`${app.api}${path}`, { headers, body: bodyOf(query) }), 403, 'FORBIDDEN', origin)
        }
        const url = `${app.api}/graphql?query=${encodeURIComponent(query)}`
        assertRefused(await send(url, { method: 'GET', headers: { accept, origin } }), 403, 'FORBIDDEN', origin)
      }
    }
    const preflight = {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type',
    }
    assertRefused(await send(`${app.api}/graphql`, { method: 'OPTIONS', headers: preflight }), 403, 'FORBIDDEN', origin)
  }
  assert.equal(await jobs(), before)
  assert.equal(
    await metric(app.metrics, 'finstage_requests_total', 'operation="quote",kind="query",outcome="ok"'),
    answered,
  )
  assert.ok((await metric(app.metrics, 'finstage_http_refused_total', 'reason="origin"')) > foreign.length)
})

interface Upgrade {
  readonly status: number
  readonly body: string
}

/** How a WebSocket is answered; 101: it is open. */
async function upgrade(api: string, headers: Headers): Promise<Upgrade> {
  const socket = new WebSocket(`${api.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers })
  const answer = Promise.withResolvers<Upgrade>()
  socket.on('open', () => answer.resolve({ status: 101, body: '' }))
  socket.on('error', () => {})
  socket.on('unexpected-response', (_request, response) => {
    response.toArray().then((chunks) => {
      answer.resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() })
      socket.terminate()
    }, answer.reject)
  })
  const answered = await inTime(answer.promise, 'an answer')
  socket.terminate()
  return answered
}

test('a WebSocket of an Origin that is not allowed is refused with 403, of a Host that is not ours with 421', async () => {
  for (const origin of foreign) {
    const { status, body } = await upgrade(app.api, { origin })
    assert.equal(status, 403, origin)
    assert.match(body, /"code":"FORBIDDEN"/)
  }
  const rebound = await upgrade(app.api, { host: 'evil.test', origin: 'http://evil.test' })
  assert.equal(rebound.status, 421)
  assert.match(rebound.body, /ALLOWED_HOSTS.*"code":"FORBIDDEN"/)
  assert.equal((await upgrade(app.api, {})).status, 101, 'who sends no Origin is no browser')
  assert.equal((await upgrade(app.api, { origin: app.api })).status, 101)
})

test('what browsers get from elsewhere without naming an Origin (images, frames, links, no-cors) has nothing executed', async () => {
  const url = `${app.api}/graphql?query=${encodeURIComponent(quote)}`
  for (const site of ['cross-site', 'same-site']) {
    for (const accept of ['image/*', 'text/event-stream', 'text/html', '*/*']) {
      const headers = { accept, 'sec-fetch-site': site, 'sec-fetch-mode': 'no-cors' }
      assertRefused(await send(url, { method: 'GET', headers }), 403, 'FORBIDDEN', `${site} ${accept}`)
    }
  }
  for (const site of ['same-origin', 'none']) {
    const { status, body } = await send(url, { method: 'GET', headers: { 'sec-fetch-site': site } })
    assert.deepEqual([status, JSON.parse(body)], [200, { data: { quote: { symbol: 'AAPL' } } }])
  }
})

test('a Host that is not ours gets 421 with a sentence that names ALLOWED_HOSTS, on each path and on the port of the metrics', async () => {
  for (const host of [
    'evil.test',
    'evil.test:4000',
    '127.0.0.1.evil.test',
    '0.0.0.0',
    '192.0.2.1',
    '[2001:db8::1]:80',
  ]) {
    for (const path of ['/graphql', '/', '/healthz', '/readyz', '/nothing']) {
      for (const method of ['GET', 'POST', 'OPTIONS']) {
        const headers = { ...json, host, accept: 'text/html' }
        const answer = await send(`${app.api}${path}`, { method, headers, body: bodyOf(quote) })
        assertRefused(answer, 421, 'FORBIDDEN', `${host} ${path}`)
        assert.match(answer.body, /ALLOWED_HOSTS/)
      }
    }
    for (const path of ['/metrics', '/readyz', '/healthz', '/']) {
      const { status, body } = await send(`${app.metrics}${path}`, { method: 'GET', headers: { host } })
      assert.equal(status, 421, `${host} ${path}`)
      assert.match(body, /ALLOWED_HOSTS/)
    }
  }
  for (const host of ['localhost', 'LocalHost:1', '127.0.0.1', '127.9.9.9:4000', '[::1]', '[::1]:4000']) {
    for (const { status } of [
      await send(`${app.api}/graphql`, { headers: { ...json, host }, body: bodyOf(quote) }),
      await send(`${app.metrics}/metrics`, { method: 'GET', headers: { host } }),
    ]) {
      assert.equal(status, 200, host)
    }
  }
})

const preflight = (origin: string): Headers => ({
  origin,
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'content-type,x-client',
})

for (const [what, server, origins] of [
  [
    'on a loopback HOST: its own, and loopback of any port',
    app,
    [app.api, 'http://localhost:5173', 'https://127.0.0.1', 'http://[::1]:9'],
  ],
  ['as ALLOWED_ORIGINS names them, and its own', named, ['https://app.example', named.api]],
] as const) {
  test(`pages of these origins may use the server ${what}; none with credentials`, async () => {
    for (const origin of origins) {
      const asked = await send(`${server.api}/graphql`, { method: 'OPTIONS', headers: preflight(origin) })
      assert.deepEqual([asked.status, asked.body], [204, ''])
      assert.equal(asked.headers['access-control-allow-origin'], origin)
      assert.equal(asked.headers['access-control-allow-methods'], 'GET, POST')
      assert.equal(asked.headers['access-control-allow-headers'], 'content-type,x-client')
      assert.match(asked.headers.vary ?? '', /\bOrigin\b/)
      const url = `${server.api}/graphql`
      const got = `${url}?query=${encodeURIComponent(quote)}`
      const streamed = `${url}?query=${encodeURIComponent(prices)}`
      const kept = await send(got, { method: 'GET', headers: { origin, 'sec-fetch-site': 'cross-site' } })
      for (const answer of [
        await send(url, { headers: { ...json, origin }, body: bodyOf(quote) }),
        await send(url, { headers: { ...json, origin }, body: bodyOf(quote) }),
        await send(`${url}?x`, { headers: { ...json, origin }, body: bodyOf(quote) }),
        kept,
        await send(streamed, { method: 'GET', headers: { origin, accept: 'text/event-stream' } }),
        await send(url, { headers: { ...json, origin, accept: 'text/event-stream' }, body: bodyOf(prices) }),
      ]) {
        assert.equal(answer.status, 200)
        assert.match(answer.body, /"data":/)
        assert.equal(answer.headers['access-control-allow-origin'], origin)
        assert.equal(answer.headers.vary, answer === kept ? 'Origin, Accept, Accept-Encoding' : 'Origin')
      }
      assert.equal((await upgrade(server.api, { origin })).status, 101)
      for (const { headers } of [asked, await send(got, { method: 'GET', headers: { origin } })]) {
        assert.equal(headers['access-control-allow-credentials'], undefined)
      }
    }
  })
}

test('where ALLOWED_ORIGINS is set, pages of loopback are foreign; by the name of ALLOWED_HOSTS the server has an origin of its own', async () => {
  for (const origin of ['http://localhost:5173', 'https://app.example:444', 'https://other.app.example']) {
    const headers = { ...json, origin }
    assertRefused(await send(`${named.api}/graphql`, { headers, body: bodyOf(quote) }), 403, 'FORBIDDEN', origin)
    assert.equal((await upgrade(named.api, { origin })).status, 403)
  }
  for (const host of ['finstage.example', 'Finstage.Example:8443']) {
    const origin = `https://${host.toLowerCase()}`
    const { status } = await send(`${named.api}/graphql`, { headers: { ...json, host, origin }, body: bodyOf(quote) })
    assert.equal(status, 200, host)
    assert.equal((await upgrade(named.api, { host, origin })).status, 101)
  }
  const metrics = await send(`${named.metrics}/metrics`, { method: 'GET', headers: { host: 'finstage.example' } })
  assert.equal(metrics.status, 200)
})

test('who sends neither Origin nor Sec-Fetch-Site, as curl and servers do, is served as ever', async () => {
  const before = await jobs()
  const { status, headers } = await send(`${app.api}/graphql`, { headers: json, body: bodyOf(mutation) })
  assert.equal(status, 200)
  assert.equal(headers['access-control-allow-origin'], undefined)
  assert.equal(await jobs(), before + 1)
})

test('GraphiQL may be framed by nobody, loads nothing from elsewhere and speaks with no other server', async () => {
  for (const acceptEncoding of ['gzip', 'br', 'identity']) {
    const headers = { accept: 'text/html', 'accept-encoding': acceptEncoding }
    const { headers: fields } = await send(`${app.api}/graphql`, { method: 'GET', headers })
    assert.equal(fields['x-frame-options'], 'DENY')
    assert.match(
      String(fields['content-security-policy']),
      /default-src 'none';.*connect-src 'self';.*frame-ancestors 'none'/,
    )
    assert.equal(fields['x-content-type-options'], 'nosniff')
    assert.equal(fields['referrer-policy'], 'no-referrer')
  }
})

test('a body that is no JSON is a mistake of the client, told without what the parser says', async () => {
  const answers = [
    await send(`${app.api}/graphql`, { headers: json, body: '{"secret": "hunter2"' }),
    await send(`${app.api}/graphql`, { headers: json, body: 'hunter2' }),
    await send(`${app.api}/graphql?x`, { headers: json, body: Buffer.from([0xff, 0xfe]) }),
  ]
  for (const answer of answers) {
    assertRefused(answer, 400, 'BAD_USER_INPUT', answer.body)
    assert.doesNotMatch(answer.body, /originalError|hunter2|SyntaxError|position/)
  }
})

/** The result of an answer, by whichever media type it came. */
const resultOf = ({ headers, body }: Answer): { errors?: { message: string; extensions: object }[] } =>
  JSON.parse(headers['content-type'] === 'text/event-stream' ? (/^data: (.+)$/m.exec(body)?.[1] ?? '') : body)

const broken = ['undefined', '{', '{"s":', "{'s':1}", '[1,', 'hunter2', '{hunter2', 'NaN', '%7B%22hunter2', '%00', '%']
const unfit = ['7', 'true', '"hunter2"', '[1]']

for (const accept of ['application/json', 'application/graphql-response+json', 'text/event-stream', '*/*']) {
  test(`a parameter of an address that is no JSON object is a mistake of the client that names it, as ${accept}`, async () => {
    const internal = (): Promise<number> => metric(app.metrics, 'finstage_request_errors_total', 'code="INTERNAL"')
    const before = await internal()
    for (const query of ['{__typename}', 'subscription{priceUpdates(symbols:["AAPL"]){price}}']) {
      for (const field of ['variables', 'extensions']) {
        const others = [`${field === 'variables' ? 'extensions' : 'variables'}={}`, '']
        for (const text of [...broken, ...unfit]) {
          for (const other of others) {
            const url = `${app.api}/graphql?query=${encodeURIComponent(query)}&${other}&${field}=${text}`
            const answer = await send(url, { method: 'GET', headers: { accept } })
            const { errors } = resultOf(answer)
            assert.equal(answer.status, 400, url)
            assert.equal(errors?.length, 1, url)
            assert.match(errors?.[0]?.message ?? '', new RegExp(field), url)
            const expected = unfit.includes(text) ? { code: 'BAD_USER_INPUT' } : { code: 'BAD_USER_INPUT', field }
            assert.deepEqual(errors?.[0]?.extensions, expected, url)
            assert.doesNotMatch(answer.body, /originalError|hunter2|SyntaxError|position|"data"/)
          }
        }
      }
    }
    assert.equal(await internal(), before)
  })
}

test('a parameter of an address that is empty, null or an object is served', async () => {
  for (const field of ['variables', 'extensions']) {
    for (const text of ['', 'null', '{}', '%7B%22s%22%3A1%7D']) {
      const { status, body } = await send(`${app.api}/graphql?query={__typename}&${field}=${text}`, { method: 'GET' })
      assert.deepEqual([status, JSON.parse(body)], [200, { data: { __typename: 'Query' } }], `${field}=${text}`)
    }
  }
})

test('a media type is read whatever its capitals and spaces, on each way', async () => {
  const types = [
    ...['Application/Json; charset=utf-8', 'application/json ;charset=utf-8', 'application/json ; charset=UTF-8'],
    ...['APPLICATION/JSON', 'application/json;', 'application/json; charset="utf-8"', 'application/json;charset=utf8'],
    ...['application/json\t;\tCHARSET=Utf-8', 'application/json; charset=US-ASCII', 'application/json; profile=x'],
  ]
  for (const type of types) {
    for (const path of ['/graphql', '/graphql?x']) {
      for (const encoding of [undefined, 'identity', 'Identity', '']) {
        const headers = { 'content-type': type, ...(encoding === undefined ? {} : { 'content-encoding': encoding }) }
        const { status, body } = await send(`${app.api}${path}`, { headers, body: bodyOf(quote) })
        assert.deepEqual([status, JSON.parse(body)], [200, { data: { quote: { symbol: 'AAPL' } } }], `${path} ${type}`)
      }
    }
  }
  for (const accept of ['Application/JSON', 'text/plain;q=0.5 , application/json ; charset=UTF-8', ' */* ']) {
    for (const path of ['/graphql', '/graphql?x']) {
      const { status } = await send(`${app.api}${path}`, { headers: { ...json, accept }, body: bodyOf(quote) })
      assert.equal(status, 200, `${path} ${accept}`)
    }
  }
})

test('a body that is compressed or in another charset is refused, and told why', async () => {
  const utf16 = Buffer.from(bodyOf(quote), 'utf16le')
  const refused: readonly (readonly [Headers, string | Buffer, RegExp])[] = [
    [{ ...json, 'content-encoding': 'gzip' }, gzipSync(bodyOf(quote)), /Content-Encoding/],
    [{ ...json, 'content-encoding': 'GZIP' }, gzipSync(bodyOf(quote)), /Content-Encoding/],
    [{ ...json, 'content-encoding': 'identity, br' }, bodyOf(quote), /Content-Encoding/],
    [{ ...json, 'content-encoding': 'nonsense' }, bodyOf(quote), /Content-Encoding/],
    [{ 'content-type': 'application/json; charset=utf-16' }, utf16, /UTF-8/],
    [{ 'content-type': 'application/json;charset="UTF-16LE"' }, utf16, /UTF-8/],
    [{ 'content-type': 'application/json; charset=iso-8859-1' }, bodyOf(quote), /UTF-8/],
    [{ 'content-type': 'application/json; charset=utf-8; charset=utf-16' }, utf16, /UTF-8/],
    [{ 'content-type': 'application/json; charset=' }, bodyOf(quote), /UTF-8/],
    [{ 'content-type': 'application/json; charset = utf-16' }, utf16, /UTF-8/],
  ]
  for (const path of ['/graphql', '/graphql?x']) {
    for (const [headers, body, why] of refused) {
      const answer = await send(`${app.api}${path}`, { headers, body })
      assertRefused(answer, 415, 'BAD_USER_INPUT', JSON.stringify(headers))
      assert.match(answer.body, why)
    }
  }
})

test('a client that accepts no media type of an answer is told so in JSON, with a code', async () => {
  const accepts = ['text/plain', 'application/json; charset=utf-16', 'application/xml, image/*', 'text/html']
  for (const accept of accepts) {
    for (const [path, sent] of [
      ['/graphql', { body: bodyOf(quote) }],
      ['/graphql?x', { body: bodyOf(quote) }],
      ['/graphql', { body: bodyOf(prices) }],
      [`/graphql?query=${encodeURIComponent(quote)}`, { method: 'GET' }],
    ] as const) {
      const headers = 'method' in sent ? { accept } : { ...json, accept }
      assertRefused(await send(`${app.api}${path}`, { ...sent, headers }), 406, 'BAD_USER_INPUT', `${path} ${accept}`)
    }
  }
  const streams = await send(`${app.api}/graphql`, {
    headers: { ...json, accept: 'application/json' },
    body: bodyOf(prices),
  })
  assertRefused(streams, 406, 'BAD_USER_INPUT', 'a subscription as JSON')
})
