import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { startApp } from '../../support/app.ts'
import { inTime } from '../../support/clients/client.ts'
import type { PostAnswer, Posted } from '../../support/clients/posting-thread.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { LongestRounds } from '../../support/longest-rounds.ts'

/** A slice takes 2 ms; machines of tests are slow, and code that has not run yet is, too. */
const boundMs = 25

const database = await createTestDatabase()
const nowMs = Date.UTC(2025, 2, 12, 15)
const app = await startApp({ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated' }, 'all', { now: () => nowMs })
const client = new Worker(new URL('../../support/clients/posting-thread.ts', import.meta.url), {
  workerData: `${app.api}/graphql`,
})
after(async () => {
  await client.terminate()
  await app.stop()
  await database[Symbol.asyncDispose]()
})

async function post(posted: Posted): Promise<PostAnswer> {
  client.postMessage(posted)
  const [answer] = await inTime(once(client, 'message'), 'an answer')
  return answer as PostAnswer
}

const minutes = (fields: string): string =>
  `{ candles(symbol: "BTC-USD", interval: MINUTE_1, last: 20000) { ${fields} } }`
const days = (args: string): string => `{ candles(symbol: "AAPL", last: 20000, ${args}) { columns { close } } }`

const symbols = 'AAPL MSFT NVDA GOOGL AMZN META TSLA JPM V WMT KO PEP BTC-USD ETH-USD SPY'.split(' ')
const ninefold = (below: string): string =>
  Array.from({ length: 9 }, (_, i) => `a${i}: instrument { symbol quote { ...${below} } }`).join(' ')
const leaves = `symbol price previousClose change changePercent open dayHigh dayLow volume bid ask marketCap currency time
  fiftyTwoWeekHigh fiftyTwoWeekLow marketState regularPrice extendedChange extendedChangePercent source receivedAt stale`

/** `i` makes parameters that nobody has asked for. */
const operations: Readonly<Record<string, (i: number) => string>> = {
  'all columns of 20,000 candles': () => minutes('columns { epoch open high low close volume }'),
  'all fields of 20,000 candles': () => minutes('nodes { time epoch open high low close volume closed }'),
  'simple averages over a thousand candles': (i) =>
    minutes(`columns { sma(period: ${1000 - i}) wma(period: ${1000 - i}) }`),
  'bands over a thousand candles': (i) =>
    minutes(`columns { bollingerBands(period: ${1000 - i}) { upper middle lower } }`),
  'flows and channels over a thousand candles': (i) =>
    minutes(`columns { mfi(period: ${1000 - i}) cci(period: ${1000 - i}) }`),
  'averages of averages over a thousand candles': (i) =>
    minutes(`columns { stochasticRsi(rsiPeriod: 900, kSmoothing: ${1000 - i}, dPeriod: 1000) { k d } }`),
  'movements over a thousand candles': (i) =>
    minutes(`columns { adx(period: ${500 - i}) { adx plusDi } ichimoku(span: ${1000 - i}) { spanB } }`),
  'points over a thousand candles': (i) => minutes(`bollingerBands(period: ${1000 - i}) { time upper lower }`),
  'sixty quotes of 2,000 fields each': (i) =>
    `query Q${i} { quotes(symbols: ${JSON.stringify([...symbols, ...symbols, ...symbols, ...symbols])}) { ...F } }
     fragment F on Quote { ${ninefold('G')} } fragment G on Quote { ${ninefold('H')} } fragment H on Quote { ${leaves} }`,
  signals: () => minutes('signals { id kind time strength }'),
  'days adjusted for dividends': () => days('adjustment: SPLITS_AND_DIVIDENDS'),
  'days as they were traded': () => days('adjustment: NONE'),
  'weeks of days': () => days('interval: WEEK_1'),
}

test('no operation that is admitted holds the event loop for 25 ms, whatever is the longest it may ask for', async (t) => {
  const rounds = new LongestRounds()
  t.after(() => rounds.stop())
  for (const acceptEncoding of ['identity', 'zstd']) {
    for (const [name, query] of Object.entries(operations)) {
      // The first loads the series and compiles what has not run yet; one of the others may meet with something else.
      const longest: number[] = []
      for (let i = 0; i < 5; i++) {
        await rounds.take()
        const { bytes, begin } = await post({ query: query(i), acceptEncoding })
        assert.ok(bytes > 1000 && !begin.includes('"errors"'), `${name}: ${bytes} bytes: ${begin}`)
        longest.push(await rounds.take())
      }
      const [, second = 0] = longest.slice(1).toSorted((a, b) => b - a)
      assert.ok(second < boundMs, `${name}, ${acceptEncoding}: ${longest.map((ms) => ms.toFixed(1)).join(', ')} ms`)
      t.diagnostic(`${name}, ${acceptEncoding}: ${longest.map((ms) => ms.toFixed(1)).join(', ')} ms`)
    }
  }
})
