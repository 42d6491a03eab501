// Load client: subscribers over graphql-transport-ws, one per socket. Writes FanOutFigures.
import { setTimeout as sleep } from 'node:timers/promises'
import { settledMemory } from '../support/inspector.ts'
import { type CpuShares, watchCpu, writeCalls } from '../support/machine.ts'
import { PriceClients, type PriceClientsOptions } from '../support/price-clients.ts'

export interface FanOutLoad extends PriceClientsOptions {
  readonly serverPid: number
  readonly connections: number
  /** Additional connections that stop reading once they have a first price. Only the figure `stalled` counts them. */
  readonly stalled: number
  /** The connections are opened evenly over this time, so as not to overrun a server that has just started. */
  readonly joinMs: number
  /** Pause before the measurement, once all are served. */
  readonly settleMs: number
  readonly measureMs: number
  /** The server's inspector, if its memory is wanted. */
  readonly inspector: string | null
  readonly durationMs: number
}

export interface FanOutFigures {
  /** Time from the first connection until the last had its first price. */
  readonly joinedMs: number
  readonly deliveries: number
  readonly seconds: number
  /** Delay from the server's `publishedAt` to the receipt. */
  readonly p50Ms: number
  readonly p99Ms: number
  /**
   * Delay from when the tick was due to its receipt. Unlike `publishedAt`, it shows a server that is late with its
   * ticks.
   */
  readonly behindP99Ms: number
  /** Numbers left out of the sequences. */
  readonly missing: number
  /** Subscriptions that did not start in time, or whose socket the server closed. */
  readonly lost: number
  /** How many of those that stopped reading lacked prices when they went on, and so were really stalled. */
  readonly stalled: number
  readonly perRead: number
  /** Messages per system call of the server's process. */
  readonly perWrite: number
  readonly cpu: CpuShares
  /** Memory of the server while all are connected, after garbage collection; null: not asked for. */
  readonly residentBytes: number | null
}

const load = JSON.parse(process.argv[2] ?? '{}') as FanOutLoad
const beginTimeoutMs = 20_000
const stepMs = 10
/** The warm-up lasts until the ticks that piled up are worked off, or this much longer if they never are. */
const longerMs = 5000
const workedOffMs = 50
/** How long before the measurement the load looks for the promptest tick. */
const lookMs = 500
/** Ticks this late show that the server is too slow; measuring on tells no more. */
const hopelessMs = 2000
const hopelessMeasureMs = 500
const catchUpMs = 3000
/**
 * Long messages for stalled readers fill the few megabytes that the machine itself buffers for a reader within seconds.
 */
const longMessage = Array.from({ length: 60 }, (_, i) => `time${i}:time`)

const clients = new PriceClients(load)
const stalled = new PriceClients({ ...load, moreFields: longMessage })
const { tally } = clients
const newestBehindMs = (): number => Math.max(...clients.clocks.map((clock) => clock.newestMs))

const startedMs = performance.now()
await clients.openEvenly(load.connections, load.joinMs)
await clients.allServed(beginTimeoutMs)
await stalled.openEvenly(load.stalled, load.joinMs, (socket) => socket.stall())
await stalled.allServed(beginTimeoutMs)
const joinedMs = performance.now() - startedMs
const settleByMs = performance.now() + load.settleMs + longerMs
await sleep(load.settleMs)
while (newestBehindMs() > workedOffMs && performance.now() < settleByMs) await sleep(stepMs)
for (const clock of clients.clocks) clock.reset()
await sleep(lookMs)
const isHopeless = clients.served.size < load.connections || newestBehindMs() > hopelessMs
const missingBefore = clients.missing
const cpuUsed = watchCpu(load.serverPid)
const writesBefore = writeCalls(load.serverPid)
const measuredFromMs = performance.now()
tally.isMeasuring = true
await sleep(isHopeless ? hopelessMeasureMs : load.measureMs)
tally.isMeasuring = false
const seconds = (performance.now() - measuredFromMs) / 1000
const cpu = cpuUsed()
const writes = writeCalls(load.serverPid) - writesBefore
const missing = clients.missing - missingBefore
const residentBytes = load.inspector === null ? null : (await settledMemory(load.inspector, load.serverPid)).rss
for (const socket of stalled.served) socket.goOn()
if (load.stalled > 0) await sleep(catchUpMs)
const deliveries = tally.delays.count
const figures: FanOutFigures = {
  joinedMs,
  deliveries,
  seconds,
  missing,
  cpu,
  residentBytes,
  p50Ms: tally.delays.percentile(0.5),
  p99Ms: tally.delays.percentile(0.99),
  behindP99Ms: tally.behind.percentile(0.99),
  lost: load.connections - clients.served.size,
  stalled: [...stalled.served].filter((socket) => socket.missing > 0).length,
  perRead: deliveries / tally.reads,
  perWrite: deliveries / writes,
}
process.stdout.write(JSON.stringify(figures), () => process.exit(0))
