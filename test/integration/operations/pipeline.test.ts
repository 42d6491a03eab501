import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { serverAudits } from 'graphql-http'
import { WebSocket } from 'ws'
import { appOnTestYahoo } from '../../support/app.ts'
import { ask, eventually, inTime, metric, post, subscribe } from '../../support/clients/client.ts'

const { app, yahoo, database, pass } = await appOnTestYahoo()

test('all audits of GraphQL over HTTP pass, also when their documents are known, and when they have been compiled', async () => {
  const audits = serverAudits({ url: `${app.api}/graphql` })
  assert.equal(audits.length, 61)
  for (let run = 0; run < 12; run++) {
    const results = await Promise.all(audits.map((audit) => audit.fn()))
    const failed = results.filter((result) => result.status !== 'ok')
    assert.deepEqual(
      failed.map((result) => [result.id, result.name]),
      [],
    )
  }
})

const transports = [
  ['HTTP', post],
  ['WebSocket', ask],
] as const

for (const [transport, send] of transports) {
  test(`a source that takes 200 ms longer shows in the histogram of Query.quote, over ${transport}`, async () => {
    const labels = 'type="Query",field="quote"'
    const seconds = 'finstage_resolver_duration_seconds'
    const count = () => metric(app.metrics, `${seconds}_count`, labels)
    const sum = () => metric(app.metrics, `${seconds}_sum`, labels)
    const underTenth = () => metric(app.metrics, `${seconds}_bucket`, `le="0.1",${labels}`)
    await send(app.api, '{ quote(symbol: "AAPL") { price } }')
    const before = [await count(), await sum(), await underTenth()] as const
    pass(61_000)
    const clear = yahoo.fault('quote', { delayMs: 200 })
    const { errors } = await send(app.api, '{ alias: quote(symbol: "AAPL") { price } }')
    clear()
    assert.equal(errors, undefined)
    assert.equal((await count()) - before[0], 1)
    assert.ok((await sum()) - before[1] >= 0.19)
    assert.equal(await underTenth(), before[2])
  })

  test(`what a client chooses is no label, over ${transport}: operations go by root field, kind and outcome`, async () => {
    const total = (labels: string) => metric(app.metrics, 'finstage_requests_total', labels)
    const ok = 'operation="quote",kind="query",outcome="ok"'
    const wrong = 'operation="none",kind="none",outcome="error"'
    const partial = 'operation="quotes",kind="query",outcome="partial"'
    const before = [await total(ok), await total(wrong), await total(partial)] as const
    await send(app.api, 'query NameOfMine { aliasOfMine: quote(symbol: "AAPL") { price } }')
    await send(app.api, 'query NameOfMine { fieldOfMine }')
    await send(app.api, 'query NameOfMine { quotes(symbols: ["AAPL", "NOPE"]) { price } }')
    assert.deepEqual(
      [await total(ok), await total(wrong), await total(partial)],
      before.map((value) => value + 1),
    )
    const text = await (await fetch(`${app.metrics}/metrics`)).text()
    assert.doesNotMatch(text, /OfMine/)
  })

  test(`errors have the same codes over ${transport} as anywhere`, async () => {
    const codes = async (query: string, variables?: Record<string, unknown>) =>
      (await send(app.api, query, variables)).errors?.map(({ extensions }) => extensions.code)
    assert.deepEqual(await codes('{ quote(symbol: "NOPE") { price } }'), ['SYMBOL_NOT_FOUND'])
    assert.deepEqual(await codes('{ quote(symbol: "a b") { price } }'), ['BAD_USER_INPUT'])
    assert.deepEqual(await codes('query ($s: Symbol!) { quote(symbol: $s) { price } }', { s: 1 }), ['BAD_USER_INPUT'])
    assert.deepEqual(await codes('{ nothing }'), ['BAD_USER_INPUT'])
    assert.deepEqual(await codes('{ quote('), ['BAD_USER_INPUT'])
  })

  test(`an operation that asks too much is refused before it runs, over ${transport}`, async () => {
    const before = yahoo.requests.length
    const aliases = Array.from({ length: 300 }, (_, i) => `a${i}: quote(symbol: "AAPL") { price }`).join(' ')
    const deep = `{ quote(symbol: "AAPL") ${'{ instrument { quote '.repeat(10)} { price } ${'} }'.repeat(10)} }`
    const tokens = `{ quote(symbol: "AAPL") { ${'price '.repeat(5000)} } }`
    const directives = `{ quote(symbol: "AAPL") { price ${'@skip(if: false) '.repeat(60)} } }`
    for (const query of [`{ ${aliases} }`, deep, tokens, directives]) {
      const { data, errors } = await send(app.api, query)
      assert.equal(data ?? null, null)
      assert.equal(errors?.[0]?.extensions.code, 'BAD_USER_INPUT', query.slice(0, 60))
    }
    assert.equal(yahoo.requests.length, before)
  })
}

test('the pipeline holds for subscriptions over SSE too: limits, codes and metrics', async () => {
  const send = async (query: string): Promise<string> => {
    const response = await fetch(`${app.api}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query }),
    })
    return response.text()
  }
  const refused = 'operation="priceUpdates",kind="subscription",outcome="error"'
  const before = await metric(app.metrics, 'finstage_requests_total', refused)
  assert.match(await send('subscription { priceUpdates(symbols: ["NOPE"]) { price } }'), /"code":"SYMBOL_NOT_FOUND"/)
  assert.equal(await metric(app.metrics, 'finstage_requests_total', refused), before + 1)
  assert.match(
    await send(`subscription { priceUpdates(symbols: ["AAPL"]) { ${'price '.repeat(5000)} } }`),
    /"code":"BAD_USER_INPUT"/,
  )
})

test('a body of more than 256 KiB is refused, and so is a WebSocket message of more than 64 KiB', async () => {
  const body = JSON.stringify({ query: '{ quote(symbol: "AAPL") { price } }', padding: 'x'.repeat(300_000) })
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${app.api}/graphql`, { method: 'POST', headers, body })
  assert.equal(response.status, 413)

  const socket = new WebSocket(`${app.api.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  socket.on('open', () =>
    socket.send(JSON.stringify({ type: 'connection_init', payload: { padding: 'x'.repeat(70_000) } })),
  )
  assert.equal(await inTime(closed, 'the close'), 1009)
})

test('what fails inside is told as INTERNAL without its reason', async () => {
  await database.query('ALTER TABLE finstage.jobs RENAME TO hidden')
  try {
    const { errors } = await post(app.api, '{ jobs { edges { cursor } } }')
    assert.deepEqual(
      errors?.map(({ path, extensions }) => [path, extensions.code]),
      [[['jobs'], 'INTERNAL']],
    )
    assert.doesNotMatch(JSON.stringify(errors), /relation|finstage\.jobs|node_modules/)
  } finally {
    await database.query('ALTER TABLE finstage.hidden RENAME TO jobs')
  }
})

test('the process, its event loop and its machine are measured', async () => {
  const text = await (await fetch(`${app.metrics}/metrics`)).text()
  for (const name of [
    'process_resident_memory_bytes',
    'process_cpu_seconds_total',
    'nodejs_eventloop_lag_p99_seconds',
  ]) {
    assert.match(text, new RegExp(`^${name} \\d`, 'm'))
  }
  const percent = await metric(app.metrics, 'finstage_system_cpu_percent')
  assert.ok(percent > 0 && percent <= 100, `${percent}`)
})

test('open sockets and subscriptions are counted', async () => {
  const sockets = () => metric(app.metrics, 'finstage_live_connections')
  await eventually(async () => (await sockets()) === 0, 'no sockets')
  await using stream = subscribe(app.api, 'subscription { priceUpdates(symbols: ["AAPL"]) { price } }')
  await stream.next()
  assert.equal(await sockets(), 1)
  assert.equal(await metric(app.metrics, 'finstage_price_subscriptions'), 1)
})

test('healthz and readyz answer on both ports, each dependency by its name', async () => {
  for (const origin of [app.api, app.metrics]) {
    assert.equal((await fetch(`${origin}/healthz`)).status, 200)
    const ready = await fetch(`${origin}/readyz`)
    assert.equal(ready.status, 200)
    assert.deepEqual(await ready.json(), {
      status: 'ready',
      checks: { database: 'ok', bus: 'ok', feed: 'ok', queue: 'ok' },
    })
  }
})

test('GraphiQL comes compressed, as one page that needs nothing else', async () => {
  const page = await fetch(`${app.api}/graphql`, { headers: { accept: 'text/html', 'accept-encoding': 'gzip' } })
  assert.equal(page.headers.get('content-encoding'), 'gzip')
  const html = await page.text()
  assert.match(html, /subscription LivePrices/)
  assert.ok(Number(page.headers.get('content-length')) < gzipSync(html).length * 1.1)
  assert.doesNotMatch(html, /<(script|link)[^>]*(src|href)="https?:/)
})
