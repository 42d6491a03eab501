import type { IncomingMessage } from 'node:http'
import { BlockList, isIPv6, SocketAddress } from 'node:net'

/** Tells the addresses of clients, behind proxies that are trusted as well. */
export class ClientAddresses {
  readonly #proxies: BlockList | undefined

  /** `proxies`: addresses and networks, as in 10.0.0.0/8. Nobody else is believed who an address is forwarded for. */
  constructor(proxies: readonly string[]) {
    if (proxies.length > 0) this.#proxies = networksOf(proxies)
  }

  /** Whether clients come by proxies: then an address of this machine is a client's like any other. */
  get hasProxies(): boolean {
    return this.#proxies !== undefined
  }

  /** undefined: the connection has ended. */
  of({ socket, headers }: IncomingMessage): string | undefined {
    let address = socket.remoteAddress
    const proxies = this.#proxies
    if (!proxies || address === undefined) return address
    // Each proxy adds whom it was asked by at the end, so what is left of one that is not trusted may be made up.
    const hops = String(headers['x-forwarded-for'] ?? '').split(',')
    while (isTrusted(proxies, address)) {
      const hop = hopOf(hops.pop()?.trim() ?? '')
      if (!hop) break
      address = hop.address
    }
    return address
  }
}

/** With or without a port; undefined: it is no address. In one spelling, whatever it comes in. */
const hopOf = (text: string): SocketAddress | undefined =>
  isIPv6(text) ? new SocketAddress({ address: text, family: 'ipv6' }) : SocketAddress.parse(text)

const isTrusted = (proxies: BlockList, address: string): boolean =>
  proxies.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')

/** Throws where one is neither an address nor a network. */
export function networksOf(texts: readonly string[]): BlockList {
  const networks = new BlockList()
  for (const text of texts) {
    const [address = '', length, ...rest] = text.split('/')
    const type = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (rest.length > 0 || (length !== undefined && !/^\d+$/.test(length))) throw new Error(`${text} is no network`)
    if (length === undefined) networks.addAddress(address, type)
    else networks.addSubnet(address, Number(length), type)
  }
  return networks
}
