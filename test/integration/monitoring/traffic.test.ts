import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { after, test } from 'node:test'
import { WebSocket } from 'ws'
import { startApp } from '../../support/app.ts'
import { eventually, metric, post, subscribe } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'

const database = await createTestDatabase()
const app = await startApp({
  DATABASE_URL: database.url,
  MARKET_SOURCE: 'simulated',
  MAX_CONNECTIONS: '4',
  MAX_POINTS_PER_OPERATION: '200',
})
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})
const told = (name: string, labels?: string): Promise<number> => metric(app.metrics, `finstage_${name}`, labels)
const becomes = (name: string, value: number, labels?: string): Promise<void> =>
  eventually(
    async () => (await told(name, labels)) === value,
    async () => `${name} ${value}: ${await told(name, labels)}`,
  )

test('answers over HTTP are counted by class, refusals included', async () => {
  const before = [
    await told('http_responses_total', 'status="2xx"'),
    await told('http_responses_total', 'status="4xx"'),
  ]
  await post(app.api, '{ quote(symbol: "AAPL") { price } }')
  await (await fetch(`${app.api}/nowhere`)).text()
  await (await fetch(`${app.api}/graphql`, { method: 'POST', body: 'x' })).text()
  const now = [await told('http_responses_total', 'status="2xx"'), await told('http_responses_total', 'status="4xx"')]
  assert.deepEqual(now, [(before[0] ?? 0) + 1, (before[1] ?? 0) + 2])
})

test('a stream over SSE is a request under way until its client goes, a WebSocket is none', async () => {
  const url = `${app.api}/graphql?query=${encodeURIComponent('subscription { priceUpdates(symbols: ["AAPL"]) { price } }')}`
  const stream = request(url, { headers: { accept: 'text/event-stream' } })
  stream.on('error', () => {})
  stream.end()
  await once(stream, 'response')
  await becomes('event_streams', 1)
  await becomes('http_requests_in_flight', 1)
  const socket = new WebSocket(`${app.api.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  await once(socket, 'open')
  await becomes('websockets', 1)
  assert.equal(await told('http_requests_in_flight'), 1)
  assert.equal(await told('saturation_ratio', 'resource="live_connections"'), 0.5)
  assert.ok((await told('tcp_connections')) >= 2)
  stream.destroy()
  socket.terminate()
  await becomes('http_requests_in_flight', 0)
  await becomes('websockets', 0)
})

test('messages of WebSockets are counted in both directions', async () => {
  const before = [await told('websocket_messages_received_total'), await told('websocket_messages_sent_total')]
  await using stream = subscribe(app.api, '{ quote(symbol: "AAPL") { price } }')
  await stream.next()
  // connection_init and subscribe; connection_ack, next and, later, complete.
  assert.equal(await told('websocket_messages_received_total'), (before[0] ?? 0) + 2)
  assert.ok((await told('websocket_messages_sent_total')) >= (before[1] ?? 0) + 2)
})

test('an operation that fails by a fault of ours counts as failed, one that its client could have avoided does not', async () => {
  const before = await told('requests_failed_total')
  await post(app.api, '{ nothing }')
  await post(app.api, '{ quote(symbol: "NOBODY-KNOWS") { price } }')
  assert.equal(await told('requests_failed_total'), before)
  await database.query('ALTER TABLE finstage.jobs RENAME TO away')
  await post(app.api, '{ jobs { edges { node { id } } } }')
  await database.query('ALTER TABLE finstage.away RENAME TO jobs')
  assert.equal(await told('requests_failed_total'), before + 1)
  assert.equal(await told('database_failures_total', 'reason="other"'), 1)
})

test('points of refused operations are told apart from those that were spent', async () => {
  const before = await told('points_spent_total')
  await post(app.api, '{ quote(symbol: "AAPL") { price } }')
  assert.ok((await told('points_spent_total')) > before)
  assert.equal(await told('points_refused_total'), 0)
  const { errors } = await post(app.api, '{ candles(symbol: "AAPL", last: 5000) { nodes { close open high low } } }')
  const points = errors?.[0]?.extensions.points as number
  assert.ok(points > 200)
  assert.equal(await told('points_refused_total'), points)
})
