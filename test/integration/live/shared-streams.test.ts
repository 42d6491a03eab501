import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { eventually } from '../../support/clients/client.ts'
import { EventStreamClient, type StreamEvent } from '../../support/clients/event-stream-client.ts'
import { type PriceServer, startPriceServer } from '../../support/clients/price-server.ts'
import { RawClient } from '../../support/clients/raw-client.ts'

const watch = 'subscription ($s: [Symbol!]!) { priceUpdates(symbols: $s) { symbol seq } }'

async function open(server: PriceServer, symbols: readonly string[], query = watch) {
  const events: StreamEvent[] = []
  const client = await EventStreamClient.open(server.api, query, { s: symbols }, (event) => events.push(event))
  await eventually(() => events.length >= symbols.length, 'the first prices')
  return { client, events }
}

const requestOf = (query: string, variables: object, accept: string, version = '1.1'): string => {
  const body = JSON.stringify({ query, variables })
  const head = [`POST /graphql HTTP/${version}`, 'host: 127.0.0.1', `accept: ${accept}`, 'connection: keep-alive']
  return [...head, 'content-type: application/json', `content-length: ${body.length}`, '', body].join('\r\n')
}

async function rawConnection(server: PriceServer): Promise<{ socket: Socket; text: () => string }> {
  const { hostname, port } = new URL(server.api)
  const socket = connect(Number(port), hostname).on('error', () => {})
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  await once(socket, 'connect')
  return { socket, text: () => text }
}

/** The body of an answer in chunks that has to be whole, and what follows it; null: it has not ended. */
function dechunked(answer: string): { body: string; rest: string } | null {
  let body = ''
  let at = answer.indexOf('\r\n\r\n') + 4
  for (;;) {
    const lineEnd = answer.indexOf('\r\n', at)
    if (lineEnd < 0) return null
    const size = answer.slice(at, lineEnd)
    assert.match(size, /^[\da-f]+$/, `a chunk of ${size.slice(0, 40)} bytes`)
    const length = Number.parseInt(size, 16)
    const from = lineEnd + 2
    if (from + length + 2 > answer.length) return null
    assert.equal(answer.slice(from + length, from + length + 2), '\r\n')
    body += answer.slice(from, from + length)
    at = from + length + 2
    if (length === 0) return { body, rest: answer.slice(at) }
  }
}

const numbers = (events: readonly StreamEvent[]): number[] =>
  events.map((event) => {
    assert.ok(event.type === 'next')
    return (event.payload as { data: { priceUpdates: { seq: number } } }).data.priceUpdates.seq
  })

test('streams over SSE and WebSockets that show the same share an execution, and get the same', async () => {
  await using server = await startPriceServer()
  const overSocket: unknown[] = []
  await using socket = await RawClient.open(server.api, ({ payload }) => overSocket.push(payload))
  socket.subscribe('1', watch, { s: ['A'] })
  await eventually(() => overSocket.length === 1, 'its first price')
  const streams = [await open(server, ['A']), await open(server, ['A'], `# mine\n${watch}`), await open(server, ['A'])]
  assert.equal(await server.metric('finstage_shared_executions'), 1)
  const before = await server.metric('finstage_shared_events_total')
  for (let tick = 0; tick < 20; tick++) server.tick('A')
  for (const { events } of streams) await eventually(() => events.length === 21, 'all')
  await eventually(() => overSocket.length === 21, 'all')
  assert.equal((await server.metric('finstage_shared_events_total')) - before, 20)
  for (const { events, client } of streams) {
    assert.deepEqual(numbers(events), numbers(streams[0]?.events ?? []))
    assert.deepEqual(
      events.map((event) => (event.type === 'next' ? event.payload : null)),
      overSocket,
    )
    client.cut()
  }
  socket.cut()
  await server.deserted()
})

test('a stream that the server ends is told so behind its last price, and its connection serves the next request', async () => {
  await using server = await startPriceServer()
  const { socket, text } = await rawConnection(server)
  socket.write(requestOf(watch, { s: ['A'] }, 'text/event-stream'))
  await eventually(() => text().includes('"seq":1'), 'its first price')
  for (let tick = 0; tick < 5; tick++) server.tick('A')
  server.hub.stop()
  await eventually(() => dechunked(text()) !== null, 'the end')
  const { body, rest } = dechunked(text()) ?? assert.fail()
  const events = body.split('\n\n').filter((event) => event !== ':')
  const price = (seq: number) => `event: next\ndata: {"data":{"priceUpdates":{"symbol":"A","seq":${seq}}}}`
  assert.deepEqual(events, [...[1, 2, 3, 4, 5, 6].map(price), 'event: complete\ndata:', ''])
  assert.equal(rest, '')
  const before = text().length
  socket.write(requestOf('{ __typename }', {}, 'application/json'))
  await eventually(() => text().slice(before).includes('{"data":{"__typename":"Query"}}'), 'an answer')
  server.hub.start()
  const { client } = await open(server, ['B'])
  server.tick('A', 'B')
  assert.equal(text().slice(before).includes('priceUpdates'), false)
  client.cut()
  socket.destroy()
  await server.deserted()
})

test('streams asked for on one connection before the first has ended come one after the other, each whole', async () => {
  await using server = await startPriceServer()
  const { socket, text } = await rawConnection(server)
  socket.write(
    requestOf(watch, { s: ['A'] }, 'text/event-stream') +
      requestOf(watch, { s: ['B'] }, 'text/event-stream') +
      requestOf('{ __typename }', {}, 'application/json'),
  )
  await eventually(() => text().includes('"symbol":"A","seq":1'), 'the first')
  for (let tick = 0; tick < 10; tick++) server.tick('A', 'B')
  await eventually(() => text().includes('"symbol":"A","seq":11'), 'all of the first')
  assert.equal(text().includes('"symbol":"B"'), false)
  assert.equal(await server.metric('finstage_price_subscriptions'), 1)
  server.hub.stop()
  server.hub.start()
  await eventually(() => text().includes('"symbol":"B","seq":10'), 'the second')
  for (let tick = 0; tick < 10; tick++) server.tick('A', 'B')
  await eventually(() => text().includes('"symbol":"B","seq":20'), 'all of the second')
  server.hub.stop()
  await eventually(() => text().includes('"__typename"'), 'the answer behind both')
  const first = dechunked(text()) ?? assert.fail()
  const second = dechunked(first.rest) ?? assert.fail()
  assert.equal(first.body.match(/"symbol":"A"/g)?.length, 11)
  assert.equal(second.body.match(/"symbol":"B"/g)?.length, 11)
  assert.ok(second.rest.startsWith('HTTP/1.1 200 ') && second.rest.endsWith('{"data":{"__typename":"Query"}}'))
  socket.destroy()
  server.hub.start()
  await server.deserted()
})

test('a client of HTTP/1.0 gets its stream without chunks', async () => {
  await using server = await startPriceServer()
  const { socket, text } = await rawConnection(server)
  socket.write(requestOf(watch, { s: ['A'] }, 'text/event-stream', '1.0'))
  await eventually(() => text().includes('"seq":1'), 'its first price')
  server.tick('A')
  await eventually(() => text().includes('"seq":2'), 'the next')
  const body = text().slice(text().indexOf('\r\n\r\n') + 4)
  const events = body.split('\n\n').filter((event) => event !== ':')
  for (const event of events.slice(0, 2)) assert.match(event, /^event: next\ndata: \{"data":.*\}$/)
  assert.equal(events.length, 3)
  socket.destroy()
  await server.deserted()
})

test('a client that leaves before its stream has begun leaves nothing', async () => {
  await using server = await startPriceServer()
  for (let round = 0; round < 30; round++) {
    const { socket } = await rawConnection(server)
    socket.write(requestOf(watch, { s: ['A'] }, 'text/event-stream'))
    if (round % 3 > 0) await new Promise(setImmediate)
    if (round % 3 > 1) server.tick('A')
    socket.destroy()
  }
  await server.deserted()
})

test('a connection that has carried many streams keeps nothing of them', async () => {
  await using server = await startPriceServer()
  const { socket, text } = await rawConnection(server)
  const warnings: Error[] = []
  const warned = (warning: Error) => warnings.push(warning)
  process.on('warning', warned)
  for (let round = 1; round <= 15; round++) {
    socket.write(requestOf(watch, { s: ['A'] }, 'text/event-stream'))
    await eventually(() => text().split('"symbol":"A"').length - 1 === round, 'its price')
    server.hub.stop()
    await eventually(() => text().split('event: complete').length - 1 === round, 'its end')
    server.hub.start()
  }
  process.off('warning', warned)
  assert.deepEqual(warnings, [])
  socket.destroy()
  await server.deserted()
})
