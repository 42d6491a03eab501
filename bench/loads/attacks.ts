/** One request of an attacker. */
export interface HostileRequest {
  readonly contentType?: string
  readonly body: string
}

/** What an attacker sends, one request after the other where nothing else is said. */
export interface Attack {
  /** Requests before the attack that set up what it needs. */
  readonly prepare?: readonly HostileRequest[]
  /** How long the preparation takes to have its effect, at most. */
  readonly settleMs?: number
  /** The attack starts this long before the turn of a minute. */
  readonly beforeMinuteMs?: number
  /** Pause between two requests. */
  readonly pauseMs?: number
  /** Connections that send a request's head and then a byte a second. */
  readonly slowConnections?: number
  /** Requests that are sent ahead on one connection. */
  readonly ahead?: number
  /** Queries that are always open on one WebSocket. */
  readonly webSocketQueries?: number
  /** Connections that each send one request after the other. */
  readonly connections?: number
  readonly request: (i: number) => HostileRequest
}

const times = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join(' ')

const json = (query: string, variables: object = {}): HostileRequest => ({ body: JSON.stringify({ query, variables }) })

/** Alternates between the size at which the fault was found and one that fits into 1,500 tokens. */
const inTurns = (i: number, found: number, shorter: number): number => (i % 2 === 1 ? found : shorter)

const market = Array.from({ length: 100 }, (_, i) => `SIM${i}`)

const enqueueInput = (symbols: readonly string[]): string => `input: { symbols: ${JSON.stringify(symbols)} }`
const analysed = ['AAPL', 'MSFT', 'NVDA', 'GOOGL', 'AMZN', 'META', 'TSLA', ...market].slice(0, 100)

const averages = times(20, (k) => `s${k}: sma(period: ${k + 2}) { time value }`)
/** About 25 MB. */
const longChart = json(
  `{ candles(symbol: "AAPL", interval: MINUTE_1, last: 20000) { nodes { time open high low close volume } ${averages} } }`,
)
/** Asked once before, so that no attack begins with a market that has to be made. */
const prepareLongChart = { prepare: [longChart], request: () => longChart }

/** The first ones are named by what they did to an early commit. */
export const attacks: Readonly<Record<string, Attack>> = {
  'a chart polled across a minute turn': {
    beforeMinuteMs: 2000,
    pauseMs: 250,
    request: () => json('{ candles(symbol: "TSLA", interval: MINUTE_1, last: 5) { nodes { time } } }'),
  },
  '26 fragments that fan out': {
    request: () => {
      const fragments = times(
        26,
        (i) => `fragment F${i} on CandleSeries { ${i < 25 ? `...F${i + 1} ...F${i + 1}` : 'hasEarlier'} }`,
      )
      return json(`{ candles(symbol: "AAPL", last: 5) { ...F0 } } ${fragments}`)
    },
  },
  '199 × ADX over one row': {
    request: (i) =>
      json(
        `{ candles(symbol: "AAPL", last: 1) { ${times(inTurns(i, 199, 130), (k) => `a${i}x${k}: adx(period: ${1000 - k}) { adx }`)} } }`,
      ),
  },
  '20 × signals over 20,000 rows': {
    request: () =>
      json(
        `{ candles(symbol: "AAPL", interval: MINUTE_1, last: 20000) { ${times(20, (k) => `a${k}: signals { time }`)} } }`,
      ),
  },
  'results of jobs, 118 times': {
    prepare: Array.from({ length: 3 }, () =>
      json(`mutation { enqueueAnalysis(${enqueueInput(analysed)}) { __typename } }`),
    ),
    settleMs: 8000,
    request: () =>
      json(
        `{ ${times(118, (k) => `a${k}: jobs(first: 100) { ...F }`)} } fragment F on JobConnection { edges { node { result { ... on AnalysisResult { analyses { symbol signals { time kind } indicators { sma50 } } failures { symbol message } } } } } }`,
      ),
  },
  '20,000 errors': {
    request: () =>
      json('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', {
        ids: Array.from({ length: 20_000 }, (_, i) => `x${i}`),
      }),
  },
  'documents dear to validate': {
    request: (i) =>
      json(
        `{ quote(symbol: "AAPL") { ${times(inTurns(i, 200, 100), () => 'instrument { quote { instrument { quote { price open } } } }')} n${i}: price } }`,
      ),
  },
  '30,000 jobs, 200 in a request': {
    request: (i) =>
      json(
        `mutation ($i: EnqueueAnalysisInput!) { ${times(inTurns(i, 200, 20), (k) => `a${k}: enqueueAnalysis(input: $i) { __typename }`)} }`,
        { i: { symbols: ['AAPL'], priority: 'CRITICAL' } },
      ),
  },
  '190 searches in a request': {
    request: (i) =>
      json(
        `{ ${times(inTurns(i, 190, 95), (k) => `a${k}: searchInstruments(query: "${String.fromCharCode(97 + (k % 26))}${i}", first: 50) { symbol name }`)} }`,
      ),
  },
  'mutations by form posts': {
    request: () => ({
      contentType: 'application/x-www-form-urlencoded',
      body: new URLSearchParams({
        query: `mutation { enqueueAnalysis(${enqueueInput(['AAPL'])}) { __typename } }`,
      }).toString(),
    }),
  },
  '8,000 long charts sent ahead': { ...prepareLongChart, ahead: 8000 },
  '100 long charts on a WebSocket': { ...prepareLongChart, webSocketQueries: 100 },
  '50 connections of long charts': { ...prepareLongChart, connections: 50 },
  '400 posts that are slow': { slowConnections: 400, request: () => json('{ quote(symbol: "AAPL") { price } }') },
}
