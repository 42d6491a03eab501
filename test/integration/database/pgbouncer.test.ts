import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { requireOwnSessions } from '../../../src/platform/database/probe.ts'
import { eventually, inTime, post, subscribe } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { hasPgBouncer, startPgBouncer } from '../../support/database/pgbouncer.ts'
import { runProcess, startProcess } from '../../support/process.ts'

const sentence =
  /DATABASE_URL.*a pooler in front of it shares sessions.*set pool_mode = session.*or let DATABASE_URL name/

const options = hasPgBouncer ? {} : { skip: 'PgBouncer is not installed (Debian: pgbouncer)' }

/** Short statements of other clients, until it is stopped. */
function traffic(url: string, clients: number): { stop: () => Promise<void> } {
  let isOver = false
  const busy = Array.from({ length: clients }, async (_, i) => {
    const client = new pg.Client({ connectionString: url })
    // Its statements fail, too.
    client.on('error', () => {})
    await client.connect()
    while (!isOver) {
      await client.query(i % 2 ? 'SELECT 1' : 'SELECT pg_sleep(0.002)')
      if (i % 3 === 0) await sleep(1)
    }
    await client.end()
  })
  const running = Promise.all(busy)
  // Thrown by stop().
  running.catch(() => {})
  return {
    async stop() {
      isOver = true
      await running
    },
  }
}

suite('behind a pooler', options, () => {
  for (const mode of ['transaction', 'statement'] as const) {
    test(`with PgBouncer in ${mode} mode every role exits with 1 and says what to set`, async () => {
      await using database = await createTestDatabase({ empty: true })
      await using bouncer = await startPgBouncer(database.url, mode)
      for (const role of ['all', 'api', 'worker', 'ingest', 'migrate']) {
        const settings = { PORT: '0', METRICS_PORT: '0', MARKET_SOURCE: 'simulated' }
        const { exited, stderr } = runProcess([role], { ...settings, DATABASE_URL: bouncer.through(database.url) })
        assert.equal(await inTime(exited, 'the exit'), 1)
        assert.match(stderr(), sentence)
      }
      assert.deepEqual(await database.query(`SELECT FROM pg_namespace WHERE nspname = 'finstage'`), [])
    })
  }

  test('shared sessions are detected every time: on an idle pooler, a busy one, one with a single session and one that rotates sessions', async () => {
    await using database = await createTestDatabase()
    for (const settings of [{}, { default_pool_size: 1 }, { default_pool_size: 3 }, { server_round_robin: 1 }]) {
      for (const clients of [0, 12]) {
        // A new one each time: while its pool grows, a session that comes back may be the same by chance.
        await using bouncer = await startPgBouncer(database.url, 'transaction', settings)
        const url = bouncer.through(database.url)
        const others = traffic(url, clients)
        for (let i = 0; i < 20; i++) {
          const failure = JSON.stringify({ settings, clients })
          await assert.rejects(requireOwnSessions(url), /set pool_mode = session/, failure)
        }
        await others.stop()
      }
    }
  })

  test('in session mode everything works: one of two leads, a job runs and its updates cross processes, prices arrive, and the other takes over when the leader dies', async () => {
    await using database = await createTestDatabase({ empty: true })
    await using bouncer = await startPgBouncer(database.url, 'session')
    const settings = { DATABASE_URL: bouncer.through(database.url), MARKET_SOURCE: 'simulated' }
    await using api = await startProcess(['api'], settings)
    await using worker = await startProcess(['worker'], settings)
    const leader = await startProcess(['ingest'], settings)
    await eventually(() => leader.stderr().includes('the feed leads'), 'the first leads')
    await using standby = await startProcess(['ingest'], settings)
    await using prices = subscribe<{ priceUpdates: { kind: string; seq: number } }>(
      api.api,
      'subscription { priceUpdates(symbols: ["AAPL"]) { kind seq } }',
    )
    await prices.until(({ priceUpdates }) => priceUpdates.seq >= 3)
    assert.doesNotMatch(standby.stderr(), /the feed leads/)
    await using updates = subscribe<{ jobUpdates: { state: string } }>(api.api, 'subscription { jobUpdates { state } }')
    let hasSucceeded = false
    const succeeded = updates
      .until(({ jobUpdates }) => jobUpdates.state === 'SUCCEEDED')
      .then(() => {
        hasSucceeded = true
      })
    // The subscription does not say when it has begun: jobs are queued until it reports one.
    const enqueue = 'mutation { enqueueAnalysis(input: { symbols: ["AAPL"] }) { __typename } }'
    await eventually(async () => {
      const { data } = await post(api.api, enqueue)
      assert.deepEqual(data, { enqueueAnalysis: { __typename: 'EnqueuePayload' } })
      return hasSucceeded
    }, 'that a job succeeds')
    await succeeded
    leader.kill('SIGKILL')
    await prices.until(({ priceUpdates }) => priceUpdates.kind === 'SNAPSHOT')
    assert.match(standby.stderr(), /the feed leads/)
    for (const { metrics } of [api, worker, standby]) assert.equal((await fetch(`${metrics}/readyz`)).status, 200)
  })
})

test('a Postgres without a pooler passes the check, under load and with other checks at the same time', async () => {
  await using database = await createTestDatabase()
  const others = traffic(database.url, 12)
  for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 4 }, () => requireOwnSessions(database.url)))
  await others.stop()
})

test('a database whose encoding cannot hold every character is refused, and the message says what to do', async () => {
  await using database = await createTestDatabase({ empty: true })
  await database.query(`CREATE DATABASE narrow ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`)
  const url = database.url.replace(/\/\w+\?/, '/narrow?')
  await assert.rejects(requireOwnSessions(url), /its encoding is LATIN1: create it anew WITH ENCODING 'UTF8'/)
  await database.query('DROP DATABASE narrow')
})
