import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { PriceCursor, PriceUpdate, PriceUpdateKind } from '../../../src/domain/price-update.ts'
import { BatchWindows, PriceBatches } from '../../../src/stream/price-batches.ts'
import { PriceSubscription } from '../../../src/stream/price-subscription.ts'
import { PriceHistory } from '../../../src/stream/seats/price-history.ts'
import { shown, updateOf } from '../../support/candles/prices.ts'

interface Clock {
  nowMs: number
  readonly windows: BatchWindows
  readonly pass: (ms: number) => void
}

function mockedClock(t: TestContext): Clock {
  t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] })
  const clock: Clock = {
    nowMs: 10_300,
    windows: new BatchWindows(() => clock.nowMs),
    pass(ms) {
      clock.nowMs += ms
      t.mock.timers.tick(ms)
    },
  }
  return clock
}

/** A subscription to batches of a second, whose symbols have the price number 1. */
function open(clock: Clock, symbols: readonly string[], after: readonly PriceCursor[] = []) {
  const histories = new Map(symbols.map((symbol) => [symbol, new PriceHistory()]))
  const subscription = new PriceSubscription(
    { symbols, throttleMs: 0, isBatched: true, after: new Map(after.map((cursor) => [cursor.symbol, cursor])) },
    { now: () => clock.nowMs, counts: { delivered: 0, conflated: 0 }, onEnd: () => {} },
  )
  const seats = new Map(subscription.seats.map((seat) => [seat.symbol, seat]))
  const push = (...updates: readonly PriceUpdate[]): void => {
    for (const update of updates) {
      histories.get(update.quote.symbol)?.add(update, 1000)
      seats.get(update.quote.symbol)?.push(update)
    }
  }
  push(...symbols.map((symbol) => updateOf(symbol, 1)))
  for (const seat of subscription.seats)
    seat.open({ history: histories.get(seat.symbol) ?? assert.fail(), unfollow: () => {} })
  return { batches: new PriceBatches(subscription, 1000, clock.windows), subscription, push }
}

/** Takes the batches until it is told to take no more. */
function reader(batches: PriceBatches) {
  const taken: PriceUpdate[][] = []
  const state = { takes: true, ends: 0 }
  batches.pipe({
    take(batch) {
      if (state.takes) taken.push([...batch])
      return state.takes
    },
    end: () => {
      state.ends += 1
    },
  })
  return { state, seen: () => taken.splice(0).map((batch) => batch.map(shown)), taken }
}

test('the first batch has every symbol at once, then each window has the newest of those that have changed, and none is empty', (t) => {
  const clock = mockedClock(t)
  const { batches, push } = open(clock, ['A', 'B', 'C'])
  const { seen } = reader(batches)
  assert.deepEqual(seen(), [['SNAPSHOT A 1', 'SNAPSHOT B 1', 'SNAPSHOT C 1']])
  push(updateOf('B', 2), updateOf('A', 2), updateOf('B', 3))
  assert.deepEqual(seen(), [])
  clock.pass(699)
  assert.deepEqual(seen(), [])
  clock.pass(1)
  assert.deepEqual(seen(), [['TICK B 3', 'TICK A 2']])
  clock.pass(5000)
  assert.deepEqual(seen(), [])
  push(updateOf('C', 2, 'STATUS'))
  clock.pass(1000)
  assert.deepEqual(seen(), [['STATUS C 2']])
})

test('windows of one length end at the same time for all, so that clients with the same symbols get the same updates', (t) => {
  const clock = mockedClock(t)
  const one = open(clock, ['A', 'B'])
  const first = reader(one.batches)
  clock.pass(350)
  const other = open(clock, ['A', 'B'])
  const second = reader(other.batches)
  const updates = [updateOf('A', 2), updateOf('B', 2)]
  for (const { push } of [one, other]) push(...updates)
  first.taken.length = 0
  second.taken.length = 0
  clock.pass(350)
  assert.deepEqual(first.taken, [updates])
  assert.ok(second.taken[0]?.every((update, i) => update === first.taken[0]?.[i]))
})

test('a window that ends a little early does not make the next one short', (t) => {
  const clock = mockedClock(t)
  const { batches, push } = open(clock, ['A'])
  const { seen } = reader(batches)
  seen()
  push(updateOf('A', 2))
  clock.nowMs -= 1
  clock.pass(700)
  assert.deepEqual(seen(), [['TICK A 2']])
  push(updateOf('A', 3))
  clock.pass(500)
  assert.deepEqual(seen(), [])
  clock.pass(501)
  assert.deepEqual(seen(), [['TICK A 3']])
})

test('thousands whose windows end together are told in turns, each once', (t) => {
  const clock = mockedClock(t)
  const all = Array.from({ length: 1000 }, () => {
    const { batches, push } = open(clock, ['A'])
    const { seen, taken } = reader(batches)
    seen()
    push(updateOf('A', 2))
    return taken
  })
  const told = () => all.filter((taken) => taken.length > 0).length
  clock.nowMs += 700
  t.mock.timers.runAll()
  t.mock.timers.runAll()
  assert.ok(all.every((taken) => taken.length === 1))
  assert.equal(told(), 1000)
})

test('what was missed since the cursors comes as the newest of each symbol, and nothing if nothing was missed', (t) => {
  const clock = mockedClock(t)
  const { batches, push } = open(
    clock,
    ['A', 'B', 'C'],
    [
      { symbol: 'A', run: 'r', seq: 1 },
      { symbol: 'B', run: 'r', seq: 1 },
      { symbol: 'C', run: 'of before', seq: 1 },
    ],
  )
  push(updateOf('A', 2), updateOf('A', 3), updateOf('A', 4, 'STATUS'))
  const { seen } = reader(batches)
  assert.deepEqual(seen(), [['TICK A 4', 'SNAPSHOT C 1']])
})

test('a client that takes nothing for a while gets the newest of all it has missed, and is offered nothing twice', (t) => {
  const clock = mockedClock(t)
  const { batches, push } = open(clock, ['A', 'B'])
  const { state, seen } = reader(batches)
  seen()
  state.takes = false
  push(updateOf('A', 2))
  clock.pass(1000)
  push(updateOf('B', 2), updateOf('A', 3))
  clock.pass(1000)
  state.takes = true
  batches.resume()
  assert.deepEqual(seen(), [])
  clock.pass(1000)
  assert.deepEqual(
    seen().map((batch) => batch.sort()),
    [['TICK A 3', 'TICK B 2']],
  )
  clock.pass(5000)
  assert.deepEqual(seen(), [])
})

test('an iterating client gets batches in order, and the end when the server ends', async (t) => {
  const clock = mockedClock(t)
  const { batches, subscription, push } = open(clock, ['A', 'B'])
  assert.deepEqual((await batches.next()).value?.map(shown), ['SNAPSHOT A 1', 'SNAPSHOT B 1'])
  push(updateOf('A', 2))
  clock.pass(1000)
  push(updateOf('A', 3), updateOf('B', 2))
  clock.pass(1000)
  assert.deepEqual((await batches.next()).value?.map(shown), ['TICK A 2'])
  clock.pass(1000)
  assert.deepEqual((await batches.next()).value?.map(shown).sort(), ['TICK A 3', 'TICK B 2'])
  const last = batches.next()
  void subscription.return()
  assert.equal((await last).done, true)
})

test('whatever comes and whenever a client takes it, its numbers only grow, and it ends with the newest of each symbol', (t) => {
  const kinds: readonly PriceUpdateKind[] = ['TICK', 'STATUS']
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ symbol: fc.constantFrom('A', 'B', 'C'), kind: fc.constantFrom(...kinds) }) },
    { weight: 2, arbitrary: fc.record({ pass: fc.integer({ min: 1, max: 1500 }) }) },
    { weight: 1, arbitrary: fc.record({ takes: fc.boolean() }) },
  )
  t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      t.mock.timers.reset()
      const clock = mockedClock(t)
      const { batches, push } = open(clock, ['A', 'B', 'C'])
      const { state, taken } = reader(batches)
      const newest: Record<string, number> = { A: 1, B: 1, C: 1 }
      const sent = new Map<string, PriceUpdate>()
      for (const each of steps) {
        if ('symbol' in each) {
          const seq = (newest[each.symbol] ?? 0) + 1
          newest[each.symbol] = seq
          push(updateOf(each.symbol, seq, each.kind))
        } else if ('pass' in each) clock.pass(each.pass)
        else if (each.takes !== state.takes) {
          state.takes = each.takes
          if (each.takes) batches.resume()
        }
      }
      state.takes = true
      batches.resume()
      clock.pass(2500)
      for (const batch of taken) {
        assert.equal(new Set(batch.map(({ quote }) => quote.symbol)).size, batch.length, 'a symbol twice in a batch')
        for (const update of batch) {
          assert.ok(update.seq > (sent.get(update.quote.symbol)?.seq ?? 0), `${shown(update)} came again`)
          sent.set(update.quote.symbol, update)
        }
      }
      for (const [symbol, seq] of Object.entries(newest)) assert.equal(sent.get(symbol)?.seq, seq)
      void batches.return()
    }),
    { numRuns: 300 },
  )
})
