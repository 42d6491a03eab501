import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { eventually, post, subscribe } from '../../support/clients/client.ts'
import { overSse } from '../../support/clients/sse.ts'
import { boundMs, candleQueries, candlesOf, readiness } from '../../support/database/database-faults.ts'
import { type OwnPostgres, startOwnPostgres } from '../../support/database/own-postgres.ts'
import {
  askEverywhere,
  assertUnavailable,
  changingMutations,
  enqueued,
  followingSubscriptions,
  readingQueries,
  watchQuotes,
} from '../../support/database/store-operations.ts'
import { startProcess } from '../../support/process.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

/** A stream over SSE, and the events that have come so far. */
function kept(api: string, query: string): { payloads: () => readonly string[]; stop: () => void } {
  const abort = new AbortController()
  const payloads = overSse(api, query, {}, abort.signal)
  return { payloads: () => payloads, stop: () => abort.abort() }
}

interface Fault {
  readonly begin: (postgres: OwnPostgres) => Promise<() => Promise<void>>
  /** The least that it lasts. */
  readonly lastsMs: number
}

const faults: Readonly<Record<string, Fault>> = {
  'is stopped for 10 s': {
    lastsMs: 10_000,
    begin: async (postgres) => {
      await postgres.stop()
      return () => postgres.start()
    },
  },
  'stands still for 20 s': {
    lastsMs: 20_000,
    begin: async (postgres) => {
      const resume = postgres.pause()
      return async () => resume()
    },
  },
  'lets nobody in': {
    lastsMs: 5000,
    begin: async (postgres) => {
      await postgres.query(
        `ALTER ROLE app CONNECTION LIMIT 0; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'`,
      )
      return () => postgres.query('ALTER ROLE app CONNECTION LIMIT -1')
    },
  },
}

suite('a database that is away', { concurrency: 1 }, () => {
  for (const [what, { begin, lastsMs }] of Object.entries(faults)) {
    test(`while Postgres ${what}, whatever needs it is UNAVAILABLE in bounded time over each transport, candles come from the source, a good client's quotes go on, and afterwards all is as it was`, async () => {
      await using postgres = await startOwnPostgres()
      await using yahoo = await startTestYahoo()
      await using server = await startProcess(['all'], {
        DATABASE_URL: await postgres.createDatabase('app'),
        YAHOO_BASE_URL: yahoo.url,
      })
      const id = await enqueued(server.api)
      for (const query of candleQueries.slice(0, 3)) await candlesOf(server.api, query)
      const quotes = watchQuotes(server.api)
      const before = followingSubscriptions(id)
        .slice(1)
        .map((query) => kept(server.api, query))
      // Streams do not say when they have begun: that of all jobs shows it by a job, and the other one began with it.
      await eventually(async () => {
        await enqueued(server.api)
        return (before[0]?.payloads().length ?? 0) > 0
      }, 'the streams have begun')

      const end = await begin(postgres)
      const startedMs = Date.now()
      do {
        const operations = [...readingQueries(id), ...changingMutations(id), ...followingSubscriptions(id)]
        const [asked, candles] = await Promise.all([
          askEverywhere(server.api, operations),
          Promise.all(candleQueries.map((query) => candlesOf(server.api, query))),
        ])
        assertUnavailable(asked, boundMs)
        for (const series of candles) assert.deepEqual([series.stale, series.nodes.length], [false, 30])
        await using live = subscribe<{ candleUpdates: { kind: string } }>(
          server.api,
          'subscription { candleUpdates(symbol: "AAPL") { kind candle { time close } } }',
        )
        // Live prices need a leader, and the database decides who leads.
        const { data, errors } = await live.next()
        if (errors) assert.match(errors[0]?.extensions.code ?? '', /^(SOURCE_)?UNAVAILABLE$/)
        else assert.equal(data?.candleUpdates.kind, 'SNAPSHOT')
        const { status, checks } = await readiness(server)
        assert.equal(status, 503)
        assert.notEqual(checks.database, 'ok')
        await sleep(500)
      } while (Date.now() - startedMs < lastsMs)
      const during = await Promise.all(candleQueries.map((query) => candlesOf(server.api, query)))
      await end()

      await eventually(async () => (await readiness(server)).status === 200, 'ready again', 30_000)
      // Candles are the same from the source, during the outage, and from the store, now.
      for (const [i, query] of candleQueries.entries()) {
        assert.deepEqual(await candlesOf(server.api, query), during[i], query)
      }
      const { count, slowestMs } = await quotes.stop()
      assert.ok(count > 20, `${count} quotes`)
      assert.ok(slowestMs < 4000, `${slowestMs} ms`)
      assert.doesNotMatch(server.stderr(), /an operation failed/)
      // Streams that were open before the outage go on.
      const last = await enqueued(server.api)
      for (const { payloads } of before.slice(0, 1)) {
        await eventually(() => payloads().some((payload) => payload.includes(last)), 'the stream goes on', 30_000)
      }
      for (const { payloads, stop } of before) {
        assert.ok(payloads().every((payload) => !payload.includes('"errors"')))
        stop()
      }
    })
  }

  test('where others have taken every connection that was left, a server goes on with those it holds, and nobody is told of it', async () => {
    await using postgres = await startOwnPostgres()
    await using yahoo = await startTestYahoo()
    const settings = { DATABASE_URL: await postgres.createDatabase(), YAHOO_BASE_URL: yahoo.url }
    await using server = await startProcess(['api'], settings)
    await enqueued(server.api)
    const others: pg.Client[] = []
    const takeAll = async (): Promise<void> => {
      for (;;) {
        const client = new pg.Client({ connectionString: postgres.admin })
        client.on('error', () => {})
        try {
          await client.connect()
          others.push(client)
        } catch (error) {
          assert.equal((error as { code: string }).code, '53300')
          return
        }
      }
    }
    // Longer than a pool keeps an idle connection.
    for (let second = 0; second < 13; second++) {
      await takeAll()
      await sleep(1000)
    }
    await Promise.all(Array.from({ length: 100 }, () => enqueued(server.api)))
    const { data } = await post<{ jobs: { edges: unknown[] } }>(server.api, '{ jobs(first: 100) { edges { cursor } } }')
    assert.equal(data?.jobs.edges.length, 100)
    await Promise.all(others.map((client) => client.end()))
  })
})
