import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../../support/clients/client.ts'
import { boundMs, candleQueries, candlesOf, readiness } from '../../support/database/database-faults.ts'
import { startOwnPostgres } from '../../support/database/own-postgres.ts'
import { mountSmallDisk } from '../../support/database/small-disk.ts'
import {
  askEverywhere,
  assertUnavailable,
  changingMutations,
  enqueued,
  readingQueries,
  watchQuotes,
} from '../../support/database/store-operations.ts'
import { atLeastTwoRounds } from '../../support/kill-rounds.ts'
import { startProcess } from '../../support/process.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

test('while the disk of the database is full, changes are UNAVAILABLE, readyz says so and reads go on; with room again everything recovers by itself', async (context) => {
  using disk = mountSmallDisk(200 * 2 ** 20)
  if (!disk) return context.skip('mounting a file system needs root')
  await using postgres = await startOwnPostgres(join(disk.directory, 'data'))
  await using yahoo = await startTestYahoo()
  const settings = { DATABASE_URL: await postgres.createDatabase(), YAHOO_BASE_URL: yahoo.url }
  await using server = await startProcess(['api'], settings)
  const id = await enqueued(server.api)
  for (const query of candleQueries.slice(0, 3)) await candlesOf(server.api, query)
  const quotes = watchQuotes(server.api)
  disk.fill()
  // The pages that exist still have room for a few rows.
  const hasRoom = async (): Promise<boolean> => {
    const asked = await askEverywhere(server.api, changingMutations(id).slice(0, 1))
    return asked.every(({ answer }) => answer.errors === undefined)
  }
  while (await hasRoom()) {}
  for (let round = 0; round < atLeastTwoRounds; round++) {
    assertUnavailable(await askEverywhere(server.api, changingMutations(id).slice(0, 5)), boundMs)
    const { status, checks } = await readiness(server)
    assert.equal(status, 503)
    assert.match(checks.database ?? '', /takes no writes/)
    for (const { what, answer } of await askEverywhere(server.api, readingQueries(id))) {
      assert.equal(answer.errors, undefined, `${what}: ${JSON.stringify(answer.errors)}`)
    }
    for (const query of candleQueries) {
      const series = await candlesOf(server.api, query)
      assert.deepEqual([series.stale, series.nodes.length], [false, 30])
    }
    await sleep(1500)
  }
  disk.free()
  await eventually(async () => (await readiness(server)).status === 200, 'ready again', 30_000)
  await enqueued(server.api)
  const { count } = await quotes.stop()
  assert.ok(count > 20, `${count} quotes`)
  assert.doesNotMatch(server.stderr(), /an operation failed/)
})

test('while the operator has made the database read-only, changes are UNAVAILABLE and the server is not ready', async () => {
  await using postgres = await startOwnPostgres()
  await using yahoo = await startTestYahoo()
  const database = await postgres.createDatabase('app')
  await using server = await startProcess(['api'], { DATABASE_URL: database, YAHOO_BASE_URL: yahoo.url })
  const id = await enqueued(server.api)
  const drop = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'`
  await postgres.query(`ALTER ROLE app SET default_transaction_read_only = on; ${drop}`)
  const asked = await askEverywhere(server.api, changingMutations(id).slice(0, 5))
  assertUnavailable(asked, boundMs)
  for (const { answer } of asked) assert.equal(answer.errors?.[0]?.extensions.retryAfterSeconds, 10)
  const { status, checks } = await readiness(server)
  assert.deepEqual([status, checks.database], [503, 'is read-only'])
  for (const query of candleQueries) {
    const series = await candlesOf(server.api, query)
    assert.deepEqual([series.stale, series.nodes.length], [false, 30])
  }
  await postgres.query('ALTER ROLE app SET default_transaction_read_only = off')
  await eventually(async () => (await readiness(server)).status === 200, 'ready again', 30_000)
  await enqueued(server.api)
})
