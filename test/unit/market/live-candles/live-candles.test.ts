import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Registry } from 'prom-client'
import { type Candle, type CandleRequest, type CandleSeries, maxCandles } from '../../../../src/domain/candle.ts'
import type { CandleOrder, CandleUpdate } from '../../../../src/domain/candle-update.ts'
import { FinstageError, symbolNotFound } from '../../../../src/domain/errors.ts'
import type { PriceUpdate, PriceUpdateKind } from '../../../../src/domain/price-update.ts'
import { LiveCandles } from '../../../../src/market/live-candles/live-candles.ts'
import { Channel } from '../../../../src/stream/channel.ts'
import { at, candleAt, epochAt, roundTheClock, seriesOf, updateAt } from '../../../support/candles/live-candles.ts'
import { silentLog } from '../../../support/log.ts'

const order: CandleOrder = { symbol: 'AAPL', interval: 'MINUTE_1', extendedHours: false, from: null, earlier: 1 }
const minute = (time: string, price: number, fields: Partial<Candle> = {}): Candle =>
  candleAt(`2025-01-08T${time}:00Z`, price, fields)
const away = new FinstageError('SOURCE_UNAVAILABLE', 'The source is away')

/** Live candles on a clock, a source and prices that the test moves. */
function open(t: TestContext, time: string, candles: Candle[]) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let nowMs = at(`2025-01-08T${time}Z`)
  const requests: CandleRequest[] = []
  const feeds: Channel<PriceUpdate>[] = []
  const registry = new Registry()
  const world = {
    /** What the source has; it knows the end of each as the clock does. */
    candles,
    fails: null as Error | null,
    /** Awaited before the source answers. */
    hold: async (): Promise<unknown> => undefined,
    refusal: null as Error | null,
    /** Of the newest price when somebody begins to watch. */
    pricedMs: nowMs,
  }

  async function answer(request: CandleRequest): Promise<CandleSeries | Error> {
    requests.push(request)
    await world.hold()
    if (world.fails) return world.fails
    const { from, last, earlier } = request
    const there = world.candles
      .filter(({ epoch }) => epoch * 1000 <= nowMs)
      .map((candle) => ({ ...candle, closed: candle.epoch * 1000 + 60_000 <= nowMs }))
    const since = from === null ? there.length - (last ?? 0) : there.findIndex(({ epoch }) => epoch >= from)
    const start = since < 0 ? there.length : since
    const first = Math.max(0, start - earlier)
    return seriesOf(there.slice(start), {
      ...{ interval: request.interval, symbol: request.symbol, sessions: roundTheClock },
      ...{ earlier: there.slice(first, start), hasEarlier: start > 0, isWhole: start < earlier, receivedAtMs: nowMs },
    })
  }

  const live = new LiveCandles({
    market: { candles: (asked) => Promise.all(asked.map(answer)) },
    prices: {
      async subscribe() {
        if (world.refusal) throw world.refusal
        const feed = new Channel<PriceUpdate>({
          maxWaiting: 1000,
          compact: (all) => [...all],
          onEnd: () => ended(feed),
        })
        feeds.push(feed)
        feed.push(updateAt(world.pricedMs, 100, { volume: 1000 }, 'SNAPSHOT'))
        return feed
      },
    },
    ...{ log: silentLog, registry, now: () => nowMs },
  })
  t.after(() => live.stop())

  function ended(feed: Channel<PriceUpdate>): void {
    feeds.splice(feeds.indexOf(feed), 1)
  }

  async function settle(): Promise<void> {
    for (let i = 0; i < 10; i++) await nextTurn()
  }

  return {
    ...{ world, live, requests, feeds, settle },
    subscribe: (changes: Partial<CandleOrder> = {}) => live.subscribe({ ...order, ...changes }),
    /** The clock goes on second by second, and what is due happens. */
    async pass(seconds: number) {
      for (let i = 0; i < seconds; i++) {
        nowMs += 1000
        t.mock.timers.tick(1000)
        await settle()
      }
    },
    async price(price: number, volume = 1000, kind: PriceUpdateKind = 'TICK', timeMs = nowMs) {
      for (const feed of feeds) feed.push(updateAt(timeMs, price, { volume }, kind))
      await settle()
    },
    metric: async (name: string) => (await registry.getSingleMetric(name)?.get())?.values[0]?.value,
  }
}

const shown = ({ kind, revision, candle: { epoch, open, high, low, close, volume } }: CandleUpdate): string =>
  `${kind} ${new Date(epoch * 1000).toISOString().slice(11, 16)} r${revision} ${open} ${high} ${low} ${close} ${volume}`

/** What has come so far. */
function reader(updates: AsyncIterableIterator<CandleUpdate | FinstageError>) {
  const seen: CandleUpdate[] = []
  let hasEnded = false
  const reading = (async () => {
    for await (const update of updates) {
      if (update instanceof FinstageError) throw update
      seen.push(update)
    }
    hasEnded = true
  })()
  return {
    reading,
    hasEnded: () => hasEnded,
    /** Since the last look. */
    async take(): Promise<CandleUpdate[]> {
      for (let i = 0; i < 3; i++) await nextTurn()
      return seen.splice(0)
    },
    async shown(): Promise<string[]> {
      return (await this.take()).map(shown)
    },
  }
}

test('the forming candle comes at once, then each change; at its end it is told at once, and again as the source has it', async (t) => {
  const { subscribe, price, pass, world } = open(t, '15:00:30', [minute('14:59', 90), minute('15:00', 95)])
  const updates = reader(await subscribe())
  assert.deepEqual(await updates.shown(), ['SNAPSHOT 15:00 r2 95 100 95 100 0'])
  await price(101, 1010)
  assert.deepEqual(await updates.shown(), ['UPDATE 15:00 r3 95 101 95 101 10'])
  await pass(30)
  assert.deepEqual(await updates.shown(), ['CLOSE 15:00 r4 95 101 95 101 10'])
  world.candles = [minute('14:59', 90), minute('15:00', 95, { high: 103, close: 102, volume: 40 })]
  await pass(6)
  assert.deepEqual(await updates.shown(), [])
  await pass(1)
  assert.deepEqual(await updates.shown(), ['CLOSE 15:00 r5 95 103 95 102 40'])
  await pass(60)
  assert.deepEqual(await updates.shown(), [])
  world.candles = [minute('14:59', 90), minute('15:00', 95, { high: 103, close: 102, volume: 41 })]
  await pass(1740)
  assert.deepEqual(await updates.shown(), ['CLOSE 15:00 r6 95 103 95 102 41'])
})

test('where none is forming the newest that closed comes', async (t) => {
  const { subscribe, world } = open(t, '15:00:30', [minute('10:00', 90), minute('10:01', 91)])
  world.pricedMs = at('2025-01-08T10:01:59Z')
  assert.deepEqual(await reader(await subscribe()).shown(), ['SNAPSHOT 10:01 r1 91 91 91 91 0'])
})

test('prices that come while the first candles are loaded go into them', async (t) => {
  const { subscribe, price, world, settle } = open(t, '15:00:30', [minute('15:00', 95)])
  const gate = Promise.withResolvers<void>()
  world.hold = () => gate.promise
  const subscribing = subscribe()
  await settle()
  await price(105, 1005)
  await price(90, 1010)
  await price(101, 1015)
  gate.resolve()
  const updates = reader(await subscribing)
  assert.deepEqual(await updates.shown(), ['SNAPSHOT 15:00 r5 95 105 90 101 15'])
})

test('a subscriber begins when it has its turn, with the prices that came while it waited; one whose candles are at hand does not wait', async (t) => {
  const { subscribe, price, settle } = open(t, '15:00:30', [minute('14:59', 90), minute('15:00', 95)])
  const turn = Promise.withResolvers<void>()
  const turns: string[] = []
  const inTurn = (name: string) => ({
    inTurn: async <T>(work: () => T): Promise<T> => {
      turns.push(name)
      await turn.promise
      return work()
    },
  })
  let hasBegun = false
  const subscribing = subscribe(inTurn('first')).then((updates) => {
    hasBegun = true
    return reader(updates)
  })
  await settle()
  await price(105, 1005)
  await price(101, 1015)
  assert.ok(!hasBegun)
  turn.resolve()
  assert.deepEqual(await (await subscribing).shown(), ['SNAPSHOT 15:00 r4 95 105 95 101 15'])
  const second = reader(await subscribe(inTurn('second')))
  assert.deepEqual(await second.shown(), ['SNAPSHOT 15:00 r4 95 105 95 101 15'])
  assert.deepEqual(turns, ['first'])
})

test('with from come all candles since as they stand, then what changes: nothing left out or twice, whatever comes meanwhile', async (t) => {
  const history = Array.from({ length: 30 }, (_, i) => minute(`14:${String(30 + i)}`, i))
  const { subscribe, price, pass, world, settle, feeds } = open(t, '15:00:30', history)
  const first = reader(await subscribe())
  await price(101)
  const gate = Promise.withResolvers<void>()
  world.hold = () => gate.promise
  const from = epochAt('2025-01-08T14:40:00Z')
  const subscribing = subscribe({ from })
  await settle()
  await price(102)
  await pass(30)
  await price(103)
  gate.resolve()
  let isSubscribed = false
  const pushing = (async () => {
    for (let i = 0; !isSubscribed || i < 20; i++) {
      feeds[0]?.push(updateAt(at('2025-01-08T15:01:00Z') + i, 200 + i, { volume: 1000 }))
      await (i % 2 === 0 ? nextTurn() : undefined)
    }
  })()
  const subscribed = reader(await subscribing)
  isSubscribed = true
  await pushing
  await price(104)
  await pass(60)
  const seen = await subscribed.take()
  const snapshots = seen.filter(({ kind }) => kind === 'SNAPSHOT')
  assert.deepEqual(
    snapshots.map(({ candle }) => candle.epoch),
    Array.from({ length: 22 }, (_, i) => from + i * 60),
  )
  assert.deepEqual(seen.slice(0, 22), snapshots)
  // Both have the same in the end, and the second goes on from its snapshots.
  const told = await first.take()
  const newest = (updates: readonly CandleUpdate[]) =>
    new Map(updates.map(({ candle, revision }) => [candle.epoch, { candle, revision }]))
  for (const [epoch, end] of newest(told)) assert.deepEqual(newest(seen).get(epoch), end)
  for (const { candle, revision } of snapshots) {
    const later = seen.filter((update) => update.candle.epoch === candle.epoch && update.kind !== 'SNAPSHOT')
    assert.deepEqual(
      later.map((update) => update.revision),
      later.map((_, i) => revision + 1 + i),
    )
  }
})

test('all subscribers of a series share one source of prices, which ends with the last of them', async (t) => {
  const { subscribe, feeds, requests, settle, metric } = open(t, '15:00:30', [minute('14:59', 90), minute('15:00', 95)])
  const first = await subscribe()
  const second = await subscribe()
  await subscribe({ interval: 'DAY_1', extendedHours: true })
  const days = await subscribe({ interval: 'DAY_1' })
  assert.deepEqual([feeds.length, requests.length], [2, 2])
  assert.equal(await metric('finstage_candle_subscriptions'), 4)
  await first.return?.()
  await settle()
  assert.equal(feeds.length, 2)
  await second.return?.()
  await days.return?.()
  await settle()
  assert.deepEqual([feeds.length, await metric('finstage_live_candle_series')], [1, 1])
  await subscribe()
  assert.deepEqual([feeds.length, requests.length], [2, 3])
})

test('one who wants more of history gets it, and those who want as much get one and the same series', async (t) => {
  const history = ['14:55', '14:56', '14:57', '14:58', '14:59', '15:00'].map((time, i) => minute(time, i))
  const { subscribe, price, requests } = open(t, '15:00:30', history)
  const one = reader(await subscribe({ earlier: 2 }))
  const same = reader(await subscribe({ earlier: 2 }))
  assert.equal(requests.length, 1)
  const more = reader(await subscribe({ earlier: 4 }))
  const all = reader(await subscribe({ earlier: 1000 }))
  assert.equal(requests.length, 3)
  for (const each of [one, same, more, all]) await each.take()
  await price(50)
  const [a, b, c, d] = (await Promise.all([one, same, more, all].map((each) => each.take()))).map(([update]) => update)
  const closes = (update: CandleUpdate | undefined) => update?.series.earlier.map(({ close }) => close)
  assert.deepEqual(
    [closes(a), closes(c), closes(d)],
    [
      [3, 4],
      [1, 2, 3, 4],
      [0, 1, 2, 3, 4],
    ],
  )
  assert.equal(a?.series, b?.series)
  assert.deepEqual(a?.series.nodes, [a?.candle])
  assert.deepEqual([a?.series.isWhole, c?.series.isWhole, d?.series.isWhole], [false, false, true])
  assert.deepEqual([a?.series.hasEarlier, d?.series.hasEarlier], [true, true])
  assert.equal(requests.length, 3)
})

test('the series of a snapshot has the candles before that one', async (t) => {
  const history = ['14:57', '14:58', '14:59', '15:00'].map((time, i) => minute(time, i))
  const { subscribe } = open(t, '15:00:30', history)
  const updates = reader(await subscribe({ from: epochAt('2025-01-08T14:57:00Z'), earlier: 2 }))
  const seen = await updates.take()
  assert.deepEqual(
    seen.map(({ series }) => series.earlier.map(({ close }) => close)),
    [[], [0], [0, 1], [1, 2]],
  )
  assert.deepEqual(
    seen.map(({ series }) => [series.hasEarlier, series.isWhole]),
    [
      [false, true],
      [true, true],
      [true, false],
      [true, false],
    ],
  )
})

test('while the source is away candles close as they were built; it is asked in growing pauses, and has its word when it is back', async (t) => {
  const { subscribe, price, pass, world, requests } = open(t, '15:00:50', [minute('15:00', 100)])
  const updates = reader(await subscribe())
  world.fails = away
  await pass(10)
  assert.deepEqual((await updates.shown()).at(-1), 'CLOSE 15:00 r2 100 100 100 100 0')
  const before = requests.length
  for (const pause of [7, 14, 28]) {
    await pass(pause - 1)
    const asked = requests.length
    await pass(1)
    assert.equal(requests.length, asked + 1)
  }
  assert.equal(requests.length, before + 3)
  await price(7, 1100)
  assert.deepEqual(await updates.shown(), ['UPDATE 15:01 r1 7 7 7 7 100'])
  world.fails = null
  world.candles = [minute('15:00', 100, { volume: 9 }), minute('15:01', 7, { high: 8, volume: 120 })]
  await pass(60)
  assert.deepEqual(await updates.shown(), [
    'CLOSE 15:01 r2 7 7 7 7 100',
    'CLOSE 15:00 r3 100 100 100 100 9',
    'CLOSE 15:01 r3 7 8 7 7 120',
  ])
})

test('after a break in the prices what was missed is looked up at once and told in order', async (t) => {
  const { subscribe, price, pass, world } = open(t, '15:00:30', [minute('15:00', 100)])
  const updates = reader(await subscribe())
  await pass(30)
  await updates.take()
  world.fails = away
  await pass(150)
  world.fails = null
  world.candles = ['15:00', '15:01', '15:02', '15:03'].map((time, i) => minute(time, 100 + i, { volume: 5 }))
  await price(200, 1000, 'SNAPSHOT')
  assert.deepEqual(await updates.shown(), [
    'UPDATE 15:03 r1 200 200 200 200 0',
    'CLOSE 15:00 r3 100 100 100 100 5',
    'CLOSE 15:01 r1 101 101 101 101 5',
    'CLOSE 15:02 r1 102 102 102 102 5',
    'UPDATE 15:03 r2 103 200 103 200 5',
  ])
})

test('with a new date all of history is looked up: a split has changed it, which is told of the last candles alone', async (t) => {
  const history = Array.from({ length: 10 }, (_, i) => minute(`23:${50 + i}`, 100))
  const { subscribe, price, pass, world } = open(t, '23:59:30', history)
  const updates = reader(await subscribe({ earlier: 8 }))
  await pass(30)
  await updates.take()
  const split = history.map(({ epoch }) => ({ ...minute('23:56', 50), epoch }))
  world.candles = [...split, candleAt('2025-01-09T00:00:00Z', 50.5)]
  await price(50.5)
  await pass(8)
  await price(51)
  const seen = await updates.take()
  assert.deepEqual(
    seen.at(-1)?.series.earlier.map(({ close }) => close),
    Array(8).fill(50),
  )
  const isHistory = ({ candle }: CandleUpdate) => candle.epoch < epochAt('2025-01-08T23:58:00Z')
  assert.equal(seen.some(isHistory), false)
})

test('a series is stale while its price or its history is', async (t) => {
  const { subscribe, feeds, settle, price } = open(t, '15:00:30', [minute('15:00', 95)])
  const updates = reader(await subscribe())
  assert.equal((await updates.take())[0]?.series.stale, false)
  const nowMs = at('2025-01-08T15:00:30Z')
  feeds[0]?.push(updateAt(nowMs, 101, { volume: 1, stale: true }))
  await settle()
  assert.equal((await updates.take())[0]?.series.stale, true)
  await price(102)
  assert.equal((await updates.take())[0]?.series.stale, false)
})

test('a symbol that has no prices, and candles that can not be had, refuse the subscription and leave nothing behind', async (t) => {
  const { subscribe, world, feeds, settle, metric } = open(t, '15:00:30', [minute('15:00', 95)])
  world.refusal = symbolNotFound('NOPE')
  await assert.rejects(subscribe({ symbol: 'NOPE' }), world.refusal)
  world.refusal = null
  world.fails = away
  await assert.rejects(subscribe(), away)
  await settle()
  assert.deepEqual([feeds.length, await metric('finstage_live_candle_series')], [0, 0])
  world.fails = null
  assert.equal((await reader(await subscribe()).take()).length, 1)
})

test('more than 20,000 candles since from are RANGE_NOT_AVAILABLE, and others go on', async (t) => {
  const { subscribe, world, price } = open(t, '15:00:30', [minute('15:00', 95)])
  const other = reader(await subscribe())
  const start = epochAt('2025-01-08T15:00:00Z') - maxCandles * 60
  world.candles = Array.from({ length: maxCandles + 1 }, (_, i) => ({ ...minute('15:00', 1), epoch: start + i * 60 }))
  await assert.rejects(subscribe({ from: start }), { code: 'RANGE_NOT_AVAILABLE' })
  const most = await subscribe({ from: start + 60 })
  assert.equal((await most.next()).value.candle.epoch, start + 60)
  await other.take()
  await price(97)
  assert.equal((await other.take()).length, 1)
})

test('stop ends every subscription, those that are loading too, and asks nothing of anybody any more', async (t) => {
  const { subscribe, live, world, pass, requests, feeds, settle } = open(t, '15:00:30', [minute('15:00', 95)])
  const updates = reader(await subscribe())
  const gate = Promise.withResolvers<void>()
  world.hold = () => gate.promise
  const loading = subscribe({ interval: 'MINUTE_5' })
  const refused = assert.rejects(loading, { code: 'SOURCE_UNAVAILABLE' })
  await settle()
  live.stop()
  live.stop()
  gate.resolve()
  await refused
  await updates.reading
  assert.equal(updates.hasEnded(), true)
  const asked = requests.length
  await pass(3600)
  assert.deepEqual([requests.length, feeds.length], [asked, 0])
})

test('where the prices end all subscriptions do', async (t) => {
  const { subscribe, feeds, metric } = open(t, '15:00:30', [minute('15:00', 95)])
  const updates = reader(await subscribe())
  feeds[0]?.end()
  await updates.reading
  assert.equal(await metric('finstage_live_candle_series'), 0)
})

test('one who leaves while the candles are loaded, alone, ends the series', async (t) => {
  const { subscribe, world, feeds, settle } = open(t, '15:00:30', [minute('15:00', 95)])
  const gate = Promise.withResolvers<void>()
  world.hold = () => gate.promise
  const subscribing = subscribe()
  await settle()
  gate.resolve()
  await (await subscribing).return?.()
  await settle()
  assert.equal(feeds.length, 0)
})

test('a candle whose comparison comes due while another one waits for the source is compared right after it', async (t) => {
  const candles = ['09:59', '10:00', '10:01', '10:02'].map((time) => minute(time, 100))
  const { world, requests, subscribe, price, pass, settle } = open(t, '10:00:30', candles)
  const answer = Promise.withResolvers<void>()
  reader(await subscribe())
  await pass(31)
  world.hold = () => answer.promise
  await price(100)
  const before = requests.length
  await pass(10)
  assert.equal(requests.length, before + 1, 'the first candle is being compared')
  await pass(20)
  await price(100)
  await pass(50)
  assert.equal(requests.length, before + 1, 'one comparison at a time')
  world.hold = async () => undefined
  answer.resolve()
  await settle()
  await pass(1)
  assert.equal(requests.length, before + 2)
})
