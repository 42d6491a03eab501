// Load client: subscriptions, sockets and documents that come and go, each different. suites/memory.ts runs it; writes
// ChurnFigures.
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { simulatedInstruments } from '../../src/market/simulated/instruments/instruments.ts'

export interface ChurnLoad {
  readonly url: string
  /** How many symbols the market has, and how many of them are watched in turns. */
  readonly market: number
  readonly symbols: number
  readonly sockets: number
  readonly subscriptionsPerSocket: number
  readonly changesPerSecond: number
  readonly durationMs: number
}

export interface ChurnFigures {
  readonly subscriptions: number
  readonly sockets: number
  readonly updates: number
  readonly queries: number
  readonly refused: number
}

const retryMs = 1000
/** How many different documents: more than the server keeps. */
const documents = 20_000
const selections = [
  'symbol price',
  'kind symbol price seq cursor stale',
  'symbol price seq publishedAt changePercent time cursor quote { bid ask dayHigh dayLow volume }',
]

const load = JSON.parse(process.argv[2] ?? '{}') as ChurnLoad
const symbols = [...simulatedInstruments(load.market, 1).keys()].slice(0, load.symbols)
const totals = { subscriptions: 0, sockets: 0, updates: 0, queries: 0, refused: 0 }
const random = (below: number): number => Math.floor(Math.random() * below)
const pick = <T>(from: readonly T[]): T => from[random(from.length)] as T

function fail(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

class Client {
  readonly #socket = new WebSocket(load.url.replace('http', 'ws'), 'graphql-transport-ws')
  readonly #open: string[] = []

  async start(): Promise<this> {
    totals.sockets += 1
    const acknowledged = new Promise<void>((resolve) => {
      this.#socket.on('message', (data: Buffer) => {
        const head = data.toString('latin1', 0, 80)
        if (head.includes('"type":"next"')) totals.updates += 1
        else if (head.includes('"type":"connection_ack"')) resolve()
        else this.#ended(String(data))
      })
    })
    this.#socket.on('error', (error) => fail(error.message))
    this.#socket.on('open', () => this.#socket.send('{"type":"connection_init"}'))
    await acknowledged
    for (let i = 0; i < load.subscriptionsPerSocket; i++) this.#begin()
    return this
  }

  change(): void {
    const [id] = this.#open.splice(random(this.#open.length), 1)
    if (id === undefined) return
    this.#socket.send(JSON.stringify({ id, type: 'complete' }))
    this.#begin()
  }

  close(): void {
    this.#socket.close(1000)
  }

  /**
   * Subscriptions that were ended here report so. Those that the server refused, because it is behind, are retried
   * soon.
   */
  #ended(text: string): void {
    const { type, id } = JSON.parse(text) as { type: string; id: string }
    if (type !== 'complete' && !text.includes('LIMIT_EXCEEDED')) fail(`a wrong message: ${text}`)
    const at = this.#open.indexOf(id)
    if (at < 0) return
    this.#open.splice(at, 1)
    totals.refused += 1
    setTimeout(() => this.#begin(), retryMs)
  }

  #begin(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return
    const id = `${totals.subscriptions++}`.padStart(36, '0')
    const query = `subscription ($symbols: [Symbol!]!) { priceUpdates(symbols: $symbols) { ${pick(selections)} p${random(documents)}: price } }`
    const variables = { symbols: Array.from({ length: 1 + random(4) }, () => pick(symbols)) }
    this.#socket.send(JSON.stringify({ id, type: 'subscribe', payload: { query, variables } }))
    this.#open.push(id)
  }
}

/** Every third document is refused: the server must not keep its errors either. */
async function ask(): Promise<void> {
  const isRefused = random(3) === 0
  const fields = Array.from({ length: 60 }, (_, i) => `n${random(documents)}x${i}${isRefused ? '' : ': price'}`)
  const body = JSON.stringify({ query: `{ quote(symbol: "${pick(symbols)}") { ${fields.join(' ')} } }` })
  const asked = fetch(load.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  // The server may close a kept-alive connection just as it is used again.
  await asked.then((response) => response.text()).catch(() => {})
  totals.queries += 1
}

const untilMs = performance.now() + load.durationMs
const clients: Client[] = []
while (clients.length < load.sockets) clients.push(await new Client().start())

/** Calls `act` at this rate, or more slowly if calls take longer. */
async function each(timesPerSecond: number, act: () => Promise<void> | void): Promise<void> {
  for (
    let dueMs = performance.now();
    dueMs < untilMs;
    dueMs = Math.max(dueMs + 1000 / timesPerSecond, performance.now() - 100)
  ) {
    await sleep(Math.max(0, dueMs - performance.now()))
    await act()
  }
}

await Promise.all([
  each(load.changesPerSecond, () => pick(clients).change()),
  each(load.changesPerSecond / 10, ask),
  each(load.changesPerSecond / 100, async () => {
    const at = random(clients.length)
    clients[at]?.close()
    clients[at] = await new Client().start()
  }),
])
process.stdout.write(JSON.stringify(totals satisfies ChurnFigures))
process.exit(0)
