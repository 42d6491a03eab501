import assert from 'node:assert/strict'
import { type IncomingMessage, request } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { FinstageError } from '../../../src/domain/errors.ts'
import { type PriceSettings, usualPriceSettings } from '../../../src/http/pipeline/price/price-settings.ts'
import type { StandingLimits } from '../../../src/http/pipeline/price/standing-points.ts'
import { randomFrom } from '../../../src/market/simulated/walks/random.ts'
import type { Ports } from '../../../src/resolvers/context.ts'
import { Channel } from '../../../src/stream/channel.ts'
import { eventually, inTime } from '../../support/clients/client.ts'
import { type PriceServer, startPriceServer } from '../../support/clients/price-server.ts'
import { type Message, RawClient } from '../../support/clients/raw-client.ts'

const prices = 'subscription ($s: [Symbol!]!) { priceUpdates(symbols: $s) { symbol seq } }'
const batches = 'subscription ($s: [Symbol!]!) { priceBatches(symbols: $s, batchMs: 50) { symbol seq } }'
/** Not shared with anybody. */
const alone = 'subscription ($s: [Symbol!]!) { ... { priceUpdates(symbols: $s) { symbol seq } } }'
const signals = 'subscription ($s: [Symbol!]) { signalEvents(symbols: $s) { id } }'

const board = Array.from({ length: 100 }, (_, i) => `S${i}`)
/** The client's own id is that of its operation. */
interface Asked {
  readonly query: string
  readonly variables: Record<string, unknown>
}

const limited = (standing: Partial<StandingLimits>, settings: Partial<PriceSettings> = {}): Partial<PriceSettings> => ({
  ...settings,
  standing: { ...usualPriceSettings.standing, ...standing },
})

/** What a board holds, in points: the tests go by this rather than by weights. */
async function heldBy(query: string): Promise<number> {
  await using server = await startPriceServer()
  const { client, of } = await open(server.api)
  client.subscribe('1', query, { s: board })
  await eventually(() => of('1').length > 0, 'a price')
  const held = await standing(server)
  client.cut()
  await server.deserted()
  return held
}

const standing = (server: PriceServer, kind?: string): Promise<number> =>
  server.metric('finstage_standing_points', kind === undefined ? {} : { kind })
const refused = (server: PriceServer, limit: string): Promise<number> =>
  server.metric('finstage_live_refused_total', { limit })

interface Stream {
  readonly response: Promise<IncomingMessage>
  text: string
  cut(): void
}

/** A stream over SSE, by either method. */
function stream(api: string, method: 'GET' | 'POST', asked: Asked, headers: Record<string, string> = {}): Stream {
  const { query, variables } = asked
  const address = new URLSearchParams({ query, variables: JSON.stringify(variables) })
  const asking = request(`${api}/graphql${method === 'GET' ? `?${address}` : ''}`, {
    method,
    headers: {
      accept: 'text/event-stream',
      ...(method === 'POST' && { 'content-type': 'application/json' }),
      ...headers,
    },
    agent: false,
  })
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    asking.on('response', resolve)
    asking.on('error', reject)
  })
  response.catch(() => {})
  const opened: Stream = { response, text: '', cut: () => asking.destroy() }
  void response.then(
    (answer) =>
      answer
        .on('data', (bytes) => {
          opened.text += bytes
        })
        .on('error', () => {}),
    () => {},
  )
  asking.end(method === 'POST' ? JSON.stringify(asked) : undefined)
  return opened
}

async function open(api: string) {
  const messages: Message[] = []
  const client = await RawClient.open(api, (message) => messages.push(message))
  const of = (id: string, type = 'next'): Message[] =>
    messages.filter((message) => message.id === id && message.type === type)
  return { client, messages, of }
}

type Refusal = { readonly errors: { readonly message: string; readonly extensions: Record<string, unknown> }[] }

const errorIn = (payload: unknown): Refusal['errors'][number] => (payload as Refusal).errors[0] ?? assert.fail()

test('over a bound of its connection, a subscription is refused with what is open and the setting; the others go on, and when one has ended there is room', async () => {
  const most = Math.ceil(1.5 * (await heldBy(prices)))
  await using server = await startPriceServer({ price: limited({ ofConnection: most }) })
  const { client, of } = await open(server.api)
  client.subscribe('1', prices, { s: board })
  await eventually(() => of('1').length === board.length, 'the first')
  const first = await standing(server)
  client.subscribe('2', batches, { s: board })
  await eventually(() => of('2').length === 1, 'the refusal')
  const { message, extensions } = errorIn(of('2')[0]?.payload)
  const { standingPoints, open: held, ...rest } = extensions
  assert.deepEqual([held, rest], [Math.ceil(first), { code: 'LIMIT_EXCEEDED', retryAfterSeconds: 0, most }])
  assert.equal(
    message,
    `The subscription would hold ${standingPoints} standing points. Subscriptions hold ${held} on this connection, and may hold ${most} (MAX_STANDING_POINTS_PER_CONNECTION)`,
  )
  assert.equal(await refused(server, 'standing_points_of_connection'), 1)
  server.tick('S7')
  await eventually(() => of('1').length === board.length + 1, 'a price of the first')
  const other = await open(server.api)
  other.client.subscribe('1', batches, { s: board })
  await eventually(() => other.of('1').length === 1, 'that of another connection')
  client.complete('1')
  client.subscribe('3', batches, { s: board })
  await eventually(() => of('3').length === 1 && !JSON.stringify(of('3')).includes('errors'), 'room')
  for (const each of [client, other.client]) each.cut()
  await server.deserted()
})

test('clients have a bound each and all have one together, over SSE as 429 and as 503; clients of this machine count in all alone', async () => {
  const one = await heldBy(alone)
  const [ofClient, inAll] = [Math.ceil(1.5 * one), Math.ceil(3.5 * one)]
  await using server = await startPriceServer({
    trustedProxies: ['127.0.0.1'],
    price: limited({ ofClient, inAll }),
  })
  const from = (address: string, method: 'GET' | 'POST', query = alone): Stream =>
    stream(server.api, method, { query, variables: { s: board } }, { 'x-forwarded-for': address })
  const served = async (each: Stream): Promise<void> => {
    assert.equal((await each.response).statusCode, 200)
    await eventually(() => each.text.includes('data'), 'a price')
  }
  const all: Stream[] = []
  const begun = async (address: string, method: 'GET' | 'POST'): Promise<void> => {
    const each = from(address, method)
    all.push(each)
    await served(each)
  }
  await begun('10.0.0.1', 'POST')
  for (const method of ['GET', 'POST'] as const) {
    const second = from('10.0.0.1', method)
    const response = await second.response
    await eventually(() => second.text.includes('complete'), 'the refusal')
    assert.deepEqual([response.statusCode, response.headers['retry-after']], [429, undefined])
    assert.ok(second.text.includes(`from your address, and may hold ${ofClient} (MAX_STANDING_POINTS_PER_CLIENT)`))
    assert.match(second.text, /"code":"LIMIT_EXCEEDED","retryAfterSeconds":0/)
  }
  for (const i of [2, 3]) await begun(`10.0.0.${i}`, 'GET')
  const last = from('10.0.0.99', 'POST')
  const response = await last.response
  await eventually(() => last.text.includes('complete'), 'the refusal')
  assert.deepEqual([response.statusCode, response.headers['retry-after']], [503, '5'])
  assert.ok(last.text.includes(`in all, and may hold ${inAll} (MAX_STANDING_POINTS)`))
  assert.deepEqual(
    [await refused(server, 'standing_points_of_client'), await refused(server, 'standing_points')],
    [2, 1],
  )
  for (const each of all) each.cut()
  await server.deserted()

  await using near = await startPriceServer({ price: limited({ ofClient }) })
  const streams = Array.from({ length: 4 }, () => stream(near.api, 'POST', { query: alone, variables: { s: board } }))
  for (const each of streams) await served(each)
  for (const each of streams) each.cut()
  await near.deserted()
})

test('PRICE=measure counts subscriptions over a bound, and serves them', async () => {
  await using server = await startPriceServer({ price: limited({ ofConnection: 1 }, { mode: 'measure' }) })
  const { client, of } = await open(server.api)
  client.subscribe('1', prices, { s: board })
  await eventually(() => of('1').length === board.length, 'the prices')
  assert.equal(await refused(server, 'standing_points_of_connection'), 1)
  client.cut()
  await server.deserted()
})

test('those who are shown the same share what their document holds, on every transport; places are each their own', async () => {
  await using server = await startPriceServer()
  const { client, of } = await open(server.api)
  client.subscribe('1', prices, { s: board })
  await eventually(() => of('1').length === board.length, 'the first')
  const [places, documents] = [await standing(server, 'places'), await standing(server, 'documents')]
  assert.ok(places > 0 && documents > 0)
  client.subscribe('2', prices.replaceAll(' ', '  '), { s: board.slice(0, 50) })
  const streamed = stream(server.api, 'GET', { query: prices, variables: { s: board } })
  await eventually(() => of('2').length === 50 && streamed.text.includes('data'), 'the others')
  assert.equal(await standing(server, 'documents'), documents)
  assert.equal(await standing(server, 'places'), 2.5 * places)
  client.complete('1')
  streamed.cut()
  await eventually(async () => (await standing(server, 'places')) === places / 2, 'that they have ended')
  assert.equal(await standing(server, 'documents'), documents)
  client.cut()
  await server.deserted()
})

for (const [name, query] of Object.entries({ prices, batches, alone })) {
  test(`the first event of ${name}, and no other, tells a client that asks what its subscription costs, beside others that do not`, async () => {
    await using server = await startPriceServer()
    const { client, of } = await open(server.api)
    const symbols = ['A', 'B']
    const payload = (extensions?: object) => ({ query, variables: { s: symbols }, ...(extensions && { extensions }) })
    client.send({ id: 'plain', type: 'subscribe', payload: payload() })
    await eventually(() => of('plain').length > 0, 'a price')
    client.send({ id: 'told', type: 'subscribe', payload: payload({ cost: 1 }) })
    const told = stream(server.api, 'POST', { query, variables: { s: symbols } }, { 'x-cost': '1' })
    const plain = stream(server.api, 'GET', { query, variables: { s: symbols } })
    await eventually(() => of('told').length > 0 && told.text !== '' && plain.text !== '', 'prices')
    const before = of('told').length
    server.tick('A')
    await eventually(() => of('told').length > before && told.text.split('data:').length > before + 1, 'more prices')
    const payloads = of('told').map((message) => message.payload as { data: object; extensions?: { cost: object } })
    const { points, eventPoints, standingPoints, ...rest } = (payloads[0]?.extensions?.cost ??
      assert.fail('no cost')) as Record<string, number>
    assert.deepEqual(rest, { ceiling: usualPriceSettings.ceiling })
    for (const each of [points, eventPoints, standingPoints]) assert.ok(Number.isInteger(each) && Number(each) > 0)
    assert.ok(payloads.every(({ data }) => data))
    assert.ok(payloads.slice(1).every(({ extensions }) => extensions === undefined))
    const [, first = '', ...others] = told.text.split('data:')
    assert.match(
      first,
      /"extensions":\{"cost":\{"points":\d+,"eventPoints":\d+,"standingPoints":\d+,"ceiling":200000\}\}\}/,
    )
    assert.ok(JSON.parse(first.split('\n')[0] ?? '').data)
    assert.ok(![others, of('plain'), plain.text].some((each) => JSON.stringify(each).includes('extensions')))
    for (const each of [client, told, plain]) each.cut()
    await server.deserted()
  })
}

test('a subscription that does not begin tells what it costs, too', async () => {
  await using server = await startPriceServer({ price: limited({ ofConnection: 1 }) })
  const { client, of } = await open(server.api)
  for (const [id, s] of [
    ['over', board],
    ['invalid', []],
  ] as const)
    client.send({ id, type: 'subscribe', payload: { query: prices, variables: { s }, extensions: { cost: 1 } } })
  await eventually(() => of('over').length === 1 && of('invalid').length === 1, 'the refusals')
  for (const id of ['over', 'invalid']) {
    assert.ok(errorIn(of(id)[0]?.payload))
    assert.match(JSON.stringify(of(id)), /"cost":\{"points":\d+,"eventPoints"/)
  }
  client.cut()
  await server.deserted()
})

/** Signals by what the symbol says: streams that fail at once, fail later, end by themselves, or go on. */
const signalEvents = {
  async follow({ symbols }: { readonly symbols: readonly string[] | null }) {
    const channel = new Channel<never>({ maxWaiting: 1, compact: (waiting) => [...waiting], onEnd() {} })
    const how = symbols?.[0]
    if (how === 'FAILS') throw new FinstageError('UNAVAILABLE', 'not now', { retryAfterSeconds: 1 })
    if (how === 'ENDS') setTimeout(() => channel.end(), 5)
    if (how === 'THROWS') channel.next = () => sleep(5).then(() => Promise.reject(new Error('broken')))
    return channel
  },
}

test('however subscriptions begin, end, fail, or lose their client, on every transport, nothing is held when all are over', async () => {
  const one = await heldBy(alone)
  await using server = await startPriceServer({
    trustedProxies: ['127.0.0.1'],
    price: limited({ ofConnection: one / 5, ofClient: one / 3, inAll: 6 * one }),
    ports: { signalEvents } as unknown as Partial<Ports>,
  })
  server.withhold('LATE', 'NOSUCH')
  server.bus.subscribe('watch', ({ event, symbols }) => {
    if (event !== 'added' || !symbols.includes('NOSUCH')) return
    const failure = {
      symbol: 'NOSUCH',
      run: 'run-1',
      code: 'SYMBOL_NOT_FOUND',
      message: 'unknown',
      details: {},
    } as const
    setTimeout(() => server.bus.publish('priceFailure', failure), 2)
  })
  const random = randomFrom(7)
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
  const asked = (): Asked => {
    const query = pick([prices, prices, batches, alone, signals, prices.replace('seq', 'price seq')])
    const some = board.slice(0, 1 + Math.floor(random() * 30))
    const s =
      query === signals
        ? [pick(['FAILS', 'ENDS', 'THROWS', 'GOES'])]
        : pick([some, some, ['LATE'], ['NOSUCH'], [], [...board, ...board, 'X']])
    return { query, variables: { s } }
  }
  type Raw = Awaited<ReturnType<typeof open>>
  const sockets: { raw: Raw; ids: string[] }[] = []
  const streams: Stream[] = []
  let [begun, most] = [0, 0]
  for (let step = 0; step < 500; step++) {
    const choice = random()
    const socket = pick(sockets)
    if (sockets.length < 4 || choice < 0.03) sockets.push({ raw: await open(server.api), ids: [] })
    else if (choice < 0.45 && socket) {
      const id = String(begun++)
      socket.raw.client.send({
        id,
        type: 'subscribe',
        payload: { ...asked(), ...(random() < 0.2 && { extensions: { cost: 1 } }) },
      })
      // Some are dropped before they can have begun.
      if (random() < 0.2) socket.raw.client.complete(id)
      else socket.ids.push(id)
    } else if (choice < 0.6 && socket) socket.raw.client.complete(socket.ids.shift() ?? 'none')
    else if (choice < 0.64 && socket) {
      socket.raw.client.cut()
      sockets.splice(sockets.indexOf(socket), 1)
    } else if (choice < 0.85) {
      begun++
      const headers = { 'x-forwarded-for': `10.0.0.${Math.floor(random() * 4)}` }
      const each = stream(server.api, pick(['GET', 'POST']), asked(), {
        ...headers,
        ...(random() < 0.2 && { 'x-cost': '1' }),
      })
      if (random() < 0.2) each.cut()
      else streams.push(each)
    } else streams.splice(Math.floor(random() * streams.length), 1)[0]?.cut()
    if (random() < 0.3) server.tick(pick(board))
    if (random() < 0.3) await sleep(random() * 4)
    if (step % 25 === 0) most = Math.max(most, await standing(server))
  }
  assert.ok(begun > 200 && most > one / 4, `${begun} begun, ${most} points at most`)
  const hasRefused = await Promise.all(
    ['standing_points_of_connection', 'standing_points_of_client'].map((limit) => refused(server, limit)),
  )
  assert.ok(
    hasRefused.every((count) => count > 0),
    String(hasRefused),
  )
  for (const { raw } of sockets) raw.client.cut()
  for (const each of streams) each.cut()
  server.tick('LATE')
  await server.deserted()
  for (const kind of ['places', 'documents', 'series']) assert.equal(await standing(server, kind), 0, kind)
  // Nor does anything count against whoever comes next.
  const { client, of } = await open(server.api)
  client.subscribe('1', prices, { s: board.slice(0, 5) })
  await eventually(() => of('1').length === 5, 'that there is room')
  client.cut()
  await inTime(client.closed, 'the end')
  await server.deserted()
})
