import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appOnTestYahoo } from '../support/app.ts'
import { post } from '../support/client.ts'

const { app, yahoo } = await appOnTestYahoo()

/** How many upstream requests an operation costs. */
async function cost(endpoint: 'quote' | 'chart', query: string): Promise<number> {
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

test('aliases and nesting cost no second upstream request for quotes', async () => {
  const query = `{
    a: quote(symbol: "AAPL") { price instrument { name quote { price instrument { kind } } } }
    b: quote(symbol: "aapl") { price }
    c: instrument(symbol: "MSFT") { quote { price } }
    d: quotes(symbols: ["AAPL", "MSFT", "^GSPC"]) { price }
  }`
  assert.equal(await cost('quote', query), 1)
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

test('a symbol that is no symbol is BAD_USER_INPUT, as a literal and as a variable, without an upstream request', async () => {
  const before = yahoo.requests.length
  for (const symbol of ['../etc/passwd', 'A,B', 'A\r\nB', "'; DROP TABLE jobs", '', 'x'.repeat(10_000)]) {
    const literal = await post(app.api, `{ quote(symbol: ${JSON.stringify(symbol)}) { price } }`)
    const variable = await post(app.api, 'query ($s: Symbol!) { quote(symbol: $s) { price } }', { s: symbol })
    for (const { errors } of [literal, variable]) assert.equal(errors?.[0]?.extensions.code, 'BAD_USER_INPUT')
  }
  assert.equal(yahoo.requests.length, before)
})

test('an empty list and one over its bound are BAD_USER_INPUT', async () => {
  const many = Array.from({ length: 101 }, (_, i) => `S${i}`)
  for (const symbols of [[], many]) {
    const { errors } = await post(app.api, 'query ($s: [Symbol!]!) { quotes(symbols: $s) { price } }', { s: symbols })
    assert.deepEqual(
      errors?.map(({ path, extensions }) => [path, extensions.code]),
      [[['quotes'], 'BAD_USER_INPUT']],
    )
  }
})

test('more than 100 nodes at once are BAD_USER_INPUT', async () => {
  const ids = Array.from({ length: 101 }, () => globalId('Quote:AAPL'))
  const { errors } = await post(app.api, 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids })
  assert.equal(errors?.[0]?.extensions.code, 'BAD_USER_INPUT')
})

test('when the source fails, the last known quote comes as stale; a symbol never seen is SOURCE_UNAVAILABLE', async () => {
  await post(app.api, '{ quote(symbol: "AAPL") { price } }')
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
  const again = await post(app.api, '{ quote(symbol: "AAPL") { stale } }')
  assert.deepEqual(again.data, { quote: { stale: false } })
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

const globalId = (text: string): string => Buffer.from(text).toString('base64')
