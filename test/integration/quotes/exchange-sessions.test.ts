import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Ports } from '../../../src/resolvers/context.ts'
import { appOnTestYahoo } from '../../support/app.ts'
import { listingOf } from '../../support/candles/listing.ts'
import { post } from '../../support/clients/client.ts'
import { startPriceServer } from '../../support/clients/price-server.ts'

interface SessionAnswer {
  readonly date: string
  readonly opens: string
  readonly closes: string
  readonly breaks: readonly { readonly from: string; readonly to: string }[]
  readonly shortened: boolean
}

/** The API alone at a time, with one instrument of an exchange. */
function apiOf(code: string, now = '2026-11-30T12:00:00Z') {
  const exchange = { code, name: null, timezone: 'UTC', delayMinutes: null }
  const listing = (symbol: string) => listingOf(symbol, {}, { exchange })
  const market = { listing } as unknown as Ports['market']
  return startPriceServer({ ports: { market, now: () => Date.parse(now) } })
}

const sessionsQuery = (from: string, to: string): string =>
  `{ instrument(symbol: "A") { exchange {
    sessions(from: "${from}", to: "${to}") { date opens closes breaks { from to } shortened }
  } } }`

async function sessions(code: string, from: string, to: string) {
  await using server = await apiOf(code)
  const { data, errors } = await post<{ instrument: { exchange: { sessions: SessionAnswer[] | null } } }>(
    server.api,
    sessionsQuery(from, to),
  )
  return { sessions: data?.instrument?.exchange.sessions, errors }
}

async function next(code: string, now: string) {
  await using server = await apiOf(code, now)
  const query = '{ instrument(symbol: "A") { exchange { nextOpen nextClose } } }'
  const { data } = await post<{ instrument: { exchange: { nextOpen: string; nextClose: string } } }>(server.api, query)
  const { nextOpen, nextClose } = data?.instrument.exchange ?? assert.fail('an answer')
  return [nextOpen, nextClose]
}

test('sessions have their hours in UTC, and holidays and weekends none', async () => {
  const thanksgiving = await sessions('NMS', '2026-11-25', '2026-12-01')
  assert.deepEqual(thanksgiving.sessions, [
    session('2026-11-25', '2026-11-25T14:30', '2026-11-25T21:00'),
    { ...session('2026-11-27', '2026-11-27T14:30', '2026-11-27T18:00'), shortened: true },
    session('2026-11-30', '2026-11-30T14:30', '2026-11-30T21:00'),
  ])
  const christmas = await sessions('NMS', '2026-12-25', '2026-12-28')
  assert.deepEqual(christmas.sessions, [])
})

test('sessions tell the lunch break, and of a future the evening before', async () => {
  const hongKong = await sessions('HKG', '2026-11-30', '2026-12-01')
  assert.deepEqual(hongKong.sessions?.[0]?.breaks, [
    { from: '2026-11-30T04:00:00.000Z', to: '2026-11-30T05:00:00.000Z' },
  ])
  const chicago = await sessions('CME', '2026-11-30', '2026-12-01')
  assert.deepEqual(chicago.sessions, [session('2026-11-30', '2026-11-29T23:00', '2026-11-30T23:00')])
})

test('sessions are null where the calendar of the exchange does not know all dates, and where it has none', async () => {
  for (const [code, from, to] of [
    ['SHH', '2026-12-30', '2027-01-05'],
    ['SHH', '2027-03-01', '2027-03-02'],
    ['NMS', '1989-12-01', '1990-02-01'],
    ['NMS', '0001-01-01', '0001-06-01'],
    ['NSI', '2026-11-25', '2026-12-01'],
    ['SIM', '2026-11-25', '2026-12-01'],
  ] as const) {
    const { sessions: answered, errors } = await sessions(code, from, to)
    assert.equal(errors, undefined)
    assert.equal(answered, null, `${code} ${from}`)
  }
})

test('at most 400 dates are answered, and a range that is longer or empty is refused by name', async () => {
  const year = await sessions('CCC', '2025-01-01', '2026-02-05')
  assert.equal(year.sessions?.length, 400)
  for (const [from, to, field] of [
    ['2025-01-01', '2026-02-06', 'to'],
    ['2026-01-02', '2026-01-02', 'from'],
    ['2026-01-02', '2026-01-01', 'from'],
  ] as const) {
    // An exchange without a calendar refuses it too.
    for (const code of ['NMS', 'SIM']) {
      const { errors, sessions: answered } = await sessions(code, from, to)
      assert.equal(answered, null)
      assert.equal(errors?.[0]?.extensions?.code, 'BAD_USER_INPUT')
      assert.equal(errors?.[0]?.extensions?.field, field)
    }
  }
})

test('many sessions at once are charged to the rows of the operation', async () => {
  await using server = await apiOf('CCC')
  const range = '(from: "2025-01-01", to: "2026-02-05")'
  const many = Array.from({ length: 199 }, (_, i) => `a${i}: sessions${range} { date opens closes shortened }`)
  const symbols = Array.from({ length: 100 }, (_, i) => `"A${i}"`)
  const { errors } = await post(server.api, `{ instruments(symbols: [${symbols}]) { exchange { ${many.join(' ')} } } }`)
  assert.equal(errors?.[0]?.extensions?.code, 'BAD_USER_INPUT')
})

test('the next open and close are those after the present, while a session runs, after it and before a holiday', async () => {
  // In the session of the Wednesday before Thanksgiving, at its close, and on the half day after it.
  assert.deepEqual(await next('NMS', '2026-11-25T20:59:59.999Z'), [
    '2026-11-27T14:30:00.000Z',
    '2026-11-25T21:00:00.000Z',
  ])
  assert.deepEqual(await next('NMS', '2026-11-25T21:00:00Z'), ['2026-11-27T14:30:00.000Z', '2026-11-27T18:00:00.000Z'])
  assert.deepEqual(await next('NMS', '2026-11-27T18:00:00Z'), ['2026-11-30T14:30:00.000Z', '2026-11-30T21:00:00.000Z'])
  assert.deepEqual(await next('SAU', '2026-11-27T12:00:00Z'), ['2026-11-29T07:00:00.000Z', '2026-11-29T12:00:00.000Z'])
  assert.deepEqual(await next('CCY', '2026-11-27T23:00:00Z'), ['2026-11-29T22:00:00.000Z', '2026-11-30T22:00:00.000Z'])
  assert.deepEqual(await next('SIM', '2026-11-27T12:00:00Z'), [null, null])
  assert.deepEqual(await next('SHH', '2026-12-31T12:00:00Z'), [null, null])
})

test("the exchange codes of Yahoo's quotes lead to sessions", async () => {
  const { app, yahoo } = await appOnTestYahoo()
  yahoo.setQuote('7203.T', { exchange: 'JPX', exchangeTimezoneName: 'Asia/Tokyo' })
  yahoo.setQuote('005930.KS', { exchange: 'KSC', exchangeTimezoneName: 'Asia/Seoul' })
  const query = `{ instruments(symbols: ["AAPL", "BRK-B", "VOD.L", "7203.T", "BTC-USD", "005930.KS"]) { exchange {
    code sessions(from: "2026-07-03", to: "2026-07-05") { opens }
  } } }`
  const { data } = await post<{
    instruments: { exchange: { code: string; sessions: SessionAnswer[] | null } }[]
  }>(app.api, query)
  assert.deepEqual(
    data?.instruments.map(({ exchange }) => [exchange.code, exchange.sessions?.map(({ opens }) => opens.slice(0, 16))]),
    [
      ['NMS', []],
      ['NYQ', []],
      ['LSE', ['2026-07-03T07:00']],
      ['JPX', ['2026-07-03T00:00']],
      ['CCC', ['2026-07-03T00:00', '2026-07-04T00:00']],
      ['KSC', undefined],
    ],
  )
})

function session(date: string, opens: string, closes: string): SessionAnswer {
  return { date, opens: `${opens}:00.000Z`, closes: `${closes}:00.000Z`, breaks: [], shortened: false }
}
