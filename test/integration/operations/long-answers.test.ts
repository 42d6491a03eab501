import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { WebSocket } from 'ws'
import { startApp } from '../../support/app.ts'
import { eventually, inTime } from '../../support/clients/client.ts'
import { askHttp } from '../../support/clients/http-answer.ts'
import { createTestDatabase } from '../../support/database/database.ts'

// The clock stands still, so that two answers can be compared.
const database = await createTestDatabase()
const nowMs = Date.UTC(2025, 2, 12, 15)
const app = await startApp({ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated' }, 'all', { now: () => nowMs })
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})

const minutes = 'candles(symbol: "AAPL", interval: MINUTE_1, last: 12000)'
const charts = {
  'by column': `{ ${minutes} { columns { epoch close volume sma(period: 5) macd { signal } } } }`,
  'as points': `{ ${minutes} { columns { epoch } nodes { time close } ema(period: 9) { time value } bollingerBands { upper } } }`,
}

async function connected(): Promise<WebSocket> {
  const socket = new WebSocket(`${app.api.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
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
