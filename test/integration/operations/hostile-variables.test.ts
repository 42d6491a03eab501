import assert from 'node:assert/strict'
import { on, once } from 'node:events'
import { after, test } from 'node:test'
import { startApp } from '../../support/app.ts'
import { createTestDatabase } from '../../support/database/database.ts'

const database = await createTestDatabase()
const app = await startApp({ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated' }, 'api')
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})
const url = `${app.api}/graphql`

interface Answer {
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[]
}

const fields: Readonly<Record<string, string>> = {
  symbols: 'query ($v: [Symbol!]!) { quotes(symbols: $v) { symbol } }',
  id: 'query ($v: ID!) { node(id: $v) { id } }',
  ids: 'query ($v: [ID!]!) { nodes(ids: $v) { id } }',
  job: 'query ($v: ID!) { job(id: $v) { id } }',
  symbol: 'query ($v: Symbol!) { candles(symbol: $v) { columns { epoch } } }',
  last: 'query ($v: Int) { candles(symbol: "AAPL", last: $v) { columns { epoch } } }',
  from: 'query ($v: DateTime) { candles(symbol: "AAPL", from: $v) { columns { epoch } } }',
  extendedHours: 'query ($v: Boolean!) { candles(symbol: "AAPL", extendedHours: $v) { columns { epoch } } }',
  interval: 'query ($v: Interval!) { candles(symbol: "AAPL", interval: $v) { columns { epoch } } }',
  period: 'query ($v: Int!) { candles(symbol: "AAPL", last: 2) { sma(period: $v) { value } } }',
  filter: 'query ($v: [Symbol!]) { signals(symbols: $v) { edges { cursor } } }',
  input: 'mutation ($v: EnqueueAnalysisInput!) { enqueueAnalysis(input: $v) { job { id } } }',
  subscription: 'subscription ($v: Symbol!) { candleUpdates(symbol: $v) { kind } }',
}

const values: Readonly<Record<string, string>> = {
  'an object that is no text': '{"toString":1,"valueOf":1}',
  'a list of such an object': '[{"toString":null,"valueOf":null}]',
  'a deep list': `${'['.repeat(30_000)}${']'.repeat(30_000)}`,
  'a deep object': `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
}

interface Message {
  readonly type: string
  readonly id?: string
  readonly payload?: unknown
}

/** Twice: a document that is new goes another way than one that is known. */
const times = [1, 2]

function isRefused({ errors }: Answer, what: string): void {
  assert.ok(errors && errors.length > 0, `${what}: no errors`)
  for (const { message, extensions } of errors) assert.equal(extensions?.code, 'BAD_USER_INPUT', `${what}: ${message}`)
}

for (const [what, value] of Object.entries(values)) {
  test(`${what} as a variable is BAD_USER_INPUT over HTTP`, async () => {
    for (const [field, query] of Object.entries(fields)) {
      for (const time of times) {
        const body = `{"query":${JSON.stringify(query)},"variables":{"v":${value}}}`
        const headers = { 'content-type': 'application/json', accept: 'application/json' }
        if (field === 'subscription') headers.accept = 'text/event-stream'
        const response = await fetch(url, { method: 'POST', headers, body })
        const text = await response.text()
        isRefused(JSON.parse(/^data: (.+)$/m.exec(text)?.[1] ?? text) as Answer, `${field}, time ${time}`)
      }
    }
  })

  test(`${what} as a variable is BAD_USER_INPUT over a WebSocket, which stays open`, async () => {
    const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws')
    const messages = on(socket, 'message', { close: ['close'] })
    const next = async (): Promise<Message> => {
      const { value, done } = await messages.next()
      assert.ok(!done, 'the socket was closed')
      return JSON.parse((value as [MessageEvent])[0].data) as Message
    }
    await once(socket, 'open')
    socket.send('{"type":"connection_init"}')
    assert.equal((await next()).type, 'connection_ack')
    for (const [field, query] of Object.entries(fields)) {
      // Of its own, so that it is new here.
      const document = JSON.stringify(query.replace('(', `Of${field}(`))
      for (const time of times) {
        const id = `${field}, time ${time}`
        socket.send(`{"id":"${id}","type":"subscribe","payload":{"query":${document},"variables":{"v":${value}}}}`)
        for (;;) {
          const { type, payload, id: answered } = await next()
          if (type === 'complete') continue
          assert.equal(answered, id)
          isRefused(Array.isArray(payload) ? { errors: payload } : (payload as Answer), id)
          break
        }
      }
    }
    assert.equal(socket.readyState, WebSocket.OPEN)
    socket.close()
  })
}
