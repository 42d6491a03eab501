import assert from 'node:assert/strict'
import { test } from 'node:test'
import { graphql } from 'graphql'
import { Registry } from 'prom-client'
import { FinstageError } from '../../../../src/domain/errors.ts'
import type { InstrumentMatch } from '../../../../src/domain/instrument.ts'
import { MarketService } from '../../../../src/market/market-service.ts'
import { Quarantine } from '../../../../src/market/quarantine.ts'
import { simulatedSource } from '../../../../src/market/simulated/source.ts'
import { createContext, type Ports } from '../../../../src/resolvers/context.ts'
import { schema } from '../../../../src/schema/index.ts'
import type { CandleStore } from '../../../../src/store/candles/candle-store.ts'
import { silentLog } from '../../../support/log.ts'

const nowMs = Date.UTC(2025, 2, 12, 15)

/** The API over the simulated market, whose answers the test may replace. */
function start() {
  const simulated = simulatedSource({ symbolCount: 160, ticksPerSecond: 1, now: () => nowMs })
  const listingCalls: (readonly string[])[] = []
  const searchCalls: string[] = []
  let search = simulated.search
  const registry = new Registry()
  const market = new MarketService({
    source: {
      ...simulated,
      listings: (symbols) => {
        listingCalls.push(symbols)
        return simulated.listings(symbols)
      },
      search: (text, limit) => {
        searchCalls.push(`${limit} ${text}`)
        return search(text, limit)
      },
      reachDays: (interval) => (interval === 'MINUTE_1' ? 29 : null),
    },
    registry,
    quarantine: new Quarantine({ log: silentLog, registry }),
    store: {} as CandleStore,
    now: () => nowMs,
  })
  const limits = { symbolsPerSubscription: 1, upstreamCallsPerOperation: 120 }
  const ports = { market, limits } as Partial<Ports> as Ports
  return {
    listingCalls,
    searchCalls,
    searchBy: (next: typeof search) => {
      search = next
    },
    async run(source: string, variableValues: Record<string, unknown> = {}) {
      const { data, errors } = await graphql({ schema, source, variableValues, contextValue: createContext(ports) })
      const failures = errors?.map(({ path, originalError }) => [
        path?.join('.'),
        originalError instanceof FinstageError ? originalError.code : String(originalError),
      ])
      return { data: JSON.parse(JSON.stringify(data ?? null)), failures }
    },
  }
}

test('ten matches of a search, with their instruments and quotes, make one upstream call for all of them', async () => {
  const { run, listingCalls, searchCalls } = start()
  const query =
    '{ searchInstruments(query: "sim") { symbol name kind exchange instrument { symbol quote { price } } } }'
  const { data, failures } = await run(query)
  assert.equal(failures, undefined)
  assert.equal(data.searchInstruments.length, 10)
  for (const { symbol, kind, instrument } of data.searchInstruments) {
    assert.match(symbol, /^SIM\d{4}$/)
    assert.ok(kind)
    assert.equal(instrument.symbol, symbol)
    assert.ok(instrument.quote.price > 0)
  }
  assert.deepEqual(searchCalls, ['10 sim'])
  assert.deepEqual(
    listingCalls.map((symbols) => symbols.length),
    [10],
  )
})

test('a search is trimmed, bounded by `first`, and one upstream request for all who ask the same', async () => {
  const { run, searchCalls } = start()
  for (const query of ['apple', '  apple ', 'apple']) {
    const { data } = await run('query ($q: String!) { searchInstruments(query: $q, first: 1) { symbol } }', {
      q: query,
    })
    assert.deepEqual(data, { searchInstruments: [{ symbol: 'AAPL' }] })
  }
  assert.deepEqual(searchCalls, ['1 apple'])
})

test('a search text that is none, and a `first` out of bounds, are BAD_USER_INPUT and are never asked', async () => {
  const { run, searchCalls } = start()
  const search = 'query ($q: String!, $n: Int! = 10) { searchInstruments(query: $q, first: $n) { symbol } }'
  const texts = [
    '',
    '   ',
    'a\u0000',
    'a\r\nHost: x',
    'apple\n',
    '\u001b[2J',
    '\ud800',
    'x'.repeat(101),
    'x'.repeat(10_000),
  ]
  for (const q of texts) {
    const { data, failures } = await run(search, { q })
    assert.deepEqual([data, failures], [{ searchInstruments: null }, [['searchInstruments', 'BAD_USER_INPUT']]])
  }
  for (const n of [0, -1, 101]) {
    const { failures } = await run(search, { q: 'apple', n })
    assert.deepEqual(failures, [['searchInstruments', 'BAD_USER_INPUT']])
  }
  assert.deepEqual(searchCalls, [])
  assert.equal((await run(search, { q: 'é'.repeat(100), n: 100 })).failures, undefined)
})

test('a match of which the source knows no more has no instrument, and takes nothing else with it', async () => {
  const { run, searchBy } = start()
  const match = (symbol: string): InstrumentMatch => ({ symbol, name: null, kind: 'OTHER', exchange: 'Somewhere' })
  searchBy(async () => [match('GONE'), match('AAPL')])
  const { data, failures } = await run('{ searchInstruments(query: "x") { symbol exchange instrument { symbol } } }')
  assert.deepEqual(data.searchInstruments, [
    { symbol: 'GONE', exchange: 'Somewhere', instrument: null },
    { symbol: 'AAPL', exchange: 'Somewhere', instrument: { symbol: 'AAPL' } },
  ])
  assert.deepEqual(failures, [['searchInstruments.0.instrument', 'SYMBOL_NOT_FOUND']])
})

test('a search that the source fails is null with its error', async () => {
  const { run, searchBy } = start()
  searchBy(() => Promise.reject(new FinstageError('SOURCE_UNAVAILABLE', 'away')))
  const { data, failures } = await run('{ searchInstruments(query: "x") { symbol } quote(symbol: "AAPL") { symbol } }')
  assert.deepEqual(data, { searchInstruments: null, quote: { symbol: 'AAPL' } })
  assert.deepEqual(failures, [['searchInstruments', 'SOURCE_UNAVAILABLE']])
})

test('instruments come one for each symbol asked, in order; what is unknown is null with its path', async () => {
  const { run, listingCalls } = start()
  const { data, failures } = await run('{ instruments(symbols: ["MSFT", "NOPE", "aapl", "MSFT"]) { symbol } }')
  assert.deepEqual(data.instruments, [{ symbol: 'MSFT' }, null, { symbol: 'AAPL' }, { symbol: 'MSFT' }])
  assert.deepEqual(failures, [['instruments.1', 'SYMBOL_NOT_FOUND']])
  assert.equal(listingCalls.length, 1)
})

test('an instrument says how far back the source goes; null is all there is', async () => {
  const { run } = start()
  const query = '{ instrument(symbol: "AAPL") { a: reachDays(interval: MINUTE_1) b: reachDays(interval: DAY_1) } }'
  assert.deepEqual((await run(query)).data, { instrument: { a: 29, b: null } })
})
