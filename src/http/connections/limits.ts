import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { isLoopback } from '../../platform/loopback.ts'

/** Of what is open for long: WebSockets, and streams over SSE. */
export interface LiveLimits {
  /** Connections of any kind to the API's port, requests among them. */
  readonly maxTcpConnections: number
  /** WebSockets and streams open at once, in all and from one address. */
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  /** Open at once on one WebSocket. */
  readonly maxSubscriptions: number
  /** Of one message that a WebSocket takes in. */
  readonly maxMessageBytes: number
  /** How long a client may take for connection_init. */
  readonly initTimeoutSeconds: number
  /** How often a client is asked whether it is there; it has as long to answer. */
  readonly pingSeconds: number
}

export type FullLimit = 'connections' | 'connections_of_address'

/** Counts the WebSockets and streams over SSE that are open, in all and by address. */
export class LiveConnections {
  readonly #limits: Pick<LiveLimits, 'maxConnections' | 'maxConnectionsPerAddress'>
  readonly #countsLoopback: boolean
  readonly #byAddress = new Map<string, number>()
  #count = 0

  /** `countsLoopback`: addresses of this machine have the limit of any other too; else they count in all only. */
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

  /** Which limit one more of that address would break. */
  full(address: string | undefined): FullLimit | null {
    if (this.#count >= this.#limits.maxConnections) return 'connections'
    const of = this.#countedAs(address)
    const isFull = of !== null && (this.#byAddress.get(of) ?? 0) >= this.#limits.maxConnectionsPerAddress
    return isFull ? 'connections_of_address' : null
  }

  /** Returns what gives the place back. */
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

  /** null: it counts in all only. */
  #countedAs(address: string | undefined): string | null {
    if (address === undefined || (!this.#countsLoopback && isLoopback(address))) return null
    return networkOf(address)
  }
}

/** Whoever has an IPv6 address has the other 2^64 of its network too. */
function networkOf(address: string): string {
  if (isIP(address) === 0) return address
  const parsed = ipaddr.process(address)
  return parsed instanceof ipaddr.IPv4 ? parsed.toString() : parsed.parts.slice(0, 4).join(':')
}
