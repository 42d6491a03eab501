import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { WebSocket } from 'ws'
import { startApp } from '../../support/app.ts'
import { eventually, post, subscribe } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'

const database = await createTestDatabase()
const app = await startApp({
  ...{ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', SIMULATED_SYMBOLS: '20' },
  SIMULATED_TICKS_PER_SECOND: '100',
})
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})

interface Update {
  readonly symbol: string
  readonly kind: string
  readonly seq: string
  readonly cursor: string
  readonly price: number
}

const selection = '{ symbol kind seq cursor price quote { id price marketState } }'
const query = `subscription ($symbols: [Symbol!]!, $batchMs: Int!, $after: [String!]) {
  priceBatches(symbols: $symbols, batchMs: $batchMs, after: $after) ${selection}
}`
const instruments = await post<{ marketInstruments: { edges: { node: { symbol: string } }[] } }>(
  app.api,
  '{ marketInstruments(first: 20) { edges { node { symbol } } } }',
)
const symbols = (instruments.data?.marketInstruments.edges ?? assert.fail()).map(({ node }) => node.symbol)

/** A socket with one subscription, its payloads as text. */
async function open(path: string, variables: object, document = query, offer: object = { threshold: 0 }) {
  const socket = new WebSocket(`${app.api.replace('http', 'ws')}${path}`, 'graphql-transport-ws', {
    perMessageDeflate: offer,
  })
  const payloads: string[] = []
  const beginning = '{"id":"one","type":"next","payload":'
  socket.on('message', (data) => {
    const text = String(data)
    if (text.startsWith(beginning)) payloads.push(text.slice(beginning.length, -1))
    else if (text.includes('connection_ack')) {
      socket.send(JSON.stringify({ id: 'one', type: 'subscribe', payload: { query: document, variables } }))
    }
  })
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  socket.send('{"type":"connection_init"}')
  return { socket, payloads, bytes: () => (socket as unknown as { _socket: { bytesRead: number } })._socket.bytesRead }
}

const updatesOf = (payload: string): Update[] =>
  (JSON.parse(payload) as { data: { priceBatches: Update[] } }).data.priceBatches

/** Those after the first batch, which each client gets at another time. */
async function common(lists: readonly (readonly string[])[], count: number): Promise<string[]> {
  const found = () =>
    (lists[0] ?? []).slice(1).filter((payload) => lists.every((payloads) => payloads.includes(payload)))
  await eventually(() => found().length >= count, 'batches that all have')
  return found()
}

test('a batch is the same by WebSocket, compressed, and by SSE: the newest of each symbol that has changed', async () => {
  const variables = { symbols, batchMs: 300 }
  const [plain, compressed] = await Promise.all([open('/graphql', variables), open('/graphql?compress', variables)])
  const stop = new AbortController()
  const overSse: string[] = []
  const reading = fetch(`${app.api}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query, variables }),
    signal: stop.signal,
  }).then(async ({ body }) => {
    let text = ''
    for await (const chunk of body ?? []) {
      text += Buffer.from(chunk).toString()
      const events = text.split('\n\n')
      text = events.pop() ?? ''
      for (const event of events) overSse.push(/^data: (.*)$/m.exec(event)?.[1] ?? '')
    }
  })
  reading.catch(() => {})
  const batches = await common([plain.payloads, compressed.payloads, overSse], 5)
  assert.equal(plain.socket.extensions, '')
  assert.equal(compressed.socket.extensions, 'permessage-deflate')
  for (const batch of batches) assert.ok(updatesOf(batch).length > 1)
  const seen = new Map<string, number>()
  for (const update of plain.payloads.flatMap(updatesOf)) {
    assert.ok(Number(update.seq) > (seen.get(update.symbol) ?? 0), 'numbers only grow')
    seen.set(update.symbol, Number(update.seq))
  }
  assert.deepEqual([...seen.keys()].sort(), [...symbols].sort())
  assert.ok(compressed.bytes() < 0.5 * plain.bytes(), `${compressed.bytes()} of ${plain.bytes()} bytes`)
  stop.abort()
  for (const { socket } of [plain, compressed]) socket.terminate()
})

test('a client that comes back with its cursors gets what it has missed as one batch, and no SNAPSHOT', async () => {
  const first = await open('/graphql?compress', { symbols: symbols.slice(0, 5), batchMs: 50 })
  await eventually(() => first.payloads.length > 3, 'some batches')
  first.socket.terminate()
  const known = new Map(first.payloads.flatMap(updatesOf).map((update) => [update.symbol, update]))
  await new Promise((resolve) => setTimeout(resolve, 300))
  const after = [...known.values()].map(({ cursor }) => cursor)
  const second = await open('/graphql?compress', { symbols: symbols.slice(0, 5), batchMs: 50, after })
  await eventually(() => second.payloads.length > 3, 'batches again')
  second.socket.terminate()
  for (const { kind, symbol, seq } of second.payloads.flatMap(updatesOf)) {
    assert.notEqual(kind, 'SNAPSHOT')
    assert.ok(Number(seq) > Number(known.get(symbol)?.seq))
  }
})

test('updates and batches share a compressing socket, each in its own order', async () => {
  const both = 'subscription ($symbols: [Symbol!]!) { priceUpdates(symbols: $symbols) { symbol seq kind } }'
  const { socket, payloads } = await open('/graphql?compress', { symbols: symbols.slice(0, 3) }, both)
  const batches: string[] = []
  socket.on('message', (data) => {
    const message = JSON.parse(String(data)) as { id?: string; type: string; payload: unknown }
    if (message.id === 'two') batches.push(JSON.stringify(message.payload))
  })
  await eventually(() => payloads.length > 3, 'updates')
  const variables = { symbols, batchMs: 50 }
  socket.send(JSON.stringify({ id: 'two', type: 'subscribe', payload: { query, variables } }))
  await eventually(() => batches.length > 10 && payloads.length > 50, 'updates and batches')
  socket.terminate()
  const numbers = new Map<string, number>()
  for (const payload of payloads) {
    const { symbol, seq } = (JSON.parse(payload) as { data: { priceUpdates: Update } }).data.priceUpdates
    const last = numbers.get(symbol)
    if (last !== undefined) assert.equal(Number(seq), last + 1)
    numbers.set(symbol, Number(seq))
  }
})

test('a window out of bounds, and an unknown symbol, are refused as those of priceUpdates are', async () => {
  for (const [variables, message] of [
    [{ symbols: ['AAPL'], batchMs: 49 }, 'batchMs is 49; it has to be from 50 to 60000'],
    [{ symbols: ['AAPL'], batchMs: 60_001 }, 'batchMs is 60001; it has to be from 50 to 60000'],
    [{ symbols: [], batchMs: 1000 }, 'symbols is empty'],
    [{ symbols: ['AAPL', 'NOSUCH'], batchMs: 1000 }, /NOSUCH/],
    [{ symbols: ['AAPL'], batchMs: 1000, after: ['x'] }, 'after contains a value that is not a price cursor'],
  ] as const) {
    await using stream = subscribe(app.api, query, variables)
    const { errors } = await stream.next()
    const found = errors?.[0]?.message ?? ''
    if (typeof message === 'string') assert.equal(found, message)
    else assert.match(found, message)
  }
})

test('on a compressing socket answers come as they are, and a message that inflates beyond the bound closes it', async () => {
  const { socket, bytes } = await open('/graphql?compress', { symbols: symbols.slice(0, 1), batchMs: 60_000 })
  let answer = ''
  socket.on('message', (data) => {
    if (String(data).startsWith('{"id":"chart","type":"next"')) answer = String(data)
  })
  const before = bytes()
  const query = '{ candles(symbol: "AAPL") { columns { epoch open high low close volume } } }'
  socket.send(JSON.stringify({ id: 'chart', type: 'subscribe', payload: { query } }))
  await eventually(() => answer.length > 0, 'an answer')
  assert.ok(answer.length > 20_000)
  assert.ok(bytes() - before > answer.length)
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  socket.send(`{"type":"ping"}${' '.repeat(8 * 1024 * 1024)}`)
  assert.equal(await closed, 1009)
})

test('a client whose offer of compression can not be accepted is served without, and one that limits only itself with it', async () => {
  for (const [offer, extensions] of [
    [{ serverMaxWindowBits: 12, clientMaxWindowBits: 12 }, ''],
    [{ serverMaxWindowBits: 15 }, 'permessage-deflate'],
    [{ clientMaxWindowBits: 9 }, 'permessage-deflate'],
  ] as const) {
    const { socket, payloads } = await open('/graphql?compress', { symbols: ['AAPL'], batchMs: 50 }, query, offer)
    await eventually(() => payloads.length > 0, 'a batch')
    assert.equal(socket.extensions, extensions)
    socket.terminate()
  }
})
