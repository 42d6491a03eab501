import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appOnTestYahoo } from '../../support/app.ts'
import { metric, post } from '../../support/clients/client.ts'

const { app, yahoo, pass } = await appOnTestYahoo()

/** Until every quote has grown old. */
const nothingFresh = (): void => pass(61_000)

/** How many upstream requests an operation costs for which nothing fresh is at hand. */
async function cost(endpoint: 'quote' | 'chart', query: string): Promise<number> {
  nothingFresh()
  const before = yahoo.requestsTo(endpoint).length
  const { errors } = await post(app.api, query)
  assert.equal(errors, undefined)
  return yahoo.requestsTo(endpoint).length - before
}

test('quotes come in the order asked for, from one upstream request', async () => {
  const before = yahoo.requestsTo('quote').length
  const { data } = await post(
    app.api,
    '{ quotes(symbols: ["MSFT", "AAPL", "BTC-USD", "AAPL"]) { symbol price source } }',
  )
  const quotes = data?.quotes as { symbol: string; price: number; source: string }[]
  assert.deepEqual(
    quotes.map((quote) => quote.symbol),
    ['MSFT', 'AAPL', 'BTC-USD', 'AAPL'],
  )
  assert.ok(quotes.every((quote) => quote.price > 0 && quote.source === 'YAHOO'))
  assert.equal(yahoo.requestsTo('quote').length - before, 1)
})

test('before the open change counts from the last close, after it from the one before, and extendedChange from regularPrice', async () => {
  const ask = async () => {
    nothingFresh()
    const fields =
      'price previousClose change changePercent regularPrice extendedChange extendedChangePercent marketState'
    return (await post(app.api, `{ quote(symbol: "PREOPEN") { ${fields} } }`)).data?.quote
  }
  const closedAt = Date.parse('2025-02-20T21:00:00Z') / 1000
  const close = { regularMarketPrice: 101.5, regularMarketTime: closedAt, regularMarketPreviousClose: 127.5 }
  const pre = { preMarketPrice: 100.75, preMarketTime: closedAt + 16 * 3600 }
  yahoo.setQuote('PREOPEN', { ...close, ...pre, marketState: 'PRE', exchangeTimezoneName: 'America/New_York' })
  const sinceClose = { change: -0.75, changePercent: (-0.75 / 101.5) * 100 }
  assert.deepEqual(await ask(), {
    ...{ price: 100.75, previousClose: 101.5, ...sinceClose, regularPrice: 101.5, marketState: 'PRE' },
    ...{ extendedChange: -0.75, extendedChangePercent: sinceClose.changePercent },
  })
  const next = { regularMarketPrice: 103.5, regularMarketTime: closedAt + 86_400, regularMarketPreviousClose: 101.5 }
  yahoo.setQuote('PREOPEN', {
    ...{
      ...next,
      preMarketPrice: null,
      postMarketPrice: 103.25,
      postMarketTime: closedAt + 90_000,
      marketState: 'POST',
    },
  })
  assert.deepEqual(await ask(), {
    ...{ price: 103.25, previousClose: 101.5, change: 1.75, changePercent: (1.75 / 101.5) * 100 },
    ...{ regularPrice: 103.5, extendedChange: -0.25, extendedChangePercent: (-0.25 / 103.5) * 100 },
    marketState: 'POST',
  })
})

test('aliases and nesting cost no second upstream request for quotes', async () => {
  const query = `{
    a: quote(symbol: "AAPL") { price instrument { name quote { price instrument { kind } } } }
    b: quote(symbol: "aapl") { price }
    c: instrument(symbol: "MSFT") { quote { price } }
    d: quotes(symbols: ["AAPL", "MSFT", "^GSPC"]) { price }
  }`
  assert.equal(await cost('quote', query), 1)
})

test('what one request has fetched serves the others, while it is fresh', async () => {
  nothingFresh()
  for (const symbol of ['AAPL', 'MSFT']) yahoo.setQuote(symbol, { marketState: 'CLOSED' })
  await post(app.api, '{ quotes(symbols: ["AAPL", "MSFT"]) { price } }')
  // Less than a minute, so that a slow machine does not decide.
  pass(30_000)
  const before = yahoo.requestsTo('quote').length
  await post(app.api, '{ quote(symbol: "AAPL") { price } instrument(symbol: "MSFT") { name } }')
  assert.equal(yahoo.requestsTo('quote').length, before)
  nothingFresh()
  await post(app.api, '{ quote(symbol: "AAPL") { price } instrument(symbol: "MSFT") { name } }')
  assert.equal(yahoo.requestsTo('quote').length, before + 1)
  for (const symbol of ['AAPL', 'MSFT']) yahoo.setQuote(symbol, { marketState: 'REGULAR' })
})

test('aliases and nesting cost no second upstream request for candles', async () => {
  const query = `{
    a: candles(symbol: "MSFT", last: 10) { nodes { close } }
    b: candles(symbol: "MSFT", last: 40) { sma(period: 30) { value } rsi { value } columns { close } }
    c: candles(symbol: "MSFT", last: 20) { nodes { close } }
    d: instrument(symbol: "MSFT") { candles(last: 15) { nodes { close } } }
  }`
  assert.equal(await cost('chart', query), 1)
})

test('an unknown symbol is null with SYMBOL_NOT_FOUND and its path, and the others arrive', async () => {
  const { data, errors } = await post(
    app.api,
    '{ quote(symbol: "NOPE") { price } quotes(symbols: ["AAPL", "NOPE"]) { symbol } }',
  )
  assert.deepEqual(data, { quote: null, quotes: [{ symbol: 'AAPL' }, null] })
  assert.deepEqual(
    errors?.map(({ path, extensions }) => [path, extensions.code]),
    [
      [['quote'], 'SYMBOL_NOT_FOUND'],
      [['quotes', 1], 'SYMBOL_NOT_FOUND'],
    ],
  )
})

const noSymbols = [
  ...['../etc/passwd', 'A,B', 'A\r\nB', "'; DROP TABLE jobs", '', 'x'.repeat(10_000)],
  ...['A\u0000', 'A\u001b[2J', 'A\u2028B', 'AAPL ', 'AAPL?x=1', '%41', 'ſ'],
]
const symbolFields = [
  'quote(symbol: $s) { price }',
  'quotes(symbols: [$s, "AAPL"]) { price }',
  'instrument(symbol: $s) { name }',
  'instruments(symbols: ["AAPL", $s]) { name }',
  'candles(symbol: $s) { nodes { close } }',
]

for (const field of symbolFields) {
  test(`what is no symbol is BAD_USER_INPUT in ${field}, literally and as a variable, and never leaves the house`, async () => {
    nothingFresh()
    const before = yahoo.requests.length
    for (const symbol of noSymbols) {
      const literal = await post(app.api, `{ ${field.replace('$s', JSON.stringify(symbol))} }`)
      const variable = await post(app.api, `query ($s: Symbol!) { ${field} }`, { s: symbol })
      for (const { errors } of [literal, variable]) assert.equal(errors?.[0]?.extensions.code, 'BAD_USER_INPUT')
    }
    assert.equal(yahoo.requests.length, before)
  })
}

test('a search text with control characters, or of 10 kB, is BAD_USER_INPUT and never leaves the house', async () => {
  const before = yahoo.requests.length
  for (const text of ['A\u0000', 'A\r\nHost: elsewhere', '\u001b[2J', 'x'.repeat(10_000)]) {
    const { errors } = await post(app.api, 'query ($q: String!) { searchInstruments(query: $q) { symbol } }', {
      q: text,
    })
    assert.equal(errors?.[0]?.extensions.code, 'BAD_USER_INPUT')
  }
  assert.equal(yahoo.requests.length, before)
})

test('a global id of what is no symbol is null, and never leaves the house', async () => {
  nothingFresh()
  const before = yahoo.requests.length
  for (const symbol of noSymbols.filter((each) => each !== '')) {
    const ids = [globalId(`Quote:${symbol}`), globalId(`Instrument:${symbol}`)]
    const { data } = await post(app.api, 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids })
    assert.deepEqual(data, { nodes: [null, null] }, JSON.stringify(symbol))
  }
  assert.equal(yahoo.requests.length, before)
})

test('an empty list and one over its bound are BAD_USER_INPUT', async () => {
  const many = Array.from({ length: 101 }, (_, i) => `S${i}`)
  for (const field of ['quotes', 'instruments']) {
    for (const s of [[], many]) {
      const { errors } = await post(app.api, `query ($s: [Symbol!]!) { ${field}(symbols: $s) { id } }`, { s })
      assert.deepEqual(
        errors?.map(({ path, extensions }) => [path, extensions.code]),
        [[[field], 'BAD_USER_INPUT']],
      )
    }
  }
})

test('more than 100 nodes at once are BAD_USER_INPUT', async () => {
  const ids = Array.from({ length: 101 }, () => globalId('Quote:AAPL'))
  const { errors } = await post(app.api, 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids })
  assert.equal(errors?.[0]?.extensions.code, 'BAD_USER_INPUT')
})

test('when the source fails, the last known quote comes as stale; a symbol never seen is SOURCE_UNAVAILABLE', async () => {
  await post(app.api, '{ quote(symbol: "AAPL") { price } }')
  nothingFresh()
  const clear = yahoo.fault('quote', { status: 500 })
  const { data, errors } = await post(
    app.api,
    '{ known: quote(symbol: "AAPL") { symbol stale } other: quote(symbol: "VOD.L") { price } }',
  )
  clear()
  assert.deepEqual(data, { known: { symbol: 'AAPL', stale: true }, other: null })
  assert.deepEqual(
    errors?.map(({ path, extensions }) => [path, extensions.code]),
    [[['other'], 'SOURCE_UNAVAILABLE']],
  )
  nothingFresh()
  const again = await post(app.api, '{ quote(symbol: "AAPL") { stale } }')
  assert.deepEqual(again.data, { quote: { stale: false } })
})

test('when the source refuses for too many requests, that is said, and when to come again', async () => {
  const clear = yahoo.fault('quote', { status: 429, headers: { 'retry-after': '7' } })
  const { errors } = await post(app.api, '{ quote(symbol: "BRK-B") { price } }')
  clear()
  // So that the source may be asked again.
  pass(8000)
  assert.deepEqual(
    errors?.map(({ extensions }) => [extensions.code, extensions.retryAfterSeconds]),
    [['SOURCE_RATE_LIMITED', 7]],
  )
})

test('nonsense from the source does not pass: the last known comes in its place, stale, and it is counted', async () => {
  yahoo.setQuote('ODD', { regularMarketPrice: 50, regularMarketTime: 1_741_800_000 })
  const query = '{ quote(symbol: "ODD") { price stale dayHigh dayLow volume } }'
  nothingFresh()
  await post(app.api, query)
  yahoo.setQuote('ODD', { regularMarketPrice: -1 })
  nothingFresh()
  const refused = await post<{ quote: object }>(app.api, query)
  assert.deepEqual(refused.data?.quote, { price: 50, stale: true, dayHigh: null, dayLow: null, volume: null })
  yahoo.setQuote('ODD', {
    ...{ regularMarketPrice: 51, regularMarketDayHigh: 1, regularMarketDayLow: 2, regularMarketVolume: -1 },
  })
  nothingFresh()
  const mended = await post<{ quote: object }>(app.api, query)
  assert.deepEqual(mended.data?.quote, { price: 51, stale: false, dayHigh: null, dayLow: null, volume: null })
  for (const reason of ['negative price', 'high below low']) {
    assert.equal(await metric(app.metrics, 'finstage_quarantined_total', `reason="${reason}"`), 1)
  }
})

test('a quote and an instrument are found by their global ids, and what is no node is null', async () => {
  const { data } = await post<{ quote: { id: string; instrument: { id: string } } }>(
    app.api,
    '{ quote(symbol: "AAPL") { id instrument { id } } }',
  )
  const ids = [data?.quote.id, data?.quote.instrument.id, ...['Quote:NOPE', 'Quote:../x'].map(globalId)]
  const found = await post<{ nodes: ({ __typename: string } | null)[] }>(
    app.api,
    'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename ... on Quote { symbol } ... on Instrument { name } } }',
    { ids },
  )
  assert.deepEqual(
    found.data?.nodes.map((node) => node?.__typename ?? null),
    ['Quote', 'Instrument', null, null],
  )
  nothingFresh()
  const clear = yahoo.fault('quote', { status: 500 })
  const { data: during, errors } = await post(
    app.api,
    'query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Quote { symbol } } }',
    { ids: ['Quote:AAPL', 'Quote:^IXIC'].map(globalId) },
  )
  clear()
  assert.deepEqual(during, { nodes: [{ symbol: 'AAPL' }, null] })
  assert.deepEqual(
    errors?.map(({ path, extensions }) => [path, extensions.code]),
    [[['nodes', 1], 'SOURCE_UNAVAILABLE']],
  )
})

test('a node that several fields of one operation ask for comes in each of them', async () => {
  // Of what came a moment ago the type is known already.
  nothingFresh()
  const ids = [globalId('Quote:AAPL'), globalId('Instrument:AAPL')]
  const answer = await post(
    app.api,
    `query ($ids: [ID!]!, $id: ID!) {
      one: node(id: $id) { __typename } same: node(id: $id) { __typename }
      all: nodes(ids: $ids) { __typename } again: nodes(ids: $ids) { __typename }
    }`,
    { ids, id: ids[0] },
  )
  const [quote, instrument] = [{ __typename: 'Quote' }, { __typename: 'Instrument' }]
  assert.deepEqual(answer, { data: { one: quote, same: quote, all: [quote, instrument], again: [quote, instrument] } })
})

const globalId = (text: string): string => Buffer.from(text).toString('base64')
