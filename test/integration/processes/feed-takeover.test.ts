import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, metric } from '../../support/clients/client.ts'
import { type FollowedUpdate, type Mark, PriceFollower, runOf } from '../../support/clients/price-follower.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database/database.ts'
import { type OwnPostgres, startOwnPostgres } from '../../support/database/own-postgres.ts'
import { killRounds } from '../../support/kill-rounds.ts'
import { type ServerProcess, startProcess } from '../../support/process.ts'
import { startDatabaseProxy } from '../../support/proxy.ts'

const symbols = ['AAPL', 'MSFT', 'BTC-USD']
const none = { unannounced: 0, repeated: 0, outOfOrder: 0 }

const start = (role: string, url: string): Promise<ServerProcess> =>
  startProcess([role], { DATABASE_URL: url, MARKET_SOURCE: 'simulated', SIMULATED_TICKS_PER_SECOND: '10' })

const leads = async (server: ServerProcess): Promise<boolean> =>
  (await metric(server.metrics, 'finstage_feed_leading')) === 1

/** Starts a process, and waits until it leads. */
async function startLeader(role: string, url: string): Promise<ServerProcess> {
  const server = await start(role, url)
  await eventually(() => leads(server), 'the lead')
  return server
}

async function follow(api: string): Promise<PriceFollower> {
  const follower = new PriceFollower(symbols)
  await follower.connect(api)
  await ticks(follower, 3)
  return follower
}

/** Waits for `count` more updates of each symbol. */
async function ticks(follower: PriceFollower, count: number): Promise<void> {
  const mark = follower.mark()
  await eventually(
    () => symbols.every((symbol) => (follower.updates.get(symbol)?.length ?? 0) >= (mark.get(symbol) ?? 0) + count),
    'prices',
  )
}

const newest = (follower: PriceFollower): FollowedUpdate[] =>
  symbols.map((symbol) => follower.lastOf(symbol) ?? assert.fail())

/** Waits until each symbol has been marked as stale since `mark`. */
const stale = (follower: PriceFollower, mark: Mark): Promise<void> =>
  eventually(() => {
    const told = follower.since(mark).filter(({ kind, stale }) => kind === 'STATUS' && stale)
    return new Set(told.map(({ symbol }) => symbol)).size === symbols.length
  }, 'STATUS that is stale')

/** Waits until each symbol has live prices of a later run. */
const laterRun = (follower: PriceFollower, run: string): Promise<void> =>
  eventually(
    () => newest(follower).every((update) => !update.stale && runOf(update) > `${run}~`),
    'prices of a later run',
  )

const onlyRun = (follower: PriceFollower): string => {
  const runs = new Set(newest(follower).map(runOf))
  assert.equal(runs.size, 1)
  return [...runs][0] ?? assert.fail()
}

/**
 * What a client received for each symbol since the mark, without repetitions: such as STATUS a stale, SNAPSHOT b, TICK b. Leaves
 * out leading ticks: some may have been on their way.
 */
function course(follower: PriceFollower, mark: Mark, names: ReadonlyMap<string, string>): string[][] {
  return symbols.map((symbol) => {
    const told = (follower.updates.get(symbol) ?? []).slice(mark.get(symbol)).map((update) => {
      const run = runOf(update)
      const name = names.get(run.replace('!', '')) ?? run
      return `${update.kind} ${name}${update.stale ? ' stale' : ''}`
    })
    return told.filter((each, i) => each !== told[i - 1] && !(i === 0 && each.startsWith('TICK')))
  })
}

const ready = async (server: ServerProcess): Promise<{ status: number; checks: Record<string, string> }> => {
  const response = await fetch(`${server.metrics}/readyz`)
  const { checks } = (await response.json()) as { checks: Record<string, string> }
  return { status: response.status, checks }
}

/** Freezes a process until end(), or until the test ends, even if it fails. */
function pause(server: ServerProcess): Disposable & { end(): void } {
  server.kill('SIGSTOP')
  const end = (): void => server.kill('SIGCONT')
  return { end, [Symbol.dispose]: end }
}

let database: TestDatabase

before(async () => {
  database = await createTestDatabase()
})

after(async () => {
  await database?.[Symbol.asyncDispose]()
})

test('when the leader hangs, its prices become stale, another leads within 10 s, and nobody hears the old one when it wakes', async () => {
  await using first = await startLeader('ingest', database.url)
  await using second = await start('ingest', database.url)
  await using api = await start('api', database.url)
  await using follower = await follow(api.api)
  const before = onlyRun(follower)
  const mark = follower.mark()
  using paused = pause(first)
  const pausedMs = performance.now()
  await stale(follower, mark)
  const staleMs = performance.now() - pausedMs
  await laterRun(follower, before)
  const takeOverMs = performance.now() - pausedMs
  assert.ok(staleMs > 3500 && staleMs < 8000, `stale after ${staleMs} ms`)
  assert.ok(takeOverMs < 10_000, `another after ${takeOverMs} ms`)
  await ticks(follower, 5)
  const now = onlyRun(follower)
  assert.equal(await metric(api.metrics, 'finstage_feed_term'), Number(now))
  const woken = follower.mark()
  paused.end()
  await eventually(() => first.stderr().includes('another process leads'), 'that it steps down')
  await ticks(follower, 30)
  const names = new Map([
    [before, 'first'],
    [now, 'second'],
  ])
  const expected = ['STATUS first stale', 'SNAPSHOT second', 'TICK second']
  assert.deepEqual(course(follower, mark, names), [expected, expected, expected])
  assert.deepEqual(course(follower, woken, names), [[], [], []], 'nothing but ticks')
  assert.deepEqual(follower.faults, none)
  assert.deepEqual([await leads(first), await leads(second)], [false, true])
  for (const server of [first, second, api]) assert.equal((await ready(server)).status, 200)
})

test('a leader that hangs and serves clients sends them nothing of its own term when it wakes', async () => {
  await using first = await startLeader('all', database.url)
  await using second = await start('all', database.url)
  await using there = await follow(first.api)
  await using elsewhere = await follow(second.api)
  const before = onlyRun(there)
  using paused = pause(first)
  // Prices that were on their way when it was frozen arrive meanwhile.
  await sleep(500)
  const mark = there.mark()
  await laterRun(elsewhere, before)
  const now = onlyRun(elsewhere)
  assert.deepEqual(there.since(mark), [])
  paused.end()
  await laterRun(there, before)
  await ticks(there, 10)
  await ticks(elsewhere, 10)
  for (const update of there.since(mark)) {
    assert.ok(runOf(update) === now || (update.stale && update.kind === 'STATUS'), `${update.kind} of ${runOf(update)}`)
  }
  for (const follower of [there, elsewhere]) assert.deepEqual(follower.faults, none)
  assert.deepEqual([await leads(first), await leads(second)], [false, true])
})

test('when the leader is killed, another leads within 10 s', async () => {
  await using first = await startLeader('ingest', database.url)
  await using second = await start('ingest', database.url)
  await using api = await start('api', database.url)
  await using follower = await follow(api.api)
  const before = onlyRun(follower)
  first.kill('SIGKILL')
  const killedMs = performance.now()
  await laterRun(follower, before)
  const tookMs = performance.now() - killedMs
  assert.ok(tookMs < 10_000, `${tookMs} ms`)
  assert.deepEqual(follower.faults, none)
  assert.equal(await leads(second), true)
})

test('a leader that is cut off from Postgres marks prices as stale for its own clients, and passes on those of the next leader when it is back', async () => {
  await using network = await startDatabaseProxy(database.url)
  await using first = await startLeader('all', network.url)
  await using second = await start('all', database.url)
  await using there = await follow(first.api)
  await using elsewhere = await follow(second.api)
  const before = onlyRun(there)
  const mark = there.mark()
  network.freeze()
  const frozenMs = performance.now()
  await stale(there, mark)
  assert.ok(performance.now() - frozenMs < 8000, `stale after ${performance.now() - frozenMs} ms`)
  await laterRun(elsewhere, before)
  assert.ok(performance.now() - frozenMs < 10_000, `another after ${performance.now() - frozenMs} ms`)
  await eventually(async () => {
    const { status, checks } = await ready(first)
    return status === 503 && checks.bus === 'not connected' && checks.feed === 'not connected'
  }, 'that it is not ready')
  await ticks(elsewhere, 10)
  network.thaw()
  await laterRun(there, before)
  await ticks(there, 10)
  const names = new Map([
    [before, 'first'],
    [onlyRun(elsewhere), 'second'],
  ])
  const expected = ['STATUS first stale', 'SNAPSHOT second', 'TICK second']
  assert.deepEqual(course(there, mark, names), [expected, expected, expected])
  for (const follower of [there, elsewhere]) assert.deepEqual(follower.faults, none)
  await eventually(async () => (await ready(first)).status === 200, 'that it is ready')
  assert.deepEqual([await leads(first), await leads(second)], [false, true])
})

test('an api that is cut off is not ready and marks prices as stale; its clients get the current ones when it is back', async () => {
  await using network = await startDatabaseProxy(database.url)
  await using leader = await startLeader('ingest', database.url)
  await using api = await start('api', network.url)
  await using follower = await follow(api.api)
  const run = onlyRun(follower)
  const mark = follower.mark()
  network.freeze()
  await stale(follower, mark)
  await eventually(async () => (await ready(api)).checks.bus === 'not connected', 'that it is not ready')
  assert.equal((await ready(leader)).status, 200)
  network.thaw()
  await eventually(async () => (await ready(api)).status === 200, 'that it is ready')
  await eventually(() => newest(follower).every((update) => runOf(update) === run), 'the prices of now')
  await ticks(follower, 10)
  const expected = ['STATUS live stale', 'SNAPSHOT live', 'TICK live']
  assert.deepEqual(course(follower, mark, new Map([[run, 'live']])), [expected, expected, expected])
  assert.deepEqual(follower.faults, none)
})

/** Restarts Postgres under two ingests and an api, and expects that the leader stays the same. */
async function restartBelow(restart: (postgres: OwnPostgres) => Promise<void>): Promise<void> {
  await using postgres = await startOwnPostgres()
  const url = await postgres.createDatabase()
  await using first = await startLeader('ingest', url)
  await using second = await start('ingest', url)
  await using api = await start('api', url)
  await using follower = await follow(api.api)
  const run = onlyRun(follower)
  for (let round = 0; round < killRounds; round++) {
    await restart(postgres)
    const backMs = performance.now()
    await ticks(follower, 1)
    assert.ok(performance.now() - backMs < 5000, `${performance.now() - backMs} ms`)
    await ticks(follower, 30)
    assert.equal(onlyRun(follower), run)
  }
  assert.deepEqual(follower.faults, none)
  assert.deepEqual(follower.snapshots, [1, 1, 1])
  assert.deepEqual([await leads(first), await leads(second)], [true, false])
}

test('when Postgres restarts, the same process keeps its term, and prices go on within 5 s', () =>
  restartBelow((postgres) => postgres.restart()))

test('when Postgres is killed and started, the same process keeps its term, and prices go on within 5 s', () =>
  restartBelow((postgres) => postgres.killAndStart()))

test('when Postgres is frozen for longer than any term is trusted, prices are stale meanwhile and one leader is left afterwards', async () => {
  await using postgres = await startOwnPostgres()
  const url = await postgres.createDatabase()
  await using first = await startLeader('ingest', url)
  await using second = await start('ingest', url)
  await using api = await start('api', url)
  await using follower = await follow(api.api)
  const run = onlyRun(follower)
  const mark = follower.mark()
  const resume = postgres.pause()
  await stale(follower, mark)
  await sleep(7000)
  resume()
  await eventually(() => newest(follower).every(({ stale }) => !stale), 'live prices', 30_000)
  await ticks(follower, 30)
  assert.equal(onlyRun(follower), run, 'the same leads on')
  assert.deepEqual(follower.faults, none)
  assert.deepEqual([await leads(first), await leads(second)], [true, false])
})
