import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readMatches } from '../../../../src/market/yahoo/search.ts'
import { yahooSource } from '../../../../src/market/yahoo/source.ts'
import { startTestYahoo } from '../../../support/yahoo/test-yahoo.ts'
import { isFake, type Recording, readRecordings } from '../../../support/yahoo/test-yahoo-replay.ts'

const apple = {
  isYahooFinance: true,
  symbol: 'AAPL',
  quoteType: 'EQUITY',
  longname: 'Apple Inc.',
  shortname: 'Apple',
  exchDisp: 'NASDAQ',
  exchange: 'NMS',
}
const bodyOf = (...quotes: unknown[]) => ({ quotes, news: [] })

test('a match has the long name, the kind of a quote and the exchange as people call it', () => {
  const match = { symbol: 'AAPL', name: 'Apple Inc.', kind: 'EQUITY', exchange: 'NASDAQ' }
  assert.deepEqual(readMatches(bodyOf(apple), 10), [match])
})

test('a match makes do with the short name and the code of the exchange, or with none', () => {
  const { longname, exchDisp, ...rest } = apple
  const [brief, bare] = readMatches(bodyOf(rest, { isYahooFinance: true, symbol: 'X' }), 10)
  assert.deepEqual([brief?.name, brief?.exchange], ['Apple', 'NMS'])
  assert.deepEqual(bare, { symbol: 'X', name: null, kind: 'OTHER', exchange: null })
})

test('a malformed row costs itself alone, and a malformed field the field', () => {
  const rows = [null, 7, [], {}, { ...apple, symbol: 5 }, { ...apple, longname: 7, exchDisp: {} }, apple]
  const matches = readMatches(bodyOf(...rows), 10)
  assert.deepEqual(
    matches.map(({ name, exchange }) => [name, exchange]),
    [
      ['Apple', 'NMS'],
      ['Apple Inc.', 'NASDAQ'],
    ],
  )
})

test('what is not quoted, or has a symbol that nobody could ask for, is left out', () => {
  const { isYahooFinance, ...unsaid } = apple
  const rows = [
    unsaid,
    { ...apple, isYahooFinance: false },
    { ...apple, symbol: 'A PPL' },
    { ...apple, symbol: 'aapl' },
  ]
  assert.deepEqual(
    readMatches(bodyOf(...rows), 10).map(({ symbol }) => symbol),
    ['AAPL'],
  )
})

test('there are never more matches than asked for, whatever Yahoo sends', () => {
  assert.equal(readMatches(bodyOf(apple, apple, apple), 2).length, 2)
})

test('a search is one request without a crumb, with the text as it is and the limit', async () => {
  await using yahoo = await startTestYahoo()
  const matches = await yahooSource({ baseUrl: yahoo.url }).search('apple & co', 7)
  assert.deepEqual(matches, [])
  assert.deepEqual(
    yahoo.requests.map(({ endpoint, query }) => [endpoint, query.q, query.quotesCount, query.newsCount, query.crumb]),
    [['search', 'apple & co', '7', '0', undefined]],
  )
})

test('a search that Yahoo does not answer is SOURCE_UNAVAILABLE', async () => {
  await using yahoo = await startTestYahoo()
  yahoo.fault('search', { status: 200, body: { quotes: 'none' } })
  await assert.rejects(yahooSource({ baseUrl: yahoo.url }).search('apple', 7), { code: 'SOURCE_UNAVAILABLE' })
})

const dir = process.env.YAHOO_RECORDINGS_DIR
const skip = dir === undefined ? 'YAHOO_RECORDINGS_DIR is not set: nothing recorded to replay' : false
const isSearch = ({ path }: Recording) => path === '/v1/finance/search'

test('every recorded search gives what Yahoo quotes, in its order', { skip }, async () => {
  const searches = readRecordings(dir ?? '').filter((recording) => isSearch(recording) && !isFake(recording.file))
  assert.ok(searches.length > 0)
  for (const { file, query, body } of searches) {
    await using yahoo = await startTestYahoo({ replay: { dir: dir ?? '', only: file } })
    const matches = await yahooSource({ baseUrl: yahoo.url }).search(query.q ?? '', 20)
    const { quotes } = body as { quotes: { isYahooFinance: boolean; symbol: string; shortname?: string }[] }
    const quoted = quotes.filter(({ isYahooFinance, symbol }) => isYahooFinance && !symbol.includes(' '))
    assert.deepEqual(
      matches.map(({ symbol }) => symbol),
      quoted.map(({ symbol }) => symbol),
      file,
    )
    assert.ok(matches.every(({ kind, exchange }) => kind !== undefined && exchange !== null))
  }
})

test('a recorded search that was spoilt gives nothing, and no error', { skip }, async () => {
  const only = 'search-badResult.fake.json'
  await using yahoo = await startTestYahoo({ replay: { dir: dir ?? '', only } })
  assert.deepEqual(await yahooSource({ baseUrl: yahoo.url }).search('AAPL', 20), [])
})
