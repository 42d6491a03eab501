import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { createPool } from '../../../src/platform/database/pool.ts'
import { PostgresBus } from '../../../src/stream/postgres-bus.ts'
import { feedUpdateOf } from '../../support/candles/prices.ts'
import { eventually } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { silentLog } from '../../support/log.ts'
import { startDatabaseProxy } from '../../support/proxy.ts'

/** A database of the test's own: buses on one database hear each other. */
async function open(t: TestContext) {
  const database = await createTestDatabase()
  const stops: (() => Promise<void>)[] = []
  t.after(async () => {
    for (const stop of stops) await stop()
    await database[Symbol.asyncDispose]()
  })

  /** A started bus that listens by one address of the database and publishes by another. */
  async function start({ hears = database.url, speaks = database.url } = {}) {
    const pool = createPool(speaks, silentLog)
    const bus = new PostgresBus({ connectionString: hears, pool, log: silentLog })
    stops.push(async () => {
      await bus.stop()
      await pool.end()
    })
    const prices: string[] = []
    let reconnections = 0
    bus.subscribe('price', ({ quote, seq }) => prices.push(`${quote.symbol} ${seq}`))
    bus.subscribe('reconnected', () => {
      reconnections += 1
    })
    await bus.start()
    return {
      bus,
      /** The prices that arrived. */
      prices,
      /** How often it reported that messages may be missing. */
      reconnections: () => reconnections,
      price: (symbol: string, seq: number) => bus.publish('price', feedUpdateOf(symbol, seq)),
    }
  }

  /** Everything that is sent on the channel from now on. */
  async function overhear(): Promise<string[]> {
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    stops.push(() => client.end())
    const payloads: string[] = []
    client.on('notification', ({ payload }) => payloads.push(payload ?? ''))
    await client.query('LISTEN finstage')
    return payloads
  }

  return { url: database.url, start, overhear }
}

suite('a bus over a network that loses packets', { concurrency: true }, () => {
  test('a bus whose connection goes silent reports it within seven seconds, reconnects and reports that messages may be missing', async (t) => {
    const { url, start } = await open(t)
    await using network = await startDatabaseProxy(url)
    const here = await start()
    const there = await start({ hears: network.url })
    here.price('A', 1)
    await eventually(() => there.prices.includes('A 1'), 'a price')
    network.freeze()
    const frozenMs = performance.now()
    here.price('A', 2)
    await eventually(() => !there.bus.connected, 'that it says so')
    const tookMs = performance.now() - frozenMs
    assert.ok(tookMs > 3000 && tookMs < 9000, `${tookMs} ms`)
    assert.equal(here.bus.connected, true)
    await sleep(3000)
    assert.equal(there.bus.connected, false)
    network.thaw()
    await eventually(() => there.bus.connected, 'that it is connected')
    assert.equal(there.reconnections(), 1)
    here.price('A', 3)
    await eventually(() => there.prices.includes('A 3'), 'a price')
    assert.equal(here.reconnections(), 0)
  })

  test('a single silent connection, as of a firewall that forgot it, is replaced while others still get through', async (t) => {
    const { url, start } = await open(t)
    await using network = await startDatabaseProxy(url)
    const here = await start()
    const there = await start({ hears: network.url })
    network.mute()
    const mutedMs = performance.now()
    await eventually(() => there.reconnections() === 1, 'that it is connected again')
    assert.ok(performance.now() - mutedMs < 9000)
    here.price('A', 1)
    await eventually(() => there.prices.includes('A 1'), 'a price')
  })

  test('six idle buses send about one ping in two seconds together, and keep their connections', async (t) => {
    const { start, overhear } = await open(t)
    const buses = await Promise.all(Array.from({ length: 6 }, () => start()))
    const payloads = await overhear()
    await sleep(8000)
    assert.ok(payloads.length >= 2 && payloads.length <= 9, `${payloads.length} in 8 s`)
    for (const { bus, reconnections } of buses) assert.deepEqual([bus.connected, reconnections()], [true, 0])
  })

  test('while one bus publishes twice a second, none sends pings', async (t) => {
    const { start, overhear } = await open(t)
    const [here] = await Promise.all(Array.from({ length: 3 }, () => start()))
    const payloads = await overhear()
    for (let seq = 1; seq <= 12; seq++) {
      here?.price('A', seq)
      await sleep(500)
    }
    assert.equal(payloads.length, 12)
  })

  test('messages lost on their way to Postgres are sent again after five seconds: the newest price of each symbol', async (t) => {
    const { url, start } = await open(t)
    await using network = await startDatabaseProxy(url)
    const here = await start({ speaks: network.url })
    const there = await start()
    here.price('A', 1)
    await eventually(() => there.prices.includes('A 1'), 'a price')
    network.mute()
    here.price('A', 2)
    here.price('B', 1)
    await new Promise(setImmediate)
    here.price('A', 3)
    await eventually(() => there.prices.includes('A 3') && there.prices.includes('B 1'), 'the newest prices', 10_000)
    assert.deepEqual(
      there.prices.filter((price) => price.startsWith('A')),
      ['A 1', 'A 3'],
    )
  })

  test('a bus whose connection has gone silent stops within two seconds', async (t) => {
    const { url, start } = await open(t)
    await using network = await startDatabaseProxy(url)
    const there = await start({ hears: network.url })
    network.freeze()
    const startedMs = performance.now()
    await there.bus.stop()
    assert.ok(performance.now() - startedMs < 3000)
  })
})

// Outside of the suite, because it stops the whole process of the tests.
test('a bus does not mistake a pause of its own process for silence', async (t) => {
  const { start } = await open(t)
  const there = await start()
  await sleep(1500)
  for (let i = 0; i < 2; i++) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 6000)
    await sleep(1200)
  }
  assert.deepEqual([there.bus.connected, there.reconnections()], [true, 0])
})
