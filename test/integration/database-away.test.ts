import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { eventually, post, subscribe } from '../support/client.ts'
import { type OwnPostgres, pausePostgres, startOwnPostgres } from '../support/own-postgres.ts'
import { type ServerProcess, startProcess } from '../support/process.ts'
import { mountSmallDisk } from '../support/small-disk.ts'
import { overSse } from '../support/sse.ts'
import {
  askEverywhere,
  assertUnavailable,
  changingMutations,
  enqueued,
  followingSubscriptions,
  readingQueries,
  watchQuotes,
} from '../support/store-operations.ts'
import { startTestYahoo } from '../support/test-yahoo.ts'

/** A caller waits 3 s for a connection and 6 s for an answer; the rest is the busy machine's. */
const boundMs = 14_000
interface Candles {
  readonly stale: boolean
  readonly excluded: number
  readonly hasEarlier: boolean
  readonly nodes: readonly { readonly time: string; readonly close: number; readonly closed: boolean }[]
}

/** Of what the store has, and of what it has never seen; all of the past, so that they are the same whenever they are asked for. */
const candleQueries = ['AAPL', 'MSFT'].flatMap((symbol) =>
  ['interval: DAY_1', 'interval: WEEK_1, adjustment: SPLITS_AND_DIVIDENDS', 'interval: HOUR_1, adjustment: NONE'].map(
    (how) =>
      `{ candles(symbol: "${symbol}", ${how}, last: 30, to: "${new Date(Date.now() - 9 * 86_400_000).toISOString()}") {
        stale excluded hasEarlier nodes { time close closed } } }`,
  ),
)

async function candlesOf(api: string, query: string): Promise<Candles> {
  const { data, errors } = await post<{ candles: Candles }>(api, query)
  assert.equal(errors, undefined, `${query}: ${JSON.stringify(errors)}`)
  assert.ok(data?.candles)
  return data.candles
}

async function readiness(server: ServerProcess): Promise<{ status: number; checks: Record<string, string> }> {
  const response = await fetch(`${server.metrics}/readyz`)
  const { checks } = (await response.json()) as { checks: Record<string, string> }
  return { status: response.status, checks }
}

/** A stream over SSE: what it has told so far. */
function kept(api: string, query: string): { payloads: () => readonly string[]; stop: () => void } {
  const abort = new AbortController()
  const payloads = overSse(api, query, {}, abort.signal)
  return { payloads: () => payloads, stop: () => abort.abort() }
}

interface Fault {
  readonly begin: (postgres: OwnPostgres) => Promise<() => Promise<void>>
  /** How long it lasts at least. */
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
      await sleep(1000)

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
        // Live prices need somebody who leads, which the database decides.
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
      // What was told from the source is what the store has, or fetches, now.
      for (const [i, query] of candleQueries.entries()) {
        assert.deepEqual(await candlesOf(server.api, query), during[i], query)
      }
      const { count, slowestMs } = await quotes.stop()
      assert.ok(count > 20, `${count} quotes`)
      assert.ok(slowestMs < 4000, `${slowestMs} ms`)
      assert.doesNotMatch(server.stderr(), /an operation failed/)
      // Who followed before the outage is told on, by the same streams.
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
    // For longer than a connection that nobody uses is kept in a pool.
    for (let second = 0; second < 13; second++) {
      await takeAll()
      await sleep(1000)
    }
    await Promise.all(Array.from({ length: 100 }, () => enqueued(server.api)))
    const { data } = await post<{ jobs: { edges: unknown[] } }>(server.api, '{ jobs(first: 100) { edges { cursor } } }')
    assert.equal(data?.jobs.edges.length, 100)
    await Promise.all(others.map((client) => client.end()))
  })

  test('a database whose disk is full takes no changes: they are UNAVAILABLE and readyz says so, while reading goes on; when there is room again all goes on by itself', async (context) => {
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
    // What is left of the pages that there are takes in a few.
    const hasRoom = async (): Promise<boolean> => {
      const asked = await askEverywhere(server.api, changingMutations(id).slice(0, 1))
      return asked.every(({ answer }) => answer.errors === undefined)
    }
    while (await hasRoom()) {}
    for (let round = 0; round < 5; round++) {
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

  test('a database that its operator has made read-only takes no changes, and is not ready until it is no longer', async () => {
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
        // Jobs that wait for the source while the database goes.
        yahoo.fault('chart', { delayMs: 1500 }, Number.POSITIVE_INFINITY)
        for (let i = 0; i < 20; i++) await enqueued(api)
        await eventually(() => yahoo.requestsTo('chart').length > 0, 'jobs run')
        if (what === 'is stopped') await postgres.stop()
        else postgres.pause()
        const last = askEverywhere(api, readingQueries(btoa('Job:x'))).catch(() => [])
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

  test('while its own Postgres stands still a server that is alone answers quotes, says UNAVAILABLE for the rest, and SIGTERM ends it with 0 within 20 s; the next start finds its data', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'finstage-alone-'))
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
})
