import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { eventually, inTime } from '../../support/clients/client.ts'
import { EventStreamClient, type StreamEvent } from '../../support/clients/event-stream-client.ts'
import { type PriceServer, startPriceServer } from '../../support/clients/price-server.ts'
import { RawClient } from '../../support/clients/raw-client.ts'

const watch = 'subscription ($s: [Symbol!]!) { priceUpdates(symbols: $s) { symbol seq } }'

async function open(api: string, symbol = 'A') {
  const events: StreamEvent[] = []
  const client = await EventStreamClient.open(api, watch, { s: [symbol] }, (event) => events.push(event))
  await eventually(() => events.length > 0, 'what it begins with')
  return { client, events }
}

/** The same as a request of any kind; without an end, as the answer has none, where it is a stream. */
const ask = (
  api: string,
  { accept, symbol = 'A', ...init }: { accept?: string; symbol?: string; signal?: AbortSignal },
): Promise<Response> =>
  fetch(`${api}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(accept === undefined ? {} : { accept }) },
    body: JSON.stringify({ query: watch, variables: { s: [symbol] } }),
    ...init,
  })

const connections = (server: PriceServer): Promise<number> => server.metric('finstage_live_connections')
const subscriptions = (server: PriceServer): Promise<number> => server.metric('finstage_price_subscriptions')
const refused = (server: PriceServer, limit: string): Promise<number> =>
  server.metric('finstage_live_refused_total', { limit })

test('a stream more than may be open in all, WebSockets among them, is refused with 503, executes nothing and is counted; when one has gone there is room again', async () => {
  await using server = await startPriceServer({ limits: { maxConnections: 2 } })
  await using socket = await RawClient.open(server.api, () => {})
  const first = await open(server.api)
  assert.equal(first.client.status, 200)
  assert.equal(await connections(server), 2)

  const { client, events } = await open(server.api, 'NEW')
  await inTime(client.closed, 'the end of the refusal')
  assert.deepEqual([client.status, client.header('retry-after')], [503, '5'])
  const message = 'Too many connections are open'
  const errors = [{ message, extensions: { code: 'LIMIT_EXCEEDED', retryAfterSeconds: 5 } }]
  assert.deepEqual(events, [{ type: 'next', payload: { errors } }, { type: 'complete' }])
  for (const accept of ['*/*', 'application/json, text/event-stream']) {
    const response = await ask(server.api, { accept, symbol: 'NEW' })
    assert.equal(response.status, 503)
    assert.match(await response.text(), /"code":"LIMIT_EXCEEDED"/)
  }
  const query = new URLSearchParams({ query: watch, variables: '{"s":["NEW"]}' })
  const got = await fetch(`${server.api}/graphql?${query}`, { headers: { accept: 'text/event-stream' } })
  assert.equal(got.status, 503)
  await got.text()
  assert.equal(await refused(server, 'connections'), 4)
  assert.deepEqual([await subscriptions(server), server.seqOf('NEW')], [1, 0])

  const other = await RawClient.connect(server.api, () => {})
  assert.equal(await inTime(other.closed, 'the refusal'), 1013)
  const plain = await fetch(`${server.api}/graphql?query={__typename}`, { headers: { accept: 'text/event-stream' } })
  assert.match(await plain.text(), /"__typename":"Query"/, 'what is no stream is not counted')

  first.client.cut()
  await eventually(async () => (await connections(server)) === 1, 'that it has gone')
  const next = await open(server.api)
  assert.equal(next.client.status, 200)
  next.client.cut()
  socket.cut()
  await server.deserted()
})

test('a stream more than one address may have is refused with 429 and counted as that, one of this machine is not', async (t) => {
  const addresses = Object.values(networkInterfaces()).flatMap((found) => found ?? [])
  const address = addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address
  if (!address) return t.skip('this machine has no address but its own')
  await using server = await startPriceServer({ host: '0.0.0.0', limits: { maxConnectionsPerAddress: 2 } })
  const api = server.api.replace('localhost', address)
  const far = [await open(api), { client: await RawClient.open(api, () => {}) }]
  const { client, events } = await open(api)
  assert.deepEqual([client.status, client.header('retry-after')], [429, '5'])
  assert.match(JSON.stringify(events[0]), /from your address.*"code":"LIMIT_EXCEEDED","retryAfterSeconds":5/)
  const socket = await RawClient.connect(api, () => {})
  assert.equal(await inTime(socket.closed, 'the refusal'), 1013)
  assert.deepEqual([await refused(server, 'connections_of_address'), await refused(server, 'connections')], [2, 0])
  const near = [await open(server.api), await open(server.api), await open(server.api)]
  assert.ok(near.every(({ client }) => client.status === 200))
  for (const { client } of [...far, ...near]) client.cut()
  await server.deserted()
})

test('of streams that one connection asks for before the first has ended, only that one is open, and none is when the client has gone', async () => {
  await using server = await startPriceServer({ limits: { maxConnections: 3 } })
  const { hostname, port } = new URL(server.api)
  const socket = connect(Number(port), hostname).on('error', () => {})
  await once(socket, 'connect')
  const body = JSON.stringify({ query: watch, variables: { s: ['A'] } })
  const head = ['POST /graphql HTTP/1.1', `host: ${hostname}`, 'accept: text/event-stream']
  const request = [...head, 'content-type: application/json', `content-length: ${body.length}`, '', body].join('\r\n')
  socket.write(request.repeat(5))
  let prices = 0
  socket.on('data', (bytes: Buffer) => {
    prices += bytes.toString('latin1').split('event: next').length - 1
  })
  for (let tick = 1; tick <= 10; tick++) {
    await eventually(() => prices >= tick, 'a price')
    server.tick('A')
  }
  assert.equal(await subscriptions(server), 1)
  assert.equal(await connections(server), 1)
  assert.equal(await refused(server, 'connections'), 0)
  socket.destroy()
  await eventually(async () => {
    server.tick('A')
    return (await connections(server)) === 0
  }, 'that a write finds it gone')
  await server.deserted()
})

test('a client that leaves before its first price leaves nothing when that comes', async () => {
  await using server = await startPriceServer()
  server.withhold('LATE')
  const leave = new AbortController()
  const asking = ask(server.api, { accept: 'text/event-stream', symbol: 'LATE', signal: leave.signal })
  await eventually(async () => (await subscriptions(server)) === 1, 'that it waits')
  assert.equal(await connections(server), 1)
  leave.abort()
  await assert.rejects(asking, { name: 'AbortError' })
  await eventually(async () => (await connections(server)) === 0, 'that it has gone')
  server.tick('LATE')
  await server.deserted()
})

test('a subscription in a media type that has no streams is refused with 406 and leaves nothing', async () => {
  await using server = await startPriceServer()
  for (const accept of ['application/json', 'multipart/mixed']) {
    assert.equal((await ask(server.api, { accept })).status, 406)
  }
  await server.deserted()
})

test('a stream that is refused itself, or has come to its end, has given its place back', async () => {
  await using server = await startPriceServer({
    ports: { limits: { symbolsPerSubscription: 0, upstreamCallsPerOperation: 1 } },
  })
  const { client, events } = await open(server.api)
  await inTime(client.closed, 'the end')
  assert.match(JSON.stringify(events), /"code":"BAD_USER_INPUT".*"complete"/)
  await server.deserted()
})
