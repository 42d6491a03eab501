import { Registry } from 'prom-client'
import { daySeconds } from '../domain/time/units.ts'
import { rehearse } from '../http/server/rehearsal.ts'
import { callerWith } from '../market/call-budget.ts'
import { CandleService } from '../market/candles/service.ts'
import { Quarantine } from '../market/quarantine.ts'
import { simulatedSource } from '../market/simulated/source.ts'
import type { MarketSource } from '../market/source.ts'
import { yahooSource } from '../market/yahoo/source.ts'
import { createPool } from '../platform/database/pool.ts'
import { createLogger } from '../platform/logger.ts'
import type { Ports } from '../resolvers/context.ts'
import { schema } from '../schema/index.ts'
import { CandleStore } from '../store/candles/candle-store.ts'
import type { Config } from './config.ts'

/** What a frontend asks for first. */
const chart = '{ candles(symbol: "AAPL", last: 30) { stale columns { time open high low close volume } } }'

/**
 * Answers a chart while the database starts, so that the first client does not wait for code that runs for the first
 * time. Everything is real except for what is outside: the store is out of reach and the source answers from memory, so
 * nothing is written, no call is made, and nothing counts in the metrics or the log of this process. Resolves to the
 * body of the answer.
 */
export async function rehearseChart({ MARKET_SOURCE }: Pick<Config, 'MARKET_SOURCE'>): Promise<string> {
  const log = createLogger('silent')
  const quarantine = new Quarantine({ log, registry: new Registry() })
  const source: MarketSource =
    MARKET_SOURCE === 'simulated'
      ? simulatedSource({ symbolCount: 1, ticksPerSecond: 1 })
      : yahooSource({ fetch: async () => Response.json(chartOfYahoo(Date.now() / 1000)) })
  const pool = createPool('postgresql://rehearsal@/none?host=/nowhere', log)
  const [now, steadyMs] = [Date.now, Date.now]
  const candles = new CandleService({ source, store: new CandleStore(pool), now, steadyMs, quarantine, counted() {} })
  const market: Partial<Ports['market']> = {
    candles: (requests, budget) => candles.candles(requests, callerWith(budget)),
    reachDays: (interval) => source.reachDays(interval),
  }
  // A chart needs no other ports.
  const ports = { now, market, limits: { upstreamCallsPerOperation: 10 } } as unknown as Ports
  try {
    return await rehearse(schema, ports, chart)
  } finally {
    await pool.end()
  }
}

/** Days of two months, each with the same prices. */
function chartOfYahoo(now: number): object {
  const opens = Math.floor(now / daySeconds) * daySeconds + 14.5 * 3600
  const timestamp = Array.from({ length: 60 }, (_, day) => opens - (60 - day) * daySeconds)
  const column = timestamp.map(() => 100)
  const quote = { open: column, high: column, low: column, close: column, volume: column }
  const regular = { start: opens, end: opens + 6.5 * 3600 }
  const meta = {
    symbol: 'AAPL',
    currency: 'USD',
    exchangeName: 'NMS',
    instrumentType: 'EQUITY',
    exchangeTimezoneName: 'America/New_York',
    firstTradeDate: timestamp[0],
    currentTradingPeriod: { pre: regular, regular, post: regular },
  }
  const indicators = { quote: [quote], adjclose: [{ adjclose: column }] }
  return { chart: { result: [{ meta, timestamp, indicators }], error: null } }
}
