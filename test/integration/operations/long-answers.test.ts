import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { WebSocket } from 'ws'
import { longAnswers } from '../../../src/resolvers/rows.ts'
import { startApp } from '../../support/app.ts'
import { eventually, inTime } from '../../support/clients/client.ts'
import { askHttp } from '../../support/clients/http-answer.ts'
import { createTestDatabase } from '../../support/database/database.ts'

// The clock stands still, so that two answers can be compared.
const database = await createTestDatabase()
const nowMs = Date.UTC(2025, 2, 12, 15)
const environment = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', TRUST_PROXY: '127.0.0.1' }
const app = await startApp(environment, 'all', { now: () => nowMs })
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})

const minutes = 'candles(symbol: "AAPL", interval: MINUTE_1, last: 12000)'
const charts = {
  'by column': `{ ${minutes} { columns { epoch close volume sma(period: 5) macd { signal } } } }`,
  'as points': `{ ${minutes} { columns { epoch } nodes { time close } ema(period: 9) { time value } bollingerBands { upper } } }`,
}

async function connected(headers: Record<string, string> = {}): Promise<WebSocket> {
  const socket = new WebSocket(`${app.api.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers })
  await inTime(once(socket, 'open'), 'a connection')
  const acknowledged = once(socket, 'message')
  socket.send('{"type":"connection_init"}')
  await inTime(acknowledged, 'an acknowledgement')
  return socket
}

const subscribe = (socket: WebSocket, id: string, query: string): void =>
  socket.send(JSON.stringify({ type: 'subscribe', id, payload: { query } }))

for (const [form, query] of Object.entries(charts)) {
  test(`a long chart ${form} is the same bytes by the short way of POST, by Yoga, by GET and over WebSocket, beside live prices`, async () => {
    const post = (path: string) =>
      askHttp(`${app.api}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query }),
      })
    const get = (headers = {}) => askHttp(`${app.api}/graphql?query=${encodeURIComponent(query)}`, { headers })
    const first = await get()
    const { text } = first
    assert.ok(text.startsWith('{"data":{"candles":{"columns":{"epoch":[') && text.length > 600_000, text.slice(0, 200))
    const got = [await post('/graphql?yoga'), await post('/graphql'), await post('/graphql'), await get()]
    for (const answer of got) assert.ok(answer.text === text)
    const { etag } = first.headers
    assert.ok(etag)
    assert.equal(got.at(-1)?.headers.etag, etag)
    assert.equal((await get({ 'if-none-match': etag })).status, 304)

    const socket = await connected()
    const messages: string[] = []
    socket.on('message', (message) => messages.push(String(message)))
    subscribe(socket, 'prices', 'subscription { priceUpdates(symbols: ["BTC-USD"]) { symbol price } }')
    for (const id of ['a', 'b']) subscribe(socket, id, query)
    const isAnswered = (id: string) => messages.includes(`{"id":"${id}","type":"complete"}`)
    await eventually(
      () => isAnswered('a') && isAnswered('b'),
      () => 'both answers',
    )
    for (const id of ['a', 'b']) {
      assert.ok(messages.includes(`{"id":"${id}","type":"next","payload":${text}}`))
    }
    // Every message was whole: the others are prices and ends.
    for (const message of messages) if (message.length < 1000) JSON.parse(message)
    socket.close()
  })
}

test('long operations that their client drops over WebSocket no longer count as open', async () => {
  const socket = await connected()
  const messages: string[] = []
  socket.on('message', (message) => messages.push(String(message).slice(0, 200)))
  const begun = 30
  for (let round = 0; round < 5; round++) {
    const ids = Array.from({ length: begun }, (_, i) => `${round} ${i}`)
    for (const id of ids) subscribe(socket, id, charts['as points'])
    // It is answered before they are.
    subscribe(socket, `quote ${round}`, '{ quote(symbol: "AAPL") { symbol } }')
    await eventually(
      () => messages.includes(`{"id":"quote ${round}","type":"next","payload":{"data":{"quote":{"symbol":"AAPL"}}}}`),
      () => `a quote beside: ${messages.slice(-3)}`,
    )
    for (const id of ids) socket.send(JSON.stringify({ type: 'complete', id }))
  }
  const answered = messages.filter((message) => message.includes('"candles"')).length
  assert.ok(answered < 2 * begun, `${answered} of ${5 * begun} were answered though they were dropped`)
  socket.close()
})

const isFree = (): Promise<void> => eventually(() => longAnswers.used === 0, 'that nothing holds room')

/** 2001:db8:1:2::/64, as it names a client. */
const networkName = '8193:3512:1:2'

test('a long answer counts for the client that the proxy names, on every way, until it is sent or its client has gone', async (t) => {
  const clients: string[] = []
  const take = longAnswers.take.bind(longAnswers)
  t.mock.method(longAnswers, 'take', (...[caller, bytes]: Parameters<typeof take>) => {
    // What the test before has dropped may come to its end now.
    if (caller.client !== '127.0.0.1') clients.push(caller.client)
    return take(caller, bytes)
  })
  const query = charts['as points']
  const headers = (client: string) => ({ 'content-type': 'application/json', 'x-forwarded-for': client })
  const post = (path: string, client: string) =>
    askHttp(`${app.api}${path}`, { method: 'POST', headers: headers(client), body: JSON.stringify({ query }) })
  await post('/graphql?yoga', '192.0.2.1')
  await post('/graphql', '2001:db8:1:2:3::4')
  const get = `${app.api}/graphql?query=${encodeURIComponent(query)}`
  await askHttp(get, { headers: { 'x-forwarded-for': '192.0.2.3' } })
  const socket = await connected({ 'x-forwarded-for': '192.0.2.4' })
  subscribe(socket, 'a', query)
  await inTime(once(socket, 'message'), 'an answer')
  await isFree()
  assert.deepEqual([...new Set(clients.splice(0))], ['192.0.2.1', networkName, '192.0.2.3', '192.0.2.4'])

  for (const id of ['b', 'c']) subscribe(socket, id, query)
  await eventually(() => longAnswers.used > 0, 'that they hold room')
  socket.send('{"type":"complete","id":"b"}')
  socket.terminate()
  await isFree()
  for (const path of ['/graphql?yoga', '/graphql']) {
    const leave = new AbortController()
    const asking = fetch(`${app.api}${path}`, {
      ...{ method: 'POST', headers: headers('192.0.2.5'), body: JSON.stringify({ query }), signal: leave.signal },
    })
    await eventually(() => longAnswers.used > 0, 'that it holds room')
    leave.abort()
    await assert.rejects(asking)
    await isFree()
  }
})

/** Longer than what systems keep of what a client does not read. */
const times = Array.from({ length: 24 }, (_, i) => `t${i}: time`).join(' ')
const unread = {
  'the first answer of a document': `{ ${minutes} { nodes { ${times} } } }`,
  'an answer with an error beside long lists': `{ wrong: quote(symbol: "NOSUCH") { price } ${minutes} { nodes { ${times} } } }`,
}

for (const [kind, query] of Object.entries(unread)) {
  test(`${kind} holds room over WebSocket until its client has read it, and is what HTTP answers`, async () => {
    const { text } = await askHttp(`${app.api}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    })
    const { errors, ...rest } = JSON.parse(text)
    const payload = JSON.stringify({ ...rest, ...(errors && { errors }) })
    await isFree()
    // The second is of a document that is known.
    for (const id of ['a', 'b']) {
      const socket = await connected()
      const messages: string[] = []
      socket.on('message', (message) => messages.push(String(message)))
      socket.pause()
      subscribe(socket, id, `${query} # over WebSocket`)
      const next = `{"id":"${id}","type":"next","payload":${payload}}`
      await eventually(
        () => longAnswers.used === next.length,
        () => `that it holds room while it is sent: ${next.length} bytes, not ${longAnswers.used}`,
      )
      socket.resume()
      await eventually(() => messages.length === 2, 'the answer')
      assert.ok(messages[0] === next)
      assert.equal(messages[1], `{"id":"${id}","type":"complete"}`)
      await isFree()
      socket.close()
    }
    const socket = await connected()
    socket.pause()
    subscribe(socket, 'c', query)
    await eventually(
      () => longAnswers.used === `{"id":"c","type":"next","payload":${payload}}`.length,
      'that it is sent',
    )
    socket.terminate()
    await isFree()
  })
}
