import type { Registry } from 'prom-client'
import type { Health } from './health.ts'
import { Listener } from './listener.ts'

/** Prometheus text at /metrics, and health, on a port of their own: every role has it. */
export function createMetricsServer(options: {
  host: string
  port: number
  registry: Registry
  health: Health
}): Listener {
  const { host, port, registry, health } = options
  return new Listener({
    host,
    port,
    serve(request, response) {
      if (request.url?.split('?')[0] === '/metrics') {
        registry.metrics().then(
          (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
          () => response.writeHead(500).end(),
        )
      } else if (!health.serve(request, response)) {
        response.writeHead(404, { 'content-type': 'text/plain' }).end('Nothing is here. Metrics are at /metrics\n')
      }
    },
  })
}
