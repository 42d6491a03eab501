import { cpus } from 'node:os'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'

/** In seconds, from 1 ms to 10 s: for resolvers, requests and jobs. */
export const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/**
 * The metrics of this process, its event loop and its machine. All other metrics are registered where they are
 * measured.
 */
export function createMetrics(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const cpuPercent = systemCpuPercent()
  new Gauge({
    name: 'finstage_system_cpu_percent',
    help: 'How busy the cores of this machine were since the last look, 0 to 100',
    registers: [registry],
    collect() {
      this.set(cpuPercent())
    },
  })
  return registry
}

/** A gauge that is read at every scrape. */
export function gaugeOf(registry: Registry, name: string, help: string, value: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(value())
    },
  })
}

/** A counter that is read at every scrape, for totals kept elsewhere because prom-client would be too slow. */
export function counterOf(registry: Registry, name: string, help: string, total: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset()
      this.inc(total())
    },
  })
}

/** Scrapes within a second share one result, so that several scrapers do not shorten each other's window to nothing. */
function systemCpuPercent(): () => number {
  let last = { ...cpuTimes(), at: performance.now() }
  let percent = (100 * last.busy) / Math.max(1, last.busy + last.idle)
  return () => {
    if (performance.now() - last.at < 1000) return percent
    const now = { ...cpuTimes(), at: performance.now() }
    const busy = now.busy - last.busy
    const idle = now.idle - last.idle
    if (busy + idle > 0) percent = (100 * busy) / (busy + idle)
    last = now
    return percent
  }
}

function cpuTimes(): { busy: number; idle: number } {
  let busy = 0
  let idle = 0
  for (const { times } of cpus()) {
    busy += times.user + times.nice + times.sys + times.irq
    idle += times.idle
  }
  return { busy, idle }
}
