import { Counter, Histogram, type Registry } from 'prom-client'
import type { PriceUpdate } from '../../domain/price-update.ts'
import { counterOf, gaugeOf, saturation, seriesOfGauge } from '../../platform/metrics.ts'
import type { WriterMetrics } from './message-writer.ts'

/** One message in so many is timed: to read the clock for each would cost as much as to send it. */
const timedOneIn = 64

export interface LiveMetricsOptions {
  readonly registry: Registry
  readonly connections: () => number
  readonly unsentBytes: () => number
  readonly executions: () => number
  readonly webSockets: () => number
  readonly eventStreams: () => number
  readonly maxConnections: number
}

const refusals = [
  'tcp_connections',
  'connections',
  'connections_of_address',
  'subscriptions',
  'standing_points_of_connection',
  'standing_points_of_client',
  'standing_points',
  'message_size',
  'init_timeout',
  'ping_timeout',
  'too_slow',
] as const

/** The limit because of which a connection or a subscription was refused or ended. */
export type Refusal = (typeof refusals)[number]

/** Metrics of WebSockets, of streams over SSE, and of the prices that are sent over them. */
export class LiveMetrics implements WriterMetrics {
  /** Counted here and read when metrics are scraped: a call of prom-client for each message would cost too much. */
  #messages = 0
  #bytes = 0
  #executed = 0
  #received = 0
  #sent = 0
  readonly #refused: Counter<'limit'>
  readonly #latency: Histogram
  #untimed = 0

  constructor(options: LiveMetricsOptions) {
    const { registry, connections, unsentBytes, executions } = options
    const registers = [registry]
    gaugeOf(registry, 'finstage_live_connections', 'WebSockets and streams over SSE that are open', connections)
    gaugeOf(registry, 'finstage_websockets', 'WebSockets that are open', options.webSockets)
    gaugeOf(registry, 'finstage_event_streams', 'Streams over SSE that are open', options.eventStreams)
    seriesOfGauge(registry, saturation, 'live_connections', () => connections() / options.maxConnections)
    counterOf(
      registry,
      'finstage_websocket_messages_received_total',
      'Messages that clients sent over WebSockets',
      () => this.#received,
    )
    counterOf(
      registry,
      'finstage_websocket_messages_sent_total',
      'Messages to WebSockets beside the updates that are executed once for all: answers, acknowledgements, other events',
      () => this.#sent,
    )
    gaugeOf(
      registry,
      'finstage_live_unsent_bytes',
      'Bytes that were written to WebSockets and streams over SSE and wait in this process for their readers',
      unsentBytes,
    )
    gaugeOf(
      registry,
      'finstage_shared_executions',
      'Different price subscriptions: an update is executed once for each',
      executions,
    )
    counterOf(
      registry,
      'finstage_shared_messages_total',
      'Price updates written to WebSockets and streams over SSE, executed once for all',
      () => this.#messages,
    )
    counterOf(registry, 'finstage_shared_bytes_total', 'Bytes of these', () => this.#bytes)
    counterOf(
      registry,
      'finstage_shared_events_total',
      'Price updates that were executed for these',
      () => this.#executed,
    )
    this.#refused = new Counter({
      name: 'finstage_live_refused_total',
      help: 'Connections and subscriptions that were refused or ended, by the limit that they met',
      labelNames: ['limit'],
      registers,
    })
    for (const limit of refusals) this.#refused.inc({ limit }, 0)
    this.#latency = new Histogram({
      name: 'finstage_delivery_latency_seconds',
      help: `From when this server had a price until it was written to a client, of one message in ${timedOneIn}`,
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
      registers,
    })
  }

  written(messages: number, bytes: number, newest: PriceUpdate): void {
    this.#messages += messages
    this.#bytes += bytes
    this.#untimed += messages
    if (this.#untimed < timedOneIn) return
    // A snapshot's price may have been there for long.
    if (newest.kind === 'SNAPSHOT') return
    this.#untimed = 0
    this.#latency.observe(Math.max(0, Date.now() - newest.quote.receivedAtMs) / 1000)
  }

  /** A message came over a WebSocket. */
  received(): void {
    this.#received++
  }

  /** A message of one client alone went to its WebSocket. */
  sent(): void {
    this.#sent++
  }

  executed(): void {
    this.#executed++
  }

  refused(limit: Refusal): void {
    this.#refused.inc({ limit })
  }
}
