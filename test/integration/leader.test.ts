import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import pg from 'pg'
import { Leader } from '../../src/stream/leader.ts'
import { eventually, inTime } from '../support/client.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { silentLog } from '../support/log.ts'

let database: TestDatabase
let lastKey = 1_000_000_000_000

before(async () => {
  database = await createTestDatabase()
})

after(async () => {
  await database?.[Symbol.asyncDispose]()
})

/** Leaders that compete for one lock, and what they did. */
function compete(t: TestContext, names: readonly string[], yieldOf: (name: string) => Promise<void> = async () => {}) {
  lastKey += 1
  const lockKey = lastKey
  const leading = new Set<string>()
  let failures = 0
  const log = Object.assign(Object.create(silentLog), {
    warn: () => {
      failures += 1
    },
  })
  const terms: string[] = []
  let most = 0
  const leaders = new Map(
    names.map((name) => {
      const leader = new Leader({
        connectionString: database.url,
        lockKey,
        log,
        lead: () => {
          assert.ok(!leading.has(name), 'a leader leads once at a time')
          leading.add(name)
          terms.push(name)
          most = Math.max(most, leading.size)
        },
        yield: async () => {
          await yieldOf(name)
          leading.delete(name)
        },
      })
      return [name, leader] as const
    }),
  )
  t.after(() => Promise.all([...leaders.values()].map((leader) => leader.stop())))
  const leaderOf = (name: string): Leader => leaders.get(name) ?? assert.fail()
  return {
    leaders,
    leaderOf,
    /** In the order in which they led. */
    terms,
    /** How many led at the same time, at most. */
    most: () => most,
    /** How often a session could not be had, or was lost. */
    failures: () => failures,
    start: () => {
      for (const leader of leaders.values()) leader.start()
    },
    /** Waits until somebody leads for the nth time. */
    term: async (count: number): Promise<string> => {
      await eventually(() => terms.length >= count && leading.size === 1, `term ${count}`)
      assert.equal(terms.length, count)
      return terms.at(-1) ?? assert.fail()
    },
    /** The backend that holds the lock. */
    holder: async (): Promise<number> => {
      const rows = await database.query<{ pid: number }>(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32) + objid::bigint = $1",
        [lockKey],
      )
      assert.equal(rows.length, 1)
      return rows[0]?.pid ?? assert.fail()
    },
  }
}

/** Waits until each of so many sessions that stand by has asked for the lock `times` times more. */
async function asked(sessions: number, times: number): Promise<void> {
  const seen = new Map<number, Set<string>>()
  await eventually(async () => {
    const rows = await database.query<{ pid: number; at: string }>(
      "SELECT pid, query_start::text AS at FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_try_advisory_lock%' AND pid <> pg_backend_pid()",
    )
    for (const { pid, at } of rows) seen.set(pid, (seen.get(pid) ?? new Set()).add(at))
    return [...seen.values()].filter((moments) => moments.size > times).length >= sessions
  }, 'attempts to lead')
}

test('of three leaders one leads, and the others stand by', async (t) => {
  const { leaders, terms, start, term } = compete(t, ['a', 'b', 'c'])
  start()
  const name = await term(1)
  await asked(2, 3)
  assert.deepEqual(terms, [name])
  assert.deepEqual(
    [...leaders].filter(([, leader]) => leader.leading).map(([leading]) => leading),
    [name],
  )
  for (const leader of leaders.values()) await leader.check()
})

test('whenever the session of the leader is killed one leads again within seconds, and never two at once', async (t) => {
  const { terms, most, start, term, holder, leaders } = compete(t, ['a', 'b', 'c'])
  start()
  let before = await term(1)
  for (let round = 2; round <= 6; round++) {
    const killedMs = Date.now()
    await database.query('SELECT pg_terminate_backend($1)', [await holder()])
    const now = await term(round)
    assert.ok(Date.now() - killedMs < 5000, `${Date.now() - killedMs} ms`)
    assert.notEqual(now, before)
    before = now
  }
  assert.equal(terms.length, 6)
  assert.equal(most(), 1)
  await eventually(async () => {
    const connected = await Promise.allSettled([...leaders.values()].map((leader) => leader.check()))
    return connected.every(({ status }) => status === 'fulfilled')
  }, 'those whose sessions were killed stand by again')
})

test('when all sessions are killed at once, one leads again', async (t) => {
  const { most, start, term } = compete(t, ['a', 'b', 'c'])
  start()
  await term(1)
  await asked(2, 1)
  await database.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  await term(2)
  assert.equal(most(), 1)
})

test('when the leader stops another leads within seconds, until none is left', async (t) => {
  const { leaderOf, most, start, term } = compete(t, ['a', 'b', 'c'])
  start()
  const led: string[] = []
  for (const round of [1, 2, 3]) {
    const startedMs = Date.now()
    const name = await term(round)
    assert.ok(Date.now() - startedMs < 5000)
    led.push(name)
    await leaderOf(name).stop()
    assert.equal(leaderOf(name).leading, false)
    await assert.rejects(leaderOf(name).check())
  }
  assert.deepEqual(led.sort(), ['a', 'b', 'c'])
  assert.equal(most(), 1)
})

test('a leader that stops has yielded before another leads', async (t) => {
  const yielding = Promise.withResolvers<void>()
  const yielded = Promise.withResolvers<void>()
  const { leaderOf, terms, most, term } = compete(t, ['a', 'b'], async (name) => {
    if (name !== 'a') return
    yielding.resolve()
    await yielded.promise
  })
  leaderOf('a').start()
  await term(1)
  leaderOf('b').start()
  const stopped = leaderOf('a').stop()
  await inTime(yielding.promise, 'yield')
  await asked(1, 3)
  assert.deepEqual(terms, ['a'])
  yielded.resolve()
  await stopped
  assert.equal(await term(2), 'b')
  assert.equal(most(), 1)
})

test('a leader that fails to begin yields, and it is tried again', async (t) => {
  lastKey += 1
  const calls: string[] = []
  const leader = new Leader({
    connectionString: database.url,
    lockKey: lastKey,
    log: silentLog,
    lead: () => {
      calls.push('lead')
      if (calls.length === 1) throw new Error('not today')
    },
    yield: async () => {
      calls.push('yield')
    },
  })
  t.after(() => leader.stop())
  leader.start()
  await eventually(() => calls.length === 3, 'a second attempt')
  assert.deepEqual(calls, ['lead', 'yield', 'lead'])
  await leader.stop()
  assert.deepEqual(calls, ['lead', 'yield', 'lead', 'yield'])
})

test('while the database refuses connections nobody leads, and somebody does when it takes them again', async (t) => {
  const name = new URL(database.url.replace('postgresql://postgres@/', 'http://x/')).pathname.slice(1)
  const admin = new pg.Client({ connectionString: database.url.replace(`/${name}?`, '/postgres?') })
  await admin.connect()
  t.after(async () => {
    await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
    await admin.end()
  })
  const { terms, start, term, leaders, failures } = compete(t, ['a', 'b'])
  await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
  start()
  await eventually(() => failures() >= 4, 'attempts that fail')
  for (const leader of leaders.values()) await assert.rejects(leader.check(), /not connected/)
  assert.deepEqual(terms, [])
  await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
  await term(1)
})

test('start and stop may be called twice, stop before start, and a leader that was stopped can be started again', async (t) => {
  const { leaderOf, terms, start, term } = compete(t, ['a'])
  await leaderOf('a').stop()
  start()
  start()
  await term(1)
  await Promise.all([leaderOf('a').stop(), leaderOf('a').stop()])
  await leaderOf('a').stop()
  start()
  await term(2)
  assert.deepEqual(terms, ['a', 'a'])
})
