import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Answer } from '../../support/clients/client.ts'
import { recordings, skipWithoutRecordings as skip, startReplayApp } from '../../support/replay-app.ts'
import type { QuoteRow } from '../../support/yahoo/test-yahoo-charts.ts'
import { isFake, type Recording, rowsOf } from '../../support/yahoo/test-yahoo-replay.ts'

type Errors = Answer<unknown>['errors']
type Told = Record<string, unknown>

const recordedQuotes = recordings.filter(({ path }) => path === '/v7/finance/quote')
const recordedSearches = recordings.filter(({ path, file }) => path === '/v1/finance/search' && !isFake(file))

/** What comes out as it was recorded: our name of it, and Yahoo's. */
const quoteFields: readonly (readonly [string, string])[] = [
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
  ['marketState', 'marketState'],
  ['delayMinutes', 'exchangeDataDelayedBy'],
]
const kinds: Readonly<Record<string, string>> = {
  EQUITY: 'EQUITY',
  ETF: 'ETF',
  MUTUALFUND: 'FUND',
  CURRENCY: 'CURRENCY',
  CRYPTOCURRENCY: 'CRYPTO',
  FUTURE: 'FUTURE',
  OPTION: 'OPTION',
}

const instrumentFields = `
  fragment InstrumentFields on Instrument {
    symbol name kind exchange { code name timezone delayMinutes } currency priceDecimals marketState
  }`
const fragments = `${instrumentFields}
  fragment QuoteFields on Quote {
    symbol price regularPrice change changePercent extendedChange extendedChangePercent time receivedAt source stale
    ${quoteFields.map(([name]) => name).join(' ')}
    instrument { ...InstrumentFields }
  }`

/** The row of a symbol, by Yahoo's word that there is one: NONE is what was delisted. */
const rowOf = (recording: Recording, symbol: string): QuoteRow | undefined =>
  rowsOf(recording).find((row) => row.symbol === symbol && row.quoteType !== 'NONE')

const instrumentOf = (row: QuoteRow) => ({
  symbol: row.symbol,
  name: row.longName ?? row.shortName ?? null,
  kind: kinds[String(row.quoteType)],
  exchange: {
    code: row.exchange,
    name: row.fullExchangeName ?? null,
    timezone: row.exchangeTimezoneName,
    delayMinutes: row.exchangeDataDelayedBy ?? null,
  },
  currency: row.currency ?? null,
  priceDecimals: row.priceHint,
  marketState: row.marketState,
})

function quoteOf(row: QuoteRow, { recordedAt }: Recording) {
  const isPost = Number(row.postMarketTime ?? 0) > Number(row.regularMarketTime)
  const close = row.regularMarketPreviousClose === undefined ? null : Number(row.regularMarketPreviousClose)
  const price = Number(isPost ? row.postMarketPrice : row.regularMarketPrice)
  const sinceClose = close === null ? null : price - close
  const regularPrice = Number(row.regularMarketPrice)
  const sinceRegular = isPost ? price - regularPrice : null
  return {
    symbol: row.symbol,
    price,
    regularPrice: isPost ? regularPrice : null,
    change: sinceClose,
    changePercent: close === null || sinceClose === null ? null : (sinceClose / close) * 100,
    extendedChange: sinceRegular,
    extendedChangePercent: sinceRegular === null ? null : (sinceRegular / regularPrice) * 100,
    time: new Date(Number(isPost ? row.postMarketTime : row.regularMarketTime) * 1000).toISOString(),
    receivedAt: new Date(recordedAt).toISOString(),
    source: 'YAHOO',
    stale: false,
    ...Object.fromEntries(quoteFields.map(([name, recorded]) => [name, row[recorded] ?? null])),
    instrument: instrumentOf(row),
  }
}

/** Where each error belongs, and what it is. */
const placed = (errors: Errors): string[] =>
  (errors ?? []).map(({ path, extensions }) => `${path?.join('.')} ${extensions.code}`).sort()

test('every recorded quote comes out of GraphQL with the recorded facts and numbers, unrounded, by each way in', {
  skip,
}, async (t: TestContext) => {
  assert.ok(recordedQuotes.length > 0)
  for (const recording of recordedQuotes) {
    await t.test(recording.file, async () => {
      await using app = await startReplayApp(recording, { only: recording.file })
      const symbols = (recording.query.symbols ?? '').split(',')
      const rows = symbols.map((symbol) => rowOf(recording, symbol))
      const quoted = rows.map((row) => (row?.regularMarketPrice === undefined ? null : quoteOf(row, recording)))
      const instruments = rows.map((row, i) => row && { ...instrumentOf(row), quote: quoted[i] })
      const failures = rows.map((row, i) => ({
        quote: quoted[i] ? [] : [row ? 'NO_DATA' : 'SYMBOL_NOT_FOUND'],
        instrument: row ? [] : ['SYMBOL_NOT_FOUND'],
        instrumentQuote: row && !quoted[i] ? ['NO_DATA'] : [],
      }))

      const lists = await app.ask<{ quotes: Told[]; instruments: Told[] }>(
        `query ($symbols: [Symbol!]!) {
          quotes(symbols: $symbols) { ...QuoteFields }
          instruments(symbols: $symbols) { ...InstrumentFields quote { ...QuoteFields } }
        } ${fragments}`,
        { symbols },
      )
      assert.deepEqual(lists.data, { quotes: quoted, instruments: instruments.map((each) => each ?? null) })
      assert.deepEqual(
        placed(lists.errors),
        failures
          .flatMap(({ quote, instrument, instrumentQuote }, i) => [
            ...quote.map((code) => `quotes.${i} ${code}`),
            ...instrument.map((code) => `instruments.${i} ${code}`),
            ...instrumentQuote.map((code) => `instruments.${i}.quote ${code}`),
          ])
          .sort(),
      )

      for (const [i, symbol] of symbols.entries()) {
        const one = await app.ask<{ quote: { id: string } | null; instrument: { id: string } | null }>(
          `query ($symbol: Symbol!) {
            quote(symbol: $symbol) { id ...QuoteFields }
            instrument(symbol: $symbol) { id ...InstrumentFields quote { ...QuoteFields } }
          } ${fragments}`,
          { symbol },
        )
        const { id: quoteId, ...quote } = one.data?.quote ?? { id: globalId(`Quote:${symbol}`) }
        const { id: instrumentId, ...instrument } = one.data?.instrument ?? { id: globalId(`Instrument:${symbol}`) }
        assert.deepEqual(one.data?.quote && quote, quoted[i])
        assert.deepEqual(one.data?.instrument && instrument, instruments[i] ?? null)
        const told = failures[i]
        assert.deepEqual(
          placed(one.errors),
          [
            ...(told?.quote ?? []).map((code) => `quote ${code}`),
            ...(told?.instrument ?? []).map((code) => `instrument ${code}`),
            ...(told?.instrumentQuote ?? []).map((code) => `instrument.quote ${code}`),
          ].sort(),
        )

        // Behind an id is nothing, rather than an error.
        const nodes = await app.ask(
          `query ($quoteId: ID!, $instrumentId: ID!, $ids: [ID!]!) {
            quote: node(id: $quoteId) { id ... on Quote { ...QuoteFields } }
            instrument: node(id: $instrumentId) { id ... on Instrument { ...InstrumentFields } }
            nodes(ids: $ids) { __typename id }
          } ${fragments}`,
          { quoteId, instrumentId, ids: [instrumentId, quoteId] },
        )
        const row = rows[i]
        assert.deepEqual(nodes, {
          data: {
            quote: quoted[i] ? { id: quoteId, ...quoted[i] } : null,
            instrument: row ? { id: instrumentId, ...instrumentOf(row) } : null,
            nodes: [
              row ? { __typename: 'Instrument', id: instrumentId } : null,
              quoted[i] ? { __typename: 'Quote', id: quoteId } : null,
            ],
          },
        })
      }
      assert.equal(app.yahoo.requestsTo('quote').length, 1, 'all ways in share one answer of the source')
    })
  }
})

/** Of what nobody can be told an id of. */
const globalId = (text: string): string => Buffer.from(text).toString('base64')

interface SearchRow extends Record<string, unknown> {
  readonly isYahooFinance: boolean
  readonly symbol: string
}

const search = `query ($query: String!, $first: Int! = 10) {
  searchInstruments(query: $query, first: $first) { symbol name kind exchange instrument { ...InstrumentFields } }
} ${instrumentFields}`

test("every recorded search comes out of GraphQL with Yahoo's own rows, in their order, and no more than asked for", {
  skip,
}, async (t: TestContext) => {
  const [recorded] = recordedSearches
  assert.ok(recorded)
  const whole = recordedQuotes.filter(({ query }) => query.fields === undefined)
  await using app = await startReplayApp(recorded)
  for (const recording of recordedSearches) {
    await t.test(recording.file, async () => {
      const rows = (recording.body as { quotes: SearchRow[] }).quotes.filter((row) => row.isYahooFinance)
      assert.ok(rows.length > 0)
      const matches = rows.map(({ symbol, longname, shortname, quoteType, exchDisp }) => {
        const row = whole.map((each) => rowOf(each, symbol)).find((each) => each !== undefined)
        return {
          symbol,
          name: longname ?? shortname ?? null,
          kind: kinds[String(quoteType)],
          exchange: exchDisp,
          instrument: row ? instrumentOf(row) : null,
        }
      })
      for (const first of [undefined, 2]) {
        const { data, errors } = await app.ask(search, { query: recording.query.q, first })
        const expected = matches.slice(0, first)
        assert.deepEqual(data, { searchInstruments: expected })
        assert.deepEqual(
          placed(errors),
          expected
            .flatMap(({ instrument }, i) => (instrument ? [] : [`searchInstruments.${i}.instrument SYMBOL_NOT_FOUND`]))
            .sort(),
        )
      }
    })
  }
})

test('a spoilt search gives a typed error or nothing, and the server lives on', { skip }, async (t: TestContext) => {
  const spoilt = recordings.filter(({ path, file }) => path === '/v1/finance/search' && isFake(file))
  assert.ok(spoilt.length > 0)
  for (const recording of spoilt) {
    await t.test(recording.file, async () => {
      await using app = await startReplayApp(recording, { fake: recording.file })
      const { data, errors } = await app.ask<{ searchInstruments: unknown[] | null }>(search, {
        query: recording.query.q,
      })
      if (errors) {
        assert.deepEqual(placed(errors), ['searchInstruments SOURCE_UNAVAILABLE'])
        assert.equal(data?.searchInstruments, null)
      } else assert.deepEqual(data, { searchInstruments: [] })
      const after = await app.ask<{ quote: { price: number } }>('{ quote(symbol: "AAPL") { price } }')
      assert.ok((after.data?.quote.price ?? 0) > 0)
    })
  }
})
