import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { startApp, type TestApp } from '../support/app.ts'
import { launchChromium, noChromium as skip } from '../support/chromium.ts'
import { createTestDatabase, type TestDatabase } from '../support/database/database.ts'

let database: TestDatabase
let app: TestApp
let browser: Browser

before(async () => {
  if (skip) return
  database = await createTestDatabase()
  app = await startApp({ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', SIMULATED_SYMBOLS: '20' })
  browser = await launchChromium()
})

after(async () => {
  await browser?.close()
  await app?.stop()
  await database?.[Symbol.asyncDispose]()
})

test('Chromium reads compressed batches, and the server what Chromium compresses', { skip }, async () => {
  const page = await browser.newPage()
  await page.goto(`${app.api}/graphql`)
  const { extensions, batches } = await page.evaluate(
    (url) => {
      const read = Promise.withResolvers<{ extensions: string; batches: { symbol: string; seq: string }[][] }>()
      const socket = new WebSocket(url, 'graphql-transport-ws')
      const found: { symbol: string; seq: string }[][] = []
      const query = `subscription { priceBatches(symbols: ["AAPL", "MSFT", "NVDA"], batchMs: 200) { symbol seq } }
      ${'# long enough to be compressed\n'.repeat(200)}`
      socket.onopen = () => socket.send('{"type":"connection_init"}')
      socket.onclose = ({ code, reason }) => read.reject(new Error(`closed: ${code} ${reason}`))
      socket.onmessage = ({ data }) => {
        const { type, payload } = JSON.parse(data)
        if (type === 'connection_ack') socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }))
        if (type !== 'next') return
        found.push(payload.data.priceBatches)
        if (found.length === 5) read.resolve({ extensions: socket.extensions, batches: found })
      }
      return read.promise
    },
    `${app.api.replace('http', 'ws')}/graphql?compress`,
  )
  assert.match(extensions, /permessage-deflate/)
  assert.deepEqual(batches[0]?.map(({ symbol }) => symbol).sort(), ['AAPL', 'MSFT', 'NVDA'])
  const seen = new Map<string, number>()
  for (const { symbol, seq } of batches.flat()) {
    assert.ok(Number(seq) > (seen.get(symbol) ?? 0))
    seen.set(symbol, Number(seq))
  }
})
