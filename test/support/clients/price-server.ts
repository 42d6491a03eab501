import { type MetricValue, Registry } from 'prom-client'
import type { FeedUpdate } from '../../../src/domain/price-update.ts'
import type { LiveLimits } from '../../../src/http/connections/limits.ts'
import { type PriceSettings, usualPriceSettings } from '../../../src/http/pipeline/price/price-settings.ts'
import { ApiServer } from '../../../src/http/server/api-server.ts'
import { Health } from '../../../src/http/server/health.ts'
import { LibraryFallbacks } from '../../../src/platform/library-fallbacks.ts'
import type { Ports } from '../../../src/resolvers/context.ts'
import { schema } from '../../../src/schema/index.ts'
import { FeedPulse } from '../../../src/stream/feed-pulse.ts'
import { PriceHub } from '../../../src/stream/hub.ts'
import { LocalBus } from '../../../src/stream/local-bus.ts'
import { feedUpdateOf } from '../candles/prices.ts'
import { silentLog } from '../log.ts'
import { eventually } from './client.ts'

const generous: LiveLimits = {
  maxTcpConnections: 2000,
  maxConnections: 1000,
  maxConnectionsPerAddress: 1000,
  maxSubscriptions: 100,
  maxMessageBytes: 64 * 1024,
  initTimeoutSeconds: 10,
  pingSeconds: 12,
}

export interface PriceServer extends AsyncDisposable {
  readonly api: string
  readonly bus: LocalBus
  readonly hub: PriceHub
  /** The next price of each symbol, its number. Of what nobody has watched yet nobody hears. */
  tick(...symbols: readonly string[]): void
  /** The number of a symbol's newest price; 0: it has none yet. */
  seqOf(symbol: string): number
  /** From now on prices are numbered anew, in a later run. */
  newRun(): void
  publish(update: FeedUpdate): void
  /** Prices of these symbols do not come by themselves when somebody asks for them. */
  withhold(...symbols: readonly string[]): void
  /** The sum over a metric's series with these labels. */
  metric(name: string, labels?: Record<string, string>): Promise<number>
  /** Waits until nothing is left of any client. */
  deserted(): Promise<void>
  stop(): Promise<void>
}

/** The API as it is, with a feed that the test plays and whatever else it needs of the ports. No database. */
export async function startPriceServer(
  options: {
    limits?: Partial<LiveLimits>
    ports?: Partial<Ports>
    host?: string
    trustedProxies?: string[]
    price?: Partial<PriceSettings>
  } = {},
): Promise<PriceServer> {
  const bus = new LocalBus()
  const registry = new Registry()
  const pulse = new FeedPulse({ bus, registry })
  pulse.start()
  const confirming = setInterval(() => bus.publish('feedConfirmed', { run: '' }), 1000)
  const hub = new PriceHub({ bus, pulse, registry })
  const seqs = new Map<string, number>()
  const withheld = new Set<string>()
  let term = 1
  const tick = (...symbols: readonly string[]): void => {
    for (const symbol of symbols) {
      const seq = (seqs.get(symbol) ?? 0) + 1
      seqs.set(symbol, seq)
      bus.publish('price', feedUpdateOf(symbol, seq, { run: `run-${term}` }))
    }
  }
  bus.subscribe('watch', ({ event, symbols }) => {
    if (event !== 'added') return
    for (const symbol of symbols) {
      const seq = seqs.get(symbol)
      if (seq !== undefined) bus.publish('price', feedUpdateOf(symbol, seq, { run: `run-${term}` }))
      else if (!withheld.has(symbol)) tick(symbol)
    }
  })
  const server = new ApiServer({
    ...{ host: options.host ?? '127.0.0.1', port: 0, schema, health: new Health(), log: silentLog, registry },
    fallbacks: new LibraryFallbacks(registry, silentLog),
    ports: {
      prices: hub,
      limits: { symbolsPerSubscription: 200, upstreamCallsPerOperation: 1 },
      ...options.ports,
    } as Ports,
    price: { ...usualPriceSettings, ...options.price },
    limits: { ...generous, ...options.limits },
    access: { allowedHosts: [], allowedOrigins: undefined, trustedProxies: options.trustedProxies ?? [] },
  })
  hub.start()
  await server.start()

  const metric = async (name: string, labels: Record<string, string> = {}): Promise<number> => {
    const { values } = (await registry.getSingleMetric(name)?.get()) ?? { values: [] as MetricValue<string>[] }
    const fits = values.filter((value) => Object.entries(labels).every(([label, is]) => value.labels[label] === is))
    return fits.reduce((sum, { value }) => sum + value, 0)
  }
  const stop = async (): Promise<void> => {
    await server.stopAccepting({ drainMs: 0 })
    await server.closeSockets()
    hub.stop()
    pulse.stop()
    clearInterval(confirming)
    await server.stop()
  }
  return {
    api: server.origin,
    ...{ bus, hub, tick, metric, stop, [Symbol.asyncDispose]: stop },
    publish: (update) => bus.publish('price', update),
    seqOf: (symbol) => seqs.get(symbol) ?? 0,
    newRun() {
      term += 1
      seqs.clear()
    },
    withhold: (...symbols) => {
      for (const symbol of symbols) withheld.add(symbol)
    },
    deserted: () =>
      eventually(async () => {
        const gauges = [
          'finstage_live_connections',
          'finstage_live_unsent_bytes',
          'finstage_price_subscriptions',
          'finstage_shared_executions',
          'finstage_standing_points',
        ]
        return (await Promise.all(gauges.map((gauge) => metric(gauge)))).every((value) => value === 0)
      }, 'nothing is left of any client'),
  }
}
