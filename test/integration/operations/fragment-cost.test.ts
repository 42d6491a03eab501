import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startApp } from '../../support/app.ts'
import { type Answer, ask, eventually, post, subscribe } from '../../support/clients/client.ts'
import { overSse } from '../../support/clients/sse.ts'
import { createTestDatabase } from '../../support/database/database.ts'

const database = await createTestDatabase()
const app = await startApp({ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated' })
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})

/** Each of 60 fragments spreads the next one twice: expanded spread by spread, these are 2^60 selections of the last one. */
function fannedOut(type: string, leaf: string): string {
  const fragments = Array.from({ length: 60 }, (_, i) => `fragment F${i} on ${type} { ...F${i + 1} ...F${i + 1} }`)
  return [...fragments, `fragment F60 on ${type} { ${leaf} }`].join(' ')
}

const queries: Readonly<Record<string, string>> = {
  candles: `{ candles(symbol: "AAPL", last: 5) { ...F0 } } ${fannedOut('CandleSeries', 'sma(period: 3) { value }')}`,
  'Instrument.candles': `{ instrument(symbol: "AAPL") { candles(last: 5) { ...F0 } } } ${fannedOut('CandleSeries', 'ema { value }')}`,
  'the root': `{ ...F0 } ${fannedOut('Query', 'quote(symbol: "AAPL") { price }')}`,
  quotes: `{ quotes(symbols: ["AAPL", "MSFT"]) { ...F0 } } ${fannedOut('Quote', 'price')}`,
}
const subscriptions: Readonly<Record<string, string>> = {
  candleUpdates: `subscription { candleUpdates(symbol: "AAPL") { series { ...F0 } } } ${fannedOut('CandleSeries', 'rsi { value }')}`,
  priceUpdates: `subscription { priceUpdates(symbols: ["AAPL"]) { ...F0 } } ${fannedOut('PriceUpdate', 'price')}`,
}

const get = async (api: string, query: string): Promise<Answer<Record<string, unknown>>> =>
  (await (await fetch(`${api}/graphql?query=${encodeURIComponent(query)}`)).json()) as Answer<Record<string, unknown>>

/** The work is in this process: a CPU that is kept busy keeps the test from going on. */
async function withinTwoSeconds<T>(work: () => Promise<T>): Promise<T> {
  const { user, system } = process.cpuUsage()
  const result = await work()
  const used = process.cpuUsage({ user, system })
  assert.ok(used.user + used.system < 2_000_000, `${(used.user + used.system) / 1000} ms of CPU`)
  return result
}

for (const [transport, send] of [
  ['POST', post],
  ['GET', get],
  ['WebSocket', ask],
] as const) {
  for (const [place, query] of Object.entries(queries)) {
    test(`fragments that spread the next one twice, below ${place}, cost no more than the document is long, over ${transport}`, async () => {
      // Again, as what is known takes another way, and what is asked often is compiled.
      for (let run = 0; run < 12; run++) {
        const { data, errors } = await withinTwoSeconds(() => send(app.api, query))
        assert.equal(errors, undefined)
        assert.ok(data)
      }
    })
  }
}

for (const [field, query] of Object.entries(subscriptions)) {
  test(`fragments that spread the next one twice, below ${field}, cost no more than the document is long, over WebSocket and SSE`, async () => {
    await withinTwoSeconds(async () => {
      await using stream = subscribe(app.api, query)
      const { errors } = await stream.next()
      assert.equal(errors, undefined)
    })
    await withinTwoSeconds(async () => {
      const abort = new AbortController()
      const payloads = overSse(app.api, query, {}, abort.signal)
      await eventually(() => payloads.length > 0, 'an event')
      abort.abort()
      assert.ok(payloads[0]?.includes('"data"'))
    })
  })
}
