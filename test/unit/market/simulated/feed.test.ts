import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Quote } from '../../../../src/domain/quote.ts'
import type { SourceFeed } from '../../../../src/domain/source-feed.ts'
import { simulatedSource } from '../../../../src/market/simulated/source.ts'

const startMs = Date.UTC(2025, 5, 18, 11, 59, 30)

interface Seen extends Quote {
  readonly arrivedMs: number
}

interface Stage {
  readonly feed: SourceFeed
  readonly seen: Seen[]
  readonly failures: string[]
  /** Lets time pass in the feed's own steps. */
  pass(ms: number): void
  /** Lets time pass at once, as it does for a process that was busy. */
  hang(ms: number): void
  watch(...symbols: string[]): Promise<void>
  price(symbol: string): Promise<Quote | null | undefined>
  onUpdate(listener: (quote: Quote) => void): void
}

function stage(t: TestContext, ticksPerSecond: number, symbolCount = 105): Stage {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let nowMs = startMs
  let listener: (quote: Quote) => void = () => {}
  const seen: Seen[] = []
  const failures: string[] = []
  const source = simulatedSource({ symbolCount, ticksPerSecond, now: () => nowMs })
  const feed = source.openLive({
    update: ({ quote }) => {
      assert.ok(quote)
      seen.push({ ...quote, arrivedMs: nowMs })
      listener(quote)
    },
    failure: (symbol, { code }) => failures.push(`${symbol} ${code}`),
  })
  t.after(() => feed.stop())
  const hang = (ms: number) => {
    nowMs += ms
    t.mock.timers.tick(5)
  }
  return {
    feed,
    seen,
    failures,
    hang,
    pass: (ms) => {
      for (let passed = 0; passed < ms; passed += 5) hang(5)
    },
    watch: async (...symbols) => {
      feed.watch(new Set(symbols))
      await Promise.resolve()
    },
    price: async (symbol) => (await source.listings([symbol])).get(symbol)?.quote,
    onUpdate: (next) => {
      listener = next
    },
  }
}

const count = (seen: readonly Quote[], symbol: string): number => seen.filter((each) => each.symbol === symbol).length

test('a watched symbol has its first update at once, before any time passes', async (t) => {
  const { watch, seen, price } = stage(t, 0.1)
  await watch('AAPL', 'BTC-USD')
  assert.deepEqual(
    seen.map(({ arrivedMs, ...quote }) => quote),
    [await price('AAPL'), await price('BTC-USD')],
  )
})

for (const [ticksPerSecond, seconds] of [
  [0.1, 60],
  [0.75, 40],
  [1, 20],
  [7, 20],
  [200, 5],
  [5000, 2],
] as const) {
  test(`${ticksPerSecond} ticks a second are ${ticksPerSecond * seconds} in ${seconds} s, by symbol`, async (t) => {
    const { watch, seen, pass } = stage(t, ticksPerSecond)
    await watch('AAPL', 'GC=F', 'SIM0001')
    seen.length = 0
    pass(seconds * 1000)
    for (const symbol of ['AAPL', 'GC=F', 'SIM0001']) assert.equal(count(seen, symbol), ticksPerSecond * seconds)
  })
}

test('ticks are even in time, in order, and arrive within a round of when they were due', async (t) => {
  const { watch, seen, pass } = stage(t, 40)
  await watch('AAPL')
  pass(3000)
  const ticks = seen.slice(1)
  ticks.slice(1).forEach((tick, i) => {
    const gapMs = tick.timeMs - (ticks[i]?.timeMs ?? Number.NaN)
    assert.ok(gapMs >= 24 && gapMs <= 26, `${gapMs} ms`)
  })
  for (const { timeMs, arrivedMs, receivedAtMs } of seen) {
    assert.ok(arrivedMs - timeMs >= 0 && arrivedMs - timeMs <= 5, `${arrivedMs - timeMs} ms late`)
    assert.equal(receivedAtMs, arrivedMs)
  }
})

test('symbols do not tick at the same instants', async (t) => {
  const { watch, seen, pass } = stage(t, 1, 200)
  await watch(...Array.from({ length: 80 }, (_, i) => `SIM00${String(i + 1).padStart(2, '0')}`))
  pass(1000)
  seen.length = 0
  pass(1000)
  assert.equal(seen.length, 80)
  const perTenth = Map.groupBy(seen, ({ timeMs }) => Math.floor(timeMs / 100))
  for (const [tenth, ticks] of perTenth) assert.ok(ticks.length < 24, `${ticks.length} of 80 in tenth ${tenth}`)
})

test('a tick is the price of its time, also across the minute', async (t) => {
  const { watch, seen, pass } = stage(t, 3)
  await watch('TSLA')
  pass(60_000)
  assert.equal(seen.length, 181)
  for (const { timeMs, price, volume, dayHigh } of seen) {
    const fresh = simulatedSource({ symbolCount: 105, ticksPerSecond: 1, now: () => timeMs })
    const quote = (await fresh.listings(['TSLA'])).get('TSLA')?.quote
    assert.deepEqual([price, volume, dayHigh], [quote?.price, quote?.volume, quote?.dayHigh])
  }
  const prices = new Set(seen.map(({ price }) => price))
  assert.ok(prices.size > 15, `${prices.size} prices`)
})

test('after a pause of the process no more than one second is caught up, the newest one', async (t) => {
  const { watch, seen, hang, pass } = stage(t, 100)
  await watch('AAPL')
  seen.length = 0
  hang(30_000)
  assert.equal(seen.length, 100)
  for (const { timeMs } of seen) assert.ok(timeMs >= startMs + 29_000 && timeMs <= startMs + 30_000)
  assert.equal(new Set(seen.map(({ timeMs }) => timeMs)).size, 100, 'each with the time that it was due')
  pass(1000)
  assert.equal(seen.length, 200)
})

test('a clock that was set back stops the ticks for no longer than a round', async (t) => {
  const { watch, seen, hang, pass } = stage(t, 100)
  await watch('AAPL')
  pass(100)
  seen.length = 0
  hang(-20_000)
  assert.equal(seen.length, 0)
  pass(1000)
  assert.equal(seen.length, 100)
})

test('an unwatched symbol has no more updates, and the others go on as before', async (t) => {
  const { watch, seen, pass } = stage(t, 10)
  await watch('AAPL', 'MSFT')
  pass(1000)
  await watch('MSFT')
  seen.length = 0
  pass(1000)
  assert.deepEqual([count(seen, 'AAPL'), count(seen, 'MSFT')], [0, 10])
  await watch()
  seen.length = 0
  pass(1000)
  assert.deepEqual(seen, [])
})

test('a symbol that is watched again has a first update again, and its full rate', async (t) => {
  const { watch, seen, pass } = stage(t, 10)
  await watch('AAPL')
  await watch()
  pass(60_000)
  seen.length = 0
  await watch('AAPL')
  assert.equal(seen.length, 1)
  pass(1000)
  assert.equal(seen.length, 11)
})

test('watching the same symbols again repeats nothing', async (t) => {
  const { watch, seen, failures } = stage(t, 1)
  await watch('AAPL', 'NOSUCH')
  await watch('AAPL', 'NOSUCH')
  await watch('NOSUCH', 'AAPL')
  assert.equal(seen.length, 1)
  assert.deepEqual(failures, ['NOSUCH SYMBOL_NOT_FOUND'])
})

test('slow ticks come although the watched symbols change all the time', async (t) => {
  const { watch, seen, pass } = stage(t, 0.2)
  for (let i = 0; i < 20; i++) {
    await watch('AAPL', `SIM000${1 + (i % 5)}`)
    pass(1000)
  }
  assert.equal(count(seen, 'AAPL'), 1 + 4)
})

test('an unknown symbol fails once, and alone', async (t) => {
  const { watch, seen, failures, pass } = stage(t, 10)
  await watch('NOSUCH', 'AAPL', 'SIM0006')
  pass(1000)
  assert.deepEqual(failures, ['NOSUCH SYMBOL_NOT_FOUND', 'SIM0006 SYMBOL_NOT_FOUND'])
  assert.equal(count(seen, 'AAPL'), 11)
})

test('of a thousand symbols the first updates come a few at a time, each before its first tick', async (t) => {
  const { watch, seen, pass } = stage(t, 1, 1100)
  const symbols = Array.from({ length: 1000 }, (_, i) => `SIM${String(i + 1).padStart(4, '0')}`)
  await watch(...symbols)
  assert.ok(seen.length > 0 && seen.length <= 100, `${seen.length}`)
  pass(200)
  assert.equal(new Set(seen.map(({ symbol }) => symbol)).size, 1000)
  const lastMs = new Map<string, number>()
  for (const { symbol, timeMs } of seen) {
    assert.ok(timeMs >= (lastMs.get(symbol) ?? 0), `${symbol} went back in time`)
    lastMs.set(symbol, timeMs)
  }
})

test('no update comes after stop, which may be called twice, nor after watching a stopped feed', async (t) => {
  const { feed, watch, seen, pass } = stage(t, 100)
  await watch('AAPL')
  feed.watch(new Set(['AAPL', 'MSFT']))
  await feed.stop()
  await feed.stop()
  const before = seen.length
  pass(1000)
  await watch('GOOGL')
  pass(1000)
  assert.equal(seen.length, before)
  assert.equal(count(seen, 'MSFT'), 0)
})

test('a sink that stops the feed or unwatches a symbol within an update sees no further one', async (t) => {
  const { feed, watch, seen, pass, hang, onUpdate } = stage(t, 1000)
  await watch('AAPL', 'MSFT')
  onUpdate(({ symbol }) => {
    if (symbol === 'AAPL') feed.watch(new Set(['MSFT']))
  })
  seen.length = 0
  hang(100)
  assert.deepEqual([count(seen, 'AAPL'), count(seen, 'MSFT')], [1, 100])
  onUpdate(() => feed.stop())
  pass(100)
  assert.equal(seen.length, 102)
})

test('while nothing is watched, and after stop, no timer runs', async (t) => {
  const started = t.mock.method(globalThis, 'setInterval')
  const cleared = t.mock.method(globalThis, 'clearInterval')
  const feed = simulatedSource({ symbolCount: 3, ticksPerSecond: 1 }).openLive({ update() {}, failure() {} })
  t.after(() => feed.stop())
  assert.equal(started.mock.callCount(), 0)
  feed.watch(new Set(['AAPL']))
  feed.watch(new Set(['AAPL', 'MSFT']))
  assert.equal(started.mock.callCount(), 1)
  feed.watch(new Set())
  assert.equal(cleared.mock.calls.at(-1)?.arguments[0], started.mock.calls[0]?.result)
  feed.watch(new Set(['AAPL']))
  await feed.stop()
  assert.equal(cleared.mock.calls.at(-1)?.arguments[0], started.mock.calls[1]?.result)
  feed.watch(new Set(['MSFT']))
  assert.equal(started.mock.callCount(), 2)
})

for (const [how, hours] of [
  ['back', -5],
  ['forward', 5],
] as const) {
  test(`ticks go on at once, at the same pace and by the new time, when the clock is put ${how} by hours`, async (t) => {
    const { watch, seen, pass, hang } = stage(t, 10)
    await watch('AAPL', 'MSFT')
    pass(2000)
    hang(hours * 3_600_000)
    seen.length = 0
    pass(2000)
    for (const symbol of ['AAPL', 'MSFT']) assert.equal(count(seen, symbol), 20)
    for (const { timeMs, arrivedMs } of seen) {
      assert.ok(arrivedMs - timeMs >= 0 && arrivedMs - timeMs <= 5, `${arrivedMs - timeMs} ms late`)
    }
  })
}
