import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readListing, readRows } from '../../../../src/market/yahoo/quote.ts'

const closedAt = 1_741_809_600
const row = {
  symbol: 'TEST',
  quoteType: 'EQUITY',
  longName: 'Test Incorporated',
  shortName: 'Test',
  currency: 'GBp',
  exchange: 'LSE',
  fullExchangeName: 'London',
  exchangeTimezoneName: 'Europe/London',
  exchangeDataDelayedBy: 20,
  priceHint: 3,
  marketState: 'REGULAR',
  regularMarketPrice: 75.0875,
  regularMarketTime: closedAt,
  regularMarketPreviousClose: 74.5,
  regularMarketChange: 0.5874996,
  regularMarketChangePercent: 0.78859,
  regularMarketOpen: 74.6,
  regularMarketDayHigh: 75.123456789,
  regularMarketDayLow: 74.55,
  regularMarketVolume: 3_000_000_000,
  bid: 75.08,
  ask: 75.09,
  marketCap: 3_674_405_863_424,
  fiftyTwoWeekHigh: 80,
  fiftyTwoWeekLow: 60,
}

const quoteOf = (fields: object) => readListing({ ...row, ...fields }, 1)?.quote
const instrumentOf = (fields: object) => readListing({ ...row, ...fields }, 1)?.instrument

test("a row's numbers are passed on as they came, unrounded", () => {
  assert.deepEqual(readListing(row, 42), {
    instrument: {
      symbol: 'TEST',
      name: 'Test Incorporated',
      kind: 'EQUITY',
      exchange: { code: 'LSE', name: 'London', timezone: 'Europe/London', delayMinutes: 20 },
      currency: 'GBp',
      priceDecimals: 3,
      marketState: 'REGULAR',
    },
    quote: {
      symbol: 'TEST',
      price: 75.0875,
      previousClose: 74.5,
      change: 75.0875 - 74.5,
      changePercent: ((75.0875 - 74.5) / 74.5) * 100,
      open: 74.6,
      dayHigh: 75.123456789,
      dayLow: 74.55,
      volume: 3_000_000_000,
      bid: 75.08,
      ask: 75.09,
      marketCap: 3_674_405_863_424,
      fiftyTwoWeekHigh: 80,
      fiftyTwoWeekLow: 60,
      currency: 'GBp',
      marketState: 'REGULAR',
      timeMs: closedAt * 1000,
      regularPrice: null,
      extendedChange: null,
      extendedChangePercent: null,
      source: 'YAHOO',
      receivedAtMs: 42,
      delayMinutes: 20,
      stale: false,
    },
  })
})

for (const session of ['pre', 'post']) {
  test(`a newer price from the ${session}-market is the price, and the regular one stays beside it`, () => {
    const quote = quoteOf({ [`${session}MarketPrice`]: 76, [`${session}MarketTime`]: closedAt + 60 })
    assert.equal(quote?.price, 76)
    assert.equal(quote?.timeMs, (closedAt + 60) * 1000)
    assert.equal(quote?.regularPrice, 75.0875)
  })

  test(`an older price from the ${session}-market, or one without a time, is not shown`, () => {
    assert.equal(quoteOf({ [`${session}MarketPrice`]: 76, [`${session}MarketTime`]: closedAt - 60 })?.price, 75.0875)
    assert.equal(quoteOf({ [`${session}MarketPrice`]: 76 })?.price, 75.0875)
  })
}

test('of a pre-market and a post-market price the newer one is shown', () => {
  const post = { postMarketPrice: 70, postMarketTime: closedAt + 60 }
  const pre = { preMarketPrice: 80, preMarketTime: closedAt + 3600 }
  assert.equal(quoteOf({ ...post, ...pre })?.price, 80)
  assert.equal(quoteOf({ ...post, ...pre, preMarketTime: closedAt + 30 })?.price, 70)
})

test('a price from before or after the session is enough for a quote', () => {
  const quote = quoteOf({ regularMarketPrice: undefined, postMarketPrice: 70, postMarketTime: closedAt })
  assert.equal(quote?.price, 70)
  assert.equal(quote?.regularPrice, null)
})

test('a price that was written as a float32 is the decimal that it stands for, and no other number is', () => {
  const price = Math.fround(129.04)
  const fields = { regularMarketPreviousClose: price, bid: price, fiftyTwoWeekHigh: price, marketCap: price }
  const volume = 45_743_112
  assert.equal(Math.fround(volume), volume)
  const quote = quoteOf({ ...fields, regularMarketPrice: price, regularMarketVolume: volume })
  assert.deepEqual(
    [quote?.price, quote?.previousClose, quote?.bid, quote?.fiftyTwoWeekHigh],
    [129.04, 129.04, 129.04, 129.04],
  )
  assert.deepEqual([quote?.marketCap, quote?.volume], [price, volume])
})

test('without a price, or without its time, there is a listing and no quote', () => {
  for (const fields of [{ regularMarketPrice: undefined }, { regularMarketPrice: null }, { regularMarketTime: null }]) {
    const listing = readListing({ ...row, ...fields }, 1)
    assert.equal(listing?.instrument.name, 'Test Incorporated')
    assert.equal(listing?.quote, null)
  }
})

test('what Yahoo leaves out is null, never 0', () => {
  const bare = { symbol: 'BARE', quoteType: 'EQUITY', regularMarketPrice: 5, regularMarketTime: closedAt }
  const listing = readListing(bare, 1)
  assert.ok(listing?.quote)
  const known = ['symbol', 'price', 'marketState', 'timeMs', 'source', 'receivedAtMs', 'stale']
  for (const [field, value] of Object.entries(listing.quote)) {
    if (!known.includes(field)) assert.equal(value, null, field)
  }
  assert.deepEqual(listing.instrument, {
    symbol: 'BARE',
    name: null,
    kind: 'EQUITY',
    exchange: null,
    currency: null,
    priceDecimals: 2,
    marketState: 'UNKNOWN',
  })
})

test("change counts from the previous close, whatever Yahoo's own counts from, and has no percentage of 0", () => {
  const without = { regularMarketChange: -3, regularMarketChangePercent: -4 }
  assert.equal(quoteOf({ ...without, regularMarketPrice: 149 })?.change, 74.5)
  assert.equal(quoteOf({ ...without, regularMarketPrice: 149 })?.changePercent, 100)
  assert.equal(quoteOf({ ...without, regularMarketPreviousClose: 0 })?.changePercent, null)
})

test('a malformed field costs itself alone', () => {
  const quote = quoteOf({ bid: '75,08', ask: {}, marketCap: 'n/a', exchangeDataDelayedBy: 'late' })
  assert.equal(quote?.price, 75.0875)
  assert.deepEqual([quote?.bid, quote?.ask, quote?.marketCap, quote?.delayMinutes], [null, null, null, null])
  assert.equal(quoteOf({ regularMarketPrice: '1,234.50' }), null)
  assert.equal(instrumentOf({ priceHint: -1 })?.priceDecimals, 2)
})

test('a row that does not say what it is, or is delisted, is no listing', () => {
  for (const each of [
    null,
    7,
    'AAPL',
    [],
    {},
    { symbol: 'A' },
    { quoteType: 'EQUITY' },
    { ...row, quoteType: 'NONE' },
  ]) {
    assert.equal(readListing(each, 1), null)
  }
})

test('times in milliseconds are taken as such', () => {
  assert.equal(quoteOf({ regularMarketTime: closedAt * 1000 })?.timeMs, closedAt * 1000)
  assert.equal(quoteOf({ regularMarketTime: 1e300 }), null)
})

test("Yahoo's market states map to ours, and new ones to UNKNOWN", () => {
  const states = ['PREPRE', 'PRE', 'REGULAR', 'POST', 'POSTPOST', 'CLOSED', 'OVERNIGHT', 'AUCTION', 'constructor', null]
  const expected = ['CLOSED', 'PRE', 'REGULAR', 'POST', 'CLOSED', 'CLOSED', 'CLOSED', 'UNKNOWN', 'UNKNOWN', 'UNKNOWN']
  assert.deepEqual(
    states.map((marketState) => instrumentOf({ marketState })?.marketState),
    expected,
  )
  assert.deepEqual(
    states.map((marketState) => quoteOf({ marketState })?.marketState),
    expected,
  )
})

test("Yahoo's quote types map to kinds, and new ones to OTHER", () => {
  const types = 'EQUITY ETF INDEX MUTUALFUND CURRENCY CRYPTOCURRENCY FUTURE OPTION ECNQUOTE toString'.split(' ')
  const expected = 'EQUITY ETF INDEX FUND CURRENCY CRYPTO FUTURE OPTION OTHER OTHER'.split(' ')
  assert.deepEqual(
    types.map((quoteType) => instrumentOf({ quoteType })?.kind),
    expected,
  )
})

test('an answer without rows is refused, and one with any rows is taken', () => {
  assert.deepEqual(readRows({ quoteResponse: { result: [1, null] } }), [1, null])
  for (const body of [null, [], {}, { quoteResponse: null }, { quoteResponse: { result: {} } }]) {
    assert.throws(() => readRows(body))
  }
})
