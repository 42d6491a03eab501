import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { PriceCursor, PriceUpdate, PriceUpdateKind } from '../../../src/domain/price-update.ts'
import { PriceSubscription } from '../../../src/stream/price-subscription.ts'
import { PriceHistory } from '../../../src/stream/seats/price-history.ts'
import { shown, updateOf } from '../../support/candles/prices.ts'

interface OpenOptions {
  readonly symbols?: readonly string[]
  readonly throttleMs?: number
  readonly after?: readonly PriceCursor[]
  /** How many updates of a symbol are remembered. */
  readonly remembered?: number
  /** What there is before the subscription. */
  readonly before?: readonly PriceUpdate[]
}

/** A subscription whose symbols have histories, as the hub fills them. */
function open({ symbols = ['A', 'B'], throttleMs = 0, after = [], remembered = 1000, before }: OpenOptions = {}) {
  const ended: PriceSubscription[] = []
  const counts = { delivered: 0, conflated: 0 }
  let nowMs = 1000
  const subscription = new PriceSubscription(
    { symbols, throttleMs, after: new Map(after.map((cursor) => [cursor.symbol, cursor])) },
    { now: () => nowMs, counts, onEnd: (which) => ended.push(which) },
  )
  const histories = new Map(symbols.map((symbol) => [symbol, new PriceHistory()]))
  const seats = new Map(subscription.seats.map((seat) => [seat.symbol, seat]))
  const historyOf = (symbol: string): PriceHistory => histories.get(symbol) ?? assert.fail()
  const push = (...updates: readonly PriceUpdate[]): void => {
    for (const update of updates) {
      historyOf(update.quote.symbol).add(update, remembered)
      seats.get(update.quote.symbol)?.push(update)
    }
  }
  push(...(before ?? symbols.map((symbol) => updateOf(symbol, 1))))
  for (const seat of subscription.seats) seat.open({ history: historyOf(seat.symbol), unfollow: () => {} })
  return { subscription, counts, ended, push, pass: (ms: number) => (nowMs += ms) }
}

/** A reader that takes so many updates and then no more, until it is given room again. */
function reader(subscription: PriceSubscription, room = Number.POSITIVE_INFINITY) {
  const taken: PriceUpdate[] = []
  let ends = 0
  const give = (more: number): void => {
    room = more
    subscription.resume()
  }
  subscription.pipe({
    take(update) {
      if (room === 0) return false
      room -= 1
      taken.push(update)
      return true
    },
    end: () => {
      ends += 1
    },
  })
  return { give, ends: () => ends, taken, seen: () => taken.splice(0).map(shown) }
}

const ticks = (symbol: string, from: number, to: number, kind: PriceUpdateKind = 'TICK'): PriceUpdate[] =>
  Array.from({ length: to - from + 1 }, (_, i) => updateOf(symbol, from + i, kind))

test('the first of a symbol is a SNAPSHOT of how it stands when the reader is there, what follows is told as it is', () => {
  const { subscription, push, pass } = open({ before: [updateOf('A', 6), updateOf('B', 2)] })
  push(updateOf('A', 7))
  pass(50)
  const { taken, seen } = reader(subscription)
  assert.deepEqual([...new Set(taken.map(({ publishedAtMs }) => publishedAtMs))], [1050])
  push(updateOf('A', 8), updateOf('B', 3, 'STATUS'), updateOf('A', 9, 'STATUS'), updateOf('B', 4))
  assert.deepEqual(seen(), ['SNAPSHOT A 7', 'SNAPSHOT B 2', 'TICK A 8', 'STATUS B 3', 'STATUS A 9', 'TICK B 4'])
})

test('the first update of another run is told as SNAPSHOT, whatever its number, and that run goes on', () => {
  const { subscription, push } = open({ before: [updateOf('A', 100), updateOf('B', 100)] })
  const { seen } = reader(subscription)
  push(updateOf('A', 1, 'TICK', 's'), updateOf('A', 2, 'TICK', 's'), updateOf('B', 200, 'STATUS', 's'))
  assert.deepEqual(seen().slice(2), ['SNAPSHOT A 1', 'TICK A 2', 'SNAPSHOT B 200'])
})

test('a gap in the numbers is passed on: a reader can see that something was left out', () => {
  const { subscription, push } = open()
  const { seen } = reader(subscription)
  push(updateOf('A', 5))
  assert.deepEqual(seen(), ['SNAPSHOT A 1', 'SNAPSHOT B 1', 'TICK A 5'])
})

test('a reader that takes nothing has nothing kept for it, and then gets the newest of each symbol, once', () => {
  const { subscription, push, counts } = open()
  const { give, seen } = reader(subscription, 2)
  push(...ticks('A', 2, 500), ...ticks('B', 2, 3))
  assert.deepEqual(seen(), ['SNAPSHOT A 1', 'SNAPSHOT B 1'])
  give(10)
  assert.deepEqual(seen(), ['TICK A 500', 'TICK B 3'])
  assert.deepEqual(counts, { delivered: 4, conflated: 498 + 1 })
  give(10)
  push(updateOf('B', 4))
  assert.deepEqual(seen(), ['TICK B 4'])
})

test('what a slow reader skips to is a SNAPSHOT where it skipped one', () => {
  const { subscription, push } = open()
  const { give, seen } = reader(subscription, 2)
  push(updateOf('A', 1, 'TICK', 's'), updateOf('A', 2, 'TICK', 's'), updateOf('B', 2))
  push(updateOf('B', 0, 'SNAPSHOT', 's'), updateOf('B', 1, 'TICK', 's'))
  seen()
  give(10)
  assert.deepEqual(seen(), ['SNAPSHOT A 2', 'SNAPSHOT B 1'])
  push(updateOf('A', 3, 'TICK', 's'))
  assert.deepEqual(seen(), ['TICK A 3'])
})

test('what a slow reader skips to is no mere STATUS where it skipped a price', () => {
  const { subscription, push } = open()
  const { give, seen } = reader(subscription, 2)
  push(updateOf('A', 2), updateOf('A', 3, 'STATUS'), updateOf('B', 2, 'STATUS'), updateOf('B', 3, 'STATUS'))
  seen()
  give(10)
  assert.deepEqual(seen(), ['TICK A 3', 'STATUS B 3'])
})

test('each symbol has its turn, however little a reader takes at a time', () => {
  const symbols = Array.from({ length: 20 }, (_, i) => `S${i}`)
  const { subscription, push } = open({ symbols })
  const { give, taken } = reader(subscription, 0)
  let seq = 1
  for (let round = 0; round < 7; round++) {
    seq += 1
    for (const symbol of symbols) push(updateOf(symbol, seq))
    give(3)
  }
  assert.equal(new Set(taken.slice(0, 20).map(({ quote }) => quote.symbol)).size, 20)
})

test('whatever a reader takes when, its numbers rise, a new run begins with a SNAPSHOT, and it ends with the newest of all', () => {
  const step = fc.oneof(
    fc.record({ symbol: fc.constantFrom('A', 'B', 'C'), kind: fc.constantFrom('TICK' as const, 'STATUS' as const) }),
    fc.record({ newRun: fc.constantFrom('A', 'B', 'C') }),
    fc.record({ room: fc.nat(4) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(3), (steps, room) => {
      const { subscription, push } = open({ symbols: ['A', 'B', 'C'], remembered: 4 })
      const { give, taken } = reader(subscription, room)
      const at = new Map(['A', 'B', 'C'].map((symbol) => [symbol, { run: 'r', seq: 1 }]))
      for (const step of steps) {
        if ('room' in step) give(step.room)
        else {
          const symbol = 'symbol' in step ? step.symbol : step.newRun
          const now = at.get(symbol) ?? assert.fail()
          if ('symbol' in step) now.seq += 1
          else Object.assign(now, { run: `${now.run}+`, seq: 1 })
          push(updateOf(symbol, now.seq, 'symbol' in step ? step.kind : 'TICK', now.run))
        }
      }
      give(100)
      const last = new Map<string, PriceUpdate>()
      for (const update of taken) {
        const before = last.get(update.quote.symbol)
        const goesOn = before?.run === update.run
        assert.equal(update.kind === 'SNAPSHOT', !goesOn, shown(update))
        if (goesOn) assert.ok(update.seq > before.seq)
        last.set(update.quote.symbol, update)
      }
      for (const [symbol, { run, seq }] of at) {
        const { run: seenRun, seq: seenSeq } = last.get(symbol) ?? assert.fail()
        assert.deepEqual([seenRun, seenSeq], [run, seq])
      }
    }),
  )
})

test('an update that was taken and did not get through is made good with the newest, as what it was', () => {
  const { subscription, push } = open()
  const { give, seen, taken } = reader(subscription)
  const [snapshotOfA] = taken
  push(updateOf('A', 2), updateOf('B', 2, 'STATUS'))
  const tickOfB = updateOf('B', 2, 'STATUS')
  seen()
  subscription.lost(snapshotOfA ?? assert.fail())
  subscription.lost(tickOfB)
  push(updateOf('B', 3))
  assert.deepEqual(seen(), [], 'nothing before the reader goes on')
  give(10)
  assert.deepEqual(seen(), ['SNAPSHOT A 2', 'TICK B 3'])
})

const cursor = (symbol: string, seq: number, run = 'r'): PriceCursor => ({ symbol, run, seq })

test('what was missed is replayed one by one, however slowly it is taken, and then the newest', () => {
  const { subscription, push, counts } = open({
    ...{ symbols: ['A'], after: [cursor('A', 3)], before: ticks('A', 1, 9) },
  })
  const { give, seen } = reader(subscription, 2)
  push(updateOf('A', 10), updateOf('A', 11, 'STATUS'))
  for (const room of [0, 1, 2, 100]) give(room)
  assert.deepEqual(seen(), [...ticks('A', 4, 9), updateOf('A', 11)].map(shown))
  assert.equal(counts.conflated, 1)
  push(updateOf('A', 12))
  assert.deepEqual(seen(), ['TICK A 12'])
})

test('a replay at whose end nothing new has come leaves nothing to tell', () => {
  const { subscription, push } = open({ symbols: ['A'], after: [cursor('A', 3)], before: ticks('A', 1, 5) })
  const { give, seen } = reader(subscription, 1)
  give(10)
  give(10)
  push(updateOf('A', 6))
  assert.deepEqual(seen(), ['TICK A 4', 'TICK A 5', 'TICK A 6'])
})

test('what is no longer remembered when its turn comes in a replay is told of by a SNAPSHOT', () => {
  const { subscription, push } = open({
    ...{ symbols: ['A'], after: [cursor('A', 3)], before: ticks('A', 1, 9), remembered: 8 },
  })
  const { give, seen } = reader(subscription, 2)
  push(...ticks('A', 10, 20))
  give(100)
  assert.deepEqual(seen(), ['TICK A 4', 'TICK A 5', 'SNAPSHOT A 20'])
})

test('a replay is given up for the SNAPSHOT of a new run', () => {
  const { subscription, push } = open({ symbols: ['A'], after: [cursor('A', 3)], before: ticks('A', 1, 9) })
  const { give, seen } = reader(subscription, 2)
  push(updateOf('A', 1, 'TICK', 's'), updateOf('A', 2, 'TICK', 's'))
  give(100)
  assert.deepEqual(seen(), ['TICK A 4', 'TICK A 5', 'SNAPSHOT A 2'])
})

test('what was lost of a replay is replayed again', () => {
  const { subscription } = open({ symbols: ['A'], after: [cursor('A', 3)], before: ticks('A', 1, 9) })
  const { give, taken, seen } = reader(subscription, 3)
  const lost = taken.slice(1)
  for (const update of lost) subscription.lost(update)
  seen()
  give(100)
  assert.deepEqual(seen(), ticks('A', 5, 9).map(shown))
})

test('a reader ahead of this process hears nothing twice and goes on from where it is', () => {
  const { subscription, push, pass } = open({ symbols: ['A'], after: [cursor('A', 12)], before: ticks('A', 1, 9) })
  const { seen } = reader(subscription)
  pass(9999)
  push(...ticks('A', 10, 13))
  assert.deepEqual(seen(), ['TICK A 13'])
})

test('a cursor that is still ahead after ten seconds was none of ours: a SNAPSHOT begins anew', () => {
  const { subscription, push, pass } = open({ symbols: ['A'], after: [cursor('A', 1e14)], before: ticks('A', 1, 9) })
  const { seen } = reader(subscription)
  push(updateOf('A', 10))
  pass(10_000)
  push(updateOf('A', 11), updateOf('A', 12))
  assert.deepEqual(seen(), ['SNAPSHOT A 11', 'TICK A 12'])
})

function throttled(t: TestContext, options: OpenOptions = {}) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  return open({ symbols: ['A'], throttleMs: 1000, ...options })
}

test('with throttleMs the newest of each window is told, and what was asked for is not counted as conflated', (t) => {
  const { subscription, push, counts } = throttled(t)
  const { seen } = reader(subscription)
  push(...ticks('A', 2, 5))
  assert.deepEqual(seen(), ['SNAPSHOT A 1'])
  t.mock.timers.tick(1000)
  push(updateOf('A', 6))
  assert.deepEqual(seen(), ['TICK A 5'])
  t.mock.timers.tick(1000)
  t.mock.timers.tick(1000)
  push(updateOf('A', 7))
  assert.deepEqual(seen(), ['TICK A 6', 'TICK A 7'])
  assert.equal(counts.conflated, 0)
})

test('with throttleMs what was missed is told as the newest of it: a SNAPSHOT only where a run has changed', (t) => {
  const { subscription, push } = throttled(t, { after: [cursor('A', 2)], before: ticks('A', 1, 9) })
  const { seen } = reader(subscription)
  push(updateOf('A', 1, 'TICK', 's'), updateOf('A', 2, 'TICK', 's'))
  t.mock.timers.tick(1000)
  assert.deepEqual(seen(), ['TICK A 9', 'SNAPSHOT A 2'])
})

test('with throttleMs a reader that takes nothing at the end of a window gets the newest when it does', (t) => {
  const { subscription, push } = throttled(t)
  const { give, seen } = reader(subscription, 1)
  push(updateOf('A', 2))
  t.mock.timers.tick(1000)
  push(updateOf('A', 3))
  give(10)
  push(updateOf('A', 4))
  assert.deepEqual(seen(), ['SNAPSHOT A 1', 'TICK A 3'])
  t.mock.timers.tick(1000)
  assert.deepEqual(seen(), ['TICK A 4'])
})

test('a subscription that has ended leaves no window open', async (t) => {
  const { subscription, push } = throttled(t)
  const { seen } = reader(subscription)
  push(updateOf('A', 2))
  await subscription.return()
  t.mock.timers.tick(10_000)
  assert.deepEqual(seen(), ['SNAPSHOT A 1'])
})

test('a reader that asks for each is given every update while it keeps up', async () => {
  const { subscription, push } = open({ symbols: ['A'] })
  for (let seq = 1; seq <= 5000; seq++) {
    if (seq > 1) push(updateOf('A', seq))
    assert.equal((await subscription.next()).value?.seq, seq)
  }
})

test('for a reader that asks for none no more than 1024 wait; then it skips to the newest of each symbol', async () => {
  const { subscription, push } = open()
  await subscription.next()
  push(...ticks('A', 2, 3000), ...ticks('B', 2, 10))
  const read: string[] = []
  for (let i = 0; i < 1026; i++) read.push(shown((await subscription.next()).value))
  assert.deepEqual(read.slice(0, 3), ['SNAPSHOT B 1', 'TICK A 2', 'TICK A 3'])
  assert.deepEqual(read.slice(-3), ['TICK A 1024', 'TICK A 3000', 'TICK B 10'])
  push(updateOf('B', 11))
  assert.equal(shown((await subscription.next()).value), 'TICK B 11')
})

test('who made the subscription is told once that it has ended, and by which, and so is its reader', async () => {
  const { subscription, ended } = open()
  const { ends } = reader(subscription)
  await subscription.return()
  await subscription.return()
  assert.deepEqual(ended, [subscription])
  assert.equal(ends(), 1)
})

test('a reader that comes after the end is told so at once, one that waits too', async () => {
  const waits = open().subscription
  await waits.next()
  await waits.next()
  const pending = waits.next()
  await waits.return()
  assert.equal((await pending).done, true)
  assert.equal(reader(waits).ends(), 1)
  const { subscription } = open()
  await subscription.return()
  assert.equal((await subscription.next()).done, true)
})
