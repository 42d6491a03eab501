import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Quote } from '../../../../../src/domain/quote.ts'
import { merged, orderOf, streamSource } from '../../../../../src/market/yahoo/live/priced-listing.ts'
import { pricedListing } from '../../../../support/yahoo/test-streamer.ts'

const full: Partial<Quote> = {
  ...{ price: 210, previousClose: 200, change: 10, changePercent: 5, open: 205, dayHigh: 211, dayLow: 204 },
  ...{ volume: 1000, bid: 209.9, ask: 210.1, marketCap: 3e12, fiftyTwoWeekHigh: 260, timeMs: 5000, delayMinutes: 0 },
}
const last = pricedListing('A', full)
const float32 = Math.fround

test('only what the frame says changes', () => {
  const next = merged(last, { symbol: 'A', price: float32(210.51), timeMs: 6000, dayVolume: 1100 }, 6100)
  assert.deepEqual(next, {
    instrument: last.instrument,
    quote: {
      ...last.quote,
      ...{ price: 210.51, timeMs: 6000, volume: 1100, source: streamSource, receivedAtMs: 6100 },
      ...{ change: 210.51 - 200, changePercent: ((210.51 - 200) / 200) * 100 },
    },
  })
})

test('all that the frame says is taken over, 0 included', () => {
  const frame = {
    ...{ symbol: 'A', price: 8, timeMs: 7, marketHours: 1, changePercent: 0, dayVolume: 0, dayHigh: 9, dayLow: 7 },
    ...{ change: 0, openPrice: 6, previousClose: 5, bid: 0, ask: 4, marketCap: 3 },
  }
  const { quote } = merged(last, frame, 10)
  const { price, changePercent, volume, dayHigh, dayLow, change, open, previousClose, bid, ask, marketCap } = quote
  const taken = [price, changePercent, volume, dayHigh, dayLow, change, open, previousClose, bid, ask, marketCap]
  assert.deepEqual(taken, [8, 0, 0, 9, 7, 0, 6, 5, 0, 4, 3])
})

test("prices are rounded to the frame's own hint, else to the decimals of the instrument", () => {
  const frame = { symbol: 'A', price: float32(1.23456), bid: float32(1.2299), change: float32(-0.00123) }
  const hinted = merged(last, { ...frame, marketHours: 1, priceHint: 4 }, 0).quote
  assert.deepEqual([hinted.price, hinted.bid, hinted.change], [1.2346, 1.2299, -0.0012])
  const unhinted = merged(last, frame, 0).quote
  assert.deepEqual([unhinted.price, unhinted.bid], [1.23, 1.23])
})

test('a hint that is too small does not round a price to nothing', () => {
  assert.equal(merged(last, { symbol: 'A', price: float32(0.00001234), priceHint: 2 }, 0).quote.price, 0.00001234)
})

test('a percentage is the decimal that its float32 stands for', () => {
  const percent = (value: number) =>
    merged(last, { symbol: 'A', price: 1, changePercent: float32(value) }, 0).quote.changePercent
  for (const value of [-1.534484, 0.1, 12.25, 100, 0.0001234567]) assert.equal(percent(value), value)
})

test('change is counted from the previous close where the frame does not say it, as where it is exactly 0', () => {
  const { quote } = merged(last, { symbol: 'A', price: 200, marketHours: 1 }, 0)
  assert.deepEqual([quote.change, quote.changePercent], [0, 0])
  const newClose = merged(last, { symbol: 'A', price: 200, previousClose: 160 }, 0).quote
  assert.deepEqual([newClose.change, newClose.changePercent], [40, 25])
  const none = merged(pricedListing('A'), { symbol: 'A', price: 200 }, 0).quote
  assert.deepEqual([none.change, none.changePercent], [null, null])
})

test('before and after the session change counts from the previous close, as in quotes, whatever the stream says', () => {
  const { quote } = merged(last, { symbol: 'A', price: 211, marketHours: 2, change: 1, changePercent: 0.5 }, 0)
  assert.deepEqual([quote.change, quote.changePercent], [11, 5.5])
})

test("the first price after the session keeps that session's last as regularPrice, up to the next session", () => {
  const after = merged(last, { symbol: 'A', price: 212, marketHours: 2 }, 0)
  assert.deepEqual(
    [after.quote.marketState, after.instrument.marketState, after.quote.regularPrice],
    ['POST', 'POST', 210],
  )
  const before = merged(after, { symbol: 'A', price: 213, marketHours: 0 }, 0)
  assert.deepEqual([before.quote.marketState, before.quote.regularPrice], ['PRE', 210])
  const open = merged(before, { symbol: 'A', price: 214, marketHours: 1 }, 0)
  assert.deepEqual([open.quote.marketState, open.quote.regularPrice], ['REGULAR', null])
})

test('extended hours count as CLOSED, a number that is new as UNKNOWN', () => {
  const extended = merged(last, { symbol: 'A', price: 212, marketHours: 3 }, 0).quote
  assert.deepEqual([extended.marketState, extended.regularPrice], ['CLOSED', 210])
  for (const marketHours of [4, -1]) {
    const { marketState, regularPrice } = merged(last, { symbol: 'A', price: 212, marketHours }, 0).quote
    assert.deepEqual([marketState, regularPrice], ['UNKNOWN', null])
  }
})

test('a frame that does not say its session is of the last one, and where that was none, of the one before the open', () => {
  for (const state of ['PRE', 'REGULAR', 'POST', 'UNKNOWN'] as const) {
    const { quote } = merged(pricedListing('A', { marketState: state }), { symbol: 'A', price: 2 }, 0)
    assert.equal(quote.marketState, state)
  }
  const { quote } = merged(pricedListing('A', { marketState: 'CLOSED' }), { symbol: 'A', price: 2 }, 0)
  assert.deepEqual([quote.marketState, quote.regularPrice], ['PRE', 1])
})

const told = (price: number, timeMs: number, volume: number | null = null): Partial<Quote> => ({
  price,
  timeMs,
  volume,
})
const pushed = (...of: Parameters<typeof told>): Partial<Quote> => ({ ...told(...of), source: streamSource })

const orders: readonly [string, Partial<Quote>, Partial<Quote>, string][] = [
  ['a later frame', pushed(1, 1001), pushed(1, 1002), 'newer'],
  ['an earlier frame', pushed(1, 1002), pushed(2, 1001), 'older'],
  ['the same frame', pushed(1, 1001, 5), pushed(1, 1001, 5), 'same'],
  ['a frame of the same instant with another price', pushed(1, 1001), pushed(2, 1001), 'newer'],
  ['a frame of the same instant with another volume', pushed(1, 1001, 5), pushed(1, 1001, 6), 'newer'],
  ['a later quote', told(1, 1000), told(1, 2000), 'newer'],
  ['an earlier quote', told(1, 2000), told(2, 1000), 'older'],
  ['a quote of the second that was told with its millisecond', told(1, 1400), told(2, 1000), 'newer'],
  ['the same quote', told(1, 1000, 5), told(1, 1000, 5), 'same'],
  ['a quote of the next second after a frame', pushed(1, 1999), told(1, 2000), 'newer'],
  ['a quote of the second before a frame', pushed(1, 2000), told(2, 1000), 'older'],
  ["a quote of the frame's second that has its price", pushed(1, 1700, 5), told(1, 1000, 5), 'same'],
  ["a quote of the frame's second that has traded more", pushed(1, 1700, 5), told(1, 1000, 6), 'newer'],
  ["a quote of the frame's second that has traded less", pushed(1, 1700, 5), told(2, 1000, 4), 'older'],
  ["a quote of the frame's second, other price, no volume", pushed(1, 1700), told(2, 1000, 5), 'unclear'],
  ["a frame of a quote's second that has its price", told(1, 1000, 5), pushed(1, 1700, 5), 'same'],
  ["a frame of a quote's second that has traded less", told(1, 1000, 5), pushed(2, 1700, 4), 'older'],
  ['a quote with the decimals that the frame has lost', pushed(75.09, 1700), told(75.0875, 1000), 'same'],
  ['a quote with the digits that a float32 has lost', pushed(1234567.88, 1700), told(1234567.89, 1000), 'same'],
]

for (const [name, before, after, order] of orders) {
  test(`${name} is ${order}`, () => {
    assert.equal(orderOf(pricedListing('A', before), pricedListing('A', after).quote), order)
  })
}

test('the volume of a crypto decides nothing: it falls too', () => {
  const { instrument, quote } = pricedListing('BTC-USD', pushed(1, 1700, 5))
  const crypto = { instrument: { ...instrument, kind: 'CRYPTO' as const }, quote }
  assert.equal(orderOf(crypto, pricedListing('BTC-USD', told(2, 1000, 4)).quote), 'unclear')
})
