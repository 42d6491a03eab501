import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { yahooPushFeed } from '../../../../../src/market/yahoo/live/push-feed.ts'
import type { OpenStream, StreamEvents } from '../../../../../src/market/yahoo/live/socket.ts'
import { pricedListing, pricingText } from '../../../../support/yahoo/test-streamer.ts'

const startMs = 1_700_000_000_000
/** Trades a second, of each symbol. */
const rates: Readonly<Record<string, number>> = { BUSY: 5, CALM: 0.8, SLOW: 0.08 }
const symbols = Object.keys(rates)

interface Trade {
  readonly price: number
  readonly timeMs: number
  readonly volume: number
}

interface Market {
  /** Quotes tell how the market was so long ago. */
  readonly quoteLagMs: number
  readonly hasVolume: boolean
}

/**
 * A minute and a half of a market whose every price is higher than the one before, seen through a streamer that goes and
 * comes, and through quotes that know whole seconds; every way takes its time. All of it follows from the seed.
 */
async function run(t: TestContext, seed: number, { quoteLagMs, hasVolume }: Market): Promise<void> {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: startMs })
  const random = seededRandom(seed)
  const upTo = (ms: number) => 1 + Math.floor(random() * ms)
  const passed = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
  const trades = new Map(symbols.map((symbol) => [symbol, [{ price: 100, timeMs: startMs, volume: 10 }]]))
  const told = new Map<string, number[]>(symbols.map((symbol) => [symbol, []]))
  const sockets = new Set<{ readonly events: StreamEvents; readonly subscribed: Set<string> }>()
  const tradesOf = (symbol: string): Trade[] => trades.get(symbol) ?? []
  const toldOf = (symbol: string): number[] => told.get(symbol) ?? []
  let isUp = true

  const quoteOf = (symbol: string) => {
    const { price, timeMs, volume } = tradesOf(symbol).findLast((each) => each.timeMs <= Date.now() - quoteLagMs) ?? {
      ...{ price: 100, timeMs: startMs, volume: 10 },
    }
    const quote = { price, timeMs: Math.floor(timeMs / 1000) * 1000, ...(hasVolume ? { volume } : {}) }
    return [symbol, pricedListing(symbol, { ...quote, receivedAtMs: Date.now() })] as const
  }

  const open: OpenStream = (_, events) => {
    const socket = { events, subscribed: new Set<string>() }
    setTimeout(() => {
      if (!isUp) return events.closed('refused')
      sockets.add(socket)
      events.opened()
    }, upTo(100))
    return {
      send: (text) => {
        setTimeout(() => {
          for (const symbol of JSON.parse(text).subscribe ?? []) socket.subscribed.add(symbol)
        }, upTo(150))
      },
      end: () => sockets.delete(socket),
    }
  }

  function trade(symbol: string): void {
    const all = tradesOf(symbol)
    const latest = { price: 100 + all.length, timeMs: Date.now(), volume: 10 + all.length * 10 }
    all.push(latest)
    const fields = { id: symbol, price: latest.price, time: latest.timeMs, marketHours: 1 }
    const text = pricingText({ ...fields, ...(hasVolume ? { dayVolume: latest.volume } : {}) })
    for (const socket of sockets) {
      if (!socket.subscribed.has(symbol)) continue
      setTimeout(() => {
        if (!sockets.has(socket)) return
        socket.events.message(text)
        assert.ok(Number(toldOf(symbol).at(-1)) >= latest.price, 'what has been pushed is told')
      }, 15)
    }
  }

  function toggle(): void {
    isUp = !isUp
    if (isUp) return
    for (const socket of sockets) setTimeout(() => sockets.delete(socket) && socket.events.closed('killed'), upTo(50))
  }

  const feed = yahooPushFeed({
    ...{ url: 'ws://streamer.test/', pollIntervalMs: 1000, random, open },
    listings: async (asked) => {
      await passed(upTo(60))
      const answer = new Map(asked.map(quoteOf))
      await passed(upTo(120))
      return answer
    },
    sink: {
      update: ({ quote }) => quote && toldOf(quote.symbol).push(quote.price),
      failure: (_, error) => assert.fail(error),
    },
  })
  feed.watch(new Set(symbols))
  let toggleMs = 5000 + upTo(5000)
  for (let ms = 0; ms < 90_000; ms += 10) {
    t.mock.timers.tick(10)
    for (let i = 0; i < 4; i++) await nextTurn()
    if (ms >= toggleMs && (ms < 70_000 || !isUp)) {
      toggle()
      toggleMs = ms + (isUp ? 6000 : 300) + upTo(8000)
    }
    if (ms < 85_000) for (const symbol of symbols) if (random() < Number(rates[symbol]) / 100) trade(symbol)
  }
  await feed.stop()
  t.mock.timers.reset()

  for (const symbol of symbols) {
    const prices = toldOf(symbol)
    const rising = prices.every((price, i) => i === 0 || price > Number(prices[i - 1]))
    assert.ok(rising, `${symbol} was told ${prices.join(' ')}`)
    assert.equal(prices.at(-1), tradesOf(symbol).at(-1)?.price, `the last price of ${symbol}`)
  }
}

/** mulberry32 */
function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

const markets: readonly [string, Market][] = [
  ['quotes that are up to date', { quoteLagMs: 0, hasVolume: true }],
  ['quotes without volume', { quoteLagMs: 0, hasVolume: false }],
  ['quotes that lag behind', { quoteLagMs: 900, hasVolume: true }],
]

for (const [name, market] of markets) {
  test(`whenever the streamer goes and comes, no price is told twice, none after a newer one, and the last of all is told: ${name}`, async (t) => {
    for (let seed = 1; seed <= 8; seed++) await run(t, seed, market)
  })
}
