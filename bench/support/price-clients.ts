import { setTimeout as sleep } from 'node:timers/promises'
import { PriceSocket } from './price-socket.ts'
import { PriceTally, TickClock } from './price-tally.ts'

const stepMs = 10
/** Addresses of 127.0.0.0/8, used in turns: each has its own ports. */
const localAddresses = 4

export interface PriceClientsOptions {
  readonly url: string
  /** Assigned in turns. */
  readonly symbols: readonly string[]
  /** Tick rate of the server for each symbol, from which follows when each `seq` was due. */
  readonly ticksPerSecond: number
  /** All subscriptions have the same id, for servers that know only one. */
  readonly sharesId: boolean
  /** Fields beside those of the load client, for longer messages. */
  readonly moreFields?: readonly string[]
}

/** The subscribers of one load client. Ends the process if one of them gets a wrong message. */
export class PriceClients {
  readonly tally: PriceTally
  /** Open subscribers that have a first price. */
  readonly served = new Set<PriceSocket>()
  readonly clocks: readonly TickClock[]
  readonly #options: PriceClientsOptions
  readonly #url: URL
  readonly #all = new Set<PriceSocket>()
  #opened = 0

  constructor(options: PriceClientsOptions) {
    this.#options = options
    this.#url = new URL(options.url)
    this.tally = new PriceTally(options.moreFields)
    this.clocks = options.symbols.map(() => new TickClock(options.ticksPerSecond))
  }

  /** Numbers left out, summed over all served subscribers. */
  get missing(): number {
    return [...this.served].reduce((sum, { missing }) => sum + missing, 0)
  }

  open(onServed: (socket: PriceSocket) => void = () => {}): void {
    const { symbols, sharesId } = this.#options
    const index = this.#opened++
    const which = index % symbols.length
    const symbol = symbols[which] as string
    const socket = new PriceSocket({
      url: this.#url,
      tally: this.tally,
      localAddress: `127.0.0.${1 + (index % localAddresses)}`,
      symbol,
      clock: this.clocks[which] as TickClock,
      // As long as the ids of real clients, which are UUIDs.
      id: String(sharesId ? 0 : index).padStart(36, '0'),
      query: `subscription { priceUpdates(symbols: [${JSON.stringify(symbol)}]) { ${this.tally.fields} } }`,
      onServed: (socket) => {
        this.served.add(socket)
        onServed(socket)
      },
      onClosed: (socket) => {
        this.served.delete(socket)
        this.#all.delete(socket)
      },
      onWrong: fail,
    })
    this.#all.add(socket)
  }

  /** Opens clients evenly over a time, as finely as a timer allows. */
  async openEvenly(count: number, overMs: number, onServed?: (socket: PriceSocket) => void): Promise<void> {
    const startedMs = performance.now()
    for (let opened = 0; opened < count; ) {
      const due = Math.min(count, Math.ceil((count * (performance.now() - startedMs + stepMs)) / overMs))
      for (; opened < due; opened++) this.open(onServed)
      await sleep(stepMs)
    }
  }

  /** Resolves when all opened subscribers are served or closed, or when the time is up. */
  async allServed(timeoutMs: number): Promise<void> {
    const byMs = performance.now() + timeoutMs
    while (this.served.size < this.#all.size && performance.now() < byMs) await sleep(stepMs)
  }

  destroyAll(): void {
    for (const socket of this.#all) socket.destroy()
    this.#all.clear()
    this.served.clear()
  }
}

function fail(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
