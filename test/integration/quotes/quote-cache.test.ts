import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startApp } from '../../support/app.ts'
import { burst } from '../../support/clients/burst.ts'
import { metric } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

const database = await createTestDatabase()
after(() => database[Symbol.asyncDispose]())

const orders: Readonly<Record<string, (i: number) => number>> = {
  'in turn': (i) => i % 50,
  'each twenty times in a row': (i) => Math.floor(i / 20),
}

for (const [order, place] of Object.entries(orders)) {
  test(`1,000 concurrent quote requests for 50 symbols, ${order}, make at most 2 upstream requests`, async () => {
    await using yahoo = await startTestYahoo()
    for (let i = 0; i < 50; i++) {
      yahoo.setQuote(`C${i}`, { regularMarketPrice: 100 + i, regularMarketTime: 1_700_000_000, marketState: 'REGULAR' })
    }
    // The clock stands still: however slow the machine, no price grows old meanwhile.
    const nowMs = Date.now()
    const environment = { DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url }
    await using app = await startApp(environment, 'all', { now: () => nowMs })
    const answers = await burst(
      app.api,
      Array.from({ length: 1000 }, (_, i) => `{ quote(symbol: "C${place(i)}") { price } }`),
    )
    for (const [i, { data }] of answers.entries()) assert.deepEqual(data, { quote: { price: 100 + place(i) } })
    const calls = yahoo.requestsTo('quote')
    assert.ok(calls.length <= 2, `${calls.length} requests`)
    const asked = calls.flatMap(({ query }) => query.symbols?.split(',') ?? [])
    assert.equal(asked.length, 50)
    const counted = (result: string) =>
      metric(app.metrics, 'finstage_cache_requests_total', `cache="quote",result="${result}"`)
    assert.deepEqual([await counted('hit'), await counted('miss'), await counted('stale')], [950, 50, 0])
    assert.equal(await metric(app.metrics, 'finstage_data_age_seconds_count', 'kind="quote"'), 1000)
  })
}
