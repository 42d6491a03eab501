import { type Actions, actionsUpTo, amountNow, noActions } from './test-yahoo-actions.ts'
import { dayRows, intradayRows, intradaySeconds, longRows, type Market } from './test-yahoo-rows.ts'
import {
  type Calendar,
  daySeconds,
  isTradingDay,
  localDay,
  offsetSeconds,
  type Period,
  type Periods,
  periodsOf,
  tradingDayUpTo,
} from './test-yahoo-sessions.ts'

/** What test Yahoo makes charts up from. */
export interface Instrument {
  /** null: has no chart. */
  readonly calendar: Calendar | null
  readonly row: QuoteRow
  /** What made-up prices move about. */
  readonly basePrice: number
  readonly actions: Actions
}

/** A row of a quote answer, in Yahoo's own names. */
export type QuoteRow = Readonly<Record<string, unknown>> & { readonly symbol: string }

export interface ChartRow {
  /** Epoch seconds. */
  readonly time: number | null
  readonly open?: number | null
  readonly high?: number | null
  readonly low?: number | null
  readonly close?: number | null
  readonly volume?: number | null
  readonly adjclose?: number | null
}

export interface ChartRequest {
  readonly interval: string
  readonly period1: number
  readonly period2: number
  readonly includePrePost?: boolean
  /** As 'div|split'. */
  readonly events?: string
}

export interface Chart {
  readonly rows: readonly ChartRow[]
  readonly meta: Readonly<Record<string, unknown>>
  /** As Yahoo has them, by the epoch of each; absent where there are none. */
  readonly events?: unknown
}

export const firstTradeEpoch = Date.UTC(2015, 0, 2) / 1000

const granularity: Readonly<Record<string, string>> = { '30m': '1h', '60m': '1h' }

const reachDays: Readonly<Record<string, number>> = {
  '1m': 30,
  '2m': 60,
  '5m': 60,
  '15m': 60,
  '30m': 60,
  '60m': 730,
  '1h': 730,
}

/** What Yahoo says to a window that it does not serve; null: it does. */
export function refusalOf({ interval, period1, period2 }: ChartRequest, now: number): [number, string, string] | null {
  const reach = reachDays[interval]
  const window = `startTime=${period1} and endTime=${period2}`
  if (intradaySeconds[interval] === undefined && !['1d', '1wk', '1mo'].includes(interval)) {
    return [422, 'Unprocessable Entity', `Invalid input - interval=${interval}`]
  }
  if (interval === '1m' && period2 - period1 > 7 * daySeconds) {
    return [
      422,
      'Unprocessable Entity',
      '1m data not available. Only 7 days worth of 1m granularity data are allowed to be fetched per request.',
    ]
  }
  if (reach !== undefined && period1 < now - reach * daySeconds) {
    const limit = `The requested range must be within the last ${reach} days.`
    return [422, 'Unprocessable Entity', `${interval} data not available for ${window}. ${limit}`]
  }
  if (period2 <= firstTradeEpoch) {
    return [400, 'Bad Request', `Data doesn't exist for startDate = ${period1}, endDate = ${period2}`]
  }
  return null
}

/**
 * Rows of the window, some of them null. The current price comes last, with the time of the trade: while a session runs, and
 * after it as long as there is no newer one.
 */
export function madeUpChart(instrument: Instrument, request: ChartRequest, now: number): Chart {
  const { interval, period1, period2 } = request
  const meta = chartMeta(instrument, interval, now)
  const market = marketOf(instrument, now)
  if (!market) return { rows: [], meta }
  const inWindow = (time: number | null): boolean => time !== null && time >= period1 && time <= period2
  const first = Math.floor(Math.max(period1, firstTradeEpoch) / daySeconds) - 1
  const last = Math.floor(Math.min(period2, now) / daySeconds) + 1
  const rows =
    interval === '1d'
      ? dayRows(market, first, last)
      : interval === '1wk' || interval === '1mo'
        ? longRows(market, interval, first, last)
        : intradayRows(market, request, first, last)
  const chart = { rows: rows.filter(({ time }) => inWindow(time)), meta }
  const events = interval === '1d' ? eventsOf(market, request.events ?? '', inWindow) : {}
  return Object.keys(events).length > 0 ? { ...chart, events } : chart
}

function marketOf({ calendar, row, basePrice, actions }: Instrument, now: number): Market | null {
  if (!calendar) return null
  const zone = String(row.exchangeTimezoneName)
  const today = localDay(zone, now)
  const periods = (day: number) => periodsOf(day, calendar, zone)
  const day = tradingDayUpTo(today, calendar)
  const latestDay = periods(day).regular.start <= now ? day : tradingDayUpTo(day - 1, calendar)
  const isTrading = (each: number) => isTradingDay(each, calendar)
  return { basePrice, actions: actionsUpTo(today, actions), now, latestDay, zone, periods, isTrading }
}

function eventsOf(
  { actions, periods }: Market,
  asked: string,
  inWindow: (time: number) => boolean,
): Record<string, unknown> {
  const opening = (day: number): number => periods(day).regular.start
  const keyed = <T extends { date: number }>(events: readonly T[]): [string, T][] =>
    events.filter(({ date }) => inWindow(date)).map((event) => [String(event.date), event])
  const dividends = actions.dividends.map((each) => ({ amount: amountNow(each, actions), date: opening(each.day) }))
  const splits = actions.splits.map(({ day, numerator, denominator }) => ({
    date: opening(day),
    numerator,
    denominator,
    splitRatio: `${numerator}:${denominator}`,
  }))
  const names = asked.split('|')
  const found = {
    dividends: names.includes('div') ? keyed(dividends) : [],
    splits: names.includes('split') ? keyed(splits) : [],
  }
  return Object.fromEntries(
    Object.entries(found)
      .filter(([, events]) => events.length > 0)
      .map(([name, events]) => [name, Object.fromEntries(events)]),
  )
}

export function chartMeta(instrument: Instrument, interval: string, now: number): Record<string, unknown> {
  const { calendar, row } = instrument
  const zone = String(row.exchangeTimezoneName)
  const market = marketOf(instrument, now)
  const ended = market?.periods(market.latestDay).regular.end ?? now
  return {
    currency: row.currency,
    symbol: row.symbol,
    exchangeName: row.exchange,
    fullExchangeName: row.fullExchangeName,
    instrumentType: row.quoteType,
    firstTradeDate: firstTradeEpoch,
    regularMarketTime: Math.floor(Math.min(now, ended)),
    hasPrePostMarketData: calendar?.preOpens !== undefined,
    gmtoffset: offsetSeconds(zone, now),
    exchangeTimezoneName: zone,
    regularMarketPrice: row.regularMarketPrice,
    longName: row.longName,
    shortName: row.shortName,
    priceHint: row.priceHint,
    ...(calendar ? { currentTradingPeriod: tradingPeriod(calendar, zone, now) } : {}),
    dataGranularity: granularity[interval] ?? interval,
    range: '',
  }
}

/** Today's hours on a trading day, before, in and after them; else those of the last one. */
function tradingPeriod(calendar: Calendar, zone: string, now: number): Record<keyof Periods, unknown> {
  const { pre, regular, post } = periodsOf(tradingDayUpTo(localDay(zone, now), calendar), calendar, zone)
  const shown = ({ start, end }: Period) => ({ start, end, gmtoffset: offsetSeconds(zone, start) })
  return { pre: shown(pre), regular: shown(regular), post: shown(post) }
}

export function newInstrument(row: QuoteRow, calendar: Calendar | null): Instrument {
  return { calendar, row, basePrice: Number(row.regularMarketPrice), actions: noActions }
}
