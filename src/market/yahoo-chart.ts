import { z } from 'zod'
import type { Candle } from '../domain/candle.ts'
import { intervalSeconds, isDaily } from '../domain/interval.ts'
import type { CandleBatch, CandleQuery } from './market-source.ts'
import {
  byDate,
  endOnGrid,
  hasPrices,
  inOrder,
  type MarketHours,
  type Row,
  type Session,
  volumeOf,
} from './yahoo-rows.ts'
import { tradingDate } from './yahoo-trading-date.ts'

const column = z.array(z.unknown()).catch([])
const session = z.object({ start: z.number(), end: z.number() })

const columns = z.object({ open: column, high: column, low: column, close: column, volume: column })
type Columns = z.infer<typeof columns>

const answer = z.object({
  chart: z.object({
    result: z.tuple([
      z.object({
        meta: z.object({
          exchangeTimezoneName: z.string().catch('UTC'),
          regularMarketTime: z.number().nullable().catch(null),
          currentTradingPeriod: z.object({ regular: session }).nullable().catch(null),
        }),
        timestamp: column,
        indicators: z.object({
          quote: z.tuple([columns]),
        }),
      }),
    ]),
  }),
})

/** A chart answer as candles of [from, to). Throws where it is not one. */
export function readChart(body: unknown, { interval, from, to }: CandleQuery, nowMs: number): CandleBatch {
  const [{ meta, timestamp, indicators }] = answer.parse(body).chart.result
  const [prices] = indicators.quote
  if (timestamp.length === 0 && prices.close.length > 0) throw new Error('Prices without times')
  const hours: MarketHours = {
    timezone: meta.exchangeTimezoneName,
    session: wholeDay(meta.currentTradingPeriod?.regular ?? null),
    lastTradeEpoch: meta.regularMarketTime,
  }
  const sent = inOrder(toRows(timestamp, prices))
  const rows = isDaily(interval) ? byDate(sent, hours) : endOnGrid(sent, hours, intervalSeconds(interval))
  const runs = isDaily(interval) ? dayRuns(hours, nowMs / 1000) : minutesRun(intervalSeconds(interval), nowMs / 1000)

  const candles: Candle[] = []
  const excluded: number[] = []
  for (const row of rows) {
    if (row.epoch < from || row.epoch >= to) continue
    if (hasPrices(row)) candles.push({ ...row, volume: volumeOf(row), closed: !runs(row.epoch) })
    else excluded.push(row.epoch)
  }
  return { candles, excluded }
}

function toRows(timestamp: readonly unknown[], { open, high, low, close, volume }: Columns): Row[] {
  const rows: Row[] = []
  for (const [i, epoch] of timestamp.entries()) {
    if (typeof epoch !== 'number') continue
    rows.push({ epoch, open: open[i], high: high[i], low: low[i], close: close[i], volume: volume[i] })
  }
  return rows
}

/** Markets that never close have sessions that Yahoo ends at 23:59. */
function wholeDay(regular: Session | null): Session | null {
  if (!regular || regular.end - regular.start < 86_340) return regular
  return { start: regular.start, end: regular.start + 86_400 }
}

const minutesRun =
  (seconds: number, now: number) =>
  (epoch: number): boolean =>
    epoch + seconds > now

/** A day runs until its regular session ends; where Yahoo does not tell of that day's session, until the date is over. */
function dayRuns({ timezone, session }: MarketHours, now: number): (date: number) => boolean {
  const today = tradingDate(now, timezone)
  const sessionDate = session && tradingDate(session.start, timezone)
  return (date) => {
    if (date < today) return false
    if (session === null || sessionDate === null || date > sessionDate) return true
    return date === sessionDate && now < session.end
  }
}
