import { Counter, type Registry } from 'prom-client'
import { gaugeOf, saturation, seriesOfGauge } from '../../platform/metrics.ts'

/** Of a listener. */
interface Connections {
  readonly connections: number
  readonly answering: number
}

/**
 * Counts answers over HTTP, whatever they answer, and requests that are not answered yet. Their time is measured by
 * operation, not here: a stream over SSE is one request for as long as its client stays.
 */
export class HttpTraffic {
  /** By the first digit of the status. Plain numbers: a call of prom-client for each request would cost too much. */
  readonly #answers = [0, 0, 0, 0, 0, 0]

  register(registry: Registry, listener: Connections, maxConnections: number): void {
    const answers = this.#answers
    new Counter({
      name: 'finstage_http_responses_total',
      help: 'Answers over HTTP by the class of their status, those of health checks and refusals included',
      labelNames: ['status'],
      registers: [registry],
      collect() {
        this.reset()
        for (const digit of [2, 3, 4, 5]) this.inc({ status: `${digit}xx` }, answers[digit])
      },
    })
    gaugeOf(
      registry,
      'finstage_http_requests_in_flight',
      'Requests over HTTP that are not answered to their end, open streams over SSE included',
      () => listener.answering,
    )
    gaugeOf(
      registry,
      'finstage_tcp_connections',
      "Connections of any kind to the API's port",
      () => listener.connections,
    )
    seriesOfGauge(registry, saturation, 'tcp_connections', () => listener.connections / maxConnections)
  }

  answered(status: number): void {
    const digit = Math.trunc(status / 100)
    this.#answers[digit] = (this.#answers[digit] ?? 0) + 1
  }
}
