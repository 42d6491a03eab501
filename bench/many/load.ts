// Load client: subscribers over graphql-transport-ws, one per socket, each with many symbols. suite.ts runs it; writes
// ManyFigures.
import { setTimeout as sleep } from 'node:timers/promises'
import { settledMemory } from '../support/inspector.ts'
import { type CpuShares, watchCpu, writeCalls } from '../support/machine.ts'
import { PriceSocket } from '../support/price-socket.ts'
import { TickClock } from '../support/price-tally.ts'
import { SeatTally } from './tally.ts'

export interface ManyLoad {
  readonly url: string
  /** Address of the server's metrics; null: it does not count what it writes. */
  readonly metrics: string | null
  readonly serverPid: number
  readonly clients: number
  readonly symbols: readonly string[]
  readonly symbolsPerClient: number
  /** The type of a symbol in the server's schema. */
  readonly symbolType: 'Symbol' | 'String'
  /** The fields of each document, assigned to clients in turns. The first three are symbol, seq and publishedAt. */
  readonly selections: readonly string[]
  readonly ticksPerSecond: number
  readonly joinMs: number
  readonly settleMs: number
  readonly measureMs: number
  /** The server's inspector, if its memory is wanted. */
  readonly inspector: string | null
  readonly durationMs: number
}

export interface ManyFigures {
  /** Time from the first connection until the last had a price. */
  readonly joinedMs: number
  readonly deliveries: number
  readonly seconds: number
  /** Delay from the server's `publishedAt` to the receipt. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** Delay from when the tick was due to its receipt. */
  readonly behindP99Ms: number
  /** Numbers left out of sequences, each told by the number that follows. */
  readonly leftOut: number
  /** Seats that were far behind their symbol in the end, and so have lost updates without notice. */
  readonly stuck: number
  /**
   * Prices that the server has written and no client has read, once all have ended their subscriptions; null: the server
   * does not count them.
   */
  readonly unread: number | null
  /** Clients that were not served in time, or whose socket the server closed. */
  readonly lost: number
  /** Messages per system call of the server's process. */
  readonly perWrite: number
  readonly cpu: CpuShares
  /** Memory of the server while all are connected, after garbage collection; null: not asked for. */
  readonly residentBytes: number | null
}

const load = JSON.parse(process.argv[2] ?? '{}') as ManyLoad
const beginTimeoutMs = 30_000
const stepMs = 10
/**
 * The measurement begins when updates have come promptly for a while, or this much later than otherwise: clients that
 * join may be more work than the server has time for, and what has piled up is worked off then.
 */
const longerMs = 20_000
const promptMs = 300
const promptForMs = 1000
/** How long before the measurement the load looks for the promptest tick. */
const lookMs = 500
/** Addresses of 127.0.0.0/8, used in turns: each has its own ports. */
const localAddresses = 4
/** A seat that is further behind its symbol, also this much later, has lost something. */
const mostBehind = Math.ceil(2 * load.ticksPerSecond)
const caughtUpMs = 10_000

/** Repeats from run to run: a multiplicative generator modulo 2^31 - 1 (S. K. Park and K. W. Miller, 1988). */
let state = 20_261_201
function below(count: number): number {
  state = (state * 48_271) % 2_147_483_647
  return state % count
}

function drawn(): number[] {
  const indexes = new Set<number>()
  while (indexes.size < load.symbolsPerClient) indexes.add(below(load.symbols.length))
  return [...indexes]
}

class ManySocket extends PriceSocket {
  readonly index: number
  readonly symbols: readonly number[]

  constructor(index: number) {
    const symbols = drawn()
    super({
      url: new URL(load.url),
      tally,
      localAddress: `127.0.0.${1 + (index % localAddresses)}`,
      symbol: '',
      clock: clocks[0] as TickClock,
      // As long as the ids of real clients, which are UUIDs.
      id: String(index).padStart(36, '0'),
      query: `subscription ($symbols: [${load.symbolType}!]!) { priceUpdates(symbols: $symbols) { ${load.selections[index % load.selections.length]} } }`,
      variables: { symbols: symbols.map((symbol) => load.symbols[symbol]) },
      onServed: (socket) => served.add(socket as ManySocket),
      onClosed: (socket) => served.delete(socket as ManySocket),
      onWrong: fail,
    })
    this.index = index
    this.symbols = symbols
  }
}

const clocks = load.symbols.map(() => new TickClock(load.ticksPerSecond))
const tally = new SeatTally(load.symbols, load.clients, clocks)
const served = new Set<ManySocket>()

const startedMs = performance.now()
for (let opened = 0; opened < load.clients; ) {
  const due = Math.min(load.clients, Math.ceil((load.clients * (performance.now() - startedMs + stepMs)) / load.joinMs))
  for (; opened < due; opened++) new ManySocket(opened)
  await sleep(stepMs)
}
while (served.size < load.clients && performance.now() < startedMs + load.joinMs + beginTimeoutMs) await sleep(stepMs)
const joinedMs = performance.now() - startedMs
await sleep(load.settleMs)
const settleByMs = performance.now() + longerMs
for (let promptFromMs = performance.now(); performance.now() < Math.min(promptFromMs + promptForMs, settleByMs); ) {
  await sleep(stepMs)
  if (tally.newestDelayMs > promptMs) promptFromMs = performance.now()
}
for (const clock of clocks) clock.reset()
await sleep(lookMs)
const cpuUsed = watchCpu(load.serverPid)
const writesBefore = writeCalls(load.serverPid)
const measuredFromMs = performance.now()
tally.isMeasuring = true
await sleep(load.measureMs)
tally.isMeasuring = false
const seconds = (performance.now() - measuredFromMs) / 1000
const cpu = cpuUsed()
const writes = writeCalls(load.serverPid) - writesBefore
let stuck = tally.stuck(served, mostBehind)
for (const byMs = performance.now() + caughtUpMs; stuck > 0 && performance.now() < byMs; await sleep(500)) {
  stuck = tally.stuck(served, mostBehind)
}
const residentBytes = load.inspector === null ? null : (await settledMemory(load.inspector, load.serverPid)).rss
const unread = load.metrics === null ? null : await unreadPrices(load.metrics)
const deliveries = tally.delays.count
const figures: ManyFigures = {
  joinedMs,
  deliveries,
  seconds,
  p50Ms: tally.delays.percentile(0.5),
  p99Ms: tally.delays.percentile(0.99),
  behindP99Ms: tally.behind.percentile(0.99),
  leftOut: tally.leftOut,
  stuck,
  unread,
  lost: load.clients - served.size,
  perWrite: deliveries / writes,
  cpu,
  residentBytes,
}
process.stdout.write(JSON.stringify(figures), () => process.exit(0))

/** Nothing is on its way any more when it is counted: so not one price can be missing on either side. */
async function unreadPrices(metrics: string): Promise<number> {
  for (const socket of served) socket.complete()
  const byMs = performance.now() + caughtUpMs
  for (;;) {
    await sleep(stepMs)
    const text = await (await fetch(metrics)).text()
    const isSilent = metric(text, 'finstage_price_subscriptions') === 0
    const unread = metric(text, 'finstage_shared_messages_total') - tally.received
    if ((isSilent && unread === 0) || performance.now() > byMs) return unread
  }
}

function metric(text: string, name: string): number {
  const [, value] = new RegExp(`^${name} (\\d+)$`, 'm').exec(text) ?? []
  if (value === undefined) throw new Error(`the server does not count ${name}`)
  return Number(value)
}

function fail(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
