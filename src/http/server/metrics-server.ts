import type { Registry } from 'prom-client'
import { AllowedHosts } from '../access/allowed-hosts.ts'
import { unknownHost } from '../access/front-door.ts'
import type { Health } from './health.ts'
import { Listener } from './listener.ts'

/** Far more than scrapers and probes need. */
const maxConnections = 1000

/** Serves Prometheus metrics at /metrics, and health, on a port of their own. Every role has it. */
export function createMetricsServer(options: {
  host: string
  port: number
  allowedHosts: readonly string[]
  registry: Registry
  health: Health
}): Listener {
  const { host, port, registry, health } = options
  const hosts = new AllowedHosts({ host, names: options.allowedHosts })
  return new Listener({
    host,
    port,
    maxConnections,
    serve(request, response) {
      if (!hosts.has(request.headers.host)) {
        // Keeps pages from reading metrics by DNS rebinding.
        response.writeHead(421, { 'content-type': 'text/plain' }).end(`${unknownHost}\n`)
      } else if (request.url?.split('?')[0] === '/metrics') {
        registry.metrics().then(
          (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
          () => response.writeHead(500).end(),
        )
      } else if (!health.serve(request, response, { tellsReasons: true })) {
        response.writeHead(404, { 'content-type': 'text/plain' }).end('Nothing is here. Metrics are at /metrics\n')
      }
    },
  })
}
