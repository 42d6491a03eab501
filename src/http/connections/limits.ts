import { isLoopback } from '../../platform/loopback.ts'
import { addressOrNetwork } from '../access/client-address.ts'

/** Limits of long-lived connections: WebSockets, and streams over SSE. */
export interface LiveLimits {
  /** TCP connections to the API's port, those of requests included. */
  readonly maxTcpConnections: number
  /** WebSockets and streams that are open at once, in all and from one address. */
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  /** Subscriptions that are open at once on one WebSocket. */
  readonly maxSubscriptions: number
  /** Size of one message that a client sends over a WebSocket. */
  readonly maxMessageBytes: number
  /** How long a client may take until it sends connection_init. */
  readonly initTimeoutSeconds: number
  /** How often a client is pinged. It has as long to answer. */
  readonly pingSeconds: number
}

export type FullLimit = 'connections' | 'connections_of_address'

/** Counts the WebSockets and streams over SSE that are open, in all and by address. */
export class LiveConnections {
  readonly #limits: Pick<LiveLimits, 'maxConnections' | 'maxConnectionsPerAddress'>
  readonly #countsLoopback: boolean
  readonly #byAddress = new Map<string, number>()
  #count = 0

  /** `countsLoopback`: an address of this machine has a limit of its own, as any other; else it counts only in all. */
  constructor(
    limits: Pick<LiveLimits, 'maxConnections' | 'maxConnectionsPerAddress'>,
    { countsLoopback }: { countsLoopback: boolean },
  ) {
    this.#limits = limits
    this.#countsLoopback = countsLoopback
  }

  get count(): number {
    return this.#count
  }

  /** Returns the limit that one more connection from that address would exceed. */
  full(address: string | undefined): FullLimit | null {
    if (this.#count >= this.#limits.maxConnections) return 'connections'
    const of = this.#countedAs(address)
    const isFull = of !== null && (this.#byAddress.get(of) ?? 0) >= this.#limits.maxConnectionsPerAddress
    return isFull ? 'connections_of_address' : null
  }

  /** Returns the function that gives the place back. */
  take(address: string | undefined): () => void {
    const of = this.#countedAs(address)
    this.#add(of, 1)
    return () => this.#add(of, -1)
  }

  #add(of: string | null, change: 1 | -1): void {
    this.#count += change
    if (of === null) return
    const count = (this.#byAddress.get(of) ?? 0) + change
    if (count > 0) this.#byAddress.set(of, count)
    else this.#byAddress.delete(of)
  }

  /** null: the address counts only in all. */
  #countedAs(address: string | undefined): string | null {
    if (address === undefined || (!this.#countsLoopback && isLoopback(address))) return null
    return addressOrNetwork(address)
  }
}
