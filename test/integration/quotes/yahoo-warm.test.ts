import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startApp } from '../../support/app.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

for (const role of ['api', 'ingest', 'worker'] as const) {
  test(`${role} opens its session with Yahoo before anybody asks, and shows its calls`, async () => {
    await using database = await createTestDatabase()
    await using yahoo = await startTestYahoo()
    await using app = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url }, role)
    await yahoo.received('crumb', 1)
    assert.equal(yahoo.requestsTo('quote').length, 0)
    const metrics = await (await fetch(`${app.metrics}/metrics`)).text()
    assert.match(metrics, /finstage_source_calls_total\{endpoint="crumb",outcome="ok"\} \d/)
    assert.match(metrics, /finstage_source_breaker_state\{endpoint="quote"\} 0/)
  })

  test(`${role} starts where Yahoo does not answer`, async () => {
    await using database = await createTestDatabase()
    await using yahoo = await startTestYahoo()
    yahoo.fault('cookie', { drop: true })
    await using app = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url }, role)
    await yahoo.received('cookie', 1)
    assert.equal((await fetch(`${app.metrics}/healthz`)).status, 200)
  })
}
