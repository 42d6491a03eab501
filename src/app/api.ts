import { ApiServer } from '../http/server/api-server.ts'
import { LiveCandles } from '../market/live-candles/live-candles.ts'
import { saturation, seriesOfGauge } from '../platform/metrics.ts'
import { schema } from '../schema/index.ts'
import { fullestChannel } from '../stream/channel.ts'
import { PriceHub } from '../stream/hub.ts'
import { SignalEvents } from '../stream/signal-events.ts'
import { createFindings, type SharedServices } from './shared-services.ts'
import { listening } from './start-errors.ts'

/** Serves GraphQL. Resolves to its origin. */
export async function startApi(shared: SharedServices): Promise<string> {
  const { config, log, stops, pool, bus, pulse, source, market, jobs, registry, fallbacks, health, now } = shared
  const hub = new PriceHub({ bus, pulse, registry, now })
  const { signals, analyses } = createFindings(pool, source)
  const signalEvents = new SignalEvents({ store: signals, bus, log })
  const liveCandles = new LiveCandles({ market, prices: hub, log, registry, now })
  seriesOfGauge(registry, saturation, 'stream_reader', fullestChannel)
  const server = new ApiServer({
    host: config.HOST,
    port: config.PORT,
    schema,
    health,
    log,
    registry,
    fallbacks,
    ports: {
      now,
      market,
      prices: hub,
      liveCandles,
      jobs,
      analyses,
      signals,
      signalEvents,
      limits: {
        symbolsPerSubscription: config.MAX_SYMBOLS_PER_SUBSCRIPTION,
        upstreamCallsPerOperation: config.MAX_UPSTREAM_CALLS_PER_OPERATION,
      },
      jobLimits: {
        enqueuesPerOperation: config.MAX_ENQUEUES_PER_OPERATION,
        runAtWithinDays: config.RUN_AT_WITHIN_DAYS,
      },
    },
    price: {
      mode: config.PRICE,
      ceiling: config.MAX_POINTS_PER_OPERATION,
      standing: {
        ofConnection: config.MAX_STANDING_POINTS_PER_CONNECTION,
        ofClient: config.MAX_STANDING_POINTS_PER_CLIENT,
        inAll: config.MAX_STANDING_POINTS,
      },
    },
    limits: {
      maxTcpConnections: config.MAX_TCP_CONNECTIONS,
      maxConnections: config.MAX_CONNECTIONS,
      maxConnectionsPerAddress: config.MAX_CONNECTIONS_PER_ADDRESS,
      maxSubscriptions: config.MAX_SUBSCRIPTIONS_PER_CONNECTION,
      maxMessageBytes: config.MAX_MESSAGE_BYTES,
      initTimeoutSeconds: config.CONNECTION_INIT_SECONDS,
      pingSeconds: config.PING_SECONDS,
    },
    access: {
      allowedHosts: config.ALLOWED_HOSTS ?? [],
      allowedOrigins: config.ALLOWED_ORIGINS,
      trustedProxies: config.TRUST_PROXY ?? [],
    },
  })
  // Close sockets first: ending a stream would tell clients that it is complete.
  stops.push(() => server.stop())
  stops.push(() => jobs.stop())
  stops.push(() => signalEvents.stop())
  stops.push(() => hub.stop())
  stops.push(() => liveCandles.stop())
  stops.push(() => server.closeSockets())
  hub.start()
  signalEvents.start()
  await listening(() => server.start(), config.HOST, 'PORT', config.PORT)
  stops.push(() => server.stopAccepting({ drainMs: config.DRAIN_SECONDS * 1000 }))
  return server.origin
}
