import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { parseConfig } from '../../../src/app/config.ts'
import { startApp } from '../../support/app.ts'
import { eventually, inTime, metric } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'

const page = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8')
const database = await createTestDatabase()
const settings = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', CONNECTION_INIT_SECONDS: '1' }
const app = await startApp({ ...settings, MAX_CONNECTIONS: '1', MAX_SUBSCRIPTIONS_PER_CONNECTION: '1' })
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})

interface Provocation {
  readonly protocols?: string[]
  /** Sent one after the other, each when the server has answered the one before. */
  readonly messages: readonly string[]
}

const init = '{"type":"connection_init"}'
const query = 'subscription { priceUpdates(symbols: ["AAPL"]) { price } }'
const subscribe = JSON.stringify({ id: '1', type: 'subscribe', payload: { query } })

/** What a client does wrong, by the code that it is told. */
const provocations: Readonly<Record<string, Provocation>> = {
  1009: { messages: [JSON.stringify({ type: 'connection_init', payload: { padding: 'x'.repeat(70_000) } })] },
  4400: { messages: [init, '{"type":"connection_ack"}'] },
  4401: { messages: [subscribe] },
  4406: { protocols: [], messages: [] },
  4408: { messages: [] },
  4409: { messages: [init, subscribe, subscribe] },
  4429: { messages: [init, init] },
}

async function closeCode({ protocols = ['graphql-transport-ws'], messages }: Provocation): Promise<number> {
  const socket = new WebSocket(`${app.api.replace('http', 'ws')}/graphql`, protocols)
  const left = [...messages]
  const send = (): void => {
    const message = left.shift()
    if (message !== undefined) socket.send(message)
  }
  socket.on('open', send).on('message', send)
  return inTime(new Promise<number>((resolve) => socket.on('close', resolve)), 'the close')
}

const nobody = (): Promise<void> =>
  eventually(async () => (await metric(app.metrics, 'finstage_live_connections')) === 0, 'no connection is open')

for (const [code, provocation] of Object.entries(provocations)) {
  test(`a client that asks for it is closed with ${code}`, async () => {
    await nobody()
    assert.equal(await closeCode(provocation), Number(code))
  })
}

test('one connection more than there may be is closed with 1013, and a place that was left is free again', async () => {
  await nobody()
  const first = new WebSocket(`${app.api.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  await inTime(new Promise((resolve) => first.on('open', resolve)), 'the connection')
  assert.equal(await closeCode({ messages: [init] }), 1013)
  first.close()
  await nobody()
  assert.equal(await closeCode({ messages: [init, init] }), 4429)
})

test('a subscription more than may be open is refused with LIMIT_EXCEEDED in its place, and the others go on', async () => {
  await nobody()
  const client = createClient({ url: `${app.api.replace('http', 'ws')}/graphql`, retryAttempts: 0 })
  const first = client.iterate({ query })
  await inTime(first.next(), 'a price')
  const refusal = await client
    .iterate({ query })
    .next()
    .catch((errors: { extensions: object }[]) => errors.map(({ extensions }) => extensions))
  assert.deepEqual(refusal, [{ code: 'LIMIT_EXCEEDED', retryAfterSeconds: 0 }])
  assert.ok((await inTime(first.next(), 'another price')).value.data)
  await client.dispose()
})

test('the page on the protocol tells of every code that is closed with, and what the limits are', () => {
  const told = Array.from(page.matchAll(/^\| (\d{4}) \|/gm), ([, code]) => code)
  const others = ['1001', '1006', '1013', '4413', '4500']
  assert.deepEqual(told, [...Object.keys(provocations), ...others].sort())
  const limits = Array.from(page.matchAll(/([\d,]+)( KiB)?(?: s)? \(`([A-Z_]+)`\)/g))
  assert.ok(limits.length >= 7)
  const defaults: Readonly<Record<string, unknown>> = parseConfig({})
  for (const [, number = '', isKibibytes, name = ''] of limits) {
    assert.equal(defaults[name], Number(number.replaceAll(',', '')) * (isKibibytes ? 1024 : 1), name)
  }
})
