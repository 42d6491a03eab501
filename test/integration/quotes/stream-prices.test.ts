import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startApp, type TestApp } from '../../support/app.ts'
import { subscribe } from '../../support/clients/client.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database/database.ts'
import { startTestStreamer, type TestStreamer } from '../../support/yahoo/test-streamer.ts'
import { startTestYahoo, type TestYahoo } from '../../support/yahoo/test-yahoo.ts'

let database: TestDatabase
let yahoo: TestYahoo
let streamer: TestStreamer
let app: TestApp

before(async () => {
  database = await createTestDatabase()
  yahoo = await startTestYahoo()
  streamer = await startTestStreamer()
  app = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url, YAHOO_STREAM_URL: streamer.url })
})

after(async () => {
  await app?.stop()
  await streamer?.close()
  await yahoo?.close()
  await database?.[Symbol.asyncDispose]()
})

interface Update {
  priceUpdates: { kind: string; price: number; seq: number; stale: boolean; quote: { source: string } }
}

const watch = `subscription { priceUpdates(symbols: ["AAPL"]) { kind price seq stale quote { source } } }`

/** A trade that quotes and stream both know of; where nobody is subscribed, quotes alone. */
function trade(price: number): void {
  const timeMs = Date.now()
  yahoo.setPrice('AAPL', price, timeMs)
  streamer.push('AAPL', { price, time: timeMs, marketHours: 1 })
}

test('a price that the streamer pushes reaches a graphql-ws client within 50 ms', async () => {
  await using stream = subscribe<Update>(app.api, watch)
  await stream.next()
  await streamer.subscribed('AAPL')
  const lateMs: number[] = []
  for (let price = 300; price < 320; price++) {
    const pushedMs = performance.now()
    trade(price)
    const { priceUpdates } = await stream.until((data) => data.priceUpdates.price === price)
    lateMs.push(Math.round(performance.now() - pushedMs))
    assert.equal(priceUpdates.quote.source, 'YAHOO_STREAM')
  }
  // Some may meet a busy moment of the machine. Polled prices would be half a second late on average.
  const ascendingMs = lateMs.toSorted((a, b) => a - b)
  assert.ok((ascendingMs[9] ?? 0) < 50 && (ascendingMs[17] ?? 0) < 300, `${lateMs} ms`)
})

test('the streamer killed and brought back: no update lost or repeated at the client', async () => {
  await using stream = subscribe<Update>(app.api, watch)
  const first = (await stream.next()).data?.priceUpdates
  assert.ok(first)
  let { seq } = first
  const seen: [number, number][] = []
  const expected: [number, number][] = []
  const tradeAndSee = async (count: number, from: number) => {
    for (let price = from; price < from + count; price++) {
      trade(price)
      expected.push([price, ++seq])
      const update = (await stream.next()).data?.priceUpdates
      seen.push([update?.price ?? Number.NaN, update?.seq ?? Number.NaN])
    }
  }
  await streamer.subscribed('AAPL')
  await tradeAndSee(10, 400)
  await streamer.kill()
  await tradeAndSee(5, 500)
  await streamer.restart()
  await streamer.subscribed('AAPL')
  await tradeAndSee(10, 600)
  assert.deepEqual(seen, expected)
})
