import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type Chart,
  chartLength,
  daySeconds,
  history,
  longHistory,
  longSymbol,
  type Market,
  moveOpen,
  symbolAt,
} from './market.ts'

const moveMs = 1000

/** The market as a server in this process that plays Yahoo. */
export interface ChartSource extends AsyncDisposable {
  readonly market: Market
  /** http://127.0.0.1:port, for YAHOO_BASE_URL. */
  readonly url: string
  /** How many charts were asked for. */
  readonly calls: number
  /** Lists more symbols beside those of the market. */
  fresh(count: number): readonly string[]
}

/**
 * Plays Yahoo with a market that is open around the clock, so that a bench gives the same figures at any hour. Its
 * prices move once a second. No exchange of this time zone has a calendar. It keeps columns and no rows, because two
 * million objects would make the collector of this process hold answers up.
 */
export async function startChartSource(symbols: number): Promise<ChartSource> {
  const { zone, aheadSeconds, today } = noonSomewhere(Date.now())
  const charts = new Map<string, { readonly chart: Chart; readonly index: number }>()
  let calls = 0

  const list = (symbol: string, index: number, length?: number): void => {
    const chart = history(index, today, length)
    moveOpen(chart, index, Date.now())
    charts.set(symbol, { chart, index })
  }

  function chartOf(symbol: string, from: number, to: number): unknown {
    const chart = charts.get(symbol)?.chart
    if (!chart) return { chart: { result: null, error: { code: 'Not Found', description: 'No data found' } } }
    calls += 1
    const now = Math.floor(Date.now() / 1000)
    // Yahoo dates a day by its opening, and the open one by the last trade.
    const times = chart.time.map((time) => time - aheadSeconds)
    times[times.length - 1] = now
    const first = times.findIndex((time) => time >= from)
    const end = times.findLastIndex((time) => time <= to) + 1
    const cut = (column: number[]): number[] => column.slice(first, end)
    const opens = today * daySeconds - aheadSeconds
    const session = (start: number, end: number) => ({ start, end, gmtoffset: aheadSeconds })
    const meta = {
      ...{ currency: 'USD', symbol, exchangeName: 'BCH', fullExchangeName: 'Bench', instrumentType: 'EQUITY' },
      ...{ firstTradeDate: times[0], regularMarketTime: now, gmtoffset: aheadSeconds, exchangeTimezoneName: zone },
      ...{ regularMarketPrice: chart.close.at(-1), priceHint: 2, dataGranularity: '1d', range: '' },
      currentTradingPeriod: {
        pre: session(opens, opens),
        regular: session(opens, opens + daySeconds),
        post: session(opens + daySeconds, opens + daySeconds),
      },
    }
    // The real one sends float32 values, which the commit before serves as they are, with up to 17 digits. With plain
    // decimals both builds write the same bytes.
    const { open, high, low, close, volume } = chart
    const quote = { open: cut(open), high: cut(high), low: cut(low), close: cut(close), volume: cut(volume) }
    const indicators = { quote: [quote], adjclose: [{ adjclose: cut(close) }] }
    return { chart: { result: [{ meta, timestamp: cut(times), indicators }], error: null } }
  }

  function quoteOf(symbol: string): unknown[] {
    const chart = charts.get(symbol)?.chart
    if (!chart) return []
    const [price = 0, before = 0] = [chart.close.at(-1), chart.close.at(-2)]
    return [
      {
        ...{ symbol, quoteType: 'EQUITY', currency: 'USD', exchange: 'BCH', fullExchangeName: 'Bench' },
        ...{ exchangeTimezoneName: zone, gmtOffSetMilliseconds: aheadSeconds * 1000, priceHint: 2 },
        ...{ marketState: 'REGULAR', regularMarketPrice: price, regularMarketTime: Math.floor(Date.now() / 1000) },
        ...{ regularMarketPreviousClose: before, regularMarketChange: price - before },
        ...{ regularMarketChangePercent: (100 * (price - before)) / before, regularMarketVolume: chart.volume.at(-1) },
        ...{ regularMarketDayHigh: chart.high.at(-1), regularMarketDayLow: chart.low.at(-1) },
      },
    ]
  }

  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://yahoo.test')
    const of = (name: string): string => searchParams.get(name) ?? ''
    if (pathname === '/v1/test/getcrumb') response.end('benchCrumb')
    else if (pathname === '/v7/finance/quote') {
      json(response, { quoteResponse: { result: of('symbols').split(',').flatMap(quoteOf), error: null } })
    } else if (pathname.startsWith('/v8/finance/chart/')) {
      json(response, chartOf(pathname.slice('/v8/finance/chart/'.length), Number(of('period1')), Number(of('period2'))))
    } else response.writeHead(200, { 'set-cookie': 'A3=d=bench; Domain=.yahoo.com; Path=/; Secure; HttpOnly' }).end()
  })
  for (let index = 0; index < symbols; index++) list(symbolAt(index), index)
  list(longSymbol, symbols, longHistory)
  const timer = setInterval(() => {
    for (const { chart, index } of charts.values()) moveOpen(chart, index, Date.now())
  }, moveMs)
  // A connection that is closed just as it is used again would count as a failure of the source.
  server.keepAliveTimeout = 600_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  let listed = symbols
  return {
    market: { symbols, today },
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get calls() {
      return calls
    },
    fresh: (count) =>
      Array.from({ length: count }, () => {
        const symbol = symbolAt(++listed)
        list(symbol, listed, chartLength + 200)
        return symbol
      }),
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer)
      server.close()
      server.closeAllConnections()
    },
  }
}

const json = (response: ServerResponse, body: unknown): void => {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** A time zone in which it is about noon, so that a bench never goes past its midnight, and the date there. */
function noonSomewhere(nowMs: number): { zone: string; aheadSeconds: number; today: number } {
  const hours = 12 - new Date(nowMs).getUTCHours()
  const aheadSeconds = 3600 * hours
  // The sign in these names is turned round: Etc/GMT-5 is five hours ahead of UTC.
  const zone = hours === 0 ? 'Etc/UTC' : `Etc/GMT${hours > 0 ? '-' : '+'}${Math.abs(hours)}`
  return { zone, aheadSeconds, today: Math.floor((nowMs / 1000 + aheadSeconds) / daySeconds) }
}
