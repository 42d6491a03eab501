import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'

/** In seconds, from 1 ms to 10 s: for resolvers, requests and jobs. */
export const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Gauges of prom-client that are named as counters are. The sums over the labels of others, they say nothing new. */
const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']
/** How often the delay of the event loop is sampled. */
const sampleMs = 10
/** For how long the longest turn is told at least, so that each of several scrapers hears of it. */
const turnWindowMs = 15_000

/**
 * The metrics of this process, its event loop and its machine. All other metrics are registered where they are
 * measured.
 */
export function createMetrics(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: sampleMs })
  for (const name of misnamed) registry.removeSingleMetric(name)
  gaugeOf(
    registry,
    'finstage_system_cpu_percent',
    'How busy the cores of this machine were since the last look, 0 to 100',
    systemCpuPercent(),
  )
  gaugeOf(
    registry,
    'finstage_event_loop_longest_turn_seconds',
    'The longest time lately in which the event loop served nothing else, to about 10 ms; of the last 15 to 30 s, or since the scrape before the last',
    longestTurnSeconds(),
  )
  counterOf(
    registry,
    'finstage_event_loop_busy_seconds_total',
    'How long the event loop was not idle',
    () => performance.eventLoopUtilization().active / 1000,
  )
  gaugeOf(registry, 'finstage_process_threads', 'Threads of this process, those of V8 and libuv included', threads)
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

/** A gauge with one label. Each of its series is registered where it is measured. */
export interface SharedGauge {
  readonly name: string
  readonly help: string
  readonly label: string
}

/** null: not known at present, so the series is left out of this scrape. */
type Read = () => number | null | Promise<number | null>

const seriesOf = new WeakMap<object, Map<string, Read>>()

/** Adds one series to a shared gauge, read at every scrape. The others are told where `read` rejects. */
export function seriesOfGauge(registry: Registry, { name, help, label }: SharedGauge, value: string, read: Read): void {
  const known = registry.getSingleMetric(name)
  const series = (known && seriesOf.get(known)) ?? new Map<string, Read>()
  series.set(value, read)
  if (known) return
  const gauge = new Gauge({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    async collect() {
      const read = await Promise.all(
        [...series].map(async ([value, read]) => [value, await Promise.resolve(read()).catch(() => null)] as const),
      )
      this.reset()
      for (const [value, number] of read) if (number !== null) this.set({ [label]: value }, number)
    },
  })
  seriesOf.set(gauge, series)
}

/** How full everything is that has a bound and refuses or drops what is beyond it. */
export const saturation: SharedGauge = {
  name: 'finstage_saturation_ratio',
  help: 'How much of what is bounded is used up, from 0 to 1: at 1, more is refused or has to wait',
  label: 'resource',
}

export const cacheBytes: SharedGauge = {
  name: 'finstage_cache_bytes',
  help: 'Size of what caches keep, by the estimate by which they are bounded',
  label: 'cache',
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

/** Samples are the times between two runs of a timer. A turn that begins right before a run is too short by `sampleMs`. */
function longestTurnSeconds(): () => number {
  const samples = monitorEventLoopDelay({ resolution: sampleMs })
  samples.enable()
  let sinceMs = performance.now()
  let before = 0
  return () => {
    const longest = Math.max(before, samples.max)
    if (performance.now() - sinceMs >= turnWindowMs) {
      sinceMs = performance.now()
      before = samples.max
      samples.reset()
    }
    return Math.max(0, longest / 1e9 - sampleMs / 1000)
  }
}

/** NaN where there is no /proc. */
function threads(): number {
  try {
    return Number(/^Threads:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
  } catch {
    return Number.NaN
  }
}
