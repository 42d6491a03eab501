import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { startApp } from '../support/app.ts'
import { post } from '../support/client.ts'
import { createTestDatabase } from '../support/database.ts'
import { startTestYahoo } from '../support/test-yahoo.ts'
import { isFake, type Recording, readRecordings, rowsOf, windowOf } from '../support/test-yahoo-replay.ts'

const dir = process.env.YAHOO_RECORDINGS_DIR
const recordings = dir === undefined ? [] : readRecordings(dir)
const skip = dir === undefined ? 'YAHOO_RECORDINGS_DIR is not set: nothing recorded to replay' : false
const isChart = ({ path }: Recording) => path.startsWith('/v8/finance/chart/')

/** Asks a whole server whose Yahoo has this one recording. */
async function ask<Data>(recording: Recording, query: string, variables: Record<string, unknown>) {
  await using yahoo = await startTestYahoo({ replay: { dir: dir ?? '', only: recording.file } })
  await using database = await createTestDatabase()
  await using app = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url })
  return await post<Data>(app.api, query, variables)
}

test('every recorded quote comes out of GraphQL with the recorded numbers, unrounded', {
  skip,
}, async (t: TestContext) => {
  const fields: readonly [string, string][] = [
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
  ]
  const query = `query ($s: [Symbol!]!) { quotes(symbols: $s) { symbol price regularPrice time ${fields.map(([name]) => name).join(' ')} } }`
  const files = recordings.filter(({ path }) => path === '/v7/finance/quote')
  assert.ok(files.length > 0)
  for (const recording of files) {
    await t.test(recording.file, async () => {
      const symbols = (recording.query.symbols ?? '').split(',')
      const { data, errors = [] } = await ask<{ quotes: (Record<string, unknown> | null)[] }>(recording, query, {
        s: symbols,
      })
      for (const [place, symbol] of symbols.entries()) {
        const row = rowsOf(recording).find((candidate) => candidate.symbol === symbol && candidate.quoteType !== 'NONE')
        const quote = data?.quotes[place]
        if (row?.regularMarketPrice === undefined) {
          assert.equal(quote, null)
          const error = errors.find(({ path }) => path?.[0] === 'quotes' && path[1] === place)
          assert.equal(error?.extensions.code, row ? 'NO_DATA' : 'SYMBOL_NOT_FOUND')
          continue
        }
        const isPost = Number(row.postMarketTime ?? 0) > Number(row.regularMarketTime)
        const time = Number(isPost ? row.postMarketTime : row.regularMarketTime) * 1000
        assert.deepEqual(quote, {
          symbol,
          price: isPost ? row.postMarketPrice : row.regularMarketPrice,
          regularPrice: isPost ? row.regularMarketPrice : null,
          time: new Date(time).toISOString(),
          ...Object.fromEntries(fields.map(([name, recorded]) => [name, row[recorded] ?? null])),
        })
      }
    })
  }
})

interface ChartBody {
  readonly chart: {
    readonly result: [
      { timestamp?: readonly number[]; indicators: { quote: [Readonly<Record<string, readonly number[]>>] } },
    ]
  }
}
interface Candles {
  candles: { excluded: number; columns: Record<string, number[]> } | null
}

const intervals: Readonly<Record<string, string>> = { '1m': 'MINUTE_1', '1h': 'HOUR_1', '1d': 'DAY_1' }
const candles = `query ($symbol: Symbol!, $interval: Interval!, $from: DateTime, $to: DateTime) {
  candles(symbol: $symbol, interval: $interval, from: $from, to: $to) {
    excluded columns { time open high low close volume } } }`

function windowVariables(recording: Recording) {
  const { interval, period1, period2 } = windowOf(recording)
  const midnight = Math.floor(period1 / 86_400) * 86_400
  return {
    symbol: recording.path.slice('/v8/finance/chart/'.length),
    interval: intervals[interval] ?? 'DAY_1',
    from: new Date(midnight * 1000).toISOString(),
    // Yahoo's windows include their end, ours do not.
    to: new Date((period2 + 86_400) * 1000).toISOString(),
  }
}

test('every recorded chart comes out of GraphQL with the recorded numbers, unrounded', {
  skip,
}, async (t: TestContext) => {
  const files = recordings.filter((recording) => isChart(recording) && !isFake(recording.file))
  assert.ok(files.length > 0)
  for (const recording of files) {
    await t.test(recording.file, async () => {
      const { data, errors } = await ask<Candles>(recording, candles, windowVariables(recording))
      if (recording.query.interval === '1m') {
        // What was recorded lies behind what Yahoo gives of minutes today.
        assert.deepEqual(
          errors?.map(({ extensions }) => [extensions.code, extensions.reachDays]),
          [['RANGE_NOT_AVAILABLE', 30]],
        )
        return
      }
      assert.equal(errors, undefined)
      const [{ timestamp = [], indicators }] = (recording.body as ChartBody).chart.result
      const [prices] = indicators.quote
      assert.equal(data?.candles?.columns.time?.length, timestamp.length)
      for (const column of ['open', 'high', 'low', 'close', 'volume']) {
        assert.deepEqual(data?.candles?.columns[column], prices[column] ?? [], column)
      }
    })
  }
})

test('a spoilt recording gives a typed error or nothing, and the server lives on', { skip }, async (t: TestContext) => {
  const files = recordings.filter((recording) => isChart(recording) && isFake(recording.file))
  assert.ok(files.length > 0)
  for (const recording of files) {
    await t.test(recording.file, async () => {
      await using yahoo = await startTestYahoo({ replay: { dir: dir ?? '', fake: recording.file } })
      await using database = await createTestDatabase()
      await using app = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url })
      const { data, errors } = await post<Candles>(app.api, candles, windowVariables(recording))
      if (errors) {
        assert.ok(['SOURCE_UNAVAILABLE', 'RANGE_NOT_AVAILABLE'].includes(errors[0]?.extensions.code ?? ''))
        assert.deepEqual(errors[0]?.path, ['candles'])
        assert.equal(data?.candles, null)
      } else assert.deepEqual(data?.candles?.columns.time, [])
      const after = await post<{ quote: { price: number } }>(app.api, '{ quote(symbol: "AAPL") { price } }')
      assert.ok((after.data?.quote.price ?? 0) > 0)
    })
  }
})
