import assert from 'node:assert/strict'
import { after, before, suite, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { TermStore } from '../../../src/store/term-store.ts'
import { Leader } from '../../../src/stream/leader.ts'
import type { Term } from '../../../src/stream/term.ts'
import { eventually, inTime } from '../../support/clients/client.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database/database.ts'
import { killRounds } from '../../support/kill-rounds.ts'
import { silentLog } from '../../support/log.ts'
import { startDatabaseProxy } from '../../support/proxy.ts'

let database: TestDatabase
const others: TestDatabase[] = []
let lastName = 0

before(async () => {
  database = await createTestDatabase()
})

after(async () => {
  for (const each of [database, ...others]) await each?.[Symbol.asyncDispose]()
})

/** For a test that disturbs all users of its database. Dropped at the end, when all leaders have stopped. */
async function anotherDatabase(): Promise<TestDatabase> {
  const other = await createTestDatabase()
  others.push(other)
  return other
}

interface Competition {
  readonly yieldOf?: (name: string) => Promise<void>
  /** The address by which a leader reaches the database; by default its own. */
  readonly urlOf?: (name: string) => string
  readonly now?: () => number
  readonly isAlone?: boolean
  /** A database of the test's own; by default that of the file. */
  readonly own?: TestDatabase
}

/** Leaders that compete for one leadership, and what they did. */
function compete(t: TestContext, names: readonly string[], options: Competition = {}) {
  lastName += 1
  const leadership = `test ${lastName}`
  const within = options.own ?? database
  /** The term of each candidate that considers itself the leader. */
  const terms = new Map<string, Term>()
  const warnings: string[] = []
  const log = Object.assign(Object.create(silentLog), {
    warn: (_details: unknown, message: string) => warnings.push(message),
  })
  const led: string[] = []
  const runs: string[] = []
  let most = 0
  const count = (): void => {
    most = Math.max(most, [...terms.values()].filter(({ holds }) => holds).length)
  }
  const counting = setInterval(count, 5)
  const leaders = new Map(
    names.map((name) => {
      const leader = new Leader({
        connectionString: options.urlOf?.(name) ?? within.url,
        name: leadership,
        log,
        ...(options.now ? { now: options.now } : {}),
        isAlone: options.isAlone ?? false,
        lead: (term) => {
          assert.ok(!terms.has(name), 'a leader leads once at a time')
          terms.set(name, term)
          led.push(name)
          runs.push(term.run)
          count()
        },
        confirmed: count,
        yield: async () => {
          await options.yieldOf?.(name)
          terms.delete(name)
        },
      })
      return [name, leader] as const
    }),
  )
  t.after(async () => {
    clearInterval(counting)
    await Promise.all([...leaders.values()].map((leader) => leader.stop()))
  })
  const beat = async (): Promise<number> => {
    const sql = 'SELECT beat::int FROM finstage.leader_terms WHERE name = $1'
    return (await within.query<{ beat: number }>(sql, [leadership]))[0]?.beat ?? 0
  }
  const leaderOf = (name: string): Leader => leaders.get(name) ?? assert.fail()
  return {
    leadership,
    leaders,
    leaderOf,
    terms,
    /** The leaders in their order, and the names of their terms. */
    led,
    runs,
    warnings,
    /** The most candidates that considered themselves the leader at the same time. */
    most: () => most,
    start: () => {
      for (const leader of leaders.values()) leader.start()
    },
    /** Waits until somebody leads for the nth time. */
    term: async (nth: number): Promise<string> => {
      await eventually(() => led.length >= nth, `term ${nth}`)
      assert.equal(led.length, nth)
      return led.at(-1) ?? assert.fail()
    },
    beat,
    /** Waits until the leader has confirmed its term `count` more times. */
    confirmations: async (count: number): Promise<void> => {
      const before = await beat()
      await eventually(async () => (await beat()) >= before + count, 'confirmations')
    },
  }
}

/** Longer than another candidate takes to begin the next term. */
const takeOverMs = 8000

/** The names of later terms are greater. */
function assertRising(runs: readonly string[]): void {
  for (const [i, run] of runs.entries()) assert.ok(i === 0 || run > (runs[i - 1] ?? ''), runs.join(' '))
}

suite('leadership', { concurrency: true }, () => {
  test('one of three candidates leads and keeps leading, and the others stand by', async (t) => {
    const { leaders, led, start, term } = compete(t, ['a', 'b', 'c'])
    start()
    const name = await term(1)
    await sleep(takeOverMs)
    assert.deepEqual(led, [name])
    assert.deepEqual(
      [...leaders].filter(([, leader]) => leader.leading).map(([leading]) => leading),
      [name],
    )
    for (const leader of leaders.values()) await leader.check()
  })

  test('a process that is alone with its database does not wait for the term that it held before it was killed', async (t) => {
    const { leadership, runs, start, term } = compete(t, ['a'], { isAlone: true })
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    const before = (await new TermStore(client, leadership).take('killed', null)) ?? assert.fail()
    await client.end()
    const startedMs = performance.now()
    start()
    await term(1)
    assert.ok(performance.now() - startedMs < 4000)
    assertRising([before.padStart(15, '0'), ...runs])
  })

  test('when every database session dies, the same leader keeps its term', async (t) => {
    const own = await anotherDatabase()
    const { led, terms, confirmations, start, term, leaders, warnings } = compete(t, ['a', 'b', 'c'], { own })
    start()
    const name = await term(1)
    const sessions = "pg_stat_activity WHERE datname = current_database() AND application_name = 'finstage leader'"
    for (let round = 1; round <= killRounds; round++) {
      // One that has not connected again yet could not lose its session.
      await eventually(async () => (await own.query(`SELECT pid FROM ${sessions}`)).length === 3, 'all sessions')
      await own.query(`SELECT pg_terminate_backend(pid) FROM ${sessions}`)
      await eventually(() => warnings.length >= 3 * round, 'the loss of the sessions')
      await confirmations(2)
      assert.equal(terms.get(name)?.holds, true)
    }
    for (const leader of leaders.values()) await leader.check()
    assert.deepEqual(led, [name])
  })

  test('a leader that is cut off stops trusting its term before another leads, within 10 s, and steps down when it is back', async (t) => {
    await using network = await startDatabaseProxy(database.url)
    const urlOf = (name: string): string => (name === 'a' ? network.url : database.url)
    const { leaderOf, led, runs, terms, most, warnings, term, confirmations } = compete(t, ['a', 'b'], { urlOf })
    leaderOf('a').start()
    await term(1)
    leaderOf('b').start()
    await confirmations(3)
    network.freeze()
    const frozenMs = performance.now()
    await eventually(() => !leaderOf('a').leading, 'that it trusts its term no more')
    assert.deepEqual(led, ['a'], 'and nobody leads yet')
    await eventually(
      () =>
        leaderOf('a')
          .check()
          .then(
            () => false,
            () => true,
          ),
      'that its check fails',
    )
    await term(2)
    assert.ok(performance.now() - frozenMs < 10_000, `${performance.now() - frozenMs} ms`)
    assert.deepEqual([...terms.keys()], ['a', 'b'], 'it does not know yet that it was deposed')
    network.thaw()
    await eventually(() => !terms.has('a'), 'that it steps down')
    assert.ok(warnings.some((warning) => warning.startsWith('another process leads')))
    await sleep(takeOverMs)
    assert.deepEqual(led, ['a', 'b'])
    assert.equal(most(), 1)
    assertRising(runs)
  })

  test('a leader that was cut off while nobody else could lead keeps its term', async (t) => {
    await using network = await startDatabaseProxy(database.url)
    const { leaderOf, led, term, beat } = compete(t, ['a'], { urlOf: () => network.url })
    leaderOf('a').start()
    await term(1)
    network.freeze()
    await eventually(() => !leaderOf('a').leading, 'that it trusts its term no more')
    const before = await beat()
    network.thaw()
    await eventually(() => leaderOf('a').leading, 'that it leads again')
    assert.ok((await beat()) > before)
    await sleep(takeOverMs)
    assert.deepEqual(led, ['a'])
  })

  test('whenever the leader stops, another leads at once, until none is left', async (t) => {
    const { leaderOf, most, runs, start, term } = compete(t, ['a', 'b', 'c'])
    start()
    const names: string[] = []
    for (const round of [1, 2, 3]) {
      const startedMs = performance.now()
      const name = await term(round)
      assert.ok(performance.now() - startedMs < 4000, 'sooner than a leader is found lost')
      names.push(name)
      await leaderOf(name).stop()
      assert.equal(leaderOf(name).leading, false)
      await assert.rejects(leaderOf(name).check())
    }
    assert.deepEqual(names.sort(), ['a', 'b', 'c'])
    assert.equal(most(), 1)
    assertRising(runs)
  })

  test('a leader that stops has yielded before another leads', async (t) => {
    const yielding = Promise.withResolvers<void>()
    const yielded = Promise.withResolvers<void>()
    const yieldOf = async (name: string): Promise<void> => {
      if (name !== 'a') return
      yielding.resolve()
      await yielded.promise
    }
    const { leaderOf, led, most, term } = compete(t, ['a', 'b'], { yieldOf })
    leaderOf('a').start()
    await term(1)
    leaderOf('b').start()
    const stopped = leaderOf('a').stop()
    await inTime(yielding.promise, 'yield')
    await sleep(2000)
    assert.deepEqual(led, ['a'])
    yielded.resolve()
    await stopped
    assert.equal(await term(2), 'b')
    assert.equal(most(), 1)
  })

  test('a leader that fails to begin yields, and tries again', async (t) => {
    const calls: string[] = []
    const leader = new Leader({
      connectionString: database.url,
      name: 'fails to begin',
      log: silentLog,
      lead: () => {
        calls.push('lead')
        if (calls.length === 1) throw new Error('not today')
      },
      confirmed: () => {},
      yield: async () => {
        calls.push('yield')
      },
    })
    t.after(() => leader.stop())
    leader.start()
    await eventually(() => calls.length === 3, 'a second attempt', 4000)
    assert.deepEqual(calls, ['lead', 'yield', 'lead'])
    await leader.stop()
    assert.deepEqual(calls, ['lead', 'yield', 'lead', 'yield'])
  })

  test('nobody leads while the database refuses connections, and somebody does when it accepts them again', async (t) => {
    const own = await anotherDatabase()
    const name = new URL(own.url.replace('postgresql://postgres@/', 'http://x/')).pathname.slice(1)
    const admin = new pg.Client({ connectionString: own.url.replace(`/${name}?`, '/postgres?') })
    await admin.connect()
    t.after(async () => {
      await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
      await admin.end()
    })
    const { led, start, term, leaders, warnings } = compete(t, ['a', 'b'], { own })
    await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
    start()
    await eventually(() => warnings.length >= 4, 'attempts that fail')
    for (const leader of leaders.values()) await assert.rejects(leader.check(), /not connected/)
    assert.deepEqual(led, [])
    await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
    await term(1)
  })

  test('a leader whose clock is set back by hours begins a later term within seconds, and keeps leading', async (t) => {
    let offsetMs = 0
    const { runs, term, start, leaderOf, warnings, confirmations } = compete(t, ['a'], {
      now: () => Date.now() + offsetMs,
    })
    start()
    await term(1)
    offsetMs = 5 * 3_600_000
    await confirmations(3)
    assert.equal(runs.length, 1, 'a clock that is put forward changes nothing')
    offsetMs = -3_600_000
    await term(2)
    assertRising(runs)
    await confirmations(3)
    assert.equal(leaderOf('a').leading, true)
    assert.equal(runs.length, 2)
    assert.deepEqual(warnings.length, 1)
  })

  test('a later term is greater than any before it, also after the clock of the database was ahead or the earlier terms were lost', async (t) => {
    const { runs, leadership, leaderOf, term } = compete(t, ['a'])
    leaderOf('a').start()
    await term(1)
    const aheadMs = Date.now() + 100 * 86_400_000
    await database.query('UPDATE finstage.leader_terms SET term = $2 WHERE name = $1', [leadership, aheadMs])
    await term(2)
    assert.equal(Number(runs[1]), aheadMs + 1)
    await leaderOf('a').stop()
    await database.query('UPDATE finstage.leader_terms SET term = 7 WHERE name = $1', [leadership])
    leaderOf('a').start()
    await term(3)
    assert.ok((runs[2] ?? '') > (runs[0] ?? ''))
    await leaderOf('a').stop()
    await database.query('DELETE FROM finstage.leader_terms WHERE name = $1', [leadership])
    leaderOf('a').start()
    await term(4)
    assertRising([runs[0] ?? '', ...runs.slice(2)])
  })

  test('one of several simultaneous takeovers succeeds, and none that looked before the leader confirmed its term', async () => {
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    try {
      const store = new TermStore(client, 'compared and set')
      assert.equal(await store.newest(), null)
      const first = (await store.take('one', null)) ?? assert.fail()
      assert.equal(await store.take('two', null), null)
      const seen = await store.newest()
      assert.equal(await store.confirm(first), true)
      assert.equal(await store.take('two', seen), null)
      const pool = new pg.Pool({ connectionString: database.url, max: 10 })
      const now = await store.newest()
      const takers = Array.from({ length: 10 }, (_, i) =>
        new TermStore(pool as never, 'compared and set').take(`${i}`, now),
      )
      const taken = (await Promise.all(takers)).filter((term) => term !== null)
      await pool.end()
      assert.equal(taken.length, 1)
      assert.ok(BigInt(taken[0] ?? 0) > BigInt(first))
      assert.equal(await store.confirm(first), false)
      await store.release(first)
      assert.equal((await store.newest())?.isHeld, true, 'one that was deposed releases nothing')
      assert.equal(await store.confirm(taken[0] ?? ''), true)
    } finally {
      await client.end()
    }
  })

  test('start and stop may be called twice, stop before start, and a leader that was stopped can be started again', async (t) => {
    const { leaderOf, led, start, term } = compete(t, ['a'])
    await leaderOf('a').stop()
    start()
    start()
    await term(1)
    await Promise.all([leaderOf('a').stop(), leaderOf('a').stop()])
    await leaderOf('a').stop()
    start()
    await term(2)
    assert.deepEqual(led, ['a', 'a'])
  })
})
