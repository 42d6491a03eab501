import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { withDividend, withSplit } from './test-yahoo-actions.ts'
import {
  type Chart,
  type ChartRequest,
  type ChartRow,
  chartMeta,
  type Instrument,
  madeUpChart,
  newInstrument,
  type QuoteRow,
  refusalOf,
} from './test-yahoo-charts.ts'
import { type Answer, type Endpoint, type Fault, Faults, send, yahooError } from './test-yahoo-faults.ts'
import { loadReplay, type ReplayOptions } from './test-yahoo-replay.ts'
import type { Calendar } from './test-yahoo-sessions.ts'

export type { Endpoint, Fault } from './test-yahoo-faults.ts'

export interface LoggedRequest {
  readonly endpoint: Endpoint
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly cookie: string | undefined
  /** Epoch milliseconds of the machine's clock. */
  readonly at: number
}

export interface TestYahooOptions {
  /** Epoch milliseconds; quotes are of the time at which the server starts. */
  readonly now?: () => number
  /** What its Date header says, in epoch milliseconds, where that is another time. */
  readonly date?: () => number
  /** Recorded answers instead of made-up ones. */
  readonly replay?: ReplayOptions
  /** Ask for consent before there is a cookie, as in Europe. */
  readonly consent?: boolean
}

export interface TestYahoo extends AsyncDisposable {
  /** http://127.0.0.1:port, for YAHOO_BASE_URL. */
  readonly url: string
  readonly requests: readonly LoggedRequest[]
  /** How much of the bodies of the fault `bytes` has been written so far. */
  readonly bytesSent: number
  requestsTo(endpoint: Endpoint): readonly LoggedRequest[]
  /** Resolves once so many requests to the endpoint have come in, counted from the start. */
  received(endpoint: Endpoint, count: number): Promise<void>
  /** A trade in the regular session, now or at `timeMs`: change, high, low and volume move along. */
  setPrice(symbol: string, price: number, timeMs?: number): void
  /** Fields in Yahoo's names, over those there are; null takes the symbol out of the answers. */
  setQuote(symbol: string, fields: Readonly<Record<string, unknown>> | null): void
  /** Rows as they are, in the order given, where they lie in the window asked for; `meta` over what there is, `events` of the kinds asked for. */
  setChart(
    symbol: string,
    interval: string,
    rows: readonly ChartRow[],
    meta?: Readonly<Record<string, unknown>>,
    events?: unknown,
  ): void
  /** Sessions as they are from now on, over those there are. */
  setCalendar(symbol: string, calendar: Partial<Calendar>): void
  /**
   * From the exchange's `date` (2025-03-12) on there are `numerator` shares for every `denominator`: once that day has come,
   * all history before it is told in the new ones. Prices that were made up for the day and later stay as they are.
   */
  addSplit(symbol: string, date: string, numerator: number, denominator: number): void
  /** `amount` as it is paid on `date`, the first day without it: it lowers all adjusted closes before, once that day has come. */
  addDividend(symbol: string, date: string, amount: number): void
  /** Gone with all its history. */
  delist(symbol: string): void
  /**
   * Happens at the next `times` requests, or until the returned function is called; with a `share` of 0.5 at every second
   * one of them, and so on.
   */
  fault(endpoint: Endpoint, fault: Fault, times?: number, share?: number): () => void
  clearFaults(): void
  /** No crumb handed out so far is taken any longer. */
  expireCrumbs(): void
  /** What the crumb endpoint says, instead of a crumb, `times` times. */
  poisonCrumb(text: string, times?: number): void
  close(): Promise<void>
}

const cookieDomain = 'Domain=.yahoo.com; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=None'

/** Yahoo Finance as far as this project uses it, over plain http. All hosts of Yahoo's are played by this one. */
export async function startTestYahoo({
  now = Date.now,
  date = now,
  replay,
  consent = false,
}: TestYahooOptions = {}): Promise<TestYahoo> {
  const instruments = replay ? new Map<string, Instrument>() : readInstruments(Math.floor(now() / 1000))
  const recorded = replay ? loadReplay(replay) : null
  const charts = new Map<string, Chart>()
  const requests: LoggedRequest[] = []
  const arrivals = new EventEmitter()
  const delisted = new Set<string>()
  const faults = new Faults()
  let bytesSent = 0
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
    response.setHeader('date', new Date(date()).toUTCString())
    arrivals.emit('request')
    send(response, answerTo(asked), faults.take(endpoint), (bytes) => {
      bytesSent += bytes
    })
  }

  function answerTo({ endpoint, method, path, query, cookie = '' }: LoggedRequest): Answer {
    if (endpoint === 'cookie') return cookiePage(method, path, cookie)
    if (endpoint === 'crumb') return crumb(cookie)
    if (endpoint === 'quote') return quote(query, cookie)
    if (endpoint === 'chart') return chart(path.slice('/v8/finance/chart/'.length), query)
    if (endpoint === 'search') return search(query)
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

  function quote(query: Readonly<Record<string, string>>, cookie: string): Answer {
    const { symbols = '', crumb = '' } = query
    if (!cookie.includes('A3=') || !crumbs.has(crumb)) {
      return yahooError('finance', 401, 'Unauthorized', 'Invalid Crumb')
    }
    const listed = symbols.split(',').filter((symbol) => !delisted.has(symbol))
    const rows = listed.flatMap((symbol) => recorded?.quote(symbol) ?? instruments.get(symbol)?.row ?? [])
    const result = rows.map((row) => fieldsOf(row, query))
    return { status: 200, body: { quoteResponse: { result, error: null } } }
  }

  function chart(symbol: string, query: Readonly<Record<string, string>>): Answer {
    const request = chartRequest(query)
    const recording = delisted.has(symbol) ? undefined : recorded?.chart(symbol, request)
    if (recording) return recording
    const seconds = Math.floor(now() / 1000)
    const instrument = delisted.has(symbol) ? undefined : instruments.get(symbol)
    if (!instrument || instrument.row.quoteType === 'NONE') {
      return yahooError('chart', 404, 'Not Found', 'No data found, symbol may be delisted')
    }
    const set = charts.get(`${symbol} ${request.interval}`)
    if (set) {
      const meta = { ...chartMeta(instrument, request.interval, seconds), ...set.meta }
      return chartAnswer({ ...set, rows: inWindow(set.rows, request), meta, events: asked(set.events, request) })
    }
    const refusal = refusalOf(request, seconds)
    return refusal ? yahooError('chart', ...refusal) : chartAnswer(madeUpChart(instrument, request, seconds))
  }

  function search({ q = '', quotesCount = '6' }: Readonly<Record<string, string>>): Answer {
    const recording = recorded?.search(q)
    if (recording) return recording
    const listed = [...instruments.values()].map(({ row }) => row).filter(({ symbol }) => !delisted.has(symbol))
    const found = searchRows(listed, q).slice(0, Number(quotesCount))
    return { status: 200, body: { count: found.length, quotes: found, news: [] } }
  }

  function row(symbol: string): QuoteRow {
    return instruments.get(symbol)?.row ?? { symbol, quoteType: 'EQUITY' }
  }

  function setQuote(symbol: string, fields: Readonly<Record<string, unknown>> | null): void {
    const known = instruments.get(symbol)
    const next = newInstrument({ ...row(symbol), ...fields }, known ? known.calendar : newYorkWeekdays)
    if (fields === null) instruments.delete(symbol)
    // History stays what it was.
    else if (known) instruments.set(symbol, { ...known, row: next.row, basePrice: known.basePrice || next.basePrice })
    else instruments.set(symbol, next)
  }

  function change(symbol: string, what: (known: Instrument) => Partial<Instrument>): void {
    const known = instruments.get(symbol)
    if (!known) throw new Error(`Test Yahoo does not know ${symbol}`)
    instruments.set(symbol, { ...known, ...what(known) })
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
    get bytesSent() {
      return bytesSent
    },
    requestsTo,
    received,
    setPrice,
    setQuote,
    setChart: (symbol, interval, rows, meta = {}, events = undefined) =>
      void charts.set(`${symbol} ${interval}`, { rows, meta, events }),
    setCalendar: (symbol, over) =>
      change(symbol, ({ calendar }) => ({ calendar: { ...(calendar ?? newYorkWeekdays), ...over } })),
    addSplit: (symbol, date, numerator, denominator) =>
      change(symbol, ({ actions }) => ({ actions: withSplit(actions, date, numerator, denominator) })),
    addDividend: (symbol, date, amount) =>
      change(symbol, ({ actions }) => ({ actions: withDividend(actions, date, amount) })),
    delist: (symbol) => void delisted.add(symbol),
    fault: (...what) => faults.add(...what),
    clearFaults: () => faults.clear(),
    expireCrumbs: () => crumbs.clear(),
    poisonCrumb: (text, times = 1) => void poison.push(...Array<string>(times).fill(text)),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** What is in every row, whatever was asked for, as far as recorded answers with `fields` show it. */
const unaskedFields: ReadonlySet<string> = new Set(
  (
    'symbol quoteType typeDisp language region market exchange fullExchangeName exchangeTimezoneName ' +
    'exchangeTimezoneShortName gmtOffSetMilliseconds exchangeDataDelayedBy marketState regularMarketPrice ' +
    'regularMarketTime priceHint hasPrePostMarketData firstTradeDateMilliseconds sourceInterval esgPopulated ' +
    'tradeable cryptoTradeable triggerable customPriceAlertConfidence'
  ).split(' '),
)

/**
 * With `fields`, only these and the ones above. Without: all but the prices of the overnight session and of extended
 * hours, which are sent only by name, those of the overnight session only with `overnightPrice` too.
 */
function fieldsOf(row: QuoteRow, { fields, overnightPrice }: Readonly<Record<string, string>>): QuoteRow {
  const asked = fields === undefined ? null : new Set(fields.split(','))
  const isSent = (name: string): boolean => {
    if (unaskedFields.has(name)) return true
    if (name.startsWith('overnightMarket') && overnightPrice !== 'true') return false
    return asked ? asked.has(name) : !/^(overnight|extended)Market/.test(name)
  }
  return Object.fromEntries(Object.entries(row).filter(([name]) => isSent(name))) as QuoteRow
}

function endpointOf(path: string): Endpoint {
  if (path === '/v1/test/getcrumb') return 'crumb'
  if (path === '/v7/finance/quote') return 'quote'
  if (path.startsWith('/v8/finance/chart/')) return 'chart'
  if (path === '/v1/finance/search') return 'search'
  return path === '/' || /^\/(quote\/|consent|v2\/collectConsent|copyConsent)/.test(path) ? 'cookie' : 'other'
}

/** Of symbols that a test brings. */
const newYorkWeekdays: Calendar = { opens: 34_200, closes: 57_600, days: 'weekdays' }

function readInstruments(startedAt: number): Map<string, Instrument> {
  const all: { calendar: string | null; row: QuoteRow }[] = readFixture('instruments')
  const calendars: Record<string, Calendar> = readFixture('calendars')
  const calendarOf = (name: string | null) => (name === null ? null : (calendars[name] ?? null))
  return new Map(
    all.map(({ calendar, row }) => [row.symbol, newInstrument(traded(row, startedAt), calendarOf(calendar))]),
  )
}

const readFixture = (name: string) =>
  JSON.parse(readFileSync(join(import.meta.dirname, `../../fixtures/yahoo/${name}.json`), 'utf8'))

const traded = (row: QuoteRow, startedAt: number): QuoteRow =>
  row.regularMarketPrice === undefined ? row : { ...row, regularMarketTime: startedAt }

const redirect = (location: string, cookie: string): Answer => ({
  status: 302,
  body: '',
  headers: { location, 'set-cookie': `${cookie}; ${cookieDomain}` },
})

const chartRequest = (query: Readonly<Record<string, string>>): ChartRequest => ({
  interval: query.interval ?? '1d',
  period1: Number(query.period1),
  period2: Number(query.period2),
  includePrePost: query.includePrePost === 'true',
  events: query.events ?? '',
})

/** Yahoo's windows include their end. */
const inWindow = (rows: readonly ChartRow[], { period1, period2 }: ChartRequest): ChartRow[] =>
  rows.filter(({ time }) => time === null || (time >= period1 && time <= period2))

const eventNames: Readonly<Record<string, string>> = { div: 'dividends', split: 'splits', capitalGain: 'capitalGains' }

/** Yahoo tells only of the kinds of events that the request names, as 'div|split'. */
function asked(events: unknown, { events: names = '' }: ChartRequest): unknown {
  if (typeof events !== 'object' || events === null) return events
  const kinds = names.split('|').map((name) => eventNames[name])
  return Object.fromEntries(Object.entries(events).filter(([kind]) => kinds.includes(kind)))
}

function chartAnswer({ rows, meta, events }: Chart): Answer {
  const column = (name: keyof ChartRow) => rows.map((row) => row[name] ?? null)
  const names = ['open', 'high', 'low', 'close', 'volume'] as const
  const quote = [rows.length > 0 ? Object.fromEntries(names.map((name) => [name, column(name)])) : {}]
  const times = rows.length > 0 ? { timestamp: column('time') } : {}
  const adjclose = rows.some((row) => row.adjclose !== undefined)
    ? { adjclose: [{ adjclose: column('adjclose') }] }
    : {}
  const told = events === undefined ? {} : { events }
  const result = [{ meta, ...times, ...told, indicators: { quote, ...adjclose } }]
  return { status: 200, body: { chart: { result, error: null } } }
}

/** As the real one ranks them: a symbol that is the text, those that begin with it, names that hold it. */
function searchRows(rows: readonly QuoteRow[], text: string): Record<string, unknown>[] {
  const wanted = text.trim().toUpperCase()
  const rank = ({ symbol, longName, shortName }: QuoteRow): number => {
    if (symbol === wanted) return 3
    if (symbol.startsWith(wanted)) return 2
    return `${longName ?? ''} ${shortName ?? ''}`.toUpperCase().includes(wanted) ? 1 : 0
  }
  const found = rows.filter((row) => wanted !== '' && row.quoteType !== 'NONE' && rank(row) > 0)
  return found
    .sort((a, b) => rank(b) - rank(a))
    .map((row) => ({
      exchange: row.exchange,
      shortname: row.shortName,
      quoteType: row.quoteType,
      symbol: row.symbol,
      index: 'quotes',
      score: rank(row) * 10_000,
      longname: row.longName,
      exchDisp: row.fullExchangeName,
      isYahooFinance: true,
    }))
}
