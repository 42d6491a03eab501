// Load client: the same prices as single updates, or as batches of a second. suite.ts runs it; writes
// BatchesFigures.
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { watchCpu } from '../support/machine.ts'

export interface BatchesLoad {
  readonly url: string
  readonly serverPid: number
  readonly form: 'updates' | 'batches'
  readonly isCompressed: boolean
  /** Those of each client. */
  readonly symbols: readonly (readonly string[])[]
  readonly settleMs: number
  readonly measureMs: number
  readonly durationMs: number
}

export interface BatchesFigures {
  readonly prices: number
  readonly bytes: number
  /** In microseconds. */
  readonly serverMicros: number
  /** Shares of a core. */
  readonly clientCpu: number
  readonly others: number
}

const load = JSON.parse(process.argv[2] ?? '{}') as BatchesLoad
const fields = '{ kind symbol price seq cursor stale }'
const query =
  load.form === 'updates'
    ? `subscription ($symbols: [Symbol!]!) { priceUpdates(symbols: $symbols) ${fields} }`
    : `subscription ($symbols: [Symbol!]!) { priceBatches(symbols: $symbols, batchMs: 1000) ${fields} }`

const sockets: Socket[] = []
let prices = 0
let looked = 0

function fail(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

interface Update {
  readonly symbol: string
  readonly seq: number
}

/** Opens a client, which is served when each of its symbols has a price. Looks closely at some of its messages. */
function open(symbols: readonly string[]): Promise<void> {
  const served = Promise.withResolvers<void>()
  const url = `${load.url.replace('http', 'ws')}${load.isCompressed ? '?compress' : ''}`
  const socket = new WebSocket(url, 'graphql-transport-ws', { perMessageDeflate: load.isCompressed })
  const seen = new Map<string, number>()
  let isServed = false
  const look = (text: string): void => {
    const { type, payload } = JSON.parse(text)
    if (type === 'connection_ack') {
      socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables: { symbols } } }))
      return
    }
    if (type !== 'next' || !payload.data) fail(`a wrong message: ${text.slice(0, 500)}`)
    const updates: Update[] = payload.data.priceBatches ?? [payload.data.priceUpdates]
    for (const { symbol, seq } of updates) {
      if (!(seq > (seen.get(symbol) ?? 0))) fail(`${symbol} ${seq} after ${seen.get(symbol)}`)
      seen.set(symbol, seq)
    }
    isServed ||= seen.size === symbols.length
    if (isServed) served.resolve()
  }
  socket.on('upgrade', (response) => sockets.push(response.socket))
  socket.on('open', () => socket.send('{"type":"connection_init"}'))
  socket.on('error', (error) => fail(error.message))
  socket.on('close', (code) => fail(`closed: ${code}`))
  socket.on('message', (data: Buffer) => {
    if (!isServed || looked++ % 97 === 0) look(data.toString())
    for (let at = data.indexOf('"seq"'); at >= 0; at = data.indexOf('"seq"', at + 5)) prices++
  })
  return served.promise
}

const bytesRead = (): number => sockets.reduce((sum, socket) => sum + socket.bytesRead, 0)

for (let from = 0; from < load.symbols.length; from += 20) {
  await Promise.all(load.symbols.slice(from, from + 20).map(open))
}
await sleep(load.settleMs)
const cpu = watchCpu(load.serverPid)
const before = { prices, bytes: bytesRead() }
await sleep(load.measureMs)
const { server, client, others } = cpu()
const figures: BatchesFigures = {
  prices: prices - before.prices,
  bytes: bytesRead() - before.bytes,
  serverMicros: server * load.measureMs * 1000,
  clientCpu: client,
  others,
}
process.stdout.write(JSON.stringify(figures), () => process.exit(0))
