import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { FinstageError } from '../../../src/domain/errors.ts'
import type { Quote } from '../../../src/domain/quote.ts'
import type { SourceInterval } from '../../../src/domain/time/interval.ts'
import type { CandleBatch } from '../../../src/market/source.ts'
import { type YahooOptions, yahooSource } from '../../../src/market/yahoo/source.ts'
import { decimalOf } from '../../support/candles/recorded-candles.ts'
import { startTestYahoo, type TestYahoo } from '../../support/yahoo/test-yahoo.ts'
import { dividendFactors } from '../../support/yahoo/test-yahoo-actions.ts'
import type { QuoteRow } from '../../support/yahoo/test-yahoo-charts.ts'
import {
  chartOf,
  dateIn,
  isChart,
  isFake,
  type Recording,
  readRecordings,
  rowsOf,
  symbolOf,
  windowOf,
} from '../../support/yahoo/test-yahoo-replay.ts'

const dir = process.env.YAHOO_RECORDINGS_DIR
const recordings = dir === undefined ? [] : readRecordings(dir)
const skip = dir === undefined ? 'YAHOO_RECORDINGS_DIR is not set: nothing recorded to replay' : false

const intervals: Readonly<Record<string, SourceInterval>> = { '1m': 'MINUTE_1', '1h': 'HOUR_1', '1d': 'DAY_1' }
const daySeconds = 86_400

const sourceOf = (yahoo: TestYahoo, options: YahooOptions) => yahooSource({ baseUrl: yahoo.url, ...options })

function queryOf(recording: Recording) {
  const { interval, period1, period2 } = windowOf(recording)
  // Yahoo's windows include their end, ours do not.
  return {
    symbol: symbolOf(recording),
    interval: intervals[interval] ?? 'DAY_1',
    extendedHours: false,
    from: period1,
    to: period2 + daySeconds,
  }
}

test('every recorded quote comes out with the recorded numbers', { skip }, async (t: TestContext) => {
  const files = recordings.filter(({ path }) => path === '/v7/finance/quote')
  assert.ok(files.length > 0)
  for (const recording of files) {
    await t.test(recording.file, async () => {
      await using yahoo = await startTestYahoo({ replay: { dir: dir ?? '', only: recording.file } })
      const now = () => Date.parse(recording.recordedAt)
      const symbols = (recording.query.symbols ?? '').split(',')
      const listings = await sourceOf(yahoo, { now }).listings(symbols)
      const rows = rowsOf(recording).filter((row) => row.quoteType !== 'NONE')
      assert.deepEqual([...listings.keys()].sort(), rows.map((row) => row.symbol).sort())
      for (const row of rows) assertQuote(listings.get(row.symbol)?.quote, row)
      assert.equal(yahoo.requestsTo('quote').length, 1)
    })
  }
})

function assertQuote(quote: Quote | null | undefined, row: QuoteRow): void {
  if (row.regularMarketPrice === undefined) {
    assert.equal(quote, null)
    return
  }
  assert.ok(quote)
  const isPost = Number(row.postMarketTime ?? 0) > Number(row.regularMarketTime)
  assert.equal(quote.price, isPost ? row.postMarketPrice : row.regularMarketPrice)
  assert.equal(quote.timeMs, Number(isPost ? row.postMarketTime : row.regularMarketTime) * 1000)
  assert.equal(quote.regularPrice, isPost ? row.regularMarketPrice : null)
  // All were recorded after the close or in the session: before the open Yahoo's previous close is not the last one.
  assert.notEqual(row.marketState, 'PRE')
  const close = row.regularMarketPreviousClose === undefined ? null : Number(row.regularMarketPreviousClose)
  assert.equal(quote.change, close === null ? null : quote.price - close)
  assert.equal(quote.changePercent, close === null ? null : ((quote.price - close) / close) * 100)
  const regular = Number(row.regularMarketPrice)
  assert.equal(quote.extendedChange, isPost ? quote.price - regular : null)
  assert.equal(quote.extendedChangePercent, isPost ? ((quote.price - regular) / regular) * 100 : null)
  const same: readonly [keyof Quote, string][] = [
    ['previousClose', 'regularMarketPreviousClose'],
    ['open', 'regularMarketOpen'],
    ['dayHigh', 'regularMarketDayHigh'],
    ['dayLow', 'regularMarketDayLow'],
    ['volume', 'regularMarketVolume'],
    ['bid', 'bid'],
    ['ask', 'ask'],
    ['marketCap', 'marketCap'],
    ['fiftyTwoWeekHigh', 'fiftyTwoWeekHigh'],
    ['fiftyTwoWeekLow', 'fiftyTwoWeekLow'],
    ['currency', 'currency'],
    ['delayMinutes', 'exchangeDataDelayedBy'],
  ]
  for (const [field, recorded] of same) assert.equal(quote[field], row[recorded] ?? null, field)
}

test('every recorded chart comes out with the recorded numbers, prices as the decimals that their float32 values stand for', {
  skip,
}, async (t: TestContext) => {
  const files = recordings.filter((recording) => isChart(recording) && !isFake(recording.file))
  assert.ok(files.length > 0)
  for (const recording of files) {
    await t.test(recording.file, async () => {
      await using yahoo = await startTestYahoo({ replay: { dir: dir ?? '', only: recording.file } })
      const now = () => Date.parse(recording.recordedAt)
      const batch = await sourceOf(yahoo, { now }).candles(queryOf(recording))
      const { meta, timestamp = [], events = {}, indicators } = chartOf(recording)
      const { exchangeTimezoneName: zone } = meta
      const [prices] = indicators.quote
      const isDay = recording.query.interval === '1d'
      const priceOf = (sent: number | undefined) => (typeof sent === 'number' ? decimalOf(sent) : sent)
      const expected = timestamp.map((time, i) => ({
        epoch: isDay ? dateIn(zone, time) : time,
        open: priceOf(prices.open?.[i]),
        high: priceOf(prices.high?.[i]),
        low: priceOf(prices.low?.[i]),
        close: priceOf(prices.close?.[i]),
        volume: prices.volume?.[i],
        closed: true,
        adjustedClose: priceOf(indicators.adjclose?.[0].adjclose[i]) ?? null,
      }))
      assert.deepEqual([batch.candles, batch.excluded], [expected, []])
      assert.deepEqual(
        batch.dividends,
        Object.values(events.dividends ?? {}).map(({ date, amount }) => ({
          epoch: dateIn(zone, date),
          amount,
          currency: null,
        })),
      )
      assert.deepEqual(
        batch.splits,
        Object.values(events.splits ?? {}).map(({ date, numerator, denominator }) => ({
          epoch: dateIn(zone, date),
          numerator,
          denominator,
        })),
      )
      assert.equal(batch.facts?.timezone, zone)
    })
  }
})

test("recorded dividends explain the recorded adjusted closes, by the test Yahoo's own formula", { skip }, () => {
  let explained = 0
  for (const recording of recordings.filter((each) => isChart(each) && !isFake(each.file))) {
    const { timestamp = [], events = {}, indicators } = chartOf(recording)
    const adjusted = indicators.adjclose?.[0].adjclose ?? []
    const closes = indicators.quote[0].close ?? []
    for (const { date, amount } of Object.values(events.dividends ?? {})) {
      const i = timestamp.indexOf(date)
      const [close = Number.NaN, before = Number.NaN] = [closes[i], closes[i - 1]]
      const [adjustedClose = Number.NaN, adjustedBefore = Number.NaN] = [adjusted[i], adjusted[i - 1]]
      const factorOf = dividendFactors({ splits: [], dividends: [{ day: 1, amount }] }, () => before)
      assert.ok(Math.abs(adjustedBefore / before / (adjustedClose / close) / factorOf(0) - 1) < 1e-5)
      explained++
    }
  }
  assert.ok(explained >= 5)
})

test('a spoilt chart is a typed error, or a batch that says what it left out', { skip }, async (t: TestContext) => {
  const files = recordings.filter((recording) => isChart(recording) && isFake(recording.file))
  assert.ok(files.length > 0)
  for (const recording of files) {
    await t.test(recording.file, async () => {
      await using yahoo = await startTestYahoo({ replay: { dir: dir ?? '', fake: recording.file } })
      const now = () => Date.parse(recording.recordedAt)
      const outcome = await sourceOf(yahoo, { now })
        .candles(queryOf(recording))
        .catch((error: unknown) => error)
      assert.equal(yahoo.requestsTo('chart').length, 1)
      if (outcome instanceof Error) {
        assert.ok(outcome instanceof FinstageError)
        assert.equal(outcome.code, 'SOURCE_UNAVAILABLE')
        assert.ok(outcome.cause)
      } else {
        // What has neither times nor prices has nothing to leave out.
        const { candles, excluded, dividends, splits } = outcome as CandleBatch
        assert.deepEqual([candles, excluded, dividends, splits], [[], [], [], []])
        const { indicators } = chartOf(recording)
        assert.deepEqual(indicators.quote, [{}])
      }
    })
  }
})

test('all recordings together are served as one Yahoo', { skip }, async () => {
  await using yahoo = await startTestYahoo({ replay: { dir: dir ?? '' } })
  const source = sourceOf(yahoo, { now: () => Date.UTC(2025, 1, 20) })
  const symbols = [
    'AAPL',
    'BABA',
    'GOOG',
    'QQQ',
    'AMZN',
    'BTC-USD',
    'EURUSD=X',
    'GC=F',
    'MSFT',
    'TSLA',
    'BRKS',
    'APS.AX',
  ]
  assert.equal((await source.listings(symbols)).size, symbols.length - 2)
  assert.equal(yahoo.requestsTo('quote').length, 1)
  const year = { from: Date.UTC(2021, 1, 1) / 1000, to: Date.UTC(2022, 0, 31) / 1000 }
  const { candles } = await source.candles({ symbol: 'MSFT', interval: 'DAY_1', extendedHours: false, ...year })
  assert.equal(candles.length, 252)
})
