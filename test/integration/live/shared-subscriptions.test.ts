import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { WebSocket } from 'ws'
import { startApp } from '../../support/app.ts'
import { eventually, inTime, metric } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'

const database = await createTestDatabase()
const app = await startApp({
  ...{ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', SIMULATED_SYMBOLS: '3' },
  SIMULATED_TICKS_PER_SECOND: '100',
})
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})

const symbols = ['AAPL', 'MSFT', 'GOOGL'] as const

interface Operation {
  readonly query: string
  readonly variables: Record<string, unknown>
}

/** Payloads as text, one for each event. */
type Payloads = { readonly payloads: string[]; readonly close: () => void }

/** A socket on which several operations may run, its messages as they came. */
async function openSocket(api = app.api) {
  const socket = new WebSocket(`${api.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  const messages: string[] = []
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('message', (data) => {
      messages.push(String(data))
      resolve()
    })
    socket.on('open', () => socket.send('{"type":"connection_init"}'))
  })
  return {
    socket,
    messages,
    subscribe: (id: string, payload: Operation) => socket.send(JSON.stringify({ id, type: 'subscribe', payload })),
    payloadsOf: (id: string) =>
      messages.flatMap((text) => {
        const message = JSON.parse(text) as { id?: string; type: string; payload?: unknown }
        return message.id === id && message.type === 'next' ? JSON.stringify(message.payload) : []
      }),
  }
}

/** The same operation over SSE, where every subscriber has its own execution. */
function overSse(operation: Operation): Payloads {
  const stop = new AbortController()
  const payloads: string[] = []
  const read = async (): Promise<void> => {
    const response = await fetch(`${app.api}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify(operation),
      signal: stop.signal,
    })
    let text = ''
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString()
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1]
        text = text.slice(end + 2)
        if (data) payloads.push(data)
      }
    }
  }
  read().catch(() => {})
  return { payloads, close: () => stop.abort() }
}

const scalars = [
  'symbol',
  'price',
  'previousClose',
  'change',
  'changePercent',
  'volume',
  'time',
  'publishedAt',
  'cursor',
]
const more = ['stale', 'source', 'marketState', '__typename']
const nested = [
  'quote { price currency time receivedAt }',
  'quote { instrument { symbol name exchange { code } } }',
  'q: quote { id ... on Quote { dayHigh } }',
  '...Rest',
  '... @include(if: $yes) { open: quote { open } }',
  'volume @skip(if: $no)',
  'price @include(if: $yes)',
  '... on PriceUpdate { last: price }',
]

/** Selections with aliases, fragments, directives and nested objects; `kind` and `seq` tell which event it is. */
const selections = fc
  .record({
    fields: fc.uniqueArray(fc.constantFrom(...scalars, ...more), { maxLength: 6 }),
    aliased: fc.uniqueArray(fc.constantFrom(...scalars), { maxLength: 3 }),
    nested: fc.uniqueArray(fc.constantFrom(...nested), { maxLength: 4 }),
    root: fc.constantFrom('priceUpdates', 'p: priceUpdates'),
  })
  .map(({ fields, aliased, nested, root }) => {
    const parts = [...fields, ...aliased.map((name, i) => `a${i}: ${name}`), ...nested].join(' ')
    const rest = parts.includes('...Rest') ? 'fragment Rest on PriceUpdate { source quote { dayLow } }' : ''
    return { root, parts, rest }
  })

const operations = fc
  .record({
    selection: selections,
    yes: fc.boolean(),
    no: fc.boolean(),
    wants: fc.subarray([...symbols], { minLength: 1 }),
  })
  .map(({ selection: { root, parts, rest }, yes, no, wants }): Operation => {
    const used = ['yes', 'no'].filter((name) => parts.includes(`$${name}`))
    const declared = ['$symbols: [Symbol!]!', ...used.map((name) => `$${name}: Boolean!`)].join(', ')
    const variables: Record<string, unknown> = { symbols: wants }
    if (used.includes('yes')) variables.yes = yes
    if (used.includes('no')) variables.no = no
    return {
      query: `subscription (${declared}) { ${root}(symbols: $symbols) { kind seq ${parts} symbol_: symbol } } ${rest}`,
      variables,
    }
  })

const numberOf = (payload: string): string => {
  const { data } = JSON.parse(payload) as { data: Record<string, { kind: string; seq: number; symbol_: string }> }
  const [update] = Object.values(data)
  return update?.kind === 'SNAPSHOT' ? '' : `${update?.symbol_} ${update?.seq}`
}

test('over WebSocket every client gets, to the byte, what an execution of its own would have given it', async () => {
  const { socket, payloadsOf, subscribe } = await openSocket()
  let count = 0
  await fc.assert(
    fc.asyncProperty(fc.array(operations, { minLength: 2, maxLength: 4 }), async (asked) => {
      const pairs = asked.map((operation) => {
        const id = `id "${count++}"`
        subscribe(id, operation)
        return { id, plain: overSse(operation) }
      })
      // Events that both have, of each operation: from the tenth on, what can be is executed as compiled.
      const common = ({ id, plain }: (typeof pairs)[number]): [string, string][] => {
        const alone = new Map(plain.payloads.map((payload) => [numberOf(payload), payload]))
        return payloadsOf(id).flatMap((payload) => {
          const number = numberOf(payload)
          const same = alone.get(number)
          return number !== '' && same !== undefined ? [[payload, same] as [string, string]] : []
        })
      }
      await eventually(() => pairs.every((pair) => common(pair).length >= 15), 'fifteen events of each')
      for (const pair of pairs) {
        for (const [together, alone] of common(pair)) assert.equal(together, alone)
        pair.plain.close()
        socket.send(JSON.stringify({ id: pair.id, type: 'complete' }))
      }
    }),
    { numRuns: 40 },
  )
  socket.close()
})

test('one execution serves all who ask alike, whatever symbols they want; other fields or variables have one of their own', async () => {
  const { socket, subscribe, messages } = await openSocket()
  const query = (fields: string) =>
    `subscription ($s: [Symbol!]!, $on: Boolean = true) { priceUpdates(symbols: $s) { ${fields} } }`
  const executions = () => metric(app.metrics, 'finstage_shared_executions')
  await eventually(async () => (await executions()) === 0, 'nobody else')
  const alike = query('price seq @include(if: $on)')
  subscribe('1', { query: alike, variables: { s: ['AAPL'] } })
  subscribe('2', { query: alike, variables: { s: ['MSFT', 'GOOGL'] } })
  subscribe('3', { query: `${alike} `, variables: { s: ['AAPL'] } })
  await eventually(
    () => ['1', '2', '3'].every((id) => messages.some((text) => text.includes(`"id":"${id}"`))),
    'prices',
  )
  assert.equal(await executions(), 1)
  subscribe('4', { query: alike, variables: { s: ['AAPL'], on: false } })
  subscribe('5', { query: query('price @skip(if: $on)'), variables: { s: ['AAPL'], on: false } })
  await eventually(() => ['4', '5'].every((id) => messages.some((text) => text.includes(`"id":"${id}"`))), 'prices')
  assert.equal(await executions(), 3)
  for (const id of ['1', '2', '3', '4', '5']) socket.send(JSON.stringify({ id, type: 'complete' }))
  await eventually(async () => (await executions()) === 0, 'nobody left')
  socket.close()
})

test('what cannot be shared is executed for itself, and right', async () => {
  const { socket, subscribe, payloadsOf } = await openSocket()
  const query =
    'subscription ($s: [Symbol!]!) { ...F } fragment F on Subscription { priceUpdates(symbols: $s) { symbol } }'
  subscribe('u', { query, variables: { s: ['AAPL'] } })
  await eventually(() => payloadsOf('u').length >= 3, 'prices')
  assert.equal(await metric(app.metrics, 'finstage_shared_executions'), 0)
  assert.ok(payloadsOf('u').every((payload) => payload === '{"data":{"priceUpdates":{"symbol":"AAPL"}}}'))
  socket.close()
})

test('nothing comes of a subscription that was completed, and the socket goes on', async () => {
  const { socket, subscribe, messages, payloadsOf } = await openSocket()
  const query = 'subscription { priceUpdates(symbols: ["AAPL"]) { seq } }'
  subscribe('a', { query, variables: {} })
  subscribe('b', { query, variables: {} })
  await eventually(() => payloadsOf('a').length >= 2 && payloadsOf('b').length >= 2, 'prices')
  socket.send('{"id":"a","type":"complete"}')
  socket.send('{"type":"ping"}')
  await eventually(() => messages.some((text) => text.includes('"pong"')), 'the pong')
  const before = payloadsOf('a').length
  const seen = payloadsOf('b').length
  await eventually(() => payloadsOf('b').length >= seen + 3, 'more of the other')
  assert.equal(payloadsOf('a').length, before)
  socket.close()
})

test('a server that stops completes what it has begun, after the last price', async () => {
  await using other = await startApp({ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', SIMULATED_SYMBOLS: '1' })
  const { socket, messages, subscribe, payloadsOf } = await openSocket(other.api)
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  subscribe('1', { query: 'subscription { priceUpdates(symbols: ["AAPL"]) { seq } }', variables: {} })
  await eventually(() => payloadsOf('1').length > 0, 'a price')
  await other.stop()
  assert.equal(await inTime(closed, 'the end'), 1001)
  const types = messages.map((text) => (JSON.parse(text) as { type: string }).type)
  assert.ok(
    types.every((type) => ['connection_ack', 'next', 'complete'].includes(type)),
    types.join(),
  )
})
