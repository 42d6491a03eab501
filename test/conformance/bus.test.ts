import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import pg from 'pg'
import type { JobChange } from '../../src/domain/job.ts'
import type { FeedUpdate } from '../../src/domain/price-update.ts'
import type { Quote } from '../../src/domain/quote.ts'
import { createPool } from '../../src/platform/database/pool.ts'
import type { Bus } from '../../src/stream/bus.ts'
import { LocalBus } from '../../src/stream/local-bus.ts'
import { PostgresBus } from '../../src/stream/postgres-bus.ts'
import { eventually, inTime } from '../support/clients/client.ts'
import { createTestDatabase, type TestDatabase } from '../support/database/database.ts'
import { silentLog } from '../support/log.ts'

let database: TestDatabase

before(async () => {
  database = await createTestDatabase()
})

after(async () => {
  await database?.[Symbol.asyncDispose]()
})

interface Subject {
  /** Not started. */
  create(t: TestContext): Bus
  /** Two that are started: as two processes have them, where the bus reaches further than one. */
  pair(t: TestContext): Promise<readonly [Bus, Bus]>
}

const local: Subject = {
  create: () => new LocalBus(),
  async pair() {
    const bus = new LocalBus()
    await bus.start()
    return [bus, bus]
  },
}

const postgres: Subject = {
  create(t) {
    const pool = createPool(database.url, silentLog)
    const bus = new PostgresBus({ connectionString: database.url, pool, log: silentLog })
    t.after(async () => {
      await bus.stop()
      await pool.end()
    })
    return bus
  },
  async pair(t) {
    const pair = [postgres.create(t), postgres.create(t)] as const
    await Promise.all(pair.map((bus) => bus.start()))
    return pair
  },
}

function jobOf(revision: number, message: string | null = null): JobChange {
  const failure = message === null ? null : { code: 'INTERNAL' as const, message, attempt: 1 }
  return {
    ...{ id: 'job', owner: 'me', state: 'RUNNING', progress: revision / 10_000, attempt: 1, runAtMs: 1 },
    ...{ startedAtMs: 2, finishedAtMs: null, failure, revision, changedAtMs: 3 },
  }
}

function priceOf(symbol: string, seq: number): FeedUpdate {
  const none = { previousClose: null, change: null, changePercent: null, open: null, dayHigh: null, dayLow: null }
  const unsaid = { volume: null, bid: null, ask: null, marketCap: null, fiftyTwoWeekHigh: null, fiftyTwoWeekLow: null }
  const quote: Quote = {
    ...{ ...none, ...unsaid, symbol, price: seq / 7, currency: 'USD', marketState: 'REGULAR', timeMs: seq },
    ...{ regularPrice: null, extendedChange: null, extendedChangePercent: null },
    ...{ source: 'SIMULATED', receivedAtMs: seq, delayMinutes: null, stale: false },
  }
  return { kind: 'TICK', run: 'r', seq, quote }
}

/** All messages of a topic as they arrive. */
function jobsAt(bus: Bus): JobChange[] {
  const arrived: JobChange[] = []
  bus.subscribe('job', (message) => arrived.push(message))
  return arrived
}

const revisions = (messages: readonly JobChange[]): number[] => messages.map(({ revision }) => revision)
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)
const arrivedAll = (messages: readonly JobChange[], count: number): Promise<void> =>
  eventually(() => messages.length >= count, `${count} messages`)

for (const [name, subject] of Object.entries({ LocalBus: local, PostgresBus: postgres })) {
  test(`${name}: a message reaches the listeners of its own process before publish returns, and those of the other`, async (t) => {
    const [here, there] = await subject.pair(t)
    const own = [jobsAt(here), jobsAt(here)]
    const others = jobsAt(there)
    const prices: FeedUpdate[] = []
    there.subscribe('price', (message) => prices.push(message))
    here.publish('job', jobOf(1, 'why'))
    for (const arrived of own) assert.deepEqual(arrived, [jobOf(1, 'why')])
    here.publish('price', priceOf('A', 3))
    await arrivedAll(others, 1)
    await eventually(() => prices.length > 0, 'the price')
    assert.deepEqual(others, [jobOf(1, 'why')])
    assert.deepEqual(prices, [priceOf('A', 3)])
  })

  test(`${name}: a message comes once, to its own process too`, async (t) => {
    const [here, there] = await subject.pair(t)
    const [own, others] = [jobsAt(here), jobsAt(there)]
    here.publish('job', jobOf(1))
    await arrivedAll(others, 1)
    // What came back of the first would come before this.
    there.publish('job', jobOf(2))
    await arrivedAll(own, 2)
    assert.deepEqual(revisions(own), [1, 2])
    assert.deepEqual(revisions(others), [1, 2])
  })

  test(`${name}: a message reaches the listeners of its topic alone`, async (t) => {
    const [here, there] = await subject.pair(t)
    const watch: unknown[] = []
    for (const bus of [here, there]) bus.subscribe('watch', (message) => watch.push(message))
    const arrived = jobsAt(there)
    here.publish('feedStarted', { run: 'r' })
    here.publish('price', priceOf('A', 1))
    here.publish('job', jobOf(1))
    await arrivedAll(arrived, 1)
    assert.deepEqual(watch, [])
    assert.deepEqual(revisions(arrived), [1])
  })

  test(`${name}: messages of one publisher arrive in order, whatever another publishes meanwhile`, async (t) => {
    const [here, there] = await subject.pair(t)
    const arrived = [jobsAt(here), jobsAt(there)]
    for (let revision = 1; revision <= 1000; revision++) {
      here.publish('job', { ...jobOf(revision), owner: 'here' })
      there.publish('job', { ...jobOf(revision), owner: 'there' })
      if (revision % 50 === 0) await new Promise(setImmediate)
    }
    for (const messages of arrived) {
      await arrivedAll(messages, 2000)
      for (const owner of ['here', 'there']) {
        assert.deepEqual(revisions(messages.filter((message) => message.owner === owner)), upTo(1000))
      }
    }
  })

  test(`${name}: 5,000 messages at once, of sizes up to 7 kB, arrive all of them as they were, in order`, async (t) => {
    const [here, there] = await subject.pair(t)
    const arrived = jobsAt(there)
    const sizes = [0, 1, 50, 300, 1200, 3700, 3800, 3900, 7000, 7400]
    const sent = upTo(5000).map((revision) => jobOf(revision, 'x'.repeat(sizes[revision % sizes.length] ?? 0)))
    for (const message of sent) here.publish('job', message)
    await arrivedAll(arrived, 5000)
    assert.deepEqual(arrived, sent)
  })

  test(`${name}: any text arrives as it was`, async (t) => {
    const [here, there] = await subject.pair(t)
    const arrived = jobsAt(there)
    const texts = [
      'Zürich €',
      '日経平均',
      '🚀📈',
      'a\u0000b',
      '\'"\\\n\r\t\u2028',
      '\ud83d',
      "'; NOTIFY finstage --",
      '€'.repeat(2400),
    ]
    for (const [i, text] of texts.entries()) here.publish('job', jobOf(i, text))
    await arrivedAll(arrived, texts.length)
    assert.deepEqual(
      arrived.map(({ failure }) => failure?.message),
      texts,
    )
  })

  test(`${name}: equal messages arrive as often as they were published`, async (t) => {
    const [here, there] = await subject.pair(t)
    const arrived = jobsAt(there)
    for (let i = 0; i < 10; i++) here.publish('job', jobOf(1, 'x'.repeat(5000)))
    here.publish('job', jobOf(2))
    await eventually(() => arrived.at(-1)?.revision === 2, 'the last message')
    assert.equal(arrived.length, 11)
  })

  test(`${name}: who has unsubscribed is told no more, and the others are`, async (t) => {
    const pair = await subject.pair(t)
    const ends = pair.map((bus) => {
      const left: number[] = []
      const once: number[] = []
      const leave = bus.subscribe('job', ({ revision }) => left.push(revision))
      const stop = bus.subscribe('job', ({ revision }) => {
        once.push(revision)
        stop()
      })
      return { leave, left, once, stayed: jobsAt(bus) }
    })
    pair[0].publish('job', jobOf(1))
    for (const { stayed } of ends) await arrivedAll(stayed, 1)
    for (const { leave } of [...ends, ...ends]) leave()
    pair[0].publish('job', jobOf(2))
    for (const { left, once, stayed } of ends) {
      await arrivedAll(stayed, 2)
      assert.deepEqual([left, once, revisions(stayed)], [[1], [1], [1, 2]])
    }
  })

  test(`${name}: stop may come before start, and start and stop twice`, async (t) => {
    const bus = subject.create(t)
    await bus.stop()
    await bus.start()
    await bus.start()
    assert.equal(bus.connected, true)
    const [here] = await subject.pair(t)
    const sender = subject === local ? bus : here
    const arrived = jobsAt(bus)
    sender.publish('job', jobOf(1))
    await arrivedAll(arrived, 1)
    await bus.stop()
    await bus.stop()
    await bus.start()
    sender.publish('job', jobOf(2))
    await arrivedAll(arrived, 2)
    assert.deepEqual(revisions(arrived), [1, 2])
  })

  test(`${name}: started twice at once, it still delivers once`, async (t) => {
    const bus = subject.create(t)
    await Promise.all([bus.start(), bus.start()])
    const [here] = await subject.pair(t)
    const sender = subject === local ? bus : here
    const arrived = jobsAt(bus)
    for (const revision of [1, 2, 3]) sender.publish('job', jobOf(revision))
    await eventually(() => arrived.at(-1)?.revision === 3, 'the last message')
    assert.deepEqual(revisions(arrived), [1, 2, 3])
  })
}

/** The backends in which a bus listens. */
async function listeners(): Promise<number[]> {
  const rows = await database.query<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'finstage bus' ORDER BY pid",
  )
  return rows.map(({ pid }) => pid)
}

/** A bus whose way to Postgres can be held up. */
async function withHeldPool(t: TestContext): Promise<{ bus: Bus; hold: () => Promise<() => void> }> {
  const pool = new pg.Pool({ connectionString: database.url, max: 1 })
  const bus = new PostgresBus({ connectionString: database.url, pool, log: silentLog })
  await bus.start()
  t.after(async () => {
    await bus.stop()
    await pool.end()
  })
  const hold = async () => {
    const client = await pool.connect()
    return () => client.release()
  }
  return { bus, hold }
}

test('PostgresBus: it is connected from start to stop', async (t) => {
  const before = await listeners()
  const bus = postgres.create(t)
  assert.equal(bus.connected, false)
  await bus.start()
  assert.equal(bus.connected, true)
  assert.equal((await listeners()).length, before.length + 1)
  await bus.stop()
  assert.equal(bus.connected, false)
  await eventually(async () => (await listeners()).length === before.length, 'the end of the connection')
})

test('PostgresBus: what was published before stop has gone out when stop resolves', async (t) => {
  const [there] = await postgres.pair(t)
  const arrived = jobsAt(there)
  const pool = createPool(database.url, silentLog)
  const bus = new PostgresBus({ connectionString: database.url, pool, log: silentLog })
  await bus.start()
  for (const revision of upTo(1000)) bus.publish('job', jobOf(revision))
  await bus.stop()
  await pool.end()
  await arrivedAll(arrived, 1000)
  assert.deepEqual(revisions(arrived), upTo(1000))
})

test('PostgresBus: start fails where Postgres is not to be reached', async () => {
  const connectionString = database.url.replace('/test_', '/no_such_')
  const pool = createPool(connectionString, silentLog)
  const bus = new PostgresBus({ connectionString, pool, log: silentLog })
  await assert.rejects(bus.start(), /does not exist/)
  assert.equal(bus.connected, false)
  await bus.stop()
  await pool.end()
})

test('PostgresBus: when its connection is killed it says so, connects again and delivers again', async (t) => {
  const earlier = await listeners()
  const [here, there] = await postgres.pair(t)
  const [own, others] = [jobsAt(here), jobsAt(there)]
  const ofThese = async () => (await listeners()).filter((pid) => !earlier.includes(pid))
  for (const round of [1, 2]) {
    const before = await ofThese()
    assert.equal(before.length, 2)
    await database.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [before])
    await eventually(() => !here.connected && !there.connected, 'the loss of the connections')
    here.publish('job', jobOf(10 * round))
    assert.equal(own.at(-1)?.revision, 10 * round)
    await eventually(() => here.connected && there.connected, 'the new connections')
    const now = await ofThese()
    assert.equal(now.length, 2)
    assert.ok(now.every((pid) => !before.includes(pid)))
    here.publish('job', jobOf(10 * round + 1))
    there.publish('job', jobOf(10 * round + 2))
    await eventually(() => others.some(({ revision }) => revision === 10 * round + 1), 'a message to the other')
    await eventually(() => own.some(({ revision }) => revision === 10 * round + 2), 'a message from the other')
  }
  assert.deepEqual(
    revisions(own).toSorted((a, b) => a - b),
    [10, 11, 12, 20, 21, 22],
  )
})

test('PostgresBus: a connection that comes up after stop is ended, and no other follows', async (t) => {
  const warnings: unknown[] = []
  const log = Object.assign(Object.create(silentLog), { warn: (message: unknown) => warnings.push(message) })
  const pool = createPool(database.url, silentLog)
  const bus = new PostgresBus({ connectionString: database.url, pool, log })
  t.after(async () => {
    await bus.stop()
    await pool.end()
  })
  const earlier = await listeners()
  await bus.start()
  const own = (await listeners()).filter((pid) => !earlier.includes(pid))
  const connecting = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  const connect: (this: pg.Client) => Promise<unknown> = pg.Client.prototype.connect
  await database.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [own])
  t.mock.method(
    pg.Client.prototype,
    'connect',
    async function (this: pg.Client) {
      connecting.resolve()
      this.once('end', () => ended.resolve())
      await gate.promise
      await connect.call(this)
    },
    { times: 1 },
  )
  await inTime(connecting.promise, 'the attempt to connect again')
  const stopped = bus.stop()
  gate.resolve()
  await stopped
  await inTime(ended.promise, 'the end of the connection')
  assert.equal(bus.connected, false)
  assert.deepEqual(warnings, ['the bus lost its connection'])
  await eventually(async () => (await listeners()).length === earlier.length, 'the end of the connection')
})

test('PostgresBus: when Postgres drops every connection, what is published later arrives', async (t) => {
  const [here, there] = await postgres.pair(t)
  const arrived = jobsAt(there)
  here.publish('job', jobOf(1))
  await arrivedAll(arrived, 1)
  await database.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  await eventually(() => !there.connected, 'the loss of the connection')
  await eventually(() => here.connected && there.connected, 'the new connections')
  here.publish('job', jobOf(2))
  here.publish('job', jobOf(3))
  await eventually(() => arrived.at(-1)?.revision === 3, 'the last message')
  assert.deepEqual(revisions(arrived), [1, 2, 3])
})

test('PostgresBus: of prices that wait while Postgres is slow the newest of each symbol arrives, of all else everything', async (t) => {
  const { bus, hold } = await withHeldPool(t)
  const [, there] = await postgres.pair(t)
  const prices: FeedUpdate[] = []
  there.subscribe('price', (message) => prices.push(message))
  const jobs = jobsAt(there)
  const release = await hold()
  const symbols = ['A', 'B', 'C']
  for (let seq = 1; seq <= 1000; seq++) {
    for (const symbol of symbols) bus.publish('price', priceOf(symbol, seq))
    bus.publish('job', jobOf(seq))
    // The first batch is on its way by now, and waits for its turn.
    if (seq === 10) await new Promise(setImmediate)
  }
  bus.publish('price', priceOf('RARE', 1))
  release()
  await arrivedAll(jobs, 1000)
  await eventually(() => prices.some(({ quote }) => quote.symbol === 'RARE'), 'the last price')
  assert.deepEqual(revisions(jobs), upTo(1000))
  for (const symbol of symbols) {
    const seqs = prices.filter(({ quote }) => quote.symbol === symbol).map(({ seq }) => seq)
    assert.deepEqual(seqs, [10, 1000])
  }
  assert.deepEqual(prices.at(-1), priceOf('RARE', 1))
})

test('PostgresBus: the newest price of each symbol arrives, though Postgres could not pass it on at first, and none comes twice', async (t) => {
  const [, there] = await postgres.pair(t)
  const arrived: string[] = []
  there.subscribe('price', ({ quote, seq }) => arrived.push(`${quote.symbol} ${seq}`))
  const pool = createPool(database.url, silentLog)
  const failed = Promise.withResolvers<void>()
  const refuse = async (): Promise<never> => {
    failed.resolve()
    throw new Error('the connection was lost')
  }
  t.mock.method(pool, 'query', refuse as never, { times: 1 })
  const bus = new PostgresBus({ connectionString: database.url, pool, log: silentLog })
  t.after(async () => {
    await bus.stop()
    await pool.end()
  })
  await bus.start()
  bus.publish('price', priceOf('A', 1))
  bus.publish('price', priceOf('B', 1))
  await inTime(failed.promise, 'the failure')
  bus.publish('price', priceOf('A', 2))
  await eventually(() => arrived.includes('A 2'), 'the last price')
  assert.deepEqual(arrived, ['B 1', 'A 2'])
})

test('PostgresBus: a price that takes the place of an older one does not overtake what was published between them', async (t) => {
  const { bus, hold } = await withHeldPool(t)
  const [, there] = await postgres.pair(t)
  const arrived: string[] = []
  there.subscribe('price', ({ quote, seq }) => arrived.push(`${quote.symbol} ${seq}`))
  there.subscribe('job', ({ revision }) => arrived.push(`job ${revision}`))
  const release = await hold()
  bus.publish('price', priceOf('A', 1))
  bus.publish('price', priceOf('B', 1))
  bus.publish('job', jobOf(1))
  bus.publish('price', priceOf('A', 2))
  bus.publish('job', jobOf(2))
  release()
  await eventually(() => arrived.includes('job 2'), 'the last message')
  assert.deepEqual(arrived, ['B 1', 'job 1', 'A 2', 'job 2'])
})

test('PostgresBus: a message too large for Postgres is lost alone', async (t) => {
  const [here, there] = await postgres.pair(t)
  const arrived = jobsAt(there)
  here.publish('job', jobOf(1))
  here.publish('job', jobOf(2, 'x'.repeat(9000)))
  here.publish('job', jobOf(3))
  await new Promise(setImmediate)
  here.publish('job', jobOf(4))
  await eventually(() => arrived.at(-1)?.revision === 4, 'the last message')
  assert.deepEqual(revisions(arrived), [1, 3, 4])
})

test('PostgresBus: what somebody else sends on its channel does no harm', async (t) => {
  const [here, there] = await postgres.pair(t)
  const arrived = jobsAt(there)
  for (const payload of ['', 'hello', '{}', 'null', '[1]', '["a"]']) {
    await database.query('SELECT pg_notify($1, $2)', ['finstage', payload])
  }
  here.publish('job', jobOf(1))
  await arrivedAll(arrived, 1)
  assert.deepEqual(revisions(arrived), [1])
})
