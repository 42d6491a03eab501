import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, post, subscribe } from '../../support/clients/client.ts'
import { boundMs, readiness } from '../../support/database/database-faults.ts'
import { copyPostgres, pausePostgres, startOwnPostgres } from '../../support/database/own-postgres.ts'
import {
  askEverywhere,
  assertUnavailable,
  changingMutations,
  enqueued,
  readingQueries,
  watchQuotes,
} from '../../support/database/store-operations.ts'
import { startProcess } from '../../support/process.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

for (const what of ['is stopped', 'stands still']) {
  for (const roles of [['api', 'worker', 'ingest'], ['all']]) {
    test(`while Postgres ${what}, SIGTERM ends ${roles.join(', ')} with 0 within 20 s, with jobs, requests and streams under way`, async () => {
      await using postgres = await startOwnPostgres()
      await using yahoo = await startTestYahoo()
      const database = await postgres.createDatabase()
      const servers = await Promise.all(
        roles.map((role) => startProcess([role], { DATABASE_URL: database, YAHOO_BASE_URL: yahoo.url })),
      )
      const api = servers[0]?.api ?? ''
      await enqueued(api)
      await using prices = subscribe(api, 'subscription { priceUpdates(symbols: ["AAPL"]) { price } }')
      await prices.next()
      // These jobs wait for the source when the database goes away.
      yahoo.fault('chart', { delayMs: 1500 }, Number.POSITIVE_INFINITY)
      for (let i = 0; i < 20; i++) await enqueued(api)
      await eventually(() => yahoo.requestsTo('chart').length > 0, 'jobs run')
      if (what === 'is stopped') await postgres.stop()
      else postgres.pause()
      const last = askEverywhere(api, readingQueries(btoa('Job:x'))).catch(() => [])
      // The answers of the source come meanwhile, so that jobs find the database away before SIGTERM.
      await sleep(1500)
      const startedMs = performance.now()
      for (const server of servers) server.kill('SIGTERM')
      const codes = await Promise.all(
        servers.map(async ({ exited }) => ({ code: await exited, tookMs: performance.now() - startedMs })),
      )
      const text = servers.map(({ stderr }) => stderr()).join('\n')
      for (const { code, tookMs } of codes) {
        assert.equal(code, 0, text)
        assert.ok(tookMs < 20_000, `${tookMs} ms`)
      }
      await last
    })
  }
}

test('a server whose embedded Postgres is frozen answers quotes, says UNAVAILABLE for the rest and exits with 0 within 20 s of SIGTERM; the next start finds its data', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'finstage-alone-'))
  copyPostgres(directory)
  const settings = { DATA_DIR: directory, MARKET_SOURCE: 'simulated' }
  const server = await startProcess(['all'], settings)
  const id = await enqueued(server.api)
  const quotes = watchQuotes(server.api)
  const resume = pausePostgres(directory)
  assertUnavailable(await askEverywhere(server.api, [...readingQueries(id), ...changingMutations(id)]), boundMs)
  assert.equal((await readiness(server)).status, 503)
  assert.ok((await quotes.stop()).count > 20)
  const startedMs = performance.now()
  server.kill('SIGTERM')
  assert.equal(await server.exited, 0, server.stderr())
  assert.ok(performance.now() - startedMs < 20_000, `${performance.now() - startedMs} ms`)
  resume()
  await using next = await startProcess(['all'], settings)
  const { data } = await post<{ job: { id: string } }>(next.api, `{ job(id: "${id}") { id } }`)
  assert.equal(data?.job.id, id)
  rmSync(directory, { recursive: true, force: true })
})
