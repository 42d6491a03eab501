import { createMetricsServer } from '../http/server/metrics-server.ts'
import type { SharedServices } from './shared-services.ts'
import { listening } from './start-errors.ts'

/** Serves metrics and health until nearly everything else has stopped. Resolves to their origin. */
export async function startMetrics({ config, stops, registry, health }: SharedServices): Promise<string> {
  const server = createMetricsServer({
    host: config.HOST,
    port: config.METRICS_PORT,
    allowedHosts: config.ALLOWED_HOSTS ?? [],
    registry,
    health,
  })
  stops.pushLast(() => server.stop())
  await listening(() => server.start(), config.HOST, 'METRICS_PORT', config.METRICS_PORT)
  return server.origin
}
