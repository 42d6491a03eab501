import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import type { FinstageError } from '../../../src/domain/errors.ts'
import { createPool, transaction } from '../../../src/platform/database/pool.ts'
import { eventually } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { hasPgBouncer, startPgBouncer } from '../../support/database/pgbouncer.ts'
import { silentLog } from '../../support/log.ts'

const within = async (work: Promise<unknown>): Promise<{ code: string; tookMs: number }> => {
  const startedMs = performance.now()
  const code = await work.then(
    () => 'answered',
    (error: FinstageError) => error.code,
  )
  return { code, tookMs: performance.now() - startedMs }
}

/** A server that accepts connections and never answers. */
async function startMute(): Promise<AsyncDisposable & { readonly url: string }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.resume()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `postgresql://me@127.0.0.1:${(server.address() as AddressInfo).port}/x`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

test('when the database never answers, no caller waits for over 3 s, callers past 5,000 do not wait at all, and after the first failure only one a second asks', async () => {
  await using mute = await startMute()
  const pool = createPool(mute.url, silentLog, { max: 10, statementTimeoutMs: 5000 })
  const first = await Promise.all(Array.from({ length: 6000 }, () => within(pool.query('SELECT 1'))))
  assert.deepEqual(new Set(first.map(({ code }) => code)), new Set(['UNAVAILABLE']))
  const atOnce = first.filter(({ tookMs }) => tookMs < 2500)
  assert.equal(atOnce.length, 1000)
  assert.ok(Math.max(...first.map(({ tookMs }) => tookMs)) < 8000)
  const later = await Promise.all(Array.from({ length: 100 }, () => within(pool.query('SELECT 1'))))
  assert.ok(later.filter(({ tookMs }) => tookMs > 1000).length <= 1, JSON.stringify(later))
  await pool.end()
})

test('a pool whose connections are all in use lets a caller wait for 3 s, and serves it when one is free', async () => {
  await using database = await createTestDatabase({ empty: true })
  const pool = createPool(database.url, silentLog, { max: 1 })
  const holder = await pool.connect()
  assert.equal((await within(pool.query('SELECT 1'))).code, 'UNAVAILABLE')
  const waiting = within(pool.query('SELECT 1'))
  await eventually(() => pool.waitingCount === 1, 'that it waits')
  holder.release()
  assert.equal((await waiting).code, 'answered')
  await pool.end()
})

test('a statement that takes too long is UNAVAILABLE, Postgres cancels it, and its transaction leaves nothing', async () => {
  await using database = await createTestDatabase({ empty: true })
  await database.query('CREATE TABLE t (x int)')
  const pool = createPool(database.url, silentLog, { statementTimeoutMs: 500 })
  assert.equal((await within(pool.query('SELECT pg_sleep(30)'))).code, 'UNAVAILABLE')
  const work = transaction(pool, async (client) => {
    await client.query('INSERT INTO t VALUES (1)')
    await client.query('SELECT pg_sleep(30)')
  })
  assert.equal((await within(work)).code, 'UNAVAILABLE')
  const running = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%' AND state = 'active'`
  assert.deepEqual(await database.query(running), [])
  assert.deepEqual(await database.query('SELECT FROM t'), [])
  await pool.end()
})

test('ending a pool does not wait for an answer that never comes', async () => {
  await using database = await createTestDatabase({ empty: true })
  const pool = createPool(database.url, silentLog)
  const asked = within(pool.query('SELECT pg_sleep(30)'))
  const running = `SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)' AND datname = current_database()`
  await eventually(async () => (await database.query(running)).length === 1, 'that Postgres works on it')
  const { tookMs } = await within(pool.end())
  assert.ok(tookMs < 6000, `${tookMs} ms`)
  assert.equal((await asked).code, 'UNAVAILABLE')
})

const hasSs = spawnSync('ss', ['-V']).status === 0
test('every connection has TCP keep-alive, so that a dead network is noticed', {
  skip: hasPgBouncer && hasSs ? false : 'PgBouncer and ss (Debian: pgbouncer, iproute2) are needed',
}, async () => {
  await using database = await createTestDatabase({ empty: true })
  await using bouncer = await startPgBouncer(database.url, 'session')
  const url = bouncer.through(database.url)
  const pool = createPool(url, silentLog)
  await pool.query('SELECT 1')
  const port = new URL(url).port
  const sockets = execFileSync('ss', ['-Htno', `dst 127.0.0.1:${port}`])
    .toString()
    .trim()
    .split('\n')
  for (const socket of sockets) assert.match(socket, /timer:\(keepalive,(10|[0-9.]+)(sec|ms)/)
  await pool.end()
})

test('an error that the statement itself causes is passed on unchanged', async () => {
  await using database = await createTestDatabase({ empty: true })
  const pool = createPool(database.url, silentLog)
  await assert.rejects(pool.query('SELECT nonsense'), { code: '42703' })
  await assert.rejects(pool.query('SELECT 1 / 0'), { code: '22012' })
  await assert.rejects(
    transaction(pool, (client) => client.query('SELECT 1 / 0')),
    { code: '22012' },
  )
  await pool.end()
})
