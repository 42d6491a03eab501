import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Instrument } from '../../../../src/domain/instrument.ts'
import type { Quote } from '../../../../src/domain/quote.ts'
import { QuoteGuard } from '../../../../src/market/quotes/guard.ts'
import { listingOf } from '../../../support/candles/listing.ts'

/** 16:00 in New York, a Wednesday. */
const closeMs = Date.UTC(2025, 2, 12, 20)
const hourMs = 3_600_000

/** A guard whose verdicts come as text: the price that it believes, or the reason why it does not. */
function start(instrument: Partial<Instrument> = {}) {
  const reports: string[] = []
  const guard = new QuoteGuard({ report: (symbol, reason) => reports.push(`${symbol} ${reason}`) })
  let receipt = closeMs
  const listing = (fields: Partial<Quote>) =>
    guard.accept(listingOf('A', { timeMs: closeMs, receivedAtMs: receipt++, ...fields }, instrument))
  const price = (value: number, fields: Partial<Quote> = {}) => {
    const believed = listing({ price: value, ...fields })
    return typeof believed === 'string' ? believed : believed.quote?.price
  }
  return { guard, reports, listing, price }
}

for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, null as unknown as number]) {
  test(`a price of ${value} is no price, and the next one is believed`, () => {
    const { price, reports } = start()
    assert.equal(price(value), 'no price')
    assert.equal(price(5), 5)
    assert.equal(price(value), 'no price')
    assert.deepEqual(reports, ['A no price', 'A no price'])
  })
}

test('a symbol may have no price, but one that was there does not go away', () => {
  const { guard, price, reports } = start()
  const bare = listingOf('A', null)
  assert.equal(guard.accept(bare), bare)
  assert.deepEqual(reports, [])
  price(5)
  assert.equal(guard.accept(bare), 'no price')
  assert.deepEqual(reports, ['A no price'])
})

for (const value of [0, -0, -1]) {
  test(`a price of ${Object.is(value, -0) ? '-0' : value} is refused, but not of a future`, () => {
    assert.equal(start().price(value), 'negative price')
    assert.equal(start({ kind: 'FUTURE' }).price(value), value)
  })
}

test('a future may fall below zero from one observation to the next, as crude oil did', () => {
  const { price } = start({ kind: 'FUTURE' })
  for (const value of [18.27, 1.99, 0.5, -37.63, -5.1, 10.01]) assert.equal(price(value), value)
})

test('a price without a time, or from more than a day ahead, is no price: it would hide all that come after', () => {
  const { price } = start()
  assert.equal(price(1, { timeMs: Number.NaN }), 'no price')
  assert.equal(price(1, { timeMs: closeMs + 25 * hourMs }), 'no price')
  assert.equal(price(1), 1)
})

test('a price older than the last believed is refused, one of the same time is not', () => {
  const { price, reports } = start()
  assert.equal(price(1, { timeMs: closeMs }), 1)
  assert.equal(price(2, { timeMs: closeMs - 1 }), 'time backwards')
  assert.equal(price(3, { timeMs: closeMs }), 3)
  assert.deepEqual(reports, ['A time backwards'])
})

test('a price in another currency is refused within a session, and believed in the next', () => {
  const { price } = start()
  assert.equal(price(100, { currency: 'GBP' }), 100)
  for (let i = 0; i < 5; i++) assert.equal(price(100, { currency: 'GBp' }), 'currency changed')
  // Not to name it is not to change it.
  for (const currency of [null, 'GBP']) assert.equal(price(101, { currency }), 101)
  assert.equal(price(100, { currency: 'GBp', timeMs: closeMs + 12 * hourMs }), 100)
})

for (const [from, to, nearby] of [
  [100, 1000, 1100],
  [100, 10, 9],
  [0.1, 3, 4],
] as const) {
  test(`from ${from} to ${to} is a jump, refused until three observations in a row agree`, () => {
    const { price, reports } = start()
    price(from)
    assert.deepEqual([price(to), price(nearby), price(to)], ['price jump', 'price jump', to])
    assert.equal(price(from), 'price jump')
    assert.equal(reports.length, 3)
  })
}

test('what is less than ten times or more than a tenth is believed at once', () => {
  const { price } = start()
  for (const value of [100, 999, 100, 10.1]) assert.equal(price(value), value)
})

test('a jump that is contradicted, by the old price or by another jump, is counted anew', () => {
  const { price } = start()
  price(100)
  assert.deepEqual([price(2000), price(2000), price(101)], ['price jump', 'price jump', 101])
  assert.deepEqual([price(2000), price(2000), price(5)], ['price jump', 'price jump', 'price jump'])
  assert.deepEqual([price(5), price(5)], ['price jump', 5])
})

test('observations that each agree with the one before, but not all with each other, are no witnesses', () => {
  const { price } = start()
  price(1)
  assert.deepEqual([price(20), price(150), price(1000)], ['price jump', 'price jump', 'price jump'])
})

test('one and the same receipt is one witness, however often it is told', () => {
  const { price } = start()
  price(100)
  for (let i = 0; i < 5; i++) assert.equal(price(2000, { receivedAtMs: closeMs + 50 }), 'price jump')
})

test('a session is a date on the exchange: a jump over night is believed, one within the evening is not', () => {
  const { price } = start()
  price(100, { timeMs: closeMs })
  // 21:00 in New York is another date in UTC already.
  assert.equal(price(2000, { timeMs: closeMs + 5 * hourMs }), 'price jump')
  assert.equal(price(2000, { timeMs: closeMs + 13 * hourMs }), 2000)
})

test('what is told of one symbol says nothing of another', () => {
  const { guard } = start()
  guard.accept(listingOf('A', { price: 100 }))
  const other = listingOf('B', { price: 10_000 })
  assert.equal(guard.accept(other), other)
})

test('a high below the low costs both, and not the quote', () => {
  const { listing, reports } = start()
  const believed = listing({ dayHigh: 9, dayLow: 11, open: 10 })
  assert.ok(typeof believed !== 'string')
  assert.deepEqual(
    [believed.quote?.dayHigh, believed.quote?.dayLow, believed.quote?.open, believed.quote?.price],
    [null, null, 10, 100],
  )
  assert.deepEqual(reports, ['A high below low'])
})

test('a number that is none is null, and so is a volume below zero; a volume of zero is one', () => {
  const { listing, reports } = start()
  const wrong = { previousClose: Number.NaN, bid: Number.POSITIVE_INFINITY, delayMinutes: Number.NaN, volume: -1 }
  const believed = listing({ ...wrong, ask: 101 })
  assert.ok(typeof believed !== 'string')
  const { previousClose, bid, ask, volume, delayMinutes } = believed.quote ?? {}
  assert.deepEqual([previousClose, bid, ask, volume, delayMinutes], [null, null, 101, null, null])
  const quiet = listing({ volume: 0, change: -3 })
  assert.ok(typeof quiet !== 'string')
  assert.deepEqual([quiet.quote?.volume, quiet.quote?.change], [0, -3])
  assert.deepEqual(reports, [])
})

test('a listing in order, and one without a quote, come back as they are', () => {
  const { guard } = start()
  for (const listing of [listingOf('A', { dayHigh: 1, dayLow: 1 }), listingOf('B', null)]) {
    assert.equal(guard.accept(listing), listing)
  }
  assert.deepEqual([guard.knows('A'), guard.knows('B')], [true, false])
})

test('what is forgotten is judged by itself', () => {
  const { guard, price } = start()
  price(100)
  guard.forgetAllBut(new Set(['A']))
  assert.equal(price(10_000), 'price jump')
  guard.forget('A')
  assert.equal(price(10_000), 10_000)
  guard.forgetAllBut(new Set())
  assert.equal(price(1, { timeMs: 0 }), 1)
})
