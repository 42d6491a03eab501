// Load client: streams over SSE, each with many symbols. beside.ts runs it; writes StreamsFigures.
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { watchCpu } from '../support/machine.ts'

export interface StreamsLoad {
  readonly url: string
  readonly serverPid: number
  readonly streams: number
  readonly symbols: readonly string[]
  readonly settleMs: number
  readonly measureMs: number
  readonly durationMs: number
}

export interface StreamsFigures {
  readonly eventsPerSecond: number
  readonly serverCpu: number
}

const load = JSON.parse(process.argv[2] ?? '{}') as StreamsLoad
const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY })
const query = `subscription ($symbols: [Symbol!]!) { priceUpdates(symbols: $symbols) { symbol price seq publishedAt } }`
const body = JSON.stringify({ query, variables: { symbols: load.symbols } })
const headers = {
  'content-type': 'application/json',
  accept: 'text/event-stream',
  'content-length': Buffer.byteLength(body),
}
let events = 0

for (let stream = 0; stream < load.streams; stream++) {
  const asked = request(load.url, { method: 'POST', agent, headers }, (response) => {
    if (response.statusCode !== 200) fail(new Error(`status ${response.statusCode}`))
    response.on('data', (chunk: Buffer) => {
      for (let at = chunk.indexOf('event: next'); at >= 0; at = chunk.indexOf('event: next', at + 1)) events += 1
    })
    response.on('end', () => fail(new Error('a stream has ended')))
  })
  asked.on('error', fail)
  asked.end(body)
}
await sleep(load.settleMs)
const cpu = watchCpu(load.serverPid)
const before = events
await sleep(load.measureMs)
const figures: StreamsFigures = {
  eventsPerSecond: (1000 * (events - before)) / load.measureMs,
  serverCpu: cpu().server,
}
process.stdout.write(JSON.stringify(figures), () => process.exit(0))

function fail(error: Error): never {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
}
