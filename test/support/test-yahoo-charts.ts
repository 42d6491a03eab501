import { type Actions, actionsUpTo, amountNow, dividendFactors, noActions, sharesSince } from './test-yahoo-actions.ts'
import { type Bar, barOf, inSharesOfNow, joined, priceAt, priceOnly } from './test-yahoo-prices.ts'
import {
  type Calendar,
  dateOf,
  dayOf,
  daySeconds,
  isTradingDay,
  localDay,
  midnightOf,
  offsetSeconds,
  type Period,
  type Periods,
  periodsOf,
  tradingDayUpTo,
} from './test-yahoo-sessions.ts'

/** Charts that test Yahoo makes up, with the habits and the known faults of the real one. */
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

const intradaySeconds: Readonly<Record<string, number>> = {
  '1m': 60,
  '2m': 120,
  '5m': 300,
  '15m': 900,
  // Known fault: hours are what it sends for half hours.
  '30m': 3600,
  '60m': 3600,
  '1h': 3600,
}

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
  if (reach !== undefined && period1 < now - reach * daySeconds - 3600) {
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

/** An instrument as it is at a time. */
interface Market {
  readonly basePrice: number
  readonly actions: Actions
  readonly now: number
  /** The trading day whose session was the last to begin. */
  readonly latestDay: number
  readonly zone: string
  periods(day: number): Periods
  isTrading(day: number): boolean
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

const rowOf = (time: number, bar: Bar): ChartRow => ({ time: Math.floor(time), ...bar })

function dayRows(market: Market, first: number, last: number): ChartRow[] {
  const { basePrice, actions, now, latestDay, periods } = market
  const closeBefore = ({ day }: { day: number }): number => {
    let before = day - 1
    while (!market.isTrading(before)) before--
    return priceAt(basePrice, periods(before).regular.end) / sharesSince(before, actions)
  }
  const factorOf = dividendFactors(actions, closeBefore)
  const rows: ChartRow[] = []
  for (const day of sessionDays(market, first, last)) {
    const { start, end } = periods(day).regular
    const isLatest = day === latestDay
    if (day % 29 === 0 && !isLatest) {
      rows.push({ time: start })
      continue
    }
    const bar = inSharesOfNow(barOf(basePrice, start, end, now), sharesSince(day, actions))
    const time = isLatest ? Math.min(now, end) : start
    rows.push({ ...rowOf(time, bar), adjclose: Math.fround(bar.close * factorOf(day)) })
  }
  return rows
}

/** Known fault: weeks and months are adjusted for nothing, and so is what they call the adjusted close. */
function longRows(market: Market, interval: '1wk' | '1mo', first: number, last: number): ChartRow[] {
  const { basePrice, now, latestDay, periods, zone } = market
  // From a Monday on: 1970-01-01 was a Thursday.
  const startOf = (day: number): number =>
    interval === '1wk' ? Math.floor((day + 3) / 7) * 7 - 3 : dayOf(`${dateOf(day).slice(0, 7)}-01`)
  const groups = new Map<number, [Bar, ...Bar[]]>()
  for (const day of sessionDays(market, startOf(first), last)) {
    const { start, end } = periods(day).regular
    const bar = barOf(basePrice, start, end, now)
    const group = groups.get(startOf(day))
    if (group) group.push(bar)
    else groups.set(startOf(day), [bar])
  }
  return [...groups].map(([start, bars]) => {
    const bar = inSharesOfNow(joined(bars), 1)
    const time = start === startOf(latestDay) ? Math.min(now, periods(latestDay).regular.end) : midnightOf(start, zone)
    return { ...rowOf(time, bar), adjclose: bar.close }
  })
}

function intradayRows(market: Market, request: ChartRequest, first: number, last: number): ChartRow[] {
  const { basePrice, actions, now, periods } = market
  const seconds = intradaySeconds[request.interval] ?? 60
  const rows: ChartRow[] = []
  /** The end of the last period that has rows. */
  let bell = 0
  let shares = 1
  for (let day = first; day <= last; day++) {
    if (!market.isTrading(day)) continue
    const { pre, regular, post } = periods(day)
    shares = sharesSince(day, actions)
    for (const period of request.includePrePost ? [pre, regular, post] : [regular]) {
      if (period.start >= period.end || period.start > now) continue
      bell = period.end
      for (let time = period.start; time < period.end && time <= now; time += seconds) {
        const end = Math.min(time + seconds, period.end)
        const bar = inSharesOfNow(barOf(basePrice, time, end, now), shares)
        const isNull = (time / 60) % 97 === 5 && end <= now
        rows.push(isNull ? { time } : rowOf(time, period === regular ? bar : { ...bar, volume: 0 }))
      }
    }
  }
  if (bell > 0) {
    const price = inSharesOfNow(priceOnly(basePrice, Math.min(now, bell)), shares)
    if (now < bell || isNewest(market, bell)) rows.push(rowOf(Math.min(now, bell), price))
  }
  return rows
}

/** Whether nothing has been traded since that period ended. */
const isNewest = ({ latestDay, periods }: Market, end: number): boolean => end >= periods(latestDay).regular.end

/** The trading days whose session has begun. */
const sessionDays = ({ latestDay, isTrading }: Market, first: number, last: number): number[] => {
  const days = Array.from({ length: Math.max(0, Math.min(last, latestDay) - first + 1) }, (_, i) => first + i)
  return days.filter(isTrading)
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

/** An instrument that trades as many days as there are, where nothing else is known of it. */
export function newInstrument(row: QuoteRow, calendar: Calendar | null): Instrument {
  return { calendar, row, basePrice: Number(row.regularMarketPrice), actions: noActions }
}
