import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import {
  type ChartRequest,
  type ChartRow,
  chartMeta,
  type Instrument,
  madeUpRows,
  type QuoteRow,
  refusalOf,
} from './test-yahoo-charts.ts'
import { loadReplay, type ReplayOptions } from './test-yahoo-replay.ts'

export type Endpoint = 'cookie' | 'crumb' | 'quote' | 'chart' | 'search' | 'other'

export interface LoggedRequest {
  readonly endpoint: Endpoint
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly cookie: string | undefined
  /** Epoch milliseconds of the machine's clock. */
  readonly at: number
}

/** What goes wrong. Of several faults of an endpoint the newest is the one that happens. */
export type Fault =
  | { readonly delayMs: number }
  /** 429 and 5xx as text, everything else in Yahoo's JSON form, unless there is a body. */
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown }
  /** No answer at all, or one whose body stops halfway with the connection open. */
  | { readonly hang: 'answer' | 'body' }
  /** The right answer, cut in half. */
  | { readonly truncated: true }
  | { readonly html: true }
  | { readonly drop: true }
  /** The right answer, with headers of its own: a cookie, say. */
  | { readonly headers: Readonly<Record<string, string>> }

export interface TestYahooOptions {
  /** Epoch milliseconds; quotes are of the time at which the server starts. */
  readonly now?: () => number
  /** Recorded answers instead of made-up ones. */
  readonly replay?: ReplayOptions
  /** Ask for consent before there is a cookie, as in Europe. */
  readonly consent?: boolean
}

export interface TestYahoo extends AsyncDisposable {
  /** http://127.0.0.1:port, for YAHOO_BASE_URL. */
  readonly url: string
  readonly requests: readonly LoggedRequest[]
  requestsTo(endpoint: Endpoint): readonly LoggedRequest[]
  /** Resolves once so many requests to the endpoint have come in, counted from the start. */
  received(endpoint: Endpoint, count: number): Promise<void>
  /** A trade in the regular session, now or at `timeMs`: change, high, low and volume move along. */
  setPrice(symbol: string, price: number, timeMs?: number): void
  /** Fields in Yahoo's names, over those there are; null takes the symbol out of the answers. */
  setQuote(symbol: string, fields: Readonly<Record<string, unknown>> | null): void
  /** Rows as they are, in the order given, where they lie in the window asked for. */
  setChart(symbol: string, interval: string, rows: readonly ChartRow[], meta?: Readonly<Record<string, unknown>>): void
  /** Happens at the next `times` requests, or until the returned function is called. */
  fault(endpoint: Endpoint, fault: Fault, times?: number): () => void
  clearFaults(): void
  /** No crumb handed out so far is taken any longer. */
  expireCrumbs(): void
  /** What the crumb endpoint says, instead of a crumb, `times` times. */
  poisonCrumb(text: string, times?: number): void
  close(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string | string[]>>
}

interface Armed {
  readonly endpoint: Endpoint
  readonly fault: Fault
  left: number
}

interface SetChart {
  readonly rows: readonly ChartRow[]
  readonly meta: Readonly<Record<string, unknown>>
}

const cookieDomain = 'Domain=.yahoo.com; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=None'

/** Yahoo Finance as far as this project uses it, over plain http. All hosts of Yahoo's are played by this one. */
export async function startTestYahoo({
  now = Date.now,
  replay,
  consent = false,
}: TestYahooOptions = {}): Promise<TestYahoo> {
  const instruments = replay ? new Map<string, Instrument>() : readInstruments(Math.floor(now() / 1000))
  const recorded = replay ? loadReplay(replay) : null
  const charts = new Map<string, SetChart>()
  const requests: LoggedRequest[] = []
  const arrivals = new EventEmitter()
  const armed: Armed[] = []
  const poison: string[] = []
  const crumbs = new Set<string>()
  let crumbCount = 0

  const server = createServer(serve)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const address = new URL(`http://yahoo.test${request.url}`)
    const endpoint = endpointOf(address.pathname)
    const path = decodeURIComponent(address.pathname)
    const query = Object.fromEntries(address.searchParams)
    const { method = '', headers } = request
    const asked = { endpoint, method, path, query, cookie: headers.cookie, at: Date.now() }
    requests.push(asked)
    arrivals.emit('request')
    send(response, answerTo(asked), takeFault(endpoint))
  }

  function answerTo({ endpoint, method, path, query, cookie = '' }: LoggedRequest): Answer {
    if (endpoint === 'cookie') return cookiePage(method, path, cookie)
    if (endpoint === 'crumb') return crumb(cookie)
    if (endpoint === 'quote') return quote(query, cookie)
    if (endpoint === 'chart') return chart(path.slice('/v8/finance/chart/'.length), query)
    if (endpoint === 'search') return search(query.q ?? '')
    return yahooError('finance', 404, 'Not Found', `No such path: ${path}`)
  }

  /** The pages that a browser goes through for its cookie; where consent is asked for, five of them on three hosts. */
  function cookiePage(method: string, path: string, cookie: string): Answer {
    if (path === '/consent') return redirect('https://consent.yahoo.com/v2/collectConsent?sessionId=1', 'GUCS=1')
    if (path === '/v2/collectConsent') {
      if (method === 'GET') return { status: 200, body: '<input type="hidden" name="csrfToken" value="t">' }
      return redirect('https://guce.yahoo.com/copyConsent?sessionId=1', 'GUC=1')
    }
    if (path === '/copyConsent') return redirect('https://finance.yahoo.com/quote/AAPL?guccounter=1', 'A1=agreed')
    if (consent && !cookie.includes('A1=agreed')) return redirect('https://guce.yahoo.com/consent', 'GUCS=0')
    return { status: 200, body: '<html></html>', headers: { 'set-cookie': `A3=d=test; ${cookieDomain}` } }
  }

  function crumb(cookie: string): Answer {
    if (!cookie.includes('A3=')) return yahooError('finance', 401, 'Unauthorized', 'Invalid Cookie')
    const poisoned = poison.shift()
    if (poisoned !== undefined) return { status: 200, body: poisoned }
    const text = `test.Crumb${++crumbCount}`
    crumbs.add(text)
    return { status: 200, body: text }
  }

  function quote({ symbols = '', crumb = '' }: Readonly<Record<string, string>>, cookie: string): Answer {
    if (!cookie.includes('A3=') || !crumbs.has(crumb)) {
      return yahooError('finance', 401, 'Unauthorized', 'Invalid Crumb')
    }
    const rows = symbols.split(',').flatMap((symbol) => recorded?.quote(symbol) ?? instruments.get(symbol)?.row ?? [])
    return { status: 200, body: { quoteResponse: { result: rows, error: null } } }
  }

  function chart(symbol: string, query: Readonly<Record<string, string>>): Answer {
    const request = { interval: query.interval ?? '1d', period1: Number(query.period1), period2: Number(query.period2) }
    const recording = recorded?.chart(symbol, request)
    if (recording) return recording
    const seconds = Math.floor(now() / 1000)
    const instrument = instruments.get(symbol)
    if (!instrument || instrument.row.quoteType === 'NONE') {
      return yahooError('chart', 404, 'Not Found', 'No data found, symbol may be delisted')
    }
    const set = charts.get(`${symbol} ${request.interval}`)
    const refusal = set ? null : refusalOf(request, seconds)
    if (refusal) return yahooError('chart', ...refusal)
    const rows = set ? inWindow(set.rows, request) : madeUpRows(instrument, request, seconds)
    return chartAnswer(rows, { ...chartMeta(instrument, request.interval, seconds), ...set?.meta })
  }

  function search(query: string): Answer {
    const recording = recorded?.search(query)
    if (recording) return recording
    const wanted = query.toUpperCase()
    const found = [...instruments.values()].map(({ row }) => row).filter((row) => matches(row, wanted))
    return { status: 200, body: { count: found.length, quotes: found.map(searchRow), news: [] } }
  }

  function takeFault(endpoint: Endpoint): Fault | undefined {
    const next = armed.findLast((each) => each.endpoint === endpoint && each.left > 0)
    if (next) next.left--
    return next?.fault
  }

  function row(symbol: string): QuoteRow {
    return instruments.get(symbol)?.row ?? { symbol, quoteType: 'EQUITY' }
  }

  function setQuote(symbol: string, fields: Readonly<Record<string, unknown>> | null): void {
    const session = instruments.get(symbol)?.session ?? { opens: 34_200, closes: 57_600, days: 'weekdays' as const }
    if (fields === null) instruments.delete(symbol)
    else instruments.set(symbol, { session, row: { ...row(symbol), ...fields } })
  }

  function setPrice(symbol: string, price: number, timeMs: number = now()): void {
    const { regularMarketPreviousClose, regularMarketDayHigh, regularMarketDayLow, regularMarketVolume } = row(symbol)
    const close = Number(regularMarketPreviousClose ?? price)
    setQuote(symbol, {
      regularMarketPrice: price,
      regularMarketTime: Math.floor(timeMs / 1000),
      regularMarketChange: price - close,
      regularMarketChangePercent: ((price - close) / close) * 100,
      regularMarketDayHigh: Math.max(price, Number(regularMarketDayHigh ?? price)),
      regularMarketDayLow: Math.min(price, Number(regularMarketDayLow ?? price)),
      regularMarketVolume: Number(regularMarketVolume ?? 0) + 100,
    })
  }

  function fault(endpoint: Endpoint, what: Fault, times = Number.POSITIVE_INFINITY): () => void {
    const entry = { endpoint, fault: what, left: times }
    armed.push(entry)
    return () => {
      entry.left = 0
    }
  }

  const requestsTo = (endpoint: Endpoint) => requests.filter((each) => each.endpoint === endpoint)

  async function received(endpoint: Endpoint, count: number): Promise<void> {
    while (requestsTo(endpoint).length < count) await once(arrivals, 'request')
  }

  async function close(): Promise<void> {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }

  return {
    url,
    requests,
    requestsTo,
    received,
    setPrice,
    setQuote,
    setChart: (symbol, interval, rows, meta = {}) => void charts.set(`${symbol} ${interval}`, { rows, meta }),
    fault,
    clearFaults: () => void armed.splice(0),
    expireCrumbs: () => crumbs.clear(),
    poisonCrumb: (text, times = 1) => void poison.push(...Array<string>(times).fill(text)),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function endpointOf(path: string): Endpoint {
  if (path === '/v1/test/getcrumb') return 'crumb'
  if (path === '/v7/finance/quote') return 'quote'
  if (path.startsWith('/v8/finance/chart/')) return 'chart'
  if (path === '/v1/finance/search') return 'search'
  return path === '/' || /^\/(quote\/|consent|v2\/collectConsent|copyConsent)/.test(path) ? 'cookie' : 'other'
}

function readInstruments(startedAt: number): Map<string, Instrument> {
  const file = join(import.meta.dirname, '../fixtures/yahoo/instruments.json')
  const all: Instrument[] = JSON.parse(readFileSync(file, 'utf8'))
  return new Map(all.map((each) => [each.row.symbol, { ...each, row: traded(each.row, startedAt) }]))
}

const traded = (row: QuoteRow, startedAt: number): QuoteRow =>
  row.regularMarketPrice === undefined ? row : { ...row, regularMarketTime: startedAt }

const redirect = (location: string, cookie: string): Answer => ({
  status: 302,
  body: '',
  headers: { location, 'set-cookie': `${cookie}; ${cookieDomain}` },
})

const yahooError = (outer: string, status: number, code: string, description: string): Answer => ({
  status,
  body: { [outer]: { result: null, error: { code, description } } },
})

/** Yahoo's windows include their end. */
const inWindow = (rows: readonly ChartRow[], { period1, period2 }: ChartRequest): ChartRow[] =>
  rows.filter(({ time }) => time === null || (time >= period1 && time <= period2))

function chartAnswer(rows: readonly ChartRow[], meta: Readonly<Record<string, unknown>>): Answer {
  const column = (name: keyof ChartRow) => rows.map((row) => row[name] ?? null)
  const names = ['open', 'high', 'low', 'close', 'volume'] as const
  const quote = rows.length > 0 ? Object.fromEntries(names.map((name) => [name, column(name)])) : {}
  const times = rows.length > 0 ? { timestamp: column('time') } : {}
  return { status: 200, body: { chart: { result: [{ meta, ...times, indicators: { quote: [quote] } }], error: null } } }
}

const matches = (row: QuoteRow, wanted: string): boolean =>
  row.symbol.startsWith(wanted) ||
  String(row.longName ?? '')
    .toUpperCase()
    .includes(wanted)

const searchRow = (row: QuoteRow) => ({
  symbol: row.symbol,
  shortname: row.shortName,
  longname: row.longName,
  quoteType: row.quoteType,
  exchange: row.exchange,
  exchDisp: row.fullExchangeName,
  isYahooFinance: true,
})

function send(response: ServerResponse, answer: Answer, fault: Fault | undefined): void {
  if (fault === undefined) write(response, answer)
  else if ('delayMs' in fault) setTimeout(write, fault.delayMs, response, answer)
  else if ('status' in fault) write(response, refusal(fault))
  else if ('headers' in fault) write(response, { ...answer, headers: { ...answer.headers, ...fault.headers } })
  else if ('truncated' in fault) write(response, { ...answer, body: half(answer) })
  else if ('html' in fault) write(response, { status: 200, body: '<html><body>Will be right back</body></html>' })
  else if ('drop' in fault) response.destroy()
  else if (fault.hang === 'body') response.writeHead(200, { 'content-type': 'application/json' }).write(half(answer))
}

function refusal({ status, headers = {}, body }: Extract<Fault, { status: number }>): Answer {
  if (body !== undefined) return { status, headers, body }
  if (status === 429) return { status, headers, body: 'Too Many Requests\r\n' }
  if (status >= 500) return { status, headers, body: 'upstream connect error' }
  return { ...yahooError('finance', status, 'Error', `Status ${status}`), headers }
}

const textOf = ({ body }: Answer): string => (typeof body === 'string' ? body : JSON.stringify(body))

const half = (answer: Answer): string => textOf(answer).slice(0, textOf(answer).length / 2)

function write(response: ServerResponse, answer: Answer): void {
  const type = typeof answer.body === 'string' ? 'text/html' : 'application/json'
  response.writeHead(answer.status, { 'content-type': type, ...answer.headers })
  response.end(textOf(answer))
}
