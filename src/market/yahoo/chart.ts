import { z } from 'zod'
import type { SourceCandle } from '../../domain/candle.ts'
import type { Dividend, Split } from '../../domain/corporate-action.ts'
import { intervalSeconds, isDaily } from '../../domain/time/interval.ts'
import { tradingDate } from '../../domain/time/trading-date.ts'
import type { Nonsense } from '../quarantine.ts'
import { type CandleBatch, type CandleQuery, furthestAheadMs, type SourceFacts } from '../source.ts'
import { adjustedCloses, type Payment, withGain } from './adjusted-closes.ts'
import { compareDays, compareTimes, type Differs } from './calendar-differences.ts'
import { shortestDecimal } from './float32.ts'
import { finalBefore, knownTimezone, type MarketHours, tradingHours, tradingPeriods, wholeDay } from './hours.ts'
import {
  credible,
  inOneUnit,
  inOrder,
  joined,
  onDates,
  onGrid,
  type PricedRow,
  type Row,
  rowDates,
  volumeOf,
  withoutJumps,
} from './rows.ts'
import { withSplitsApplied } from './unapplied-splits.ts'

/** Its entries are looked at one by one later: an array of unknowns would be copied first. */
const column = z.custom<readonly unknown[]>(Array.isArray).catch([])
/** Whole seconds, in years of four digits. */
const isEpoch = (value: unknown): value is number => Number.isInteger(value) && Math.abs(Number(value)) < 2.5e11
const epoch = z.custom<number>(isEpoch)
const session = z.object({ start: epoch, end: epoch })
const spareSession = session.nullable().catch(null)
const spareEpoch = epoch.nullable().catch(null)

const columns = z.object({ open: column, high: column, low: column, close: column, volume: column })
const currency = z
  .string()
  .regex(/^[A-Za-z]{1,8}$/)
  .nullable()
  .catch(null)
const dividend = z.object({ date: epoch, amount: z.number().positive(), currency })
const split = z.object({ date: epoch, numerator: z.number().positive(), denominator: z.number().positive() })
/** The keys do not matter; unreadable events are left out. */
const events = <T extends z.ZodType>(event: T) => z.record(z.string(), event.nullable().catch(null)).catch({})

const answer = z.object({
  chart: z.object({
    result: z.tuple([
      z.object({
        meta: z.object({
          exchangeTimezoneName: z.string().catch('UTC').transform(knownTimezone),
          exchangeName: z
            .string()
            .regex(/^[\w-]{1,16}$/)
            .nullable()
            .catch(null),
          instrumentType: z.string().nullable().catch(null),
          currency,
          firstTradeDate: spareEpoch,
          chartPreviousClose: z.number().positive().nullable().catch(null),
          regularMarketTime: spareEpoch,
          regularMarketPrice: z.number().positive().nullable().catch(null),
          currentTradingPeriod: z
            .object({ pre: spareSession, regular: spareSession, post: spareSession })
            .catch({ pre: null, regular: null, post: null }),
        }),
        timestamp: column,
        events: z
          .object({ dividends: events(dividend), splits: events(split), capitalGains: events(dividend) })
          .catch({ dividends: {}, splits: {}, capitalGains: {} }),
        indicators: z.object({
          quote: z.tuple([columns]),
          adjclose: z.array(z.object({ adjclose: column })).catch([]),
        }),
      }),
    ]),
  }),
})
type Result = z.infer<typeof answer>['chart']['result'][0]

/**
 * Reads a chart answer as candles of [from, to). Throws if it is not one. Rows that cannot be true are listed under
 * `excluded` and reported to `nonsense`, dates whose rows differ from the exchange's calendar to `differs`.
 */
export function readChart(
  body: unknown,
  { interval, extendedHours, from, to }: CandleQuery,
  nowMs: number,
  nonsense: (reason: Nonsense, row: Row) => void = () => {},
  differs: Differs = () => {},
): CandleBatch {
  const [result] = answer.parse(body).chart.result
  const { meta, timestamp, indicators } = result
  if (timestamp.length === 0 && indicators.quote[0].close.length > 0) throw new Error('Prices without times')
  const now = nowMs / 1000
  const regular = wholeDay(meta.currentTradingPeriod.regular)
  const isExtended = extendedHours && !isDaily(interval)
  const trading = tradingHours(meta.currentTradingPeriod, isExtended)
  const hours: MarketHours = {
    ...exchangeOf(meta),
    session: regular,
    periods: tradingPeriods(meta.currentTradingPeriod, isExtended),
    lastTradeEpoch: meta.regularMarketTime,
  }

  const excluded = new Set<number>()
  const leaveOut = (reason: Nonsense, row: Row, epoch = row.epoch): void => {
    nonsense(reason, row)
    if (epoch >= from && epoch < to) excluded.add(epoch)
  }
  const outOfTime = (row: Row): void =>
    leaveOut('time backwards', row, isDaily(interval) ? rowDates(hours)(row.epoch) : Math.floor(row.epoch / 60) * 60)
  const { past = [], ahead = [] } = Object.groupBy(toRows(result), ({ epoch }) =>
    epoch > now + furthestAheadMs / 1000 ? 'ahead' : 'past',
  )
  for (const row of ahead) outOfTime(row)
  const sent = inOrder(past, outOfTime)
  const rows = isDaily(interval) ? onDates(sent, hours) : onGrid(sent, hours, intervalSeconds(interval))
  const runs = isDaily(interval) ? dayRuns(hours, now) : minutesRun(intervalSeconds(interval), now)
  const sessionOf = isDaily(interval)
    ? (epoch: number): number => epoch
    : (epoch: number): number => tradingDate(epoch, hours.timezone)
  const happened = actions(result)
  const priced = credible(rows, { mayBeNegative: isFuture(result), leaveOut })
  // Before prices of different days are compared: a split that was not applied looks like another unit.
  const inSharesOfNow = withSplitsApplied(priced, happened.splits, {
    dateOf: sessionOf,
    applied: (row) => nonsense('split not applied', row),
    unsure: (row) => nonsense('split in doubt', row),
  })
  const newest = inSharesOfNow.at(-1)
  const isCurrent = newest && sessionOf(newest.epoch) >= tradingDate(meta.regularMarketTime ?? now, hours.timezone)
  const { rows: inUnit, doubtfulFrom } = inOneUnit(inSharesOfNow, {
    closeBefore: meta.chartPreviousClose,
    currentPrice: isCurrent ? meta.regularMarketPrice : null,
    leaveOut,
  })
  const screened = withoutJumps(inUnit, { sessionOf, leaveOut })
  const final = finalBefore(interval, trading, hours.timezone, now)
  const placed = joined(screened)
  const compared = { market: hours, rows: placed, differs }
  if (isDaily(interval)) compareDays({ ...compared, sent: rows })
  else if (!isExtended) compareTimes({ ...compared, dateOf: sessionOf })
  const adjusted = isDaily(interval) ? adjustedOf(placed, result, happened.dividends, nonsense) : []
  const candles: SourceCandle[] = []
  for (const [i, row] of placed.entries()) {
    if (row.epoch < from || row.epoch >= to) continue
    const { epoch, open, high, low, close } = row
    candles.push({
      epoch,
      open,
      high,
      low,
      close,
      volume: volumeOf(row),
      closed: epoch < final || !runs(epoch),
      adjustedClose: adjusted[i] ?? null,
    })
    excluded.delete(epoch)
  }
  const isInside = ({ epoch }: { readonly epoch: number }): boolean => epoch >= from && epoch < to
  const facts: SourceFacts = {
    timezone: meta.exchangeTimezoneName,
    currency: meta.currency,
    firstTradeEpoch: meta.firstTradeDate,
    sessionOpens: regular?.start ?? null,
    sessionCloses: regular?.end ?? null,
    exchange: meta.exchangeName,
    hours: trading,
  }
  return {
    candles,
    excluded: [...excluded].sort((a, b) => a - b),
    dividends: isDaily(interval) ? happened.dividends.filter(isInside) : [],
    splits: isDaily(interval) ? happened.splits.filter(isInside) : [],
    // The next rows tell whether the last ones can be true: until then, they are asked for again.
    finalBefore: doubtfulFrom === null ? final : Math.min(final, doubtfulFrom),
    facts,
  }
}

/** Futures pay no dividends, and shares of a price that may be negative mean nothing. */
function adjustedOf(
  days: readonly PricedRow[],
  result: Result,
  dividends: readonly Dividend[],
  nonsense: (reason: Nonsense, row: Row) => void,
): readonly (number | null)[] {
  if (isFuture(result)) return days.map(({ close }) => close)
  return adjustedCloses(days, payments(result, dividends), (row) => nonsense('adjusted close', row))
}

const exchangeOf = ({ exchangeTimezoneName: timezone, exchangeName: exchange }: Result['meta']) => ({
  timezone,
  exchange,
})

const isFuture = ({ meta }: Result): boolean => meta.instrumentType === 'FUTURE'

function toRows({ timestamp, indicators }: Result): Row[] {
  const [{ open, high, low, close, volume }] = indicators.quote
  const adjusted = indicators.adjclose[0]?.adjclose ?? []
  const rows: Row[] = []
  for (const [i, time] of timestamp.entries()) {
    if (!isEpoch(time)) continue
    rows.push({
      epoch: time,
      open: priceOf(open[i]),
      high: priceOf(high[i]),
      low: priceOf(low[i]),
      close: priceOf(close[i]),
      volume: volume[i],
      adjustedClose: priceOf(adjusted[i]),
    })
  }
  return rows
}

/** Yahoo's charts carry prices as float32. Volumes are whole numbers, which that would cut. */
const priceOf = (sent: unknown): unknown => (typeof sent === 'number' ? shortestDecimal(sent) : sent)

/** All that the answer tells of, even out of the range: one of each kind per trading date, oldest first. */
function actions({ meta, events }: Result): { dividends: Dividend[]; splits: Split[] } {
  const dateOf = rowDates(exchangeOf(meta))
  const dates = <T extends { date: number }>(found: Record<string, T | null>): [number, T[]][] => {
    const known = Object.values(found).filter((event) => event !== null)
    const byDate = Map.groupBy(known, ({ date }) => dateOf(date))
    return [...byDate].sort(([a], [b]) => a - b)
  }
  const product = (factors: readonly number[]): number => factors.reduce((a, b) => a * b)
  return {
    dividends: dates(events.dividends).map(([epoch, paid]) => dividendOf(epoch, paid, meta.currency)),
    splits: dates(events.splits).map(([epoch, done]) => ({
      epoch,
      numerator: product(done.map(({ numerator }) => numerator)),
      denominator: product(done.map(({ denominator }) => denominator)),
    })),
  }
}

/** All dividends of one date. Amounts in different currencies are not added: those in the currency of the prices count. */
function dividendOf(
  epoch: number,
  paid: readonly { amount: number; currency: string | null }[],
  ofPrices: string | null,
): Dividend {
  const home = paid.find((each) => !isForeign(each.currency, ofPrices)) ?? paid[0]
  const currency = home?.currency ?? null
  const alike = paid.filter((each) => (each.currency ?? ofPrices) === (currency ?? ofPrices))
  return { epoch, amount: alike.reduce((sum, { amount }) => sum + amount, 0), currency }
}

/**
 * What lowers adjusted closes. Yahoo counts a fund's capital gain in the dividend of the same day, and tells of it once
 * more by itself.
 */
function payments({ meta, events }: Result, dividends: readonly Dividend[]): Payment[] {
  const dateOf = rowDates(exchangeOf(meta))
  const known = ({ amount, currency }: { readonly amount: number; readonly currency: string | null }) =>
    isForeign(currency, meta.currency) ? null : amount
  const byDate = new Map<number, Payment>(
    dividends.map((paid) => [paid.epoch, { epoch: paid.epoch, amount: known(paid), gains: 0 }]),
  )
  for (const gain of Object.values(events.capitalGains)) {
    if (gain === null) continue
    const epoch = dateOf(gain.date)
    byDate.set(epoch, withGain(byDate.get(epoch) ?? { epoch, amount: 0, gains: 0 }, known(gain)))
  }
  return [...byDate.values()]
}

/** GBp and GBP are two currencies here: amounts of one are a hundred times those of the other. */
const isForeign = (currency: string | null, ofPrices: string | null): boolean =>
  currency !== null && ofPrices !== null && currency !== ofPrices

const minutesRun =
  (seconds: number, now: number) =>
  (epoch: number): boolean =>
    epoch + seconds > now

/**
 * A day runs until its regular session ends, or, if Yahoo does not state that day's session, until the date is over.
 */
function dayRuns({ timezone, session }: MarketHours, now: number): (date: number) => boolean {
  const today = tradingDate(now, timezone)
  const sessionDate = session && tradingDate(session.start, timezone)
  return (date) => {
    if (date < today) return false
    if (session === null || sessionDate === null || date > sessionDate) return true
    return date === sessionDate && now < session.end
  }
}
