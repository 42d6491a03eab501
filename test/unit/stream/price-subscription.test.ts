import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PriceUpdate, PriceUpdateKind } from '../../../src/domain/price-update.ts'
import type { Quote } from '../../../src/domain/quote.ts'
import { newestOfEachSymbol, PriceSubscription } from '../../../src/stream/price-subscription.ts'

function updateOf(symbol: string, seq: number, kind: PriceUpdateKind = 'TICK'): PriceUpdate {
  const none = { previousClose: null, change: null, changePercent: null, open: null, dayHigh: null, dayLow: null }
  const unsaid = { volume: null, bid: null, ask: null, marketCap: null, fiftyTwoWeekHigh: null, fiftyTwoWeekLow: null }
  const quote: Quote = {
    ...{ ...none, ...unsaid, symbol, price: seq, currency: 'USD', marketState: 'REGULAR', timeMs: seq },
    ...{ regularPrice: null, source: 'SIMULATED', receivedAtMs: seq, delayMinutes: null, stale: false },
  }
  return { kind, run: 'r', seq, publishedAtMs: seq, quote }
}

const shown = ({ kind, seq, quote }: PriceUpdate): string => `${kind} ${quote.symbol} ${seq}`

function open(symbols: readonly string[] = ['A', 'B']) {
  const ended: PriceSubscription[] = []
  const subscription = new PriceSubscription({ symbols, throttleMs: 0, after: new Map() }, (which) => ended.push(which))
  const seats = new Map(subscription.seats.map((seat) => [seat.symbol, seat]))
  return {
    subscription,
    ended,
    push: (run: string, ...updates: PriceUpdate[]) => {
      for (const update of updates) seats.get(update.quote.symbol)?.push({ ...update, run })
    },
    /** All that waits, when nothing more comes. */
    rest: (): PriceUpdate[] => {
      const rest: PriceUpdate[] = []
      subscription.pipe({ update: (update) => rest.push(update), end: () => {} })
      return rest
    },
  }
}

test('the first update of a symbol is told as SNAPSHOT, what goes on from there as what it is', async () => {
  const { push, rest } = open()
  push(
    'r',
    updateOf('A', 7),
    updateOf('A', 8),
    updateOf('B', 3, 'STATUS'),
    updateOf('A', 9, 'STATUS'),
    updateOf('B', 4),
  )
  assert.deepEqual(rest().map(shown), ['SNAPSHOT A 7', 'TICK A 8', 'SNAPSHOT B 3', 'STATUS A 9', 'TICK B 4'])
})

test('an update that was seen, or is older than one that was, is not told', async () => {
  const { push, rest } = open()
  push('r', updateOf('A', 5), updateOf('A', 5), updateOf('A', 4), updateOf('B', 1), updateOf('A', 6), updateOf('A', 5))
  assert.deepEqual(rest().map(shown), ['SNAPSHOT A 5', 'SNAPSHOT B 1', 'TICK A 6'])
})

test('the first update of another run is told as SNAPSHOT, whatever its number, and that run goes on', async () => {
  const { push, rest } = open()
  push('old', updateOf('A', 100), updateOf('B', 100))
  push('new', updateOf('A', 1), updateOf('A', 2), updateOf('B', 200), updateOf('A', 2))
  assert.deepEqual(rest().map(shown), [
    'SNAPSHOT A 100',
    'SNAPSHOT B 100',
    'SNAPSHOT A 1',
    'TICK A 2',
    'SNAPSHOT B 200',
  ])
})

test('a gap in the numbers is passed on: a reader can see that something was left out', async () => {
  const { push, rest } = open()
  push('r', updateOf('A', 1), updateOf('A', 5))
  assert.deepEqual(rest().map(shown), ['SNAPSHOT A 1', 'TICK A 5'])
})

test('a reader who is slow keeps the newest of each symbol, in order, and what waits for it stays bounded', async () => {
  const symbols = Array.from({ length: 200 }, (_, i) => `S${i}`)
  const { subscription, push, rest } = open(symbols)
  const order: string[] = []
  for (let seq = 1; seq <= 500; seq++) {
    for (const [i, symbol] of symbols.entries()) {
      // Some symbols tick rarely, one only once at the very beginning.
      if (seq > 1 && (i === 0 || (i % 10 === 3 && seq % 50 !== 0))) continue
      push('r', updateOf(symbol, seq))
      order.push(`${symbol} ${seq}`)
    }
  }
  const waiting = rest()
  assert.ok(waiting.length <= 1024 + symbols.length, `${waiting.length} wait`)
  const place = new Map(order.map((update, i) => [update, i]))
  const places = waiting.map(({ seq, quote }) => place.get(`${quote.symbol} ${seq}`) ?? assert.fail())
  assert.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
  )
  for (const symbol of symbols) {
    const last = order.findLast((update) => update.startsWith(`${symbol} `))
    const kept = waiting.findLast(({ quote }) => quote.symbol === symbol)
    assert.equal(kept && `${symbol} ${kept.seq}`, last)
  }
  assert.equal(waiting.find(({ quote }) => quote.symbol === 'S0')?.kind, 'SNAPSHOT')
  assert.deepEqual(
    subscription.seats.map(({ symbol }) => symbol),
    symbols,
  )
})

test('a reader that keeps up is given every update', async () => {
  const { subscription, push } = open(['A'])
  for (let seq = 1; seq <= 5000; seq++) {
    push('r', updateOf('A', seq))
    assert.equal((await subscription.next()).value?.seq, seq)
  }
})

test('what a slow reader skips to is a SNAPSHOT where it skipped one', async () => {
  const waiting = [updateOf('A', 1, 'SNAPSHOT'), updateOf('B', 1), updateOf('A', 2), updateOf('A', 3), updateOf('B', 2)]
  assert.deepEqual(newestOfEachSymbol(waiting).map(shown), ['SNAPSHOT A 3', 'TICK B 2'])
})

test('what a slow reader skips to is no mere STATUS where it skipped a price', async () => {
  const waiting = [updateOf('A', 1), updateOf('A', 2, 'STATUS'), updateOf('B', 1, 'STATUS'), updateOf('B', 2, 'STATUS')]
  assert.deepEqual(newestOfEachSymbol(waiting).map(shown), ['TICK A 2', 'STATUS B 2'])
})

test('who made the subscription is told once that it has ended, and by which', async () => {
  const { subscription, ended } = open()
  const pending = subscription.next()
  await subscription.return()
  await subscription.return()
  assert.deepEqual(ended, [subscription])
  assert.equal((await pending).done, true)
})
