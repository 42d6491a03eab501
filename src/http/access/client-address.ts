import type { IncomingMessage } from 'node:http'
import { isIP, isIPv6, SocketAddress } from 'node:net'
import ipaddr from 'ipaddr.js'
import type { Caller } from '../../platform/concurrency/event-loop-turns.ts'
import { isLoopback } from '../../platform/loopback.ts'

/** An address and how many of its bits stand for the network. */
type Network = [ipaddr.IPv4 | ipaddr.IPv6, number]

/** Names all clients of this machine: see `ClientAddresses.clientOf`. */
export const thisMachine = 'loopback'

/** Finds the addresses of clients, also behind trusted proxies. */
export class ClientAddresses {
  readonly #proxies: Network[] | undefined

  /** `proxies`: addresses and networks, as in 10.0.0.0/8. X-Forwarded-For is believed of these alone. */
  constructor(proxies: readonly string[]) {
    if (proxies.length > 0) this.#proxies = networksOf(proxies)
  }

  /** Whether clients come through proxies: then an address of this machine is a client's like any other. */
  get hasProxies(): boolean {
    return this.#proxies !== undefined
  }

  /** undefined: the connection has ended. */
  of({ socket, headers }: IncomingMessage): string | undefined {
    let address = socket.remoteAddress
    const proxies = this.#proxies
    if (!proxies || address === undefined) return address
    // Each proxy appends the address of its own client. Everything before the first hop that is not trusted may be made
    // up.
    const hops = String(headers['x-forwarded-for'] ?? '').split(',')
    while (isTrusted(proxies, address)) {
      const hop = hopOf(hops.pop()?.trim() ?? '')
      if (!hop) break
      address = hop.address
    }
    return address
  }

  /** Stands for one operation of a request. */
  callerOf(request: IncomingMessage): Caller {
    return new RequestCaller(this, request)
  }

  /**
   * Names the client of a request among those that share the server. Without trusted proxies, all of this machine are
   * one: there may be a proxy before them.
   */
  clientOf(request: IncomingMessage): string {
    const address = this.of(request)
    if (address === undefined) return 'gone'
    return !this.hasProxies && isLoopback(address) ? thisMachine : addressOrNetwork(address)
  }
}

/** Most operations are done before anybody asks whose they are. */
class RequestCaller implements Caller {
  readonly #addresses: ClientAddresses
  readonly #request: IncomingMessage
  #client: string | undefined

  constructor(addresses: ClientAddresses, request: IncomingMessage) {
    this.#addresses = addresses
    this.#request = request
  }

  get client(): string {
    this.#client ??= this.#addresses.clientOf(this.#request)
    return this.#client
  }
}

/** A client with an IPv6 address has all 2^64 addresses of its network. */
export function addressOrNetwork(address: string): string {
  if (isIP(address) === 0) return address
  const parsed = ipaddr.process(address)
  return parsed instanceof ipaddr.IPv4 ? parsed.toString() : parsed.parts.slice(0, 4).join(':')
}

/** Parses an address with or without a port, and normalises its spelling. undefined: it is no address. */
const hopOf = (text: string): SocketAddress | undefined =>
  isIPv6(text) ? new SocketAddress({ address: text, family: 'ipv6' }) : SocketAddress.parse(text)

const isTrusted = (proxies: Network[], address: string): boolean =>
  ipaddr.subnetMatch(ipaddr.process(address), { proxies }, 'others') === 'proxies'

/** Throws if a text is neither an address nor a network. */
export const networksOf = (texts: readonly string[]): Network[] => texts.map(networkOf)

function networkOf(text: string): Network {
  // Not the shorter and octal spellings that ipaddr.js reads as well: 010.0.0.1 would be 8.0.0.1.
  const isNetwork = ipaddr.IPv4.isValidCIDRFourPartDecimal(text) || ipaddr.IPv6.isValidCIDR(text)
  const isAddress = ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text)
  if (!isNetwork && !isAddress) throw new Error(`${text} is neither an address nor a network`)
  const [address, bits] = ipaddr.parseCIDR(isNetwork ? text : `${text}/${text.includes(':') ? 128 : 32}`)
  // Addresses of IPv4 that come by IPv6 are compared as what they are.
  const isMapped = address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && bits >= 96
  return isMapped ? [address.toIPv4Address(), bits - 96] : [address, bits]
}
