import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Quote } from '../../../../src/domain/quote.ts'
import { readListing } from '../../../../src/market/yahoo/quote.ts'
import type { QuoteRow } from '../../../support/yahoo/test-yahoo-charts.ts'
import { readRecordings } from '../../../support/yahoo/test-yahoo-replay.ts'

const dir = process.env.YAHOO_RECORDINGS_DIR
const skip = dir === undefined ? 'YAHOO_RECORDINGS_DIR is not set: nothing recorded to replay' : false

// Thursday to Monday. New York is five hours behind UTC; the regular session ends at 16:00, the post-market at 20:00.
const at = (newYork: string): number => Date.parse(`${newYork}:00-05:00`) / 1000
const wednesdayClose = 80
const thursdayClose = 100
const fridayClose = 110

const share = {
  symbol: 'A',
  quoteType: 'EQUITY',
  exchange: 'NMS',
  exchangeTimezoneName: 'America/New_York',
}
const afterThursday = {
  ...share,
  regularMarketPrice: thursdayClose,
  regularMarketTime: at('2026-11-19T16:00'),
  regularMarketPreviousClose: wednesdayClose,
}
const afterFriday = {
  ...share,
  regularMarketPrice: fridayClose,
  regularMarketTime: at('2026-11-20T16:00'),
  regularMarketPreviousClose: thursdayClose,
}
const thursdayPost = { postMarketPrice: 101, postMarketTime: at('2026-11-19T19:59') }
const fridayPost = { postMarketPrice: 121, postMarketTime: at('2026-11-20T19:59') }

type Told = readonly [price: number, time: string, previousClose: number, regularPrice: number | null]

/** What Yahoo sends, and what is right. */
const states: readonly (readonly [name: string, sent: object, told: Told])[] = [
  [
    'PRE: the pre-market price counts from the last close, not from the one before, which Yahoo names',
    { ...afterThursday, marketState: 'PRE', preMarketPrice: 99, preMarketTime: at('2026-11-20T08:00') },
    [99, '2026-11-20T08:00', thursdayClose, thursdayClose],
  ],
  [
    'PRE without a trade yet: still the last close, with the change of its own day',
    { ...afterThursday, marketState: 'PRE' },
    [thursdayClose, '2026-11-19T16:00', wednesdayClose, null],
  ],
  [
    'PRE with a post-market price only: still the day before, which nothing follows yet',
    { ...afterThursday, ...thursdayPost, marketState: 'PRE' },
    [101, '2026-11-19T19:59', wednesdayClose, thursdayClose],
  ],
  [
    'REGULAR: the price counts from the close of the day before',
    {
      ...{ ...afterFriday, marketState: 'REGULAR', regularMarketPrice: 105, regularMarketTime: at('2026-11-20T12:00') },
      ...{ preMarketPrice: 99, preMarketTime: at('2026-11-20T09:29') },
    },
    [105, '2026-11-20T12:00', thursdayClose, null],
  ],
  [
    'REGULAR before the first delayed price: the pre-market price is the newest and counts from the last close',
    { ...afterThursday, marketState: 'REGULAR', preMarketPrice: 99, preMarketTime: at('2026-11-20T09:29') },
    [99, '2026-11-20T09:29', thursdayClose, thursdayClose],
  ],
  [
    "POST: the day's change goes on counting from the close of the day before",
    { ...afterFriday, ...fridayPost, marketState: 'POST' },
    [121, '2026-11-20T19:59', thursdayClose, fridayClose],
  ],
  [
    'POST without a trade yet: the close',
    { ...afterFriday, marketState: 'POST' },
    [fridayClose, '2026-11-20T16:00', thursdayClose, null],
  ],
  [
    'POST of a date without a regular trade: counts from the last regular price',
    { ...afterThursday, postMarketPrice: 101, postMarketTime: at('2026-11-20T17:00'), marketState: 'POST' },
    [101, '2026-11-20T17:00', thursdayClose, thursdayClose],
  ],
  [
    'POSTPOST: the last post-market price stays',
    { ...afterFriday, ...fridayPost, marketState: 'POSTPOST' },
    [121, '2026-11-20T19:59', thursdayClose, fridayClose],
  ],
  [
    'PREPRE: the last post-market price stays until something newer is traded',
    { ...afterThursday, ...thursdayPost, marketState: 'PREPRE' },
    [101, '2026-11-19T19:59', wednesdayClose, thursdayClose],
  ],
  [
    "CLOSED at the weekend: Friday's post-market price with Friday's change",
    { ...afterFriday, ...fridayPost, marketState: 'CLOSED' },
    [121, '2026-11-20T19:59', thursdayClose, fridayClose],
  ],
  [
    "CLOSED where nothing is traded after hours: the close with its day's change",
    { ...afterFriday, marketState: 'CLOSED' },
    [fridayClose, '2026-11-20T16:00', thursdayClose, null],
  ],
]

function assertTold(quote: Quote | null | undefined, [price, time, previousClose, regularPrice]: Told): void {
  assert.ok(quote)
  assert.equal(quote.price, price)
  assert.equal(quote.timeMs, at(time) * 1000)
  assert.equal(quote.previousClose, previousClose)
  assert.equal(quote.change, price - previousClose)
  assert.equal(quote.changePercent, ((price - previousClose) / previousClose) * 100)
  assert.equal(quote.regularPrice, regularPrice)
  assert.equal(quote.extendedChange, regularPrice === null ? null : price - regularPrice)
  assert.equal(
    quote.extendedChangePercent,
    regularPrice === null ? null : ((price - regularPrice) / regularPrice) * 100,
  )
}

const quoteOf = (row: object) => readListing(row, Date.parse('2026-11-23T12:00:00Z'))?.quote

for (const [name, sent, told] of states) test(name, () => assertTold(quoteOf(sent), told))

/** Overnight trade: the evening before, at night, on a Sunday evening. */
const nights: readonly (readonly [time: string, row: typeof afterThursday, post: object])[] = [
  ['2026-11-19T20:30', afterThursday, thursdayPost],
  ['2026-11-20T02:00', afterThursday, thursdayPost],
  ['2026-11-22T20:30', afterFriday, fridayPost],
  ['2026-11-23T03:59', afterFriday, fridayPost],
]
const nightStates = ['PREPRE', 'POSTPOST', 'CLOSED', 'OVERNIGHT', 'NIGHTLY', undefined]

for (const [time, row, post] of nights) {
  for (const name of ['overnight', 'extended']) {
    test(`the ${name} price of ${time} wins in every state, and counts from the last close`, () => {
      const night = { [`${name}MarketPrice`]: 90.5, [`${name}MarketTime`]: at(time) }
      const told = [90.5, time, row.regularMarketPrice, row.regularMarketPrice] as const
      for (const marketState of nightStates) assertTold(quoteOf({ ...row, ...post, ...night, marketState }), told)
    })
  }
}

test('overnight and extended prices that are older, without a time, or 0 are not shown', () => {
  for (const name of ['overnight', 'extended']) {
    for (const [price, time] of [
      [90.5, at('2026-11-19T19:58')],
      [90.5, undefined],
      [0, at('2026-11-20T02:00')],
    ]) {
      const night = { [`${name}MarketPrice`]: price, [`${name}MarketTime`]: time, marketState: 'OVERNIGHT' }
      assertTold(quoteOf({ ...afterThursday, ...thursdayPost, ...night }), [
        101,
        '2026-11-19T19:59',
        wednesdayClose,
        thursdayClose,
      ])
    }
  }
})

test('the extended price that repeats the post-market price is of its day, and before the open still is', () => {
  const extended = { extendedMarketPrice: 121, extendedMarketTime: fridayPost.postMarketTime }
  const told = [121, '2026-11-20T19:59', thursdayClose, fridayClose] as const
  for (const marketState of ['POST', 'POSTPOST', 'CLOSED', 'PREPRE', 'PRE', 'OVERNIGHT']) {
    assertTold(quoteOf({ ...afterFriday, ...fridayPost, ...extended, marketState }), told)
    assertTold(quoteOf({ ...afterFriday, ...extended, marketState }), told)
  }
})

test('whatever the state is called, no older price wins, and changes agree with what the quote shows', () => {
  const sessions = ['regular', 'pre', 'post', 'overnight', 'extended'] as const
  const hours = fc.option(fc.integer({ min: 0, max: 72 }), { nil: undefined })
  const state = fc.constantFrom('PREPRE', 'PRE', 'REGULAR', 'POST', 'POSTPOST', 'CLOSED', 'OVERNIGHT', 'NIGHTLY')
  const times = fc.record(Object.fromEntries(sessions.map((session) => [session, hours])))
  fc.assert(
    fc.property(times, state, (hoursOf, marketState) => {
      // Each session has a price of its own, so that the price tells which was taken.
      const traded = sessions.flatMap((session, i) => {
        const after = hoursOf[session]
        return after === undefined ? [] : [{ session, price: 100 + i, time: at('2026-11-20T00:00') + after * 3600 }]
      })
      const sent = traded.flatMap(({ session, price, time }) => [
        [`${session}MarketPrice`, price],
        [`${session}MarketTime`, time],
      ])
      const row = { ...share, ...Object.fromEntries(sent), regularMarketPreviousClose: wednesdayClose, marketState }
      const quote = quoteOf(row)
      if (traded.length === 0) return assert.equal(quote, null)
      assert.ok(quote)
      assert.equal(quote.timeMs, Math.max(...traded.map(({ time }) => time)) * 1000)
      assert.ok(traded.some(({ price, time }) => price === quote.price && time * 1000 === quote.timeMs))
      const { price, previousClose, regularPrice } = quote
      assert.ok(previousClose === null || previousClose === wednesdayClose || previousClose === regularPrice)
      assert.equal(quote.change, previousClose === null ? null : price - previousClose)
      assert.equal(quote.extendedChange, regularPrice === null ? null : price - regularPrice)
    }),
    { numRuns: 3000 },
  )
})

test('without a regular price an extended one has nothing to count from but what Yahoo names', () => {
  const pre = { preMarketPrice: 99, preMarketTime: at('2026-11-20T08:00') }
  const quote = quoteOf({ ...share, ...pre, regularMarketPreviousClose: wednesdayClose })
  assert.deepEqual([quote?.price, quote?.previousClose, quote?.change, quote?.regularPrice], [99, null, null, null])
})

/** The rows of quotes anywhere in a recorded answer: screeners send them too. */
function rowsIn(value: unknown): QuoteRow[] {
  if (value === null || typeof value !== 'object') return []
  if ('marketState' in value && 'regularMarketPrice' in value) return [value as QuoteRow & typeof value]
  return Object.values(value).flatMap(rowsIn)
}

test("every recorded quote says Yahoo's own change of its session", { skip }, () => {
  const seen = new Map<string, number>()
  for (const { body } of readRecordings(dir ?? '')) {
    for (const row of rowsIn(body)) {
      const quote = readListing(row, 0)?.quote
      assert.ok(quote)
      const number = (name: string): number | null => (row[name] === undefined ? null : Number(row[name]))
      const session = newestSession(row)
      const close = number(session === 'pre' ? 'regularMarketPrice' : 'regularMarketPreviousClose')
      assert.equal(quote.price, number(`${session}MarketPrice`))
      assert.equal(quote.previousClose, close)
      assert.equal(quote.change, close === null ? null : quote.price - close)
      // Float32 differences; those of crypto count from the price 24 hours before.
      if (row.quoteType !== 'CRYPTOCURRENCY') {
        const told = session === 'regular' ? quote.change : quote.extendedChange
        const percent = session === 'regular' ? quote.changePercent : quote.extendedChangePercent
        assertNear(told, number(`${session}MarketChange`), quote.price * 1e-6)
        assertNear(percent, number(`${session}MarketChangePercent`), 1e-4)
      }
      if (session === 'pre')
        assert.deepEqual([quote.change, quote.changePercent], [quote.extendedChange, quote.extendedChangePercent])
      seen.set(`${row.marketState} ${session}`, (seen.get(`${row.marketState} ${session}`) ?? 0) + 1)
    }
  }
  for (const state of ['PRE pre', 'PRE regular', 'REGULAR regular', 'CLOSED post', 'CLOSED regular']) {
    assert.ok(seen.has(state), state)
  }
})

function newestSession(row: QuoteRow): 'regular' | 'pre' | 'post' {
  const timeOf = (session: string) => Number(row[`${session}MarketTime`] ?? 0)
  const extended = timeOf('pre') > timeOf('post') ? 'pre' : 'post'
  return timeOf(extended) > timeOf('regular') ? extended : 'regular'
}

function assertNear(value: number | null, expected: number | null, tolerance: number): void {
  if (expected === null || value === null) assert.equal(value, expected)
  else assert.ok(Math.abs(value - expected) <= tolerance, `${value}, not ${expected}`)
}
