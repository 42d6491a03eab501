import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { Listener } from '../../../src/http/server/listener.ts'
import { eventually, inTime } from '../../support/clients/client.ts'
import { EventStreamClient } from '../../support/clients/event-stream-client.ts'
import { type PriceServer, startPriceServer } from '../../support/clients/price-server.ts'
import { RawClient } from '../../support/clients/raw-client.ts'

const watch = 'subscription ($s: [Symbol!]!) { priceUpdates(symbols: $s) { symbol seq } }'
const known = JSON.stringify({ query: '{ __typename }' })

async function socketTo(api: string): Promise<Socket> {
  const { hostname, port } = new URL(api)
  const socket = connect(Number(port), hostname).on('error', () => {})
  await once(socket, 'connect')
  socket.resume()
  return socket
}

const ask = (api: string): Promise<Response> =>
  fetch(`${api}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: known })

const refused = (server: PriceServer, limit: string): Promise<number> =>
  server.metric('finstage_live_refused_total', { limit })

test('400 clients that send their requests slowly are gone within seconds, head or body, whichever way; streams, WebSockets and queries live on', async () => {
  await using server = await startPriceServer()
  const messages: string[] = []
  await using live = await RawClient.open(server.api, (_message, text) => messages.push(text))
  live.subscribe('1', watch, { s: ['A'] })
  let events = 0
  await using _stream = await EventStreamClient.open(server.api, watch, { s: ['A'] }, () => events++)
  await eventually(() => messages.length > 0 && events > 0, 'what they begin with')
  for (let run = 0; run < 2; run++) assert.equal((await ask(server.api)).status, 200)

  const head = 'POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n'
  const beginnings = [
    '',
    head,
    // The short way, Yoga's, and another of Yoga's.
    `${head}content-length: ${known.length}\r\n\r\n${known.slice(0, 5)}`,
    `${head}content-length: 100000\r\naccept: text/event-stream\r\n\r\n{`,
    `${head}transfer-encoding: chunked\r\n\r\n5\r\n{"que\r\n`,
  ]
  const slow = await Promise.all(Array.from({ length: 400 }, () => socketTo(server.api)))
  let open = slow.length
  for (const socket of slow) socket.on('close', () => open--)
  for (const [i, socket] of slow.entries()) socket.write(beginnings[i % beginnings.length] ?? '')
  // A byte now and then, as long as there is something to write to.
  const drip = setInterval(() => {
    for (const [i, socket] of slow.entries()) if (i % beginnings.length === 3) socket.write(' ')
  }, 500)
  try {
    await eventually(() => open === 0, 'that all of them are gone', 25_000)
  } finally {
    clearInterval(drip)
    for (const socket of slow) socket.destroy()
  }
  const before = [messages.length, events] as const
  server.tick('A')
  await eventually(() => messages.length > before[0] && events > before[1], 'the next price')
  assert.equal((await ask(server.api)).status, 200)
})

test('an answer of which a client takes nothing is given up after a time, and one that is taken slowly is not', async () => {
  const listener = new Listener({
    host: '127.0.0.1',
    port: 0,
    maxConnections: 10,
    serve: (_request, response) => void response.end(Buffer.alloc(32 * 1024 * 1024)),
  })
  assert.equal(listener.server.timeout, 60_000)
  listener.server.timeout = 500
  await listener.start()
  const [dead, slow] = [await socketTo(listener.origin), await socketTo(listener.origin)]
  let taken = 0
  slow.on('data', (chunk) => {
    taken += chunk.length
    slow.pause()
    setTimeout(() => slow.resume(), 5)
  })
  dead.pause()
  for (const socket of [dead, slow]) socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
  const connections = async (): Promise<number> =>
    new Promise((resolve) => listener.server.getConnections((_error, count) => resolve(count)))
  await eventually(async () => (await connections()) === 1, 'that one of them is given up')
  await eventually(() => taken > 32 * 1024 * 1024, 'all of the answer')
  for (const socket of [dead, slow]) socket.destroy()
  await listener.stop()
})

test('one TCP connection more than may be open is closed at once and counted, requests among them; those that are open live on, and there is room when one goes', async () => {
  await using server = await startPriceServer({ limits: { maxTcpConnections: 3 } })
  const messages: string[] = []
  await using live = await RawClient.open(server.api, (_message, text) => messages.push(text))
  live.subscribe('1', watch, { s: ['A'] })
  let events = 0
  await using _stream = await EventStreamClient.open(server.api, watch, { s: ['A'] }, () => events++)
  const third = await socketTo(server.api)
  await eventually(() => messages.length > 0 && events > 0, 'what they begin with')
  for (let more = 1; more <= 5; more++) {
    const socket = await socketTo(server.api)
    await inTime(once(socket, 'close'), 'the close')
    await eventually(async () => (await refused(server, 'tcp_connections')) === more, 'that it is counted')
  }
  const before = [messages.length, events] as const
  server.tick('A')
  await eventually(() => messages.length > before[0] && events > before[1], 'the next price')
  third.destroy()
  await eventually(async () => (await ask(server.api).catch(() => null))?.status === 200, 'room again')
})

/** Its status, or 1013 or 101, as of a client that a proxy tells of. */
const waysToBeLive: readonly (readonly [string, (api: string, forwardedFor: string) => Promise<number>])[] = [
  [
    'SSE',
    async (api, forwardedFor) => {
      const headers = {
        accept: 'text/event-stream',
        'content-type': 'application/json',
        'x-forwarded-for': forwardedFor,
      }
      const asking = httpRequest(`${api}/graphql`, { method: 'POST', headers, agent: false })
      asking.end(JSON.stringify({ query: watch, variables: { s: ['A'] } }))
      const [response] = (await inTime(once(asking, 'response'), 'an answer')) as [IncomingMessage]
      response.resume().on('error', () => {})
      return response.statusCode ?? 0
    },
  ],
  [
    'WebSocket',
    async (api, forwardedFor) => {
      const headers = { 'x-forwarded-for': forwardedFor }
      const socket = new WebSocket(`${api.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers })
      const status = new Promise<number>((resolve) => {
        socket.on('close', (code) => resolve(code === 1013 ? 429 : code))
        socket.on('message', () => resolve(200))
      })
      socket.on('open', () => socket.send('{"type":"connection_init"}'))
      return inTime(status, 'an answer')
    },
  ],
]

for (const [transport, open] of waysToBeLive) {
  test(`behind a trusted proxy clients are counted by the address that it tells, those of this machine and of one IPv6 network too, over ${transport}`, async () => {
    await using server = await startPriceServer({
      trustedProxies: ['127.0.0.0/8'],
      limits: { maxConnectionsPerAddress: 1 },
    })
    const statuses: number[] = []
    for (const forwardedFor of [
      '192.0.2.1',
      '192.0.2.1',
      '192.0.2.2, 192.0.2.1',
      '192.0.2.2',
      '2001:db8::1',
      '2001:db8::2',
      '2001:db8:0:1::1',
      '127.0.0.1',
      '127.0.0.1',
    ]) {
      statuses.push(await open(server.api, forwardedFor))
    }
    assert.deepEqual(statuses, [200, 429, 429, 200, 200, 429, 200, 200, 429])
    assert.equal(await refused(server, 'connections_of_address'), 4)
  })

  test(`who is not trusted is not believed whom it says it asks for, over ${transport}`, async () => {
    await using server = await startPriceServer({ limits: { maxConnectionsPerAddress: 1 } })
    for (let i = 0; i < 3; i++) assert.equal(await open(server.api, '192.0.2.1'), 200)
  })
}
