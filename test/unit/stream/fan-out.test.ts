import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { Registry } from 'prom-client'
import type { PriceUpdate } from '../../../src/domain/price-update.ts'
import { FeedPulse } from '../../../src/stream/feed-pulse.ts'
import { PriceHub } from '../../../src/stream/hub.ts'
import { LocalBus } from '../../../src/stream/local-bus.ts'
import type { PriceSubscription } from '../../../src/stream/price-subscription.ts'
import type { Sink } from '../../../src/stream/seats/price-seat.ts'
import { feedUpdateOf, shown } from '../../support/candles/prices.ts'

/** A hub that yields to others after every few hundred seats. */
function openYielding(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const bus = new LocalBus()
  const registry = new Registry()
  const pulse = new FeedPulse({ bus, registry })
  let wallMs = 1_000_000
  const hub = new PriceHub({ bus, pulse, registry, now: () => wallMs })
  hub.start()
  t.after(() => hub.stop())
  let nowMs = performance.now()
  t.mock.method(performance, 'now', () => {
    nowMs += 10
    return nowMs
  })
  let term = 1
  const run = (): string => `run-${String(term).padStart(3, '0')}`
  const seqs = new Map<string, number>()
  return {
    run,
    /** The next price of a symbol. */
    price(symbol = 'A') {
      const seq = (seqs.get(symbol) ?? 0) + 1
      seqs.set(symbol, seq)
      bus.publish('price', feedUpdateOf(symbol, seq, { run: run() }))
    },
    newRun() {
      term += 1
      seqs.clear()
    },
    subscribe: (...symbols: readonly string[]) => hub.subscribe({ symbols, throttleMs: 0, after: new Map() }),
    /** Batches of one symbol for a client that has come so far. */
    batches: (symbol: string, seq: number) =>
      hub.subscribeBatches({
        symbols: [symbol],
        batchMs: 100,
        after: new Map([[symbol, { symbol, run: run(), seq }]]),
      }),
    pass(ms: number) {
      wallMs += ms
      t.mock.timers.tick(ms)
    },
  }
}

/** A client that takes updates as long as it is told to. */
class Client implements Sink<PriceUpdate> {
  readonly got: PriceUpdate[] = []
  readonly subscription: PriceSubscription
  takes = true
  /** Whether there was a time in which it took nothing. */
  hasPaused = false

  constructor(subscription: PriceSubscription) {
    this.subscription = subscription
    subscription.pipe(this)
  }

  take(update: PriceUpdate): boolean {
    if (this.takes) this.got.push(update)
    else this.hasPaused = true
    return this.takes
  }

  end(): void {}

  goOn(): void {
    this.takes = true
    this.subscription.resume()
  }

  /** What it took last could not be sent after all. */
  lose(): void {
    const lost = this.got.pop()
    if (!lost) return
    this.hasPaused = true
    this.subscription.lost(lost)
  }
}

async function clientsOf(
  subscribe: () => Promise<PriceSubscription>,
  price: () => void,
  count: number,
): Promise<Client[]> {
  const begun = Array.from({ length: count }, subscribe)
  price()
  return (await Promise.all(begun)).map((subscription) => new Client(subscription))
}

async function turns(count = 40): Promise<void> {
  for (let turn = 0; turn < count; turn++) await nextTurn()
}

test('prices of many symbols that come at once are spread in turns, also where each has few clients', async (t) => {
  const { price, subscribe } = openYielding(t)
  const symbols = Array.from({ length: 600 }, (_, i) => `S${i}`)
  const begun = Array.from({ length: 20 }, () => subscribe(...symbols))
  for (const symbol of symbols) price(symbol)
  const clients = (await Promise.all(begun)).map((subscription) => new Client(subscription))
  const received = (): number => clients.reduce((sum, { got }) => sum + got.length, 0)
  await turns()
  const before = received()
  for (const symbol of symbols) price(symbol)
  assert.ok(received() - before <= 600, `${received() - before} in one turn`)
  await turns(80)
  assert.equal(received() - before, symbols.length * clients.length)
})

test('a client that was once ahead of this process gets each number once, also where a window ends in the midst of a spread', async (t) => {
  const { price, subscribe, batches, pass } = openYielding(t)
  await clientsOf(() => subscribe('A'), price, 1000)
  const got: string[] = []
  const ahead = await batches('A', 2)
  ahead.pipe({ take: (batch) => got.push(...batch.map(shown)) > 0, end() {} })
  for (let i = 0; i < 2; i++) {
    price()
    await turns()
    pass(200)
  }
  // Longer than a client can be ahead.
  pass(11_000)
  price()
  await turns()
  price()
  pass(200)
  await turns()
  pass(200)
  assert.deepEqual(got, ['TICK A 3', 'TICK A 5'])
})

test('an update that comes while the one before is being spread waits for it, and who joins meanwhile misses neither', async (t) => {
  const { price, subscribe } = openYielding(t)
  const clients = await clientsOf(() => subscribe('A'), price, 1000)
  price()
  // All follow now.
  await turns()
  price()
  const reached = clients.filter(({ got }) => got.at(-1)?.seq === 3).length
  assert.ok(reached >= 250 && reached < 1000, `${reached} had it before others had their turn`)
  price()
  const joiner = new Client(await subscribe('A'))
  assert.ok(clients.some(({ got }) => got.at(-1)?.seq === 2))
  await turns()
  const expected = ['SNAPSHOT A 1', 'TICK A 2', 'TICK A 3', 'TICK A 4']
  for (const { got } of clients) assert.deepEqual(got.map(shown), expected)
  assert.deepEqual(joiner.got.map(shown), ['SNAPSHOT A 3', 'TICK A 4'])
})

test('a client that takes nothing or loses an update while one is being spread gets each number once, in order', async (t) => {
  const { price, subscribe } = openYielding(t)
  const clients = await clientsOf(() => subscribe('A'), price, 1000)
  price()
  await turns()
  const [first, last] = [clients[0], clients[999]]
  assert.ok(first && last)
  price()
  // The update has come to the first client, and not yet to the last.
  first.lose()
  first.goOn()
  last.lose()
  last.goOn()
  assert.deepEqual(first.got.map(shown), ['SNAPSHOT A 1', 'TICK A 2', 'TICK A 3'])
  assert.deepEqual(last.got.map(shown), ['SNAPSHOT A 1', 'TICK A 3'])
  await turns()
  price()
  await turns()
  assert.deepEqual(first.got.map(shown), ['SNAPSHOT A 1', 'TICK A 2', 'TICK A 3', 'TICK A 4'])
  assert.deepEqual(last.got.map(shown), ['SNAPSHOT A 1', 'TICK A 3', 'TICK A 4'])
})

test('more updates than may wait hold up whatever brings them, so that they do not pile up', async (t) => {
  const { price, subscribe } = openYielding(t)
  const clients = await clientsOf(() => subscribe('A'), price, 600)
  for (let count = 0; count < 1000; count++) price()
  for (const { got } of clients) assert.ok((got.at(-1)?.seq ?? 0) >= 700, 'no more than 256 updates wait')
  await turns(1000)
  for (const { got } of clients) assert.equal(got.length, 1001)
})

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ price: fc.constantFrom('A', 'B') }) },
  { weight: 4, arbitrary: fc.constant('turn' as const) },
  { weight: 1, arbitrary: fc.constant('join' as const) },
  { weight: 1, arbitrary: fc.constant('new run' as const) },
  { weight: 6, arbitrary: fc.record({ client: fc.nat(), does: fc.constantFrom('stop', 'go on', 'lose', 'leave') }) },
)

test('whatever happens while updates are being spread, numbers only grow, begin anew with a SNAPSHOT, and end with the newest', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
      const { run, price, newRun, subscribe } = openYielding(t)
      const first = Array.from({ length: 600 }, (_, i) => (i % 3 === 0 ? subscribe('A', 'B') : subscribe('A')))
      price('A')
      price('B')
      const clients = (await Promise.all(first)).map((subscription) => new Client(subscription))
      for (const step of steps) {
        if (step === 'turn') await nextTurn()
        else if (step === 'join') clients.push(new Client(await subscribe('A', 'B')))
        else if (step === 'new run') newRun()
        else if ('price' in step) price(step.price)
        else {
          const client = clients[((step.client % 8) * 71) % clients.length] as Client
          if (step.does === 'stop') client.takes = false
          else if (step.does === 'go on') client.goOn()
          else if (step.does === 'lose') client.lose()
          else await client.subscription.return()
        }
      }
      newRun()
      price('A')
      price('B')
      await turns(100)
      for (const client of clients) check(client, run())
      for (const { subscription } of clients) await subscription.return()
      t.mock.restoreAll()
      t.mock.timers.reset()
    }),
    { numRuns: 40 },
  )
})

function check(client: Client, newestRun: string): void {
  const { subscription, got } = client
  if (!subscription.isEnded) client.goOn()
  const last = new Map<string, PriceUpdate>()
  for (const update of got) {
    const { symbol } = update.quote
    const before = last.get(symbol)
    last.set(symbol, update)
    if (!before || before.run !== update.run) assert.equal(update.kind, 'SNAPSHOT')
    else if (client.hasPaused) assert.ok(update.seq > before.seq, `${update.seq} after ${before.seq}`)
    else assert.equal(update.seq, before.seq + 1)
  }
  if (subscription.isEnded) return
  assert.deepEqual(
    [...last.values()].map(({ quote, run, seq }) => [quote.symbol, run, seq]).sort(),
    subscription.seats.map(({ symbol }) => [symbol, newestRun, 1]),
  )
}
