import { isIPv4, isIPv6 } from 'node:net'

export interface WebSocketLimits {
  /** Open at once, in all and from one address; those of this machine count in all only. */
  readonly maxSockets: number
  readonly maxSocketsPerAddress: number
  /** Open at once on one socket. */
  readonly maxSubscriptions: number
  /** Of one message that comes in. */
  readonly maxMessageBytes: number
  /** How long a client may take for connection_init. */
  readonly initTimeoutSeconds: number
  /** How often a client is asked whether it is there; it has as long to answer. */
  readonly pingSeconds: number
}

/** Counts the sockets that are open, by address. */
export class SocketLimits {
  readonly #limits: WebSocketLimits
  readonly #byAddress = new Map<string, number>()
  #count = 0

  constructor(limits: WebSocketLimits) {
    this.#limits = limits
  }

  /** What ends the socket's place; null: there is none. */
  take(address: string | undefined): (() => void) | null {
    const { maxSockets, maxSocketsPerAddress } = this.#limits
    const name = address === undefined || isLoopback(address) ? null : networkOf(address)
    const ofAddress = name === null ? 0 : (this.#byAddress.get(name) ?? 0)
    if (this.#count >= maxSockets || (name !== null && ofAddress >= maxSocketsPerAddress)) return null
    this.#count += 1
    if (name !== null) this.#byAddress.set(name, ofAddress + 1)
    return () => {
      this.#count -= 1
      if (name === null) return
      const left = (this.#byAddress.get(name) ?? 1) - 1
      if (left > 0) this.#byAddress.set(name, left)
      else this.#byAddress.delete(name)
    }
  }
}

const isLoopback = (address: string): boolean => address === '::1' || /^(::ffff:)?127\./.test(address)

/** Whoever has an IPv6 address has the other 2^64 of its network too. */
function networkOf(address: string): string {
  const mapped = address.replace(/^::ffff:/, '')
  if (isIPv4(mapped) || !isIPv6(address)) return mapped
  return groupsOf(address).slice(0, 4).join(':')
}

/** The eight groups of an IPv6 address, those left out included. */
function groupsOf(address: string): string[] {
  const [head = '', tail] = address.split('%', 1)[0]?.split('::') ?? []
  const before = head === '' ? [] : head.split(':')
  if (tail === undefined) return before
  const after = tail === '' ? [] : tail.split(':')
  return [...before, ...Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0'), ...after]
}
