import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FinstageError } from '../../../../../src/domain/errors.ts'
import type { Quote } from '../../../../../src/domain/quote.ts'
import type { ListingSink, SourceFeed } from '../../../../../src/domain/source-feed.ts'
import { yahooPushFeed } from '../../../../../src/market/yahoo/live/push-feed.ts'
import {
  type FakeConnection,
  fakeStream,
  type PricingFields,
  pricedListing,
} from '../../../../support/yahoo/test-streamer.ts'

const startMs = Date.UTC(2025, 2, 12, 15)

interface Stage {
  readonly feed: SourceFeed
  /** What quotes say; null: the symbol without a price; absent: nothing. */
  readonly market: Map<string, Partial<Quote> | null>
  /** The symbols of each request for quotes. */
  readonly calls: (readonly string[])[]
  readonly events: string[]
  readonly seen: Quote[]
  readonly dropped: string[]
  readonly connections: readonly FakeConnection[]
  readonly watch: (...symbols: string[]) => Promise<void>
  readonly pass: (ms: number) => Promise<void>
  /** A trade that quotes know of, and that nobody has pushed. */
  readonly trade: (symbol: string, price: number, more?: Partial<Quote>) => void
  /** The newest connection, opened. */
  readonly opened: () => Promise<FakeConnection>
  readonly push: (symbol: string, fields: PricingFields) => Promise<void>
  /** A symbol that the stream serves, and that is polled no longer. */
  readonly streaming: (...symbols: string[]) => Promise<void>
  readonly failing: (error: FinstageError | null) => void
  /** Keeps the answers of requests that begin now, until the returned function is called. */
  readonly hold: () => () => Promise<void>
}

function stage(t: TestContext, listener: Partial<ListingSink> = {}): Stage {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: startMs })
  const { open, connections } = fakeStream()
  const market = new Map<string, Partial<Quote> | null>()
  const calls: (readonly string[])[] = []
  const events: string[] = []
  const seen: Quote[] = []
  const dropped: string[] = []
  let failure: FinstageError | null = null
  let held: Promise<void> | undefined
  const feed = yahooPushFeed({
    ...{ url: 'ws://streamer.test/', pollIntervalMs: 1000, random: () => 1, open },
    metrics: { frame() {}, runs() {}, dropped: (reason) => void dropped.push(reason) },
    listings: async (symbols) => {
      calls.push(symbols)
      if (failure) throw failure
      const known = symbols.filter((symbol) => market.has(symbol))
      const answer = new Map(known.map((symbol) => [symbol, listingOf(symbol, market.get(symbol) ?? null)]))
      await held
      return answer
    },
    sink: {
      update(listing) {
        assert.ok(listing.quote)
        events.push(`${listing.quote.symbol} ${listing.quote.price}`)
        seen.push(listing.quote)
        return listener.update?.(listing)
      },
      failure(symbol, error) {
        events.push(`${symbol} ${error.code}`)
        listener.failure?.(symbol, error)
      },
    },
  })
  t.after(() => feed.stop())

  const listingOf = (symbol: string, quote: Partial<Quote> | null) => {
    const listing = pricedListing(symbol, { ...quote, receivedAtMs: Date.now() })
    return quote ? listing : { ...listing, quote: null }
  }
  const watch = async (...symbols: string[]) => {
    feed.watch(new Set(symbols))
    await settle()
  }
  const pass = async (ms: number) => {
    // In steps: a timer that is set within a tick counts from the end of it.
    const stepMs = ms % 1000 === 0 ? 1000 : ms
    for (let passed = 0; passed < ms; passed += stepMs) {
      t.mock.timers.tick(stepMs)
      await settle()
    }
  }
  const opened = async () => {
    const newest = connections.at(-1)
    assert.ok(newest)
    newest.events.opened()
    await settle()
    return newest
  }
  const push = async (symbol: string, fields: PricingFields) => {
    for (const connection of connections) {
      const asked = connection.sent.flatMap(({ subscribe = [] }) => subscribe)
      if (!connection.isEnded && asked.includes(symbol)) connection.push(symbol, { time: Date.now(), ...fields })
    }
    await settle()
  }
  const streaming = async (...symbols: string[]) => {
    for (const symbol of symbols) market.set(symbol, { price: 1, timeMs: Date.now(), ...market.get(symbol) })
    await watch(...symbols)
    await opened()
    for (const symbol of symbols) await push(symbol, { price: market.get(symbol)?.price ?? 1 })
    await pass(2000)
    events.length = 0
    seen.length = 0
    dropped.length = 0
    calls.length = 0
  }
  return {
    ...{ feed, market, calls, events, seen, dropped, connections, watch, pass, opened, push, streaming },
    trade: (symbol, price, more) => {
      market.set(symbol, { ...market.get(symbol), price, timeMs: Math.floor(Date.now() / 1000) * 1000, ...more })
    },
    failing: (error) => {
      failure = error
    },
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      held = promise
      return async () => {
        held = undefined
        resolve()
        await settle()
      }
    },
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await nextTurn()
}

const away = new FinstageError('SOURCE_UNAVAILABLE', 'away')

test('what is newly watched has its first update at once, all of one turn from one request', async (t) => {
  const { feed, market, calls, events, seen, watch } = stage(t)
  market.set('A', { price: 5 }).set('B', { price: 6 })
  feed.watch(new Set(['A']))
  await watch('A', 'B')
  assert.deepEqual(calls, [['A', 'B']])
  assert.deepEqual(events, ['A 5', 'B 6'])
  assert.equal(seen[0]?.source, 'YAHOO')
})

test('an unknown symbol and one without a price fail once, and are neither subscribed nor asked for again', async (t) => {
  const { market, calls, events, watch, pass, opened } = stage(t)
  market.set('A', {}).set('BARE', null)
  await watch('A', 'BARE', 'NONE')
  const { sent } = await opened()
  await pass(3000)
  assert.deepEqual(events, ['A 1', 'BARE NO_DATA', 'NONE SYMBOL_NOT_FOUND'])
  assert.deepEqual(sent, [{ subscribe: ['A'] }])
  assert.deepEqual(calls.slice(1), [['A'], ['A'], ['A']])
})

test('with nothing but unknown symbols no socket is opened', async (t) => {
  const { connections, watch, pass } = stage(t)
  await watch('NONE')
  await pass(5000)
  assert.equal(connections.length, 0)
})

test('a pushed price is told at once, merged into the last state, and says where it came from', async (t) => {
  const { market, seen, streaming, push } = stage(t)
  market.set('A', { previousClose: 200, price: 210, bid: 209, volume: 5, fiftyTwoWeekHigh: 260 })
  await streaming('A')
  await push('A', { price: 220.009, dayVolume: 6, marketHours: 1 })
  assert.equal(seen.length, 1)
  const { price, volume, change, changePercent, bid, fiftyTwoWeekHigh, source, timeMs, receivedAtMs } = seen[0] as Quote
  assert.deepEqual([price, volume, bid, fiftyTwoWeekHigh], [220.009, 6, 209, 260])
  assert.deepEqual([change, changePercent], [220.009 - 200, ((220.009 - 200) / 200) * 100])
  assert.deepEqual([source, timeMs, receivedAtMs], ['YAHOO_STREAM', Date.now(), Date.now()])
})

test('polling goes on until the stream delivers, and then stops', async (t) => {
  const { market, calls, watch, pass, opened, push } = stage(t)
  market.set('A', { timeMs: startMs }).set('B', { timeMs: startMs })
  await watch('A', 'B')
  await pass(2000)
  assert.equal(calls.length, 3)
  await opened()
  await pass(2000)
  assert.equal(calls.length, 5, 'an open socket that has delivered nothing proves nothing')
  await push('A', { price: 2 })
  await pass(1000)
  assert.deepEqual(calls.slice(5), [['B']], 'one last time: B may have changed before it was subscribed')
  await pass(20_000)
  assert.equal(calls.length, 6)
})

test('a frame of each symbol ends the polling at once', async (t) => {
  const { market, calls, watch, pass, opened, push } = stage(t)
  market.set('A', { timeMs: startMs }).set('B', { timeMs: startMs })
  await watch('A', 'B')
  await opened()
  await push('A', { price: 2 })
  await push('B', { price: 2 })
  await pass(5000)
  assert.deepEqual(calls, [['A', 'B']])
})

test('where the stream cannot be reached everything is polled once in each interval', async (t) => {
  const { connections, calls, events, trade, watch, pass } = stage(t)
  trade('A', 1)
  await watch('A')
  for (let second = 1; second <= 40; second++) {
    connections.at(-1)?.events.closed('refused')
    trade('A', 1 + second)
    await pass(1000)
  }
  assert.equal(calls.length, 41)
  assert.deepEqual(
    events,
    Array.from({ length: 41 }, (_, i) => `A ${1 + i}`),
  )
  assert.ok(connections.length >= 6 && connections.length <= 8, `${connections.length} attempts`)
})

test('a socket that breaks has its symbols polled in the same turn, and only its own', async (t) => {
  const { calls, events, connections, trade, streaming, pass } = stage(t)
  const symbols = Array.from({ length: 101 }, (_, i) => `S${i}`)
  await streaming(...symbols)
  connections[1]?.events.opened()
  connections[1]?.push('S100', { price: 2, time: Date.now() })
  await pass(3000)
  calls.length = 0
  events.length = 0
  trade('S100', 3)
  connections[1]?.events.closed('closed with 1006')
  await settle()
  assert.deepEqual(calls, [['S100']])
  assert.deepEqual(events, ['S100 3'])
})

for (const [name, precisionMs] of [
  ['whole seconds, as Yahoo does', 1000],
  ['milliseconds', 1],
] as const) {
  for (const hasVolume of [true, false]) {
    const kind = hasVolume ? 'with volume' : 'without volume'
    test(`no price is lost or repeated through a switch, where quotes know ${name}, ${kind}`, async (t) => {
      const { market, events, connections, watch, pass, opened, push } = stage(t)
      const truth: string[] = []
      let volume = 100
      // One market that both sources look at. A trade is pushed where a socket is open that has subscribed it.
      const trade = async () => {
        const price = 100 + truth.length
        volume += 10
        const timeMs = Date.now()
        const volumes = hasVolume ? { volume } : {}
        market.set('A', { price, timeMs: Math.floor(timeMs / precisionMs) * precisionMs, ...volumes })
        truth.push(`A ${price}`)
        await push('A', { price, time: timeMs, ...(hasVolume ? { dayVolume: volume } : {}) })
      }
      const tradeFor = async (seconds: number, perSecond: number) => {
        for (let i = 0; i < seconds * perSecond; i++) {
          await pass(1000 / perSecond)
          await trade()
        }
      }
      await trade()
      await watch('A')
      for (let outage = 0; outage < 3; outage++) {
        await opened()
        await tradeFor(4, 8)
        connections.at(-1)?.events.closed('killed')
        await settle()
        // In the very second of the break, after what was pushed last; then one between any two polls.
        await tradeFor(1, 1)
        for (let second = 0; second < 5; second++) {
          await pass(1000)
          if (!connections.at(-1)?.isEnded) connections.at(-1)?.events.closed('refused')
          await trade()
        }
        while (connections.at(-1)?.isEnded) await pass(1000)
      }
      await opened()
      await tradeFor(3, 8)
      assert.deepEqual(events, truth)
    })
  }
}

test('what changed within the second of the break, before anything was polled, is found', async (t) => {
  const { events, connections, trade, streaming, push, pass } = stage(t)
  await streaming('^GSPC')
  await pass(300)
  await push('^GSPC', { price: 2 })
  await pass(300)
  trade('^GSPC', 3)
  connections[0]?.events.closed('killed')
  await settle()
  assert.deepEqual(events, ['^GSPC 2', '^GSPC 3'])
})

test('what changed while the socket was coming back, before its subscription was in force, is found', async (t) => {
  const { events, connections, calls, trade, streaming, push, pass, opened } = stage(t)
  await streaming('A', 'B')
  connections[0]?.events.closed('killed')
  await pass(1000)
  await opened()
  trade('B', 5)
  await push('A', { price: 2 })
  await pass(2000)
  assert.deepEqual(events, ['A 2', 'B 5'])
  calls.length = 0
  await pass(3000)
  assert.deepEqual(calls, [])
})

test('an answer that was asked for before the break does not hide what changed in it', async (t) => {
  const { events, connections, trade, streaming, push, pass, opened, hold } = stage(t)
  await streaming('A', 'B')
  await pass(55_000 - 29_000)
  await push('A', { price: 1 })
  await pass(29_000)
  await push('A', { price: 1 })
  const release = hold()
  await pass(3000)
  trade('B', 5)
  connections[0]?.events.closed('killed')
  await pass(1000)
  await opened()
  await push('A', { price: 2 })
  await pass(600)
  await release()
  await pass(1000)
  assert.deepEqual(events.slice(-2), ['A 2', 'B 5'])
})

test('a quote that lags behind does not bring back a price that was told of the same second', async (t) => {
  const { events, connections, trade, streaming, push, pass } = stage(t)
  await streaming('^GSPC')
  await pass(300)
  await push('^GSPC', { price: 2 })
  trade('^GSPC', 2)
  await pass(300)
  await push('^GSPC', { price: 3 })
  connections[0]?.events.closed('killed')
  await settle()
  await pass(1000)
  assert.deepEqual(events, ['^GSPC 2', '^GSPC 3'])
})

test('while the stream serves a symbol, a quote of the same second is not believed against it', async (t) => {
  const { events, calls, trade, streaming, push, pass } = stage(t)
  await streaming('^GSPC')
  for (const price of [2, 3, 4]) {
    await pass(19_000)
    await push('^GSPC', { price })
  }
  trade('^GSPC', 7)
  await pass(999)
  await pass(5000)
  assert.deepEqual(events, ['^GSPC 2', '^GSPC 3', '^GSPC 4'])
  assert.equal(calls.length, 1)
})

test('a price that comes back in another second is told', async (t) => {
  const { events, connections, trade, streaming, push, pass } = stage(t)
  await streaming('^GSPC')
  await push('^GSPC', { price: 2 })
  await pass(1000)
  await push('^GSPC', { price: 3 })
  await pass(300)
  trade('^GSPC', 2)
  connections[0]?.events.closed('killed')
  await settle()
  assert.deepEqual(events, ['^GSPC 2', '^GSPC 3', '^GSPC 2'])
})

test('a poll that fails proves nothing of a socket that is back', async (t) => {
  const { events, calls, connections, trade, failing, streaming, push, pass, opened } = stage(t)
  await streaming('A', 'B')
  connections[0]?.events.closed('killed')
  await pass(1000)
  await opened()
  await push('A', { price: 2 })
  trade('B', 5)
  failing(away)
  await pass(3000)
  assert.deepEqual(events, ['A 2'])
  failing(null)
  await pass(2000)
  assert.deepEqual(events, ['A 2', 'B 5'])
  calls.length = 0
  await pass(3000)
  assert.deepEqual(calls, [])
})

test('no time goes back: a quote of the second is told with the time of the frame before it', async (t) => {
  const { seen, connections, trade, streaming, push, pass } = stage(t)
  await streaming('A')
  await pass(700)
  await push('A', { price: 2 })
  trade('A', 3)
  connections[0]?.events.closed('killed')
  await settle()
  assert.deepEqual(
    seen.map(({ price, timeMs }) => [price, timeMs]),
    [
      [2, Date.now()],
      [3, Date.now()],
    ],
  )
})

test('a frame that says the same again, or is older, is dropped and counted', async (t) => {
  const { events, dropped, streaming, push, pass } = stage(t)
  await streaming('A')
  await pass(500)
  await push('A', { price: 2, dayVolume: 7 })
  await push('A', { price: 2, dayVolume: 7 })
  await push('A', { price: 2 })
  await push('A', { price: 3, time: Date.now() - 1 })
  await push('A', { price: 2, dayVolume: 8 })
  assert.deepEqual(events, ['A 2', 'A 2'])
  assert.deepEqual(dropped, ['repeated', 'repeated', 'older than the last'])
})

test('bad frames are dropped and counted, and harm nobody', async (t) => {
  const { events, dropped, connections, streaming, push } = stage(t)
  await streaming('A')
  for (const text of ['', '{', 'null', '{"type":"pricing","message":"%%"}', '{"type":"pricing","message":"////"}']) {
    connections[0]?.events.message(text)
  }
  connections[0]?.events.message('{"type":"notice"}')
  connections[0]?.push('X', { price: 1 })
  await push('A', { price: Number.NaN })
  await push('A', { price: 0 })
  await push('A', { bid: 3 })
  await push('A', { price: 9, time: Date.now() + 86_400_001 })
  await push('A', { price: 2 })
  assert.deepEqual(events, ['A 2'])
  assert.deepEqual(
    Object.entries(Object.groupBy(dropped, (reason) => reason)).map(([reason, all]) => [reason, all?.length]),
    [
      ['unreadable', 5],
      ['not pricing', 1],
      ['unknown symbol', 1],
      ['not a price', 3],
      ['from the future', 1],
    ],
  )
})

test('after an outage that was told, the same price comes again: pushed, or polled', async (t) => {
  const { events, connections, failing, streaming, push, pass, opened } = stage(t)
  await streaming('A', 'B')
  failing(away)
  connections[0]?.events.closed('killed')
  await settle()
  assert.deepEqual(events, ['A SOURCE_UNAVAILABLE', 'B SOURCE_UNAVAILABLE'])
  await pass(1000)
  events.length = 0
  await opened()
  await push('A', { price: 1, time: startMs })
  assert.deepEqual(events, ['A 1'])
  failing(null)
  await pass(1000)
  assert.deepEqual(events, ['A 1', 'B 1'])
  await pass(5000)
  assert.equal(events.length, 2)
})

test('after an outage a quote that lags behind the last frame brings that one back, not itself', async (t) => {
  const { seen, connections, failing, trade, streaming, push, pass } = stage(t)
  await streaming('A')
  trade('A', 2)
  await pass(5000)
  await push('A', { price: 3 })
  failing(away)
  connections[0]?.events.closed('killed')
  await settle()
  failing(null)
  seen.length = 0
  await pass(1000)
  assert.deepEqual(
    seen.map(({ price, stale }) => [price, stale]),
    [[3, false]],
  )
})

test("while the stream serves a symbol, quotes that fail or leave it out are nobody's concern", async (t) => {
  const { events, calls, market, failing, streaming, push, pass } = stage(t)
  await streaming('A')
  const minute = async () => {
    for (let i = 0; i < 3; i++) {
      await pass(20_000)
      await push('A', { price: 2 + events.length })
    }
  }
  failing(away)
  await minute()
  assert.equal(calls.length, 1)
  failing(null)
  market.delete('A')
  await minute()
  assert.equal(calls.length, 2)
  assert.deepEqual(events, ['A 2', 'A 3', 'A 4', 'A 5', 'A 6', 'A 7'])
})

test('a known symbol that quotes leave out is SOURCE_UNAVAILABLE, and asked for again in the next round', async (t) => {
  const { events, calls, market, connections, streaming, pass } = stage(t)
  await streaming('A')
  market.delete('A')
  connections[0]?.events.closed('killed')
  await settle()
  await pass(1000)
  market.set('A', { price: 2, timeMs: Date.now() })
  await pass(2000)
  assert.deepEqual(events.slice(-2), ['A SOURCE_UNAVAILABLE', 'A 2'])
  assert.ok(events.slice(0, -1).every((event) => event === 'A SOURCE_UNAVAILABLE'))
  assert.ok(calls.length <= 4, `${calls.length} calls`)
})

test('silence in session is the end of a connection: its symbols are polled, and it comes back', async (t) => {
  const { events, calls, connections, trade, streaming, pass, opened, push } = stage(t)
  await streaming('A')
  await pass(27_000)
  assert.equal(connections.length, 1)
  trade('A', 7)
  await pass(1000)
  assert.equal(connections[0]?.isEnded, true)
  assert.deepEqual(events, ['A 7'])
  await pass(3000)
  assert.ok(calls.length >= 3)
  await opened()
  await push('A', { price: 8 })
  assert.deepEqual(events, ['A 7', 'A 8'])
})

test('a market that closes is noticed, told, and not polled on', async (t) => {
  const { seen, calls, trade, streaming, pass, opened, connections } = stage(t)
  await streaming('A')
  trade('A', 1, { marketState: 'CLOSED', timeMs: startMs })
  await pass(30_000)
  assert.deepEqual(
    seen.map(({ price, marketState }) => [price, marketState]),
    [[1, 'CLOSED']],
  )
  await opened()
  await pass(3000)
  calls.length = 0
  await pass(600_000)
  assert.equal(connections.length, 2, 'a closed market may be silent')
  assert.equal(calls.length, 10, 'one request a minute, for the session')
  assert.equal(seen.length, 1)
})

test('a market that opens is noticed although the stream is silent, and polled until that delivers', async (t) => {
  const { market, seen, calls, trade, watch, pass, opened, push } = stage(t)
  market.set('A', { price: 1, timeMs: startMs - 3_600_000, marketState: 'CLOSED' })
  await watch('A')
  await opened()
  await pass(50_000)
  trade('A', 2, { marketState: 'REGULAR' })
  await pass(12_000)
  assert.deepEqual([seen.length, seen[1]?.price, seen[1]?.marketState], [2, 2, 'REGULAR'])
  calls.length = 0
  await pass(5000)
  assert.equal(calls.length, 5)
  await push('A', { price: 3 })
  await pass(1000)
  calls.length = 0
  await pass(10_000)
  assert.equal(calls.length, 0)
})

test('what the stream loses is found within a minute, and polled until it delivers again', async (t) => {
  const { events, calls, trade, streaming, pass, push } = stage(t)
  await streaming('A', 'LOST')
  const others = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      await pass(1000)
      await push('A', { price: 1 + i / 100 })
    }
  }
  trade('LOST', 2)
  await others(59)
  assert.ok(events.includes('LOST 2'))
  for (const price of [3, 4, 5]) {
    trade('LOST', price)
    await others(1)
  }
  assert.deepEqual(
    events.filter((event) => event.startsWith('LOST')),
    ['LOST 2', 'LOST 3', 'LOST 4', 'LOST 5'],
  )
  assert.deepEqual(calls.at(-1), ['LOST'])
  await push('LOST', { price: 6 })
  await others(1)
  calls.length = 0
  await others(20)
  assert.deepEqual(calls, [])
})

test('a symbol that the stream never delivers is polled for as long as quotes have news of it', async (t) => {
  const { market, events, trade, watch, opened, pass, push } = stage(t)
  market.set('A', { timeMs: startMs }).set('FUND', { timeMs: startMs })
  await watch('A', 'FUND')
  await opened()
  const expected = ['FUND 1']
  for (let second = 1; second <= 30; second++) {
    trade('FUND', 1 + second)
    expected.push(`FUND ${1 + second}`)
    await pass(1000)
    await push('A', { price: second })
  }
  assert.deepEqual(
    events.filter((event) => event.startsWith('FUND')),
    expected,
  )
})

test('while polled, a change beside the price is told, and the answer that repeats itself is not', async (t) => {
  const { seen, connections, trade, streaming, pass } = stage(t)
  await streaming('A')
  connections[0]?.events.closed('killed')
  await settle()
  await pass(3000)
  assert.equal(seen.length, 0)
  trade('A', 1, { bid: 0.9, timeMs: startMs })
  await pass(2000)
  assert.deepEqual(
    seen.map(({ price, bid }) => [price, bid]),
    [[1, 0.9]],
  )
})

test('at most 100 symbols share a socket; sockets come and go with demand, and room is used again', async (t) => {
  const { market, connections, watch, opened } = stage(t)
  const symbols = Array.from({ length: 250 }, (_, i) => `S${i}`)
  for (const symbol of [...symbols, 'NEW']) market.set(symbol, {})
  await watch(...symbols)
  assert.equal(connections.length, 3)
  for (const connection of connections) connection.events.opened()
  assert.deepEqual(
    connections.map(({ sent }) => sent[0]?.subscribe?.length),
    [100, 100, 50],
  )
  assert.equal(new Set(connections.flatMap(({ sent }) => sent[0]?.subscribe ?? [])).size, 250)
  await watch(...symbols.slice(1, 200))
  assert.deepEqual(connections[0]?.sent.slice(1), [{ unsubscribe: ['S0'] }])
  assert.deepEqual(
    connections.map(({ isEnded }) => isEnded),
    [false, false, true],
  )
  await watch(...symbols.slice(1, 200), 'NEW')
  assert.equal(connections.length, 3)
  assert.deepEqual(connections[0]?.sent.at(-1), { subscribe: ['NEW'] })
  await watch()
  assert.ok(connections.every(({ isEnded }) => isEnded))
  await watch('NEW')
  assert.deepEqual((await opened()).sent, [{ subscribe: ['NEW'] }])
  assert.equal(connections.length, 4)
})

test('nothing watched: no socket, no timer and no calls', async (t) => {
  const { feed, calls, connections, streaming, watch, pass, push } = stage(t)
  feed.watch(new Set())
  await settle()
  assert.equal(connections.length, 0)
  await streaming('A')
  await watch()
  await push('A', { price: 3 })
  connections[0]?.push('A', { price: 3 })
  await pass(180_000)
  assert.deepEqual([calls.length, connections.length, connections[0]?.isEnded], [0, 1, true])
})

test('a symbol that is watched again has a first update again', async (t) => {
  const { events, streaming, watch } = stage(t)
  await streaming('A', 'B')
  await watch('B')
  await watch('A', 'B')
  assert.deepEqual(events, ['A 1'])
})

test('no call of the sink comes after stop, which may be called twice, and no socket is left', async (t) => {
  const { feed, events, calls, connections, streaming, watch, pass, push } = stage(t)
  await streaming('A')
  connections[0]?.events.closed('killed')
  await pass(1000)
  connections[1]?.events.opened()
  events.length = 0
  const stopping = feed.stop()
  connections[1]?.push('A', { price: 3, time: Date.now() })
  await stopping
  await feed.stop()
  calls.length = 0
  await push('A', { price: 4 })
  await watch('A', 'B')
  await pass(180_000)
  assert.deepEqual([events, calls, connections.length], [[], [], 2])
  assert.ok(connections.every(({ isEnded }) => isEnded))
})

test('a sink may change the watched set, or stop the feed, while it is called', async (t) => {
  const of: { feed?: SourceFeed } = {}
  const { feed, events, streaming, push } = stage(t, {
    update: ({ quote }) => {
      if (quote?.price === 2) of.feed?.watch(new Set(['B']))
      if (quote?.price === 3) void of.feed?.stop()
    },
  })
  of.feed = feed
  await streaming('A', 'B')
  await push('A', { price: 2 })
  await push('A', { price: 4 })
  await push('B', { price: 3 })
  await push('B', { price: 5 })
  assert.deepEqual(events, ['A 2', 'B 3'])
})

test('what the sink does not believe is told again when it is heard again, polled or pushed, until it does', async (t) => {
  let doubts = 2
  const { market, events, watch, pass, streaming, push } = stage(t, { update: () => doubts-- <= 0 })
  market.set('A', { price: 1, timeMs: startMs })
  await watch('A')
  for (let i = 0; i < 4; i++) await pass(1000)
  assert.deepEqual(events, ['A 1', 'A 1', 'A 1'])
  doubts = 0
  await streaming('B')
  doubts = 2
  for (let i = 0; i < 4; i++) await push('B', { price: 5, time: startMs + 10_000 })
  assert.deepEqual(events, ['B 5', 'B 5', 'B 5'])
})
