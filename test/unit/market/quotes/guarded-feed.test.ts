import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FinstageError } from '../../../../src/domain/errors.ts'
import type { Quote } from '../../../../src/domain/quote.ts'
import type { ListingSink } from '../../../../src/domain/source-feed.ts'
import { QuoteGuard } from '../../../../src/market/quotes/guard.ts'
import { guardedFeed } from '../../../../src/market/quotes/guarded-feed.ts'
import { listingOf } from '../../../support/candles/listing.ts'

function start() {
  const events: string[] = []
  const reports: string[] = []
  const watched: string[] = []
  let source: ListingSink | undefined
  const feed = guardedFeed({
    guard: new QuoteGuard({ report: (symbol, reason) => reports.push(`${symbol} ${reason}`) }),
    sink: {
      update: ({ instrument, quote }) => events.push(`${instrument.symbol} ${quote?.price}`),
      failure: (symbol, { code }) => events.push(`${symbol} ${code}`),
    },
    open: (sink) => {
      source = sink
      return { watch: (symbols) => watched.push([...symbols].join(' ')), stop: async () => void watched.push('stop') }
    },
  })
  return {
    feed,
    events,
    reports,
    watched,
    update: (symbol: string, fields: Partial<Quote>) => source?.update(listingOf(symbol, fields)),
    fail: (symbol: string) => source?.failure(symbol, new FinstageError('SOURCE_UNAVAILABLE', 'away')),
  }
}

test('nonsense is left out and reported, and what the source fails with is passed on', () => {
  const { events, reports, update, fail } = start()
  update('A', { price: 1, timeMs: 1000 })
  update('A', { price: Number.NaN })
  update('A', { price: -1 })
  update('A', { price: 2, timeMs: 999 })
  fail('A')
  update('A', { price: 3, timeMs: 1000 })
  assert.deepEqual(events, ['A 1', 'A SOURCE_UNAVAILABLE', 'A 3'])
  assert.deepEqual(reports, ['A no price', 'A negative price', 'A time backwards'])
})

test('whoever waits for a first price, and it is nonsense, hears at once that there is none', () => {
  const { events, update } = start()
  update('A', { price: Number.NaN })
  update('A', { price: 1 })
  update('A', { price: Number.NaN })
  assert.deepEqual(events, ['A NO_DATA', 'A 1'])
})

test('a jump is to be told again, and is passed on once three receipts agree; other nonsense is not', () => {
  const { events, update } = start()
  update('A', { price: 1 })
  assert.equal(update('A', { price: Number.NaN }), true)
  assert.equal(update('A', { price: 50, receivedAtMs: 1 }), false)
  assert.equal(update('A', { price: 50, receivedAtMs: 2 }), false)
  assert.deepEqual(events, ['A 1'])
  update('A', { price: 50, receivedAtMs: 3 })
  assert.deepEqual(events, ['A 1', 'A 50'])
})

test('a symbol that was unwatched and is watched again starts from the prices of now', async () => {
  const { feed, events, watched, update } = start()
  feed.watch(new Set(['A', 'B']))
  update('A', { price: 1, timeMs: 5000 })
  update('B', { price: 1, timeMs: 5000 })
  feed.watch(new Set(['B']))
  feed.watch(new Set(['A', 'B']))
  update('A', { price: 2, timeMs: 4000 })
  update('B', { price: 2, timeMs: 4000 })
  assert.deepEqual(events, ['A 1', 'B 1', 'A 2'])
  await feed.stop()
  assert.deepEqual(watched, ['A B', 'B', 'A B', 'stop'])
})
