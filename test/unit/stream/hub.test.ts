import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Registry } from 'prom-client'
import { type ErrorCode, FinstageError } from '../../../src/domain/errors.ts'
import type { FeedUpdate, PriceCursor, PriceUpdate } from '../../../src/domain/price-update.ts'
import type { WatchAnnouncement } from '../../../src/stream/bus.ts'
import { FeedPulse } from '../../../src/stream/feed-pulse.ts'
import { PriceHub } from '../../../src/stream/hub.ts'
import { LocalBus } from '../../../src/stream/local-bus.ts'
import type { PriceOrder, PriceSubscription } from '../../../src/stream/price-subscription.ts'
import { feedUpdateOf, shown } from '../../support/candles/prices.ts'

/** A started hub on a bus of its own, on a mocked clock. */
function open(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  let nowMs = 1000
  const bus = new LocalBus()
  const registry = new Registry()
  const pulse = new FeedPulse({ bus, registry })
  pulse.start()
  const hub = new PriceHub({ bus, pulse, registry, now: () => nowMs })
  let leads = ''
  const confirm = () => bus.publish('feedConfirmed', { run: leads })
  const confirming = setInterval(confirm, 1000)
  const announcements: WatchAnnouncement[] = []
  bus.subscribe('watch', (announcement) => announcements.push(announcement))
  hub.start()
  t.after(() => {
    hub.stop()
    pulse.stop()
    clearInterval(confirming)
  })
  return {
    hub,
    bus,
    pulse,
    /** The leader gives no more signs of life. */
    silence: () => clearInterval(confirming),
    /** The leader of a run gives one. */
    confirm: (run = leads) => {
      leads = run
      confirm()
    },
    announcements,
    /** Announcements since the last look. */
    announced: () => announcements.splice(0).map(({ event, symbols }) => `${event} ${symbols.join(' ')}`),
    price: (symbol: string, seq: number, { run = 'r', kind = 'TICK' as FeedUpdate['kind'] } = {}) =>
      bus.publish('price', feedUpdateOf(symbol, seq, { kind, run })),
    fail: (symbol: string, code: ErrorCode, run = 'r') =>
      bus.publish('priceFailure', { symbol, run, code, message: `no ${symbol}`, details: { symbol } }),
    pass: (ms: number) => {
      nowMs += ms
      t.mock.timers.tick(ms)
    },
    metric: async (name: string) => (await registry.getSingleMetric(name)?.get())?.values[0]?.value,
  }
}

/** A reader that has begun to read. */
interface Stream {
  next(): Promise<IteratorResult<PriceUpdate>>
  return(): Promise<unknown>
}

async function reading(begun: Promise<PriceSubscription>): Promise<Stream> {
  const subscription = await begun
  let first: Promise<IteratorResult<PriceUpdate>> | undefined = subscription.next()
  return {
    next() {
      const next = first ?? subscription.next()
      first = undefined
      return next
    },
    return: () => subscription.return(),
  }
}

const order = (symbols: readonly string[], after: readonly PriceCursor[] = [], throttleMs = 0): PriceOrder => ({
  ...{ symbols, throttleMs },
  after: new Map(after.map((cursor) => [cursor.symbol, cursor])),
})

async function next(stream: Stream, count = 1): Promise<string[]> {
  const updates: string[] = []
  while (updates.length < count) {
    const { value, done } = await stream.next()
    if (done) break
    updates.push(shown(value))
  }
  return updates
}

/** What a promise has come to after all that can go on without the clock. */
async function stateOf(promise: Promise<unknown>): Promise<'pending' | 'resolved' | 'rejected'> {
  const settled = promise.then(
    () => 'resolved' as const,
    () => 'rejected' as const,
  )
  return Promise.race([settled, nextTurn('pending' as const)])
}

async function refusal(promise: Promise<unknown>): Promise<FinstageError> {
  const error = await promise.then(
    () => assert.fail('was not refused'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof FinstageError)
  return error
}

test('a subscription begins when every symbol has a first price, told as SNAPSHOT, and goes on from there', async (t) => {
  const { hub, price } = open(t)
  const begun = reading(hub.subscribe(order(['A', 'B'])))
  price('A', 4)
  price('A', 5)
  assert.equal(await stateOf(begun), 'pending')
  price('B', 9)
  const stream = await begun
  price('A', 6)
  price('B', 10, { kind: 'STATUS' })
  assert.deepEqual(await next(stream, 4), ['SNAPSHOT A 5', 'SNAPSHOT B 9', 'TICK A 6', 'STATUS B 10'])
})

test('who subscribes to a symbol that is watched already has its price at once, sent out now', async (t) => {
  const { hub, price, pass, announced } = open(t)
  const first = reading(hub.subscribe(order(['A'])))
  price('A', 1)
  await first
  announced()
  pass(700)
  const stream = await reading(hub.subscribe(order(['A'])))
  const { value } = await stream.next()
  assert.equal(shown(value), 'SNAPSHOT A 1')
  assert.equal(value.publishedAtMs, 1700)
  assert.deepEqual(announced(), [])
})

test('a symbol asked for twice in one subscription is told once', async (t) => {
  const { hub, price, announced } = open(t)
  const begun = reading(hub.subscribe(order(['A', 'B', 'A'])))
  assert.deepEqual(announced(), ['added A B'])
  for (const seq of [1, 2]) for (const symbol of ['A', 'B']) price(symbol, seq)
  const stream = await begun
  price('A', 3)
  assert.deepEqual(await next(stream, 3), ['SNAPSHOT A 2', 'SNAPSHOT B 2', 'TICK A 3'])
})

test('what is published of a symbol reaches those who watch it, each in full, and nobody else', async (t) => {
  const { hub, price, metric } = open(t)
  const begun = [
    reading(hub.subscribe(order(['A']))),
    reading(hub.subscribe(order(['A', 'B']))),
    reading(hub.subscribe(order(['B']))),
  ]
  price('A', 1)
  price('B', 1)
  price('C', 1)
  const [a, both, b] = (await Promise.all(begun)) as [Stream, Stream, Stream]
  price('A', 2)
  price('B', 2)
  price('A', 3)
  assert.deepEqual(await next(a, 3), ['SNAPSHOT A 1', 'TICK A 2', 'TICK A 3'])
  assert.deepEqual(await next(both, 5), ['SNAPSHOT A 1', 'SNAPSHOT B 1', 'TICK A 2', 'TICK B 2', 'TICK A 3'])
  assert.deepEqual(await next(b, 2), ['SNAPSHOT B 1', 'TICK B 2'])
  assert.equal(await metric('finstage_price_deliveries_total'), 10)
})

test('an update that was seen, or is older, is not told again; another run begins anew with a SNAPSHOT', async (t) => {
  const { hub, price } = open(t)
  const begun = reading(hub.subscribe(order(['A'])))
  price('A', 5)
  const stream = await begun
  price('A', 5)
  price('A', 4)
  price('A', 1, { run: 's' })
  price('A', 1, { run: 's' })
  price('A', 2, { run: 's' })
  price('A', 1, { run: 's' })
  assert.deepEqual(await next(stream, 3), ['SNAPSHOT A 5', 'SNAPSHOT A 1', 'TICK A 2'])
  const late = await reading(hub.subscribe(order(['A'])))
  assert.deepEqual(await next(late), ['SNAPSHOT A 2'])
})

test('a symbol that cannot be served refuses the subscription with its own error, and leaves nothing', async (t) => {
  const { hub, price, fail, pass, announced, metric } = open(t)
  const begun = reading(hub.subscribe(order(['A', 'NOPE'])))
  price('A', 1)
  fail('NOPE', 'SYMBOL_NOT_FOUND')
  const { code, message, details } = await refusal(begun)
  assert.deepEqual([code, message, details], ['SYMBOL_NOT_FOUND', 'no NOPE', { symbol: 'NOPE' }])
  assert.deepEqual(announced(), ['added A NOPE', 'dropped NOPE'])
  assert.equal(await metric('finstage_price_subscriptions'), 0)
  pass(10_000)
  assert.equal(await metric('finstage_watched_symbols'), 0)
})

test('a refusal does no harm to subscriptions that share its other symbols', async (t) => {
  const { hub, price, fail, announced } = open(t)
  const good = reading(hub.subscribe(order(['A'])))
  const bad = reading(hub.subscribe(order(['A', 'NOPE'])))
  fail('NOPE', 'SYMBOL_NOT_FOUND')
  await refusal(bad)
  assert.deepEqual(announced(), ['added A', 'added NOPE', 'dropped NOPE'])
  price('A', 1)
  assert.deepEqual(await next(await good), ['SNAPSHOT A 1'])
})

test('all who wait for a symbol that cannot be served are refused', async (t) => {
  const { hub, fail, announced } = open(t)
  const begun = [reading(hub.subscribe(order(['NOPE']))), reading(hub.subscribe(order(['NOPE'])))]
  fail('NOPE', 'SYMBOL_NOT_FOUND')
  for (const each of begun) assert.equal((await refusal(each)).code, 'SYMBOL_NOT_FOUND')
  assert.deepEqual(announced(), ['added NOPE', 'dropped NOPE'])
})

test('a failure of a symbol whose price is known does no harm to those who watch it', async (t) => {
  const { hub, price, fail } = open(t)
  const begun = reading(hub.subscribe(order(['A'])))
  price('A', 1)
  const stream = await begun
  fail('A', 'SOURCE_UNAVAILABLE')
  price('A', 2)
  assert.deepEqual(await next(stream, 2), ['SNAPSHOT A 1', 'TICK A 2'])
})

test('where no feed answers within 10 s it is SOURCE_UNAVAILABLE, which names the symbol, and nothing is left', async (t) => {
  const { hub, price, pass, announced, metric } = open(t)
  const begun = reading(hub.subscribe(order(['A', 'B'])))
  price('A', 1)
  pass(9999)
  assert.equal(await stateOf(begun), 'pending')
  pass(1)
  const { code, details } = await refusal(begun)
  assert.deepEqual([code, details], ['SOURCE_UNAVAILABLE', { symbol: 'B' }])
  assert.deepEqual(announced(), ['added A B', 'held A B', 'held A B', 'dropped B'])
  assert.equal(await metric('finstage_price_subscriptions'), 0)
  pass(10_000)
  assert.equal(await metric('finstage_watched_symbols'), 0)
  const again = reading(hub.subscribe(order(['B'])))
  price('B', 1)
  assert.deepEqual(await next(await again), ['SNAPSHOT B 1'])
})

test('a subscription that was refused leaves no timer behind, nor does one that has begun', async (t) => {
  const { hub, price, fail } = open(t)
  const started = t.mock.method(globalThis, 'setTimeout')
  const cleared = t.mock.method(globalThis, 'clearTimeout')
  const refused = reading(hub.subscribe(order(['A', 'B', 'NOPE'])))
  fail('NOPE', 'SYMBOL_NOT_FOUND')
  await refusal(refused)
  const begun = reading(hub.subscribe(order(['A'])))
  price('A', 1)
  await begun
  const left = new Set(started.mock.calls.map((call) => call.result))
  for (const {
    arguments: [timer],
  } of cleared.mock.calls)
    left.delete(timer as NodeJS.Timeout)
  assert.equal(started.mock.callCount(), 4)
  assert.equal(left.size, 0)
})

test('a symbol is dropped ten seconds after the last of its subscribers has left, not before', async (t) => {
  const { hub, price, pass, announced, metric } = open(t)
  const begun = [reading(hub.subscribe(order(['A', 'B']))), reading(hub.subscribe(order(['B', 'C'])))]
  for (const symbol of ['A', 'B', 'C']) price(symbol, 1)
  const [first, second] = (await Promise.all(begun)) as [Stream, Stream]
  assert.deepEqual(announced(), ['added A B', 'added C'])
  await first.return()
  await first.return()
  pass(9999)
  assert.deepEqual(announced(), ['held A B C'])
  pass(1)
  assert.deepEqual(
    announced().filter((each) => each.startsWith('dropped')),
    ['dropped A'],
  )
  price('B', 2)
  assert.deepEqual(await next(second, 3), ['SNAPSHOT B 1', 'SNAPSHOT C 1', 'TICK B 2'])
  await second.return()
  pass(10_000)
  assert.deepEqual(announced().slice(-2), ['dropped B', 'dropped C'])
  assert.equal(await metric('finstage_price_subscriptions'), 0)
  assert.equal(await metric('finstage_watched_symbols'), 0)
})

test('who comes back within ten seconds finds the symbol watched still, and it is not dropped under them', async (t) => {
  const { hub, price, pass, announced } = open(t)
  const begun = reading(hub.subscribe(order(['A'])))
  price('A', 1)
  await (await begun).return()
  pass(9000)
  price('A', 2)
  const back = await reading(hub.subscribe(order(['A'], [{ symbol: 'A', run: 'r', seq: 1 }])))
  pass(20_000)
  price('A', 3)
  assert.deepEqual(await next(back, 2), ['TICK A 2', 'TICK A 3'])
  assert.ok(!announced().includes('dropped A'))
})

test('after a cursor what was missed is replayed, without gap or repeat, then goes on', async (t) => {
  const { hub, price } = open(t)
  const begun = reading(hub.subscribe(order(['A', 'B'])))
  price('B', 1)
  for (let seq = 1; seq <= 5; seq++) price('A', seq)
  await begun
  const cursors = [
    { symbol: 'A', run: 'r', seq: 2 },
    { symbol: 'B', run: 'r', seq: 1 },
  ]
  const back = await reading(hub.subscribe(order(['A', 'B'], cursors)))
  price('A', 6)
  price('B', 2)
  assert.deepEqual(await next(back, 5), ['TICK A 3', 'TICK A 4', 'TICK A 5', 'TICK A 6', 'TICK B 2'])
})

test('where what was missed is no longer held, or was of another run, a SNAPSHOT says so', async (t) => {
  const { hub, price } = open(t)
  const begun = reading(hub.subscribe(order(['A'])))
  for (let seq = 1; seq <= 1010; seq++) price('A', seq)
  await begun
  // So many take more than a turn of the event loop.
  for (let turn = 0; turn < 10; turn++) await nextTurn()
  const tooOld = await reading(hub.subscribe(order(['A'], [{ symbol: 'A', run: 'r', seq: 9 }])))
  const held = await reading(hub.subscribe(order(['A'], [{ symbol: 'A', run: 'r', seq: 10 }])))
  const other = await reading(hub.subscribe(order(['A'], [{ symbol: 'A', run: 'q', seq: 1009 }])))
  price('A', 1011)
  assert.deepEqual(await next(tooOld, 2), ['SNAPSHOT A 1010', 'TICK A 1011'])
  assert.deepEqual(
    await next(held, 1001),
    Array.from({ length: 1001 }, (_, i) => `TICK A ${i + 11}`),
  )
  assert.deepEqual(await next(other, 2), ['SNAPSHOT A 1010', 'TICK A 1011'])
  price('A', 1, { run: 's' })
  const afterRestart = await reading(hub.subscribe(order(['A'], [{ symbol: 'A', run: 'r', seq: 1011 }])))
  assert.deepEqual(await next(afterRestart), ['SNAPSHOT A 1'])
})

test('a leader that begins during an outage has the last known price told as stale, once, and goes on from there', async (t) => {
  const { hub, price, fail } = open(t)
  const begun = reading(hub.subscribe(order(['A'])))
  price('A', 3)
  const stream = await begun
  fail('A', 'SOURCE_UNAVAILABLE', 's')
  fail('A', 'SOURCE_UNAVAILABLE', 's')
  price('A', 1, { run: 's' })
  const updates = [await stream.next(), await stream.next(), await stream.next()].map(({ value }) => value)
  assert.deepEqual(updates.map(shown), ['SNAPSHOT A 3', 'SNAPSHOT A 0', 'TICK A 1'])
  assert.deepEqual(
    updates.map(({ quote }) => [quote.price, quote.stale]),
    [
      [3, false],
      [3, true],
      [1, false],
    ],
  )
})

test('with throttleMs the first price comes at once, then the newest of each window', async (t) => {
  const { hub, price, pass } = open(t)
  const begun = reading(hub.subscribe(order(['A', 'B'], [], 1000)))
  price('A', 1)
  price('B', 1)
  const stream = await begun
  for (let seq = 2; seq <= 9; seq++) {
    price('A', seq)
    pass(250)
  }
  price('B', 2)
  pass(1000)
  pass(1000)
  price('A', 10)
  assert.deepEqual(
    await next(stream, 6),
    ['SNAPSHOT A 1', 'SNAPSHOT B 1', 'TICK A 5', 'TICK A 9', 'TICK B 2', 'TICK A 10'].slice(0, 6),
  )
})

test('one who waits for a first price keeps a symbol that its last reader leaves', async (t) => {
  const { hub, price, announced } = open(t)
  const begun = reading(hub.subscribe(order(['A'])))
  price('A', 1)
  const first = await begun
  const second = reading(hub.subscribe(order(['A', 'B'])))
  announced()
  await first.return()
  assert.deepEqual(announced(), [])
  price('B', 1)
  assert.deepEqual(await next(await second, 2), ['SNAPSHOT A 1', 'SNAPSHOT B 1'])
})

test('a symbol that was dropped is announced anew and starts from its next price', async (t) => {
  const { hub, price, pass, announced } = open(t)
  const first = reading(hub.subscribe(order(['A'])))
  price('A', 7)
  await (await first).return()
  pass(10_000)
  price('A', 8)
  announced()
  const second = reading(hub.subscribe(order(['A'])))
  assert.deepEqual(announced(), ['added A'])
  assert.equal(await stateOf(second), 'pending')
  price('A', 1)
  assert.deepEqual(await next(await second), ['SNAPSHOT A 1'])
})

test('what is watched is announced every 5 s, and at once to a feed that begins to lead', async (t) => {
  const { hub, bus, pass, announced } = open(t)
  pass(5000)
  assert.deepEqual(announced(), [])
  reading(hub.subscribe(order(['A', 'B']))).catch(() => {})
  announced()
  bus.publish('feedStarted', { run: 's' })
  assert.deepEqual(announced(), ['held A B'])
  pass(4999)
  assert.deepEqual(announced(), [])
  pass(1)
  assert.deepEqual(announced(), ['held A B'])
})

test('an announcement names its node, and no more than 200 symbols', async (t) => {
  const { hub, bus, pulse, announcements } = open(t)
  const other = new PriceHub({ bus, pulse, registry: new Registry() })
  const symbols = Array.from({ length: 450 }, (_, i) => `S${i}`)
  reading(hub.subscribe(order(symbols))).catch(() => {})
  other.subscribe(order(['A'])).catch(() => {})
  assert.deepEqual(
    announcements.map((announcement) => announcement.symbols.length),
    [200, 200, 50, 1],
  )
  assert.deepEqual(
    announcements.slice(0, 3).flatMap((announcement) => announcement.symbols),
    symbols,
  )
  const [first, second, , last] = announcements.map((announcement) => announcement.node)
  assert.equal(first, second)
  assert.notEqual(first, last)
})

test('stop ends every subscription, announces that nothing is watched any more, and then all is silent', async (t) => {
  const { hub, price, pass, announced, metric } = open(t)
  const begun = [reading(hub.subscribe(order(['A']))), reading(hub.subscribe(order(['A'])))]
  price('A', 1)
  const [first, second] = (await Promise.all(begun)) as [Stream, Stream]
  for (const stream of [first, second]) await next(stream)
  const pending = first.next()
  hub.stop()
  assert.equal((await pending).done, true)
  assert.equal((await second.next()).done, true)
  assert.deepEqual(announced(), ['added A', 'dropped A'])
  price('A', 2)
  pass(20_000)
  hub.stop()
  assert.deepEqual(announced(), [])
  assert.equal(await metric('finstage_price_subscriptions'), 0)
})

test('stop does not leave those hanging who wait for a first price', async (t) => {
  const { hub, pass } = open(t)
  const begun = reading(hub.subscribe(order(['A'])))
  hub.stop()
  const state = await stateOf(begun)
  pass(10_000)
  await begun.catch(() => {})
  assert.notEqual(state, 'pending')
})

test('stop before start and start twice do no harm, and a hub that was stopped can be started again', async (t) => {
  const { bus, pulse, announced, pass, price } = open(t)
  const hub = new PriceHub({ bus, pulse, registry: new Registry() })
  hub.stop()
  hub.start()
  hub.start()
  hub.stop()
  hub.start()
  t.after(() => hub.stop())
  const begun = reading(hub.subscribe(order(['A'])))
  price('A', 1)
  const stream = await begun
  price('A', 2)
  assert.deepEqual(await next(stream, 2), ['SNAPSHOT A 1', 'TICK A 2'])
  announced()
  pass(5000)
  assert.deepEqual(announced(), ['held A'])
})

/** What a stream tells next, with whether it is stale, and its cursor's run. */
async function nextInFull(stream: Stream): Promise<string> {
  const { value } = await stream.next()
  return `${shown(value)} of ${value.run}, ${value.quote.price}${value.quote.stale ? ' stale' : ''}`
}

test('when the leader is silent for five seconds each price is told as stale, once, by a STATUS that goes on from it', async (t) => {
  const { hub, price, pass, silence } = open(t)
  const begun = reading(hub.subscribe(order(['A', 'B'])))
  price('A', 6)
  price('B', 2)
  const stream = await begun
  price('A', 7)
  await next(stream, 3)
  pass(20_000)
  silence()
  price('A', 8)
  assert.equal(await nextInFull(stream), 'TICK A 8 of r, 8')
  const told = nextInFull(stream)
  pass(4900)
  assert.equal(await stateOf(told), 'pending')
  pass(600)
  assert.equal(await told, 'STATUS A 9 of r!, 8 stale')
  assert.equal(await nextInFull(stream), 'STATUS B 3 of r!, 2 stale')
  const more = stream.next()
  pass(20_000)
  assert.equal(await stateOf(more), 'pending')
})

test('a leader that is heard again is asked how things stand, and each price that it tells is a SNAPSHOT that is not stale', async (t) => {
  const { hub, price, pass, silence, confirm, announced } = open(t)
  const begun = reading(hub.subscribe(order(['A', 'B', 'C'])))
  for (const symbol of ['A', 'B', 'C']) price(symbol, 5)
  const stream = await begun
  await next(stream, 3)
  silence()
  pass(5500)
  await next(stream, 3)
  announced()
  confirm()
  assert.deepEqual(announced(), ['added A B C'])
  price('A', 4)
  price('A', 5)
  price('A', 5)
  price('B', 8)
  price('A', 6)
  assert.equal(await nextInFull(stream), 'SNAPSHOT A 5 of r, 5', 'the price that it was before')
  assert.equal(await nextInFull(stream), 'SNAPSHOT B 8 of r, 8', 'prices that were missed')
  assert.equal(await nextInFull(stream), 'TICK A 6 of r, 6')
  price('C', 1, { run: 's' })
  assert.equal(await nextInFull(stream), 'SNAPSHOT C 1 of s, 1', 'another leader')
})

test('who comes while the leader is silent is told so, and who was told so and comes back is told how things stand', async (t) => {
  const { hub, price, pass, silence, confirm } = open(t)
  const begun = reading(hub.subscribe(order(['A'])))
  for (const seq of [1, 2, 3]) price('A', seq)
  await begun
  silence()
  pass(5500)
  const late = await reading(hub.subscribe(order(['A'])))
  assert.equal(await nextInFull(late), 'SNAPSHOT A 4 of r!, 3 stale')
  const back = await reading(hub.subscribe(order(['A'], [{ symbol: 'A', run: 'r', seq: 3 }])))
  assert.equal(await nextInFull(back), 'SNAPSHOT A 4 of r!, 3 stale')
  const knows = await reading(hub.subscribe(order(['A'], [{ symbol: 'A', run: 'r!', seq: 4 }])))
  confirm()
  price('A', 3)
  for (const stream of [late, back, knows]) assert.equal(await nextInFull(stream), 'SNAPSHOT A 3 of r, 3')
  const since = await reading(hub.subscribe(order(['A'], [{ symbol: 'A', run: 'r!', seq: 4 }])))
  assert.equal(await nextInFull(since), 'SNAPSHOT A 3 of r, 3')
})

test('a price that comes after all is a sign of life for five seconds, no longer', async (t) => {
  const { hub, price, pass, silence } = open(t)
  const begun = reading(hub.subscribe(order(['A', 'B'])))
  for (const symbol of ['A', 'B']) price(symbol, 5)
  const stream = await begun
  silence()
  pass(5500)
  price('A', 6)
  pass(5500)
  await next(stream, 4)
  assert.equal(await nextInFull(stream), 'SNAPSHOT A 6 of r, 6')
  assert.equal(await nextInFull(stream), 'STATUS A 7 of r!, 6 stale')
})

test('a leader that is heard again and was not asked, or did not answer, is asked again every five seconds', async (t) => {
  const { hub, price, pass, silence, confirm, announced } = open(t)
  const begun = reading(hub.subscribe(order(['A', 'B'])))
  for (const symbol of ['A', 'B']) price(symbol, 5)
  await begun
  silence()
  pass(10_500)
  announced()
  confirm()
  price('B', 5)
  announced()
  pass(4500)
  assert.deepEqual(announced(), ['held A B', 'added A'])
})

test('a price that is stale already is not told so again', async (t) => {
  const { hub, bus, pass, silence } = open(t)
  const begun = reading(hub.subscribe(order(['A'])))
  const { quote, ...update } = feedUpdateOf('A', 1)
  bus.publish('price', { ...update, quote: { ...quote, stale: true } })
  const stream = await begun
  assert.equal(await nextInFull(stream), 'SNAPSHOT A 1 of r, 1 stale')
  const more = stream.next()
  silence()
  pass(20_000)
  assert.equal(await stateOf(more), 'pending')
})

test('a reader that is ahead of this process is told of the silence by a SNAPSHOT: its numbers do not go back', async (t) => {
  const { hub, price, pass, silence } = open(t)
  const begun = reading(hub.subscribe(order(['A'])))
  price('A', 5)
  await begun
  const ahead = await reading(hub.subscribe(order(['A'], [{ symbol: 'A', run: 'r', seq: 9 }])))
  silence()
  pass(5500)
  assert.equal(await nextInFull(ahead), 'SNAPSHOT A 6 of r!, 5 stale')
})

test('what comes of an earlier term is told to nobody once a later one was heard of, also of symbols that the later one has not told', async (t) => {
  const { hub, bus, price, fail, confirm } = open(t)
  const begun = reading(hub.subscribe(order(['A'])))
  const waiting = reading(hub.subscribe(order(['B'])))
  price('A', 1)
  const stream = await begun
  await next(stream)
  confirm('s')
  price('A', 2)
  price('B', 1)
  fail('B', 'SOURCE_UNAVAILABLE')
  bus.publish('feedConfirmed', { run: 'r' })
  bus.publish('feedStarted', { run: 'r' })
  price('A', 3)
  assert.equal(await stateOf(waiting), 'pending')
  price('A', 1, { run: 's' })
  price('B', 7, { run: 's' })
  assert.equal(await nextInFull(stream), 'SNAPSHOT A 1 of s, 1')
  assert.equal(await nextInFull(await waiting), 'SNAPSHOT B 7 of s, 7')
})
