import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ChartRequest, QuoteRow } from './test-yahoo-charts.ts'

/** One recorded answer of Yahoo's. */
export interface Recording {
  readonly file: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly status: number
  readonly recordedAt: string
  readonly body: unknown
}

export interface ReplayOptions {
  readonly dir: string
  /** Also this file, one of those that were spoilt on purpose; it hides the true ones at its address. */
  readonly fake?: string
  /** This file alone. */
  readonly only?: string
}

export interface Replay {
  quote(symbol: string): QuoteRow | undefined
  chart(symbol: string, request: ChartRequest): Recording | undefined
  search(query: string): Recording | undefined
}

export const isFake = (file: string): boolean => file.endsWith('.fake.json')

/** All recordings in a folder, the spoilt ones included. */
export function readRecordings(dir: string): Recording[] {
  const files = readdirSync(dir).filter((file) => file.endsWith('.json'))
  return files.sort().map((file) => ({ file, ...JSON.parse(readFileSync(join(dir, file), 'utf8')) }))
}

export function loadReplay({ dir, fake, only }: ReplayOptions): Replay {
  const all = readRecordings(dir)
  const recordings =
    only === undefined
      ? all.filter(({ file }) => file === fake || !isFake(file))
      : all.filter(({ file }) => file === only)
  recordings.sort((a, b) => Number(b.file === fake) - Number(a.file === fake))
  // Rows of answers that were asked for a few fields only come last: a full one of the same symbol goes before.
  const quotes = recordings.filter(({ path }) => path === '/v7/finance/quote')
  quotes.sort((a, b) => Number('fields' in a.query) - Number('fields' in b.query))
  const charts = recordings.filter(isChart)
  return {
    quote: (symbol) => quotes.flatMap(rowsOf).find((row) => row.symbol === symbol),
    chart: (symbol, request) => {
      const recorded = charts.filter((each) => isOf(each, symbol, request.interval))
      return nearest(recorded, request) ?? (recorded[0] && withoutRows(recorded[0]))
    },
    search: (query) => recordings.find((each) => each.path === '/v1/finance/search' && each.query.q === query),
  }
}

/** The rows of a recorded quote answer. */
export function rowsOf({ body }: Recording): QuoteRow[] {
  return (body as { quoteResponse: { result: QuoteRow[] } }).quoteResponse.result
}

export const isChart = ({ path }: Recording): boolean => path.startsWith('/v8/finance/chart/')

export const symbolOf = ({ path }: Recording): string => path.slice('/v8/finance/chart/'.length)

/** What a recorded chart answer has, as far as it is one. */
export interface RecordedChart {
  readonly meta: Readonly<Record<string, unknown>> & { readonly exchangeTimezoneName: string }
  readonly timestamp?: readonly number[]
  readonly events?: {
    readonly dividends?: Readonly<Record<string, { readonly date: number; readonly amount: number }>>
    readonly splits?: Readonly<Record<string, { readonly date: number; numerator: number; denominator: number }>>
  }
  readonly indicators: {
    readonly quote: [Readonly<Record<string, readonly number[]>>]
    readonly adjclose?: [{ readonly adjclose: readonly number[] }]
  }
}

export const chartOf = ({ body }: Recording): RecordedChart =>
  (body as { chart: { result: [RecordedChart] } }).chart.result[0]

/** Reckoned otherwise than the product does it: midnight UTC of the calendar date that the exchange's clock shows. */
export function dateIn(timeZone: string, time: number): number {
  const parts = new Intl.DateTimeFormat('en-US', { timeZone }).formatToParts(time * 1000)
  const part = (type: string) => Number(parts.find((each) => each.type === type)?.value)
  return Date.UTC(part('year'), part('month') - 1, part('day')) / 1000
}

/** The window that a chart was recorded for. */
export function windowOf({ query }: Recording): ChartRequest {
  return { interval: query.interval ?? '', period1: Number(query.period1), period2: Number(query.period2) }
}

const isOf = ({ path, query }: Recording, symbol: string, interval: string): boolean =>
  path === `/v8/finance/chart/${symbol}` && query.interval?.replace('60m', '1h') === interval.replace('60m', '1h')

/** What Yahoo says of a window in which a symbol that it knows was not traded. */
const withoutRows = (recording: Recording): Recording => ({
  ...recording,
  body: { chart: { result: [{ meta: chartOf(recording).meta, indicators: { quote: [{}] } }], error: null } },
})

/** Who asks need not know the recorded window to the second: the one that shares most with what is asked is served, whole. */
function nearest(charts: readonly Recording[], asked: ChartRequest): Recording | undefined {
  const share = (each: Recording) => {
    const { period1, period2 } = windowOf(each)
    const shared = Math.min(period2, asked.period2) - Math.max(period1, asked.period1)
    return shared / (Math.max(period2, asked.period2) - Math.min(period1, asked.period1))
  }
  return charts.filter((each) => share(each) > 0).sort((a, b) => share(b) - share(a))[0]
}
