import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Instrument } from '../../../../../src/domain/instrument.ts'
import type { Quote } from '../../../../../src/domain/quote.ts'
import type { Frame } from '../../../../../src/market/yahoo/live/frame.ts'
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
    ...{ symbol: 'A', price: 8, timeMs: 7, marketHours: 1, changePercent: 60, dayVolume: 0, dayHigh: 9, dayLow: 7 },
    ...{ change: 3, openPrice: 6, previousClose: 5, bid: 0, ask: 4, marketCap: 3 },
  }
  const { quote } = merged(last, frame, 10)
  const { price, changePercent, volume, dayHigh, dayLow, change, open, previousClose, bid, ask, marketCap } = quote
  const taken = [price, changePercent, volume, dayHigh, dayLow, change, open, previousClose, bid, ask, marketCap]
  assert.deepEqual(taken, [8, 60, 0, 9, 7, 3, 6, 5, 0, 4, 3])
})

test('prices are the decimals that their float32 stands for, whatever the hint', () => {
  const frame = { symbol: 'A', price: float32(1.23456), bid: float32(1.2299), openPrice: float32(0.00001234) }
  for (const priceHint of [undefined, 2, 4]) {
    const { quote } = merged(last, { ...frame, ...(priceHint === undefined ? {} : { priceHint }) }, 0)
    assert.deepEqual([quote.price, quote.bid, quote.open], [1.23456, 1.2299, 0.00001234])
  }
})

test('a volume and a market value are no prices: they stay as they are', () => {
  const { quote } = merged(last, { symbol: 'A', price: 1, dayVolume: 45_743_112, marketCap: float32(129.04) }, 0)
  assert.deepEqual([quote.volume, quote.marketCap], [45_743_112, float32(129.04)])
})

test('change is counted from the previous close where the frame does not say it, as where it is exactly 0', () => {
  const { quote } = merged(last, { symbol: 'A', price: 200, marketHours: 1 }, 0)
  assert.deepEqual([quote.change, quote.changePercent], [0, 0])
  const newClose = merged(last, { symbol: 'A', price: 200, previousClose: 160 }, 0).quote
  assert.deepEqual([newClose.change, newClose.changePercent], [40, 25])
  const none = merged(pricedListing('A'), { symbol: 'A', price: 200 }, 0).quote
  assert.deepEqual([none.change, none.changePercent], [null, null])
})

test('after the session change goes on counting from the previous close, while that of the stream counts from the close', () => {
  const { quote } = merged(last, { symbol: 'A', price: 211, marketHours: 2, change: 1, changePercent: 0.5 }, 0)
  assert.deepEqual([quote.previousClose, quote.change, quote.changePercent], [200, 11, 5.5])
  assert.deepEqual([quote.regularPrice, quote.extendedChange], [210, 1])
  assert.equal(quote.extendedChangePercent, (1 / 210) * 100)
})

// Friday and Monday. New York is five hours behind UTC.
const at = (newYork: string): number => Date.parse(`${newYork}:00-05:00`)
const exchange = { code: 'NMS', name: 'NasdaqGS', timezone: 'America/New_York', delayMinutes: 0 }
function listed(quote: Partial<Quote>, instrument: Partial<Instrument> = {}) {
  const listing = pricedListing('A', quote)
  return { ...listing, instrument: { ...listing.instrument, exchange, ...instrument } }
}
const ofFriday = {
  close: { price: 101.48, previousClose: 127.61, timeMs: at('2026-11-20T16:00'), marketState: 'POST' },
  post: {
    price: 103,
    previousClose: 127.61,
    regularPrice: 101.48,
    timeMs: at('2026-11-20T19:59'),
    marketState: 'CLOSED',
  },
} as const
const pushes: readonly (readonly [string, Partial<Quote>, Partial<Frame>, Partial<Quote>])[] = [
  [
    'PRE after a close: counts from that close, as the stream says',
    ofFriday.close,
    {
      price: 100.84,
      marketHours: 0,
      timeMs: at('2026-11-23T08:00'),
      change: float32(-0.64),
      previousClose: float32(127.61),
    },
    { previousClose: 101.48, regularPrice: 101.48, marketState: 'PRE' },
  ],
  [
    'PRE after a post-market price: counts from the close',
    ofFriday.post,
    { price: 100.84, marketHours: 0, timeMs: at('2026-11-23T08:00') },
    { previousClose: 101.48, regularPrice: 101.48, marketState: 'PRE' },
  ],
  [
    'PRE where the last trades before the bell were missed: counts from the close that the stream has',
    { ...ofFriday.close, price: 101.4 },
    {
      price: float32(100.84),
      marketHours: 0,
      timeMs: at('2026-11-23T08:00'),
      change: float32(float32(100.84) - float32(101.48)),
    },
    { previousClose: 101.48, regularPrice: 101.48 },
  ],
  [
    'REGULAR after a pre-market price: counts from the same close',
    { price: 100.84, previousClose: 101.48, regularPrice: 101.48, timeMs: at('2026-11-23T09:29'), marketState: 'PRE' },
    { price: 102, marketHours: 1, timeMs: at('2026-11-23T09:31') },
    { previousClose: 101.48, regularPrice: null, marketState: 'REGULAR' },
  ],
  [
    'REGULAR where the pre-market was missed: counts from the last close',
    ofFriday.post,
    { price: 102, marketHours: 1, timeMs: at('2026-11-23T09:31') },
    { previousClose: 101.48, regularPrice: null },
  ],
  [
    'REGULAR where the last trades of the day before were missed: counts from the close that the stream has',
    { ...ofFriday.close, price: 101.4 },
    { price: 102, marketHours: 1, timeMs: at('2026-11-23T09:31'), change: float32(0.52) },
    { previousClose: 101.48, regularPrice: null },
  ],
  [
    'POST: counts on from the close of the day before',
    { price: 101.48, previousClose: 127.61, timeMs: at('2026-11-20T15:59'), marketState: 'REGULAR' },
    { price: 103, marketHours: 2, timeMs: at('2026-11-20T16:10'), change: float32(1.52) },
    { previousClose: 127.61, regularPrice: 101.48, marketState: 'POST' },
  ],
  [
    'POST where the last trades before the bell were missed: their price is the one that the stream counts from',
    { price: 101.4, previousClose: 127.61, timeMs: at('2026-11-20T15:59'), marketState: 'REGULAR' },
    { price: 103, marketHours: 2, timeMs: at('2026-11-20T16:10'), change: float32(1.52) },
    { previousClose: 127.61, regularPrice: 101.48 },
  ],
  [
    'overnight, on the evening before: counts from the last close',
    ofFriday.post,
    { price: 90.5, marketHours: 4, timeMs: at('2026-11-22T20:30') },
    { previousClose: 101.48, regularPrice: 101.48, marketState: 'CLOSED' },
  ],
  [
    'extended hours on a Sunday evening: count from the last close',
    ofFriday.post,
    { price: 90.5, marketHours: 3, timeMs: at('2026-11-22T20:30') },
    { previousClose: 101.48, regularPrice: 101.48, marketState: 'CLOSED' },
  ],
  [
    'extended hours after a night price: the same close',
    { price: 90.5, previousClose: 101.48, regularPrice: 101.48, timeMs: at('2026-11-22T20:30'), marketState: 'CLOSED' },
    { price: 90.6, marketHours: 3, timeMs: at('2026-11-23T02:00') },
    { previousClose: 101.48, regularPrice: 101.48 },
  ],
  [
    "extended hours right after the post-market: still the day's own",
    { ...ofFriday.post, marketState: 'POST' },
    { price: 103.5, marketHours: 3, timeMs: at('2026-11-20T19:59') + 30_000 },
    { previousClose: 127.61, regularPrice: 101.48 },
  ],
]

for (const [name, before, frame, told] of pushes) {
  test(`pushed ${name}`, () => {
    const { quote } = merged(listed(before), { symbol: 'A', price: 1, ...frame }, 0)
    const { previousClose, regularPrice, price } = { ...quote, ...told }
    assert.deepEqual({ ...quote, ...told }, quote)
    assert.ok(previousClose)
    assert.equal(quote.change, price - previousClose)
    assert.equal(quote.changePercent, ((price - previousClose) / previousClose) * 100)
    assert.equal(quote.extendedChange, regularPrice === null ? null : price - regularPrice)
  })
}

test('a frame of the pre-market or of the night counts from the last close, even without a time or an exchange', () => {
  for (const marketHours of [0, 4]) {
    const { quote } = merged(last, { symbol: 'A', price: 212, marketHours }, 0)
    assert.deepEqual([quote.previousClose, quote.regularPrice, quote.change], [210, 210, 2])
  }
})

test('a crypto counts from the close of the UTC day before, while the change of the stream counts from 24 hours ago', () => {
  const utc = { exchange: { ...exchange, timezone: 'UTC' }, kind: 'CRYPTO' } as const
  const before = { price: 96_100, previousClose: 97_000, timeMs: Date.parse('2026-11-20T23:59:59Z') }
  const frame = { symbol: 'A', price: 96_000, change: -1225, marketHours: 1 }
  const sameDay = merged(listed(before, utc), { ...frame, timeMs: before.timeMs + 500 }, 0).quote
  assert.deepEqual([sameDay.previousClose, sameDay.change], [97_000, -1000])
  const nextDay = merged(listed(before, utc), { ...frame, timeMs: before.timeMs + 2000 }, 0).quote
  assert.deepEqual([nextDay.previousClose, nextDay.change], [96_100, -100])
})

test('a future that opens on the evening before keeps its close until the source has settled it', () => {
  const before = { price: 2900, previousClose: 2880, timeMs: at('2026-11-20T16:59') }
  const evening = { symbol: 'A', price: 2910, marketHours: 1, timeMs: at('2026-11-22T18:05') }
  const { quote } = merged(listed(before, { kind: 'FUTURE' }), evening, 0)
  assert.equal(quote.previousClose, 2880)
  const settled = merged(listed(before, { kind: 'FUTURE' }), { ...evening, change: float32(9.6) }, 0).quote
  assert.equal(settled.previousClose, 2900.4)
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

test('extended hours and the night count as CLOSED, a number that is new as UNKNOWN', () => {
  for (const marketHours of [3, 4]) {
    const extended = merged(last, { symbol: 'A', price: 212, marketHours }, 0).quote
    assert.deepEqual([extended.marketState, extended.regularPrice], ['CLOSED', 210])
  }
  for (const marketHours of [5, -1]) {
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
