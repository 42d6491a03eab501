import type { GeneratedOperation } from './operations.ts'

/** An operation that is dear in one way: more so the greater `size` is, from 1 to `most`. */
export interface HostileShape {
  readonly most: number
  readonly operation: (size: number) => GeneratedOperation
}

const times = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join(' ')

const shape = (
  most: number,
  query: (size: number) => string,
  variables: (size: number) => object = () => ({}),
): HostileShape => ({
  most,
  operation: (size) => ({ query: query(size), variables: variables(size) as Record<string, unknown> }),
})

/** Each of `depth` fragments spreads the next so many times. */
const spreading = (depth: number, type: string, leaf: string, spread: (name: string) => string): string =>
  `${times(depth, (i) => `fragment F${i} on ${type} { ${i < depth - 1 ? spread(`F${i + 1}`) : leaf} }`)}`

const twice = (name: string): string => `...${name} ...${name}`
const inlineTwice = (type: string) => (name: string) => `... on ${type} { ...${name} } ... { ...${name} }`
const candles = '(symbol: "AAPL", last: 5)'
const someIndicators = 'adx(period: 1000) { plusDi } ichimoku(base: 1000, spanB: 1000) { base } signals { time }'
const symbolsUpTo = (size: number): string[] => Array.from({ length: size }, (_, i) => `S${i}`)

/** What attackers of GraphQL servers send, each in the terms of this schema. */
export const hostileShapes: Readonly<Record<string, HostileShape>> = {
  'fragments that fan out below candles': shape(
    60,
    (n) => `{ candles${candles} { ...F0 } } ${spreading(n, 'CandleSeries', 'hasEarlier', twice)}`,
  ),
  'fragments that fan out below an instrument': shape(
    60,
    (n) =>
      `{ instrument(symbol: "AAPL") { candles(last: 5) { ...F0 } } } ${spreading(n, 'CandleSeries', 'rsi { value }', twice)}`,
  ),
  'fragments that fan out at the root': shape(
    60,
    (n) => `{ ...F0 } ${spreading(n, 'Query', 'quote(symbol: "AAPL") { price }', twice)}`,
  ),
  'fragments that fan out in a subscription': shape(
    60,
    (n) => `subscription { priceUpdates(symbols: ["AAPL"]) { ...F0 } } ${spreading(n, 'PriceUpdate', 'price', twice)}`,
  ),
  'fragments that fan out in a live candle': shape(
    60,
    (n) =>
      `subscription { candleUpdates(symbol: "AAPL") { series { ...F0 } } } ${spreading(n, 'CandleSeries', 'rsi { value }', twice)}`,
  ),
  'fragments that fan out in inline ones': shape(
    40,
    (n) => `{ candles${candles} { ...F0 } } ${spreading(n, 'CandleSeries', 'hasEarlier', inlineTwice('CandleSeries'))}`,
  ),
  'fragments without a field that fan out': shape(
    40,
    (n) => `{ quote(symbol: "A") { ...F0 } } ${spreading(n, 'Quote', '...F0', twice)}`,
  ),
  'fragments that fan out under other names': shape(
    10,
    (n) =>
      `{ instrument(symbol: "AAPL") { ...F0 } } ${spreading(n, 'Instrument', 'symbol', (name) => `a: quote { instrument { ...${name} } } b: quote { instrument { ...${name} } }`)}`,
  ),
  'fragments that multiply tenfold': shape(
    6,
    (n) =>
      `{ quote(symbol: "AAPL") { ...F0 } } ${spreading(n, 'Quote', 'price', (name) => times(10, (i) => `a${i}: instrument { quote { ...${name} } }`))}`,
  ),
  'lists below lists': shape(
    4,
    (n) =>
      `{ instruments(symbols: ["AAPL", "MSFT", "NVDA", "GOOGL", "AMZN", "META", "TSLA"]) { ...F0 } } ${spreading(n, 'Instrument', 'symbol', (name) => times(8, (i) => `a${i}: quote { instrument { ...${name} } }`))}`,
  ),
  'a chain of fragments': shape(
    300,
    (n) => `{ quote(symbol: "AAPL") { ...F0 } } ${spreading(n, 'Quote', 'price', (name) => `...${name}`)}`,
  ),
  'a circle of fragments': shape(
    300,
    (n) => `{ quote(symbol: "AAPL") { ...F0 } } ${spreading(n, 'Quote', '...F0', (name) => `...${name}`)}`,
  ),
  'each fragment spreads all that follow': shape(
    45,
    (n) =>
      `{ quote(symbol: "AAPL") { ...F0 } } ${times(n, (i) => `fragment F${i} on Quote { ${times(n - i - 1, (j) => `...F${i + j + 1}`)} price }`)}`,
  ),
  'the same field again and again': shape(1400, (n) => `{ quote(symbol: "AAPL") { ${times(n, () => 'price')} } }`),
  'the same object again and again': shape(280, (n) => `{ ${times(n, () => 'quote(symbol: "AAPL") { price }')} }`),
  'the same path again and again': shape(
    100,
    (n) => `{ quote(symbol: "AAPL") { ${times(n, () => 'instrument { quote { instrument { name } } }')} } }`,
  ),
  'objects of one name in fragments': shape(
    120,
    (n) =>
      `{ ${times(n, (i) => `...F${i}`)} } ${times(n, (i) => `fragment F${i} on Query { quote(symbol: "AAPL") { price } }`)}`,
  ),
  'fields of one name that differ': shape(
    280,
    (n) => `{ quote(symbol: "AAPL") { ${times(n, (i) => `a: ${i % 2 ? 'price' : 'open'}`)} } }`,
  ),
  'aliases of long candles': shape(
    195,
    (n) => `{ ${times(n, (i) => `a${i}: candles(symbol: "AAPL", last: 20000) { hasEarlier }`)} }`,
  ),
  'aliases of candles with indicators': shape(
    60,
    (n) =>
      `{ ${times(n, (i) => `a${i}: candles(symbol: "AAPL", interval: MINUTE_1, last: 1) { ${someIndicators} }`)} }`,
  ),
  'aliases of ADX over one candle': shape(
    198,
    (n) => `{ candles(symbol: "AAPL", last: 1) { ${times(n, (i) => `a${i}: adx(period: ${1000 - i}) { adx }`)} } }`,
  ),
  'aliases of signals over many candles': shape(
    120,
    (n) =>
      `{ candles(symbol: "AAPL", interval: MINUTE_1, last: 20000) { ${times(n, (i) => `a${i}: signals { time }`)} } }`,
  ),
  'aliases of ichimoku over many candles': shape(
    120,
    (n) =>
      `{ candles(symbol: "AAPL", interval: HOUR_1, last: 5000) { ${times(n, (i) => `a${i}: ichimoku(base: ${1000 - i}) { base spanA spanB }`)} } }`,
  ),
  'aliases of columns and nodes': shape(
    80,
    (n) =>
      `{ candles(symbol: "AAPL", interval: MINUTE_1, last: 6000) { ${times(n, (i) => `a${i}: columns { time close } b${i}: nodes { time }`)} } }`,
  ),
  'candles of many symbols': shape(
    100,
    () =>
      `query ($s: [Symbol!]!) { instruments(symbols: $s) { candles(last: 2000) { columns { close } ${someIndicators} } } }`,
    (n) => ({ s: ['AAPL', 'MSFT', 'NVDA', ...symbolsUpTo(n)].slice(0, n) }),
  ),
  'weeks and months of all history': shape(
    40,
    (n) =>
      `{ ${times(n, (i) => `a${i}: candles(symbol: "AAPL", interval: ${i % 2 ? 'WEEK_1' : 'MONTH_1'}, from: "0001-01-01T00:00:00Z", adjustment: SPLITS_AND_DIVIDENDS) { hasEarlier }`)} }`,
  ),
  'minutes of other days': shape(
    100,
    (n) =>
      `{ ${times(n, (i) => `a${i}: candles(symbol: "AAPL", interval: MINUTE_1, from: "2026-11-${String(1 + (i % 27)).padStart(2, '0')}T00:00:00Z", to: "2026-11-${String(1 + (i % 27)).padStart(2, '0')}T23:00:00Z") { hasEarlier }`)} }`,
  ),
  'searches without end': shape(
    190,
    (n) => `{ ${times(n, (i) => `a${i}: searchInstruments(query: "a${i}", first: 50) { symbol }`)} }`,
  ),
  'searches with what they find': shape(
    60,
    (n) =>
      `{ ${times(n, (i) => `a${i}: searchInstruments(query: "${'abcdefghij'[i % 10]}", first: 50) { instrument { quote { price } candles(last: 500) { hasEarlier } } }`)} }`,
  ),
  'quotes of unknown symbols': shape(
    14,
    (n) => `query ($s: [Symbol!]!) { ${times(n, (i) => `a${i}: quotes(symbols: $s) { price }`)} }`,
    () => ({ s: symbolsUpTo(100) }),
  ),
  'nodes that are not there': shape(
    15_000,
    () => 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
    (n) => ({ ids: Array.from({ length: n }, (_, i) => btoa(`Job:${i}`)) }),
  ),
  'the same node again and again': shape(
    15_000,
    () =>
      'query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Quote { price instrument { candles { columns { close } } } } } }',
    (n) => ({ ids: Array.from({ length: n }, () => btoa('Quote:AAPL')) }),
  ),
  'nodes of several types, each again and again': shape(
    24,
    () => 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename ... on Quote { price } ... on Instrument { name } } }',
    (n) => ({ ids: Array.from({ length: 4 * n }, (_, i) => btoa(i % 4 < 2 ? 'Quote:AAPL' : 'Instrument:MSFT')) }),
  ),
  'nodes with their candles': shape(
    1000,
    () =>
      'query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Instrument { candles(last: 500) { nodes { time close } } } } }',
    (n) => ({ ids: Array.from({ length: n }, (_, i) => btoa(`Instrument:${['AAPL', 'MSFT', 'NVDA'][i % 3]}`)) }),
  ),
  'ids that are none': shape(
    20_000,
    () => 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
    (n) => ({ ids: Array.from({ length: n }, (_, i) => String(i)) }),
  ),
  'jobs with their results, again and again': shape(
    190,
    (n) =>
      `{ ${times(n, (i) => `a${i}: jobs(first: 100) { edges { node { input result { ... on AnalysisResult { analyses { symbol signals { time } } failures { symbol } } } } } }`)} }`,
  ),
  'pages of signals': shape(
    190,
    (n) =>
      `{ ${times(n, (i) => `a${i}: signals(first: 100) { edges { cursor node { symbol outcome { return1d } } } }`)} }`,
  ),
  'analyses of all': shape(
    190,
    (n) =>
      `{ ${times(n, (i) => `a${i}: analyses(symbol: "AAPL", first: 100) { edges { node { signals { time } indicators { sma5 } } } }`)} }`,
  ),
  'fields that do not exist': shape(1400, (n) => `{ quote(symbol: "AAPL") { ${times(n, (i) => `nofield${i}`)} } }`),
  'names that are nearly right': shape(
    1400,
    (n) => `{ quote(symbol: "AAPL") { ${times(n, (i) => `fiftyTwoWeekHigh${i}`)} } }`,
  ),
  'arguments that do not exist': shape(
    400,
    (n) => `{ quote(symbol: "AAPL", ${times(n, (i) => `argument${i}: 1`)}) { price } }`,
  ),
  'values of the wrong type': shape(1400, (n) => `{ quotes(symbols: [${times(n, (i) => `${i}`)}]) { price } }`),
  'variables of the wrong type': shape(
    20_000,
    () => 'query ($s: [Symbol!]!) { quotes(symbols: $s) { price } }',
    (n) => ({ s: Array.from({ length: n }, (_, i) => i) }),
  ),
  'symbols that are none': shape(
    20_000,
    () => 'query ($s: [Symbol!]!) { quotes(symbols: $s) { price } }',
    (n) => ({ s: Array.from({ length: n }, () => '') }),
  ),
  'variables that nobody uses': shape(
    250,
    (n) => `query (${times(n, (i) => `$v${i}: Int = 1`)}) { quote(symbol: "AAPL") { price } }`,
  ),
  'variables that nobody has declared': shape(
    190,
    (n) => `{ ${times(n, (i) => `a${i}: quote(symbol: $v${i}) { price }`)} }`,
  ),
  'variables used in all fragments': shape(
    30,
    (n) =>
      `query (${times(n, (i) => `$v${i}: Symbol!`)}) { ...F0 } ${times(n, (i) => `fragment F${i} on Query { a${i}: quote(symbol: $v${i}) { price } ${times(n - i - 1, (j) => `...F${i + j + 1}`)} }`)}`,
    (n) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`v${i}`, 'AAPL'])),
  ),
  'fragments that nobody spreads': shape(
    200,
    (n) => `{ quote(symbol: "AAPL") { price } } ${times(n, (i) => `fragment F${i} on Quote { price }`)}`,
  ),
  'fragments that are not there': shape(600, (n) => `{ ${times(n, (i) => `...F${i}`)} }`),
  'fragments of one name': shape(
    200,
    (n) => `{ quote(symbol: "AAPL") { ...F } } ${times(n, () => 'fragment F on Quote { price }')}`,
  ),
  'operations of one name': shape(130, (n) => times(n, () => 'query Q { quote(symbol: "AAPL") { price } }')),
  'many operations': shape(130, (n) => times(n, (i) => `query Q${i} { quote(symbol: "AAPL") { price } }`)),
  'directives without end': shape(
    400,
    (n) => `{ quote(symbol: "AAPL") { price ${times(n, () => '@include(if: true)')} } }`,
  ),
  'directives that are not there': shape(
    400,
    (n) => `{ quote(symbol: "AAPL") { price ${times(n, (i) => `@no${i}`)} } }`,
  ),
  'directives at every field': shape(
    48,
    (n) => `query ($b: Boolean!) { ${times(n, (i) => `a${i}: quote(symbol: "AAPL") @skip(if: $b) { price }`)} }`,
    () => ({ b: false }),
  ),
  'inline fragments within each other': shape(
    700,
    (n) => `{ quote(symbol: "AAPL") { ${'... { '.repeat(n)}price${' }'.repeat(n)} } }`,
  ),
  'selections within each other': shape(60_000, (n) => `{ quote(symbol: "AAPL") ${'{ instrument '.repeat(n)}`),
  'whole selections within each other': shape(700, (n) => `{ ${'a { '.repeat(n)}a${' }'.repeat(n)} }`),
  'lists within each other': shape(100_000, (n) => `{ quotes(symbols: ${'['.repeat(n)}`),
  'whole lists within each other': shape(
    700,
    (n) => `{ quotes(symbols: ${'['.repeat(n)}"AAPL"${']'.repeat(n)}) { price } }`,
  ),
  'objects within each other': shape(
    450,
    (n) => `mutation { enqueueAnalysis(input: ${'{ a: '.repeat(n)}1${' }'.repeat(n)}) { __typename } }`,
  ),
  'a type of lists of lists': shape(
    700,
    (n) => `query ($v: ${'['.repeat(n)}Int${']'.repeat(n)}) { quote(symbol: "AAPL") { price } }`,
  ),
  'variables within each other': shape(
    3000,
    () => 'query ($s: [Symbol!]!) { quotes(symbols: $s) { price } }',
    (n) => ({ s: JSON.parse(`${'['.repeat(n)}1${']'.repeat(n)}`) as unknown }),
  ),
  'an input of objects within each other': shape(
    3000,
    () => 'mutation ($input: EnqueueAnalysisInput!) { enqueueAnalysis(input: $input) { __typename } }',
    (n) => ({ input: JSON.parse(`${'{"a":'.repeat(n)}1${'}'.repeat(n)}`) as unknown }),
  ),
  'an input of fields that do not exist': shape(
    15_000,
    () => 'mutation ($input: EnqueueAnalysisInput!) { enqueueAnalysis(input: $input) { __typename } }',
    (n) => ({ input: Object.fromEntries(Array.from({ length: n }, (_, i) => [`symbol${i}`, i])) }),
  ),
  'a long text': shape(200_000, (n) => `{ searchInstruments(query: "${'x'.repeat(n)}") { symbol } }`),
  'a text of escapes': shape(
    30_000,
    (n) => `{ searchInstruments(query: "${String.raw`\u0041`.repeat(n)}") { symbol } }`,
  ),
  'a text of many lines': shape(60_000, (n) => `{ searchInstruments(query: """${' \n'.repeat(n)}""") { symbol } }`),
  'a long name': shape(200_000, (n) => `{ ${'x'.repeat(n)} }`),
  'long names that are nearly right': shape(
    90,
    (n) => `{ quote(symbol: "AAPL") { ${times(n, (i) => `${'fiftyTwoWeekHigh'.repeat(100)}${i}`)} } }`,
  ),
  'a long number': shape(100_000, (n) => `{ candles(symbol: "AAPL", last: ${'9'.repeat(n)}) { hasEarlier } }`),
  'a long comment': shape(200_000, (n) => `{ quote(symbol: "AAPL") { price } } # ${'x'.repeat(n)}`),
  'nothing but commas': shape(200_000, (n) => `${','.repeat(n)}{ quote(symbol: "AAPL") { price } }`),
  'the schema, again and again': shape(
    150,
    (n) => `{ ${times(n, (i) => `a${i}: __schema { types { name fields { name args { name } } } }`)} }`,
  ),
  'the schema, deeper and deeper': shape(
    40,
    (n) => `{ __schema { types { ${'fields { type { '.repeat(n)}name${' } }'.repeat(n)} } } }`,
  ),
  'the schema through fragments': shape(
    12,
    (n) =>
      `{ __schema { types { ...F0 } } } ${spreading(n, '__Type', 'name', (name) => `fields { type { ...${name} } } interfaces { ...${name} }`)}`,
  ),
  'types by name': shape(
    190,
    (n) =>
      `{ ${times(n, (i) => `a${i}: __type(name: "CandleSeries") { fields { name args { name type { name } } } }`)} }`,
  ),
  'type conditions that never hold': shape(
    300,
    (n) =>
      `{ node(id: "UXVvdGU6QUFQTA==") { ${times(n, (i) => `... on ${i % 2 ? 'Quote' : 'Instrument'} { ${i % 2 ? 'price' : 'name'} }`)} } }`,
  ),
  'jobs by the hundred': shape(
    190,
    (n) => `mutation { ${times(n, (i) => `a${i}: enqueueAnalysis(input: { symbols: ["AAPL"] }) { __typename }`)} }`,
  ),
  'jobs of many symbols': shape(
    500,
    () => 'mutation ($s: [Symbol!]!) { enqueueAnalysis(input: { symbols: $s, priority: CRITICAL }) { __typename } }',
    (n) => ({ s: symbolsUpTo(n) }),
  ),
  'jobs that are not there': shape(
    190,
    (n) =>
      `mutation { ${times(n, (i) => `a${i}: cancelJob(id: "${btoa(`Job:00000000-0000-4000-8000-${String(i).padStart(12, '0')}`)}") { __typename }`)} }`,
  ),
  'live prices of many symbols': shape(
    400,
    () => 'subscription ($s: [Symbol!]!) { priceUpdates(symbols: $s) { price } }',
    (n) => ({ s: ['AAPL', ...symbolsUpTo(n)].slice(0, n) }),
  ),
  'live prices after cursors without end': shape(
    5000,
    () => 'subscription ($a: [String!]) { priceUpdates(symbols: ["AAPL"], after: $a) { price } }',
    (n) => ({ a: Array.from({ length: n }, (_, i) => btoa(`AAPL 001 ${i}`)) }),
  ),
  'a live candle with all of its history': shape(
    60,
    (n) =>
      `subscription { candleUpdates(symbol: "AAPL", from: "2026-11-20T00:00:00Z") { series { ${times(n, (i) => `a${i}: adx(period: ${1000 - i}) { adx }`)} } } }`,
  ),
  'many root fields of a subscription': shape(
    190,
    (n) => `subscription { ${times(n, (i) => `a${i}: priceUpdates(symbols: ["AAPL"]) { price }`)} }`,
  ),
}
