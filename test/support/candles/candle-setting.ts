import { Registry } from 'prom-client'
import type { CandleRequest, CandleSeries } from '../../../src/domain/candle.ts'
import { CandleService } from '../../../src/market/candles/service.ts'
import { Quarantine } from '../../../src/market/quarantine.ts'
import type { CandleBatch, CandleQuery, MarketSource } from '../../../src/market/source.ts'
import type { DatabasePool } from '../../../src/platform/database/pool.ts'
import { CandleStore } from '../../../src/store/candles/candle-store.ts'
import { silentLog } from '../log.ts'
import { type AskedQuery, type Model, modelSource } from './model-market.ts'

/** A candle service over a market that is made up, at a time that goes by when it is told to. */
export interface Setting {
  readonly service: CandleService
  readonly calls: AskedQuery[]
  readonly registry: Registry
  /** Where the answers came from, oldest first. */
  readonly results: ('hit' | 'miss' | 'stale')[]
  /** What the source does instead of answering, until it is set to null. */
  fails: Error | null
  change: (batch: CandleBatch) => CandleBatch
  /** Awaited before a call is answered. */
  hold: (query: CandleQuery) => Promise<unknown>
  /** How long a call takes, in seconds. */
  slow: number
  now: number
  /** Another process: it shares nothing but the store. */
  another(): Setting
}

/** `now`: ISO 8601. */
export function candleSetting(pool: DatabasePool, model: Model, now: string): Setting {
  const registry = new Registry()
  const source = modelSource(model, () => set.now)
  const asked: MarketSource = {
    ...source,
    async candles(query) {
      const batch = await source.candles(query)
      await set.hold(query)
      set.now += set.slow
      if (set.fails) throw set.fails
      return set.change(batch)
    },
  }
  const set: Setting = {
    service: new CandleService({
      source: asked,
      store: new CandleStore(pool),
      now: () => set.now * 1000,
      quarantine: new Quarantine({ log: silentLog, registry }),
      counted: (result) => set.results.push(result),
    }),
    calls: source.calls,
    registry,
    results: [],
    fails: null,
    change: (batch) => batch,
    hold: async () => {},
    slow: 0,
    now: Date.parse(now) / 1000,
    another: () => candleSetting(pool, model, new Date(set.now * 1000).toISOString()),
  }
  return set
}

/** The last 20 days, if nothing else is asked for. */
export const requestOf = (symbol: string, changes: Partial<CandleRequest> = {}): CandleRequest => ({
  ...{
    symbol,
    interval: 'DAY_1',
    from: null,
    to: null,
    last: 20,
    earlier: 1,
    adjustment: 'SPLITS',
    extendedHours: false,
  },
  ...changes,
})

export async function ask({ service }: Setting, request: CandleRequest): Promise<CandleSeries> {
  const [answer] = await service.candles([request])
  if (answer === undefined || answer instanceof Error) throw answer
  return answer
}
