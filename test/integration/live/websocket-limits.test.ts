import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Ports } from '../../../src/resolvers/context.ts'
import { listingOf } from '../../support/candles/listing.ts'
import { eventually, inTime } from '../../support/clients/client.ts'
import { type PriceServer, startPriceServer } from '../../support/clients/price-server.ts'
import { type Message, RawClient } from '../../support/clients/raw-client.ts'

const watch = 'subscription ($s: [Symbol!]!) { priceUpdates(symbols: $s) { symbol seq } }'

async function open(api: string) {
  const messages: Message[] = []
  const client = await RawClient.open(api, (message) => messages.push(message))
  const of = (id: string, type: string): Message[] =>
    messages.filter((message) => message.id === id && message.type === type)
  return { client, messages, of }
}

const refused = (server: PriceServer, limit: string): Promise<number> =>
  server.metric('finstage_live_refused_total', { limit })

test('one socket more than may be open in all is closed with 1013 and counted; when one has gone there is room again', async () => {
  await using server = await startPriceServer({ limits: { maxConnections: 2 } })
  const [first, second] = [await open(server.api), await open(server.api)]
  const third = await RawClient.connect(server.api, () => {})
  assert.equal(await inTime(third.closed, 'the refusal'), 1013)
  assert.equal(await refused(server, 'connections'), 1)
  assert.equal(await server.metric('finstage_live_connections'), 2)
  second.client.cut()
  await eventually(async () => (await server.metric('finstage_live_connections')) === 1, 'that it has gone')
  const fourth = await open(server.api)
  fourth.client.subscribe('1', watch, { s: ['A'] })
  await eventually(() => fourth.of('1', 'next').length > 0, 'a price')
  for (const { client } of [first, fourth]) client.cut()
  await server.deserted()
})

test('one socket more than one address may have is closed with 1013 and counted as that, one of this machine is not', async (t) => {
  const addresses = Object.values(networkInterfaces()).flatMap((found) => found ?? [])
  const address = addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address
  if (!address) return t.skip('this machine has no address but its own')
  await using server = await startPriceServer({ host: '0.0.0.0', limits: { maxConnectionsPerAddress: 1 } })
  const api = server.api.replace('localhost', address)
  const first = await open(api)
  const second = await RawClient.connect(api, () => {})
  assert.equal(await inTime(second.closed, 'the refusal'), 1013)
  assert.equal(await refused(server, 'connections_of_address'), 1)
  assert.equal(await refused(server, 'connections'), 0)
  const near = [await open(server.api), await open(server.api)]
  for (const { client } of [first, ...near]) client.cut()
  await server.deserted()
})

test('one subscription more than a socket may have is refused as LIMIT_EXCEEDED and counted; the others go on', async () => {
  await using server = await startPriceServer({ limits: { maxSubscriptions: 2 } })
  const { client, of } = await open(server.api)
  for (const id of ['1', '2', '3']) client.subscribe(id, watch, { s: ['A'] })
  await eventually(() => of('3', 'error').length > 0, 'the refusal')
  const [error] = of('3', 'error').flatMap(({ payload }) => payload as { message: string; extensions: object }[])
  assert.deepEqual(error?.extensions, { code: 'LIMIT_EXCEEDED', retryAfterSeconds: 0 })
  assert.match(error?.message ?? '', /At most 2 /)
  assert.equal(await refused(server, 'subscriptions'), 1)
  server.tick('A')
  await eventually(() => ['1', '2'].every((id) => of(id, 'next').length === 2), 'prices of the others')
  client.complete('1')
  client.subscribe('4', watch, { s: ['A'] })
  await eventually(() => of('4', 'next').length > 0, 'a price of another in its place')
  client.cut()
  await server.deserted()
})

test('of queries that a client asks ahead, 32 are executed at a time, and all are answered, also beside a ping', async () => {
  let asked = 0
  const opened = Promise.withResolvers<void>()
  const listing = async (symbol: string) => {
    asked += 1
    await opened.promise
    return listingOf(symbol)
  }
  await using server = await startPriceServer({
    limits: { pingSeconds: 1 },
    ports: { market: { listing } as unknown as Ports['market'] },
  })
  const { client, messages, of } = await open(server.api)
  const ids = Array.from({ length: 300 }, (_, i) => String(i))
  const query = '{ quote(symbol: "A") { symbol } }'
  client.send(...ids.map((id) => ({ id, type: 'subscribe', payload: { query } })))
  await eventually(() => asked === 32, 'the first queries')
  client.complete('3')
  // Longer than a client may leave a ping unanswered: nothing is read from this one.
  await sleep(2500)
  assert.equal(asked, 32)
  opened.resolve()
  await eventually(
    () => ids.every((id) => id === '3' || of(id, 'complete').length === 1),
    () => `all answers: ${messages.length} messages`,
  )
  for (const id of ids)
    if (id !== '3') assert.deepEqual(of(id, 'next')[0]?.payload, { data: { quote: { symbol: 'A' } } })
  client.subscribe('later', query)
  await eventually(() => of('later', 'next').length === 1, 'what is asked later')
  client.cut()
  await server.deserted()
})

/** A server that answers quotes once `open` is called. `asked`: for which symbols, as often as it was. */
async function withheldListings() {
  const asked: string[] = []
  const opened = Promise.withResolvers<void>()
  const listing = async (symbol: string) => {
    asked.push(symbol)
    await opened.promise
    return listingOf(symbol)
  }
  const server = await startPriceServer({ ports: { market: { listing } as unknown as Ports['market'] } })
  return { server, asked, open: opened.resolve }
}

const quoteOf = (id: string, symbol: string): Message => ({
  ...{ id, type: 'subscribe', payload: { query: `{ quote(symbol: "${symbol}") { symbol } }` } },
})
const completionOf = (id: string): Message => ({ id, type: 'complete' })

test('an operation that is completed while it waits behind 32 others is never executed, and its id is free for another', async () => {
  const { server, asked, open: openListings } = await withheldListings()
  await using _stopped = server
  const { client, messages, of } = await open(server.api)
  const ids = Array.from({ length: 60 }, (_, i) => String(i))
  const completed = ids.filter((_, i) => i % 2 === 0)
  client.send(
    ...ids.map((id) => quoteOf(id, 'OLD')),
    ...completed.map(completionOf),
    ...completed.map((id) => quoteOf(id, 'NEW')),
    ...completed.slice(0, 5).map(completionOf),
    ...completed.slice(0, 5).map((id) => quoteOf(id, 'NEWER')),
  )
  await eventually(() => asked.length === 32, 'the first queries')
  openListings()
  await eventually(
    () => ids.every((id) => of(id, 'complete').length === 1),
    () => `all answers: ${messages.length} messages`,
  )
  for (const [i, id] of ids.entries()) {
    const symbol = i % 2 === 1 ? 'OLD' : i < 10 ? 'NEWER' : 'NEW'
    assert.deepEqual(
      of(id, 'next').map(({ payload }) => payload),
      [{ data: { quote: { symbol } } }],
      id,
    )
  }
  const count = (symbol: string): number => asked.filter((other) => other === symbol).length
  assert.deepEqual([count('OLD'), count('NEW'), count('NEWER')], [30, 25, 5])
  client.cut()
  await server.deserted()
})

test('subscriptions that are completed before they have begun count until they have come to their end', async () => {
  await using server = await startPriceServer({ limits: { maxSubscriptions: 5 } })
  server.withhold('LATE')
  const { client, of } = await open(server.api)
  for (let count = 1; count <= 5; count++) {
    client.subscribe(String(count), watch, { s: ['LATE'] })
    await eventually(async () => (await server.metric('finstage_price_subscriptions')) === count, 'that it waits')
    client.complete(String(count))
  }
  client.subscribe('6', watch, { s: ['LATE'] })
  await eventually(() => of('6', 'error').length === 1, 'the refusal')
  assert.equal(await refused(server, 'subscriptions'), 1)
  server.tick('LATE')
  await eventually(async () => (await server.metric('finstage_price_subscriptions')) === 0, 'nothing is left of them')
  client.subscribe('again', watch, { s: ['LATE'] })
  await eventually(() => of('again', 'next').length > 0, 'room again')
  client.cut()
  await server.deserted()
})

test('one symbol more than a subscription may have is BAD_USER_INPUT', async () => {
  await using server = await startPriceServer({
    ports: { limits: { symbolsPerSubscription: 3, upstreamCallsPerOperation: 1 } },
  })
  const { client, of } = await open(server.api)
  client.subscribe('1', watch, { s: ['A', 'B', 'C'] })
  client.subscribe('2', watch, { s: ['A', 'B', 'C', 'D'] })
  // What Yoga's subscribe answers without a stream comes as a result.
  await eventually(() => of('1', 'next').length === 3 && of('2', 'next').length === 1, 'the answers')
  const results = of('2', 'next').map(({ payload }) => payload as { errors: { extensions: object }[] })
  const errors = results.flatMap((result) => result.errors.map(({ extensions }) => extensions))
  assert.deepEqual(errors, [{ code: 'BAD_USER_INPUT', field: 'symbols' }])
  client.cut()
})

test('a message of 64 KiB is taken, one of a byte more closes the socket with 1009 and is counted', async () => {
  await using server = await startPriceServer()
  const { client, messages } = await open(server.api)
  const ping = (bytes: number): string => `{"type":"ping","payload":{"p":"${'x'.repeat(bytes - 36)}"}}  `
  assert.equal(ping(1000).length, 1000)
  client.send(ping(65_536))
  await eventually(() => messages.some(({ type }) => type === 'pong'), 'the answer')
  client.send(ping(65_537))
  assert.equal(await inTime(client.closed, 'the end'), 1009)
  assert.equal(await refused(server, 'message_size'), 1)
  await server.deserted()
})

test('a client that does not introduce itself in time is closed with 4408 and counted', async () => {
  await using server = await startPriceServer({ limits: { initTimeoutSeconds: 1 } })
  const silent = await RawClient.connect(server.api, () => {})
  assert.equal(await inTime(silent.closed, 'the end'), 4408)
  assert.equal(await refused(server, 'init_timeout'), 1)
  await server.deserted()
})

test('a client that does not answer a ping within a period is gone and counted, one that answers stays', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const server = await startPriceServer({ limits: { pingSeconds: 3 } })
  const clients = [await open(server.api), await open(server.api), await open(server.api), await open(server.api)]
  const dead = clients[1]?.client ?? assert.fail()
  dead.answersPings = false
  const pass = async (): Promise<void> => {
    t.mock.timers.tick(1000)
    const seen = (): number => clients.reduce((sum, { client }) => sum + client.pings, 0)
    const before = seen()
    // One or two are asked each second, and nobody twice within three.
    await eventually(() => seen() > before || dead.pings === 1, 'a ping')
    for (const { client, messages } of clients) {
      if (client === dead) continue
      const pongs = messages.length
      client.send({ type: 'ping' })
      await eventually(() => messages.length > pongs, 'what came before this was read')
    }
  }
  for (let second = 0; second < 3; second++) await pass()
  assert.deepEqual(
    clients.map(({ client }) => client.pings),
    [1, 1, 1, 1],
  )
  assert.equal(await refused(server, 'ping_timeout'), 0)
  for (let second = 0; second < 3; second++) await pass()
  assert.equal(await inTime(dead.closed, 'the end'), null)
  assert.equal(await refused(server, 'ping_timeout'), 1)
  assert.deepEqual(
    clients.map(({ client }) => client.pings),
    [2, 1, 2, 2],
  )
  t.mock.timers.reset()
  await server.stop()
  await server.deserted()
})
