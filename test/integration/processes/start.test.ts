import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inTime, post } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { runProcess, startProcess } from '../../support/process.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

test('the rehearsal before a start leaves no trace in metrics, logs, the database and the calls of the source', async () => {
  await using yahoo = await startTestYahoo()
  await using database = await createTestDatabase()
  const settings = { DATABASE_URL: database.url, MARKET_SOURCE: 'yahoo', YAHOO_BASE_URL: yahoo.url, LOG_LEVEL: 'debug' }
  await using server = await startProcess(['all'], settings)
  const scrape = async (): Promise<string> => (await fetch(`${server.metrics}/metrics`)).text()
  const before = await scrape()
  assert.doesNotMatch(before, /^finstage_(requests_total|request_duration_\w+|resolver_duration_\w+)\{/m)
  assert.doesNotMatch(before, /^finstage_(request_errors_total|database\w+failures\w*)\{.* [1-9]/m)
  assert.doesNotMatch(server.stderr(), /rehearsal|out of reach/)
  assert.deepEqual([...yahoo.requestsTo('chart'), ...yahoo.requestsTo('quote')], [])
  assert.deepEqual(await database.query('SELECT symbol FROM finstage.candle_series'), [])
  const { errors } = await post(server.api, '{ candles(symbol: "AAPL", last: 5) { columns { close } } }')
  assert.equal(errors, undefined)
  assert.match(await scrape(), /^finstage_requests_total\{operation="candles",kind="query",outcome="ok"\} 1$/m)
})

test('a start finds what an earlier one has compiled, beside the packages', async () => {
  const settings = { NODE_COMPILE_CACHE: '', NODE_DEBUG_NATIVE: 'COMPILE_CACHE' }
  await inTime(runProcess(['--help'], settings).exited, 'the first end')
  const again = runProcess(['--help'], settings)
  assert.equal(await inTime(again.exited, 'the second end'), 0)
  assert.match(
    again.stderr(),
    /reading cache from \S+\/node_modules\/\.cache\/finstage\/\S+ for ESM \S+\/app\.ts\.\.\..*success/,
  )
})
