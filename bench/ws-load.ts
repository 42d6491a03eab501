// Load client: subscribers over graphql-transport-ws, one to a socket. Run by subscriptions.ts; writes SubscriptionFigures.
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { type CpuShares, watchCpu } from './machine.ts'
import { percentile } from './table.ts'

export interface SubscriptionLoad {
  readonly url: string
  readonly serverPid: number
  readonly symbol: string
  readonly connections: number
  /** At which the server is told to tick: tells when each `seq` was due. */
  readonly ticksPerSecond: number
  /** The connections are opened one after another in this time: a server that has just started is not run over. */
  readonly joinMs: number
  readonly warmUpMs: number
  readonly durationMs: number
}

export interface SubscriptionFigures {
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
  readonly cpu: CpuShares
}

const load = JSON.parse(process.argv[2] ?? '{}') as SubscriptionLoad
const beginTimeoutMs = 5000
/** The warm-up lasts until the ticks that piled up meanwhile are worked off, or until this time where they never are. */
const longestWarmUpMs = 4000
const workedOffMs = 50
/** Where it has come to this, measuring on tells no more: the server is too slow. */
const hopelessMs = 1000
const hopelessDurationMs = 500
/** One message in so many is parsed and looked at as a whole. */
const sampledEvery = 97
const periodMs = 1000 / load.ticksPerSecond
const query = `subscription { priceUpdates(symbols: [${JSON.stringify(load.symbol)}]) { symbol price seq publishedAt } }`

/** Those that have got a first price and are open. */
const subscribed = new Set<WebSocket>()
let measuring = false
let received = 0
let missing = 0
let closed = 0
const delays: number[] = []
const lags: number[] = []
/** Where nothing holds a tick up: the lag that all others are compared with. */
let leastLag = Number.POSITIVE_INFINITY
let newestLag = Number.NEGATIVE_INFINITY

function fail(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

function open(id: string): void {
  const socket = new WebSocket(load.url.replace('http', 'ws'), 'graphql-transport-ws', {
    perMessageDeflate: false,
    skipUTF8Validation: true,
  })
  let last: number | undefined
  socket.on('open', () => socket.send('{"type":"connection_init"}'))
  // 'close' follows, which counts.
  socket.on('error', () => {})
  socket.on('close', () => {
    closed += 1
    subscribed.delete(socket)
  })
  socket.on('message', (data: Buffer) => {
    const seq = numberAfter(data, '"seq":')
    if (seq === undefined) {
      control(socket, data.toString(), id)
      return
    }
    const now = Date.now()
    received += 1
    if (received % sampledEvery === 1) check(data.toString(), id, seq)
    if (last === undefined) subscribed.add(socket)
    else if (seq <= last) fail(`out of order: ${seq} after ${last}`)
    else if (measuring) missing += seq - last - 1
    last = seq
    newestLag = now - seq * periodMs
    leastLag = Math.min(leastLag, newestLag)
    if (!measuring) return
    lags.push(newestLag)
    delays.push(now - (numberAfter(data, '"publishedAt":') ?? Number.NaN))
  })
}

function control(socket: WebSocket, text: string, id: string): void {
  const { type } = JSON.parse(text) as { type: string }
  if (type === 'connection_ack') socket.send(JSON.stringify({ id, type: 'subscribe', payload: { query } }))
  else if (type === 'ping') socket.send('{"type":"pong"}')
  else fail(`a wrong message: ${text}`)
}

function check(text: string, id: string, seq: number): void {
  const message = JSON.parse(text) as { id?: string; type?: string; payload?: { data?: { priceUpdates?: unknown } } }
  const update = (message.payload?.data?.priceUpdates ?? {}) as Record<string, unknown>
  const right =
    message.id === id &&
    message.type === 'next' &&
    update.symbol === load.symbol &&
    Number(update.price) > 0 &&
    update.seq === seq &&
    Number(update.publishedAt) > 0 &&
    Object.keys(update).length === 4
  if (!right) fail(`a wrong message: ${text}`)
}

/** A message costs a parse less where its two numbers are read from the bytes. */
function numberAfter(data: Buffer, key: string): number | undefined {
  const start = data.indexOf(key, 0, 'latin1')
  if (start < 0) return undefined
  let value = 0
  for (let index = start + key.length; index < data.length; index++) {
    const digit = (data[index] ?? 0) - 48
    if (digit < 0 || digit > 9) break
    value = value * 10 + digit
  }
  return value
}

for (let count = 1; count <= load.connections; count++) {
  open(String(count))
  await sleep(load.joinMs / load.connections)
}
const beginByMs = performance.now() + beginTimeoutMs
while (subscribed.size + closed < load.connections && performance.now() < beginByMs) await sleep(20)
const warmByMs = performance.now() + longestWarmUpMs
await sleep(load.warmUpMs)
while (newestLag - leastLag > workedOffMs && performance.now() < warmByMs) await sleep(5)
const hopeless = subscribed.size < load.connections || newestLag - leastLag > hopelessMs
const cpuUsed = watchCpu(load.serverPid)
const startedMs = performance.now()
measuring = true
await sleep(hopeless ? hopelessDurationMs : load.durationMs)
const seconds = (performance.now() - startedMs) / 1000
const cpu = cpuUsed()
measuring = false
const figures: SubscriptionFigures = {
  deliveries: delays.length,
  seconds,
  p50Ms: percentile(delays, 0.5),
  p99Ms: percentile(delays, 0.99),
  behindP99Ms: percentile(lags, 0.99) - leastLag,
  missing,
  lost: load.connections - subscribed.size,
  cpu,
}
process.stdout.write(JSON.stringify(figures), () => process.exit(0))
