// Load client: subscribers over graphql-transport-ws, one to a socket. Writes FanOutFigures.
import { setTimeout as sleep } from 'node:timers/promises'
import { settledMemory } from './inspector.ts'
import { type CpuShares, watchCpu, writeCalls } from './machine.ts'
import { PriceSocket } from './price-socket.ts'
import { PriceTally, TickClock } from './price-tally.ts'

export interface FanOutLoad {
  readonly url: string
  readonly serverPid: number
  /** Taken in turns. */
  readonly symbols: readonly string[]
  /** At which the server is told to tick for each symbol: tells when each `seq` was due. */
  readonly ticksPerSecond: number
  readonly connections: number
  /** So many more connections stop reading once they have a first price; they are in none of the figures. */
  readonly stalled: number
  /** All subscriptions bear one name, for servers that know only one. */
  readonly sharesId: boolean
  /** The connections are opened evenly over this time: a server that has just started is not run over. */
  readonly joinMs: number
  /** Before the measurement, once all are served. */
  readonly settleMs: number
  readonly measureMs: number
  /** The server's, where its memory is wanted. */
  readonly inspector: string | null
  readonly durationMs: number
}

export interface FanOutFigures {
  /** From the first connection until the last one had its first price. */
  readonly joinedMs: number
  readonly deliveries: number
  readonly seconds: number
  /** From the server's `publishedAt` to the receipt. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** From when the tick was due to its receipt: shows what `publishedAt` does not, a server that comes late to its ticks. */
  readonly behindP99Ms: number
  /** Numbers left out of the sequences. */
  readonly missing: number
  /** Subscriptions that had not begun in time, or whose socket the server closed. */
  readonly lost: number
  readonly perRead: number
  /** By the system calls of the server's process. */
  readonly perWrite: number
  readonly cpu: CpuShares
  /** Of the server while all are connected, after its garbage was collected; null: not asked for. */
  readonly residentBytes: number | null
}

const load = JSON.parse(process.argv[2] ?? '{}') as FanOutLoad
const beginTimeoutMs = 20_000
const stepMs = 10
/** The warm-up lasts until the ticks that piled up meanwhile are worked off, or until this time where they never are. */
const longestSettleMs = 6000
const workedOffMs = 50
/** For so long before the measurement, it is seen how prompt a tick can be. */
const lookMs = 500
/** Where it has come to this, measuring on tells no more: the server is too slow. */
const hopelessMs = 2000
const hopelessMeasureMs = 500
/** Of 127.0.0.0/8, in turns: each has its own ports. */
const localAddresses = 4

const url = new URL(load.url)
const tally = new PriceTally()
const clocks = new Map(load.symbols.map((symbol) => [symbol, new TickClock(load.ticksPerSecond)]))
/** Those that have got a first price and are open. */
const served = new Set<PriceSocket>()
let closed = 0

function fail(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}

function open(index: number): void {
  const symbol = load.symbols[index % load.symbols.length] as string
  const isStalled = index >= load.connections
  new PriceSocket({
    ...{ url, symbol, tally, clock: clocks.get(symbol) as TickClock },
    localAddress: `127.0.0.${1 + (index % localAddresses)}`,
    // As long as the names that clients give, which are UUIDs.
    id: String(load.sharesId ? 0 : index).padStart(36, '0'),
    onServed: (socket) => {
      served.add(socket)
      if (isStalled) socket.stall()
    },
    onClosed: (socket) => {
      closed += 1
      served.delete(socket)
    },
    onWrong: fail,
  })
}

/** Evenly, whatever a timer is good for. */
async function openAll(count: number): Promise<void> {
  const startedMs = performance.now()
  for (let opened = 0; opened < count; ) {
    const due = Math.min(count, Math.ceil((count * (performance.now() - startedMs + stepMs)) / load.joinMs))
    while (opened < due) open(opened++)
    await sleep(stepMs)
  }
}

const newestBehindMs = (): number => Math.max(...[...clocks.values()].map((clock) => clock.newestMs))

const all = load.connections + load.stalled
const startedMs = performance.now()
await openAll(all)
const beginByMs = performance.now() + beginTimeoutMs
while (served.size + closed < all && performance.now() < beginByMs) await sleep(stepMs)
const joinedMs = performance.now() - startedMs
const settleByMs = performance.now() + longestSettleMs
await sleep(load.settleMs)
while (newestBehindMs() > workedOffMs && performance.now() < settleByMs) await sleep(stepMs)
for (const clock of clocks.values()) clock.reset()
await sleep(lookMs)
const isHopeless = served.size < all || newestBehindMs() > hopelessMs
const cpuUsed = watchCpu(load.serverPid)
const writesBefore = writeCalls(load.serverPid)
const measuredFromMs = performance.now()
tally.isMeasuring = true
await sleep(isHopeless ? hopelessMeasureMs : load.measureMs)
tally.isMeasuring = false
const seconds = (performance.now() - measuredFromMs) / 1000
const cpu = cpuUsed()
const writes = writeCalls(load.serverPid) - writesBefore
const deliveries = tally.delays.count
const figures: FanOutFigures = {
  ...{ joinedMs, deliveries, seconds, cpu },
  p50Ms: tally.delays.percentile(0.5),
  p99Ms: tally.delays.percentile(0.99),
  behindP99Ms: tally.behind.percentile(0.99),
  missing: tally.missing,
  lost: all - served.size,
  perRead: deliveries / tally.reads,
  perWrite: deliveries / writes,
  residentBytes: load.inspector === null ? null : await settledMemory(load.inspector, load.serverPid),
}
process.stdout.write(JSON.stringify(figures), () => process.exit(0))
