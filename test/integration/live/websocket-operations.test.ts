import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FinstageError, limitExceeded, readerTooSlow } from '../../../src/domain/errors.ts'
import type { Job } from '../../../src/domain/job.ts'
import type { Listing } from '../../../src/domain/quote.ts'
import type { Ports } from '../../../src/resolvers/context.ts'
import { Channel } from '../../../src/stream/channel.ts'
import { quoteOf } from '../../support/candles/prices.ts'
import { eventually, inTime } from '../../support/clients/client.ts'
import { startPriceServer } from '../../support/clients/price-server.ts'
import { PriceTrack, type SeenUpdate } from '../../support/clients/price-track.ts'
import { type Message, RawClient } from '../../support/clients/raw-client.ts'
import { overSse } from '../../support/clients/sse.ts'

const watch = 'subscription ($s: [Symbol!]!) { priceUpdates(symbols: $s) { kind symbol seq } }'
const watchWithInstrument =
  'subscription ($s: [Symbol!]!) { priceUpdates(symbols: $s) { kind symbol seq quote { instrument { name } } } }'

async function open(api: string) {
  const messages: Message[] = []
  const texts: string[] = []
  const client = await RawClient.open(api, (message, text) => {
    messages.push(message)
    texts.push(text)
  })
  return {
    client,
    messages,
    texts,
    of: (id: string, type: string): Message[] =>
      messages.filter((message) => message.id === id && message.type === type),
    seen: (id: string): string[] =>
      messages.flatMap((message) => {
        if (message.id !== id || message.type !== 'next') return []
        const { kind, symbol, seq } = (message.payload as { data: { priceUpdates: SeenUpdate } }).data.priceUpdates
        return [`${kind} ${symbol} ${seq}`]
      }),
    /** All that was sent before has been dealt with, and what came of it at once has been read. */
    async settled(): Promise<void> {
      const before = messages.length
      client.send({ type: 'ping' })
      await eventually(() => messages.slice(before).some(({ type }) => type === 'pong'), 'the pong')
    },
  }
}

const instrumentOf = (symbol: string): Listing => ({
  instrument: {
    ...{ symbol, name: `The ${symbol}`, kind: 'EQUITY', exchange: null, currency: 'USD', priceDecimals: 2 },
    marketState: 'REGULAR',
  },
  quote: quoteOf(symbol, 1),
})

/** The part of the market that instruments come from. */
const listingFrom = (listing: (symbol: string) => Promise<Listing>): Partial<Ports> => ({
  market: { listing } as Partial<Ports['market']> as Ports['market'],
})

/** Nested deeper than JSON can be written, though it can be read. */
const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`

for (const [what, message] of [
  ['no JSON', '{"type":'],
  ['no object', '["connection_init"]'],
  ['without a type', '{}'],
  ['of a type that there is not', '{"type":"start","id":"1","payload":{}}'],
  ['a subscribe without an id', { type: 'subscribe', payload: { query: watch } }],
  ['a complete without an id', { type: 'complete' }],
  ['connection_ack, which only a server sends', { type: 'connection_ack' }],
  ['next, which only a server sends', { type: 'next', id: '1', payload: { data: null } }],
  ['error, which only a server sends', { type: 'error', id: '1', payload: [{ message: 'no' }] }],
  ['a ping that is nested too deep to be sent back', `{"type":"ping","payload":{"deep":${deep(32_000)}}}`],
  ['in bytes that are no text', Buffer.from([0x7b, 0xff, 0x00])],
] as const) {
  test(`a message that is ${what} closes the socket with 4400, and nothing is left of it`, async () => {
    await using server = await startPriceServer()
    const { client, of } = await open(server.api)
    client.subscribe('1', watch, { s: ['A'] })
    await eventually(() => of('1', 'next').length === 1, 'a price')
    if (Buffer.isBuffer(message)) client.sendFrame(2, message)
    else client.send(message as Message | string)
    assert.equal(await inTime(client.closed, 'the end'), 4400)
    await server.deserted()
  })
}

test('what both sides may send, or what is deep and never sent back, closes nothing', async () => {
  await using server = await startPriceServer()
  const { client, of, seen, settled } = await open(server.api)
  client.subscribe('1', watch, { s: ['A'] })
  client.send({ type: 'pong' }, { type: 'pong', payload: {} }, { type: 'complete', id: 'of nothing' })
  client.send(`{"type":"subscribe","id":"2","payload":{"query":"{ __typename }","variables":{"deep":${deep(32_000)}}}}`)
  await eventually(() => seen('1').length === 1 && of('2', 'complete').length === 1, 'the answers')
  await settled()
  client.cut()
  await server.deserted()
})

for (const [what, code, misbehave] of [
  ['subscribes before it was acknowledged', 4401, (client: RawClient) => client.subscribe('1', watch, { s: ['A'] })],
  [
    'introduces itself twice',
    4429,
    (client: RawClient) => client.send({ type: 'connection_init' }, { type: 'connection_init' }),
  ],
  ...(
    [
      ['uses an id that is open', '1'],
      ['uses a long id that is open', 'x'.repeat(200)],
    ] as const
  ).map(
    ([what, id]) =>
      [
        what,
        4409,
        (client: RawClient) => {
          client.send({ type: 'connection_init' })
          for (let i = 0; i < 2; i++) client.subscribe(id, watch, { s: ['A'] })
        },
      ] as const,
  ),
] as const) {
  test(`a client that ${what} is closed with ${code}, and nothing is left of it`, async () => {
    await using server = await startPriceServer()
    const client = await RawClient.connect(server.api, () => {})
    misbehave(client)
    assert.equal(await inTime(client.closed, 'the end'), code)
    await server.deserted()
  })
}

test('a client that does not speak graphql-transport-ws is closed with 4406', async () => {
  await using server = await startPriceServer()
  const client = await RawClient.connect(server.api, () => {}, null)
  assert.equal(await inTime(client.closed, 'the end'), 4406)
  await server.deserted()
})

test('an operation that the document does not have is BAD_USER_INPUT', async () => {
  await using server = await startPriceServer()
  const { client, of } = await open(server.api)
  client.send({ id: '1', type: 'subscribe', payload: { query: 'query A { __typename }', operationName: 'B' } })
  await eventually(() => of('1', 'error').length === 1, 'the error')
  const [error] = of('1', 'error').flatMap(({ payload }) => payload as { extensions: object }[])
  assert.deepEqual(error?.extensions, { code: 'BAD_USER_INPUT' })
})

test('what is completed before its first price is told nothing, and is gone when that comes', async () => {
  await using server = await startPriceServer()
  server.withhold('LATE')
  const { client, messages, settled } = await open(server.api)
  client.subscribe('1', watch, { s: ['LATE'] })
  await eventually(async () => (await server.metric('finstage_price_subscriptions')) === 1, 'that it waits')
  client.complete('1')
  await settled()
  server.tick('LATE')
  await eventually(async () => (await server.metric('finstage_price_subscriptions')) === 0, 'that it is gone')
  server.tick('LATE')
  await settled()
  assert.ok(messages.every(({ type }) => type === 'pong'))
  assert.equal(await server.metric('finstage_shared_executions'), 0)
})

test('an id that was completed before its first price may be used again: each has its own prices only', async () => {
  await using server = await startPriceServer()
  server.withhold('LATE')
  const { client, of, seen, settled } = await open(server.api)
  client.subscribe('1', watch, { s: ['LATE'] })
  await eventually(async () => (await server.metric('finstage_price_subscriptions')) === 1, 'that it waits')
  client.complete('1')
  client.subscribe('1', watch, { s: ['A'] })
  await eventually(() => seen('1').length === 1, 'the price of the second')
  server.tick('LATE')
  server.tick('A', 'LATE', 'A')
  await eventually(() => seen('1').length === 3, 'more of the second')
  await settled()
  assert.deepEqual(seen('1'), ['SNAPSHOT A 1', 'TICK A 2', 'TICK A 3'])
  assert.deepEqual(of('1', 'complete'), [])
  assert.equal(await server.metric('finstage_price_subscriptions'), 1)
  client.complete('1')
  await eventually(async () => (await server.metric('finstage_price_subscriptions')) === 0, 'that it is gone')
})

test('an id may be used again in the breath that completes it: the later subscription goes on', async () => {
  await using server = await startPriceServer()
  const { client, of, seen, settled } = await open(server.api)
  client.subscribe('1', watch, { s: ['A'] })
  await eventually(() => seen('1').length === 1, 'a price')
  const again = { id: '1', type: 'subscribe', payload: { query: watch, variables: { s: ['B'] } } }
  client.send({ id: '1', type: 'complete' }, again)
  await eventually(() => seen('1').length === 2, 'a price of the second')
  server.tick('A', 'B')
  await settled()
  assert.deepEqual(seen('1'), ['SNAPSHOT A 1', 'SNAPSHOT B 1', 'TICK B 2'])
  assert.deepEqual(of('1', 'complete'), [])
})

test('a query that is completed before its answer is told nothing, and its id may be used again, also once it is known', async () => {
  const waiting: (() => void)[] = []
  const listing = (symbol: string): Promise<Listing> => {
    const { promise, resolve } = Promise.withResolvers<Listing>()
    if (symbol === 'LATE') waiting.push(() => resolve(instrumentOf(symbol)))
    else resolve(instrumentOf(symbol))
    return promise
  }
  await using server = await startPriceServer({ ports: listingFrom(listing) })
  const { client, of, messages, settled } = await open(server.api)
  const query = 'query ($s: Symbol!) { instrument(symbol: $s) { name } }'
  const answer = (symbol: string): object => ({ data: { instrument: { name: `The ${symbol}` } } })
  for (let run = 1; run <= 12; run++) {
    client.subscribe('1', query, { s: 'LATE' })
    await eventually(() => waiting.length === run, 'that it waits')
    client.complete('1')
    client.subscribe('1', query, { s: 'A' })
    await eventually(() => of('1', 'complete').length === run, 'the answer to the second')
    waiting.at(-1)?.()
    await settled()
    assert.deepEqual(
      of('1', 'next').map(({ payload }) => payload),
      Array.from({ length: run }, () => answer('A')),
    )
  }
  assert.equal(messages.filter(({ type }) => type !== 'pong').length, 24)
  client.subscribe('1', query, { s: 'LATE' })
  await eventually(() => waiting.length === 13, 'that it waits')
  client.cut()
  await eventually(async () => (await server.metric('finstage_live_connections')) === 0, 'that it is gone')
  waiting.at(-1)?.()
})

test('a socket that closes while a subscription waits for its first price leaves nothing', async () => {
  await using server = await startPriceServer()
  server.withhold('LATE')
  const { client } = await open(server.api)
  client.subscribe('1', watch, { s: ['LATE'] })
  await eventually(async () => (await server.metric('finstage_price_subscriptions')) === 1, 'that it waits')
  client.cut()
  await eventually(async () => (await server.metric('finstage_live_connections')) === 0, 'that it has gone')
  server.tick('LATE')
  await server.deserted()
  assert.equal(await server.metric('finstage_shared_events_total'), 0, 'nothing is executed for it')
})

test('a thousand clients at once are each served, one execution for each price that they see', async () => {
  await using server = await startPriceServer()
  const clients = await Promise.all(Array.from({ length: 1000 }, () => open(server.api)))
  for (const { client } of clients) client.subscribe('1', watch, { s: ['A'] })
  await eventually(() => clients.every(({ seen }) => seen('1').length === 1), 'the first prices')
  const publishedAt = await server.metric('finstage_shared_events_total')
  // One for each millisecond in which somebody came: it bears the time.
  assert.ok(publishedAt < 600, `${publishedAt}`)
  for (let i = 0; i < 10; i++) server.tick('A')
  await eventually(() => clients.every(({ seen }) => seen('1').length === 11), 'ten more')
  assert.equal(await server.metric('finstage_shared_events_total'), publishedAt + 10)
  assert.equal(await server.metric('finstage_shared_executions'), 1)
  for (const { client } of clients) client.cut()
  await server.deserted()
})

test('errors inside shared events are masked and placed as a plain execution does, for each as its document is written', async () => {
  await using server = await startPriceServer({
    ports: listingFrom(async (symbol) => {
      if (symbol === 'OWN') throw new FinstageError('SOURCE_UNAVAILABLE', 'away', { symbol })
      if (symbol === 'BUG') throw new Error('secret')
      return instrumentOf(symbol)
    }),
  })
  const documents = [
    watchWithInstrument,
    watchWithInstrument.replaceAll(' { ', ' {\n  '),
    watchWithInstrument.replace('quote', 'q: quote').replace('name', 'name symbol'),
  ]
  const variables = { s: ['OWN', 'BUG', 'FINE'] }
  const { client, messages, texts } = await open(server.api)
  const stop = new AbortController()
  // Where every subscriber has an execution of its own.
  const alone = documents.map((document) => overSse(server.api, document, variables, stop.signal))
  for (const [i, document] of documents.entries()) client.subscribe(String(i), document, variables)
  const of = (id: number): string[] =>
    texts.filter((_, i) => messages[i]?.id === String(id)).map((text) => /"payload":(.*)}$/.exec(text)?.[1] ?? '')
  await eventually(() => documents.every((_, i) => alone[i]?.length === 3 && of(i).length === 3), 'first prices')
  server.tick('OWN', 'BUG', 'FINE')
  await eventually(() => documents.every((_, i) => alone[i]?.length === 6 && of(i).length === 6), 'ticks')
  for (const i of documents.keys()) {
    const parsed = [of(i), alone[i] ?? []].map((texts) => texts.slice(3).map((text) => JSON.parse(text) as unknown))
    assert.deepEqual(parsed[0], parsed[1])
  }
  assert.match(of(0).join(), /SOURCE_UNAVAILABLE.*"line":1.*INTERNAL/)
  assert.match(of(1).join(), /"line":4/)
  assert.doesNotMatch(of(0).join(), /secret/)
  assert.equal(await server.metric('finstage_shared_executions'), 2)
  stop.abort()
})

test('a selection that has to wait keeps the order, and every update of a burst of 32', async () => {
  let delay = 0
  await using server = await startPriceServer({
    ports: listingFrom(async (symbol) => {
      // Those asked for first are answered last.
      for (let turns = 50 - (delay++ % 50); turns > 0; turns--) await nextTurn()
      return instrumentOf(symbol)
    }),
  })
  const track = new PriceTrack()
  await using client = await RawClient.open(server.api, track.takeMessage)
  client.subscribe('1', watchWithInstrument, { s: ['A', 'B'] })
  await eventually(() => track.count === 2, 'the first prices')
  for (let i = 0; i < 16; i++) server.tick('A', 'B')
  await eventually(() => track.seqOf('A') === 17 && track.seqOf('B') === 17, 'all of the burst')
  assert.deepEqual([track.missing, track.faults], [0, { repeated: 0, outOfOrder: 0 }])
  for (let i = 0; i < 100; i++) server.tick('A', 'B')
  await eventually(() => track.seqOf('A') === 117 && track.seqOf('B') === 117, 'the newest')
  assert.deepEqual(track.faults, { repeated: 0, outOfOrder: 0 })
  assert.ok(track.missing > 0)
  assert.equal(await server.metric('finstage_conflated_total'), track.missing)
})

test('a reader that is behind when what it waited for has come gets the newest, in order', async () => {
  let gate: PromiseWithResolvers<void> | undefined
  await using server = await startPriceServer({
    ports: listingFrom(async (symbol) => {
      await gate?.promise
      return instrumentOf(symbol)
    }),
  })
  const symbols = ['A', 'B', 'C']
  const track = new PriceTrack()
  await using client = await RawClient.open(server.api, track.takeMessage)
  const names = Array.from({ length: 90 }, (_, i) => `n${i}: quote { currency time receivedAt }`).join(' ')
  client.subscribe('slow', watchWithInstrument.replace('quote', `${names} quote`), { s: symbols })
  client.subscribe('fat', watch.replace('seq', `seq ${names}`), { s: ['D'] })
  await eventually(() => track.count === 4, 'the first prices')
  client.stall()
  gate = Promise.withResolvers()
  for (let i = 0; i < 5; i++) server.tick(...symbols)
  for (let same = 0, before = 0; same < 20; ) {
    server.tick('D')
    await nextTurn()
    const now = await server.metric('finstage_live_unsent_bytes')
    same = now > 0 && now === before ? same + 1 : 0
    before = now
  }
  gate.resolve()
  for (let i = 0; i < 20; i++) await nextTurn()
  for (let i = 0; i < 5; i++) server.tick(...symbols)
  client.readOn()
  await eventually(() => [...symbols, 'D'].every((each) => track.seqOf(each) === server.seqOf(each)), 'the newest')
  assert.deepEqual(track.faults, { repeated: 0, outOfOrder: 0 })
})

/** A server whose one stream of jobs is this channel, whose reader may fall behind by so much. */
async function startJobServer(waiting: number) {
  let ends = 0
  const channel: Channel<Job | FinstageError> = new Channel<Job | FinstageError>({
    maxWaiting: waiting,
    compact: (jobs) => [...jobs],
    bound: { waiting, last: () => readerTooSlow(waiting, 'changes of jobs') },
    onEnd: () => {
      ends += 1
    },
  })
  const server = await startPriceServer({
    ports: { jobs: { followAll: async () => channel } as unknown as Ports['jobs'] },
  })
  let pushed = 0
  return {
    server,
    ends: () => ends,
    pushed: () => pushed,
    push: () => {
      pushed += 1
      channel.push({ id: String(pushed), kind: 'ANALYSIS', state: 'RUNNING', progress: pushed } as Job)
    },
  }
}

const followJobs = `subscription { jobUpdates { progress ${Array.from({ length: 90 }, (_, i) => `a${i}: id b${i}: state`).join(' ')} } }`

/** Pushes until what is pushed next waits in the channel. */
async function pushUntilStuck({ server, push }: Awaited<ReturnType<typeof startJobServer>>): Promise<void> {
  for (let same = 0, before = -1; same < 50; ) {
    push()
    await nextTurn()
    const now = await server.metric('finstage_live_unsent_bytes')
    same = now > 0 && now === before ? same + 1 : 0
    before = now
  }
}

test('a stream that may leave nothing out ends when too much waits: all that waited, LIMIT_EXCEEDED, and 4413', async () => {
  const jobs = await startJobServer(500)
  await using server = jobs.server
  const { client, messages, of } = await open(server.api)
  client.subscribe('jobs', followJobs)
  client.subscribe('prices', watch, { s: ['A'] })
  await eventually(() => of('prices', 'next').length === 1, 'a price')
  client.stall()
  await pushUntilStuck(jobs)
  const before = jobs.pushed()
  for (let i = 0; i < 1000; i++) jobs.push()
  client.readOn()
  assert.equal(await inTime(client.closed, 'the end'), 4413)
  const answers = of('jobs', 'next').map(
    ({ payload }) => payload as { data?: { jobUpdates: { progress: number } } | null },
  )
  const progress = answers.slice(0, -1).map(({ data }) => data?.jobUpdates.progress)
  assert.deepEqual(
    progress,
    progress.map((_, i) => i + 1),
    'each, in order',
  )
  assert.ok(progress.length >= before && progress.length <= before + 501)
  assert.match(JSON.stringify(messages.at(-1)), /"next".*LIMIT_EXCEEDED/)
  assert.equal(await server.metric('finstage_live_refused_total', { limit: 'too_slow' }), 1)
  await server.deserted()
  assert.equal(jobs.ends(), 1)
})

test('an answer, or a subscription, that is refused with LIMIT_EXCEEDED is only that: the socket stays open', async () => {
  const refusal = (): Promise<never> => Promise.reject(limitExceeded('enough', 1))
  await using server = await startPriceServer({
    ports: { market: { listing: refusal }, jobs: { cancel: refusal, followAll: refusal } } as unknown as Partial<Ports>,
  })
  const { client, of, seen, settled } = await open(server.api)
  client.subscribe('query', '{ instrument(symbol: "A") { name } }')
  client.subscribe('mutation', `mutation { cancelJob(id: "${btoa('Job:1')}") { __typename } }`)
  client.subscribe('subscription', 'subscription { jobUpdates { id } }')
  const refused = ['query', 'mutation', 'subscription']
  await eventually(() => refused.every((id) => of(id, 'complete').length === 1), 'the answers')
  for (const id of refused) {
    const [answer] = of(id, 'next').map(
      ({ payload }) => payload as { errors: { path: unknown[]; extensions: object }[] },
    )
    assert.equal(answer?.errors[0]?.path.length, 1)
    assert.deepEqual(answer?.errors[0]?.extensions, { code: 'LIMIT_EXCEEDED', retryAfterSeconds: 1 })
  }
  client.subscribe('prices', watch, { s: ['A'] })
  await eventually(() => seen('prices').length === 1, 'a price')
  await settled()
  assert.equal(await server.metric('finstage_live_refused_total'), 0)
  client.cut()
})

test('a reader of such a stream that stands still for thirty seconds is closed with 4413, however little waits', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const jobs = await startJobServer(1000)
  const { server } = jobs
  const { client, of } = await open(server.api)
  client.subscribe('jobs', followJobs)
  jobs.push()
  await eventually(() => of('jobs', 'next').length === 1, 'the first')
  client.stall()
  await pushUntilStuck(jobs)
  for (let second = 0; second < 29; second++) t.mock.timers.tick(1000)
  assert.equal(await server.metric('finstage_live_refused_total', { limit: 'too_slow' }), 0)
  t.mock.timers.tick(1000)
  assert.equal(await server.metric('finstage_live_refused_total', { limit: 'too_slow' }), 1)
  client.readOn()
  assert.equal(await inTime(client.closed, 'the end'), 4413)
  await server.deserted()
  assert.equal(jobs.ends(), 1)
  t.mock.timers.reset()
  await server.stop()
})

test('who asks and does not read is not listened to any more: about 1 MiB waits, and in the end each is answered once', async () => {
  await using server = await startPriceServer()
  const { client, messages } = await open(server.api)
  client.stall()
  const query = `{ ${Array.from({ length: 150 }, (_, i) => `a${i}: __typename`).join(' ')} }`
  let most = 0
  let count = 0
  for (let same = 0, before = -1; same < 50; ) {
    for (let i = 0; i < 20; i++) client.subscribe(String(count++), query)
    await nextTurn()
    const now = await server.metric('finstage_live_unsent_bytes')
    same = now > 0 && now === before ? same + 1 : 0
    before = now
    most = Math.max(most, now)
  }
  assert.ok(most < 2 * 1024 * 1024, `${most}`)
  client.readOn()
  await eventually(() => messages.filter(({ type }) => type !== 'complete').length === count, 'all answers')
  const answers = messages.flatMap(({ id, type }) => (type === 'complete' ? [] : [id]))
  assert.equal(new Set(answers).size, count)
  client.cut()
  await server.deserted()
})
